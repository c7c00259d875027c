// SPDX-License-Identifier: Apache-2.0
#ifndef HSMCORE_KEYS_APPROVAL_H_
#define HSMCORE_KEYS_APPROVAL_H_

#include "hsmcore/quorum.h"
#include "keys/record.h"
#include "storage/engine.h"
#include "users/directory.h"

// The quorum of a key (KeyQuorum): what is done with it takes the approval of several of its users.
// The caller holds core.mutex.
namespace hsmcore::keys {

// May a new key have this quorum? kInvalidArgument: too many approvals, or fewer users.
Status CheckQuorum(const KeyRecord& record);
// Has the key still as many users as must approve? kClusterState.
Status CheckEnoughUsers(const KeyRecord& record);

// Ends the life of the approval that `who` was given, in the commit of what it approves, where the
// key's quorum asks for one. kQuorumRequired, kTokenRefused.
Status SpendApproval(cluster::Core& core, storage::Transaction& change, const users::Actor& who,
                     const KeyRecord& record, QuorumService service);
// After that commit: forgets what was spent.
void ForgetApproval(const users::Actor& who, const KeyRecord& record, QuorumService service);

// The same for what commits nothing. Checks, and spends nothing; spends.
Status CheckApproval(cluster::Core& core, const users::Actor& who, const KeyRecord& record,
                     QuorumService service);
Status TakeApproval(cluster::Core& core, const users::Actor& who, const KeyRecord& record,
                    QuorumService service);

}  // namespace hsmcore::keys

#endif  // HSMCORE_KEYS_APPROVAL_H_
