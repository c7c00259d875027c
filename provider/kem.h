// SPDX-License-Identifier: Apache-2.0
#ifndef PROVIDER_KEM_H_
#define PROVIDER_KEM_H_

#include <openssl/core.h>

namespace provider {

extern const OSSL_DISPATCH kRsaKem[];
extern const OSSL_DISPATCH kMlKem[];

}  // namespace provider

#endif  // PROVIDER_KEM_H_
