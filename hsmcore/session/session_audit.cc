// SPDX-License-Identifier: Apache-2.0
// The part of a session that reads the audit log.
#include <algorithm>
#include <mutex>
#include <utility>

#include "audit/log.h"
#include "audit/record.h"
#include "base/text.h"
#include "session/session_impl.h"

namespace hsmcore::session {
namespace {

bool IsAbout(const AuditRecord& record, std::string_view user) {
  const auto names = [&](std::string_view path) {
    return path.substr(std::min(path.size(), path.rfind('/') + 1)) == user;
  };
  return names(record.actor) || names(record.user);
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
  for (const AuditCheckpoint& each : checkpoints) {
    // What was rotated out is checked in the file where it is now.
    if (each.sequence >= head.first) verifier.Expect(each);
  }
  if (head.first > 1) {
    verifier.ContinueAfter({head.first - 1, head.before});
    HSMCORE_TRY(const auto users, users::ListUsers(*core_));
    for (const users::UserRecord& user : users) {
      verifier.Know(user.path(), user.identity.sign_key);
    }
  }
  if (head.sequence != 0) verifier.Expect({head.sequence, head.hash});
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
  audit::Entry entry;
  entry.event = AuditEvent::kAuditCheckpoint;
  HSMCORE_CHECK(audit::Note(*core_->engine, Me(), entry));
  HSMCORE_TRY(const audit::Head head, audit::ReadHead(*core_->engine));
  HSMCORE_TRY(const auto stored, core_->engine->Get(audit::PathOf(head.sequence)));
  return DecodeAuditRecord(stored ? stored->value : Bytes());
}

Status SessionImpl::RotateAudit(std::uint64_t last) {
  HSMCORE_CHECK(Allow(policy::Operation::kRotateAuditLog));
  const std::lock_guard lock(core_->mutex);
  HSMCORE_CHECK(CheckStillThere());
  return audit::Rotate(*core_->engine, last);
}

}  // namespace hsmcore::session
