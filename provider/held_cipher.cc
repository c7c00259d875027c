// SPDX-License-Identifier: Apache-2.0
#include <openssl/core_names.h>

#include <array>
#include <memory>
#include <optional>
#include <utility>

#include "dispatch.h"
#include "guard.h"
#include "held_context.h"
#include "hsmcore/held_algorithm.h"
#include "newer_openssl.h"
#include "skeymgmt.h"

namespace provider {
namespace {

using hsmcore::Direction;
using hsmcore::GcmNonces;
using hsmcore::HeldCipher;

class CipherContext : public HeldContext<HeldCipher> {
 public:
  static constexpr ContextFunctions kFunctions = {"cipher",
                                                  OSSL_FUNC_CIPHER_NEWCTX,
                                                  OSSL_FUNC_CIPHER_FREECTX,
                                                  OSSL_FUNC_CIPHER_DUPCTX,
                                                  OSSL_FUNC_CIPHER_GET_CTX_PARAMS,
                                                  OSSL_FUNC_CIPHER_SET_CTX_PARAMS};

  CipherContext(const ProviderContext& provider, const HeldOriginal& original, void* inner)
      : HeldContext(kFunctions, provider, original, inner) {}
  CipherContext(const CipherContext& other, void* inner)
      : HeldContext(other, inner),
        encryption_(other.encryption_),
        begun_(other.begun_),
        begun_nonce_(other.begun_nonce_) {}

  // Key bytes of the application may not encrypt with this algorithm in this mode.
  void NoteEncryption(Status allowed) { encryption_ = std::move(allowed); }
  const Status& encryption() const { return encryption_; }

  // Data may go straight on.
  bool is_ready() const { return held_ == nullptr || held_->prepared(); }
  // An init without a held key.
  void Note(Direction direction, bool with_key, ByteView nonce);
  HeldCipher& held() { return *held_; }

  Status Init(Direction direction, const unsigned char* key, ByteView nonce,
              const OSSL_PARAM* params);
  // With the key of an EVP_SKEY.
  Result<bool> InitSkey(Direction direction, const SecretObject& skey, ByteView nonce,
                        const OSSL_PARAM* params);
  Result<bool> Set(const OSSL_PARAM* params);
  Result<bool> Get(OSSL_PARAM* params);

 private:
  Status TakeKey(hsmcore::KeyPtr key);

  Status encryption_;
  // What was begun before there was any key.
  std::optional<Direction> begun_;
  Bytes begun_nonce_;
};

Result<GcmNonces> NonceSetting(const Core& core) {
  const std::string text = core.Setting("hsm-gcm-nonce").value_or("caller");
  if (text == "caller") return GcmNonces::kCallerOrHsm;
  if (text == "hsm") return GcmNonces::kHsmOnly;
  return Fail(ErrorCode::kSetting, "hsm-gcm-nonce is '" + text + "'; it has to be hsm or caller");
}

void CipherContext::Note(Direction direction, bool with_key, ByteView nonce) {
  has_key_bytes_ |= with_key;
  if (has_key_bytes_) return;
  begun_ = direction;
  if (!nonce.empty()) begun_nonce_.assign(nonce.begin(), nonce.end());
}

Status CipherContext::TakeKey(hsmcore::KeyPtr key) {
  if (has_key_bytes_) return std::unexpected(TwoKeys());
  // The nonces that a key has used here stay known when it is named again.
  if (held_ != nullptr && IsSameKey(held_->key(), *key)) return {};
  HSMCORE_TRY(const GcmNonces nonces, NonceSetting(core()));
  HSMCORE_TRY(held_, HeldCipher::New(std::move(key), algorithm(), nonces));
  return {};
}

Status CipherContext::Init(Direction direction, const unsigned char* key, ByteView nonce,
                           const OSSL_PARAM* params) {
  if (key != nullptr) return std::unexpected(TwoKeys());
  if (const OSSL_PARAM* named = FindHsmKey(params)) {
    HSMCORE_TRY(hsmcore::KeyPtr held, LoadHsmKey(provider(), *named));
    HSMCORE_CHECK(TakeKey(std::move(held)));
  }
  return held_->Init(inner(), direction, nonce.data(), nonce.size(), params);
}

Result<bool> CipherContext::InitSkey(Direction direction, const SecretObject& skey, ByteView nonce,
                                     const OSSL_PARAM* params) {
  if (FindHsmKey(params) != nullptr) return std::unexpected(TwoKeys());
  if (const auto bytes = UntypedBytes(*skey.key())) {
    if (held_ != nullptr) return std::unexpected(TwoKeys());
    Note(direction, /*with_key=*/true, nonce);
    const int function = direction == Direction::kEncrypt ? OSSL_FUNC_CIPHER_ENCRYPT_INIT
                                                          : OSSL_FUNC_CIPHER_DECRYPT_INIT;
    return Original<OSSL_FUNC_cipher_encrypt_init_fn>(function)(
               inner(), bytes->data(), bytes->size(), nonce.data(), nonce.size(), params) == 1;
  }
  HSMCORE_CHECK(TakeKey(skey.key()));
  HSMCORE_CHECK(held_->Init(inner(), direction, nonce.data(), nonce.size(), params));
  return true;
}

// False: OpenSSL's function said so, and has raised why.
Result<bool> CipherContext::Set(const OSSL_PARAM* params) {
  if (const OSSL_PARAM* named = FindHsmKey(params)) {
    HSMCORE_TRY(hsmcore::KeyPtr held, LoadHsmKey(provider(), *named));
    HSMCORE_CHECK(TakeKey(std::move(held)));
    if (begun_) {
      const std::uint8_t* nonce = begun_nonce_.empty() ? nullptr : begun_nonce_.data();
      HSMCORE_CHECK(held_->Init(inner(), *begun_, nonce, begun_nonce_.size(), nullptr));
    }
  }
  if (held_ != nullptr) HSMCORE_CHECK(held_->NoteParams(params));
  return SetInner(params);
}

Result<bool> CipherContext::Get(OSSL_PARAM* params) {
  if (params != nullptr && (OSSL_PARAM_locate(params, OSSL_CIPHER_PARAM_IV) != nullptr ||
                            OSSL_PARAM_locate(params, OSSL_CIPHER_PARAM_UPDATED_IV) != nullptr)) {
    HSMCORE_CHECK(held_->ProvideNonce(inner()));
  }
  return GetInner(params);
}

using Callbacks = ContextCallbacks<CipherContext>;

CipherContext& Of(void* context) { return Callbacks::Of(context); }

void* New(const ProviderContext& provider, const HeldOriginal& original) {
  return Guard(provider.core, [&]() -> Result<std::unique_ptr<CipherContext>> {
    HSMCORE_TRY(const hsmcore::ForwardingPtr source, provider.forwarded.Source());
    HSMCORE_TRY(auto context, Callbacks::Make(provider, original));
    context->NoteEncryption(source->AllowEncryption(original.algorithm().algorithm_names));
    return context;
  });
}

template <Direction kDirection, int kFunction>
int Init(void* context, const unsigned char* key, std::size_t key_size, const unsigned char* nonce,
         std::size_t nonce_size, const OSSL_PARAM* params) {
  CipherContext& cipher = Of(context);
  const ByteView given(nonce, nonce == nullptr ? 0 : nonce_size);
  if (cipher.is_held() && key == nullptr && params == nullptr) {  // the next message
    return Guard(cipher.core(), [&] {
      return cipher.held().Init(cipher.inner(), kDirection, given.data(), given.size(), nullptr);
    });
  }
  if (cipher.is_held() || FindHsmKey(params) != nullptr) {
    return Guard(cipher.core(), [&] { return cipher.Init(kDirection, key, given, params); });
  }
  if (kDirection == Direction::kEncrypt && key != nullptr && !cipher.encryption()) {
    return Guard(cipher.core(), [&] { return cipher.encryption(); });
  }
  cipher.Note(kDirection, key != nullptr, given);
  return cipher.Original<OSSL_FUNC_cipher_encrypt_init_fn>(kFunction)(cipher.inner(), key, key_size,
                                                                      nonce, nonce_size, params);
}

template <Direction kDirection, int kFunction>
int InitSkey(void* context, void* skey, const unsigned char* nonce, std::size_t nonce_size,
             const OSSL_PARAM* params) {
  if (skey == nullptr) {
    return Init<kDirection, kFunction>(context, nullptr, 0, nonce, nonce_size, params);
  }
  CipherContext& cipher = Of(context);
  return Guard(cipher.core(), [&] {
    return cipher.InitSkey(kDirection, *static_cast<const SecretObject*>(skey),
                           ByteView(nonce, nonce == nullptr ? 0 : nonce_size), params);
  });
}

bool MakeReady(CipherContext& cipher) {
  return Guard(cipher.core(), [&] { return cipher.held().Prepare(cipher.inner()); }) == 1;
}

int Update(void* context, unsigned char* out, std::size_t* size, std::size_t space,
           const unsigned char* in, std::size_t in_size) {
  CipherContext& cipher = Of(context);
  if (!cipher.is_ready() && !MakeReady(cipher)) return 0;
  return cipher.Original<OSSL_FUNC_cipher_update_fn>(OSSL_FUNC_CIPHER_UPDATE)(
      cipher.inner(), out, size, space, in, in_size);
}

int OneShot(void* context, unsigned char* out, std::size_t* size, std::size_t space,
            const unsigned char* in, std::size_t in_size) {
  CipherContext& cipher = Of(context);
  if (!cipher.is_ready() && !MakeReady(cipher)) return 0;
  return cipher.Original<OSSL_FUNC_cipher_cipher_fn>(OSSL_FUNC_CIPHER_CIPHER)(
      cipher.inner(), out, size, space, in, in_size);
}

int Final(void* context, unsigned char* out, std::size_t* size, std::size_t space) {
  CipherContext& cipher = Of(context);
  if (!cipher.is_ready() && !MakeReady(cipher)) return 0;
  const int done = cipher.Original<OSSL_FUNC_cipher_final_fn>(OSSL_FUNC_CIPHER_FINAL)(
      cipher.inner(), out, size, space);
  if (cipher.is_held()) cipher.held().End();
  return done;
}

// OpenSSL's ciphers tell no key.
int GetParams(void* context, OSSL_PARAM* params) {
  CipherContext& cipher = Of(context);
  if (cipher.is_held() && cipher.held().lacks_nonce()) {
    return Guard(cipher.core(), [&] { return cipher.Get(params); });
  }
  return cipher.Original<OSSL_FUNC_cipher_get_ctx_params_fn>(OSSL_FUNC_CIPHER_GET_CTX_PARAMS)(
      cipher.inner(), params);
}

// NOLINTBEGIN(cppcoreguidelines-interfaces-global-init): addresses of functions are constants
constexpr auto kEncrypt = Init<Direction::kEncrypt, OSSL_FUNC_CIPHER_ENCRYPT_INIT>;
constexpr auto kDecrypt = Init<Direction::kDecrypt, OSSL_FUNC_CIPHER_DECRYPT_INIT>;
constexpr auto kEncryptSkey = InitSkey<Direction::kEncrypt, OSSL_FUNC_CIPHER_ENCRYPT_INIT>;
constexpr auto kDecryptSkey = InitSkey<Direction::kDecrypt, OSSL_FUNC_CIPHER_DECRYPT_INIT>;

const OSSL_DISPATCH kFunctions[] = {
    HSM_ENTRY(CIPHER_ENCRYPT_INIT, cipher_encrypt_init, kEncrypt),
    HSM_ENTRY(CIPHER_DECRYPT_INIT, cipher_decrypt_init, kDecrypt),
    HSM_ENTRY(CIPHER_UPDATE, cipher_update, Update),
    HSM_ENTRY(CIPHER_FINAL, cipher_final, Final),
    HSM_ENTRY(CIPHER_CIPHER, cipher_cipher, OneShot),
    HSM_ENTRY(CIPHER_FREECTX, cipher_freectx, Callbacks::Free),
    HSM_ENTRY(CIPHER_DUPCTX, cipher_dupctx, Callbacks::Dup),
    HSM_ENTRY(CIPHER_GET_CTX_PARAMS, cipher_get_ctx_params, GetParams),
    HSM_ENTRY(CIPHER_SET_CTX_PARAMS, cipher_set_ctx_params, Callbacks::SetParams),
};
const OSSL_DISPATCH kAdded[] = {
    HSM_ENTRY_OF(kCipherEncryptSkeyInit, CipherSkeyInit, kEncryptSkey),
    HSM_ENTRY_OF(kCipherDecryptSkeyInit, CipherSkeyInit, kDecryptSkey),
};
// NOLINTEND(cppcoreguidelines-interfaces-global-init)

}  // namespace

const HeldOperation kHeldCiphers = {New,
                                    kFunctions,
                                    kAdded,
                                    HeldCipher::Exists,
                                    OSSL_FUNC_CIPHER_SETTABLE_CTX_PARAMS,
                                    OSSL_FUNC_CIPHER_GETTABLE_CTX_PARAMS};

}  // namespace provider
