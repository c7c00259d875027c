// SPDX-License-Identifier: Apache-2.0
#ifndef PROVIDER_PREPARATION_H_
#define PROVIDER_PREPARATION_H_

#include "provider_context.h"

namespace provider {

// For a program that sets up TLS: opens the cluster, when the program's default properties lead key
// types to this provider, so that it will make its ephemeral keys here. A server sets up TLS before
// it forks workers, which may have no right to the home, and whose first key would be too late.
//
// Logs nobody in, and says nothing of a failure: whoever needs the cluster then will be told. Does
// nothing for programs that prefer another provider.
void PrepareForTls(const ProviderContext& provider);

}  // namespace provider

#endif  // PROVIDER_PREPARATION_H_
