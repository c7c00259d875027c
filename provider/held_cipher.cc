// SPDX-License-Identifier: Apache-2.0
#include <openssl/core_names.h>

#include <array>
#include <memory>
#include <optional>
#include <utility>

#include "dispatch.h"
#include "guard.h"
#include "held_original.h"
#include "hsmcore/held_algorithm.h"

namespace provider {
namespace {

using hsmcore::Direction;
using hsmcore::GcmNonces;
using hsmcore::HeldCipher;

// Around a context of OpenSSL's. Without a held key, calls go through it unseen; with one, only
// what begins, ends or names a key takes notice.
class CipherContext {
 public:
  CipherContext(const ProviderContext& provider, const HeldOriginal& original, void* inner)
      : provider_(provider), original_(original), inner_(inner) {}
  CipherContext(const CipherContext&) = delete;
  CipherContext& operator=(const CipherContext&) = delete;
  ~CipherContext() { Original<OSSL_FUNC_cipher_freectx_fn>(OSSL_FUNC_CIPHER_FREECTX)(inner_); }

  const Core& core() const { return provider_.core; }
  void* inner() const { return inner_; }
  template <class Type>
  Type* Original(int id) const {
    return original_.Function<Type>(id);
  }

  // Key bytes of the application may not encrypt with this algorithm in this mode.
  void NoteEncryption(Status allowed) { encryption_ = std::move(allowed); }
  const Status& encryption() const { return encryption_; }

  bool is_held() const { return held_ != nullptr; }
  // Data may go straight on.
  bool is_ready() const { return held_ == nullptr || held_->prepared(); }
  // An init without a held key.
  void Note(Direction direction, bool with_key, ByteView nonce);
  HeldCipher& held() { return *held_; }

  Status TakeKey(const OSSL_PARAM& param);
  Status Init(Direction direction, const unsigned char* key, ByteView nonce,
              const OSSL_PARAM* params);
  Result<bool> Set(const OSSL_PARAM* params);
  Result<bool> Get(OSSL_PARAM* params);
  Result<std::unique_ptr<CipherContext>> Clone() const;

 private:
  const ProviderContext& provider_;
  const HeldOriginal& original_;
  void* const inner_;
  Status encryption_;
  std::unique_ptr<HeldCipher> held_;
  bool has_key_bytes_ = false;
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

Status CipherContext::TakeKey(const OSSL_PARAM& param) {
  if (has_key_bytes_) return std::unexpected(TwoKeys());
  HSMCORE_TRY(const GcmNonces nonces, NonceSetting(core()));
  HSMCORE_TRY(hsmcore::KeyPtr key, LoadHsmKey(provider_, param));
  HSMCORE_TRY(auto held, HeldCipher::New(std::move(key), original_.algorithm(), nonces));
  held_ = std::move(held);
  return {};
}

Status CipherContext::Init(Direction direction, const unsigned char* key, ByteView nonce,
                           const OSSL_PARAM* params) {
  if (key != nullptr) return std::unexpected(TwoKeys());
  if (const OSSL_PARAM* named = FindHsmKey(params)) HSMCORE_CHECK(TakeKey(*named));
  return held_->Init(inner_, direction, nonce.data(), nonce.size(), params);
}

// False: OpenSSL's function said so, and has raised why.
Result<bool> CipherContext::Set(const OSSL_PARAM* params) {
  if (const OSSL_PARAM* named = FindHsmKey(params)) {
    HSMCORE_CHECK(TakeKey(*named));
    if (begun_) {
      const std::uint8_t* nonce = begun_nonce_.empty() ? nullptr : begun_nonce_.data();
      HSMCORE_CHECK(held_->Init(inner_, *begun_, nonce, begun_nonce_.size(), nullptr));
    }
  }
  if (held_ != nullptr) HSMCORE_CHECK(held_->NoteParams(params));
  return Original<OSSL_FUNC_cipher_set_ctx_params_fn>(OSSL_FUNC_CIPHER_SET_CTX_PARAMS)(inner_,
                                                                                       params) == 1;
}

Result<bool> CipherContext::Get(OSSL_PARAM* params) {
  // OpenSSL's ciphers tell no key.
  if (held_ != nullptr && held_->LacksNonce() && params != nullptr &&
      (OSSL_PARAM_locate(params, OSSL_CIPHER_PARAM_IV) != nullptr ||
       OSSL_PARAM_locate(params, OSSL_CIPHER_PARAM_UPDATED_IV) != nullptr)) {
    HSMCORE_CHECK(held_->ProvideNonce(inner_));
  }
  return Original<OSSL_FUNC_cipher_get_ctx_params_fn>(OSSL_FUNC_CIPHER_GET_CTX_PARAMS)(inner_,
                                                                                       params) == 1;
}

Result<std::unique_ptr<CipherContext>> CipherContext::Clone() const {
  void* inner = Original<OSSL_FUNC_cipher_dupctx_fn>(OSSL_FUNC_CIPHER_DUPCTX)(inner_);
  if (inner == nullptr) return Fail(ErrorCode::kCryptoFailure, "copying a cipher context");
  auto copy = std::make_unique<CipherContext>(provider_, original_, inner);
  copy->encryption_ = encryption_;
  if (held_ != nullptr) copy->held_ = held_->Clone();
  copy->has_key_bytes_ = has_key_bytes_;
  copy->begun_ = begun_;
  copy->begun_nonce_ = begun_nonce_;
  return copy;
}

CipherContext& Of(void* context) { return *static_cast<CipherContext*>(context); }

void* New(const ProviderContext& provider, const HeldOriginal& original) {
  return Guard(provider.core, [&]() -> Result<std::unique_ptr<CipherContext>> {
    void* inner =
        original.Function<OSSL_FUNC_cipher_newctx_fn>(OSSL_FUNC_CIPHER_NEWCTX)(original.context());
    if (inner == nullptr) return Fail(ErrorCode::kCryptoFailure, "a cipher context");
    auto context = std::make_unique<CipherContext>(provider, original, inner);
    HSMCORE_TRY(const hsmcore::ForwardingPtr source, provider.forwarded.Source());
    context->NoteEncryption(source->AllowEncryption(original.algorithm().algorithm_names));
    return context;
  });
}

void FreeContext(void* context) { delete static_cast<CipherContext*>(context); }

void* Dup(void* context) {
  return Guard(Of(context).core(), [&] { return Of(context).Clone(); });
}

template <Direction kDirection, int kFunction>
int Init(void* context, const unsigned char* key, std::size_t key_size, const unsigned char* nonce,
         std::size_t nonce_size, const OSSL_PARAM* params) {
  CipherContext& cipher = Of(context);
  if (cipher.is_held() || FindHsmKey(params) != nullptr) {
    return Guard(cipher.core(), [&] {
      return cipher.Init(kDirection, key, ByteView(nonce, nonce == nullptr ? 0 : nonce_size),
                         params);
    });
  }
  if (kDirection == Direction::kEncrypt && key != nullptr && !cipher.encryption()) {
    return Guard(cipher.core(), [&] { return cipher.encryption(); });
  }
  cipher.Note(kDirection, key != nullptr, ByteView(nonce, nonce == nullptr ? 0 : nonce_size));
  return cipher.Original<OSSL_FUNC_cipher_encrypt_init_fn>(kFunction)(cipher.inner(), key, key_size,
                                                                      nonce, nonce_size, params);
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

int GetParams(void* context, OSSL_PARAM* params) {
  return Guard(Of(context).core(), [&] { return Of(context).Get(params); });
}

int SetParams(void* context, const OSSL_PARAM* params) {
  return Guard(Of(context).core(), [&] { return Of(context).Set(params); });
}

// NOLINTBEGIN(cppcoreguidelines-interfaces-global-init): addresses of functions are constants
constexpr auto kEncrypt = Init<Direction::kEncrypt, OSSL_FUNC_CIPHER_ENCRYPT_INIT>;
constexpr auto kDecrypt = Init<Direction::kDecrypt, OSSL_FUNC_CIPHER_DECRYPT_INIT>;

const OSSL_DISPATCH kFunctions[] = {
    HSM_ENTRY(CIPHER_ENCRYPT_INIT, cipher_encrypt_init, kEncrypt),
    HSM_ENTRY(CIPHER_DECRYPT_INIT, cipher_decrypt_init, kDecrypt),
    HSM_ENTRY(CIPHER_UPDATE, cipher_update, Update),
    HSM_ENTRY(CIPHER_FINAL, cipher_final, Final),
    HSM_ENTRY(CIPHER_CIPHER, cipher_cipher, OneShot),
    HSM_ENTRY(CIPHER_FREECTX, cipher_freectx, FreeContext),
    HSM_ENTRY(CIPHER_DUPCTX, cipher_dupctx, Dup),
    HSM_ENTRY(CIPHER_GET_CTX_PARAMS, cipher_get_ctx_params, GetParams),
    HSM_ENTRY(CIPHER_SET_CTX_PARAMS, cipher_set_ctx_params, SetParams),
};
// NOLINTEND(cppcoreguidelines-interfaces-global-init)

}  // namespace

const HeldOperation kHeldCiphers = {New, kFunctions, HeldCipher::Exists,
                                    OSSL_FUNC_CIPHER_SETTABLE_CTX_PARAMS,
                                    OSSL_FUNC_CIPHER_GETTABLE_CTX_PARAMS};

}  // namespace provider
