// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <map>
#include <memory>
#include <set>
#include <utility>

#include "audit/record.h"
#include "base/text.h"
#include "hsmcore/audit.h"

namespace hsmcore {

struct AuditVerifier::State {
  Bytes root;
  std::map<std::string, Bytes> users;  // path -> Ed25519 public key
  std::map<std::uint64_t, Bytes> expected;
  std::set<std::string> unknown;
  Bytes before = Bytes(audit::kHashBytes);
  std::uint64_t next = 1;
  std::uint64_t reboots = 0;
  bool from_the_beginning = false;  // the log of a cluster since it was made
  AuditReport report;

  void Problem(std::string text) {
    // A log that is another one altogether has a problem in every record.
    constexpr std::size_t kMost = 100;
    if (report.problems.size() < kMost) report.problems.push_back(std::move(text));
  }
  void CheckPlace(const audit::Stored& stored);
  void CheckSigner(const audit::Stored& stored);
  void Learn(const audit::Stored& stored);
};

void AuditVerifier::State::CheckPlace(const audit::Stored& stored) {
  const std::uint64_t sequence = stored.record.sequence;
  if (sequence > next) {
    Problem(sequence == next + 1 ? Cat("record ", next, " is missing")
                                 : Cat("records ", next, " to ", sequence - 1, " are missing"));
  } else if (sequence < next) {
    Problem(Cat("record ", sequence, " is not in its place"));
  } else if (stored.before != before) {
    Problem(Cat("record ", sequence,
                " does not follow on the one before it, which was changed, "
                "replaced or inserted"));
  }
  if (stored.record.reboots < reboots) {
    Problem(Cat("record ", sequence, " is of an earlier start of the machine than the one before"));
  }
  reboots = std::max(reboots, stored.record.reboots);
}

void AuditVerifier::State::CheckSigner(const audit::Stored& stored) {
  const AuditRecord& record = stored.record;
  if (record.actor.empty()) {
    if (!stored.signature.empty()) Problem(Cat("record ", record.sequence, " is signed by nobody"));
    return;
  }
  ++report.signed_records;
  // The first record is the first admin's word about himself.
  const bool first = record.event == AuditEvent::kClusterCreate;
  const auto signer = users.find(record.actor);
  const Bytes* key = first ? &root : nullptr;
  if (!first && signer != users.end()) key = &signer->second;
  if (key == nullptr && from_the_beginning) {
    Problem(Cat("record ", record.sequence, " is by ", record.actor, ", whom no record makes"));
  } else if (key == nullptr) {
    unknown.insert(record.actor);
  } else if (!audit::SignedBy(stored, *key)) {
    Problem(Cat("record ", record.sequence, " is not signed by ", record.actor));
  }
}

// Only what was signed by somebody who is known tells of others.
void AuditVerifier::State::Learn(const audit::Stored& stored) {
  const AuditRecord& record = stored.record;
  if (record.result != ErrorCode()) return;
  if (record.event == AuditEvent::kClusterCreate && audit::SignedBy(stored, root)) {
    users[record.actor] = root;
    from_the_beginning = record.sequence == 1;
  }
  const auto signer = users.find(record.actor);
  if (signer == users.end() || !audit::SignedBy(stored, signer->second)) return;
  if (!stored.sign_key.empty()) users[record.user] = stored.sign_key;
  if (record.event == AuditEvent::kUserDelete) users.erase(record.user);
}

AuditVerifier::AuditVerifier(ByteView root) : state_(std::make_unique<State>()) {
  state_->root.assign(root.begin(), root.end());
}
AuditVerifier::~AuditVerifier() = default;

void AuditVerifier::Expect(const AuditCheckpoint& checkpoint) {
  state_->expected[checkpoint.sequence] = checkpoint.hash;
}

void AuditVerifier::Know(std::string path, Bytes sign_key) {
  state_->users[std::move(path)] = std::move(sign_key);
}

void AuditVerifier::ContinueAfter(const AuditCheckpoint& last) {
  state_->next = last.sequence + 1;
  state_->before = last.hash;
}

void AuditVerifier::BeginWith(ByteView stored) {
  const auto first = audit::Decode(stored);
  if (!first || first->record.sequence == 0) return;  // Add says so
  ContinueAfter({first->record.sequence - 1, first->before});
}

void AuditVerifier::Add(ByteView stored) {
  State& state = *state_;
  const auto decoded = audit::Decode(stored);
  if (!decoded) {
    state.Problem(Cat("after record ", state.next - 1, " stands what is no record"));
    return;
  }
  state.CheckPlace(*decoded);
  state.CheckSigner(*decoded);
  state.Learn(*decoded);
  const AuditRecord& record = decoded->record;
  if (const auto expected = state.expected.find(record.sequence);
      expected != state.expected.end()) {
    if (expected->second != record.hash) {
      state.Problem(Cat("record ", record.sequence, " is another than the checkpoint says"));
    }
    state.expected.erase(expected);
  }
  if (state.report.first == 0) state.report.first = record.sequence;
  state.report.last = record.sequence;
  state.report.hash = record.hash;
  state.before = record.hash;
  state.next = record.sequence + 1;
}

AuditReport AuditVerifier::Finish() {
  for (const auto& [sequence, hash] : state_->expected) {
    state_->Problem(Cat("record ", sequence,
                        ", which a checkpoint tells of, is not there: the log ", "was cut short"));
  }
  state_->report.unknown_signers.assign(state_->unknown.begin(), state_->unknown.end());
  return std::move(state_->report);
}

}  // namespace hsmcore
