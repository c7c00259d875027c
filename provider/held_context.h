// SPDX-License-Identifier: Apache-2.0
#ifndef PROVIDER_HELD_CONTEXT_H_
#define PROVIDER_HELD_CONTEXT_H_

#include <openssl/core_dispatch.h>

#include <memory>
#include <string>
#include <utility>

#include "guard.h"
#include "held_original.h"

namespace provider {

// The functions that the contexts of every operation have, by their numbers. Their types are the
// same, so those of ciphers stand for all.
struct ContextFunctions {
  const char* name;  // of the operation, for errors
  int make;
  int free;
  int copy;
  int get;
  int set;
};

// A context around one of OpenSSL's, for an algorithm that takes held keys. Without a held key,
// calls go through it unseen; with one, only what begins, ends or names a key takes notice.
// `Held` is hsmcore's part: HeldCipher, HeldMac or HeldKdf.
template <class Held>
class HeldContext {
 public:
  HeldContext(const HeldContext&) = delete;
  HeldContext& operator=(const HeldContext&) = delete;

  const Core& core() const { return provider_.core; }
  const ProviderContext& provider() const { return provider_; }
  void* inner() const { return inner_; }
  template <class Type>
  Type* Original(int id) const {
    return original_.Function<Type>(id);
  }
  bool is_held() const { return held_ != nullptr; }

 protected:
  HeldContext(const ContextFunctions& functions, const ProviderContext& provider,
              const HeldOriginal& original, void* inner)
      : provider_(provider), original_(original), functions_(functions), inner_(inner) {}
  // A copy, around a copy of OpenSSL's context.
  HeldContext(const HeldContext& other, void* inner)
      : held_(other.held_ == nullptr ? nullptr : other.held_->Clone()),
        has_key_bytes_(other.has_key_bytes_),
        provider_(other.provider_),
        original_(other.original_),
        functions_(other.functions_),
        inner_(inner) {}
  ~HeldContext() { Original<OSSL_FUNC_cipher_freectx_fn>(functions_.free)(inner_); }

  const OSSL_ALGORITHM& algorithm() const { return original_.algorithm(); }
  // False: OpenSSL's function said so, and has raised why.
  bool SetInner(const OSSL_PARAM* params) const {
    return Original<OSSL_FUNC_cipher_set_ctx_params_fn>(functions_.set)(inner_, params) == 1;
  }
  bool GetInner(OSSL_PARAM* params) const {
    return Original<OSSL_FUNC_cipher_get_ctx_params_fn>(functions_.get)(inner_, params) == 1;
  }

  std::unique_ptr<Held> held_;
  bool has_key_bytes_ = false;

 private:
  const ProviderContext& provider_;
  const HeldOriginal& original_;
  const ContextFunctions& functions_;
  void* const inner_;
};

// The callbacks for all contexts. `Context` has kFunctions, constructors (provider, original,
// inner) and (context to copy, inner), Set and Get.
template <class Context>
struct ContextCallbacks {
  static Context& Of(void* context) { return *static_cast<Context*>(context); }

  static Result<std::unique_ptr<Context>> Make(const ProviderContext& provider,
                                               const HeldOriginal& original) {
    void* inner =
        original.Function<OSSL_FUNC_cipher_newctx_fn>(Context::kFunctions.make)(original.context());
    if (inner == nullptr) return Failure("making");
    return std::make_unique<Context>(provider, original, inner);
  }
  static void* New(const ProviderContext& provider, const HeldOriginal& original) {
    return Guard(provider.core, [&] { return Make(provider, original); });
  }
  static void Free(void* context) { delete static_cast<Context*>(context); }
  static void* Dup(void* context) {
    return Guard(Of(context).core(), [&]() -> Result<std::unique_ptr<Context>> {
      void* inner = Of(context).template Original<OSSL_FUNC_cipher_dupctx_fn>(
          Context::kFunctions.copy)(Of(context).inner());
      if (inner == nullptr) return Failure("copying");
      return std::make_unique<Context>(Of(context), inner);
    });
  }
  static int GetParams(void* context, OSSL_PARAM* params) {
    return Guard(Of(context).core(), [&] { return Of(context).Get(params); });
  }
  static int SetParams(void* context, const OSSL_PARAM* params) {
    return Guard(Of(context).core(), [&] { return Of(context).Set(params); });
  }

 private:
  static std::unexpected<Error> Failure(const char* what) {
    return Fail(ErrorCode::kCryptoFailure,
                std::string(what) + " a " + Context::kFunctions.name + " context");
  }
};

}  // namespace provider

#endif  // PROVIDER_HELD_CONTEXT_H_
