// SPDX-License-Identifier: Apache-2.0
#ifndef HSMCORE_USERS_LOCKOUT_H_
#define HSMCORE_USERS_LOCKOUT_H_

#include <string_view>

#include "hsmcore/types.h"
#include "storage/engine.h"

// Wrong passwords are counted across the cluster, in one record per user. The record is not
// signed: whoever can edit the store can guess offline anyway, at Argon2id's cost.
namespace hsmcore::users {

// CloudHSM's rule: more than five wrong passwords lock the user.
constexpr unsigned kMaxFailedLogins = 5;

Result<unsigned> FailedLogins(storage::Engine& engine, std::string_view user_path);
// Returns the new count.
Result<unsigned> CountFailedLogin(storage::Engine& engine, std::string_view user_path);
// Writes only when there is something to clear.
Status ClearFailedLogins(storage::Engine& engine, std::string_view user_path);

}  // namespace hsmcore::users

#endif  // HSMCORE_USERS_LOCKOUT_H_
