// SPDX-License-Identifier: Apache-2.0
#include "session/cluster_backup.h"

#include <algorithm>
#include <ctime>
#include <utility>

#include "audit/log.h"
#include "base/files.h"
#include "base/text.h"
#include "cluster/backup_catalog.h"
#include "crypto/library.h"
#include "session/backup_content.h"
#include "users/backup_policy.h"
#include "users/setting.h"
#include "vault/sealing.h"

namespace hsmcore::session {
namespace {

// A store that is full or read-only is backed up all the same: that is when one wants it.
Status NoteBackup(cluster::Core& core, const std::string& id) {
  const Status noted = audit::Note(*core.engine, {}, audit::Named(AuditEvent::kBackupCreate, id));
  if (noted) return {};
  switch (noted.error().code()) {
    case ErrorCode::kStorageFull:
    case ErrorCode::kStorageReadOnly:
    case ErrorCode::kStorageIo:
    case ErrorCode::kHomeAccess:
      return {};
    default:
      return noted;
  }
}

Result<BackupInfo> CreateLocked(cluster::Core& core, const Progress& progress) {
  const std::filesystem::path directory = cluster::BackupDirectory(core.home);
  HSMCORE_CHECK(MakeDirectory(directory, 0700));
  HSMCORE_TRY(const unsigned retention, BackupRetention(core));
  HSMCORE_CHECK(cluster::RemoveOldBackups(directory, retention, std::time(nullptr)));
  const std::string id = cluster::NewId("backup-");
  // Before it, so that it holds this record, and the cluster nothing that it does not hold.
  HSMCORE_CHECK(NoteBackup(core, id));
  const std::filesystem::path file = cluster::BackupFile(directory, id);
  HSMCORE_CHECK(WriteBackup(core, file, id, progress));
  return cluster::ReadBackupInfo(file);
}

// A day after the newest one, where something has changed since: the same again would only be one
// more file. One from the future says nothing about when it was made.
Result<bool> IsDue(const cluster::Core& core, std::int64_t now) {
  HSMCORE_TRY(const auto newest, cluster::FindNewestOwn(cluster::BackupDirectory(core.home)));
  if (!newest || newest->cluster_id != core.file.id) return true;
  const std::int64_t age = now - newest->created;
  if (age > -cluster::kDay && age < cluster::kDay) return false;
  HSMCORE_TRY(const std::uint64_t revision, core.engine->Revision());
  return revision != newest->revision;
}

// As many entries at a time as one commit may well hold.
class Filler {
 public:
  explicit Filler(storage::Engine& engine) : engine_(engine) {}

  Status Add(const storage::Entry& entry) {
    constexpr std::size_t kMostEntries = 500;
    constexpr std::size_t kMostBytes = std::size_t{4} << 20;
    bytes_ += entry.key.size() + entry.value.size();
    batch_.mutations.push_back({entry.key, entry.value});
    const bool full = batch_.mutations.size() >= kMostEntries || bytes_ >= kMostBytes;
    return full ? Finish() : Status();
  }
  Status Finish() {
    if (batch_.mutations.empty()) return {};
    HSMCORE_TRY([[maybe_unused]] const auto revision, engine_.Commit(batch_));
    batch_.mutations.clear();
    bytes_ = 0;
    return {};
  }

 private:
  storage::Engine& engine_;
  storage::Batch batch_;
  std::size_t bytes_ = 0;
};

}  // namespace

Result<unsigned> BackupRetention(cluster::Core& core) {
  HSMCORE_TRY(const auto policy, users::ReadSetting<users::BackupPolicy>(core));
  return policy ? policy->retention_days : kDefaultRetentionDays;
}

Result<bool> AutomaticBackups(cluster::Core& core) {
  HSMCORE_TRY(const auto policy, users::ReadSetting<users::BackupPolicy>(core));
  return !policy || policy->automatic;
}

Status FillFromBackup(cluster::BackupReader& reader, cluster::Core& core,
                      const Progress& progress) {
  const std::lock_guard lock(core.mutex);
  {
    // The log comes out of the backup with the rest.
    const audit::Silence silence;
    Filler filler(*core.engine);
    HSMCORE_CHECK(ReadEntries(reader, progress,
                              [&](const storage::Entry& entry) { return filler.Add(entry); }));
    HSMCORE_CHECK(filler.Finish());
  }
  return audit::Note(*core.engine, {},
                     audit::Named(AuditEvent::kClusterRestore, reader.header().id));
}

Result<BackupInfo> CreateBackup(cluster::Core& core, const Progress& progress) {
  HSMCORE_TRY([[maybe_unused]] const auto writer, core.engine->LockForUpdate());
  return CreateLocked(core, progress);
}

namespace {

// Another process may have made it while we waited for the lock.
Result<std::optional<BackupInfo>> CreateIfStillDue(cluster::Core& core, std::int64_t now) {
  HSMCORE_TRY(const bool due, IsDue(core, now));
  if (!due) return std::nullopt;
  HSMCORE_TRY(BackupInfo made, CreateLocked(core, {}));
  return made;
}

}  // namespace

Result<std::optional<BackupInfo>> CreateBackupIfDue(cluster::Core& core) {
  const std::int64_t now = std::time(nullptr);
  HSMCORE_TRY(const bool due, IsDue(core, now));
  if (!due) return std::nullopt;
  HSMCORE_TRY([[maybe_unused]] const auto writer, core.engine->LockForUpdate());
  return CreateIfStillDue(core, now);
}

Result<std::optional<BackupInfo>> CreateDailyBackup(cluster::Core& core, std::uint64_t most_keys,
                                                    std::int64_t now) {
  constexpr std::int64_t kPause = 3600;
  if (now < core.next_daily_look) return std::nullopt;
  core.next_daily_look = now + kPause;
  HSMCORE_TRY(const bool due, IsDue(core, now));
  if (!due) return std::nullopt;
  HSMCORE_TRY(const bool wanted, AutomaticBackups(core));
  if (!wanted) return std::nullopt;
  if (most_keys != 0) {
    HSMCORE_TRY(const std::uint64_t keys, core.engine->Count("key/"));
    if (keys > most_keys) return std::nullopt;
  }
  const auto writer = core.engine->TryLockForUpdate();
  // Somebody is writing, or making the backup just now.
  if (!writer && writer.error().code() == ErrorCode::kStorageBusy) return std::nullopt;
  if (!writer) return std::unexpected(writer.error());
  return CreateIfStillDue(core, now);
}

}  // namespace hsmcore::session

namespace hsmcore {
namespace {

Status FillClone(cluster::BackupReader& reader, const ClusterOptions& options,
                 cluster::ClusterFile& file, const Progress& progress) {
  HSMCORE_TRY(const auto core, cluster::OpenCore(options.home, file));
  HSMCORE_CHECK(session::FillFromBackup(reader, *core, progress));
  const std::lock_guard lock(core->mutex);
  HSMCORE_TRY(const cluster::Config config, cluster::ReadConfig(*core));
  file.rules = config.rules();
  return {};
}

}  // namespace

Result<BackupInfo> DescribeBackupFile(const std::filesystem::path& file) {
  return cluster::ReadBackupInfo(file);
}

Result<std::shared_ptr<Cluster>> Cluster::CreateFromBackup(const ClusterOptions& options,
                                                           const std::filesystem::path& backup,
                                                           const Credential& admin,
                                                           const Progress& progress) {
  HSMCORE_TRY(cluster::BackupReader reader, session::UnlockBackup(backup, admin));
  HSMCORE_CHECK(crypto::KindFor(reader.header().mode));
  HSMCORE_TRY(cluster::ClusterFile file, cluster::Prepare(options));
  file.root = reader.header().root;
  file.cloned_from = reader.header().origin;
  file.source_backup = reader.header().id;
  Status made = FillClone(reader, options, file, progress);
  if (made) made = cluster::Publish(options.home, file);
  if (!made) {
    cluster::Sweep(options.home, file);
    return std::unexpected(made.error());
  }
  return Open(options.home);
}

}  // namespace hsmcore
