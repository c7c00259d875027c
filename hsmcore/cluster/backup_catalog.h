// SPDX-License-Identifier: Apache-2.0
#ifndef HSMCORE_CLUSTER_BACKUP_CATALOG_H_
#define HSMCORE_CLUSTER_BACKUP_CATALOG_H_

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string_view>
#include <vector>

#include "cluster/backup_file.h"
#include "hsmcore/backup.h"

// A directory of backups: BACKUP-ID.hsmbackup, and BACKUP-ID.json for what happened to it since.
// Without the second a backup is READY. Who changes something holds the cluster's writer lock.
namespace hsmcore::cluster {

inline constexpr std::int64_t kDay = 86'400;  // seconds

std::filesystem::path BackupFile(const std::filesystem::path& directory, std::string_view id);

// Of a file anywhere. kBackupNotFound, kBackupDamaged.
Result<BackupInfo> ReadBackupInfo(const std::filesystem::path& file);

// Oldest first, without those whose time is over at `now`. Other files, and damaged ones, are
// passed over: what is wrong with a backup, ReadBackupInfo says.
Result<std::vector<BackupInfo>> ListBackups(const std::filesystem::path& directory,
                                            std::int64_t now);
// kBackupNotFound, kBackupDamaged, kInvalidArgument (no id of a backup).
Result<BackupInfo> FindBackup(const std::filesystem::path& directory, std::string_view id,
                              std::int64_t now);

// The newest that this cluster made itself and that is not deleted, by the files' times: reads one
// header in the usual case. Nothing where there is none, or no directory.
Result<std::optional<BackupInfo>> FindNewestOwn(const std::filesystem::path& directory);

// Of a list as ListBackups gives it, the newest that this cluster made itself and that is not
// deleted: it is always kept. Null without one; lives as long as the list.
const BackupInfo* NewestOwn(const std::vector<BackupInfo>& backups);

// Notes when it is gone; nothing: it stays.
Status SetGoneAfter(const BackupInfo& backup, std::optional<std::int64_t> gone_after);
// Copies the file, durable and whole or not at all. kBackupState: it is there.
Result<BackupInfo> CopyBackup(const BackupInfo& backup, const std::filesystem::path& directory,
                              std::int64_t now);

// Removes what is gone at `now`, what is older than `retention_days` and not the newest, and what a
// writer that died has left.
Status RemoveOldBackups(const std::filesystem::path& directory, unsigned retention_days,
                        std::int64_t now);

}  // namespace hsmcore::cluster

#endif  // HSMCORE_CLUSTER_BACKUP_CATALOG_H_
