// SPDX-License-Identifier: Apache-2.0
#ifndef HSMCORE_USERS_LOCKOUT_H_
#define HSMCORE_USERS_LOCKOUT_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "hsmcore/types.h"
#include "storage/engine.h"

// Wrong passwords are counted across the cluster, in one record per user. The record is not
// signed: whoever can edit the store can guess offline anyway, at Argon2id's cost.
namespace hsmcore::users {

// CloudHSM's rule: more than five wrong passwords lock the user.
constexpr unsigned kMaxFailedLogins = 5;

std::string LockoutPath(std::string_view user_path);

// Where logins of users are counted whom there is none of: that they take as long as others.
inline constexpr std::string_view kNobody = "nobody";

struct FailedLogins {
  unsigned count = 0;
  std::int64_t last = 0;  // seconds since 1970

  // Whether the user is locked at `now`; `unlock_after` minutes: 0: for good.
  bool Locked(std::int64_t now, unsigned unlock_after) const;
};

Result<FailedLogins> ReadFailedLogins(storage::Engine& engine, std::string_view user_path);
// Returns the new count.
Result<unsigned> CountFailedLogin(storage::Engine& engine, std::string_view user_path);
// Writes only when there is something to clear.
Status ClearFailedLogins(storage::Engine& engine, std::string_view user_path);

}  // namespace hsmcore::users

#endif  // HSMCORE_USERS_LOCKOUT_H_
