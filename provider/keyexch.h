// SPDX-License-Identifier: Apache-2.0
#ifndef PROVIDER_KEYEXCH_H_
#define PROVIDER_KEYEXCH_H_

#include <openssl/core.h>

namespace provider {

extern const OSSL_DISPATCH kEcdh[];
extern const OSSL_DISPATCH kRawExchange[];  // X25519, X448

}  // namespace provider

#endif  // PROVIDER_KEYEXCH_H_
