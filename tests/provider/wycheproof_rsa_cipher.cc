// SPDX-License-Identifier: Apache-2.0
#include "provider/wycheproof_families.h"

namespace provider::test::wycheproof {
namespace {

// The forms of the private key that a group repeats. Returns PKCS#8.
Bytes PrivateKeyOf(const Fields& group) {
  Bytes pkcs8 = group.Hex("privateKeyPkcs8");
  ExpectPem(group, "privateKeyPem", pkcs8);
  // PKCS#8 has all of these numbers, and ends with the last.
  const Fields& numbers = group.Object("privateKey");
  numbers.Skip({"modulus", "publicExponent", "privateExponent", "prime1", "prime2", "exponent1",
                "exponent2", "otherPrimeInfos"});
  ExpectEnd("coefficient", pkcs8, WithoutLeadingZeros(numbers.Hex("coefficient")));
  if (group.Has("privateKeyJwk")) {
    const Fields& jwk = group.Object("privateKeyJwk");
    jwk.Skip({"kty", "alg", "kid", "n", "e", "d", "p", "q", "dp", "dq"});
    EXPECT_EQ(jwk.Base64Url("qi"), WithoutLeadingZeros(numbers.Hex("coefficient")));
  }
  return pkcs8;
}

struct Case {
  Options options;
  Bytes cipher;
  Bytes message;
  bool implicit_rejection = false;
};

// With implicit rejection (OpenSSL 3.2 and later) a bad padding gives a random message.
Outcome Decrypt(const Bench& bench, EVP_PKEY* key, const Case& c) {
  const Ptr<EVP_PKEY_CTX> context(EVP_PKEY_CTX_new_from_pkey(bench.context(), key, nullptr));
  if (EVP_PKEY_decrypt_init(context.get()) != 1 || !SetOptions(context.get(), c.options)) {
    return {Outcome::Kind::kContradicted, "decryption cannot begin: " + ErrorDetails()};
  }
  Bytes message(static_cast<std::size_t>(EVP_PKEY_get_size(key)));
  std::size_t size = message.size();
  if (EVP_PKEY_decrypt(context.get(), message.data(), &size, c.cipher.data(), c.cipher.size()) !=
      1) {
    return Rejected();
  }
  message.resize(size);
  if (c.implicit_rejection && message != c.message) return Rejected();
  return Compare("the message", message, c.message);
}

void DecryptBothWays(Bench& bench, const Vector& vector, const Case& c) {
  const Bytes pkcs8 = PrivateKeyOf(vector.group);
  const auto bits = static_cast<int>(vector.group.Number("keySize"));
  const auto decrypt = [&](EVP_PKEY* key) -> Outcome {
    EXPECT_EQ(EVP_PKEY_get_bits(key), bits);
    return Decrypt(bench, key, c);
  };
  bench.Judge(vector, kHeld, With(bench.HeldPkcs8(pkcs8), decrypt));
  bench.Judge(vector, kGiven, With(bench.GivenPkcs8(pkcs8), decrypt));
}

}  // namespace

void RunRsaOaep(Bench& bench, const Vector& vector) {
  EXPECT_EQ(vector.group.Text("mgf"), "MGF1");
  Case c{{{"rsa_padding_mode", "oaep"},
          {"rsa_oaep_md", DigestName(vector.group.Text("sha"))},
          {"rsa_mgf1_md", DigestName(vector.group.Text("mgfSha"))}},
         vector.test.Hex("ct"),
         vector.test.Hex("msg")};
  const std::string label = vector.test.Text("label");
  if (!label.empty()) c.options.emplace_back("rsa_oaep_label", label);
  DecryptBothWays(bench, vector, c);
}

void RunRsaPkcs1Decrypt(Bench& bench, const Vector& vector) {
  DecryptBothWays(bench, vector,
                  {{{"rsa_padding_mode", "pkcs1"}},
                   vector.test.Hex("ct"),
                   vector.test.Hex("msg"),
                   vector.expected == Expected::kInvalid});
}

}  // namespace provider::test::wycheproof
