// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <limits>
#include <map>
#include <mutex>
#include <thread>
#include <utility>

#include "base/text.h"
#include "storage/contract.h"
#include "storage/engines.h"

namespace hsmcore::storage {
namespace {

constexpr std::chrono::seconds kPatience{60};

class MemoryEngine final : public Engine {
 public:
  Result<std::optional<Entry>> Get(std::string_view key, const Verifier* verifier) override {
    const std::lock_guard guard(mutex_);
    const auto row = rows_.find(key);
    if (row == rows_.end() || !row->second.value) return std::nullopt;
    Entry entry = ToEntry(*row);
    if (verifier != nullptr && !(*verifier)(entry)) {
      return Fail(ErrorCode::kHomeDamaged, Cat("the entry '", key, "' is not genuine"));
    }
    return entry;
  }

  Result<std::vector<Entry>> List(std::string_view prefix, const ListOptions& options) override {
    std::vector<Entry> entries;
    const std::lock_guard guard(mutex_);
    ForEachLive(KeyRange::Of(prefix, options.after), [&](const auto& row) {
      if (entries.size() == options.limit) return false;
      entries.push_back(ToEntry(row));
      if (options.keys_only) entries.back().value.clear();
      return true;
    });
    return entries;
  }

  Result<std::uint64_t> Count(std::string_view prefix) override {
    std::uint64_t count = 0;
    const std::lock_guard guard(mutex_);
    ForEachLive(KeyRange::Of(prefix, {}), [&](const auto&) {
      ++count;
      return true;
    });
    return count;
  }

  Result<std::uint64_t> Commit(const Batch& batch) override {
    HSMCORE_CHECK(CheckBatch(batch));
    HSMCORE_TRY(const std::unique_ptr<WriterLock> lock, LockForUpdate());
    const std::lock_guard guard(mutex_);
    for (const Precondition& wanted : batch.preconditions) {
      const auto row = rows_.find(wanted.key);
      const bool live = row != rows_.end() && row->second.value;
      const std::uint64_t found = live ? row->second.revision : 0;
      if (found != wanted.revision) return Conflict(wanted, found);
    }
    ++revision_;
    for (const Mutation& mutation : batch.mutations) Apply(mutation);
    return revision_;
  }

  Result<std::uint64_t> Revision() override {
    const std::lock_guard guard(mutex_);
    return revision_;
  }

  Result<std::vector<Change>> ChangesSince(std::uint64_t revision) override {
    std::vector<Change> changes;
    const std::lock_guard guard(mutex_);
    for (const auto& [key, row] : rows_) {
      if (row.revision > revision) changes.push_back({key, row.revision, !row.value});
    }
    std::ranges::stable_sort(changes, {}, &Change::revision);
    return changes;
  }

  Result<std::vector<Member>> Members(bool) override {
    Member member;
    member.id = member.location = "memory";
    member.in_service = true;
    const std::lock_guard guard(mutex_);
    member.revision = revision_;
    ForEachLive(KeyRange::Of({}, {}), [&](const auto&) {
      ++member.entries;
      return true;
    });
    return std::vector{std::move(member)};
  }

  Result<std::vector<std::string>> Repair(const Verifier*) override {
    return std::vector<std::string>{};
  }

 protected:
  Result<std::unique_ptr<WriterLock>> Lock(LockWait wait) override {
    std::unique_lock guard(mutex_);
    if (writer_ == std::this_thread::get_id()) return std::make_unique<WriterLock>();
    const auto patience = wait == LockWait::kPatient ? kPatience : std::chrono::seconds(0);
    if (!writer_left_.wait_for(guard, patience, [&] { return writer_ == std::thread::id(); })) {
      return Fail(ErrorCode::kStorageBusy, "another thread holds the writer lock");
    }
    writer_ = std::this_thread::get_id();
    return std::make_unique<HeldLock>(*this);
  }

 private:
  struct Row {
    std::optional<Bytes> value;  // nothing: deleted
    std::uint64_t revision = 0;
  };
  using Rows = std::map<std::string, Row, std::less<>>;

  class HeldLock final : public WriterLock {
   public:
    explicit HeldLock(MemoryEngine& engine) : engine_(engine) {}
    ~HeldLock() override {
      const std::lock_guard guard(engine_.mutex_);
      engine_.writer_ = std::thread::id();
      engine_.writer_left_.notify_one();
    }
    HeldLock(const HeldLock&) = delete;
    HeldLock& operator=(const HeldLock&) = delete;

   private:
    MemoryEngine& engine_;
  };

  static Entry ToEntry(const Rows::value_type& row) {
    return {row.first, *row.second.value, row.second.revision};
  }

  // Calls `visit` until it returns false.
  template <class Visit>
  void ForEachLive(const KeyRange& range, Visit visit) const {
    const auto end = rows_.lower_bound(range.high);
    for (auto row = rows_.lower_bound(range.low); row != end; ++row) {
      if (row->second.value && !visit(*row)) return;
    }
  }

  void Apply(const Mutation& mutation) {
    if (mutation.value) {
      rows_.insert_or_assign(mutation.key, Row{mutation.value, revision_});
    } else if (const auto row = rows_.find(mutation.key); row != rows_.end() && row->second.value) {
      row->second = Row{std::nullopt, revision_};
    }
  }

  std::mutex mutex_;
  std::condition_variable writer_left_;
  std::thread::id writer_;
  Rows rows_;
  std::uint64_t revision_ = 0;
};

}  // namespace

std::unique_ptr<Engine> NewMemoryEngine() { return std::make_unique<MemoryEngine>(); }

}  // namespace hsmcore::storage
