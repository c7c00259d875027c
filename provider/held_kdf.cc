// SPDX-License-Identifier: Apache-2.0
#include <openssl/core_names.h>

#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "dispatch.h"
#include "guard.h"
#include "held_context.h"
#include "hsmcore/held_algorithm.h"
#include "newer_openssl.h"
#include "skeymgmt.h"

namespace provider {
namespace {

using hsmcore::HeldKdf;

class KdfContext : public HeldContext<HeldKdf> {
 public:
  static constexpr ContextFunctions kFunctions = {"KDF",
                                                  OSSL_FUNC_KDF_NEWCTX,
                                                  OSSL_FUNC_KDF_FREECTX,
                                                  OSSL_FUNC_KDF_DUPCTX,
                                                  OSSL_FUNC_KDF_GET_CTX_PARAMS,
                                                  OSSL_FUNC_KDF_SET_CTX_PARAMS};

  KdfContext(const ProviderContext& provider, const HeldOriginal& original, void* inner)
      : HeldContext(kFunctions, provider, original, inner) {}
  KdfContext(const KdfContext& other, void* inner) : HeldContext(other, inner) {}

  void Reset();
  Result<bool> Derive(std::span<unsigned char> out, const OSSL_PARAM* params);
  // A secret key; nullptr: OpenSSL's function failed, and has raised why.
  Result<std::unique_ptr<SecretObject>> DeriveSkey(SkeymgmtImport* import, std::size_t size,
                                                   const OSSL_PARAM* params);
  // The key of an EVP_SKEY, as the parameter of that name.
  Result<bool> SetSkey(const SecretObject& skey, std::string_view param);
  Result<bool> Set(const OSSL_PARAM* params);
  Result<bool> Get(OSSL_PARAM* params) const;

 private:
  Status Note(const OSSL_PARAM* params);
};

void KdfContext::Reset() {
  held_ = nullptr;
  has_key_bytes_ = false;
  Original<OSSL_FUNC_kdf_reset_fn>(OSSL_FUNC_KDF_RESET)(inner());
}

Status KdfContext::Note(const OSSL_PARAM* params) {
  HSMCORE_CHECK(AllowInside(provider(), params));
  has_key_bytes_ |= HasKeyBytes(params);
  if (const OSSL_PARAM* named = FindHsmKey(params)) {
    HSMCORE_TRY(hsmcore::KeyPtr key, LoadHsmKey(provider(), *named));
    HSMCORE_TRY(held_, HeldKdf::New(std::move(key), algorithm()));
  }
  if (held_ != nullptr && has_key_bytes_) return std::unexpected(TwoKeys());
  return {};
}

// False: OpenSSL's function said so, and has raised why.
Result<bool> KdfContext::Derive(std::span<unsigned char> out, const OSSL_PARAM* params) {
  HSMCORE_CHECK(Note(params));
  if (held_ != nullptr) {
    // The key comes last: TLS13-KDF takes no parameter before its mode.
    if (params != nullptr && !SetInner(params)) return false;
    HSMCORE_CHECK(held_->Prepare(inner()));
    params = nullptr;
  }
  return Original<OSSL_FUNC_kdf_derive_fn>(OSSL_FUNC_KDF_DERIVE)(inner(), out.data(), out.size(),
                                                                 params) == 1;
}

Result<std::unique_ptr<SecretObject>> KdfContext::DeriveSkey(SkeymgmtImport* import,
                                                             std::size_t size,
                                                             const OSSL_PARAM* params) {
  hsmcore::SecretBytes value(size);
  HSMCORE_TRY(const bool derived,
              Derive(value.Write(hsmcore::SecretAccess{"derive a secret key"}), params));
  if (!derived) return nullptr;
  return KeepDerived(provider(), import, value, held_ == nullptr ? nullptr : &held_->key());
}

Result<bool> KdfContext::SetSkey(const SecretObject& skey, std::string_view param) {
  if (has_key_bytes_) return std::unexpected(TwoKeys());
  HSMCORE_TRY(auto held, HeldKdf::New(skey.key(), algorithm()));
  // EVP_KDF_CTX_set_SKEY says "key" where its caller says nothing.
  if (param != held->param() && param != OSSL_KDF_PARAM_KEY) {
    return Fail(ErrorCode::kNotSupported, "an EVP_SKEY can be the '" + std::string(held->param()) +
                                              "' of this KDF, not its '" + std::string(param) +
                                              "'");
  }
  held_ = std::move(held);
  return true;
}

Result<bool> KdfContext::Set(const OSSL_PARAM* params) {
  HSMCORE_CHECK(Note(params));
  return SetInner(params);
}

Result<bool> KdfContext::Get(OSSL_PARAM* params) const {
  if (held_ != nullptr) HSMCORE_CHECK(RefuseKeyBytes(params));
  return GetInner(params);
}

using Callbacks = ContextCallbacks<KdfContext>;

KdfContext& Of(void* context) { return Callbacks::Of(context); }

void Reset(void* context) { Of(context).Reset(); }

int Derive(void* context, unsigned char* out, std::size_t size, const OSSL_PARAM* params) {
  return Guard(Of(context).core(),
               [&] { return Of(context).Derive(std::span(out, size), params); });
}

int SetSkey(void* context, void* skey, const char* param) {
  return Guard(Of(context).core(), [&]() -> Result<bool> {
    if (skey == nullptr) return Fail(ErrorCode::kInvalidArgument, "no key is given");
    return Of(context).SetSkey(*static_cast<const SecretObject*>(skey),
                               param == nullptr ? OSSL_KDF_PARAM_KEY : param);
  });
}

void* DeriveSkeyNow(void* context, const char*, void*, SkeymgmtImport* import, std::size_t size,
                    const OSSL_PARAM* params) {
  return Guard(Of(context).core(), [&] { return Of(context).DeriveSkey(import, size, params); });
}

// NOLINTBEGIN(cppcoreguidelines-interfaces-global-init): addresses of functions are constants
const OSSL_DISPATCH kFunctions[] = {
    HSM_ENTRY(KDF_FREECTX, kdf_freectx, Callbacks::Free),
    HSM_ENTRY(KDF_DUPCTX, kdf_dupctx, Callbacks::Dup),
    HSM_ENTRY(KDF_RESET, kdf_reset, Reset),
    HSM_ENTRY(KDF_DERIVE, kdf_derive, Derive),
    HSM_ENTRY(KDF_GET_CTX_PARAMS, kdf_get_ctx_params, Callbacks::GetParams),
    HSM_ENTRY(KDF_SET_CTX_PARAMS, kdf_set_ctx_params, Callbacks::SetParams),
};
const OSSL_DISPATCH kAdded[] = {
    HSM_ENTRY_OF(kKdfSetSkey, KdfSetSkey, SetSkey),
    HSM_ENTRY_OF(kKdfDeriveSkey, DeriveSkey, DeriveSkeyNow),
};
// NOLINTEND(cppcoreguidelines-interfaces-global-init)

}  // namespace

const HeldOperation kHeldKdfs = {Callbacks::New,
                                 kFunctions,
                                 kAdded,
                                 HeldKdf::Exists,
                                 OSSL_FUNC_KDF_SETTABLE_CTX_PARAMS,
                                 OSSL_FUNC_KDF_GETTABLE_CTX_PARAMS};

}  // namespace provider
