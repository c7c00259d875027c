// SPDX-License-Identifier: Apache-2.0
#ifndef HSMCORE_STORAGE_STORE_H_
#define HSMCORE_STORAGE_STORE_H_

#include <array>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "storage/contract.h"
#include "storage/engine.h"

namespace hsmcore::storage {

// A member's file in its directory; SQLite's and a damaged one's names begin with it.
inline constexpr std::string_view kStoreFile = "store.db";

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

// What a mirror needs of one member. Readers need no lock; who writes holds the cluster's writer
// lock. Not for several threads at once.
class Store {
 public:
  virtual ~Store() = default;

  // Looks at the file anew: a missing, replaced, foreign or newer one is found here.
  virtual Result<CommitMark> ReadHead() = 0;

  virtual Result<std::optional<Entry>> Get(std::string_view key) = 0;
  virtual Result<std::vector<Entry>> List(std::string_view prefix, const ListOptions& options) = 0;
  virtual Result<std::uint64_t> Count(std::string_view prefix) = 0;
  virtual Result<std::vector<Change>> ChangesSince(std::uint64_t revision) = 0;
  // Which members were in service at the head.
  virtual Result<std::string> Service() = 0;
  // The next rows after `key`, deleted ones too.
  virtual Result<std::vector<Row>> RowsAfter(std::string_view key, std::size_t limit) = 0;
  // What a store whose head is `theirs` must take over to be like this one.
  virtual Result<Delta> DeltaFor(const CommitMark& theirs) = 0;
  virtual Result<Delta> WholeDelta() = 0;
  // Reads the whole file and checks its structure.
  virtual Status Check() = 0;

  // One commit: `next` follows on `previous`, which must be the head (else kStorageConflict). All
  // see it at once; it is durable when Sync has returned.
  virtual Status Apply(const CommitMark& previous, const CommitMark& next, std::string_view service,
                       std::span<const Mutation> mutations) = 0;
  // kStorageIo: nobody knows what of the last commit is on the disk.
  virtual Status Sync() = 0;
  // The file whose fdatasync(2) does the same, for a SyncQueue; -1: only Sync does it.
  virtual int log() const { return -1; }
  // Durable when they return:
  virtual Status TakeOver(const Delta& delta) = 0;
  // Writes rows as they are, and removes keys without a trace; the head stays.
  virtual Status Rewrite(std::span<const Row> rows, std::span<const std::string> removed) = 0;
  // Makes an empty store in place of a missing or damaged one, which is kept as store.db.damaged.
  // A sound file of another member, cluster or schema is left alone, and is the error.
  virtual Status MakeAnew() = 0;

  virtual const std::filesystem::path& file() const = 0;
  // A call has not come back yet: the file system does not answer.
  virtual bool silent() const { return false; }
};

}  // namespace hsmcore::storage

#endif  // HSMCORE_STORAGE_STORE_H_
