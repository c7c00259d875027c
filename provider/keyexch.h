// SPDX-License-Identifier: Apache-2.0
#ifndef PROVIDER_KEYEXCH_H_
#define PROVIDER_KEYEXCH_H_

#include <openssl/core.h>

namespace provider {

extern const OSSL_DISPATCH kEcdh[];

}  // namespace provider

#endif  // PROVIDER_KEYEXCH_H_
