// SPDX-License-Identifier: Apache-2.0
#ifndef HSMCORE_SESSION_TYPE_CHANGE_H_
#define HSMCORE_SESSION_TYPE_CHANGE_H_

#include "cluster/core.h"
#include "hsmcore/progress.h"
#include "hsmcore/type_change.h"
#include "hsmcore/types.h"
#include "users/directory.h"

namespace hsmcore::session {

// Session::ChangeType for an admin. Every step is in cluster.json before the next begins, so that
// the same call goes on where one was cut short: the state says that a change is under way, each
// HSM's type which of them are done, and the type that counts for the quotas is signed at the end.
// The caller holds core.mutex.
Result<TypeChangeReport> ChangeType(cluster::Core& core, const users::Actor& admin,
                                    const TypeChangeOptions& wanted, const Progress& progress);

}  // namespace hsmcore::session

#endif  // HSMCORE_SESSION_TYPE_CHANGE_H_
