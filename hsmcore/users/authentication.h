// SPDX-License-Identifier: Apache-2.0
#ifndef HSMCORE_USERS_AUTHENTICATION_H_
#define HSMCORE_USERS_AUTHENTICATION_H_

#include <string_view>

#include "cluster/core.h"
#include "hsmcore/credential.h"
#include "users/record.h"
#include "vault/identity.h"

namespace hsmcore::users {

// Opens a user's secret. The caller holds core.mutex. Errors: kUserNotFound, kUserLocked,
// kPasswordWrong (counted), kCredentialUnknown, and kHomeDamaged when the store's root of trust is
// not the one the user was born under, kStorageBusy when other logins with a password do not end.
//
// Only passwords are counted and locked, and take turns in the whole cluster, so that no more of
// them are tried than the count allows: 256 random bits are not guessed, and a service must not
// go down because somebody mistyped a password.
Result<vault::Identity> Authenticate(cluster::Core& core, Role role, std::string_view name,
                                     const Credential& credential);

// Opens the secret in a record that no cluster holds: nobody counts wrong passwords there, as
// nobody can where a store was copied. kPasswordWrong, kCredentialUnknown, kRecordDamaged.
Result<vault::Identity> OpenUncounted(const UserRecord& user, const Credential& credential);

}  // namespace hsmcore::users

#endif  // HSMCORE_USERS_AUTHENTICATION_H_
