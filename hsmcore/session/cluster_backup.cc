// SPDX-License-Identifier: Apache-2.0
#include "session/cluster_backup.h"

#include <algorithm>
#include <ctime>
#include <utility>

#include "base/files.h"
#include "base/text.h"
#include "cluster/backup_catalog.h"
#include "crypto/library.h"
#include "session/backup_content.h"
#include "users/backup_policy.h"
#include "users/directory.h"
#include "vault/sealing.h"

namespace hsmcore::session {
namespace {

Result<BackupInfo> CreateLocked(cluster::Core& core, const Progress& progress) {
  const std::filesystem::path directory = cluster::BackupDirectory(core.home);
  HSMCORE_CHECK(MakeDirectory(directory, 0700));
  HSMCORE_TRY(const unsigned retention, BackupRetention(core));
  HSMCORE_CHECK(cluster::RemoveOldBackups(directory, retention, std::time(nullptr)));
  const std::string id = cluster::NewId("backup-");
  const std::filesystem::path file = cluster::BackupFile(directory, id);
  HSMCORE_CHECK(WriteBackup(core, file, id, progress));
  return cluster::ReadBackupInfo(file);
}

Result<bool> IsDue(const cluster::Core& core) {
  const std::int64_t now = std::time(nullptr);
  HSMCORE_TRY(const auto backups, cluster::ListBackups(cluster::BackupDirectory(core.home), now));
  return std::ranges::none_of(
      backups, [&](const BackupInfo& backup) { return backup.created + cluster::kDay > now; });
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
  HSMCORE_TRY(const users::TrustedSigners admins, users::ReadTrustedSigners(core));
  std::optional<users::BackupPolicy> policy;
  const storage::Verifier genuine = [&](const storage::Entry& entry) {
    auto decoded = users::BackupPolicy::Decode(entry.value, admins);
    if (!decoded) return false;
    policy = *std::move(decoded);
    return true;
  };
  HSMCORE_TRY(const auto entry, core.engine->Get(users::BackupPolicy::kPath, &genuine));
  return entry ? policy->retention_days : kDefaultRetentionDays;
}

Status FillFromBackup(cluster::BackupReader& reader, cluster::Core& core,
                      const Progress& progress) {
  const std::lock_guard lock(core.mutex);
  Filler filler(*core.engine);
  HSMCORE_CHECK(ReadEntries(reader, progress,
                            [&](const storage::Entry& entry) { return filler.Add(entry); }));
  return filler.Finish();
}

Result<BackupInfo> CreateBackup(cluster::Core& core, const Progress& progress) {
  HSMCORE_TRY([[maybe_unused]] const auto writer, core.engine->LockForUpdate());
  return CreateLocked(core, progress);
}

Result<std::optional<BackupInfo>> CreateBackupIfDue(cluster::Core& core) {
  HSMCORE_TRY(bool due, IsDue(core));
  if (!due) return std::nullopt;
  HSMCORE_TRY([[maybe_unused]] const auto writer, core.engine->LockForUpdate());
  // Another process may have made it meanwhile.
  HSMCORE_TRY(due, IsDue(core));
  if (!due) return std::nullopt;
  HSMCORE_TRY(BackupInfo made, CreateLocked(core, {}));
  return made;
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
