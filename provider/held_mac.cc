// SPDX-License-Identifier: Apache-2.0
#include <openssl/core_names.h>

#include <array>
#include <memory>
#include <string>
#include <utility>

#include "dispatch.h"
#include "guard.h"
#include "held_context.h"
#include "hsmcore/held_algorithm.h"
#include "newer_openssl.h"
#include "skeymgmt.h"

namespace provider {
namespace {

using hsmcore::HeldMac;

class MacContext : public HeldContext<HeldMac> {
 public:
  static constexpr ContextFunctions kFunctions = {"MAC",
                                                  OSSL_FUNC_MAC_NEWCTX,
                                                  OSSL_FUNC_MAC_FREECTX,
                                                  OSSL_FUNC_MAC_DUPCTX,
                                                  OSSL_FUNC_MAC_GET_CTX_PARAMS,
                                                  OSSL_FUNC_MAC_SET_CTX_PARAMS};

  MacContext(const ProviderContext& provider, const HeldOriginal& original, void* inner)
      : HeldContext(kFunctions, provider, original, inner) {}
  MacContext(const MacContext& other, void* inner)
      : HeldContext(other, inner),
        block_cipher_(other.block_cipher_),
        early_nonce_(other.early_nonce_) {}

  bool is_ready() const { return held_ == nullptr || held_->begun(); }
  void NoteKeyBytes() { has_key_bytes_ = true; }
  bool watches_nonces() const { return held_ != nullptr && held_->watches_nonces(); }
  void End() { held_->End(); }
  bool Allows(const OSSL_PARAM* params) const {
    return Guard(core(), [&] { return AllowInside(provider(), params); }) == 1;
  }

  Status Init(const unsigned char* key, const OSSL_PARAM* params);
  // With the key of an EVP_SKEY.
  Result<bool> InitSkey(const SecretObject& skey, const OSSL_PARAM* params);
  Result<bool> Set(const OSSL_PARAM* params);
  // OpenSSL's MACs tell no key.
  Result<bool> Get(OSSL_PARAM* params) const { return GetInner(params); }

 private:
  // What concerns a held key in parameters that are about to be set.
  Status Note(const OSSL_PARAM* params);
  Status TakeKey(std::unique_ptr<HeldMac> held);
  Status NoteEarlyNonce(const OSSL_PARAM* params);

  std::string block_cipher_;  // that was asked for
  Bytes early_nonce_;
};

Status MacContext::TakeKey(std::unique_ptr<HeldMac> held) {
  if (has_key_bytes_) return std::unexpected(TwoKeys());
  // The nonces that a key has used here stay known when it is named again.
  if (held_ != nullptr && IsSameKey(held_->key(), held->key())) return {};
  held_ = std::move(held);
  std::array params = {OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_IV, early_nonce_.data(),
                                                         early_nonce_.size()),
                       OSSL_PARAM_construct_end()};
  return early_nonce_.empty() ? Status() : held_->NoteParams(params.data());
}

// A nonce may come before the key.
Status MacContext::NoteEarlyNonce(const OSSL_PARAM* params) {
  const OSSL_PARAM* nonce = OSSL_PARAM_locate_const(params, OSSL_MAC_PARAM_IV);
  if (nonce == nullptr || nonce->data_type != OSSL_PARAM_OCTET_STRING) return {};
  HSMCORE_TRY(const ByteView octets, GetOctets(*nonce));
  early_nonce_.assign(octets.begin(), octets.end());
  return {};
}

Status MacContext::Note(const OSSL_PARAM* params) {
  if (params == nullptr) return {};
  HSMCORE_CHECK(AllowInside(provider(), params));
  has_key_bytes_ |= HasKeyBytes(params);
  if (const OSSL_PARAM* cipher = OSSL_PARAM_locate_const(params, OSSL_MAC_PARAM_CIPHER)) {
    HSMCORE_TRY(block_cipher_, GetText(*cipher));
  }
  if (const OSSL_PARAM* named = FindHsmKey(params)) {
    HSMCORE_TRY(hsmcore::KeyPtr key, LoadHsmKey(provider(), *named));
    HSMCORE_TRY(auto held, HeldMac::New(std::move(key), algorithm()));
    HSMCORE_CHECK(TakeKey(std::move(held)));
  }
  if (held_ == nullptr) return NoteEarlyNonce(params);
  HSMCORE_CHECK(RefuseKeyBytes(params));
  HSMCORE_CHECK(held_->NoteParams(params));
  return held_->ChooseBlockCipher(inner(), block_cipher_);
}

Status MacContext::Init(const unsigned char* key, const OSSL_PARAM* params) {
  if (key != nullptr) return std::unexpected(TwoKeys());
  HSMCORE_CHECK(Note(params));
  return held_->Init(inner(), params);
}

Result<bool> MacContext::InitSkey(const SecretObject& skey, const OSSL_PARAM* params) {
  if (FindHsmKey(params) != nullptr || HasKeyBytes(params)) return std::unexpected(TwoKeys());
  auto held = HeldMac::New(skey.key(), algorithm());
  if (held) {
    HSMCORE_CHECK(TakeKey(*std::move(held)));
    HSMCORE_CHECK(params == nullptr ? held_->ChooseBlockCipher(inner(), block_cipher_)
                                    : Note(params));
    HSMCORE_CHECK(held_->Init(inner(), params));
    return true;
  }
  const auto bytes = UntypedBytes(*skey.key());
  if (held_ != nullptr || !bytes || held.error().code() != ErrorCode::kKeyTypeMismatch) {
    return std::unexpected(std::move(held).error());
  }
  NoteKeyBytes();
  return Original<OSSL_FUNC_mac_init_fn>(OSSL_FUNC_MAC_INIT)(inner(), bytes->data(), bytes->size(),
                                                             params) == 1;
}

// False: OpenSSL's function said so, and has raised why.
Result<bool> MacContext::Set(const OSSL_PARAM* params) {
  HSMCORE_CHECK(Note(params));
  return SetInner(params);
}

using Callbacks = ContextCallbacks<MacContext>;

MacContext& Of(void* context) { return Callbacks::Of(context); }

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

int InitSkey(void* context, void* skey, const OSSL_PARAM* params) {
  if (skey == nullptr) return Init(context, nullptr, 0, params);
  MacContext& mac = Of(context);
  return Guard(mac.core(),
               [&] { return mac.InitSkey(*static_cast<const SecretObject*>(skey), params); });
}

bool CheckReady(const MacContext& mac) {
  if (mac.is_ready()) return true;
  return Guard(mac.core(), []() -> Status {
           return Fail(ErrorCode::kOperationState, "begin with EVP_MAC_init after hsm-key was set");
         }) == 1;
}

// Before the MAC is there, so that none comes out whose nonce could not be remembered.
bool EndMessage(MacContext& mac) {
  if (!mac.watches_nonces()) return true;
  return Guard(mac.core(), [&]() -> Status {
           mac.End();
           return {};
         }) == 1;
}

int Update(void* context, const unsigned char* in, std::size_t size) {
  const MacContext& mac = Of(context);
  if (!CheckReady(mac)) return 0;
  return mac.Original<OSSL_FUNC_mac_update_fn>(OSSL_FUNC_MAC_UPDATE)(mac.inner(), in, size);
}

int Final(void* context, unsigned char* out, std::size_t* size, std::size_t space) {
  MacContext& mac = Of(context);
  if (!CheckReady(mac) || !EndMessage(mac)) return 0;
  return mac.Original<OSSL_FUNC_mac_final_fn>(OSSL_FUNC_MAC_FINAL)(mac.inner(), out, size, space);
}

// NOLINTBEGIN(cppcoreguidelines-interfaces-global-init): addresses of functions are constants
const OSSL_DISPATCH kFunctions[] = {
    HSM_ENTRY(MAC_INIT, mac_init, Init),
    HSM_ENTRY(MAC_UPDATE, mac_update, Update),
    HSM_ENTRY(MAC_FINAL, mac_final, Final),
    HSM_ENTRY(MAC_FREECTX, mac_freectx, Callbacks::Free),
    HSM_ENTRY(MAC_DUPCTX, mac_dupctx, Callbacks::Dup),
    HSM_ENTRY(MAC_GET_CTX_PARAMS, mac_get_ctx_params, Callbacks::GetParams),
    HSM_ENTRY(MAC_SET_CTX_PARAMS, mac_set_ctx_params, Callbacks::SetParams),
};
const OSSL_DISPATCH kAdded[] = {
    HSM_ENTRY_OF(kMacInitSkey, MacInitSkey, InitSkey),
};
// NOLINTEND(cppcoreguidelines-interfaces-global-init)

}  // namespace

const HeldOperation kHeldMacs = {Callbacks::New,
                                 kFunctions,
                                 kAdded,
                                 HeldMac::Exists,
                                 OSSL_FUNC_MAC_SETTABLE_CTX_PARAMS,
                                 OSSL_FUNC_MAC_GETTABLE_CTX_PARAMS};

}  // namespace provider
