// SPDX-License-Identifier: Apache-2.0
#ifndef HSMCORE_SESSION_BACKUP_CONTENT_H_
#define HSMCORE_SESSION_BACKUP_CONTENT_H_

#include <filesystem>
#include <functional>
#include <string>

#include "cluster/backup_file.h"
#include "cluster/core.h"
#include "hsmcore/credential.h"
#include "hsmcore/progress.h"
#include "vault/identity.h"

// The making of backups and the reading of what is in them.
namespace hsmcore::session {

// Writes the whole store, but for what only counts wrong passwords. The caller holds core.mutex.
Status WriteBackup(cluster::Core& core, const std::filesystem::path& file, std::string_view id,
                   const Progress& progress);

// An unlocked backup. kBackupState: `path` was no admin when it was made, or is another one.
Result<cluster::BackupReader> UnlockBackup(const std::filesystem::path& file,
                                           const vault::Identity& identity,
                                           const std::string& path);
// The same where there is no cluster to log in to. kUserNotFound, kPasswordWrong (which nobody
// counts), kCredentialUnknown.
Result<cluster::BackupReader> UnlockBackup(const std::filesystem::path& file,
                                           const Credential& admin);

// Reads to the end, checks every entry by its signature, and hands it on. kBackupDamaged: an entry
// is not genuine, or the whole is not a cluster.
Status ReadEntries(cluster::BackupReader& reader, const Progress& progress,
                   const std::function<Status(const storage::Entry&)>& visit);

}  // namespace hsmcore::session

#endif  // HSMCORE_SESSION_BACKUP_CONTENT_H_
