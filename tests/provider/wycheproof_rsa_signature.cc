// SPDX-License-Identifier: Apache-2.0
#include "provider/wycheproof_families.h"

namespace provider::test::wycheproof {
namespace {

// The forms of a public key that a group repeats. Returns SubjectPublicKeyInfo.
Bytes PublicKeyOf(const Fields& group, const char* der_name, const char* asn_name,
                  const char* pem_name, const char* jwk_name, const char* numbers_name) {
  Bytes der = group.Hex(der_name);
  ExpectPem(group, pem_name, der);
  ExpectEnd(asn_name, der, group.Hex(asn_name));
  const Fields& numbers = group.Object(numbers_name);
  const Bytes exponent = numbers.Hex("publicExponent");
  ExpectEnd("publicExponent", der, exponent);
  if (group.Has(jwk_name)) {
    const Fields& jwk = group.Object(jwk_name);
    jwk.Skip({"kty", "alg", "kid"});
    EXPECT_EQ(jwk.Base64Url("n"), WithoutLeadingZeros(numbers.Hex("modulus")));
    EXPECT_EQ(jwk.Base64Url("e"), WithoutLeadingZeros(exponent));
  }
  // INTEGER of three bytes at most stands behind the modulus.
  const Bytes modulus = numbers.Hex("modulus");
  const std::size_t behind = exponent.size() + 2;
  ExpectEnd("modulus", ByteView(der).first(der.size() - behind), modulus);
  return der;
}

Bytes VerifyKeyOf(const Fields& group) {
  return PublicKeyOf(group, "publicKeyDer", "publicKeyAsn", "publicKeyPem",
                     group.Has("publicKeyJwk") ? "publicKeyJwk" : "keyJwk", "publicKey");
}

void VerifyBothWays(Bench& bench, const Vector& vector, ByteView spki, const Options& options) {
  const Bytes message = vector.test.Hex("msg");
  const Bytes signature = vector.test.Hex("sig");
  const auto bits = static_cast<int>(vector.group.Number("keySize"));
  const std::string digest = DigestName(vector.group.Text("sha"));
  if (!hsmcore::DigestByName(digest)) {
    return bench.Judge(vector, kHeld, NotRun("not offered: signatures with " + digest));
  }
  const auto verify = [&](EVP_PKEY* key) -> Outcome {
    EXPECT_EQ(EVP_PKEY_get_bits(key), bits);
    return Verify(bench, key, digest.c_str(), options, message, signature);
  };
  bench.Judge(vector, kHeld, With(bench.HeldPublic(spki), verify));
  bench.Judge(vector, kGiven, With(bench.GivenPublic(spki), verify));
}

Options PssOptions(const Fields& group) {
  EXPECT_TRUE(group.Text("mgf") == "MGF1" || group.Text("mgf") == group.Text("sha"));
  return {{"rsa_padding_mode", "pss"},
          {"rsa_mgf1_md", DigestName(group.Text("mgfSha"))},
          {"rsa_pss_saltlen", std::to_string(group.Number("sLen"))}};
}

Outcome Sign(const Bench& bench, EVP_PKEY* key, const std::string& digest, ByteView message,
             ByteView expected) {
  const Ptr<EVP_MD_CTX> context(EVP_MD_CTX_new());
  std::size_t size = static_cast<std::size_t>(EVP_PKEY_get_size(key));
  Bytes signature(size);
  if (EVP_DigestSignInit_ex(context.get(), nullptr, digest.c_str(), bench.context(), nullptr, key,
                            nullptr) != 1 ||
      EVP_DigestSign(context.get(), signature.data(), &size, message.data(), message.size()) != 1) {
    return Rejected();
  }
  signature.resize(size);
  return Compare("the signature", signature, expected);
}

}  // namespace

void RunRsaPkcs1Verify(Bench& bench, const Vector& vector) {
  VerifyBothWays(bench, vector, VerifyKeyOf(vector.group), {});
}

void RunRsaPss(Bench& bench, const Vector& vector) {
  VerifyBothWays(bench, vector, VerifyKeyOf(vector.group), PssOptions(vector.group));
}

// The key is of type RSASSA-PSS and says the parameters, which are asked for all the same.
void RunRsaPssWithParameters(Bench& bench, const Vector& vector) {
  VerifyBothWays(bench, vector, VerifyKeyOf(vector.group), PssOptions(vector.group));
}

void RunRsaPkcs1Generate(Bench& bench, const Vector& vector) {
  const Fields& group = vector.group;
  const Bytes spki = PublicKeyOf(group, "keyDer", "keyAsn", "keyPem", "keyJwk", "privateKey");
  const Bytes pkcs8 = group.Hex("privateKeyPkcs8");
  // RFC 8017's key stands at the end of PKCS#8, and in a file of its own.
  ExpectEnd("privateKeyPem", pkcs8, FromPem(group.Text("privateKeyPem")));
  group.Object("privateKey").Skip({"privateExponent"});
  if (group.Has("privateKeyJwk")) {
    group.Object("privateKeyJwk")
        .Skip({"kty", "alg", "kid", "n", "e", "d", "p", "q", "dp", "dq", "qi"});
  }
  const Bytes message = vector.test.Hex("msg");
  const Bytes signature = vector.test.Hex("sig");
  const auto bits = static_cast<int>(group.Number("keySize"));
  const std::string digest = DigestName(group.Text("sha"));
  const auto sign = [&](EVP_PKEY* key) -> Outcome {
    EXPECT_EQ(EVP_PKEY_get_bits(key), bits);
    return Sign(bench, key, digest, message, signature);
  };
  bench.Judge(vector, kHeld, With(bench.HeldPkcs8(pkcs8), sign));
  bench.Judge(vector, kGiven, With(bench.GivenPkcs8(pkcs8), sign));
  bench.Judge(vector, "verify", With(bench.GivenPublic(spki), [&](EVP_PKEY* key) {
                return Verify(bench, key, digest.c_str(), {}, message, signature);
              }));
}

}  // namespace provider::test::wycheproof
