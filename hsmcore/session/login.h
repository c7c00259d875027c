// SPDX-License-Identifier: Apache-2.0
#ifndef HSMCORE_SESSION_LOGIN_H_
#define HSMCORE_SESSION_LOGIN_H_

#include <optional>
#include <string>

#include "hsmcore/credential.h"
#include "users/directory.h"
#include "users/mfa.h"
#include "users/record.h"
#include "vault/identity.h"

namespace hsmcore::session {

// Who a session acts for. Shared by the session and the keys that it has loaded.
struct Login {
  vault::Identity identity;
  std::string user;
  Role role = Role::kCryptoUser;
  std::optional<users::SecondFactor> second_factor;  // he logged in with MFA

  std::string path() const { return users::UserPath(role, user); }
  users::Actor actor(users::Approvals* approvals) const { return {{&identity, path()}, approvals}; }
  const Bytes& box_key() const { return identity.public_identity().box_key; }
};

}  // namespace hsmcore::session

#endif  // HSMCORE_SESSION_LOGIN_H_
