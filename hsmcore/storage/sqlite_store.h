// SPDX-License-Identifier: Apache-2.0
#ifndef HSMCORE_STORAGE_SQLITE_STORE_H_
#define HSMCORE_STORAGE_SQLITE_STORE_H_

#include <unistd.h>

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/files.h"
#include "storage/engines.h"
#include "storage/sqlite.h"
#include "storage/store.h"

namespace hsmcore::storage {

// One member's file, store.db. A connection for reading opens at the first read and one for writing
// at the first write; in a child process both are put away and opened anew. Readers need no lock;
// who writes holds the cluster's writer lock. Not for several threads at once.
class SqliteStore final : public Store {
 public:
  explicit SqliteStore(SqliteOptions options);
  ~SqliteStore() override;
  SqliteStore(const SqliteStore&) = delete;
  SqliteStore& operator=(const SqliteStore&) = delete;

  Result<CommitMark> ReadHead() override;
  Result<std::optional<Entry>> Get(std::string_view key) override;
  Result<std::vector<Entry>> List(std::string_view prefix, const ListOptions& options) override;
  Result<std::uint64_t> Count(std::string_view prefix) override;
  Result<std::vector<Change>> ChangesSince(std::uint64_t revision) override;
  Result<std::string> Service() override;
  Result<std::vector<Row>> RowsAfter(std::string_view key, std::size_t limit) override;
  Result<Delta> DeltaFor(const CommitMark& theirs) override;
  Result<Delta> WholeDelta() override { return RowsSince(0, true); }
  Status Check() override;
  Status Apply(const CommitMark& previous, const CommitMark& next, std::string_view service,
               std::span<const Mutation> mutations) override;
  Status Sync() override;
  int log() const override { return log_.get(); }
  Status TakeOver(const Delta& delta) override;
  Status Rewrite(std::span<const Row> rows, std::span<const std::string> removed) override;
  Status MakeAnew() override;

  // Makes an empty store; kHomeExists when there is one.
  Status Make();

  const std::filesystem::path& file() const override { return file_; }

 private:
  struct Identity {
    std::uint64_t schema = 0;
    std::string cluster;
    std::string member;
  };
  Result<Identity> ReadIdentity(Database& database) const;
  Status CheckIdentity(const Identity& identity) const;
  Result<Database> Open(Database::Access access) const;
  Result<Database> OpenReader();
  Result<Database> OpenReaderWithoutLog(const Error& problem);
  Result<Database*> Reader();
  Result<Database*> Writer();
  void OpenLog();
  Status Fill();
  Status CheckReplaceable() const;
  Result<Delta> RowsSince(std::uint64_t revision, bool whole);
  void DropInherited();

  SqliteOptions options_;
  std::filesystem::path file_;
  // In this order: the writer is closed last and then moves the log into the database.
  std::optional<Database> writer_;
  std::optional<Database> reader_;
  FileDescriptor log_;       // the writer's, where SQLite itself writes it
  bool unchanging_ = false;  // the reader does not see changes
  pid_t process_;
};

}  // namespace hsmcore::storage

#endif  // HSMCORE_STORAGE_SQLITE_STORE_H_
