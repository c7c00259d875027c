// SPDX-License-Identifier: Apache-2.0
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/params.h>

#include <algorithm>
#include <array>
#include <utility>

#include "base/text.h"
#include "crypto/symmetric.h"

namespace hsmcore::crypto {
namespace {

using KdfPtr = OpensslPtr<EVP_KDF, EVP_KDF_free>;
using KdfCtxPtr = OpensslPtr<EVP_KDF_CTX, EVP_KDF_CTX_free>;

constexpr SecretAccess kForDerivation{"deriving from a held key"};

// The parameters of one derivation. Points into the mechanism and the key.
class KdfParams {
 public:
  void Text(const char* name, const char* value) {
    *next_++ = OSSL_PARAM_construct_utf8_string(name, const_cast<char*>(value), 0);
  }
  void Octets(const char* name, ByteView value) {
    *next_++ = OSSL_PARAM_construct_octet_string(name, const_cast<std::uint8_t*>(value.data()),
                                                 value.size());
  }
  // For what has a meaning of its own when it is there and empty.
  void OctetsUnlessEmpty(const char* name, ByteView value) {
    if (!value.empty()) Octets(name, value);
  }
  void Hash(Digest digest) { Text(OSSL_KDF_PARAM_DIGEST, hsmcore::RowOf(digest).name); }
  void Mode(HkdfMode mode) {
    constexpr std::array kNames = {"EXTRACT_AND_EXPAND", "EXTRACT_ONLY", "EXPAND_ONLY"};
    Text(OSSL_KDF_PARAM_MODE, kNames.at(static_cast<std::size_t>(mode)));
  }
  const OSSL_PARAM* data() {
    *next_ = OSSL_PARAM_construct_end();
    return params_.data();
  }

 private:
  std::array<OSSL_PARAM, 8> params_{};
  OSSL_PARAM* next_ = params_.data();
};

const char* Add(KdfParams& params, const HkdfMechanism& mechanism, ByteView key) {
  params.Hash(mechanism.digest);
  params.Mode(mechanism.mode);
  params.Octets(OSSL_KDF_PARAM_KEY, key);
  params.OctetsUnlessEmpty(OSSL_KDF_PARAM_SALT, mechanism.salt);
  params.OctetsUnlessEmpty(OSSL_KDF_PARAM_INFO, mechanism.info);
  return OSSL_KDF_NAME_HKDF;
}

const char* Add(KdfParams& params, const CounterKdfMechanism& mechanism, ByteView key) {
  params.Text(OSSL_KDF_PARAM_MODE, "COUNTER");
  params.Text(OSSL_KDF_PARAM_MAC, mechanism.digest ? "HMAC" : "CMAC");
  if (mechanism.digest) {
    params.Hash(*mechanism.digest);
  } else {
    constexpr std::array kByLength = {"AES-128-CBC", "AES-192-CBC", "AES-256-CBC"};
    constexpr std::size_t kShortest = 16;
    constexpr std::size_t kStep = 8;
    params.Text(OSSL_KDF_PARAM_CIPHER, kByLength.at((key.size() - kShortest) / kStep));
  }
  params.Octets(OSSL_KDF_PARAM_KEY, key);
  params.OctetsUnlessEmpty(OSSL_KDF_PARAM_SALT, mechanism.label);
  params.OctetsUnlessEmpty(OSSL_KDF_PARAM_INFO, mechanism.context);
  return OSSL_KDF_NAME_KBKDF;
}

const char* Add(KdfParams& params, const X963Mechanism& mechanism, ByteView key) {
  params.Hash(mechanism.digest);
  params.Octets(OSSL_KDF_PARAM_KEY, key);
  params.OctetsUnlessEmpty(OSSL_KDF_PARAM_INFO, mechanism.info);
  return OSSL_KDF_NAME_X963KDF;
}

const char* Add(KdfParams& params, const Tls1PrfMechanism& mechanism, ByteView key) {
  params.Hash(mechanism.digest);
  params.Octets(OSSL_KDF_PARAM_SECRET, key);
  params.Octets(OSSL_KDF_PARAM_SEED, mechanism.seed);
  return OSSL_KDF_NAME_TLS1_PRF;
}

// OSSL_KDF_NAME_TLS1_3_KDF came with OpenSSL 3.0.1.
const char* Add(KdfParams& params, const Tls13Mechanism& mechanism, ByteView key) {
  params.Hash(mechanism.digest);
  params.Mode(mechanism.mode);
  params.Octets(OSSL_KDF_PARAM_KEY, key);
  params.OctetsUnlessEmpty(OSSL_KDF_PARAM_SALT, mechanism.salt);
  params.OctetsUnlessEmpty(OSSL_KDF_PARAM_PREFIX, mechanism.prefix);
  params.OctetsUnlessEmpty(OSSL_KDF_PARAM_LABEL, mechanism.label);
  params.OctetsUnlessEmpty(OSSL_KDF_PARAM_DATA, mechanism.data);
  return "TLS13-KDF";
}

Status CheckKeyType(KeyType type, const KdfMechanism& mechanism) {
  if (const auto* counter = std::get_if<CounterKdfMechanism>(&mechanism)) {
    if (type == KeyType::kAes || (type == KeyType::kGenericSecret && counter->digest)) return {};
    return Fail(
        ErrorCode::kKeyTypeMismatch,
        Cat("KBKDF needs a key of type aes, or with HMAC generic-secret, not ", NameOf(type)));
  }
  if (type == KeyType::kGenericSecret) return {};
  return Fail(ErrorCode::kKeyTypeMismatch,
              Cat("this derivation needs a key of type generic-secret, not ", NameOf(type)));
}

}  // namespace

Result<SecretBytes> DeriveBytes(const SecretKey& key, const KdfMechanism& mechanism,
                                std::size_t bytes) {
  HSMCORE_CHECK(CheckKeyType(key.type(), mechanism));
  const LibraryScope scope(key.library());
  KdfParams params;
  const char* name = std::visit(
      [&](const auto& typed) { return Add(params, typed, key.value().Read(kForDerivation)); },
      mechanism);
  const KdfPtr kdf(EVP_KDF_fetch(key.library().context(), name, nullptr));
  if (kdf == nullptr) return scope.Fail(ErrorCode::kNotSupported, Cat("the derivation ", name));
  const KdfCtxPtr context(EVP_KDF_CTX_new(kdf.get()));
  SecretBytes derived(bytes);
  const auto out = derived.Write(kForDerivation);
  if (context == nullptr ||
      EVP_KDF_derive(context.get(), out.data(), out.size(), params.data()) != 1) {
    return scope.Fail(ErrorCode::kMechanism, name);
  }
  return derived;
}

}  // namespace hsmcore::crypto
