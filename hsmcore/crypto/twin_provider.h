// SPDX-License-Identifier: Apache-2.0
#ifndef HSMCORE_CRYPTO_TWIN_PROVIDER_H_
#define HSMCORE_CRYPTO_TWIN_PROVIDER_H_

#include <openssl/core.h>
#include <openssl/provider.h>

#include "hsmcore/error.h"

namespace hsmcore::crypto {

// Loads a provider "hsm" into the private context that offers the symmetric algorithms of
// `original` once more, and the key types that hybrid keys are made of, with the property
// provider=hsm (and fips=yes, where the original has it): the same functions and the same provider
// context. An application that asks a forwarded HMAC or DRBG for a digest or cipher with the
// property query provider=hsm, or a hybrid key for its parts, then gets it, although that is looked
// for in the private context.
//
// Called once for each original, of which there are two at most, for a context that is never freed
// afterwards, and by one thread at a time. kCryptoFailure.
Status LoadTwin(OSSL_LIB_CTX* context, OSSL_PROVIDER* original);

// Whether a row of a provider has the property fips=yes.
bool IsApproved(const OSSL_ALGORITHM& algorithm);

}  // namespace hsmcore::crypto

#endif  // HSMCORE_CRYPTO_TWIN_PROVIDER_H_
