// SPDX-License-Identifier: Apache-2.0
#ifndef PROVIDER_REASONS_H_
#define PROVIDER_REASONS_H_

#include <openssl/core.h>

namespace provider {

// The text of every error code, ended by an item with id 0: libcrypto registers them as the reason
// strings of this provider.
const OSSL_ITEM* ReasonStrings();

}  // namespace provider

#endif  // PROVIDER_REASONS_H_
