// SPDX-License-Identifier: Apache-2.0
#include "preparation.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/provider.h>

#include <memory>

#include "key_object.h"

namespace provider {
namespace {

// Whether libcrypto, asked for a key type without a property query, comes to this provider.
bool IsPreferred(const ProviderContext& provider) {
  struct Free {
    void operator()(EVP_KEYMGMT* keymgmt) const { EVP_KEYMGMT_free(keymgmt); }
  };
  ERR_set_mark();
  const std::unique_ptr<EVP_KEYMGMT, Free> chosen(EVP_KEYMGMT_fetch(
      provider.core.LibraryContext(), AlgorithmName(hsmcore::KeyType::kEc), nullptr));
  ERR_pop_to_mark();
  return chosen != nullptr &&
         OSSL_PROVIDER_get0_provider_ctx(EVP_KEYMGMT_get0_provider(chosen.get())) == &provider;
}

}  // namespace

void PrepareForTls(const ProviderContext& provider) {
  if (!IsPreferred(provider)) return;
  // A failure is told at the first use.
  [[maybe_unused]] const auto opened = provider.access.Anonymous({});
}

}  // namespace provider
