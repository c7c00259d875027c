// SPDX-License-Identifier: Apache-2.0
#include "crypto/pkcs8_encoder.h"

#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <openssl/x509.h>

#include "default_provider.h"
#include "hsmcore/key_reference.h"

namespace hsmcore::crypto {
namespace {

constexpr SecretAccess kForTest{"test"};

Bytes Encoded(const KeyPairMaterial& pair) {
  const auto der = EncodePkcs8(pair.public_part, pair.private_part);
  if (!der) {
    ADD_FAILURE() << der.error().Message();
    return {};
  }
  const ByteView view = der->Read(kForTest);
  return {view.begin(), view.end()};
}

// What OpenSSL makes of it, written by OpenSSL.
Bytes ThroughOpenssl(const Bytes& der) {
  const unsigned char* data = der.data();
  const DefaultPkey key(d2i_AutoPrivateKey(nullptr, &data, static_cast<int>(der.size())));
  if (key == nullptr || data != der.data() + der.size()) return {};
  return Pkcs8(key.get());
}

KeyPairMaterial Made(KeyType type, Curve curve = Curve::kP256) {
  KeySpec spec;
  spec.type = type;
  spec.curve = curve;
  auto pair = GeneratePair(spec);
  if (!pair) ADD_FAILURE() << pair.error().Message();
  return *std::move(pair);
}

TEST(Pkcs8EncoderTest, WritesWhatOpensslWrites) {
  for (const KeyType type : {KeyType::kRsa, KeyType::kRsaPss, KeyType::kEd25519, KeyType::kEd448,
                             KeyType::kX25519, KeyType::kX448}) {
    SCOPED_TRACE(NameOf(type));
    const Bytes der = Encoded(Made(type));
    EXPECT_EQ(ThroughOpenssl(der), der);
  }
  for (const CurveRow& row : AllCurves()) {
    SCOPED_TRACE(row.name);
    const Bytes der = Encoded(Made(KeyType::kEc, row.curve));
    EXPECT_EQ(ThroughOpenssl(der), der);
  }
}

TEST(Pkcs8EncoderTest, KeepsTheRestrictionsOfRsaPss) {
  KeySpec spec;
  spec.type = KeyType::kRsaPss;
  spec.pss = PssRestrictions{Digest::kSha384, Digest::kSha256, 40};
  const auto pair = GeneratePair(spec);
  const auto back = DecodePkcs8(SecretBytes::CopyOf(Encoded(*pair)));
  ASSERT_TRUE(back.has_value()) << back.error().Message();
  EXPECT_EQ(back->public_part, pair->public_part);
}

TEST(Pkcs8EncoderTest, IsReadBackForEveryTypeThatRuns) {
  int tried = 0;
  for (const KeyTypeRow& row : AllKeyTypes()) {
    if (row.form != KeyForm::kRaw) continue;
    KeySpec spec;
    spec.type = row.type;
    const auto pair = GeneratePair(spec);
    if (CodeOf(pair) == ErrorCode::kNotSupported) continue;  // the OpenSSL that runs is older
    SCOPED_TRACE(row.name);
    ASSERT_TRUE(pair.has_value()) << pair.error().Message();
    const auto back = DecodePkcs8(SecretBytes::CopyOf(Encoded(*pair)));
    ASSERT_TRUE(back.has_value()) << back.error().Message();
    EXPECT_EQ(back->public_part, pair->public_part);
    const auto& before = std::get<RawPrivate>(pair->private_part);
    const auto& after = std::get<RawPrivate>(back->private_part);
    EXPECT_TRUE(after.key.Equals(before.key.Read(kForTest)));
    EXPECT_TRUE(after.seed.Equals(before.seed.Read(kForTest)));
    ++tried;
  }
  EXPECT_GE(tried, 4);
}

// RFC 9881 section 6, RFC 9935 section 6: both, the seed alone, the key alone.
TEST(Pkcs8EncoderTest, ThreeFormsOfKeysWithASeed) {
  const RawPublic pub{KeyType::kMlDsa44, Bytes(1312, 1)};
  const auto head = [&](bool key, bool seed) {
    RawPrivate priv;
    if (key) priv.key = SecretBytes::CopyOf(Bytes(2560, 2));
    if (seed) priv.seed = SecretBytes::CopyOf(Bytes(32, 3));
    const Bytes der = Encoded({pub, std::move(priv)});
    // SEQUENCE, version, AlgorithmIdentifier of 13 bytes, then the OCTET STRING's contents
    const std::size_t header = der.size() > 0x80 ? 4 : 2;
    const std::size_t inner = header + 3 + 13 + header;
    return Bytes(der.begin() + static_cast<std::ptrdiff_t>(inner),
                 der.begin() + static_cast<std::ptrdiff_t>(inner) + 6);
  };
  EXPECT_EQ(head(true, true), (Bytes{0x30, 0x82, 0x0a, 0x26, 0x04, 0x20}));
  EXPECT_EQ(head(true, false), (Bytes{0x04, 0x82, 0x0a, 0x00, 2, 2}));
  EXPECT_EQ(head(false, true), (Bytes{0x80, 0x20, 3, 3, 3, 3}));
}

TEST(Pkcs8EncoderTest, SecretKeysHaveNoSuchForm) {
  EXPECT_EQ(CodeOf(EncodePkcs8(SecretFacts{}, SecretValue{SecretBytes(16)})),
            ErrorCode::kKeyTypeMismatch);
}

}  // namespace
}  // namespace hsmcore::crypto
