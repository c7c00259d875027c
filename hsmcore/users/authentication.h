// SPDX-License-Identifier: Apache-2.0
#ifndef HSMCORE_USERS_AUTHENTICATION_H_
#define HSMCORE_USERS_AUTHENTICATION_H_

#include <optional>
#include <string_view>
#include <vector>

#include "cluster/core.h"
#include "hsmcore/credential.h"
#include "users/mfa.h"
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
//
// A user with MFA logs in with his password and `tokens`, which are spent then: kMfaRequired
// without, kTokenRefused where they are not his, not signed, expired or spent. Machine credentials
// are for services, which sign nothing, and take none.
struct Authenticated {
  vault::Identity identity;
  std::optional<SecondFactor> second_factor;
};
Result<Authenticated> Authenticate(cluster::Core& core, Role role, std::string_view name,
                                   const Credential& credential,
                                   const std::vector<SignableToken>& tokens);

// The secret under a password, where nobody counts. kPasswordWrong, kRecordDamaged.
Result<vault::Identity> OpenPassword(const UserRecord& user, const SecretBytes& password,
                                     const SecondFactor* second);

// Opens the secret in a record that no cluster holds: nobody counts wrong passwords there, as
// nobody can where a store was copied. kPasswordWrong, kCredentialUnknown, kRecordDamaged,
// kMfaRequired.
Result<vault::Identity> OpenUncounted(const UserRecord& user, const Credential& credential);

}  // namespace hsmcore::users

#endif  // HSMCORE_USERS_AUTHENTICATION_H_
