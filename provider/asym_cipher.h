// SPDX-License-Identifier: Apache-2.0
#ifndef PROVIDER_ASYM_CIPHER_H_
#define PROVIDER_ASYM_CIPHER_H_

#include <openssl/core.h>

namespace provider {

extern const OSSL_DISPATCH kRsaCipher[];

}  // namespace provider

#endif  // PROVIDER_ASYM_CIPHER_H_
