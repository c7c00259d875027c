// SPDX-License-Identifier: Apache-2.0
#include "provider/wycheproof_secret.h"

#include <openssl/core_names.h>

namespace provider::test::wycheproof {
namespace {

struct FreeCipher {
  void operator()(EVP_CIPHER_CTX* context) const { EVP_CIPHER_CTX_free(context); }
};
using CipherContext = std::unique_ptr<EVP_CIPHER_CTX, FreeCipher>;

bool IsCcm(const EVP_CIPHER* cipher) { return EVP_CIPHER_get_mode(cipher) == EVP_CIPH_CCM_MODE; }
bool IsSiv(const EVP_CIPHER* cipher) { return EVP_CIPHER_get_mode(cipher) == EVP_CIPH_SIV_MODE; }

// Lengths and the tag come before the key: CCM needs them so.
bool SetSizes(EVP_CIPHER_CTX* context, const CipherCall& call) {
  if (!call.aead || IsSiv(call.cipher)) return true;
  if (EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_IVLEN, static_cast<int>(call.iv.size()),
                          nullptr) != 1) {
    return false;
  }
  return !IsCcm(call.cipher) || !call.encrypt ||
         EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_TAG, static_cast<int>(call.tag_size),
                             nullptr) == 1;
}

bool SetTag(EVP_CIPHER_CTX* context, const CipherCall& call) {
  Bytes tag = call.tag;
  return !call.aead || call.encrypt ||
         EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_TAG, static_cast<int>(tag.size()),
                             tag.data()) == 1;
}

bool Begin(EVP_CIPHER_CTX* context, const CipherCall& call) {
  EVP_CIPHER_CTX_set_flags(context, EVP_CIPHER_CTX_FLAG_WRAP_ALLOW);
  const int encrypt = call.encrypt ? 1 : 0;
  const auto* cipher = call.cipher;
  if (EVP_CipherInit_ex2(context, cipher, nullptr, nullptr, encrypt, nullptr) != 1 ||
      !SetSizes(context, call) || (IsCcm(cipher) && !SetTag(context, call))) {
    return false;
  }
  const bool fits = static_cast<int>(call.key.bytes.size()) == EVP_CIPHER_get_key_length(cipher);
  const unsigned char* iv = call.iv.empty() ? nullptr : call.iv.data();
  ParamList params;
  params.AddKey(call.key);
  return fits &&
         EVP_CipherInit_ex2(context, nullptr, call.key.held() ? nullptr : call.key.bytes.data(), iv,
                            encrypt, params.get()) == 1 &&
         (IsCcm(cipher) || SetTag(context, call));
}

bool AddAad(EVP_CIPHER_CTX* context, const CipherCall& call) {
  int size = 0;
  if (IsCcm(call.cipher) &&
      EVP_CipherUpdate(context, nullptr, &size, nullptr, static_cast<int>(call.in.size())) != 1) {
    return false;
  }
  return call.aad.empty() || EVP_CipherUpdate(context, nullptr, &size, call.aad.data(),
                                              static_cast<int>(call.aad.size())) == 1;
}

}  // namespace

ParamList& ParamList::Add(const char* name, const std::string& text) {
  items_.push_back({name, OSSL_PARAM_UTF8_STRING, Bytes(text.begin(), text.end()), 0});
  items_.back().data.push_back(0);
  return *this;
}
ParamList& ParamList::Add(const char* name, const Bytes& octets) {
  items_.push_back({name, OSSL_PARAM_OCTET_STRING, octets, 0});
  items_.back().data.push_back(0);
  return *this;
}
ParamList& ParamList::Add(const char* name, std::size_t number) {
  items_.push_back({name, OSSL_PARAM_UNSIGNED_INTEGER, Bytes(1), number});
  return *this;
}
ParamList& ParamList::AddKey(const SecretKey& key, const char* name) {
  if (key.held()) return Add(kHeldKeyParam, key.uri);
  return name == nullptr ? *this : Add(name, key.bytes);
}

OSSL_PARAM* ParamList::get() {
  params_.clear();
  for (Item& item : items_) {
    const bool number = item.type == OSSL_PARAM_UNSIGNED_INTEGER;
    const std::size_t size = item.data.size() - 1;
    params_.push_back({item.name, item.type,
                       number ? static_cast<void*>(&item.number) : item.data.data(),
                       number ? sizeof item.number : size, OSSL_PARAM_UNMODIFIED});
  }
  params_.push_back(OSSL_PARAM_construct_end());
  return params_.data();
}

void RunBothWays(Bench& bench, const Vector& vector, std::optional<hsmcore::KeyType> type,
                 const Bytes& key, const OSSL_PARAM* settable,
                 const std::function<Outcome(const SecretKey&)>& use) {
  bench.Judge(vector, kForwarded, use({key, {}}));
  if (!type) {
    return bench.Judge(vector, kHeld, NotRun("the HSM holds no keys for " + vector.algorithm));
  }
  if (settable == nullptr || OSSL_PARAM_locate_const(settable, kHeldKeyParam) == nullptr) {
    return bench.Judge(vector, kHeld,
                       NotRun("not offered: " + vector.algorithm + " with a held key"));
  }
  const auto uri = bench.HeldSecret(*type, key);
  // A key of a size that the algorithm does not have is refused at the import.
  if (!uri && vector.expected == Expected::kInvalid && vector.Has("InvalidKeySize")) {
    return bench.Judge(vector, kHeld, Rejected());
  }
  bench.Judge(vector, kHeld,
              With(uri, [&](const std::string& found) { return use({key, found}); }));
}

std::optional<hsmcore::KeyType> KeyTypeOfCipher(const std::string& name) {
  if (name.starts_with("AES-")) {
    if (name.ends_with("-XTS")) return hsmcore::KeyType::kAesXts;
    if (name.ends_with("-SIV") || name.find("CBC-HMAC") != std::string::npos) return std::nullopt;
    return hsmcore::KeyType::kAes;
  }
  if (name.starts_with("ChaCha20")) return hsmcore::KeyType::kChaCha20;
  return std::nullopt;
}

std::optional<CipherOutput> RunCipherCall(const CipherCall& call) {
  const CipherContext context(EVP_CIPHER_CTX_new());
  if (!Begin(context.get(), call) || !AddAad(context.get(), call)) return std::nullopt;
  CipherOutput result;
  result.out.resize(call.in.size() + 2 * EVP_MAX_BLOCK_LENGTH);
  int size = 0;
  int rest = 0;
  const Bytes& in = call.in;
  static constexpr std::uint8_t kNoData = 0;  // without a pointer the call would be another one
  if (EVP_CipherUpdate(context.get(), result.out.data(), &size, in.empty() ? &kNoData : in.data(),
                       static_cast<int>(in.size())) != 1) {
    return std::nullopt;
  }
  if (EVP_CipherFinal_ex(context.get(), result.out.data() + size, &rest) != 1) return std::nullopt;
  result.out.resize(static_cast<std::size_t>(size + rest));
  if (call.aead && call.encrypt) {
    result.tag.resize(call.tag_size);
    if (EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_AEAD_GET_TAG, static_cast<int>(call.tag_size),
                            result.tag.data()) != 1) {
      return std::nullopt;
    }
  }
  return result;
}

}  // namespace provider::test::wycheproof
