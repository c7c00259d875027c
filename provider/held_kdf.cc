// SPDX-License-Identifier: Apache-2.0
#include <memory>
#include <utility>

#include "dispatch.h"
#include "guard.h"
#include "held_original.h"
#include "hsmcore/held_algorithm.h"

namespace provider {
namespace {

using hsmcore::HeldKdf;

// Around a context of OpenSSL's, as CipherContext.
class KdfContext {
 public:
  KdfContext(const ProviderContext& provider, const HeldOriginal& original, void* inner)
      : provider_(provider), original_(original), inner_(inner) {}
  KdfContext(const KdfContext&) = delete;
  KdfContext& operator=(const KdfContext&) = delete;
  ~KdfContext() { Original<OSSL_FUNC_kdf_freectx_fn>(OSSL_FUNC_KDF_FREECTX)(inner_); }

  const Core& core() const { return provider_.core; }
  template <class Type>
  Type* Original(int id) const {
    return original_.Function<Type>(id);
  }

  void Reset();
  Result<bool> Derive(std::span<unsigned char> out, const OSSL_PARAM* params);
  Result<bool> Set(const OSSL_PARAM* params);
  Result<bool> Get(OSSL_PARAM* params) const;
  Result<std::unique_ptr<KdfContext>> Clone() const;

 private:
  Status Note(const OSSL_PARAM* params);

  const ProviderContext& provider_;
  const HeldOriginal& original_;
  void* const inner_;
  std::unique_ptr<HeldKdf> held_;
  bool has_key_bytes_ = false;
};

void KdfContext::Reset() {
  held_ = nullptr;
  has_key_bytes_ = false;
  Original<OSSL_FUNC_kdf_reset_fn>(OSSL_FUNC_KDF_RESET)(inner_);
}

Status KdfContext::Note(const OSSL_PARAM* params) {
  HSMCORE_CHECK(AllowInside(provider_, params));
  has_key_bytes_ |= HasKeyBytes(params);
  if (const OSSL_PARAM* named = FindHsmKey(params)) {
    HSMCORE_TRY(hsmcore::KeyPtr key, LoadHsmKey(provider_, *named));
    HSMCORE_TRY(held_, HeldKdf::New(std::move(key), original_.algorithm()));
  }
  if (held_ != nullptr && has_key_bytes_) return std::unexpected(TwoKeys());
  return {};
}

// False: OpenSSL's function said so, and has raised why.
Result<bool> KdfContext::Derive(std::span<unsigned char> out, const OSSL_PARAM* params) {
  HSMCORE_CHECK(Note(params));
  if (held_ != nullptr) {
    // The key comes last: TLS13-KDF takes no parameter before its mode.
    if (params != nullptr && Original<OSSL_FUNC_kdf_set_ctx_params_fn>(
                                 OSSL_FUNC_KDF_SET_CTX_PARAMS)(inner_, params) != 1) {
      return false;
    }
    HSMCORE_CHECK(held_->Prepare(inner_));
    params = nullptr;
  }
  return Original<OSSL_FUNC_kdf_derive_fn>(OSSL_FUNC_KDF_DERIVE)(inner_, out.data(), out.size(),
                                                                 params) == 1;
}

Result<bool> KdfContext::Set(const OSSL_PARAM* params) {
  HSMCORE_CHECK(Note(params));
  return Original<OSSL_FUNC_kdf_set_ctx_params_fn>(OSSL_FUNC_KDF_SET_CTX_PARAMS)(inner_, params) ==
         1;
}

Result<bool> KdfContext::Get(OSSL_PARAM* params) const {
  if (held_ != nullptr) HSMCORE_CHECK(RefuseKeyBytes(params));
  return Original<OSSL_FUNC_kdf_get_ctx_params_fn>(OSSL_FUNC_KDF_GET_CTX_PARAMS)(inner_, params) ==
         1;
}

Result<std::unique_ptr<KdfContext>> KdfContext::Clone() const {
  void* inner = Original<OSSL_FUNC_kdf_dupctx_fn>(OSSL_FUNC_KDF_DUPCTX)(inner_);
  if (inner == nullptr) return Fail(ErrorCode::kCryptoFailure, "copying a KDF context");
  auto copy = std::make_unique<KdfContext>(provider_, original_, inner);
  if (held_ != nullptr) copy->held_ = held_->Clone();
  copy->has_key_bytes_ = has_key_bytes_;
  return copy;
}

KdfContext& Of(void* context) { return *static_cast<KdfContext*>(context); }

void* New(const ProviderContext& provider, const HeldOriginal& original) {
  return Guard(provider.core, [&]() -> Result<std::unique_ptr<KdfContext>> {
    void* inner =
        original.Function<OSSL_FUNC_kdf_newctx_fn>(OSSL_FUNC_KDF_NEWCTX)(original.context());
    if (inner == nullptr) return Fail(ErrorCode::kCryptoFailure, "a KDF context");
    return std::make_unique<KdfContext>(provider, original, inner);
  });
}

void FreeContext(void* context) { delete static_cast<KdfContext*>(context); }

void* Dup(void* context) {
  return Guard(Of(context).core(), [&] { return Of(context).Clone(); });
}

void Reset(void* context) { Of(context).Reset(); }

int Derive(void* context, unsigned char* out, std::size_t size, const OSSL_PARAM* params) {
  return Guard(Of(context).core(),
               [&] { return Of(context).Derive(std::span(out, size), params); });
}

int GetParams(void* context, OSSL_PARAM* params) {
  return Guard(Of(context).core(), [&] { return Of(context).Get(params); });
}

int SetParams(void* context, const OSSL_PARAM* params) {
  return Guard(Of(context).core(), [&] { return Of(context).Set(params); });
}

// NOLINTBEGIN(cppcoreguidelines-interfaces-global-init): addresses of functions are constants
const OSSL_DISPATCH kFunctions[] = {
    HSM_ENTRY(KDF_FREECTX, kdf_freectx, FreeContext),
    HSM_ENTRY(KDF_DUPCTX, kdf_dupctx, Dup),
    HSM_ENTRY(KDF_RESET, kdf_reset, Reset),
    HSM_ENTRY(KDF_DERIVE, kdf_derive, Derive),
    HSM_ENTRY(KDF_GET_CTX_PARAMS, kdf_get_ctx_params, GetParams),
    HSM_ENTRY(KDF_SET_CTX_PARAMS, kdf_set_ctx_params, SetParams),
};
// NOLINTEND(cppcoreguidelines-interfaces-global-init)

}  // namespace

const HeldOperation kHeldKdfs = {New, kFunctions, HeldKdf::Exists,
                                 OSSL_FUNC_KDF_SETTABLE_CTX_PARAMS,
                                 OSSL_FUNC_KDF_GETTABLE_CTX_PARAMS};

}  // namespace provider
