// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "hsmcore/crypto/default_provider.h"
#include "hsmcore/key_reference.h"

namespace hsmcore::crypto {
namespace {

TEST(KeyGenerationTest, EveryCurveAndEd25519GiveAValidPair) {
  std::vector<KeySpec> specs(1);
  specs.front().type = KeyType::kEd25519;
  for (const CurveRow& row : AllCurves()) {
    KeySpec spec;
    spec.type = KeyType::kEc;
    spec.curve = row.curve;
    specs.push_back(spec);
  }
  for (const KeySpec& spec : specs) {
    SCOPED_TRACE(std::string(NameOf(spec.type)) + " " + RowOf(spec.curve).name);
    for (int i = 0; i < 20; ++i) {
      const auto pair = GeneratePair(spec);
      ASSERT_TRUE(pair) << pair.error().Message();
      const auto key = AsymmetricKey::FromPair(*pair, true);
      ASSERT_TRUE(key) << key.error().Message();
    }
  }
}

TEST(KeyGenerationTest, RsaHasTheSizeAndExponentThatWereAsked) {
  KeySpec spec;
  spec.modulus_bits = 2304;
  spec.public_exponent = 0x1'0000'0000'0fULL;
  const KeyPairMaterial pair = GeneratePair(spec).value();
  EXPECT_EQ(BitsOf(pair.public_part), 2304U);
  EXPECT_EQ(std::get<RsaPublic>(pair.public_part).exponent, (Bytes{1, 0, 0, 0, 0, 0x0f}));
  EXPECT_TRUE(AsymmetricKey::FromPair(pair, true));
}

TEST(KeyGenerationTest, RsaPssCarriesItsRestrictions) {
  KeySpec spec;
  spec.type = KeyType::kRsaPss;
  spec.pss = PssRestrictions{Digest::kSha384, Digest::kSha384, 48};
  const KeyPairMaterial pair = GeneratePair(spec).value();
  EXPECT_EQ(TypeOf(pair.public_part), KeyType::kRsaPss);
  EXPECT_EQ(std::get<RsaPublic>(pair.public_part).pss, spec.pss);
}

TEST(KeyGenerationTest, RefusesWhatIsNotSupported) {
  for (const unsigned bits : {0U, 1024U, 2047U, 2049U, 2304U + 128U, 4352U, 16384U}) {
    KeySpec spec;
    spec.modulus_bits = bits;
    EXPECT_EQ(CodeOf(GeneratePair(spec)), ErrorCode::kKeySize) << bits;
  }
  for (const std::uint64_t exponent : {0ULL, 3ULL, 65535ULL, 65538ULL}) {
    KeySpec spec;
    spec.public_exponent = exponent;
    EXPECT_EQ(CodeOf(GeneratePair(spec)), ErrorCode::kKeySize) << exponent;
  }
  KeySpec spec;
  spec.pss = PssRestrictions{};
  EXPECT_EQ(CodeOf(GeneratePair(spec)), ErrorCode::kInvalidArgument);
  spec.type = KeyType::kRsaPss;
  spec.pss->digest = Digest::kSha3_256;
  EXPECT_EQ(CodeOf(GeneratePair(spec)), ErrorCode::kDigest);
}

TEST(KeyGenerationTest, TheCheckValueIsSha1OverThePublicKeyBits) {
  const PublicMaterial& rsa = RsaTwin().material.public_part;
  const Bytes spki = EncodeSpki(rsa).value();
  // 24 bytes of headers stand before RSAPublicKey in the SPKI of a 2048-bit key.
  const Bytes hash = DefaultHash(Digest::kSha1, ByteView(spki).subspan(24));
  EXPECT_EQ(CheckValue(rsa).value(), Bytes(hash.begin(), hash.begin() + 3));

  const PublicMaterial& ec = EcTwin(Curve::kP256).material.public_part;
  const Bytes point = DefaultHash(Digest::kSha1, std::get<EcPublic>(ec).point);
  EXPECT_EQ(CheckValue(ec).value(), Bytes(point.begin(), point.begin() + 3));
}

}  // namespace
}  // namespace hsmcore::crypto
