// SPDX-License-Identifier: Apache-2.0
#ifndef HSMCORE_VAULT_PASSWORD_H_
#define HSMCORE_VAULT_PASSWORD_H_

#include <cstdint>

#include "hsmcore/cluster.h"
#include "hsmcore/types.h"

namespace hsmcore::vault {

// How a password becomes a key: Argon2id (RFC 9106) with libsodium's parameters. Stored beside what
// the key opens, so that the cost can change from one password to the next.
struct PasswordHash {
  Bytes salt;
  std::uint64_t operations = 0;
  std::uint64_t memory = 0;  // bytes
};

PasswordHash NewPasswordHash(PasswordCost cost);

// Takes as long as the cost says. kRecordDamaged: parameters that are out of range (a hostile
// store must not make a login take all memory); kOutOfMemory.
Result<SecretBytes> KeyFromPassword(const SecretBytes& password, const PasswordHash& hash);

// CloudHSM's rule: 8..32 characters, no ':'. kPasswordPolicy.
Status CheckPassword(const SecretBytes& password);

}  // namespace hsmcore::vault

#endif  // HSMCORE_VAULT_PASSWORD_H_
