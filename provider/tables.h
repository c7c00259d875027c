// SPDX-License-Identifier: Apache-2.0
#ifndef PROVIDER_TABLES_H_
#define PROVIDER_TABLES_H_

#include <openssl/core.h>

#include "provider_context.h"

namespace provider {

// Every algorithm that the provider offers for an operation (OSSL_OP_...); nullptr: none. The
// answer is the same for the life of the provider, once the mode of its home could be found out.
Result<const OSSL_ALGORITHM*> AlgorithmsOf(const ProviderContext& provider, int operation);

}  // namespace provider

#endif  // PROVIDER_TABLES_H_
