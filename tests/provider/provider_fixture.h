// SPDX-License-Identifier: Apache-2.0
#ifndef TESTS_PROVIDER_PROVIDER_FIXTURE_H_
#define TESTS_PROVIDER_PROVIDER_FIXTURE_H_

#include <gtest/gtest.h>
#include <openssl/bio.h>
#include <openssl/decoder.h>
#include <openssl/encoder.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/provider.h>
#include <openssl/store.h>
#include <openssl/ui.h>

#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "support/test_cluster.h"

namespace provider::test {

using hsmcore::Bytes;
using hsmcore::ByteView;

struct Free {
  void operator()(OSSL_LIB_CTX* p) const { OSSL_LIB_CTX_free(p); }
  void operator()(OSSL_PROVIDER* p) const { OSSL_PROVIDER_unload(p); }
  void operator()(OSSL_STORE_CTX* p) const { OSSL_STORE_close(p); }
  void operator()(OSSL_STORE_INFO* p) const { OSSL_STORE_INFO_free(p); }
  void operator()(OSSL_ENCODER_CTX* p) const { OSSL_ENCODER_CTX_free(p); }
  void operator()(EVP_PKEY* p) const { EVP_PKEY_free(p); }
  void operator()(EVP_PKEY_CTX* p) const { EVP_PKEY_CTX_free(p); }
  void operator()(EVP_MD_CTX* p) const { EVP_MD_CTX_free(p); }
  void operator()(OSSL_PARAM* p) const { OSSL_PARAM_free(p); }
  void operator()(BIO* p) const { BIO_free(p); }
  void operator()(UI_METHOD* p) const { UI_destroy_method(p); }
};
template <class T>
using Ptr = std::unique_ptr<T, Free>;
using Pkey = Ptr<EVP_PKEY>;

inline ByteView BytesOf(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

// The reasons of the provider's own entries in this thread's error queue, which is emptied.
std::vector<std::string> HsmReasons();
inline std::string Reason(hsmcore::ErrorCode code) { return hsmcore::TextOf(code); }
// The details of all entries, one to a line.
std::string ErrorDetails();

// An answer to OpenSSL's passphrase prompt, and how often it was asked for.
struct Passphrase {
  std::string answer;
  int asked = 0;
};

// A library context with both providers active.
class Library {
 public:
  enum class Order { kDefaultFirst, kHsmFirst };
  explicit Library(Order order = Order::kDefaultFirst);

  OSSL_LIB_CTX* get() const { return context_.get(); }
  OSSL_PROVIDER* Provider(std::string_view name) const;
  // Switches the provider off and on again; every key must be gone before.
  void Reload();
  void SetDefaultProperties(const char* query) const;

  // The first object behind the URI; nullptr with the reasons in the error queue.
  Pkey Load(const std::string& uri, int expect = 0, Passphrase* passphrase = nullptr) const;
  // The types (OSSL_STORE_INFO_...) and names of everything behind the URI.
  std::vector<int> List(const std::string& uri, int expect = 0) const;
  Pkey ReadPem(std::string_view pem, Passphrase* passphrase = nullptr) const;
  std::string WritePem(EVP_PKEY* key, int selection, const char* structure,
                       const char* output = "PEM") const;
  // A copy of the public half in the default provider.
  Pkey InDefault(EVP_PKEY* key) const;
  // keygen in the HSM. `params` are name=value.
  Pkey Generate(const char* type, const std::vector<std::string>& params) const;

 private:
  Ptr<OSSL_LIB_CTX> context_;
  std::vector<Ptr<OSSL_PROVIDER>> providers_;
};

// A library context whose provider has these settings in its configuration section, which is
// written to `directory`.
Ptr<OSSL_LIB_CTX> Configured(const std::filesystem::path& directory, const std::string& settings);

std::string ProviderOf(const EVP_PKEY* key);

// Whether the key makes a signature, with its default digest.
bool Signs(const Library& library, EVP_PKEY* key);

// Runs `check` in a forked child and gives its answer.
bool InChild(const std::function<bool()>& check);

// A cluster with keys that are made when they are asked for. The environment names the home and the
// user.
class ProviderTest : public testing::Test {
 public:
  ~ProviderTest() override;

 protected:
  ProviderTest();

  // Makes the persistent key with this label, one of: rsa, pss (restricted to SHA-256 and 32
  // bytes), pss-free, p224, p256, p384, p521, secp256k1, ed25519. Returns its URI.
  std::string Key(const std::string& label);
  // The same key, loaded.
  Pkey Held(const Library& library, const std::string& label);
  hsmcore::KeyInfo Info(const std::string& label);
  std::size_t CountKeys();

  hsmcore::test::TestCluster cluster_{1};
};

}  // namespace provider::test

#endif  // TESTS_PROVIDER_PROVIDER_FIXTURE_H_
