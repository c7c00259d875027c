// SPDX-License-Identifier: Apache-2.0
#include "bench/symmetric.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/rand.h>

#include <array>
#include <cstdint>
#include <cstring>
#include <memory>
#include <vector>

namespace bench {
namespace {

constexpr std::size_t kTagBytes = 16;

template <class T, class Free>
std::shared_ptr<T> Need(T* object, Free free, const char* what) {
  if (object == nullptr) Stop(what);
  return {object, free};
}

}  // namespace

Operation Hashing(OSSL_LIB_CTX* library, const char* query, std::size_t bytes) {
  const auto digest = Need(EVP_MD_fetch(library, "SHA2-256", query), EVP_MD_free, "no SHA-256");
  const auto context = Need(EVP_MD_CTX_new(), EVP_MD_CTX_free, "no memory");
  return [=, data = std::vector<unsigned char>(bytes)] {
    std::array<unsigned char, EVP_MAX_MD_SIZE> out;
    return EVP_DigestInit_ex2(context.get(), digest.get(), nullptr) == 1 &&
           EVP_DigestUpdate(context.get(), data.data(), data.size()) == 1 &&
           EVP_DigestFinal_ex(context.get(), out.data(), nullptr) == 1;
  };
}

Operation Encrypting(OSSL_LIB_CTX* library, const char* query, std::size_t bytes) {
  const auto cipher =
      Need(EVP_CIPHER_fetch(library, "AES-256-GCM", query), EVP_CIPHER_free, "no AES-256-GCM");
  const auto context = Need(EVP_CIPHER_CTX_new(), EVP_CIPHER_CTX_free, "no memory");
  const std::array<unsigned char, 32> key{};
  if (EVP_EncryptInit_ex2(context.get(), cipher.get(), key.data(), nullptr, nullptr) != 1) {
    Stop("AES-256-GCM takes no key");
  }
  return [context, data = std::vector<unsigned char>(bytes),
          out = std::vector<unsigned char>(bytes)]() mutable {
    const std::array<unsigned char, 12> nonce{};
    std::array<unsigned char, kTagBytes> tag;
    int size = 0;
    return EVP_EncryptInit_ex2(context.get(), nullptr, nullptr, nonce.data(), nullptr) == 1 &&
           EVP_EncryptUpdate(context.get(), out.data(), &size, data.data(),
                             static_cast<int>(data.size())) == 1 &&
           EVP_EncryptFinal_ex(context.get(), out.data() + size, &size) == 1 &&
           EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_AEAD_GET_TAG, kTagBytes, tag.data()) == 1;
  };
}

Operation Authenticating(OSSL_LIB_CTX* library, const char* query, std::size_t bytes) {
  const auto mac = Need(EVP_MAC_fetch(library, "HMAC", query), EVP_MAC_free, "no HMAC");
  const auto context = Need(EVP_MAC_CTX_new(mac.get()), EVP_MAC_CTX_free, "no memory");
  std::array<char, 9> digest{"SHA2-256"};
  const std::array params = {
      OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest.data(), 0),
      OSSL_PARAM_construct_end()};
  if (EVP_MAC_CTX_set_params(context.get(), params.data()) != 1) Stop("HMAC takes no SHA-256");
  return [context, data = std::vector<unsigned char>(bytes)] {
    const std::array<unsigned char, 32> key{};
    std::array<unsigned char, EVP_MAX_MD_SIZE> tag;
    std::size_t size = 0;
    return EVP_MAC_init(context.get(), key.data(), key.size(), nullptr) == 1 &&
           EVP_MAC_update(context.get(), data.data(), data.size()) == 1 &&
           EVP_MAC_final(context.get(), tag.data(), &size, tag.size()) == 1;
  };
}

namespace {

constexpr std::array<unsigned char, 32> kKey{};

// Names the held key, if it is one.
std::array<OSSL_PARAM, 2> NameOf(const char* key) {
  if (key == nullptr) return {OSSL_PARAM_construct_end(), OSSL_PARAM_construct_end()};
  return {OSSL_PARAM_construct_utf8_string("hsm-key", const_cast<char*>(key), 0),
          OSSL_PARAM_construct_end()};
}

}  // namespace

Operation EncryptingWith(OSSL_LIB_CTX* library, const char* query, const char* key,
                         std::size_t bytes) {
  const auto cipher =
      Need(EVP_CIPHER_fetch(library, "AES-256-GCM", query), EVP_CIPHER_free, "no AES-256-GCM");
  const auto context = Need(EVP_CIPHER_CTX_new(), EVP_CIPHER_CTX_free, "no memory");
  if (EVP_EncryptInit_ex2(context.get(), cipher.get(), key == nullptr ? kKey.data() : nullptr,
                          nullptr, NameOf(key).data()) != 1) {
    Stop("AES-256-GCM takes no key");
  }
  return [context, counter = std::uint64_t{0}, data = std::vector<unsigned char>(bytes),
          out = std::vector<unsigned char>(bytes)]() mutable {
    std::array<unsigned char, 12> nonce{};
    std::memcpy(nonce.data(), &++counter, sizeof counter);
    std::array<unsigned char, kTagBytes> tag;
    int size = 0;
    return EVP_EncryptInit_ex2(context.get(), nullptr, nullptr, nonce.data(), nullptr) == 1 &&
           EVP_EncryptUpdate(context.get(), out.data(), &size, data.data(),
                             static_cast<int>(data.size())) == 1 &&
           EVP_EncryptFinal_ex(context.get(), out.data() + size, &size) == 1 &&
           EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_AEAD_GET_TAG, kTagBytes, tag.data()) == 1;
  };
}

Operation AuthenticatingWith(OSSL_LIB_CTX* library, const char* query, const char* key,
                             std::size_t bytes) {
  const auto mac = Need(EVP_MAC_fetch(library, "HMAC", query), EVP_MAC_free, "no HMAC");
  const auto context = Need(EVP_MAC_CTX_new(mac.get()), EVP_MAC_CTX_free, "no memory");
  std::array<char, 9> digest{"SHA2-256"};
  const std::array params = {
      OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest.data(), 0), NameOf(key)[0],
      OSSL_PARAM_construct_end()};
  if (EVP_MAC_init(context.get(), key == nullptr ? kKey.data() : nullptr,
                   key == nullptr ? kKey.size() : 0, params.data()) != 1) {
    Stop("HMAC takes no key");
  }
  return [context, data = std::vector<unsigned char>(bytes)] {
    std::array<unsigned char, EVP_MAX_MD_SIZE> tag;
    std::size_t size = 0;
    return EVP_MAC_init(context.get(), nullptr, 0, nullptr) == 1 &&
           EVP_MAC_update(context.get(), data.data(), data.size()) == 1 &&
           EVP_MAC_final(context.get(), tag.data(), &size, tag.size()) == 1;
  };
}

Operation Drawing(OSSL_LIB_CTX* library, const char* query, std::size_t bytes) {
  if (RAND_set_DRBG_type(library, "CTR-DRBG", query, "AES-256-CTR", nullptr) != 1) {
    Stop("the random generator of the library context is set already");
  }
  return [library, out = std::vector<unsigned char>(bytes)]() mutable {
    return RAND_bytes_ex(library, out.data(), out.size(), 0) == 1;
  };
}

}  // namespace bench
