// SPDX-License-Identifier: Apache-2.0
#ifndef PROVIDER_STORE_H_
#define PROVIDER_STORE_H_

#include <openssl/core.h>

namespace provider {

extern const OSSL_DISPATCH kStore[];

}  // namespace provider

#endif  // PROVIDER_STORE_H_
