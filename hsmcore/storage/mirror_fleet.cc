// SPDX-License-Identifier: Apache-2.0
#include "storage/mirror_fleet.h"

#include <algorithm>
#include <chrono>
#include <ctime>
#include <tuple>
#include <utility>

#include "base/text.h"
#include "storage/guarded_store.h"
#include "storage/row_merge.h"
#include "storage/sqlite_store.h"
#include "storage/watchdog.h"

namespace hsmcore::storage {
namespace {

// How long one member's file may keep all others waiting.
constexpr std::chrono::milliseconds kMemberPatience{5000};

// A member that does not answer is asked again by one writer after so many seconds, and keeps him
// waiting for as long as it may be silent.
constexpr std::uint64_t kSilencePause = 30;

// Seconds since the machine was started; never 0.
std::uint64_t Now() {
  timespec now{};
  std::ignore = clock_gettime(CLOCK_BOOTTIME, &now);
  return static_cast<std::uint64_t>(now.tv_sec) + 1;
}

std::unique_ptr<Store> NewStore(const MirrorOptions& options, const MemberOptions& member,
                                const Mounts& mounts) {
  SqliteOptions file{options.cluster_id, member, std::min(options.busy_timeout, kMemberPatience)};
  if (!options.watch_all && !mounts.MayHang(member.directory)) {
    return std::make_unique<SqliteStore>(std::move(file));
  }
  return std::make_unique<GuardedStore>(std::move(file), options.silence_patience);
}

// What a member must change for its contents to be right.
struct Correction {
  std::vector<Row> rows;
  std::vector<std::string> removed;
};

void NoteDifferences(RowVersions versions, const Verifier* verifier,
                     std::span<Correction> corrections) {
  const auto differs = [&](const Row* row) { return !SameRow(row, versions.front()); };
  if (std::ranges::none_of(versions, differs)) return;
  const Row* right = versions[GenuineVersion(versions, verifier)];
  for (std::size_t i = 0; i < versions.size(); ++i) {
    if (SameRow(versions[i], right)) continue;
    if (right != nullptr) {
      corrections[i].rows.push_back(*right);
    } else {
      corrections[i].removed.push_back(versions[i]->key);
    }
  }
}

bool Correct(MirrorMember& member, const Correction& correction) {
  if (correction.rows.empty() && correction.removed.empty()) return true;
  const Status rewritten = member.store->Rewrite(correction.rows, correction.removed);
  if (!rewritten) member.trouble = rewritten.error();
  member.changed = rewritten.has_value();
  return rewritten.has_value();
}

}  // namespace

MirrorFleet::MirrorFleet(const MirrorOptions& options) : generations_(options.generations) {
  const Mounts mounts;
  for (const MemberOptions& member : options.members) {
    members_.push_back(std::make_unique<MirrorMember>(member, NewStore(options, member, mounts)));
    if (generations_ != nullptr) members_.back()->load_place = generations_->LoadPlace(member.id);
  }
}

void MirrorFleet::Note(const MirrorMember& member, bool failed) {
  if (!member.load_place) return;
  generations_->NoteOperation(*member.load_place, failed);
  if (failed && member.store->silent()) generations_->NoteSilence(*member.load_place, Now());
  if (!failed) generations_->NoteSilence(*member.load_place, 0);
}

// Found by some process, so that not every one of them waits for it.
bool MirrorFleet::IsSilent(const MirrorMember& member) const {
  return member.load_place && generations_->SilentSince(*member.load_place) != 0;
}

GenerationMap::Load MirrorFleet::LoadOf(const MirrorMember& member) const {
  return member.load_place ? generations_->ReadLoad(*member.load_place) : GenerationMap::Load();
}

void MirrorFleet::LookAt(MirrorMember& member, bool though_silent) {
  member.trouble.reset();
  const bool silent = IsSilent(member);
  if (silent && !though_silent) {
    const std::uint64_t since = generations_->SilentSince(*member.load_place);
    const std::uint64_t now = Now();
    if (now >= since && now - since < kSilencePause) {
      member.trouble = FailSilent(member.options.directory).error();
      return;
    }
  }
  const Result<CommitMark> head = member.store->ReadHead();
  if (head) {
    member.head = *head;
  } else {
    member.trouble = head.error();
  }
  if (member.load_place && (silent || member.store->silent())) {
    generations_->NoteSilence(*member.load_place, member.store->silent() ? Now() : 0);
  }
}

void MirrorFleet::Look(bool all) {
  for (const auto& member : members_) {
    LookAt(*member, all);
    member->changed = false;
  }
}

std::vector<MirrorMember*> MirrorFleet::InService() const {
  std::vector<MirrorMember*> in_service;
  for (const auto& member : members_) {
    if (!member->trouble) in_service.push_back(member.get());
  }
  return in_service;
}

std::string MirrorFleet::ServiceList() const {
  std::string list;
  for (const MirrorMember* member : InService()) list.append(member->options.id).append(" ");
  return list;
}

bool MirrorFleet::AllAlike() const {
  return std::ranges::all_of(members_, [&](const auto& member) {
    return !member->trouble && member->head == members_.front()->head;
  });
}

std::ptrdiff_t MirrorFleet::Holders(const CommitMark& head) const {
  return std::ranges::count_if(
      members_, [&](const auto& member) { return !member->trouble && member->head == head; });
}

MirrorMember* MirrorFleet::Newest() const {
  const std::vector<MirrorMember*> in_service = InService();
  const auto newest = std::ranges::max_element(in_service, {}, [&](const MirrorMember* member) {
    const CommitMark& head = member->head;
    return std::tuple(head.term, head.revision, Holders(head), head.id);
  });
  return newest == in_service.end() ? nullptr : *newest;
}

// With one reason for all, that reason; it tells a newer or an unreadable home from a lost one.
Result<MirrorMember*> MirrorFleet::RequireNewest() const {
  if (MirrorMember* newest = Newest()) return newest;
  if (members_.empty()) {
    return Fail(ErrorCode::kNoHsmInService,
                "the cluster has no HSM; 'hsmctl hsm create' brings its newest backup back into a "
                "new one");
  }
  const Error& first = *members_.front()->trouble;
  ErrorCode code = first.code();
  std::string details;
  for (const auto& member : members_) {
    if (member->trouble->code() != code) code = ErrorCode::kNoHsmInService;
    details +=
        Cat(details.empty() ? "" : "; ", member->options.id, ": ", member->trouble->detail());
  }
  return Fail(code, members_.size() == 1 ? first.detail() : details);
}

MirrorMember* MirrorFleet::FindAt(std::uint64_t term, std::uint64_t revision) {
  struct Candidate {
    MirrorMember* member;
    bool suspect;
    std::uint64_t operations;
  };
  std::vector<Candidate> order;
  order.reserve(members_.size());
  for (const auto& member : members_) {
    order.push_back({member.get(), !member->suspicion.empty(), LoadOf(*member).operations});
  }
  std::ranges::stable_sort(order, {}, [](const Candidate& candidate) {
    return std::pair(candidate.suspect, candidate.operations);
  });
  for (const auto& [member, suspect, operations] : order) {
    // Whoever writes finds out whether it is back.
    if (IsSilent(*member)) continue;
    LookAt(*member, false);
    if (member->trouble) Note(*member, true);
    if (!member->trouble && member->head.term == term && member->head.revision == revision) {
      return member;
    }
  }
  return nullptr;
}

Result<MirrorMember*> MirrorFleet::BringTogether() {
  // Each round that fails takes its reference out of service, so there are at most as many rounds
  // as members.
  for (;;) {
    HSMCORE_TRY(MirrorMember* const reference, RequireNewest());
    if (BringAllTo(*reference)) return reference;
  }
}

bool MirrorFleet::BringAllTo(MirrorMember& reference) {
  return std::ranges::all_of(members_, [&](const auto& member) {
    return Bring(*member, reference) || !reference.trouble;
  });
}

// False: the member is out of service; or the reference, when it was that which could not be read.
bool MirrorFleet::Bring(MirrorMember& member, MirrorMember& reference) {
  if (!member.trouble && member.head == reference.head) return true;
  if (member.trouble && member.trouble->code() != ErrorCode::kHomeDamaged) return false;

  Result<Delta> delta =
      member.trouble ? reference.store->WholeDelta() : reference.store->DeltaFor(member.head);
  if (!delta) {
    reference.trouble = delta.error();
    return false;
  }
  Status taken =
      member.trouble ? Status(std::unexpected(*member.trouble)) : member.store->TakeOver(*delta);
  if (!taken && taken.error().code() == ErrorCode::kHomeDamaged) {
    if (!delta->whole) delta = reference.store->WholeDelta();
    if (!delta) {
      reference.trouble = delta.error();
      return false;
    }
    taken = member.store->MakeAnew();
    if (taken) taken = member.store->TakeOver(*delta);
  }
  if (!taken) {
    member.trouble = taken.error();
    return false;
  }
  member.trouble.reset();
  member.suspicion.clear();
  member.head = reference.head;
  member.changed = true;
  return true;
}

bool Reconcile(std::span<MirrorMember* const> members, const Verifier* verifier) {
  std::vector<Store*> stores;
  stores.reserve(members.size());
  for (MirrorMember* member : members) stores.push_back(member->store.get());
  std::vector<Correction> corrections(members.size());
  const std::vector<Status> read = MergeRows(
      stores, [&](RowVersions versions) { NoteDifferences(versions, verifier, corrections); });
  bool all_read = true;
  for (std::size_t i = 0; i < members.size(); ++i) {
    if (read[i]) continue;
    members[i]->trouble = read[i].error();
    all_read = false;
  }
  // A vote that an unreadable member could not take part in to the end does not count.
  if (!all_read) return false;
  bool all_right = true;
  for (std::size_t i = 0; i < members.size(); ++i) {
    all_right = Correct(*members[i], corrections[i]) && all_right;
  }
  return all_right;
}

}  // namespace hsmcore::storage
