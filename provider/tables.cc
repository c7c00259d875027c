// SPDX-License-Identifier: Apache-2.0
#include "tables.h"

namespace provider {

Result<const OSSL_ALGORITHM*> AlgorithmsOf(const ProviderContext& provider, int operation) {
  HSMCORE_TRY(const HeldAlgorithms& held,
              provider.held.Get([]() -> Result<HeldAlgorithms> { return HeldAlgorithms(); }));
  return provider.forwarded.Algorithms(operation, held.Of(operation));
}

}  // namespace provider
