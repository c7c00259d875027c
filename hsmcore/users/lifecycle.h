// SPDX-License-Identifier: Apache-2.0
#ifndef HSMCORE_USERS_LIFECYCLE_H_
#define HSMCORE_USERS_LIFECYCLE_H_

#include <functional>

#include "cluster/core.h"
#include "users/directory.h"
#include "users/record.h"

// What an admin does to other users. The caller holds core.mutex for every function here.
namespace hsmcore::users {

// What somebody logs in with from then on; `mfa` nullptr: the password alone.
struct NewCredentials {
  const SecretBytes& password;
  const NewTokenKey* mfa;
};

// A new password for somebody else, who keeps his keys and machine credentials; he is no longer
// locked. A recovery key in shares is made anew. kUserNotFound, kPasswordPolicy, those of
// SpendApproval (quorum.h), OpenRecovery (escrow.h) and CheckRegistration (registration.h).
Status ResetPassword(cluster::Core& core, const Actor& admin, Role role, std::string_view name,
                     const NewCredentials& wanted, const QuorumToken* approval);

// Removes a user. What an admin has signed is signed anew by the one who deletes him, and the
// recovery key, which he knew or had a share of, is made anew. `also` runs in the same commit, and
// can refuse. kUserNotFound; kClusterState: the first admin, oneself, or too few admins would be
// left; those of SpendApproval and OpenRecovery.
Status DeleteUser(cluster::Core& core, const Actor& admin, Role role, std::string_view name,
                  const QuorumToken* approval,
                  const std::function<Status(storage::Transaction&)>& also);

}  // namespace hsmcore::users

#endif  // HSMCORE_USERS_LIFECYCLE_H_
