// SPDX-License-Identifier: Apache-2.0
// The part of a session that works with backups.
#include <ctime>
#include <mutex>
#include <utility>

#include "base/text.h"
#include "cluster/backup_catalog.h"
#include "hsmcore/backup.h"
#include "session/backup_content.h"
#include "session/session_impl.h"
#include "session/type_change.h"
#include "users/availability_policy.h"
#include "users/backup_policy.h"
#include "users/change_setting.h"
#include "users/quorum.h"

namespace hsmcore::session {
namespace {

// The user as his record in a backup has him: nobody knows about wrong passwords there.
Result<UserInfo> UserIn(const storage::Entry& entry) {
  HSMCORE_TRY(const users::DecodedRecord decoded, users::DecodeRecord(entry.key, entry.value));
  const users::UserRecord& record = decoded.record;
  return UserInfo{.name = record.name,
                  .role = record.role,
                  .locked = false,
                  .failed_logins = 0,
                  .created = record.created,
                  .machine_credentials = record.machines.size(),
                  .signs_tokens = record.token_key.has_value(),
                  .mfa = record.has_mfa()};
}

Status AddKey(const storage::Entry& entry, std::vector<KeyInfo>& keys) {
  HSMCORE_TRY(const keys::DecodedKey decoded, keys::DecodeRecord(entry.key, entry.value));
  const keys::KeyRecord& record = decoded.record;
  if (record.private_half) keys.push_back(record.Info(record.private_class()));
  if (record.public_half) keys.push_back(record.Info(KeyClass::kPublicKey));
  return {};
}

}  // namespace

Result<BackupContent> SessionImpl::ReadBackup(const std::filesystem::path& file,
                                              const Progress& progress) {
  HSMCORE_CHECK(Allow(policy::Operation::kManageBackups));
  HSMCORE_TRY(cluster::BackupReader reader, UnlockBackup(file, login_->identity, login_->path()));
  BackupContent content;
  HSMCORE_TRY(content.info, cluster::ReadBackupInfo(file));
  HSMCORE_CHECK(ReadEntries(reader, progress, [&](const storage::Entry& entry) -> Status {
    if (entry.key.starts_with("key/")) return AddKey(entry, content.keys);
    if (entry.key.starts_with("user/")) {
      HSMCORE_TRY(UserInfo user, UserIn(entry));
      content.users.push_back(std::move(user));
    }
    return {};
  }));
  content.entries = reader.entries();
  return content;
}

Result<KeyInfo> SessionImpl::RestoreKey(const std::filesystem::path& file, KeyHandle handle,
                                        const Progress& progress) {
  HSMCORE_CHECK(Allow(policy::Operation::kManageBackups));
  HSMCORE_TRY(cluster::BackupReader reader, UnlockBackup(file, login_->identity, login_->path()));
  const std::string path = keys::KeyPath(handle);
  const std::string mark_path = keys::TrustedPath(handle);
  Bytes value;
  Bytes mark;
  HSMCORE_CHECK(ReadEntries(reader, progress, [&](const storage::Entry& entry) -> Status {
    if (entry.key == path) value = entry.value;
    if (entry.key == mark_path) mark = entry.value;
    return {};
  }));
  if (value.empty()) {
    return Fail(ErrorCode::kKeyNotFound, Cat("backup ", reader.header().id, " has no key ",
                                             handle.ToString(), "; see 'hsmctl backup keys'"));
  }
  const std::lock_guard lock(core_->mutex);
  HSMCORE_TRY(const keys::KeyRecord record, keys::PutBack(*core_, handle, value, mark));
  HSMCORE_CHECK(RefreshMarks());
  return InfoOf(record, record.private_half ? record.private_class() : KeyClass::kPublicKey);
}

Result<BackupInfo> SessionImpl::CopyBackup(std::string_view id, const std::filesystem::path& to) {
  HSMCORE_CHECK(Allow(policy::Operation::kManageBackups));
  const std::lock_guard lock(core_->mutex);
  const std::int64_t now = std::time(nullptr);
  HSMCORE_TRY(const BackupInfo backup,
              cluster::FindBackup(cluster::BackupDirectory(core_->home), id, now));
  if (backup.gone_after) {
    return Fail(ErrorCode::kBackupState,
                Cat("backup ", id, " is deleted; bring it back with 'hsmctl backup ",
                    "restore-deleted' first"));
  }
  return cluster::CopyBackup(backup, to, now);
}

Result<BackupInfo> SessionImpl::DeleteBackup(std::string_view id) {
  HSMCORE_CHECK(Allow(policy::Operation::kManageBackups));
  const std::lock_guard lock(core_->mutex);
  HSMCORE_TRY([[maybe_unused]] const auto writer, core_->engine->LockForUpdate());
  const std::filesystem::path directory = cluster::BackupDirectory(core_->home);
  const std::int64_t now = std::time(nullptr);
  HSMCORE_TRY(const BackupInfo backup, cluster::FindBackup(directory, id, now));
  if (backup.gone_after) {
    return Fail(ErrorCode::kBackupState, Cat("backup ", id, " is deleted already"));
  }
  HSMCORE_TRY(const auto backups, cluster::ListBackups(directory, now));
  const BackupInfo* newest = cluster::NewestOwn(backups);
  if (newest != nullptr && newest->id == backup.id) {
    return Fail(ErrorCode::kBackupState,
                Cat("backup ", id, " is the cluster's newest, which is never deleted; make a ",
                    "newer one with 'hsmctl backup create' first"));
  }
  HSMCORE_CHECK(cluster::SetGoneAfter(backup, now + (cluster::kDay * kUndoDays)));
  return cluster::FindBackup(directory, id, now);
}

Result<BackupInfo> SessionImpl::RestoreDeletedBackup(std::string_view id) {
  HSMCORE_CHECK(Allow(policy::Operation::kManageBackups));
  const std::lock_guard lock(core_->mutex);
  HSMCORE_TRY([[maybe_unused]] const auto writer, core_->engine->LockForUpdate());
  const std::filesystem::path directory = cluster::BackupDirectory(core_->home);
  const std::int64_t now = std::time(nullptr);
  HSMCORE_TRY(const BackupInfo backup, cluster::FindBackup(directory, id, now));
  if (!backup.gone_after) {
    return Fail(ErrorCode::kBackupState, Cat("backup ", id, " is not deleted"));
  }
  HSMCORE_CHECK(cluster::SetGoneAfter(backup, std::nullopt));
  return cluster::FindBackup(directory, id, now);
}

Status SessionImpl::SetBackupRetention(unsigned days, const QuorumToken* approval) {
  HSMCORE_CHECK(Allow(policy::Operation::kManageBackups));
  HSMCORE_CHECK(users::CheckRetention(days));
  const std::lock_guard lock(core_->mutex);
  return users::ChangeSetting(*core_, Me(), approval, &users::BackupPolicy::retention_days, days);
}

Status SessionImpl::SetAutomaticBackups(bool automatic, const QuorumToken* approval) {
  HSMCORE_CHECK(Allow(policy::Operation::kManageBackups));
  const std::lock_guard lock(core_->mutex);
  return users::ChangeSetting(*core_, Me(), approval, &users::BackupPolicy::automatic, automatic);
}

Status SessionImpl::SetKeyAvailabilityCheck(bool check, const QuorumToken* approval) {
  HSMCORE_CHECK(Allow(policy::Operation::kModifyCluster));
  const std::lock_guard lock(core_->mutex);
  return users::ChangeSetting(*core_, Me(), approval, &users::AvailabilityPolicy::check, check);
}

Result<TypeChangeReport> SessionImpl::ChangeType(const TypeChangeOptions& wanted,
                                                 const Progress& progress,
                                                 const QuorumToken* approval) {
  HSMCORE_CHECK(Allow(policy::Operation::kModifyCluster));
  const std::lock_guard lock(core_->mutex);
  HSMCORE_TRY(const cluster::ClusterFile file, cluster::ReadClusterFile(core_->home));
  // One that was cut short has had its approval.
  if (file.state == ClusterState::kActive) {
    HSMCORE_CHECK(SpendForCluster(approval));
  }
  HSMCORE_TRY(TypeChangeReport report, session::ChangeType(*core_, Me(), wanted, progress));
  if (report.rolled_back) HSMCORE_CHECK(RefreshMarks());
  return report;
}

}  // namespace hsmcore::session
