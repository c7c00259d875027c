// SPDX-License-Identifier: Apache-2.0
#ifndef TESTS_PROVIDER_WYCHEPROOF_SECRET_H_
#define TESTS_PROVIDER_WYCHEPROOF_SECRET_H_

#include <openssl/params.h>

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "provider/wycheproof_families.h"

namespace provider::test::wycheproof {

// A secret key for a cipher, a MAC or a KDF: bare bytes, or the URI of a held key.
struct SecretKey {
  Bytes bytes;
  std::string uri;  // empty: the bytes

  bool held() const { return !uri.empty(); }
};

// Parameters that own what they point to.
class ParamList {
 public:
  ParamList& Add(const char* name, const std::string& text);
  ParamList& Add(const char* name, const Bytes& octets);
  ParamList& Add(const char* name, std::size_t number);
  // A held key's URI; bare bytes under `name`, or nothing without a name.
  ParamList& AddKey(const SecretKey& key, const char* name = nullptr);
  OSSL_PARAM* get();

 private:
  struct Item {
    const char* name;
    unsigned type;
    Bytes data;  // and a byte of zero, which ends a text and makes room for an empty string
    std::size_t number;
  };
  std::vector<Item> items_;
  std::vector<OSSL_PARAM> params_;
};

// Runs `use` with the key held in the HSM, where the algorithm takes one, and with its bytes.
// `type` empty: the HSM holds no keys for the algorithm.
void RunBothWays(Bench& bench, const Vector& vector, std::optional<hsmcore::KeyType> type,
                 const Bytes& key, const OSSL_PARAM* settable,
                 const std::function<Outcome(const SecretKey&)>& use);
// The type of key that a cipher of this name takes.
std::optional<hsmcore::KeyType> KeyTypeOfCipher(const std::string& name);

// One encryption or decryption. Empty options leave the cipher's own values.
struct CipherCall {
  EVP_CIPHER* cipher;
  const SecretKey& key;
  bool encrypt;
  const Bytes& iv;
  const Bytes& aad;
  const Bytes& in;
  bool aead = false;
  Bytes tag = {};            // decryption of an AEAD
  std::size_t tag_size = 0;  // encryption of an AEAD
};
struct CipherOutput {
  Bytes out;
  Bytes tag;
};
// No value: refused.
std::optional<CipherOutput> RunCipherCall(const CipherCall& call);

}  // namespace provider::test::wycheproof

#endif  // TESTS_PROVIDER_WYCHEPROOF_SECRET_H_
