// SPDX-License-Identifier: Apache-2.0
#ifndef PROVIDER_ALGORITHM_ID_H_
#define PROVIDER_ALGORITHM_ID_H_

#include "core.h"
#include "hsmcore/key.h"
#include "hsmcore/mechanism.h"

namespace provider {

// The DER AlgorithmIdentifier (RFC 5280 4.1.1.2) that certificates, requests and CMS name this
// signature by; the same bytes as OpenSSL's own provider writes. kNotSupported: nobody has given
// the combination an identifier.
Result<Bytes> AlgorithmId(const hsmcore::SignMechanism& mechanism, const hsmcore::Key& key);

// The length of a PSS salt in bytes, for lengths that are given as kSaltLength...
int SaltBytes(const hsmcore::SignMechanism& mechanism, const hsmcore::Key& key);

}  // namespace provider

#endif  // PROVIDER_ALGORITHM_ID_H_
