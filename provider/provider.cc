// SPDX-License-Identifier: Apache-2.0
#include <openssl/core_names.h>
#include <openssl/opensslv.h>

#include <array>
#include <memory>

#include "dispatch.h"
#include "guard.h"
#include "params.h"
#include "provider_context.h"
#include "reasons.h"
#include "tables.h"

namespace provider {
namespace {

// ---- What the provider tells about itself ----

constexpr auto kRows = std::to_array<ParamRow<const ProviderContext>>({
    {OSSL_PROV_PARAM_NAME, OSSL_PARAM_UTF8_PTR, nullptr,
     [](const ProviderContext&, OSSL_PARAM& param) {
       return PutTextPointer(param, "HSM provider");
     }},
    {OSSL_PROV_PARAM_VERSION, OSSL_PARAM_UTF8_PTR, nullptr,
     [](const ProviderContext&, OSSL_PARAM& param) {
       return PutTextPointer(param, HSM_PROVIDER_VERSION);
     }},
    {OSSL_PROV_PARAM_BUILDINFO, OSSL_PARAM_UTF8_PTR, nullptr,
     [](const ProviderContext&, OSSL_PARAM& param) {
       return PutTextPointer(param, HSM_PROVIDER_VERSION " for " OPENSSL_VERSION_TEXT);
     }},
    {OSSL_PROV_PARAM_STATUS, OSSL_PARAM_INTEGER, nullptr,
     [](const ProviderContext&, OSSL_PARAM& param) { return PutInt(param, 1); }},
});
constexpr auto kGettable = Gettable(kRows);

const OSSL_PARAM* GettableParams(void*) { return kGettable.data(); }

int GetParams(void* provctx, OSSL_PARAM* params) {
  const auto& provider = ProviderContext::From(provctx);
  return Guard(provider.core,
               [&] { return GetAll<const ProviderContext>(provider, kRows, params); });
}

const OSSL_ALGORITHM* QueryOperation(void* provctx, int operation, int* no_cache) {
  *no_cache = 0;
  const auto& provider = ProviderContext::From(provctx);
  return Guard(provider.core, [&] { return AlgorithmsOf(provider, operation); });
}

const OSSL_ITEM* GetReasonStrings(void*) { return ReasonStrings(); }

void Teardown(void* provctx) { delete static_cast<ProviderContext*>(provctx); }

const OSSL_DISPATCH kProvider[] = {
    HSM_ENTRY(PROVIDER_TEARDOWN, provider_teardown, Teardown),
    HSM_ENTRY(PROVIDER_GETTABLE_PARAMS, provider_gettable_params, GettableParams),
    HSM_ENTRY(PROVIDER_GET_PARAMS, provider_get_params, GetParams),
    HSM_ENTRY(PROVIDER_QUERY_OPERATION, provider_query_operation, QueryOperation),
    HSM_ENTRY(PROVIDER_GET_REASON_STRINGS, provider_get_reason_strings, GetReasonStrings),
    HSM_ENTRY_END,
};

}  // namespace
}  // namespace provider

// The one symbol of the module. It opens nothing and reads no setting, so that a program which only
// lists its providers needs no home.
extern "C" __attribute__((visibility("default"))) int OSSL_provider_init(
    const OSSL_CORE_HANDLE* handle, const OSSL_DISPATCH* in, const OSSL_DISPATCH** out,
    void** provctx) {
  const provider::Core core(handle, in);
  *provctx =
      provider::Guard(core, [&]() -> provider::Result<std::unique_ptr<provider::ProviderContext>> {
        return std::make_unique<provider::ProviderContext>(handle, in);
      });
  *out = provider::kProvider;
  return *provctx != nullptr ? 1 : 0;
}
