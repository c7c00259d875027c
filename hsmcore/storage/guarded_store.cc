// SPDX-License-Identifier: Apache-2.0
#include "storage/guarded_store.h"

#include <sys/stat.h>

#include <optional>
#include <string>
#include <tuple>
#include <utility>

#include "base/text.h"

namespace hsmcore::storage {
namespace {

// A name that nobody has is asked for at the file system itself, not in the kernel's memory. Before
// SQLite is: what hangs inside of it may hold a lock that all its connections need.
void Knock(const std::filesystem::path& directory) {
  struct stat ignored{};
  std::ignore = stat((directory / Cat(".knock-", getpid())).c_str(), &ignored);
}

// Never to be destroyed, which is no leak by mistake.
// NOLINTBEGIN(clang-analyzer-cplusplus.NewDeleteLeaks)
void LeaveBehind(std::shared_ptr<SqliteStore> store) {
  auto kept = std::make_unique<std::shared_ptr<SqliteStore>>(std::move(store));
  std::ignore = kept.release();
}
// NOLINTEND(clang-analyzer-cplusplus.NewDeleteLeaks)

}  // namespace

GuardedStore::GuardedStore(SqliteOptions options, std::chrono::milliseconds patience)
    : options_(std::move(options)),
      file_(options_.member.directory / kStoreFile),
      patience_(patience),
      store_(std::make_shared<SqliteStore>(options_)),
      process_(getpid()) {}

// Closing the files may hang, too.
GuardedStore::~GuardedStore() {
  if (process_ != getpid()) {
    if (watchdog_) Watchdog::Abandon(std::move(watchdog_));
    return;
  }
  if (watchdog_)
    watchdog_->Run([store = std::move(store_)]() mutable { store.reset(); }, patience_);
}

// In a child the thread is gone. A store that was at rest is put away there as always
// (SqliteStore::DropInherited); one in the middle of a call that hung is left as it is.
void GuardedStore::EnterProcess() {
  if (process_ != getpid()) {
    process_ = getpid();
    const bool hung = store_.use_count() > 1;
    if (watchdog_) Watchdog::Abandon(std::move(watchdog_));
    if (hung) LeaveBehind(std::exchange(store_, nullptr));
  }
  if (!store_) store_ = std::make_shared<SqliteStore>(options_);
  if (!watchdog_) watchdog_ = std::make_unique<Watchdog>();
}

template <class Call>
auto GuardedStore::Run(Call call) -> decltype(call(std::declval<SqliteStore&>())) {
  using Answer = decltype(call(std::declval<SqliteStore&>()));
  EnterProcess();
  const auto answer = std::make_shared<std::optional<Answer>>();
  const bool done = watchdog_->Run(
      [store = store_, answer, call = std::move(call)] {
        Knock(store->file().parent_path());
        *answer = call(*store);
      },
      patience_);
  if (!done) return FailSilent(options_.member.directory);
  return *std::move(*answer);
}

Result<CommitMark> GuardedStore::ReadHead() {
  return Run([](SqliteStore& store) { return store.ReadHead(); });
}

Result<std::optional<Entry>> GuardedStore::Get(std::string_view key) {
  return Run([key = std::string(key)](SqliteStore& store) { return store.Get(key); });
}

Result<std::vector<Entry>> GuardedStore::List(std::string_view prefix, const ListOptions& options) {
  return Run([prefix = std::string(prefix), options](SqliteStore& store) {
    return store.List(prefix, options);
  });
}

Result<std::uint64_t> GuardedStore::Count(std::string_view prefix) {
  return Run([prefix = std::string(prefix)](SqliteStore& store) { return store.Count(prefix); });
}

Result<std::vector<Change>> GuardedStore::ChangesSince(std::uint64_t revision) {
  return Run([revision](SqliteStore& store) { return store.ChangesSince(revision); });
}

Result<std::string> GuardedStore::Service() {
  return Run([](SqliteStore& store) { return store.Service(); });
}

Result<std::vector<Row>> GuardedStore::RowsAfter(std::string_view key, std::size_t limit) {
  return Run(
      [key = std::string(key), limit](SqliteStore& store) { return store.RowsAfter(key, limit); });
}

Result<Delta> GuardedStore::DeltaFor(const CommitMark& theirs) {
  return Run([theirs](SqliteStore& store) { return store.DeltaFor(theirs); });
}

Result<Delta> GuardedStore::WholeDelta() {
  return Run([](SqliteStore& store) { return store.WholeDelta(); });
}

Status GuardedStore::Check() {
  return Run([](SqliteStore& store) { return store.Check(); });
}

Status GuardedStore::Apply(const CommitMark& previous, const CommitMark& next,
                           std::string_view service, std::span<const Mutation> mutations) {
  return Run([previous, next, service = std::string(service),
              mutations = std::vector(mutations.begin(), mutations.end())](SqliteStore& store) {
    return store.Apply(previous, next, service, mutations);
  });
}

Status GuardedStore::Sync() {
  return Run([](SqliteStore& store) { return store.Sync(); });
}

Status GuardedStore::TakeOver(const Delta& delta) {
  return Run([delta](SqliteStore& store) { return store.TakeOver(delta); });
}

Status GuardedStore::Rewrite(std::span<const Row> rows, std::span<const std::string> removed) {
  return Run([rows = std::vector(rows.begin(), rows.end()),
              removed = std::vector(removed.begin(), removed.end())](SqliteStore& store) {
    return store.Rewrite(rows, removed);
  });
}

Status GuardedStore::MakeAnew() {
  return Run([](SqliteStore& store) { return store.MakeAnew(); });
}

}  // namespace hsmcore::storage
