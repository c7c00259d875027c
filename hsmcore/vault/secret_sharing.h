// SPDX-License-Identifier: Apache-2.0
#ifndef HSMCORE_VAULT_SECRET_SHARING_H_
#define HSMCORE_VAULT_SECRET_SHARING_H_

#include <cstddef>
#include <vector>

#include "hsmcore/types.h"

// Shamir's secret sharing (A. Shamir, How to Share a Secret, 1979), byte by byte over GF(2^8), by
// libgfshare. Fewer shares than the threshold tell nothing. A share is a number and as many bytes
// as the secret. Shares have no checksum: whoever joins some has to know the secret when he sees
// it.
namespace hsmcore::vault {

inline constexpr std::size_t kMaxShares = 255;

// `count` shares, of which any `threshold` give the secret. kInternal: not 2 <= threshold <= count
// <= kMaxShares, or an empty secret; kOutOfMemory.
Result<std::vector<SecretBytes>> SplitSecret(const SecretBytes& secret, unsigned threshold,
                                             std::size_t count);

// What these shares give together: the secret, if they are of one splitting and as many as its
// threshold, and other bytes otherwise. kRecordDamaged: they cannot be of one splitting.
Result<SecretBytes> JoinShares(const std::vector<SecretBytes>& shares);

}  // namespace hsmcore::vault

#endif  // HSMCORE_VAULT_SECRET_SHARING_H_
