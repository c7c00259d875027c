// SPDX-License-Identifier: Apache-2.0
#ifndef PROVIDER_HELD_ORIGINAL_H_
#define PROVIDER_HELD_ORIGINAL_H_

#include <openssl/core.h>
#include <openssl/core_dispatch.h>

#include <array>
#include <cstddef>
#include <optional>
#include <span>
#include <vector>

#include "hsmcore/key.h"
#include "hsmcore/key_uri.h"
#include "params.h"
#include "provider_context.h"

namespace provider {

// The context parameter that names a held secret key, by its URI.
inline constexpr const char* kHsmKey = "hsm-key";

// A forwarded algorithm that takes held keys: OpenSSL's functions, and what it announces. Contexts
// of ours stand around its contexts and hand their calls on.
class HeldOriginal {
 public:
  HeldOriginal(const OSSL_ALGORITHM& algorithm, void* context, int settable_function,
               int gettable_function);

  const OSSL_ALGORITHM& algorithm() const { return *algorithm_; }
  void* context() const { return context_; }
  const OSSL_PARAM* settable() const { return settable_.data(); }
  const OSSL_PARAM* gettable() const { return gettable_; }

  bool Has(int id) const { return functions_[static_cast<std::size_t>(id)] != nullptr; }
  template <class Type>
  Type* Function(int id) const {
    return reinterpret_cast<Type*>(functions_[static_cast<std::size_t>(id)]);
  }

 private:
  static constexpr std::size_t kFunctions = OSSL_FUNC_CIPHER_SETTABLE_CTX_PARAMS + 1;

  const OSSL_ALGORITHM* algorithm_;
  void* context_;
  std::array<void (*)(), kFunctions> functions_{};
  std::vector<OSSL_PARAM> settable_;  // the original's and hsm-key
  const OSSL_PARAM* gettable_ = nullptr;
};

// How contexts of an operation are made, and the functions that they share. Functions that are not
// here take a provider context, or no context at all.
struct HeldOperation {
  void* (*make)(const ProviderContext& provider, const HeldOriginal& original);
  std::span<const OSSL_DISPATCH> functions;  // in the place of the original's
  std::span<const OSSL_DISPATCH> added;      // of a later OpenSSL, whether the original has them
  bool (*exists)(std::string_view names);
  int settable_function;
  int gettable_function;
};
extern const HeldOperation kHeldCiphers;
extern const HeldOperation kHeldMacs;
extern const HeldOperation kHeldKdfs;

// What the contexts share.

// The parameter that names a held key; nullptr: not there.
inline const OSSL_PARAM* FindHsmKey(const OSSL_PARAM* params) {
  if (params == nullptr || params->key == nullptr) return nullptr;
  return OSSL_PARAM_locate_const(params, kHsmKey);
}
Result<hsmcore::KeyUri> GetKeyUri(const OSSL_PARAM& param);
// The secret key, loaded with a login.
Result<hsmcore::KeyPtr> LoadHsmKey(const ProviderContext& provider, const OSSL_PARAM& param);
// kInvalidArgument: parameters that hold key bytes, or ask for them, beside a held key.
Status RefuseKeyBytes(const OSSL_PARAM* params);
bool HasKeyBytes(const OSSL_PARAM* params);
Error TwoKeys();
// A key is the same when it was loaded again.
bool IsSameKey(const hsmcore::Key& a, const hsmcore::Key& b);
// The bytes of a generic secret that the program gave itself, which serve wherever OpenSSL takes
// key bytes: a program that knows its keys by their bytes names no type. Nothing for any other key.
std::optional<ByteView> UntypedBytes(const hsmcore::Key& key);
// kModeForbids: parameters name a digest or cipher that the mode does not allow.
Status AllowInside(const ProviderContext& provider, const OSSL_PARAM* params);

}  // namespace provider

#endif  // PROVIDER_HELD_ORIGINAL_H_
