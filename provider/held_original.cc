// SPDX-License-Identifier: Apache-2.0
#include "held_original.h"

#include <openssl/core_names.h>

#include <algorithm>
#include <array>
#include <utility>

namespace provider {
namespace {

// What OpenSSL's MACs and KDFs call their key.
constexpr std::array kKeyBytes = {OSSL_KDF_PARAM_KEY, OSSL_KDF_PARAM_SECRET,
                                  OSSL_KDF_PARAM_PASSWORD};

}  // namespace

HeldOriginal::HeldOriginal(const OSSL_ALGORITHM& algorithm, void* context, int settable_function,
                           int gettable_function)
    : algorithm_(&algorithm), context_(context) {
  for (const OSSL_DISPATCH* row = algorithm.implementation; row->function_id != 0; ++row) {
    const auto id = static_cast<std::size_t>(row->function_id);
    if (id < functions_.size()) functions_[id] = row->function;
  }
  // The lists of ciphers, MACs and KDFs are asked for in the same way.
  if (Has(settable_function)) {
    const OSSL_PARAM* list =
        Function<OSSL_FUNC_cipher_settable_ctx_params_fn>(settable_function)(nullptr, context);
    for (; list != nullptr && list->key != nullptr; ++list) settable_.push_back(*list);
  }
  settable_.push_back(Announcement(kHsmKey, OSSL_PARAM_UTF8_STRING));
  settable_.push_back(OSSL_PARAM_construct_end());
  if (Has(gettable_function)) {
    gettable_ =
        Function<OSSL_FUNC_cipher_gettable_ctx_params_fn>(gettable_function)(nullptr, context);
  }
}

Result<hsmcore::KeyUri> GetKeyUri(const OSSL_PARAM& param) {
  HSMCORE_TRY(const std::string_view text, GetText(param));
  return hsmcore::KeyUri::Parse(text);
}

Result<hsmcore::KeyPtr> LoadHsmKey(const ProviderContext& provider, const OSSL_PARAM& param) {
  HSMCORE_TRY(const hsmcore::KeyUri uri, GetKeyUri(param));
  HSMCORE_TRY(const SessionPtr session, provider.access.Login(uri, Prompt{}));
  return session->LoadSecret(hsmcore::KeyQuery::FromUri(uri));
}

bool HasKeyBytes(const OSSL_PARAM* params) {
  return params != nullptr && std::ranges::any_of(kKeyBytes, [&](const char* name) {
           return OSSL_PARAM_locate_const(params, name) != nullptr;
         });
}

Error TwoKeys() {
  return {ErrorCode::kInvalidArgument,
          "key bytes and hsm-key or an EVP_SKEY are given; use one of them, and a new context for "
          "another key"};
}

bool IsSameKey(const hsmcore::Key& a, const hsmcore::Key& b) {
  return a.private_info() != nullptr && b.private_info() != nullptr &&
         a.private_info()->handle == b.private_info()->handle;
}

std::optional<ByteView> UntypedBytes(const hsmcore::Key& key) {
  if (key.type() != hsmcore::KeyType::kGenericSecret) return std::nullopt;
  const Result<ByteView> value = key.GivenValue();
  return value ? std::optional(*value) : std::nullopt;
}

Status AllowInside(const ProviderContext& provider, const OSSL_PARAM* params) {
  constexpr auto kNamed = std::to_array<std::pair<const char*, int>>(
      {{OSSL_ALG_PARAM_DIGEST, OSSL_OP_DIGEST}, {OSSL_ALG_PARAM_CIPHER, OSSL_OP_CIPHER}});
  if (params == nullptr) return {};
  for (const auto& [key, operation] : kNamed) {
    const OSSL_PARAM* named = OSSL_PARAM_locate_const(params, key);
    if (named == nullptr) continue;
    HSMCORE_TRY(const std::string_view name, GetText(*named));
    HSMCORE_TRY(const hsmcore::ForwardingPtr source, provider.forwarded.Source());
    HSMCORE_CHECK(source->AllowInside(operation, name));
  }
  return {};
}

Status RefuseKeyBytes(const OSSL_PARAM* params) {
  if (HasKeyBytes(params)) return std::unexpected(TwoKeys());
  return {};
}

}  // namespace provider
