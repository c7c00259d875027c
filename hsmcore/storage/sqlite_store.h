// SPDX-License-Identifier: Apache-2.0
#ifndef HSMCORE_STORAGE_SQLITE_STORE_H_
#define HSMCORE_STORAGE_SQLITE_STORE_H_

#include <unistd.h>

#include <array>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "storage/contract.h"
#include "storage/engines.h"
#include "storage/sqlite.h"

namespace hsmcore::storage {

// A commit's place in the history. The greater (term, revision) is the more advanced; the random
// id tells apart commits that got the same place in two histories.
struct CommitMark {
  std::uint64_t term = 0;
  std::uint64_t revision = 0;
  std::array<std::uint8_t, 16> id{};
  friend auto operator<=>(const CommitMark&, const CommitMark&) = default;
};

// A row as stored: a live entry or the trace of a deleted one.
struct Row {
  std::string key;
  std::optional<Bytes> value;  // nothing: deleted
  std::uint64_t revision = 0;
  friend bool operator==(const Row&, const Row&) = default;
};

// What one store must take over from another. A cluster's quotas keep this within tens of MiB.
struct Delta {
  bool whole = false;  // in place of what is there, not on top of it
  std::vector<Row> rows;
  std::vector<CommitMark> commits;
  std::string service;
};

// One member's file, store.db. A connection for reading opens at the first read and one for writing
// at the first write; in a child process both are put away and opened anew. Readers need no lock;
// who writes holds the cluster's writer lock. Not for several threads at once.
class SqliteStore {
 public:
  explicit SqliteStore(SqliteOptions options);
  ~SqliteStore();
  SqliteStore(const SqliteStore&) = delete;
  SqliteStore& operator=(const SqliteStore&) = delete;

  // Looks at the file anew: a missing, replaced, foreign or newer one is found here.
  Result<CommitMark> ReadHead();

  Result<std::optional<Entry>> Get(std::string_view key);
  Result<std::vector<Entry>> List(std::string_view prefix, const ListOptions& options);
  Result<std::uint64_t> Count(std::string_view prefix);
  Result<std::vector<Change>> ChangesSince(std::uint64_t revision);
  // Which members were in service at the head.
  Result<std::string> Service();
  // The next rows after `key`, deleted ones too.
  Result<std::vector<Row>> RowsAfter(std::string_view key, std::size_t limit);
  // What a store whose head is `theirs` must take over to be like this one.
  Result<Delta> DeltaFor(const CommitMark& theirs);
  Result<Delta> WholeDelta() { return RowsSince(0, true); }
  // Reads the whole file and checks its structure.
  Status Check();

  // One commit: `next` follows on `previous`, which must be the head (else kStorageConflict).
  Status Apply(const CommitMark& previous, const CommitMark& next, std::string_view service,
               std::span<const Mutation> mutations);
  Status TakeOver(const Delta& delta);
  // Writes rows as they are, and removes keys without a trace; the head stays.
  Status Rewrite(std::span<const Row> rows, std::span<const std::string> removed);

  // Makes an empty store; kHomeExists when there is one.
  Status Make();
  // Makes an empty store in place of a missing or damaged one, which is kept as store.db.damaged.
  // A sound file of another member, cluster or schema is left alone, and is the error.
  Status MakeAnew();

  const std::filesystem::path& file() const { return file_; }

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
  Status Fill();
  Status CheckReplaceable() const;
  Result<Delta> RowsSince(std::uint64_t revision, bool whole);
  void DropInherited();

  SqliteOptions options_;
  std::filesystem::path file_;
  // In this order: the writer is closed last and then moves the log into the database.
  std::optional<Database> writer_;
  std::optional<Database> reader_;
  bool unchanging_ = false;  // the reader does not see changes
  pid_t process_;
};

}  // namespace hsmcore::storage

#endif  // HSMCORE_STORAGE_SQLITE_STORE_H_
