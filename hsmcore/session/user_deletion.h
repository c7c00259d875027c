// SPDX-License-Identifier: Apache-2.0
#ifndef HSMCORE_SESSION_USER_DELETION_H_
#define HSMCORE_SESSION_USER_DELETION_H_

#include <string_view>

#include "cluster/core.h"
#include "hsmcore/session.h"
#include "users/directory.h"

namespace hsmcore::session {

// Session::DeleteUser for `admin`. The caller holds core.mutex.
Status DeleteUser(cluster::Core& core, const users::Actor& admin, Role role, std::string_view name,
                  const DeleteUserOptions& wanted);

}  // namespace hsmcore::session

#endif  // HSMCORE_SESSION_USER_DELETION_H_
