// SPDX-License-Identifier: Apache-2.0
#ifndef HSMCORE_SESSION_CLUSTER_BACKUP_H_
#define HSMCORE_SESSION_CLUSTER_BACKUP_H_

#include <optional>

#include "cluster/backup_file.h"
#include "cluster/core.h"
#include "hsmcore/backup.h"

// The backups of an open cluster. The caller holds core.mutex.
namespace hsmcore::session {

Result<BackupInfo> CreateBackup(cluster::Core& core, const Progress& progress);
Result<std::optional<BackupInfo>> CreateBackupIfDue(cluster::Core& core);
// Cluster::CreateDailyBackup; `now` in seconds since 1970.
Result<std::optional<BackupInfo>> CreateDailyBackup(cluster::Core& core, std::uint64_t most_keys,
                                                    std::int64_t now);
// Puts what is in an unlocked backup into empty stores. The caller does not hold core.mutex.
Status FillFromBackup(cluster::BackupReader& reader, cluster::Core& core, const Progress& progress);
// In days. What nobody set is the default; a record that is not genuine is an error.
Result<unsigned> BackupRetention(cluster::Core& core);
Result<bool> AutomaticBackups(cluster::Core& core);

}  // namespace hsmcore::session

#endif  // HSMCORE_SESSION_CLUSTER_BACKUP_H_
