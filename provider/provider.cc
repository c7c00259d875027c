// SPDX-License-Identifier: Apache-2.0
#include <openssl/core_names.h>
#include <openssl/opensslv.h>

#include <array>
#include <functional>
#include <memory>
#include <string>

#include "capabilities.h"
#include "dispatch.h"
#include "guard.h"
#include "params.h"
#include "provider_context.h"
#include "reasons.h"
#include "tables.h"

namespace provider {
namespace {

// ---- What the provider tells about itself ----

// The only texts that `openssl list -providers` shows are name and build, so the mode is there. A
// mode that cannot be found out is told too: asking a provider for its name must not fail.
Result<std::reference_wrapper<const ProviderTexts>> TextsOf(const ProviderContext& provider) {
  return provider.texts.Get([&]() -> Result<ProviderTexts> {
    ProviderTexts texts{"HSM provider", HSM_PROVIDER_VERSION " for " OPENSSL_VERSION_TEXT, true};
    const auto rules = provider.access.Rules();
    if (!rules) {
      texts.name += " (mode unknown)";
      texts.build += "; mode unknown: " + rules.error().Message();
    } else if (rules->mode == hsmcore::ClusterMode::kFips) {
      const hsmcore::FipsModule module = hsmcore::FindFipsModule();
      texts.name += " (FIPS mode; FIPS module: " + module.Summary() + ")";
      texts.build += "; mode FIPS; FIPS module: " + module.Summary();
      if (!module.problem.empty()) texts.build += ": " + module.problem;
      texts.works = module.problem.empty();
    } else {
      texts.build += "; mode NON_FIPS";
    }
    return texts;
  });
}

constexpr auto kRows = std::to_array<ParamRow<const ProviderContext>>({
    {OSSL_PROV_PARAM_NAME, OSSL_PARAM_UTF8_PTR, nullptr,
     [](const ProviderContext& provider, OSSL_PARAM& param) -> Status {
       HSMCORE_TRY(const ProviderTexts& texts, TextsOf(provider));
       return PutTextPointer(param, texts.name.c_str());
     }},
    {OSSL_PROV_PARAM_VERSION, OSSL_PARAM_UTF8_PTR, nullptr,
     [](const ProviderContext&, OSSL_PARAM& param) {
       return PutTextPointer(param, HSM_PROVIDER_VERSION);
     }},
    {OSSL_PROV_PARAM_BUILDINFO, OSSL_PARAM_UTF8_PTR, nullptr,
     [](const ProviderContext& provider, OSSL_PARAM& param) -> Status {
       HSMCORE_TRY(const ProviderTexts& texts, TextsOf(provider));
       return PutTextPointer(param, texts.build.c_str());
     }},
    {OSSL_PROV_PARAM_STATUS, OSSL_PARAM_INTEGER, nullptr,
     [](const ProviderContext& provider, OSSL_PARAM& param) -> Status {
       HSMCORE_TRY(const ProviderTexts& texts, TextsOf(provider));
       return PutInt(param, texts.works && provider.self_test_passed.load() ? 1 : 0);
     }},
});
constexpr auto kGettable = Gettable(kRows);

const OSSL_PARAM* GettableParams(void*) { return kGettable.data(); }

int GetParams(void* provctx, OSSL_PARAM* params) {
  const auto& provider = ProviderContext::From(provctx);
  return Guard(provider.core,
               [&] { return GetAll<const ProviderContext>(provider, kRows, params); });
}

const OSSL_ALGORITHM* QueryOperation(void* provctx, int operation, int* no_cache) {
  const auto& provider = ProviderContext::From(provctx);
  const OSSL_ALGORITHM* rows =
      Guard(provider.core, [&] { return AlgorithmsOf(provider, operation); });
  // Until the mode is known, the answer may still change.
  *no_cache = provider.held.Ready() != nullptr ? 0 : 1;
  return rows;
}

int GetProviderCapabilities(void* provctx, const char* capability, OSSL_CALLBACK* callback,
                            void* argument) {
  const auto& provider = ProviderContext::From(provctx);
  return Guard(provider.core,
               [&] { return GetCapabilities(provider, capability, callback, argument); });
}

int SelfTest(void* provctx) {
  const auto& provider = ProviderContext::From(provctx);
  const int passed = Guard(provider.core, [&]() -> Status {
    HSMCORE_TRY(const hsmcore::ModeRules rules, provider.access.Rules());
    return hsmcore::SelfTest(rules.mode);
  });
  provider.self_test_passed.store(passed == 1);
  return passed;
}

const OSSL_ITEM* GetReasonStrings(void*) { return ReasonStrings(); }

void Teardown(void* provctx) { delete static_cast<ProviderContext*>(provctx); }

const OSSL_DISPATCH kProvider[] = {
    HSM_ENTRY(PROVIDER_TEARDOWN, provider_teardown, Teardown),
    HSM_ENTRY(PROVIDER_GETTABLE_PARAMS, provider_gettable_params, GettableParams),
    HSM_ENTRY(PROVIDER_GET_PARAMS, provider_get_params, GetParams),
    HSM_ENTRY(PROVIDER_QUERY_OPERATION, provider_query_operation, QueryOperation),
    HSM_ENTRY(PROVIDER_GET_CAPABILITIES, provider_get_capabilities, GetProviderCapabilities),
    HSM_ENTRY(PROVIDER_SELF_TEST, provider_self_test, SelfTest),
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
