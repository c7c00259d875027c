// SPDX-License-Identifier: Apache-2.0
#ifndef HSMCORE_USERS_ESCROW_H_
#define HSMCORE_USERS_ESCROW_H_

#include <optional>
#include <string>

#include "cluster/core.h"
#include "hsmcore/quorum.h"
#include "storage/engine.h"
#include "users/directory.h"
#include "users/record.h"
#include "users/recovery.h"
#include "vault/identity.h"

// The recovery key and what is sealed to it. The caller holds core.mutex for every function here.
namespace hsmcore::users {

// The recovery key in force. kRoleForbids: the admin has no part in it; kQuorumRequired: it is
// split, and with his share and those in the approval there are not enough.
Result<vault::BoxPair> OpenRecovery(cluster::Core& core, const Actor& admin,
                                    const QuorumToken* approval);

// The admin's share, sealed to another one; empty where the key is not split.
Result<Bytes> ShareFor(cluster::Core& core, const Actor& admin, const std::string& other);

// The secret of a user, out of the escrow that was made with him. kRecordDamaged.
Result<vault::Identity> OpenEscrow(const cluster::Core& core, const vault::BoxPair& recovery,
                                   const UserRecord& user);

// What a new recovery key is made for.
struct Rotation {
  Actor admin;             // who makes it
  unsigned threshold = 1;  // so many admins are needed to open it
  // An admin who is made or deleted in the same commit: his path, and for a new one his box key.
  std::string joining;
  Bytes joining_box_key;
  std::string leaving;
};

// A new recovery key in the place of `old`: its secret is sealed to the admins, in shares where the
// threshold says so, and every user's secret to it. So nobody's memory of the old one, or of a
// share, is worth anything from here on. A user whose escrow does not open stays as he is.
// kClusterState: fewer admins than `threshold`; kQuotaExceeded: too many to share a key.
Status RotateRecovery(cluster::Core& core, storage::Transaction& change, const Rotation& wanted,
                      const vault::BoxPair& old);

// After shares were put together for something else: they open nothing any more. Nothing is done
// where the key is not split.
Status UseUpShares(cluster::Core& core, storage::Transaction& change, const Actor& admin,
                   const QuorumToken* approval);

// How many admins it takes to open the key in force.
Result<unsigned> RecoveryThreshold(cluster::Core& core);

}  // namespace hsmcore::users

#endif  // HSMCORE_USERS_ESCROW_H_
