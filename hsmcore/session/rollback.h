// SPDX-License-Identifier: Apache-2.0
#ifndef HSMCORE_SESSION_ROLLBACK_H_
#define HSMCORE_SESSION_ROLLBACK_H_

#include <vector>

#include "cluster/backup_file.h"
#include "cluster/core.h"
#include "hsmcore/hsm_type.h"
#include "hsmcore/type_change.h"
#include "storage/engine.h"

// Turning an open cluster back to one of its backups.
namespace hsmcore::session {

struct RollbackPlan {
  // To be committed in this order. Where only some are, the rest is what the next plan finds.
  std::vector<storage::Batch> batches;
  RollbackLosses losses;
};

// Reads the whole backup, which is unlocked, and compares; nothing is changed. With `keep_new`,
// keys and users that are not in the backup stay where they can: a key's owner must be the same
// then and now, and `type` (null: no quotas) must have room. Left as they are: wrong passwords, the
// counter of handles, the type of the HSMs. kBackupDamaged, kQuotaExceeded. The caller holds
// core.mutex and the writer lock.
Result<RollbackPlan> PlanRollback(cluster::Core& core, cluster::BackupReader& reader,
                                  const HsmTypeRow* type, bool keep_new);

}  // namespace hsmcore::session

#endif  // HSMCORE_SESSION_ROLLBACK_H_
