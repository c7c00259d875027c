// SPDX-License-Identifier: Apache-2.0
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/params.h>

#include <set>

#include "provider/provider_fixture.h"

namespace provider::test {
namespace {

using hsmcore::Attribute;
using hsmcore::ErrorCode;

class KeygenTest : public ProviderTest {
 protected:
  const Library library_;
};

TEST_F(KeygenTest, WithoutANameMakesASessionKeyWithoutLogin) {
  unsetenv("HSM_PIN");
  const std::vector<std::pair<const char*, std::vector<std::string>>> cases = {
      {"RSA", {"bits=2048", "primes=2"}},
      {"RSA-PSS", {"bits=2048"}},
      {"EC", {"group=P-521", "encoding=named_curve"}},
      {"ED25519", {}},
  };
  for (const auto& [type, params] : cases) {
    const Pkey key = library_.Generate(type, params);
    ASSERT_NE(key, nullptr) << type << ErrorDetails();
    EXPECT_EQ(ProviderOf(key.get()), "hsm");
  }
}

TEST_F(KeygenTest, WithANameMakesAKeyThatStays) {
  {
    const Pkey key = library_.Generate(
        "EC", {"group=P-256", "hsm-label=kept", "hsm-id=c0ffee", "hsm-extractable=false"});
    ASSERT_NE(key, nullptr) << ErrorDetails();
    EXPECT_FALSE(library_.WritePem(key.get(), EVP_PKEY_KEYPAIR, "PrivateKeyInfo").empty());
  }
  const auto info = Info("kept");
  EXPECT_EQ(info.attributes.id, (Bytes{0xc0, 0xff, 0xee}));
  EXPECT_FALSE(info.attributes.flags.Has(Attribute::kExtractable));
  EXPECT_TRUE(info.attributes.flags.Has(Attribute::kToken));
  EXPECT_TRUE(info.attributes.flags.Has(Attribute::kSign));
  EXPECT_TRUE(info.attributes.flags.Has(Attribute::kDerive));
  EXPECT_EQ(info.owner, "app");
}

TEST_F(KeygenTest, AKeptKeyNeedsALogin) {
  unsetenv("HSM_PIN");
  EXPECT_EQ(library_.Generate("ED25519", {"hsm-label=kept"}), nullptr);
  EXPECT_EQ(HsmReasons(), std::vector{Reason(ErrorCode::kLoginRequired)});
}

TEST_F(KeygenTest, AnUnusedKeyIsDeletedAgain) {
  {
    const Pkey key = library_.Generate("ED25519", {"hsm-label=unused"});
  }
  EXPECT_EQ(CountKeys(), 0U);
}

TEST_F(KeygenTest, AUsedKeyStays) {
  const auto make = [&](const char* label) {
    return library_.Generate("EC", {"group=P-256", std::string("hsm-label=") + label});
  };
  {
    const Pkey key = make("written");
    EXPECT_FALSE(library_.WritePem(key.get(), EVP_PKEY_KEYPAIR, "PrivateKeyInfo").empty());
  }
  {
    const Pkey copy(EVP_PKEY_dup(make("copied").get()));
  }
  {
    const Pkey key = make("public");
    EXPECT_FALSE(library_.WritePem(key.get(), EVP_PKEY_PUBLIC_KEY, "SubjectPublicKeyInfo").empty());
  }
  {
    const Pkey key = make("initialised");
    const Ptr<EVP_PKEY_CTX> context(EVP_PKEY_CTX_new_from_pkey(library_.get(), key.get(), nullptr));
    EXPECT_EQ(EVP_PKEY_sign_init(context.get()), 1);
  }
  EXPECT_EQ(CountKeys(), 8U);
}

// A disk that is full when the reference is written.
TEST_F(KeygenTest, AKeyWhoseReferenceCannotBeWrittenIsDeletedAgain) {
  {
    const Pkey key = library_.Generate("ED25519", {"hsm-label=lost"});
    const Ptr<BIO> full(BIO_new_file("/dev/full", "w"));
    ASSERT_NE(full, nullptr);
    EXPECT_EQ(
        PEM_write_bio_PrivateKey(full.get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr), 0);
    EXPECT_EQ(HsmReasons(), std::vector{Reason(ErrorCode::kStorageIo)});
    // genpkey -text prints the key even then.
    EXPECT_FALSE(library_.WritePem(key.get(), EVP_PKEY_KEYPAIR, nullptr, "TEXT").empty());
  }
  EXPECT_EQ(CountKeys(), 0U);
}

TEST_F(KeygenTest, BadValuesNameTheParameter) {
  const std::vector<std::tuple<const char*, std::string, ErrorCode>> cases = {
      {"RSA", "primes=3", ErrorCode::kKeySize},
      {"EC", "group=brainpoolP256r1", ErrorCode::kKeySize},
      {"EC", "encoding=explicit", ErrorCode::kNotSupported},
      {"ED25519", "hsm-id=xyz", ErrorCode::kAttributeValue},
      {"ED25519", "hsm-extractable=maybe", ErrorCode::kAttributeValue},
      {"ED25519", "hsm-label=" + std::string(200, 'a'), ErrorCode::kAttributeValue},
  };
  for (const auto& [type, param, code] : cases) {
    EXPECT_EQ(library_.Generate(type, {param}), nullptr) << param;
    EXPECT_EQ(HsmReasons(), std::vector{Reason(code)}) << param;
  }
  EXPECT_EQ(library_.Generate("ED25519", {"hsm-sensitive=perhaps"}), nullptr);
  EXPECT_NE(ErrorDetails().find("hsm-sensitive"), std::string::npos);
}

TEST_F(KeygenTest, UnsupportedSizesAreRefused) {
  EXPECT_EQ(library_.Generate("RSA", {"bits=1024"}), nullptr);
  EXPECT_EQ(HsmReasons(), std::vector{Reason(ErrorCode::kKeySize)});
  EXPECT_EQ(library_.Generate("EC", {}), nullptr);
  EXPECT_EQ(HsmReasons(), std::vector{Reason(ErrorCode::kKeySize)});
}

TEST_F(KeygenTest, ReadsTheParametersOfTheType) {
  const Pkey rsa = library_.Generate("RSA", {"bits=3072", "rsa_keygen_pubexp=65539"});
  ASSERT_NE(rsa, nullptr) << ErrorDetails();
  EXPECT_EQ(EVP_PKEY_get_bits(rsa.get()), 3072);
  BIGNUM* exponent = nullptr;
  ASSERT_EQ(EVP_PKEY_get_bn_param(rsa.get(), OSSL_PKEY_PARAM_RSA_E, &exponent), 1);
  EXPECT_TRUE(BN_is_word(exponent, 65539));
  BN_free(exponent);
  const Pkey pss = library_.Generate(
      "RSA-PSS",
      {"rsa_pss_keygen_md=SHA384", "rsa_pss_keygen_mgf1_md=SHA256", "rsa_pss_keygen_saltlen=40"});
  ASSERT_NE(pss, nullptr) << ErrorDetails();
  EXPECT_EQ(library_.WritePem(pss.get(), EVP_PKEY_PUBLIC_KEY, "SubjectPublicKeyInfo"),
            library_.WritePem(library_.InDefault(pss.get()).get(), EVP_PKEY_PUBLIC_KEY,
                              "SubjectPublicKeyInfo"));
}

TEST_F(KeygenTest, MakesAKeyFromParameters) {
  const Ptr<EVP_PKEY_CTX> context(EVP_PKEY_CTX_new_from_name(library_.get(), "EC", "provider=hsm"));
  ASSERT_EQ(EVP_PKEY_paramgen_init(context.get()), 1);
  ASSERT_EQ(EVP_PKEY_CTX_set_group_name(context.get(), "P-384"), 1);
  EVP_PKEY* raw = nullptr;
  ASSERT_EQ(EVP_PKEY_paramgen(context.get(), &raw), 1) << ErrorDetails();
  const Pkey parameters(raw);
  EXPECT_EQ(EVP_PKEY_get_bits(parameters.get()), 384);
  const Ptr<EVP_PKEY_CTX> from(
      EVP_PKEY_CTX_new_from_pkey(library_.get(), parameters.get(), nullptr));
  ASSERT_EQ(EVP_PKEY_keygen_init(from.get()), 1);
  raw = nullptr;
  ASSERT_EQ(EVP_PKEY_keygen(from.get(), &raw), 1) << ErrorDetails();
  const Pkey key(raw);
  EXPECT_EQ(EVP_PKEY_parameters_eq(key.get(), parameters.get()), 1);
}

// The list of keygen parameters and hsmcore's table of attributes cannot drift apart.
TEST_F(KeygenTest, EveryAttributeForNewKeysHasAParameter) {
  const Ptr<EVP_PKEY_CTX> context(
      EVP_PKEY_CTX_new_from_name(library_.get(), "ED25519", "provider=hsm"));
  ASSERT_EQ(EVP_PKEY_keygen_init(context.get()), 1);
  std::set<std::string> announced;
  for (const OSSL_PARAM* p = EVP_PKEY_CTX_settable_params(context.get()); p->key != nullptr; ++p) {
    announced.insert(p->key);
  }
  std::set<std::string> expected = {"hsm-cluster"};  // where it is made is no attribute
  for (const auto& row : hsmcore::AllAttributes()) {
    if (row.at_creation != hsmcore::NewRule::kNo) expected.insert(std::string("hsm-") + row.name);
  }
  EXPECT_EQ(announced, expected);
}

}  // namespace
}  // namespace provider::test
