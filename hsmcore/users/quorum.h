// SPDX-License-Identifier: Apache-2.0
#ifndef HSMCORE_USERS_QUORUM_H_
#define HSMCORE_USERS_QUORUM_H_

#include <string>

#include "cluster/core.h"
#include "hsmcore/quorum.h"
#include "hsmcore/types.h"
#include "storage/engine.h"
#include "users/directory.h"

// The approval of m of n admins. The caller holds core.mutex for every function here.
namespace hsmcore::users {

// What a token for a service is for (challenge.h).
std::string PurposeOf(QuorumService service);

// Ends the life of the approval in the commit of what it approves, where one is needed: as many
// admins have signed it as the service's value says. Without a quorum it does nothing.
// kQuorumRequired: there is none, or too few have signed; kTokenRefused: it is spent, expired, for
// something else, of another admin, or a signature in it is wrong.
Status SpendApproval(cluster::Core& core, storage::Transaction& change, const Actor& requester,
                     QuorumService service, const QuorumToken* approval);

// The token with the admin's own approval. kTokenRefused: it is not live.
Result<QuorumToken> ApproveByLogin(cluster::Core& core, const Actor& admin,
                                   const QuorumToken& token);

// kClusterState: with one admin less there would be fewer than a service takes approvals.
Status CheckAdminsLeft(cluster::Core& core, storage::Transaction& change);

// Whether SpendApproval would take it now. Spends nothing.
Status CheckApproval(cluster::Core& core, const Actor& requester, QuorumService service,
                     const QuorumToken* approval);

// Takes as many approvals as the value in force, or that of the service `quorum` where it is
// greater. That of `user` is also how many admins it takes to open the recovery key, which is made
// anew for it (escrow.h). kInvalidArgument: the cluster has fewer admins than `value`.
Status SetQuorumValue(cluster::Core& core, const Actor& admin, QuorumService service,
                      unsigned value, const QuorumToken* approval);

}  // namespace hsmcore::users

#endif  // HSMCORE_USERS_QUORUM_H_
