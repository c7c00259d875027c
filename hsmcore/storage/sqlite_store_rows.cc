// SPDX-License-Identifier: Apache-2.0
// What a store reads and writes; opening and making it is in sqlite_store.cc.
#include <algorithm>
#include <limits>
#include <utility>

#include "base/text.h"
#include "storage/sqlite_store.h"

namespace hsmcore::storage {
namespace {

constexpr std::size_t kMaxServiceBytes = 16384;

// Commit marks are kept for this many commits: a member that missed no more takes over the changes
// only, one that missed more takes over everything.
constexpr std::uint64_t kKeptCommits = 4096;
constexpr std::uint64_t kPruneEvery = 1024;

constexpr std::string_view kPutRow =
    "INSERT INTO kv(key, value, revision) VALUES(?1, ?2, ?3)"
    " ON CONFLICT(key) DO UPDATE SET value=excluded.value, revision=excluded.revision";
constexpr std::string_view kDeleteRow =
    "UPDATE kv SET value=NULL, revision=?2 WHERE key=?1 AND value IS NOT NULL";
constexpr std::string_view kPutCommit =
    "INSERT OR REPLACE INTO commits(revision, term, id) VALUES(?1, ?2, ?3)";
constexpr std::string_view kSetService =
    "UPDATE meta SET service=CAST(?1 AS TEXT) WHERE service<>CAST(?1 AS TEXT)";

Result<CommitMark> MarkFrom(Statement& statement) {
  CommitMark mark;
  HSMCORE_TRY(mark.revision, statement.Number(0));
  HSMCORE_TRY(mark.term, statement.Number(1));
  HSMCORE_TRY(const Bytes id, statement.Blob(2, mark.id.size()));
  std::ranges::copy(id, mark.id.begin());
  return mark;
}

Result<CommitMark> HeadOf(Database& database) {
  HSMCORE_TRY(
      Statement newest,
      database.Prepare("SELECT revision, term, id FROM commits ORDER BY revision DESC LIMIT 1"));
  HSMCORE_TRY(const bool found, newest.Next());
  if (!found) return CommitMark{};
  return MarkFrom(newest);
}

// From the columns key, revision, value.
Result<Row> RowFrom(Statement& statement) {
  Row row;
  HSMCORE_TRY(row.key, statement.BlobText(0, kMaxKeyBytes));
  HSMCORE_TRY(row.revision, statement.Number(1));
  if (!statement.IsNull(2)) {
    HSMCORE_TRY(row.value, statement.Blob(2, kMaxValueBytes));
  }
  return row;
}

// All that is left of a statement's rows, each turned into a T by `from`.
template <class T>
Result<std::vector<T>> Collect(Statement& statement, Result<T> (*from)(Statement&)) {
  std::vector<T> all;
  for (;;) {
    HSMCORE_TRY(const bool found, statement.Next());
    if (!found) return all;
    HSMCORE_TRY(T one, from(statement));
    all.push_back(std::move(one));
  }
}

Result<Entry> KeyFrom(Statement& statement) {
  Entry entry;
  HSMCORE_TRY(entry.key, statement.BlobText(0, kMaxKeyBytes));
  HSMCORE_TRY(entry.revision, statement.Number(1));
  return entry;
}

Result<Entry> EntryFrom(Statement& statement) {
  HSMCORE_TRY(Entry entry, KeyFrom(statement));
  HSMCORE_TRY(entry.value, statement.Blob(2, kMaxValueBytes));
  return entry;
}

Result<Change> ChangeFrom(Statement& statement) {
  Change change;
  HSMCORE_TRY(change.key, statement.BlobText(0, kMaxKeyBytes));
  HSMCORE_TRY(change.revision, statement.Number(1));
  HSMCORE_TRY(const std::uint64_t deleted, statement.Number(2));
  change.deleted = deleted != 0;
  return change;
}

std::uint64_t SqlLimit(std::size_t limit) {
  return std::min<std::uint64_t>(limit, std::numeric_limits<std::int64_t>::max());
}

}  // namespace

// ---- Reading ------------------------------------------------------------------------------------

Result<CommitMark> SqliteStore::ReadHead() {
  DropInherited();
  if (reader_ && (unchanging_ || reader_->HasMoved())) reader_.reset();
  HSMCORE_TRY(Database* const database, Reader());
  Result<CommitMark> head = HeadOf(*database);
  if (!head) reader_.reset();
  return head;
}

Result<std::optional<Entry>> SqliteStore::Get(std::string_view key) {
  HSMCORE_TRY(Database* const database, Reader());
  HSMCORE_TRY(Statement statement,
              database->Prepare(
                  "SELECT key, revision, value FROM kv WHERE key=?1 AND value IS NOT NULL", key));
  HSMCORE_TRY(const bool found, statement.Next());
  if (!found) return std::nullopt;
  return EntryFrom(statement);
}

Result<std::vector<Entry>> SqliteStore::List(std::string_view prefix, const ListOptions& options) {
  HSMCORE_TRY(Database* const database, Reader());
  const KeyRange range = KeyRange::Of(prefix, options.after);
  const std::string_view sql =
      options.keys_only ? "SELECT key, revision FROM kv INDEXED BY kv_live WHERE key>=?1 AND key<?2"
                          " AND value IS NOT NULL ORDER BY key LIMIT ?3"
                        : "SELECT key, revision, value FROM kv WHERE key>=?1 AND key<?2"
                          " AND value IS NOT NULL ORDER BY key LIMIT ?3";
  HSMCORE_TRY(Statement statement,
              database->Prepare(sql, std::string_view(range.low), std::string_view(range.high),
                                SqlLimit(options.limit)));
  return Collect(statement, options.keys_only ? KeyFrom : EntryFrom);
}

Result<std::uint64_t> SqliteStore::Count(std::string_view prefix) {
  HSMCORE_TRY(Database* const database, Reader());
  const KeyRange range = KeyRange::Of(prefix, {});
  HSMCORE_TRY(Statement statement,
              database->Prepare("SELECT count(*) FROM kv INDEXED BY kv_live WHERE key>=?1"
                                " AND key<?2 AND value IS NOT NULL",
                                std::string_view(range.low), std::string_view(range.high)));
  HSMCORE_CHECK(statement.Next());
  return statement.Number(0);
}

Result<std::vector<Change>> SqliteStore::ChangesSince(std::uint64_t revision) {
  HSMCORE_TRY(Database* const database, Reader());
  HSMCORE_TRY(Statement statement,
              database->Prepare("SELECT key, revision, value IS NULL FROM kv WHERE revision>?1"
                                " ORDER BY revision, key",
                                SqlLimit(revision)));
  return Collect(statement, ChangeFrom);
}

Result<std::string> SqliteStore::Service() {
  HSMCORE_TRY(Database* const database, Reader());
  HSMCORE_TRY(Statement statement, database->Prepare("SELECT service FROM meta"));
  HSMCORE_CHECK(statement.Next());
  return statement.Text(0, kMaxServiceBytes);
}

Result<std::vector<Row>> SqliteStore::RowsAfter(std::string_view key, std::size_t limit) {
  HSMCORE_TRY(Database* const database, Reader());
  HSMCORE_TRY(
      Statement statement,
      database->Prepare("SELECT key, revision, value FROM kv WHERE key>?1 ORDER BY key LIMIT ?2",
                        key, SqlLimit(limit)));
  return Collect(statement, RowFrom);
}

Result<Delta> SqliteStore::DeltaFor(const CommitMark& theirs) {
  if (theirs.revision == 0) return RowsSince(0, false);
  HSMCORE_TRY(Database* const database, Reader());
  HSMCORE_TRY(Statement statement,
              database->Prepare("SELECT revision, term, id FROM commits WHERE revision=?1",
                                theirs.revision));
  HSMCORE_TRY(const std::vector<CommitMark> known, Collect(statement, MarkFrom));
  const bool shared = !known.empty() && known.front() == theirs;
  return RowsSince(shared ? theirs.revision : 0, !shared);
}

Result<Delta> SqliteStore::RowsSince(std::uint64_t revision, bool whole) {
  HSMCORE_TRY(Database* const database, Reader());
  Delta delta{.whole = whole, .rows = {}, .commits = {}, .service = {}};
  HSMCORE_TRY(Statement rows,
              database->Prepare("SELECT key, revision, value FROM kv WHERE revision>?1", revision));
  HSMCORE_TRY(delta.rows, Collect(rows, RowFrom));
  HSMCORE_TRY(
      Statement commits,
      database->Prepare("SELECT revision, term, id FROM commits WHERE revision>?1", revision));
  HSMCORE_TRY(delta.commits, Collect(commits, MarkFrom));
  HSMCORE_TRY(delta.service, Service());
  return delta;
}

Status SqliteStore::Check() {
  HSMCORE_TRY(Database* const database, Reader());
  HSMCORE_TRY(Statement statement, database->Prepare("PRAGMA quick_check(1)"));
  HSMCORE_CHECK(statement.Next());
  HSMCORE_TRY(const std::string verdict, statement.Text(0, 4096));
  if (verdict == "ok") return {};
  return Fail(ErrorCode::kHomeDamaged,
              Cat("'", file_.native(), "': ", verdict, "; run: hsmctl cluster sync"));
}

// ---- Writing ------------------------------------------------------------------------------------

Status SqliteStore::Apply(const CommitMark& previous, const CommitMark& next,
                          std::string_view service, std::span<const Mutation> mutations) {
  HSMCORE_TRY(Database* const database, Writer());
  HSMCORE_TRY(WriteTransaction transaction, WriteTransaction::Begin(*database));
  HSMCORE_TRY(const CommitMark head, HeadOf(*database));
  if (head != previous) {
    return Fail(ErrorCode::kStorageConflict,
                Cat("'", file_.native(), "' was changed by a program without the writer lock"));
  }
  for (const Mutation& mutation : mutations) {
    const std::string_view key = mutation.key;
    HSMCORE_CHECK(mutation.value ? database->Run(kPutRow, key, mutation.value, next.revision)
                                 : database->Run(kDeleteRow, key, next.revision));
  }
  HSMCORE_CHECK(database->Run(kPutCommit, next.revision, next.term, ByteView(next.id)));
  HSMCORE_CHECK(database->Run(kSetService, service));
  if (next.revision % kPruneEvery == 0 && next.revision > kKeptCommits) {
    HSMCORE_CHECK(
        database->Run("DELETE FROM commits WHERE revision<?1", next.revision - kKeptCommits));
  }
  return transaction.Commit();
}

Status SqliteStore::Sync() {
  HSMCORE_TRY(Database* const database, Writer());
  return database->Sync();
}

Status SqliteStore::TakeOver(const Delta& delta) {
  HSMCORE_TRY(Database* const database, Writer());
  HSMCORE_TRY(WriteTransaction transaction, WriteTransaction::Begin(*database));
  if (delta.whole) {
    HSMCORE_CHECK(database->Run("DELETE FROM kv"));
    HSMCORE_CHECK(database->Run("DELETE FROM commits"));
  }
  for (const Row& row : delta.rows) {
    HSMCORE_CHECK(database->Run(kPutRow, std::string_view(row.key), row.value, row.revision));
  }
  for (const CommitMark& mark : delta.commits) {
    HSMCORE_CHECK(database->Run(kPutCommit, mark.revision, mark.term, ByteView(mark.id)));
  }
  HSMCORE_CHECK(database->Run(kSetService, std::string_view(delta.service)));
  HSMCORE_CHECK(transaction.Commit());
  return Sync();
}

Status SqliteStore::Rewrite(std::span<const Row> rows, std::span<const std::string> removed) {
  HSMCORE_TRY(Database* const database, Writer());
  HSMCORE_TRY(WriteTransaction transaction, WriteTransaction::Begin(*database));
  for (const Row& row : rows) {
    HSMCORE_CHECK(database->Run(kPutRow, std::string_view(row.key), row.value, row.revision));
  }
  for (const std::string& key : removed) {
    HSMCORE_CHECK(database->Run("DELETE FROM kv WHERE key=?1", std::string_view(key)));
  }
  HSMCORE_CHECK(transaction.Commit());
  return Sync();
}

}  // namespace hsmcore::storage
