// SPDX-License-Identifier: Apache-2.0
#include "storage/sqlite_store.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>
#include <system_error>
#include <utility>

#include "base/text.h"
#include "storage/posix.h"

namespace hsmcore::storage {
namespace {

constexpr std::size_t kMaxIdBytes = 256;

// kv_live holds what listing names and counting needs, so that neither reads the values.
constexpr std::string_view kSchema[] = {
    "PRAGMA application_id=0x48534d53",  // "HSMS", for file(1)
    "CREATE TABLE meta(cluster TEXT NOT NULL, member TEXT NOT NULL, service TEXT NOT NULL) STRICT",
    "CREATE TABLE kv(key BLOB NOT NULL PRIMARY KEY, value BLOB, revision INTEGER NOT NULL) STRICT",
    "CREATE INDEX kv_live ON kv(key, revision) WHERE value IS NOT NULL",
    "CREATE INDEX kv_revision ON kv(revision)",
    ("CREATE TABLE commits(revision INTEGER PRIMARY KEY, term INTEGER NOT NULL, id BLOB NOT NULL)"
     " STRICT"),
    "PRAGMA user_version=1",
};
static_assert(kSchemaVersion == 1);
constexpr std::string_view kInsertMeta =
    "INSERT INTO meta VALUES(CAST(?1 AS TEXT), CAST(?2 AS TEXT), '')";

std::filesystem::path Beside(const std::filesystem::path& file, const char* suffix) {
  std::filesystem::path other = file;
  return other += suffix;
}

// Missing files are fine. The logs go first: a log that outlived its database would be taken for
// the log of the next database of that name.
Status SetAside(const std::filesystem::path& file) {
  constexpr std::pair<const char*, const char*> kMoves[] = {
      {"-wal", ".damaged-wal"},
      {"-shm", ".damaged-shm"},
      {"-journal", ".damaged-journal"},
      {"", ".damaged"},
  };
  for (const auto& [from, to] : kMoves) {
    const std::filesystem::path source = Beside(file, from);
    if (rename(source.c_str(), Beside(file, to).c_str()) != 0 && errno != ENOENT) {
      return FailErrno("cannot rename", source, errno);
    }
  }
  return SyncDirectory(file.parent_path());
}

Status CheckIsFile(const std::filesystem::path& file) {
  struct stat status{};
  if (lstat(file.c_str(), &status) != 0) return FailErrno("cannot open", file, errno);
  if (S_ISREG(status.st_mode)) return {};
  return Fail(ErrorCode::kHomeAccess, Cat("'", file.native(),
                                          "' is no regular file; move it away, then run: hsmctl "
                                          "cluster sync"));
}

}  // namespace

SqliteStore::SqliteStore(SqliteOptions options)
    : options_(std::move(options)),
      file_(options_.member.directory / kStoreFile),
      process_(getpid()) {}

SqliteStore::~SqliteStore() {
  // A child that never used the store has no business with its parent's connections.
  if (process_ == getpid()) return;
  if (reader_) reader_->Leak();
  if (writer_) writer_->Leak();
}

// SQLite's state of a file is shared by all connections of the process, and a child inherits it
// with locks that the child does not hold. Leaked connections would make new ones believe in them.
// These are idle, so closing them gives that state up without a write; it also leaves the parent's
// locks alone, which belong to the parent's process.
void SqliteStore::DropInherited() {
  if (process_ == getpid()) return;
  if (writer_) writer_->KeepFilesOnClose();
  reader_.reset();
  writer_.reset();
  log_ = FileDescriptor();
  process_ = getpid();
}

// ---- Opening ------------------------------------------------------------------------------------

Result<SqliteStore::Identity> SqliteStore::ReadIdentity(Database& database) const {
  Identity identity;
  HSMCORE_TRY(Statement version, database.Prepare("PRAGMA user_version"));
  HSMCORE_TRY(const bool has_version, version.Next());
  if (has_version) {
    HSMCORE_TRY(identity.schema, version.Number(0));
  }
  if (identity.schema > kSchemaVersion) return identity;  // its tables may be others
  HSMCORE_TRY(Statement meta, database.Prepare("SELECT cluster, member FROM meta"));
  HSMCORE_TRY(const bool has_meta, meta.Next());
  if (identity.schema == 0 || !has_meta) {
    return Fail(ErrorCode::kHomeDamaged,
                Cat("'", file_.native(), "' is no HSM store; run: hsmctl cluster sync"));
  }
  HSMCORE_TRY(identity.cluster, meta.Text(0, kMaxIdBytes));
  HSMCORE_TRY(identity.member, meta.Text(1, kMaxIdBytes));
  return identity;
}

Status SqliteStore::CheckIdentity(const Identity& identity) const {
  if (identity.schema > kSchemaVersion) {
    return Fail(ErrorCode::kHomeNewer, Cat("'", file_.native(), "' has schema ", identity.schema,
                                           "; this program knows up to ", kSchemaVersion,
                                           "; use the newer program that wrote it"));
  }
  if (identity.cluster == options_.cluster_id && identity.member == options_.member.id) return {};
  return Fail(ErrorCode::kHomeDamaged,
              Cat("'", file_.native(), "' is the store of ", identity.member, " of ",
                  identity.cluster, ", not of ", options_.member.id, " of ", options_.cluster_id,
                  "; move it away, then run: hsmctl cluster sync"));
}

Result<Database> SqliteStore::Open(Database::Access access) const {
  HSMCORE_CHECK(CheckIsFile(file_));
  // Links are refused in the last place only: homes below a linked directory are common.
  std::error_code problem;
  const std::filesystem::path directory =
      std::filesystem::canonical(options_.member.directory, problem);
  if (problem) return FailErrno("cannot open", options_.member.directory, problem.value());
  return Database::Open(directory / file_.filename(), access, options_.busy_timeout);
}

Result<Database> SqliteStore::OpenReader() {
  unchanging_ = false;
  Result<Database> database = Open(Database::Access::kRead);
  Result<Identity> identity =
      database ? ReadIdentity(*database) : Result<Identity>(std::unexpected(database.error()));
  if (identity) {
    HSMCORE_CHECK(CheckIdentity(*identity));
    return database;
  }
  switch (identity.error().code()) {
    case ErrorCode::kHomeAccess:
    case ErrorCode::kStorageReadOnly:
    case ErrorCode::kStorageIo:
      return OpenReaderWithoutLog(identity.error());
    default:
      return std::unexpected(std::move(identity).error());
  }
}

// Where the files of the log can be neither used nor made.
Result<Database> SqliteStore::OpenReaderWithoutLog(const Error& problem) {
  if (access(file_.c_str(), R_OK) != 0) return std::unexpected(problem);
  struct stat log{};
  if (stat(Beside(file_, "-wal").c_str(), &log) == 0 && log.st_size > 0) {
    return Fail(ErrorCode::kStorageReadOnly,
                Cat("'", file_.native(),
                    "' has changes in its log that cannot be read from a read-only place; run once "
                    "with the right to write there: hsmctl cluster sync"));
  }
  HSMCORE_TRY(Database database, Open(Database::Access::kReadUnchanging));
  HSMCORE_TRY(const Identity identity, ReadIdentity(database));
  HSMCORE_CHECK(CheckIdentity(identity));
  unchanging_ = true;
  return database;
}

Result<Database*> SqliteStore::Reader() {
  DropInherited();
  if (!reader_) {
    HSMCORE_TRY(reader_, OpenReader());
  }
  return &*reader_;
}

Result<Database*> SqliteStore::Writer() {
  DropInherited();
  if (writer_ && writer_->HasMoved()) writer_.reset();
  if (!writer_) {
    HSMCORE_TRY(Database database, Open(Database::Access::kWrite));
    HSMCORE_TRY(const Identity identity, ReadIdentity(database));
    HSMCORE_CHECK(CheckIdentity(identity));
    OpenLog();
    writer_ = std::move(database);
  }
  return &*writer_;
}

// Below another file layer than SQLite's own, that layer alone knows how to sync.
void SqliteStore::OpenLog() {
  log_ = FileDescriptor();
  if (!Database::WritesFilesItself()) return;
  const std::filesystem::path log = Beside(file_, "-wal");
  log_ = FileDescriptor(open(log.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
}

Status SqliteStore::Make() {
  {
    // Not left to SQLite for the mode. Closed before SQLite opens the file: closing it later would
    // drop SQLite's locks.
    const FileDescriptor made(
        open(file_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600));
    if (!made.valid()) return FailErrno("cannot make", file_, errno);
  }
  Status filled = Fill();
  if (!filled) {
    for (const char* suffix : {"-wal", "-shm", "-journal", ""})
      unlink(Beside(file_, suffix).c_str());
  }
  return filled;
}

Status SqliteStore::Fill() {
  HSMCORE_TRY(Database database, Open(Database::Access::kWrite));
  HSMCORE_TRY(WriteTransaction transaction, WriteTransaction::Begin(database));
  for (const std::string_view sql : kSchema) HSMCORE_CHECK(database.Run(sql));
  HSMCORE_CHECK(database.Run(kInsertMeta, std::string_view(options_.cluster_id),
                             std::string_view(options_.member.id)));
  HSMCORE_CHECK(transaction.Commit());
  HSMCORE_CHECK(database.Sync());
  return SyncDirectory(options_.member.directory);
}

Status SqliteStore::MakeAnew() {
  DropInherited();
  reader_.reset();
  writer_.reset();
  HSMCORE_CHECK(MakeDirectory(options_.member.directory));
  HSMCORE_CHECK(CheckReplaceable());
  HSMCORE_CHECK(SetAside(file_));
  return Make();
}

Status SqliteStore::CheckReplaceable() const {
  Result<Database> present = Open(Database::Access::kRead);
  const Result<Identity> identity =
      present ? ReadIdentity(*present) : Result<Identity>(std::unexpected(present.error()));
  if (identity) return CheckIdentity(*identity);
  if (identity.error().code() == ErrorCode::kHomeDamaged) return {};
  return std::unexpected(identity.error());
}

Status CreateSqliteStore(const SqliteOptions& options) {
  HSMCORE_CHECK(MakeDirectory(options.member.directory));
  return SqliteStore(options).Make();
}

}  // namespace hsmcore::storage
