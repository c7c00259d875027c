// SPDX-License-Identifier: Apache-2.0
#ifndef HSMCORE_USERS_LIFECYCLE_H_
#define HSMCORE_USERS_LIFECYCLE_H_

#include <functional>

#include "cluster/core.h"
#include "users/directory.h"
#include "users/record.h"

// What an admin does to other users. The caller holds core.mutex for every function here.
namespace hsmcore::users {

// The secret of a user, out of the escrow that was made with him (users/recovery.h): what a lost
// password is reset with. kRoleForbids: the recovery key is not sealed to this admin.
Result<vault::Identity> OpenEscrow(cluster::Core& core, const Actor& admin, const UserRecord& user);

// A new password for somebody else, who keeps his keys and machine credentials; he is no longer
// locked. kUserNotFound, kPasswordPolicy.
Status ResetPassword(cluster::Core& core, const Actor& admin, Role role, std::string_view name,
                     const SecretBytes& password);

// Removes a user. What an admin has signed is signed anew by the one who deletes him. `also` runs
// in the same commit, and can refuse. kUserNotFound; kClusterState: the first admin, or oneself.
Status DeleteUser(cluster::Core& core, const Actor& admin, Role role, std::string_view name,
                  const std::function<Status(storage::Transaction&)>& also);

}  // namespace hsmcore::users

#endif  // HSMCORE_USERS_LIFECYCLE_H_
