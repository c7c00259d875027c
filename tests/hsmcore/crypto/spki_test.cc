// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/rsa.h>

#include "crypto/der.h"
#include "hsmcore/crypto/default_provider.h"
#include "hsmcore/key_reference.h"

namespace hsmcore::crypto {
namespace {

std::vector<const TwinKey*> AllTwins() {
  std::vector<const TwinKey*> twins = {&RsaTwin(), &Rsa2304Twin(), &RsaPssTwin(), &Ed25519Twin()};
  for (const CurveRow& row : AllCurves()) twins.push_back(&EcTwin(row.curve));
  return twins;
}

DefaultPkey RestrictedPss(const char* digest, const char* mgf_digest, int salt_length) {
  EVP_PKEY_CTX* context = EVP_PKEY_CTX_new_from_name(nullptr, "RSA-PSS", nullptr);
  EVP_PKEY* key = nullptr;
  EXPECT_EQ(EVP_PKEY_keygen_init(context), 1);
  EXPECT_EQ(EVP_PKEY_CTX_set_rsa_keygen_bits(context, 1024), 1);
  EXPECT_EQ(EVP_PKEY_CTX_set_rsa_pss_keygen_md_name(context, digest, nullptr), 1);
  EXPECT_EQ(EVP_PKEY_CTX_set_rsa_pss_keygen_mgf1_md_name(context, mgf_digest), 1);
  EXPECT_EQ(EVP_PKEY_CTX_set_rsa_pss_keygen_saltlen(context, salt_length), 1);
  EXPECT_EQ(EVP_PKEY_generate(context, &key), 1);
  EVP_PKEY_CTX_free(context);
  return DefaultPkey(key);
}

TEST(SpkiTest, IsByteForByteWhatTheDefaultProviderWrites) {
  for (const TwinKey* twin : AllTwins()) {
    const Bytes theirs = Spki(twin->theirs.get());
    EXPECT_EQ(EncodeSpki(twin->material.public_part).value(), theirs);
    EXPECT_EQ(DecodeSpki(theirs).value(), twin->material.public_part);
  }
}

TEST(SpkiTest, RestrictionsOfPssKeysComeAndGo) {
  struct Case {
    const char* digest;
    const char* mgf_digest;
    int salt_length;
  };
  for (const Case& c : {Case{"SHA1", "SHA1", 20}, Case{"SHA256", "SHA256", 32},
                        Case{"SHA384", "SHA1", 0}, Case{"SHA1", "SHA512", 20},
                        Case{"SHA224", "SHA512-256", 200}, Case{"SHA512-224", "SHA224", 20}}) {
    const auto key = RestrictedPss(c.digest, c.mgf_digest, c.salt_length);
    const Bytes theirs = Spki(key.get());
    const auto material = DecodeSpki(theirs);
    ASSERT_TRUE(material) << material.error().Message();
    const auto& rsa = std::get<RsaPublic>(*material);
    EXPECT_TRUE(rsa.pss_only);
    ASSERT_TRUE(rsa.pss);
    EXPECT_EQ(rsa.pss->digest, DigestByName(c.digest));
    EXPECT_EQ(rsa.pss->mgf_digest, DigestByName(c.mgf_digest));
    EXPECT_EQ(rsa.pss->min_salt_length, c.salt_length);
    EXPECT_EQ(EncodeSpki(*material).value(), theirs);
  }
}

TEST(SpkiTest, CompressedPointsAreUnpacked) {
  const auto& ec = std::get<EcPublic>(EcTwin(Curve::kP256).material.public_part);
  Bytes compressed(ec.point.begin(), ec.point.begin() + 33);
  compressed.front() = static_cast<std::uint8_t>(2 + (ec.point.back() & 1));
  const Bytes spki = der::Element(
      der::kSequence,
      {der::AlgorithmIdentifier("1.2.840.10045.2.1",
                                der::Element(der::kOid, {der::OidContents(RowOf(ec.curve).oid)})),
       der::BitString(compressed)});
  EXPECT_EQ(DecodeSpki(spki).value(), PublicMaterial(ec));
}

TEST(SpkiTest, RefusesExplicitCurves) {
  EVP_PKEY_CTX* context = EVP_PKEY_CTX_new_from_name(nullptr, "EC", nullptr);
  EVP_PKEY* raw = nullptr;
  EVP_PKEY_keygen_init(context);
  EVP_PKEY_CTX_set_group_name(context, "P-256");
  EVP_PKEY_CTX_set_ec_param_enc(context, OPENSSL_EC_EXPLICIT_CURVE);
  ASSERT_EQ(EVP_PKEY_generate(context, &raw), 1);
  EVP_PKEY_CTX_free(context);
  const DefaultPkey key(raw);
  const auto refused = DecodeSpki(Spki(key.get()));
  ASSERT_EQ(CodeOf(refused), ErrorCode::kKeyImport);
  EXPECT_NE(refused.error().detail().find("named_curve"), std::string::npos);
  EXPECT_EQ(CodeOf(DecodePkcs8(SecretBytes::CopyOf(Pkcs8(key.get())))), ErrorCode::kKeyImport);
}

TEST(SpkiTest, KeepsRawKeysAsTheyAre) {
  for (const char* name : {"ED25519", "ED448", "X25519", "X448"}) {
    const auto key = GenerateDefault(name);
    const Bytes spki = Spki(key.get());
    const auto material = DecodeSpki(spki);
    ASSERT_TRUE(material.has_value()) << name << ": " << material.error().Message();
    EXPECT_EQ(TypeOf(*material), KeyTypeByName(name));
    EXPECT_EQ(EncodeSpki(*material), spki);
    const auto pair = DecodePkcs8(SecretBytes::CopyOf(Pkcs8(key.get())));
    ASSERT_TRUE(pair.has_value()) << name << ": " << pair.error().Message();
    EXPECT_EQ(pair->public_part, *material);
  }
}

TEST(SpkiTest, RefusesOtherAlgorithms) {
  const auto dh = GenerateDefault("DHX", "dh_2048_256");
  EXPECT_EQ(CodeOf(DecodeSpki(Spki(dh.get()))), ErrorCode::kKeyImport);
  const auto brainpool = GenerateDefault("EC", "brainpoolP256r1");
  const auto refused = DecodeSpki(Spki(brainpool.get()));
  ASSERT_EQ(CodeOf(refused), ErrorCode::kKeyImport);
  EXPECT_NE(refused.error().detail().find("P-256"), std::string::npos);
}

TEST(SpkiTest, NothingDamagedPassesForAnotherEncoding) {
  RandomBytes random;
  SCOPED_TRACE(random.Trace());
  for (const TwinKey* twin : AllTwins()) {
    const Bytes good = Spki(twin->theirs.get());
    for (std::size_t size = 0; size < good.size(); ++size) {
      EXPECT_EQ(CodeOf(DecodeSpki(ByteView(good).first(size))), ErrorCode::kKeyImport);
    }
    Bytes longer = good;
    longer.push_back(0);
    EXPECT_EQ(CodeOf(DecodeSpki(longer)), ErrorCode::kKeyImport);
    for (int i = 0; i < 300; ++i) {
      Bytes bad = good;
      bad[random.Below(bad.size())] ^= static_cast<std::uint8_t>(1 + random.Below(255));
      const auto material = DecodeSpki(bad);
      if (!material) {
        EXPECT_EQ(material.error().code(), ErrorCode::kKeyImport);
      } else {
        // Left out parameters and the NULL in their place mean the same.
        EXPECT_TRUE(DecodeSpki(EncodeSpki(*material).value()).value() == *material);
      }
    }
  }
  EXPECT_EQ(ERR_peek_error(), 0UL);
}

TEST(SpkiTest, EncodingRefusesMaterialThatIsNone) {
  EXPECT_EQ(CodeOf(EncodeSpki(RsaPublic{})), ErrorCode::kKeyImport);
  EXPECT_EQ(CodeOf(EncodeSpki(EcPublic{})), ErrorCode::kKeyImport);
  EXPECT_EQ(CodeOf(EncodeSpki(RawPublic{})), ErrorCode::kKeyImport);
}

}  // namespace
}  // namespace hsmcore::crypto
