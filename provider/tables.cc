// SPDX-License-Identifier: Apache-2.0
#include "tables.h"

namespace provider {
namespace {

// Where the mode cannot be found out, or its FIPS module cannot be used, nothing is forwarded: it
// might not be allowed. What works with keys is there, so that whoever uses it is told why.
Result<const OSSL_ALGORITHM*> HeldOnly(const ProviderContext& provider, int operation,
                                       const Error& why) {
  HSMCORE_TRY(const HeldAlgorithms& held,
              provider.held_without_mode.Get(
                  []() -> Result<HeldAlgorithms> { return HeldAlgorithms(nullptr); }));
  if (const OSSL_ALGORITHM* rows = held.Of(operation)) return rows;
  return std::unexpected(why);
}

}  // namespace

Result<const OSSL_ALGORITHM*> AlgorithmsOf(const ProviderContext& provider, int operation) {
  const auto source = provider.forwarded.Source();
  if (!source) return HeldOnly(provider, operation, source.error());
  HSMCORE_TRY(const HeldAlgorithms& held, provider.held.Get([&]() -> Result<HeldAlgorithms> {
    return HeldAlgorithms(source->get());
  }));
  return provider.forwarded.Algorithms(operation, held.Of(operation));
}

}  // namespace provider
