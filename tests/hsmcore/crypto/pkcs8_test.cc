// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>
#include <openssl/core_names.h>
#include <openssl/encoder.h>
#include <openssl/err.h>
#include <openssl/pem.h>

#include <string>

#include "crypto/der.h"
#include "hsmcore/crypto/default_provider.h"
#include "hsmcore/key_reference.h"

namespace hsmcore::crypto {
namespace {

constexpr SecretAccess kForTest{"comparison in a test"};

Bytes Open(const SecretBytes& secret) {
  const ByteView view = secret.Read(kForTest);
  return {view.begin(), view.end()};
}

Result<KeyPairMaterial> Decode(ByteView data) { return DecodePkcs8(SecretBytes::CopyOf(data)); }
Result<KeyPairMaterial> Decode(std::string_view text) {
  return DecodePkcs8(SecretBytes::CopyOf(text));
}

// "PrivateKeyInfo", "EncryptedPrivateKeyInfo", "type-specific" as OpenSSL writes them.
std::string Pem(EVP_PKEY* key, const char* structure, const char* cipher = nullptr,
                int selection = EVP_PKEY_KEYPAIR) {
  OSSL_ENCODER_CTX* context =
      OSSL_ENCODER_CTX_new_for_pkey(key, selection, "PEM", structure, nullptr);
  if (cipher != nullptr) {
    OSSL_ENCODER_CTX_set_cipher(context, cipher, nullptr);
    OSSL_ENCODER_CTX_set_passphrase(context, reinterpret_cast<const unsigned char*>("secret"), 6);
  }
  unsigned char* text = nullptr;
  std::size_t size = 0;
  EXPECT_EQ(OSSL_ENCODER_to_data(context, &text, &size), 1);
  std::string pem(reinterpret_cast<char*>(text), size);
  OPENSSL_free(text);
  OSSL_ENCODER_CTX_free(context);
  return pem;
}

std::vector<const TwinKey*> AllTwins() {
  std::vector<const TwinKey*> twins = {&RsaTwin(), &RsaPssTwin(), &Ed25519Twin()};
  for (const CurveRow& row : AllCurves()) twins.push_back(&EcTwin(row.curve));
  return twins;
}

void ExpectSame(const KeyPairMaterial& a, const KeyPairMaterial& b) {
  EXPECT_EQ(a.public_part, b.public_part);
  ASSERT_EQ(a.private_part.index(), b.private_part.index());
  if (const auto* rsa = std::get_if<RsaPrivate>(&a.private_part)) {
    const auto& other = std::get<RsaPrivate>(b.private_part);
    EXPECT_EQ(Open(rsa->d), Open(other.d));
    EXPECT_EQ(Open(rsa->qinv), Open(other.qinv));
  } else if (const auto* ec = std::get_if<EcPrivate>(&a.private_part)) {
    EXPECT_EQ(Open(ec->scalar), Open(std::get<EcPrivate>(b.private_part).scalar));
  } else {
    EXPECT_EQ(Open(std::get<RawPrivate>(a.private_part).key),
              Open(std::get<RawPrivate>(b.private_part).key));
  }
}

TEST(Pkcs8Test, ReadsPemOfEveryTypeInEveryForm) {
  for (const TwinKey* twin : AllTwins()) {
    const KeyType type = TypeOf(twin->material.public_part);
    SCOPED_TRACE(NameOf(type));
    const auto pkcs8 = Decode(Pem(twin->theirs.get(), "PrivateKeyInfo"));
    ASSERT_TRUE(pkcs8) << pkcs8.error().Message();
    ExpectSame(*pkcs8, twin->material);
    if (type != KeyType::kRsa && type != KeyType::kEc) continue;
    const auto traditional = Decode(Pem(twin->theirs.get(), "type-specific"));
    ASSERT_TRUE(traditional) << traditional.error().Message();
    ExpectSame(*traditional, twin->material);
  }
  EXPECT_EQ(ERR_peek_error(), 0UL);
}

TEST(Pkcs8Test, FindsTheKeyAmongOtherBlocksAndText) {
  const TwinKey& twin = EcTwin(Curve::kP256);
  const std::string parameters =
      Pem(twin.theirs.get(), "type-specific", nullptr, EVP_PKEY_KEY_PARAMETERS);
  ASSERT_NE(parameters.find("EC PARAMETERS"), std::string::npos);
  const auto pair = Decode("my key\n" + parameters + Pem(twin.theirs.get(), "type-specific"));
  ASSERT_TRUE(pair) << pair.error().Message();
  ExpectSame(*pair, twin.material);
}

TEST(Pkcs8Test, SaysHowToDecrypt) {
  const TwinKey& twin = EcTwin(Curve::kP256);
  for (const char* structure : {"EncryptedPrivateKeyInfo", "type-specific"}) {
    const auto refused = Decode(Pem(twin.theirs.get(), structure, "AES-128-CBC"));
    ASSERT_EQ(CodeOf(refused), ErrorCode::kKeyImport) << structure;
    EXPECT_NE(refused.error().detail().find("openssl pkey"), std::string::npos);
  }
  const std::string pem = Pem(twin.theirs.get(), "EncryptedPrivateKeyInfo", "AES-128-CBC");
  BIO* bio = BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size()));
  char* name = nullptr;
  char* header = nullptr;
  unsigned char* der = nullptr;
  long size = 0;
  ASSERT_EQ(PEM_read_bio(bio, &name, &header, &der, &size), 1);
  const auto refused = Decode(ByteView(der, static_cast<std::size_t>(size)));
  ASSERT_EQ(CodeOf(refused), ErrorCode::kKeyImport);
  EXPECT_NE(refused.error().detail().find("openssl pkey"), std::string::npos);
  OPENSSL_free(name);
  OPENSSL_free(header);
  OPENSSL_free(der);
  BIO_free(bio);
}

Bytes EcPkcs8(Curve curve, ByteView scalar, ByteView public_key) {
  const Bytes point =
      public_key.empty() ? Bytes{} : der::Element(der::kContext + 1, {der::BitString(public_key)});
  const Bytes key = der::Element(
      der::kSequence, {der::SmallNumber(1), der::Element(der::kOctetString, {scalar}), point});
  const Bytes name = der::Element(der::kOid, {der::OidContents(RowOf(curve).oid)});
  return der::Element(der::kSequence,
                      {der::SmallNumber(0), der::AlgorithmIdentifier("1.2.840.10045.2.1", name),
                       der::Element(der::kOctetString, {key})});
}

TEST(Pkcs8Test, ComputesAnEcPublicKeyThatIsLeftOut) {
  for (const CurveRow& row : AllCurves()) {
    const TwinKey& twin = EcTwin(row.curve);
    const Bytes scalar = Open(std::get<EcPrivate>(twin.material.private_part).scalar);
    const auto pair = Decode(EcPkcs8(row.curve, scalar, {}));
    ASSERT_TRUE(pair) << pair.error().Message();
    ExpectSame(*pair, twin.material);
  }
}

TEST(Pkcs8Test, PadsShortScalars) {
  const Bytes one{1};
  const auto pair = Decode(EcPkcs8(Curve::kP256, one, {}));
  ASSERT_TRUE(pair) << pair.error().Message();
  const Bytes scalar = Open(std::get<EcPrivate>(pair->private_part).scalar);
  EXPECT_EQ(scalar.size(), 32U);
  EXPECT_EQ(scalar.back(), 1);
  EXPECT_TRUE(AsymmetricKey::FromPair(*pair, true));
}

TEST(Pkcs8Test, RefusesScalarsOutOfRangeAndForeignPublicKeys) {
  EXPECT_EQ(CodeOf(Decode(EcPkcs8(Curve::kP256, Bytes(32), {}))), ErrorCode::kKeyImport);
  EXPECT_EQ(CodeOf(Decode(EcPkcs8(Curve::kP256, Bytes(32, 0xff), {}))), ErrorCode::kKeyImport);
  EXPECT_EQ(CodeOf(Decode(EcPkcs8(Curve::kP256, Bytes(33, 1), {}))), ErrorCode::kKeyImport);
  EXPECT_EQ(CodeOf(Decode(EcPkcs8(Curve::kP256, Bytes(), {}))), ErrorCode::kKeyImport);
  const auto& other = std::get<EcPublic>(EcTwin(Curve::kP256).material.public_part);
  EXPECT_EQ(CodeOf(Decode(EcPkcs8(Curve::kP256, Bytes{1}, other.point))), ErrorCode::kKeyImport);
}

TEST(Pkcs8Test, RefusesRsaKeysOfMoreThanTwoPrimes) {
  EVP_PKEY_CTX* context = EVP_PKEY_CTX_new_from_name(nullptr, "RSA", nullptr);
  EVP_PKEY* raw = nullptr;
  EVP_PKEY_keygen_init(context);
  EVP_PKEY_CTX_set_rsa_keygen_bits(context, 2048);
  EVP_PKEY_CTX_set_rsa_keygen_primes(context, 3);
  ASSERT_EQ(EVP_PKEY_generate(context, &raw), 1);
  EVP_PKEY_CTX_free(context);
  const DefaultPkey key(raw);
  const auto refused = Decode(Pkcs8(key.get()));
  ASSERT_EQ(CodeOf(refused), ErrorCode::kKeyImport);
  EXPECT_NE(refused.error().detail().find("two primes"), std::string::npos);
}

TEST(Pkcs8Test, NothingDamagedCrashesOrEscapes) {
  RandomBytes random;
  SCOPED_TRACE(random.Trace());
  for (const TwinKey* twin : AllTwins()) {
    const Bytes good = Pkcs8(twin->theirs.get());
    for (std::size_t size = 0; size < good.size(); ++size) {
      EXPECT_EQ(CodeOf(Decode(ByteView(good).first(size))), ErrorCode::kKeyImport);
    }
    for (int i = 0; i < 300; ++i) {
      Bytes bad = good;
      bad[random.Below(bad.size())] ^= static_cast<std::uint8_t>(1 + random.Below(255));
      const auto pair = Decode(bad);
      EXPECT_EQ(CodeOf(pair).value_or(ErrorCode::kKeyImport), ErrorCode::kKeyImport);
    }
  }
  EXPECT_EQ(ERR_peek_error(), 0UL);
}

TEST(Pkcs8Test, RefusesFilesThatHoldNoKey) {
  for (const std::string_view text :
       {"", "hello", "-----BEGIN ", "-----BEGIN PRIVATE KEY-----\n",
        "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
        "-----BEGIN DSA PRIVATE KEY-----\nAAAA\n-----END DSA PRIVATE KEY-----\n"}) {
    EXPECT_EQ(CodeOf(Decode(text)), ErrorCode::kKeyImport) << text;
  }
  const TwinKey& twin = EcTwin(Curve::kP256);
  EXPECT_EQ(
      CodeOf(Decode(Pem(twin.theirs.get(), "SubjectPublicKeyInfo", nullptr, EVP_PKEY_PUBLIC_KEY))),
      ErrorCode::kKeyImport);
  EXPECT_EQ(ERR_peek_error(), 0UL);
}

}  // namespace
}  // namespace hsmcore::crypto
