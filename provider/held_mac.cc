// SPDX-License-Identifier: Apache-2.0
#include <openssl/core_names.h>

#include <memory>
#include <string>
#include <utility>

#include "dispatch.h"
#include "guard.h"
#include "held_original.h"
#include "hsmcore/held_algorithm.h"

namespace provider {
namespace {

using hsmcore::HeldMac;

// Around a context of OpenSSL's, as CipherContext.
class MacContext {
 public:
  MacContext(const ProviderContext& provider, const HeldOriginal& original, void* inner)
      : provider_(provider), original_(original), inner_(inner) {}
  MacContext(const MacContext&) = delete;
  MacContext& operator=(const MacContext&) = delete;
  ~MacContext() { Original<OSSL_FUNC_mac_freectx_fn>(OSSL_FUNC_MAC_FREECTX)(inner_); }

  const Core& core() const { return provider_.core; }
  void* inner() const { return inner_; }
  template <class Type>
  Type* Original(int id) const {
    return original_.Function<Type>(id);
  }

  bool is_held() const { return held_ != nullptr; }
  bool is_ready() const { return held_ == nullptr || held_->begun(); }
  void NoteKeyBytes() { has_key_bytes_ = true; }
  bool Allows(const OSSL_PARAM* params) const {
    return Guard(core(), [&] { return AllowInside(provider_, params); }) == 1;
  }

  Status Init(const unsigned char* key, const OSSL_PARAM* params);
  Result<bool> Set(const OSSL_PARAM* params);
  Result<bool> Get(OSSL_PARAM* params) const;
  Result<std::unique_ptr<MacContext>> Clone() const;

 private:
  // What concerns a held key in parameters that are about to be set.
  Status Note(const OSSL_PARAM* params);
  Status TakeKey(const OSSL_PARAM& param);

  const ProviderContext& provider_;
  const HeldOriginal& original_;
  void* const inner_;
  std::unique_ptr<HeldMac> held_;
  bool has_key_bytes_ = false;
  std::string block_cipher_;  // that was asked for
};

Status MacContext::TakeKey(const OSSL_PARAM& param) {
  if (has_key_bytes_) return std::unexpected(TwoKeys());
  HSMCORE_TRY(hsmcore::KeyPtr key, LoadHsmKey(provider_, param));
  HSMCORE_TRY(auto held, HeldMac::New(std::move(key), original_.algorithm()));
  held_ = std::move(held);
  return {};
}

Status MacContext::Note(const OSSL_PARAM* params) {
  if (params == nullptr) return {};
  HSMCORE_CHECK(AllowInside(provider_, params));
  has_key_bytes_ |= HasKeyBytes(params);
  if (const OSSL_PARAM* cipher = OSSL_PARAM_locate_const(params, OSSL_MAC_PARAM_CIPHER)) {
    HSMCORE_TRY(block_cipher_, GetText(*cipher));
  }
  if (const OSSL_PARAM* named = FindHsmKey(params)) HSMCORE_CHECK(TakeKey(*named));
  if (held_ == nullptr) return {};
  HSMCORE_CHECK(RefuseKeyBytes(params));
  return held_->ChooseBlockCipher(inner_, block_cipher_);
}

Status MacContext::Init(const unsigned char* key, const OSSL_PARAM* params) {
  if (key != nullptr) return std::unexpected(TwoKeys());
  HSMCORE_CHECK(Note(params));
  return held_->Init(inner_, params);
}

// False: OpenSSL's function said so, and has raised why.
Result<bool> MacContext::Set(const OSSL_PARAM* params) {
  HSMCORE_CHECK(Note(params));
  return Original<OSSL_FUNC_mac_set_ctx_params_fn>(OSSL_FUNC_MAC_SET_CTX_PARAMS)(inner_, params) ==
         1;
}

Result<bool> MacContext::Get(OSSL_PARAM* params) const {
  // OpenSSL's MACs tell no key.
  return Original<OSSL_FUNC_mac_get_ctx_params_fn>(OSSL_FUNC_MAC_GET_CTX_PARAMS)(inner_, params) ==
         1;
}

Result<std::unique_ptr<MacContext>> MacContext::Clone() const {
  void* inner = Original<OSSL_FUNC_mac_dupctx_fn>(OSSL_FUNC_MAC_DUPCTX)(inner_);
  if (inner == nullptr) return Fail(ErrorCode::kCryptoFailure, "copying a MAC context");
  auto copy = std::make_unique<MacContext>(provider_, original_, inner);
  if (held_ != nullptr) copy->held_ = held_->Clone();
  copy->has_key_bytes_ = has_key_bytes_;
  copy->block_cipher_ = block_cipher_;
  return copy;
}

MacContext& Of(void* context) { return *static_cast<MacContext*>(context); }

void* New(const ProviderContext& provider, const HeldOriginal& original) {
  return Guard(provider.core, [&]() -> Result<std::unique_ptr<MacContext>> {
    void* inner =
        original.Function<OSSL_FUNC_mac_newctx_fn>(OSSL_FUNC_MAC_NEWCTX)(original.context());
    if (inner == nullptr) return Fail(ErrorCode::kCryptoFailure, "a MAC context");
    return std::make_unique<MacContext>(provider, original, inner);
  });
}

void FreeContext(void* context) { delete static_cast<MacContext*>(context); }

void* Dup(void* context) {
  return Guard(Of(context).core(), [&] { return Of(context).Clone(); });
}

int Init(void* context, const unsigned char* key, std::size_t key_size, const OSSL_PARAM* params) {
  MacContext& mac = Of(context);
  if (mac.is_held() || FindHsmKey(params) != nullptr) {
    return Guard(mac.core(), [&] { return mac.Init(key, params); });
  }
  if (params != nullptr && !mac.Allows(params)) return 0;
  if (key != nullptr) mac.NoteKeyBytes();
  return mac.Original<OSSL_FUNC_mac_init_fn>(OSSL_FUNC_MAC_INIT)(mac.inner(), key, key_size,
                                                                 params);
}

bool CheckReady(const MacContext& mac) {
  if (mac.is_ready()) return true;
  return Guard(mac.core(), []() -> Status {
           return Fail(ErrorCode::kOperationState, "begin with EVP_MAC_init after hsm-key was set");
         }) == 1;
}

int Update(void* context, const unsigned char* in, std::size_t size) {
  const MacContext& mac = Of(context);
  if (!CheckReady(mac)) return 0;
  return mac.Original<OSSL_FUNC_mac_update_fn>(OSSL_FUNC_MAC_UPDATE)(mac.inner(), in, size);
}

int Final(void* context, unsigned char* out, std::size_t* size, std::size_t space) {
  const MacContext& mac = Of(context);
  if (!CheckReady(mac)) return 0;
  return mac.Original<OSSL_FUNC_mac_final_fn>(OSSL_FUNC_MAC_FINAL)(mac.inner(), out, size, space);
}

int GetParams(void* context, OSSL_PARAM* params) {
  return Guard(Of(context).core(), [&] { return Of(context).Get(params); });
}

int SetParams(void* context, const OSSL_PARAM* params) {
  return Guard(Of(context).core(), [&] { return Of(context).Set(params); });
}

// NOLINTBEGIN(cppcoreguidelines-interfaces-global-init): addresses of functions are constants
const OSSL_DISPATCH kFunctions[] = {
    HSM_ENTRY(MAC_INIT, mac_init, Init),
    HSM_ENTRY(MAC_UPDATE, mac_update, Update),
    HSM_ENTRY(MAC_FINAL, mac_final, Final),
    HSM_ENTRY(MAC_FREECTX, mac_freectx, FreeContext),
    HSM_ENTRY(MAC_DUPCTX, mac_dupctx, Dup),
    HSM_ENTRY(MAC_GET_CTX_PARAMS, mac_get_ctx_params, GetParams),
    HSM_ENTRY(MAC_SET_CTX_PARAMS, mac_set_ctx_params, SetParams),
};
// NOLINTEND(cppcoreguidelines-interfaces-global-init)

}  // namespace

const HeldOperation kHeldMacs = {New, kFunctions, HeldMac::Exists,
                                 OSSL_FUNC_MAC_SETTABLE_CTX_PARAMS,
                                 OSSL_FUNC_MAC_GETTABLE_CTX_PARAMS};

}  // namespace provider
