// SPDX-License-Identifier: Apache-2.0
#ifndef HSMCORE_USERS_QUORUM_H_
#define HSMCORE_USERS_QUORUM_H_

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "cluster/core.h"
#include "hsmcore/quorum.h"
#include "hsmcore/types.h"
#include "storage/engine.h"
#include "users/directory.h"

// The approval of m of n admins, and of m of the users of a key. The caller holds core.mutex for
// every function here.
namespace hsmcore::users {

// What a token is for (challenge.h): everything below this is for quorums.
inline constexpr std::string_view kQuorumPurpose = "quorum/";

// A token for a service that admins approve, or for that of a key. kTokenRefused: there is a live
// one for this service of admins, or there are kMaxKeyTokens.
Result<QuorumToken> NewToken(cluster::Core& core, const Actor& requester, QuorumService service);
Result<QuorumToken> NewToken(cluster::Core& core, const Actor& requester, QuorumService service,
                             KeyHandle key);
// Those that have not expired, of all users.
Result<std::vector<LiveToken>> LiveTokens(cluster::Core& core);
// Deletes those of one user, or with nullptr of all; how many.
Result<std::size_t> DeleteTokens(cluster::Core& core, const Actor* of);

// Ends the life of the approval in the commit of what it approves, where one is needed: as many
// admins have signed it as the service's value says. Without a quorum it does nothing.
// kQuorumRequired: there is none, or too few have signed; kTokenRefused: it is spent, expired, for
// something else, of another admin, or a signature in it is wrong.
Status SpendApproval(cluster::Core& core, storage::Transaction& change, const Actor& requester,
                     QuorumService service, const QuorumToken* approval);

// What is done with a key that has a quorum of its own.
struct KeyApproval {
  QuorumService service = QuorumService::kKeyUsage;
  KeyHandle key;
  unsigned needed = 0;
  std::function<Result<bool>(const UserRecord&)> may_approve;  // may he use the key?
};
// The same for a key, with what the requester was given (Actor::approvals); the caller forgets that
// once the commit is done.
Status SpendApproval(cluster::Core& core, storage::Transaction& change, const Actor& requester,
                     const KeyApproval& wanted);

// The token with the user's own approval. kTokenRefused: it is not live.
Result<QuorumToken> ApproveByLogin(cluster::Core& core, const Actor& approver,
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
