// SPDX-License-Identifier: Apache-2.0
// The part of a session that reads the audit log.
#include <algorithm>
#include <mutex>
#include <utility>

#include "audit/log.h"
#include "audit/record.h"
#include "base/text.h"
#include "session/session_impl.h"
#include "users/change_setting.h"
#include "users/key_use_policy.h"

namespace hsmcore::session {
namespace {

bool IsAbout(const AuditRecord& record, std::string_view user) {
  return users::NameIn(record.actor) == user || users::NameIn(record.user) == user;
}

bool Matches(const AuditQuery& query, const AuditRecord& record) {
  if (query.since && record.time < *query.since) return false;
  if (query.user && !IsAbout(record, *query.user)) return false;
  if (!query.key) return true;
  return std::ranges::find(record.keys, query.key->PrivateHalf()) != record.keys.end();
}

// What is in the store besides the log, and newer than its last record: whoever cuts the log short
// has to turn these back too. Counts of wrong passwords carry records as everything does.
Result<std::string> NewerThanTheLog(storage::Engine& engine, const audit::Head& head) {
  const std::string path = audit::PathOf(head.sequence);
  HSMCORE_TRY(const auto newest, engine.Get(path));
  if (!newest) return std::string();
  HSMCORE_TRY(const auto changes, engine.ChangesSince(newest->revision));
  const std::string kept = audit::PathOf(head.first);
  for (const storage::Change& change : changes) {
    // A rotation that was cut short before it could say so.
    const bool rotated = change.key.starts_with(audit::kPrefix) && change.key < kept;
    if (!rotated && change.key != audit::kHeadPath) return change.key;
  }
  return std::string();
}

// What the verifier has to know of a log that begins with `head.first` in the store.
Status Prepare(cluster::Core& core, const audit::Head& head,
               std::span<const AuditCheckpoint> checkpoints, AuditVerifier& verifier) {
  for (const AuditCheckpoint& each : checkpoints) {
    // What was rotated out is checked in the file where it is now.
    if (each.sequence >= head.first) verifier.Expect(each);
  }
  if (head.sequence != 0) verifier.Expect({head.sequence, head.hash});
  if (head.first == 1) return {};
  verifier.ContinueAfter({head.first - 1, head.before});
  HSMCORE_TRY(const auto users, users::ListUsers(core));
  for (const users::UserRecord& user : users) {
    verifier.Know(user.path(), user.identity.sign_key);
  }
  return {};
}

}  // namespace

Status SessionImpl::ReadAudit(const AuditQuery& query,
                              const std::function<void(const AuditRecord&)>& visit) {
  HSMCORE_CHECK(Allow(policy::Operation::kReadAuditLog));
  AuditQuery wanted = query;
  if (wanted.user) {
    HSMCORE_TRY(wanted.user, users::NormalisedName(*wanted.user));
  }
  const std::lock_guard lock(core_->mutex);
  HSMCORE_CHECK(CheckStillThere());
  return audit::ForEach(*core_->engine, query.after, [&](const storage::Entry& entry) -> Status {
    const auto stored = audit::Decode(entry.value);
    if (stored && Matches(wanted, stored->record)) visit(stored->record);
    return {};
  });
}

Result<AuditReport> SessionImpl::VerifyAudit(std::span<const AuditCheckpoint> checkpoints) {
  HSMCORE_CHECK(Allow(policy::Operation::kReadAuditLog));
  const std::lock_guard lock(core_->mutex);
  HSMCORE_CHECK(CheckStillThere());
  HSMCORE_TRY([[maybe_unused]] const auto writer, core_->engine->LockForUpdate());
  HSMCORE_TRY(const audit::Head head, audit::ReadHead(*core_->engine));
  AuditVerifier verifier(core_->file.root);
  HSMCORE_CHECK(Prepare(*core_, head, checkpoints, verifier));
  HSMCORE_CHECK(audit::ForEach(*core_->engine, 0, [&](const storage::Entry& entry) -> Status {
    verifier.Add(entry.value);
    return {};
  }));
  AuditReport report = verifier.Finish();
  if (report.last > head.sequence) {
    report.problems.push_back(
        Cat("the log ends with record ", head.sequence, ", and there are later ones"));
  }
  HSMCORE_TRY(const std::string newer, NewerThanTheLog(*core_->engine, head));
  if (!newer.empty()) {
    report.problems.push_back(Cat("the entry '", newer, "' was changed after the last record"));
  }
  return report;
}

Result<AuditRecord> SessionImpl::CreateAuditCheckpoint() {
  HSMCORE_CHECK(Allow(policy::Operation::kReadAuditLog));
  const std::lock_guard lock(core_->mutex);
  HSMCORE_CHECK(CheckStillThere());
  HSMCORE_TRY([[maybe_unused]] const auto writer, core_->engine->LockForUpdate());
  HSMCORE_CHECK(audit::Note(*core_->engine, Me(), audit::Named(AuditEvent::kAuditCheckpoint)));
  HSMCORE_TRY(const audit::Head head, audit::ReadHead(*core_->engine));
  HSMCORE_TRY(const auto stored, core_->engine->Get(audit::PathOf(head.sequence)));
  return DecodeAuditRecord(stored ? stored->value : Bytes());
}

Status SessionImpl::SetKeyUseAudit(KeyUseAudit mode, const std::vector<KeyHandle>& keys,
                                   const QuorumToken* approval) {
  HSMCORE_CHECK(Allow(policy::Operation::kModifyCluster));
  const std::lock_guard lock(core_->mutex);
  const auto change = [&](users::KeyUsePolicy& policy) -> Status {
    if (keys.empty()) policy.all = mode;
    for (const KeyHandle handle : keys) {
      HSMCORE_TRY(const auto record, keys::Read(*core_, handle, users::Actor()));
      if (!record) {
        return Fail(ErrorCode::kKeyNotFound, Cat("there is no key ", handle.ToString()));
      }
      policy.keys[handle.PrivateHalf()] = mode;
    }
    if (policy.keys.size() <= users::KeyUsePolicy::kMostKeys) return {};
    return Fail(ErrorCode::kQuotaExceeded,
                Cat("at most ", users::KeyUsePolicy::kMostKeys,
                    " keys have a setting of their own; set it for all keys"));
  };
  return users::ChangeSetting<users::KeyUsePolicy>(*core_, Me(), approval, change);
}

void SessionImpl::ChooseUseLog(KeyHandle handle, HeldKey::Parts& parts) {
  const KeyUseAudit mode = key_use_.For(handle);
  if (mode == KeyUseAudit::kOff) return;
  if (!use_log_) use_log_ = std::make_shared<KeyUseLog>(core_, login_);
  parts.use_log = use_log_;
  parts.strict_use_log = mode == KeyUseAudit::kStrict;
}

Status SessionImpl::RotateAudit(std::uint64_t last, const QuorumToken* approval) {
  HSMCORE_CHECK(Allow(policy::Operation::kRotateAuditLog));
  const std::lock_guard lock(core_->mutex);
  HSMCORE_CHECK(CheckStillThere());
  HSMCORE_CHECK(SpendForCluster(approval));
  return audit::Rotate(*core_->engine, last);
}

}  // namespace hsmcore::session
