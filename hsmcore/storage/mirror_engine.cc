// SPDX-License-Identifier: Apache-2.0
#include <sys/random.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "base/text.h"
#include "storage/contract.h"
#include "storage/engines.h"
#include "storage/mirror_fleet.h"
#include "storage/posix.h"
#include "storage/row_merge.h"
#include "storage/sync_queue.h"

namespace hsmcore::storage {
namespace {

// A member's pages stay in this process's memory while it is asked, so another one's turn comes
// only after so many reads. A program that does less opens one member.
constexpr unsigned kReadsInARow = 64;

// The greater term wins whatever the revisions. The clock takes part in it, so that of two
// histories that were written apart from each other the one that was begun later wins.
std::uint64_t TermAfter(std::uint64_t term) {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  const std::int64_t stamp = std::chrono::duration_cast<std::chrono::microseconds>(now).count();
  return std::max(term + 1, static_cast<std::uint64_t>(std::max<std::int64_t>(stamp, 0)));
}

Result<CommitMark> MarkAfter(const CommitMark& head, bool same_service) {
  CommitMark next;
  next.term = same_service ? head.term : TermAfter(head.term);
  next.revision = head.revision + 1;
  if (getrandom(next.id.data(), next.id.size(), 0) != std::ssize(next.id)) {
    return FailErrno("cannot read", "getrandom", errno);
  }
  return next;
}

// kStorageConflict, or what kept `store` from being asked.
Status CheckPreconditions(Store& store, std::span<const Precondition> preconditions) {
  for (const Precondition& wanted : preconditions) {
    HSMCORE_TRY(const std::optional<Entry> entry, store.Get(wanted.key));
    const std::uint64_t found = entry ? entry->revision : 0;
    if (found != wanted.revision) return Conflict(wanted, found);
  }
  return {};
}

// Remembers what a read found, unless it may pass by itself.
void Suspect(MirrorMember& member, const Error& problem) {
  const bool lasting =
      problem.code() == ErrorCode::kHomeDamaged || problem.code() == ErrorCode::kStorageIo;
  if (lasting) member.suspicion = problem.Message();
}

class MirrorEngine final : public Engine {
 public:
  explicit MirrorEngine(MirrorOptions options) : options_(std::move(options)), fleet_(options_) {}

  Result<std::optional<Entry>> Get(std::string_view key, const Verifier* verifier) override;
  Result<std::vector<Entry>> List(std::string_view prefix, const ListOptions& options) override;
  Result<std::uint64_t> Count(std::string_view prefix) override;
  Result<std::uint64_t> Commit(const Batch& batch) override;
  Result<std::uint64_t> Revision() override;
  Result<std::vector<Change>> ChangesSince(std::uint64_t revision) override;
  Result<std::vector<Member>> Members(bool verify) override;
  Result<std::vector<std::string>> Repair(const Verifier* verifier) override;

 protected:
  Result<std::unique_ptr<WriterLock>> Lock(LockWait wait) override;

 private:
  class HeldLock;
  // A commit that is ready to be written.
  struct Plan {
    CommitMark previous;
    CommitMark next;
    std::string service;
  };

  // On how many HSMs a commit is, and what kept it from the others.
  struct Written {
    unsigned copies = 0;
    std::optional<Error> problem;
    bool in_doubt = false;
  };

  Result<MirrorMember*> Choose();
  template <class Call>
  auto Read(const Call& call) -> decltype(call(std::declval<Store&>()));
  Result<Plan> MakePlan(const Batch& batch);
  Result<Plan> PlanFor(MirrorMember& reference, const Batch& batch);
  Status CheckCopies(const Batch& batch) const;
  unsigned CopiesNeeded(const Batch& batch) const;
  Result<std::uint64_t> Write(const Batch& batch, const Plan& plan);
  Written WriteToAll(const Batch& batch, const Plan& plan);
  std::vector<Status> SyncAll(std::span<MirrorMember* const> written);
  Status Publish(std::span<const std::uint64_t> epochs, const CommitMark& head,
                 unsigned copies) const;
  Member Describe(MirrorMember& member, const MirrorMember* newest);
  void Compare(std::vector<Member>& described, const CommitMark& newest);

  const MirrorOptions options_;
  std::atomic<std::thread::id> writer_;  // the thread that holds the writer lock
  // Taken after the writer lock, never before it.
  std::mutex mutex_;
  MirrorFleet fleet_;
  SyncQueue syncs_;
  // Whom reads go to as long as the published head stays what it was, and for so many more.
  MirrorMember* chosen_ = nullptr;
  unsigned reads_left_ = 0;
  std::optional<GenerationMap::Head> chosen_for_;
};

// ---- Reading ------------------------------------------------------------------------------------

Result<MirrorMember*> MirrorEngine::Choose() {
  const GenerationMap* const generations = options_.generations;
  const GenerationMap::Head published =
      generations == nullptr ? GenerationMap::Head{.busy = true} : generations->ReadHead();
  if (!published.busy && published == chosen_for_ && reads_left_ > 0) {
    --reads_left_;
    return chosen_;
  }
  chosen_for_.reset();
  if (!published.busy) {
    MirrorMember* const found = fleet_.FindAt(published.term, published.revision);
    if (found != nullptr) {
      chosen_for_ = published;
      reads_left_ = kReadsInARow;
      return chosen_ = found;
    }
  }
  fleet_.Look();
  HSMCORE_TRY(chosen_, fleet_.RequireNewest());
  return chosen_;
}

// Where the chosen member fails, the others that are at the same state are asked.
template <class Call>
auto MirrorEngine::Read(const Call& call) -> decltype(call(std::declval<Store&>())) {
  const std::lock_guard guard(mutex_);
  HSMCORE_TRY(MirrorMember* const first, Choose());
  auto answer = call(*first->store);
  fleet_.Note(*first, !answer);
  if (answer) return answer;
  Suspect(*first, answer.error());
  chosen_for_.reset();
  fleet_.Look();
  const MirrorMember* const newest = fleet_.Newest();
  for (MirrorMember* member : fleet_.InService()) {
    if (member == first || member->head != newest->head) continue;
    auto other = call(*member->store);
    fleet_.Note(*member, !other);
    if (other) {
      chosen_ = member;
      return other;
    }
    Suspect(*member, other.error());
  }
  return answer;
}

Result<std::optional<Entry>> MirrorEngine::Get(std::string_view key, const Verifier* verifier) {
  return Read([&](Store& store) -> Result<std::optional<Entry>> {
    HSMCORE_TRY(std::optional<Entry> entry, store.Get(key));
    if (entry && verifier != nullptr && !(*verifier)(*entry)) {
      return Fail(ErrorCode::kHomeDamaged, Cat("'", store.file().native(), "': the entry '", key,
                                               "' is not genuine; run: hsmctl cluster sync"));
    }
    return entry;
  });
}

Result<std::vector<Entry>> MirrorEngine::List(std::string_view prefix, const ListOptions& options) {
  return Read([&](Store& store) { return store.List(prefix, options); });
}

Result<std::uint64_t> MirrorEngine::Count(std::string_view prefix) {
  return Read([&](Store& store) { return store.Count(prefix); });
}

Result<std::vector<Change>> MirrorEngine::ChangesSince(std::uint64_t revision) {
  return Read([&](Store& store) { return store.ChangesSince(revision); });
}

Result<std::uint64_t> MirrorEngine::Revision() {
  const std::lock_guard guard(mutex_);
  chosen_for_.reset();
  fleet_.Look();
  HSMCORE_TRY(const MirrorMember* const newest, fleet_.RequireNewest());
  return newest->head.revision;
}

// ---- Writing ------------------------------------------------------------------------------------

class MirrorEngine::HeldLock final : public WriterLock {
 public:
  HeldLock(MirrorEngine& engine, FileLock file) : engine_(engine), file_(std::move(file)) {
    engine_.writer_ = std::this_thread::get_id();
  }
  ~HeldLock() override { engine_.writer_ = std::thread::id(); }
  HeldLock(const HeldLock&) = delete;
  HeldLock& operator=(const HeldLock&) = delete;

 private:
  MirrorEngine& engine_;
  FileLock file_;
};

Result<std::unique_ptr<WriterLock>> MirrorEngine::Lock(LockWait wait) {
  if (writer_ == std::this_thread::get_id()) return std::make_unique<WriterLock>();
  const std::chrono::milliseconds patience =
      wait == LockWait::kPatient ? options_.busy_timeout : std::chrono::milliseconds(0);
  HSMCORE_TRY(FileLock file, FileLock::Acquire(options_.lock_file, patience));
  return std::make_unique<HeldLock>(*this, std::move(file));
}

Result<std::uint64_t> MirrorEngine::Commit(const Batch& batch) {
  HSMCORE_CHECK(CheckBatch(batch));
  HSMCORE_TRY(const std::unique_ptr<WriterLock> lock, LockForUpdate());
  const std::lock_guard guard(mutex_);
  HSMCORE_TRY(const Plan plan, MakePlan(batch));
  HSMCORE_CHECK(CheckCopies(batch));
  return Write(batch, plan);
}

// A reference that cannot be asked goes out of service, and the next one is.
Result<MirrorEngine::Plan> MirrorEngine::MakePlan(const Batch& batch) {
  fleet_.Look();
  for (;;) {
    HSMCORE_TRY(MirrorMember* const reference, fleet_.BringTogether());
    Result<Plan> plan = PlanFor(*reference, batch);
    if (plan || plan.error().code() == ErrorCode::kStorageConflict) return plan;
    reference->trouble = plan.error();
  }
}

Result<MirrorEngine::Plan> MirrorEngine::PlanFor(MirrorMember& reference, const Batch& batch) {
  HSMCORE_CHECK(CheckPreconditions(*reference.store, batch.preconditions));
  HSMCORE_TRY(const std::string recorded, reference.store->Service());
  Plan plan{.previous = reference.head, .next = {}, .service = fleet_.ServiceList()};
  HSMCORE_TRY(plan.next, MarkAfter(plan.previous, recorded == plan.service));
  return plan;
}

unsigned MirrorEngine::CopiesNeeded(const Batch& batch) const {
  const auto there = static_cast<unsigned>(options_.members.size());
  return std::clamp(batch.min_copies, 1U, std::max(there, options_.members_by_design));
}

Status MirrorEngine::CheckCopies(const Batch& batch) const {
  const std::size_t in_service = fleet_.InService().size();
  if (in_service >= CopiesNeeded(batch)) return {};
  return Fail(
      ErrorCode::kKeyAvailability,
      Cat(in_service, " of ",
          std::max<std::size_t>(options_.members.size(), options_.members_by_design),
          " HSMs are in service and ", CopiesNeeded(batch),
          " are needed; see: hsmctl cluster describe, then run: hsmctl cluster sync, or switch "
          "the key availability check off to have keys on one HSM only"));
}

// Writes to all HSMs before the first one is waited for.
MirrorEngine::Written MirrorEngine::WriteToAll(const Batch& batch, const Plan& plan) {
  Written written;
  const auto note = [&](MirrorMember& member, const Status& done) {
    fleet_.Note(member, !done);
    if (done) return;
    member.trouble = done.error();
    written.in_doubt = written.in_doubt || done.error().code() == ErrorCode::kStorageIo;
    if (!written.problem) written.problem = done.error();
  };
  std::vector<MirrorMember*> applied;
  for (MirrorMember* member : fleet_.InService()) {
    const Status done =
        member->store->Apply(plan.previous, plan.next, plan.service, batch.mutations);
    if (done) applied.push_back(member);
    if (!done) note(*member, done);
  }
  const std::vector<Status> synced = SyncAll(applied);
  for (std::size_t i = 0; i < applied.size(); ++i) {
    note(*applied[i], synced[i]);
    if (synced[i]) ++written.copies;
  }
  return written;
}

Result<std::uint64_t> MirrorEngine::Write(const Batch& batch, const Plan& plan) {
  GenerationMap* const generations = options_.generations;
  if (generations != nullptr) HSMCORE_CHECK(generations->Begin(batch.epochs));
  for (const auto& member : fleet_.members()) {
    // One that was not there had to do it, too.
    if (member->trouble) fleet_.Note(*member, true);
  }
  Written written = WriteToAll(batch, plan);
  if (written.copies == 0) {
    // After a failed sync the commit may turn up later. The epochs then stay odd, as after a crash.
    if (generations != nullptr && !written.in_doubt) {
      HSMCORE_CHECK(generations->Abandon(batch.epochs));
    }
    return std::unexpected(*std::move(written.problem));
  }
  HSMCORE_CHECK(Publish(batch.epochs, plan.next, written.copies));
  if (written.copies >= CopiesNeeded(batch)) return plan.next.revision;
  return Fail(written.problem->code(),
              Cat("the change is on ", written.copies, " of the ", CopiesNeeded(batch),
                  " HSMs it needs and may come into force; ", written.problem->detail()));
}

std::vector<Status> MirrorEngine::SyncAll(std::span<MirrorMember* const> written) {
  std::vector<Status> synced(written.size());
  std::vector<int> logs;
  std::vector<std::size_t> places;  // beside `logs`: whose
  for (std::size_t i = 0; i < written.size(); ++i) {
    const int log = written[i]->store->log();
    if (log < 0) {
      synced[i] = written[i]->store->Sync();
    } else {
      logs.push_back(log);
      places.push_back(i);
    }
  }
  const std::vector<int> errors = syncs_.Sync(logs);
  for (std::size_t i = 0; i < errors.size(); ++i) {
    if (errors[i] == 0) continue;
    // Whatever the reason was, nobody knows what is on the disk.
    synced[places[i]] =
        Fail(ErrorCode::kStorageIo,
             Cat("cannot sync '", written[places[i]]->store->file().native(),
                 "': ", ErrnoText(errors[i]), "; check the disk, then run: hsmctl cluster sync"));
  }
  return synced;
}

Status MirrorEngine::Publish(std::span<const std::uint64_t> epochs, const CommitMark& head,
                             unsigned copies) const {
  if (options_.generations == nullptr) return {};
  return options_.generations->End(epochs, {head.term, head.revision, copies, false});
}

// ---- Members ------------------------------------------------------------------------------------

Result<std::vector<Member>> MirrorEngine::Members(bool verify) {
  std::unique_lock guard(mutex_);
  chosen_for_.reset();
  fleet_.Look(true);
  std::unique_ptr<WriterLock> lock;
  if (verify || !fleet_.AllAlike()) {
    // A commit under way makes members differ for a moment. Who may not lock may still look.
    guard.unlock();
    if (auto locked = LockForUpdate()) lock = *std::move(locked);
    guard.lock();
    fleet_.Look(true);
  }
  if (verify) {
    for (MirrorMember* member : fleet_.InService()) {
      if (const Status sound = member->store->Check(); !sound) member->trouble = sound.error();
    }
  }
  const MirrorMember* const newest = fleet_.Newest();
  std::vector<Member> described;
  for (const auto& member : fleet_.members()) described.push_back(Describe(*member, newest));
  if (verify && newest != nullptr) Compare(described, newest->head);
  return described;
}

Member MirrorEngine::Describe(MirrorMember& member, const MirrorMember* newest) {
  Member description;
  description.id = member.options.id;
  description.zone = member.options.zone;
  description.location = member.options.directory.native();
  const GenerationMap::Load load = fleet_.LoadOf(member);
  description.operations = load.operations;
  description.errors = load.errors;
  if (member.trouble) {
    description.problem = member.trouble->Message();
    return description;
  }
  description.revision = member.head.revision;
  if (member.head != newest->head) {
    description.problem =
        Cat("out of sync: it is at revision ", member.head.revision, ", the cluster at ",
            newest->head.revision, "; run: hsmctl cluster sync");
  } else {
    description.problem = member.suspicion;
  }
  description.in_service = description.problem.empty();
  return description;
}

// Entry by entry with what most of those that are at the newest state hold.
void MirrorEngine::Compare(std::vector<Member>& described, const CommitMark& newest) {
  std::vector<MirrorMember*> readable = fleet_.InService();
  const auto laggards = std::ranges::stable_partition(
      readable, [&](const MirrorMember* member) { return member->head == newest; });
  const std::size_t voters = readable.size() - laggards.size();
  std::vector<Store*> stores;
  std::vector<Member*> rows;  // beside `stores`
  for (MirrorMember* member : readable) {
    stores.push_back(member->store.get());
    rows.push_back(&*std::ranges::find(described, member->options.id, &Member::id));
  }
  const std::vector<Status> read = MergeRows(stores, [&](RowVersions versions) {
    const Row* right = versions[GenuineVersion(versions.first(voters), nullptr)];
    for (std::size_t i = 0; i < versions.size(); ++i) {
      if (versions[i] != nullptr && versions[i]->value) ++rows[i]->entries;
      if (!SameRow(versions[i], right)) ++rows[i]->different;
    }
  });
  for (std::size_t i = 0; i < rows.size(); ++i) {
    Member& member = *rows[i];
    if (member.problem.empty() && member.different != 0) {
      member.problem =
          Cat(member.different, " entries differ from the other HSMs'; run: hsmctl cluster sync");
    }
    if (!read[i]) member.problem = read[i].error().Message();
    member.in_service = member.problem.empty();
  }
}

Result<std::vector<std::string>> MirrorEngine::Repair(const Verifier* verifier) {
  HSMCORE_TRY(const std::unique_ptr<WriterLock> lock, LockForUpdate());
  const std::lock_guard guard(mutex_);
  chosen_for_.reset();
  fleet_.Look(true);
  for (MirrorMember* member : fleet_.InService()) {
    if (const Status sound = member->store->Check(); !sound) member->trouble = sound.error();
  }
  const MirrorMember* reference = nullptr;
  for (bool reconciled = false; !reconciled;) {
    HSMCORE_TRY(reference, fleet_.BringTogether());
    reconciled = Reconcile(fleet_.InService(), verifier);
  }
  std::vector<std::string> changed;
  for (MirrorMember* member : fleet_.InService()) {
    member->suspicion.clear();
    if (member->changed) changed.push_back(member->options.id);
  }
  if (options_.generations != nullptr) HSMCORE_CHECK(options_.generations->Begin({}));
  HSMCORE_CHECK(Publish({}, reference->head, static_cast<unsigned>(fleet_.InService().size())));
  return changed;
}

}  // namespace

std::unique_ptr<Engine> NewMirrorEngine(MirrorOptions options) {
  return std::make_unique<MirrorEngine>(std::move(options));
}

// A mirror of one: it shares the lock, the checks and the repair.
std::unique_ptr<Engine> NewSqliteEngine(SqliteOptions options) {
  MirrorOptions mirror;
  mirror.cluster_id = std::move(options.cluster_id);
  mirror.lock_file = options.member.directory / "lock";
  mirror.members.push_back(std::move(options.member));
  mirror.busy_timeout = options.busy_timeout;
  return NewMirrorEngine(std::move(mirror));
}

}  // namespace hsmcore::storage
