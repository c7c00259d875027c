// SPDX-License-Identifier: Apache-2.0
#ifndef TESTS_PROVIDER_SKEY_SUPPORT_H_
#define TESTS_PROVIDER_SKEY_SUPPORT_H_

#include <openssl/core_dispatch.h>
#include <openssl/err.h>

#include <memory>
#include <optional>
#include <string>

#include "provider/held_support.h"

namespace provider::test {

struct SkeyFree {
  void operator()(EVP_SKEY* key) const { EVP_SKEY_free(key); }
};
using Skey = std::unique_ptr<EVP_SKEY, SkeyFree>;

// EVP_SKEY, of OpenSSL 3.5. These tests are built where the headers have it.
class SkeyTest : public HeldTest {
 protected:
  using Cipher = Method<EVP_CIPHER>;

  // What OpenSSL calls the management of a type.
  static const char* ManagerOf(hsmcore::KeyType type) { return hsmcore::RowOf(type).openssl; }

  Skey Import(const char* manager, Params params, int selection = OSSL_SKEYMGMT_SELECT_ALL) {
    return Skey(EVP_SKEY_import(library_.get(), manager, kHsm, selection, params.get()));
  }
  // A key in the HSM.
  Skey Held(hsmcore::KeyType type, const std::string& uri) {
    Skey key = Import(ManagerOf(type), Params().Text("hsm-key", uri));
    EXPECT_NE(key, nullptr) << ErrorDetails();
    return key;
  }
  Skey HeldSecret(const std::string& label, hsmcore::KeyType type, const Bytes& value,
                  std::optional<hsmcore::Attribute> without = std::nullopt) {
    return Held(type, Secret(label, type, value, without));
  }
  // A program's own key.
  Skey Given(const char* manager, Bytes value) {
    return Skey(EVP_SKEY_import_raw_key(library_.get(), manager, value.data(), value.size(), kHsm));
  }
  Skey Generate(const char* manager, Params params) {
    return Skey(EVP_SKEY_generate(library_.get(), manager, kHsm, params.get()));
  }

  hsmcore::KeyInfo SecretInfo(const std::string& label) {
    hsmcore::KeyQuery query;
    query.label = label;
    query.klass = hsmcore::KeyClass::kSecretKey;
    const auto found = cluster_.User()->Find(query);
    if (found && found->size() == 1) return found->front();
    ADD_FAILURE() << "no single secret key is called " << label;
    hsmcore::KeyInfo none;
    none.public_part = hsmcore::SecretFacts{};
    return none;
  }

  // The bytes, if they come out.
  static std::optional<Bytes> RawKey(const EVP_SKEY* key) {
    const unsigned char* bytes = nullptr;
    std::size_t size = 0;
    if (EVP_SKEY_get0_raw_key(key, &bytes, &size) != 1) return std::nullopt;
    return Bytes(bytes, bytes + size);
  }
  // Moved into OpenSSL's own provider, if it goes.
  Skey InDefault(EVP_SKEY* key) const {
    return Skey(EVP_SKEY_to_provider(key, library_.get(), library_.Provider("default"), nullptr));
  }

  Cipher Ours(const char* name) { return Fetch<EVP_CIPHER>(library_, name, kHsm); }
  Cipher Theirs(const char* name) { return Fetch<EVP_CIPHER>(library_, name, kDefault); }
  static bool Begin(EVP_CIPHER_CTX* context, EVP_CIPHER* cipher, EVP_SKEY* key, const Bytes& nonce,
                    bool encrypt = true, Params params = {}) {
    return EVP_CipherInit_SKEY(context, cipher, key, nonce.empty() ? nullptr : nonce.data(),
                               nonce.size(), encrypt ? 1 : 0, params.get()) == 1;
  }
  MacCtx NewMac(const char* name, const char* query) {
    return MacCtx(EVP_MAC_CTX_new(Fetch<EVP_MAC>(library_, name, query).get()));
  }
  static std::optional<Bytes> Finish(EVP_MAC_CTX* context, const Bytes& data) {
    Bytes out(EVP_MAX_MD_SIZE);
    std::size_t size = 0;
    if (EVP_MAC_update(context, data.data(), data.size()) != 1 ||
        EVP_MAC_final(context, out.data(), &size, out.size()) != 1) {
      return std::nullopt;
    }
    out.resize(size);
    return out;
  }
  static bool BeginMac(EVP_MAC_CTX* context, EVP_SKEY* key, Params params) {
    return EVP_MAC_init_SKEY(context, key, params.get()) == 1;
  }
};

}  // namespace provider::test

#endif  // TESTS_PROVIDER_SKEY_SUPPORT_H_
