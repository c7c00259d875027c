// SPDX-License-Identifier: Apache-2.0
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/params.h>
#include <openssl/x509.h>

#include <set>

#include "provider/provider_fixture.h"

namespace provider::test {
namespace {

using hsmcore::ErrorCode;

TEST_F(ProviderTest, ExportRefusesThePrivatePart) {
  const Library library;
  for (const char* label : {"rsa", "pss", "p256", "ed25519"}) {
    const Pkey key = Held(library, label);
    OSSL_PARAM* params = nullptr;
    EXPECT_EQ(EVP_PKEY_todata(key.get(), EVP_PKEY_KEYPAIR, &params), 0) << label;
    EXPECT_EQ(HsmReasons(), std::vector{Reason(ErrorCode::kPrivateKeyHeld)});
    EXPECT_EQ(EVP_PKEY_todata(key.get(), OSSL_KEYMGMT_SELECT_PRIVATE_KEY, &params), 0) << label;
    EXPECT_EQ(params, nullptr);
    HsmReasons();
  }
}

// What is exported is what is announced, and nothing private is among it.
TEST_F(ProviderTest, ExportGivesThePublicPartOnly) {
  const Library library;
  const std::set<std::string> hidden = {OSSL_PKEY_PARAM_RSA_D, OSSL_PKEY_PARAM_PRIV_KEY,
                                        OSSL_PKEY_PARAM_RSA_FACTOR1};
  for (const char* label : {"rsa", "pss", "pss-free", "p256", "ed25519"}) {
    const Pkey key = Held(library, label);
    OSSL_PARAM* raw = nullptr;
    ASSERT_EQ(EVP_PKEY_todata(key.get(), EVP_PKEY_PUBLIC_KEY, &raw), 1) << ErrorDetails();
    const Ptr<OSSL_PARAM> params(raw);
    EXPECT_NE(params->key, nullptr);
    for (const OSSL_PARAM* p = params.get(); p->key != nullptr; ++p) {
      EXPECT_FALSE(hidden.contains(p->key)) << label << " " << p->key;
    }
  }
}

// Explicit curve parameters would end up in certificates, which others then refuse.
TEST_F(ProviderTest, ExportNamesTheCurve) {
  const Library library;
  const Pkey key = Held(library, "p384");
  OSSL_PARAM* raw = nullptr;
  ASSERT_EQ(EVP_PKEY_todata(key.get(), EVP_PKEY_PUBLIC_KEY, &raw), 1);
  const Ptr<OSSL_PARAM> params(raw);
  EXPECT_NE(OSSL_PARAM_locate(params.get(), OSSL_PKEY_PARAM_GROUP_NAME), nullptr);
  EXPECT_EQ(OSSL_PARAM_locate(params.get(), OSSL_PKEY_PARAM_EC_P), nullptr);
  EXPECT_EQ(OSSL_PARAM_locate(params.get(), OSSL_PKEY_PARAM_EC_GENERATOR), nullptr);
}

TEST_F(ProviderTest, SubjectPublicKeyInfoIsTheDefaultProviders) {
  const Library library;
  for (const char* label :
       {"rsa", "pss", "pss-free", "p224", "p256", "p384", "p521", "secp256k1", "ed25519"}) {
    const Pkey key = Held(library, label);
    const Pkey other = library.InDefault(key.get());
    for (const char* output : {"PEM", "DER"}) {
      const std::string ours =
          library.WritePem(key.get(), EVP_PKEY_PUBLIC_KEY, "SubjectPublicKeyInfo", output);
      EXPECT_FALSE(ours.empty()) << label;
      EXPECT_EQ(ours,
                library.WritePem(other.get(), EVP_PKEY_PUBLIC_KEY, "SubjectPublicKeyInfo", output))
          << label;
    }
  }
}

TEST_F(ProviderTest, CertificatesMatchTheirHeldKeys) {
  const Library library;
  for (const char* label : {"rsa", "pss", "p256", "ed25519"}) {
    const Pkey key = Held(library, label);
    X509* certificate = X509_new_ex(library.get(), nullptr);
    ASSERT_EQ(X509_set_pubkey(certificate, key.get()), 1) << ErrorDetails();
    EXPECT_EQ(X509_check_private_key(certificate, key.get()), 1) << label << ErrorDetails();
    const bool ed = std::string_view(label) == "ed25519";
    EXPECT_GT(X509_sign(certificate, key.get(), ed ? nullptr : EVP_sha256()), 0)
        << label << ErrorDetails();
    EXPECT_EQ(X509_verify(certificate, library.InDefault(key.get()).get()), 1) << label;
    X509_free(certificate);
  }
}

}  // namespace
}  // namespace provider::test
