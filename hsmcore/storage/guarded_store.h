// SPDX-License-Identifier: Apache-2.0
#ifndef HSMCORE_STORAGE_GUARDED_STORE_H_
#define HSMCORE_STORAGE_GUARDED_STORE_H_

#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <memory>
#include <utility>

#include "storage/sqlite_store.h"
#include "storage/store.h"
#include "storage/watchdog.h"

namespace hsmcore::storage {

// A store on a file system that may stop answering (watchdog.h). What gets no answer for `patience`
// is kStorageIo, and everything is at once until the call that hangs has come back. Long work beats
// (sqlite.h), so that only silence counts.
class GuardedStore final : public Store {
 public:
  GuardedStore(SqliteOptions options, std::chrono::milliseconds patience);
  ~GuardedStore() override;
  GuardedStore(const GuardedStore&) = delete;
  GuardedStore& operator=(const GuardedStore&) = delete;

  Result<CommitMark> ReadHead() override;
  Result<std::optional<Entry>> Get(std::string_view key) override;
  Result<std::vector<Entry>> List(std::string_view prefix, const ListOptions& options) override;
  Result<std::uint64_t> Count(std::string_view prefix) override;
  Result<std::vector<Change>> ChangesSince(std::uint64_t revision) override;
  Result<std::string> Service() override;
  Result<std::vector<Row>> RowsAfter(std::string_view key, std::size_t limit) override;
  Result<Delta> DeltaFor(const CommitMark& theirs) override;
  Result<Delta> WholeDelta() override;
  Status Check() override;
  Status Apply(const CommitMark& previous, const CommitMark& next, std::string_view service,
               std::span<const Mutation> mutations) override;
  Status Sync() override;
  Status TakeOver(const Delta& delta) override;
  Status Rewrite(std::span<const Row> rows, std::span<const std::string> removed) override;
  Status MakeAnew() override;

  const std::filesystem::path& file() const override { return file_; }
  bool silent() const override { return watchdog_ && watchdog_->hangs(); }

 private:
  template <class Call>
  auto Run(Call call) -> decltype(call(std::declval<SqliteStore&>()));
  void EnterProcess();

  const SqliteOptions options_;
  const std::filesystem::path file_;
  const std::chrono::milliseconds patience_;
  // Shared with a call that hangs.
  std::shared_ptr<SqliteStore> store_;
  std::unique_ptr<Watchdog> watchdog_;
  pid_t process_;
};

}  // namespace hsmcore::storage

#endif  // HSMCORE_STORAGE_GUARDED_STORE_H_
