// SPDX-License-Identifier: Apache-2.0
#include "audit/log.h"

#include <sys/prctl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <optional>
#include <utility>

#include "audit/record.h"
#include "base/cbor.h"
#include "base/files.h"
#include "base/text.h"
#include "base/values.h"

namespace hsmcore::audit {
namespace {

constexpr unsigned kVersion = 1;
constexpr std::size_t kMaxText = 200;  // of what a caller says: names and labels can be long

std::int64_t Now() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::microseconds>(now).count();
}

std::string BootId() {
  constexpr std::size_t kMost = 64;
  const auto content = ReadFile("/proc/sys/kernel/random/boot_id", kMost);
  if (!content) return {};
  std::string id(content->begin(), content->end());
  id.erase(std::min(id.size(), id.find('\n')));
  return id;
}

std::string ProgramName() {
  std::array<char, 17> name{};
  return prctl(PR_GET_NAME, name.data()) == 0 ? std::string(name.data()) : std::string();
}

Bytes EncodeHead(const Head& head) {
  return cbor::Encode({{"v", kVersion},
                       {"seq", head.sequence},
                       {"hash", cbor::Blob(head.hash)},
                       {"first", head.first},
                       {"before", cbor::Blob(head.before)},
                       {"reboots", head.reboots},
                       {"boot", head.boot}});
}

Result<Head> DecodeHead(const std::optional<Bytes>& stored) {
  Head head;
  head.hash = head.before = Bytes(kHashBytes);
  if (!stored) return head;
  HSMCORE_TRY(const cbor::Value value, cbor::Decode(*stored, kHeadPath));
  cbor::Reader in(value, kHeadPath);
  HSMCORE_CHECK(in.CheckVersion(kVersion));
  head.sequence = in.Number("seq");
  head.hash = in.Blob("hash");
  head.first = in.Number("first");
  head.before = in.Blob("before");
  head.reboots = in.Number("reboots");
  head.boot = in.Text("boot");
  if (head.hash.size() != kHashBytes) in.Refuse("hash");
  if (head.before.size() != kHashBytes) in.Refuse("before");
  HSMCORE_CHECK(in.Finish());
  return head;
}

// What a commit touches: whoever is asked for a key or a user later finds the record by it.
void AddTouched(const storage::Batch& batch, AuditRecord& record) {
  constexpr std::size_t kMostKeys = 1000;
  std::string kinds;
  for (const storage::Mutation& mutation : batch.mutations) {
    const std::string_view path = mutation.key;
    const std::string_view kind = path.substr(0, path.find('/'));
    const std::string_view name = path.substr(std::min(path.size(), kind.size() + 1));
    if (kind == "key" || kind == "trusted") {
      const auto handle = KeyHandle::Parse(Cat("0x", name));
      if (!handle || record.keys.size() >= kMostKeys) continue;
      if (std::ranges::find(record.keys, *handle) == record.keys.end()) {
        record.keys.push_back(*handle);
      }
    } else if (kind == "user" && record.user.empty()) {
      record.user = path;
    } else if (kind == "cluster" && path != "cluster/handles") {
      kinds += Cat(kinds.empty() ? "" : " ", name);
    }
  }
  if (record.detail.empty()) record.detail = kinds.substr(0, kMaxText);
}

void AddApprovers(const Entry& entry, AuditRecord& record) {
  std::string& detail = record.detail;
  for (const std::string& path : entry.approved_by) {
    const bool first = path == *entry.approved_by.begin();
    if (first && !detail.empty()) detail += "; ";
    detail += Cat(first ? "approved by " : ", ", path.substr(path.rfind('/') + 1));
  }
}

thread_local Scope* t_scope = nullptr;
thread_local bool t_silent = false;

void CountReboot(Head& head, const std::string& boot) {
  if (boot == head.boot) return;
  if (!head.boot.empty()) ++head.reboots;
  head.boot = boot;
}

Bytes NewRecord(Head& head, const Actor& actor, const Entry& entry, const storage::Batch& batch) {
  Stored next;
  next.record = {.sequence = head.sequence + 1,
                 .time = Now(),
                 .reboots = head.reboots,
                 .event = entry.event,
                 .actor = actor.path,
                 .user = entry.user,
                 .keys = entry.keys,
                 .detail = entry.detail.substr(0, kMaxText),
                 .result = entry.result,
                 .process = static_cast<std::uint64_t>(getpid()),
                 .uid = geteuid(),
                 .program = ProgramName(),
                 .hash = {},
                 .signed_by_actor = false,
                 .stored = {}};
  AddTouched(batch, next.record);
  AddApprovers(entry, next.record);
  next.before = head.hash;
  next.sign_key = entry.sign_key;
  Bytes encoded = Encode(next, actor.identity);
  head.sequence = next.record.sequence;
  head.hash = HashOf(encoded);
  return encoded;
}

// The head as an HSM has it that is not damaged there: one that fits the newest record. Where none
// does, the log was tampered with, which is for `audit verify` to say; the chain goes on all the
// same.
Result<std::optional<storage::Entry>> SoundHead(storage::Engine& engine) {
  std::optional<storage::Entry> first;
  std::vector<Bytes> wrong;
  for (std::size_t copies = 0; copies < storage::kMaxMembers; ++copies) {
    const storage::Verifier is_head = [&](const storage::Entry& entry) {
      return DecodeHead(entry.value) && std::ranges::find(wrong, entry.value) == wrong.end();
    };
    auto entry = engine.Get(kHeadPath, &is_head);
    if (!entry && first) return first;
    if (!entry) return std::unexpected(std::move(entry).error());
    if (!*entry) return std::nullopt;
    HSMCORE_TRY(const Head head, DecodeHead((*entry)->value));
    const storage::Verifier is_newest = [&](const storage::Entry& record) {
      return HashOf(record.value) == head.hash;
    };
    const auto newest = engine.Get(PathOf(head.sequence), &is_newest);
    if (newest && *newest) return *std::move(entry);
    if (!first) first = **entry;
    wrong.push_back((*entry)->value);
  }
  return first;
}

class AuditedEngine final : public storage::Engine {
 public:
  explicit AuditedEngine(std::unique_ptr<storage::Engine> engine) : engine_(std::move(engine)) {}

  Result<std::optional<storage::Entry>> Get(std::string_view key,
                                            const storage::Verifier* verifier) override {
    return engine_->Get(key, verifier);
  }
  Result<std::vector<storage::Entry>> List(std::string_view prefix,
                                           const storage::ListOptions& options) override {
    return engine_->List(prefix, options);
  }
  Result<std::uint64_t> Count(std::string_view prefix) override { return engine_->Count(prefix); }
  Result<std::uint64_t> Commit(const storage::Batch& batch) override;
  Result<std::uint64_t> Revision() override { return engine_->Revision(); }
  Result<std::vector<storage::Change>> ChangesSince(std::uint64_t revision) override {
    return engine_->ChangesSince(revision);
  }
  Result<std::vector<storage::Member>> Members(bool verify) override {
    return engine_->Members(verify);
  }
  Result<std::vector<std::string>> Repair(const storage::Verifier* verifier) override {
    return engine_->Repair(verifier);
  }

 protected:
  Result<std::unique_ptr<storage::WriterLock>> Lock(LockWait wait) override {
    return wait == LockWait::kPatient ? engine_->LockForUpdate() : engine_->TryLockForUpdate();
  }

 private:
  const std::unique_ptr<storage::Engine> engine_;
  std::string boot_;  // of this run of the machine; read once
};

Result<std::uint64_t> AuditedEngine::Commit(const storage::Batch& batch) {
  // A rollback of the HSMs' type is many commits, and one that says so.
  if (t_silent || batch.restoring) return engine_->Commit(batch);
  const Scope* const scope = t_scope;
  HSMCORE_TRY(const auto lock, LockForUpdate());
  HSMCORE_TRY(const auto stored, SoundHead(*engine_));
  HSMCORE_TRY(Head head, DecodeHead(stored ? std::optional(stored->value) : std::nullopt));
  storage::Batch audited = batch;
  std::erase_if(audited.mutations,
                [](const storage::Mutation& mutation) { return mutation.key == kHeadPath; });
  std::erase_if(audited.preconditions,
                [](const storage::Precondition& wanted) { return wanted.key == kHeadPath; });
  if (boot_.empty()) boot_ = BootId();
  CountReboot(head, boot_);
  Bytes record = scope != nullptr ? NewRecord(head, scope->actor(), scope->entry(), batch)
                                  : NewRecord(head, Actor(), Entry(), batch);
  audited.mutations.push_back({PathOf(head.sequence), std::move(record)});
  audited.mutations.push_back({kHeadPath, EncodeHead(head)});
  // No precondition on the head: the writer lock is held, and a damaged HSM may have given its
  // revision.
  return engine_->Commit(audited);
}

}  // namespace

// Hexadecimal with leading zeros, so that the order of the entries is that of the records.
std::string PathOf(std::uint64_t sequence) {
  Bytes digits(sizeof sequence);
  for (std::size_t i = 0; i < digits.size(); ++i) {
    digits[digits.size() - 1 - i] = static_cast<std::uint8_t>(sequence >> (8 * i));
  }
  return Cat(kPrefix, ToHex(digits));
}

Entry Named(AuditEvent event, std::string detail) {
  Entry entry;
  entry.event = event;
  entry.detail = std::move(detail);
  return entry;
}

Entry About(AuditEvent event, std::string user) {
  Entry entry;
  entry.event = event;
  entry.user = std::move(user);
  return entry;
}

Scope::Scope(Entry entry)
    : around_(t_scope),
      actor_(around_ != nullptr ? around_->actor_ : Actor()),
      entry_(std::move(entry)) {
  t_scope = this;
}
Scope::Scope(Actor actor, Entry entry)
    : around_(t_scope), actor_(std::move(actor)), entry_(std::move(entry)) {
  t_scope = this;
}
Scope::~Scope() { t_scope = around_; }
Scope* Scope::Current() { return t_scope; }

Silence::Silence() : before_(t_silent) { t_silent = true; }
Silence::~Silence() { t_silent = before_; }

std::unique_ptr<storage::Engine> NewAuditedEngine(std::unique_ptr<storage::Engine> engine) {
  return std::make_unique<AuditedEngine>(std::move(engine));
}

bool IsRefusal(ErrorCode code) {
  const auto number = static_cast<unsigned>(code);
  const auto first_of_storage = static_cast<unsigned>(ErrorCode::kHomeNotFound);
  const auto last_of_storage = static_cast<unsigned>(ErrorCode::kRecordDamaged);
  return number > static_cast<unsigned>(ErrorCode::kFileAccess) &&
         (number < first_of_storage || number > last_of_storage);
}

Result<Head> ReadHead(storage::Engine& engine) {
  HSMCORE_TRY(const auto entry, engine.Get(kHeadPath));
  return DecodeHead(entry ? std::optional(entry->value) : std::nullopt);
}

Status Note(storage::Engine& engine, const Actor& actor, const Entry& entry) {
  const Scope scope(actor, entry);
  // The head itself is written anew by every commit; this one writes nothing else.
  storage::Batch batch;
  batch.mutations.push_back({kHeadPath, Bytes()});
  HSMCORE_TRY([[maybe_unused]] const auto revision, engine.Commit(batch));
  return {};
}

Status ForEach(storage::Engine& engine, std::uint64_t after,
               const std::function<Status(const storage::Entry&)>& visit) {
  storage::ListOptions options{
      .after = after == 0 ? std::string() : PathOf(after), .limit = 500, .keys_only = false};
  for (;;) {
    HSMCORE_TRY(const auto page, engine.List(kPrefix, options));
    for (const storage::Entry& entry : page) HSMCORE_CHECK(visit(entry));
    if (page.size() < options.limit) return {};
    options.after = page.back().key;
  }
}

// Each commit leaves the chain whole, so that one that dies leaves only more than it should. The
// head is changed by a commit that carries no record of its own, between two that say what was
// done.
Status Rotate(storage::Engine& engine, std::uint64_t last) {
  constexpr std::uint64_t kPerCommit = 1000;
  HSMCORE_TRY([[maybe_unused]] const auto lock, engine.LockForUpdate());
  for (;;) {
    HSMCORE_TRY(Head head, ReadHead(engine));
    const std::uint64_t to = std::min({last, head.sequence - 1, head.first + kPerCommit - 1});
    if (head.sequence == 0 || head.first > to) return {};
    HSMCORE_TRY(const auto newest, engine.Get(PathOf(to)));
    if (!newest) {
      return Fail(ErrorCode::kHomeDamaged,
                  Cat("record ", to, " of the audit log is missing; run: hsmctl audit verify"));
    }
    storage::Batch batch;
    for (std::uint64_t each = head.first; each <= to; ++each) {
      batch.mutations.push_back({PathOf(each), std::nullopt});
    }
    head.first = to + 1;
    head.before = HashOf(newest->value);
    batch.mutations.push_back({kHeadPath, EncodeHead(head)});
    const Silence silence;
    HSMCORE_TRY([[maybe_unused]] const auto revision, engine.Commit(batch));
  }
}

}  // namespace hsmcore::audit
