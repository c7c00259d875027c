// SPDX-License-Identifier: Apache-2.0
#ifndef PROVIDER_CAPABILITIES_H_
#define PROVIDER_CAPABILITIES_H_

#include <openssl/core.h>

#include "provider_context.h"

namespace provider {

// Which TLS groups and signature schemes ("TLS-GROUP", "TLS-SIGALG") libssl may use with this
// provider: those of OpenSSL's own provider, as far as the keys they need are offered here. So a
// new key type brings its groups with it. False: `callback` said so.
Result<bool> GetCapabilities(const ProviderContext& provider, const char* capability,
                             OSSL_CALLBACK* callback, void* argument);

}  // namespace provider

#endif  // PROVIDER_CAPABILITIES_H_
