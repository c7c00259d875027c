// SPDX-License-Identifier: Apache-2.0
#include "storage/sqlite.h"

#include <sqlite3.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <tuple>
#include <utility>

#include "base/text.h"
#include "storage/engine.h"
#include "storage/watchdog.h"

namespace hsmcore::storage {
namespace {

// SQLite orders its writes so that a database is whole after a crash; that a commit is durable is
// left to SqliteStore::Sync, which does it for several stores at once.
//
// The log is copied into the database after this many pages, so that a process that comes alone
// and has to read the log through spends well under a millisecond on it.
constexpr const char* kWriterSetup =
    "PRAGMA cell_size_check=ON; PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA "
    "secure_delete=ON;"
    "PRAGMA wal_autocheckpoint=250; PRAGMA journal_size_limit=0";

// STRICT tables came with 3.37, what the build asks for is later.
constexpr int kOldestSqlite = 3'040'000;
constexpr const char* kOldestSqliteText = "3.40";

ErrorCode CodeOfErrno(int number) {
  switch (number) {
    case ENOSPC:
    case EDQUOT:
      return ErrorCode::kStorageFull;
    case EROFS:
      return ErrorCode::kStorageReadOnly;
    case EACCES:
    case EPERM:
      return ErrorCode::kHomeAccess;
    default:
      return ErrorCode::kStorageIo;
  }
}

ErrorCode CodeOf(int code, int system_error) {
  switch (code & 0xff) {
    case SQLITE_FULL:
      return ErrorCode::kStorageFull;
    case SQLITE_READONLY:
      // A rollback journal: the making of the file was cut short, before it had a write-ahead log.
      return code == SQLITE_READONLY_ROLLBACK ? ErrorCode::kHomeDamaged
                                              : ErrorCode::kStorageReadOnly;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_PROTOCOL:
      return ErrorCode::kStorageBusy;
    case SQLITE_NOMEM:
      return ErrorCode::kOutOfMemory;
    case SQLITE_PERM:
    case SQLITE_AUTH:
      return ErrorCode::kHomeAccess;
    case SQLITE_CANTOPEN:
      return CodeOfErrno(system_error);
    case SQLITE_IOERR:
      if (code == SQLITE_IOERR_NOMEM) return ErrorCode::kOutOfMemory;
      // After a failed sync nobody knows what is on the disk, whatever the reason was.
      if (code == SQLITE_IOERR_FSYNC) return ErrorCode::kStorageIo;
      return CodeOfErrno(system_error);
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
    case SQLITE_ERROR:  // a table or a column is not there
    case SQLITE_SCHEMA:
    case SQLITE_CONSTRAINT:
    case SQLITE_MISMATCH:
    case SQLITE_TOOBIG:
      return ErrorCode::kHomeDamaged;
    default:
      return ErrorCode::kStorageIo;
  }
}

const char* AdviceFor(ErrorCode code) {
  switch (code) {
    case ErrorCode::kStorageFull:
      return "; free some space on its file system";
    case ErrorCode::kStorageReadOnly:
      return "; make the file, its directory and its file system writable";
    case ErrorCode::kStorageBusy:
      return "; another program holds it locked, try again when it is done";
    case ErrorCode::kHomeAccess:
      return "; check its owner and mode";
    case ErrorCode::kHomeDamaged:
      return "; run: hsmctl cluster sync";
    default:
      return "; check the disk, then run: hsmctl cluster sync";
  }
}

std::unexpected<Error> FailSqlite(sqlite3* connection, std::string_view file, int code) {
  const ErrorCode ours = CodeOf(code, sqlite3_system_errno(connection));
  return hsmcore::Fail(
      ours, Cat("'", file, "': ", sqlite3_errstr(code), " (SQLite ", code, ")", AdviceFor(ours)));
}

std::unexpected<Error> FailConnection(sqlite3* connection, int code) {
  const char* file = sqlite3_db_filename(connection, "main");
  return FailSqlite(connection, file == nullptr ? "" : file, code);
}

std::string ImmutableUri(std::string_view file) {
  std::string uri = "file:";
  for (const char c : file) {
    switch (c) {
      case '%':
        uri += "%25";
        break;
      case '?':
        uri += "%3f";
        break;
      case '#':
        uri += "%23";
        break;
      default:
        uri += c;
    }
  }
  return uri += "?immutable=1";
}

}  // namespace

SqliteVersion RunningSqlite() {
  return {.text = sqlite3_libversion(),
          .needed = kOldestSqliteText,
          .good = sqlite3_libversion_number() >= kOldestSqlite};
}

// ---- Statement ----------------------------------------------------------------------------------

void Statement::Reset::operator()(sqlite3_stmt* statement) const noexcept {
  sqlite3_reset(statement);
  sqlite3_clear_bindings(statement);
}

std::unexpected<Error> Statement::Fail(int code) const {
  return FailConnection(sqlite3_db_handle(statement_.get()), code);
}

void Statement::Bind(int index, std::uint64_t number) {
  const int code = sqlite3_bind_int64(statement_.get(), index, static_cast<sqlite3_int64>(number));
  if (code != SQLITE_OK) bind_problem_ = code;
}

void Statement::Bind(int index, ByteView blob) {
  // A null pointer would bind NULL instead of no bytes.
  const void* data = blob.empty() ? "" : static_cast<const void*>(blob.data());
  const int code = sqlite3_bind_blob64(statement_.get(), index, data, blob.size(), SQLITE_STATIC);
  if (code != SQLITE_OK) bind_problem_ = code;
}

void Statement::Bind(int index, std::string_view blob) {
  Bind(index, ByteView(reinterpret_cast<const std::uint8_t*>(blob.data()), blob.size()));
}

void Statement::Bind(int index, const std::optional<Bytes>& blob) {
  if (blob) Bind(index, ByteView(*blob));  // parameters are NULL when nothing is bound
}

Result<bool> Statement::Next() {
  if (bind_problem_ != SQLITE_OK) return Fail(bind_problem_);
  Watchdog::Beat();
  const int code = sqlite3_step(statement_.get());
  if (code == SQLITE_ROW) return true;
  if (code == SQLITE_DONE) return false;
  return Fail(code);
}

Status Statement::Run() {
  HSMCORE_TRY(const bool row, Next());
  if (row) return Fail(SQLITE_MISMATCH);
  return {};
}

bool Statement::IsNull(int column) const {
  return sqlite3_column_type(statement_.get(), column) == SQLITE_NULL;
}

Result<std::uint64_t> Statement::Number(int column) {
  const sqlite3_int64 number = sqlite3_column_int64(statement_.get(), column);
  if (sqlite3_column_type(statement_.get(), column) != SQLITE_INTEGER || number < 0) {
    return Fail(SQLITE_MISMATCH);
  }
  return static_cast<std::uint64_t>(number);
}

Result<ByteView> Statement::View(int column, int type, std::size_t limit) {
  if (sqlite3_column_type(statement_.get(), column) != type) return Fail(SQLITE_MISMATCH);
  const void* data = sqlite3_column_blob(statement_.get(), column);
  const auto size = static_cast<std::size_t>(sqlite3_column_bytes(statement_.get(), column));
  if (size > limit) return Fail(SQLITE_TOOBIG);
  if (data == nullptr && size != 0) return Fail(SQLITE_NOMEM);
  return ByteView(static_cast<const std::uint8_t*>(data), size);
}

Result<Bytes> Statement::Blob(int column, std::size_t limit) {
  HSMCORE_TRY(const ByteView view, View(column, SQLITE_BLOB, limit));
  return Bytes(view.begin(), view.end());
}

Result<std::string> Statement::BlobText(int column, std::size_t limit) {
  HSMCORE_TRY(const ByteView view, View(column, SQLITE_BLOB, limit));
  return std::string(view.begin(), view.end());
}

Result<std::string> Statement::Text(int column, std::size_t limit) {
  HSMCORE_TRY(const ByteView view, View(column, SQLITE_TEXT, limit));
  return std::string(view.begin(), view.end());
}

// ---- Database -----------------------------------------------------------------------------------

void Database::Close::operator()(sqlite3* connection) const noexcept { sqlite3_close(connection); }

void Database::Finalize::operator()(sqlite3_stmt* statement) const noexcept {
  sqlite3_finalize(statement);
}

Result<Database> Database::Open(const std::filesystem::path& file, Access access,
                                std::chrono::milliseconds patience) {
  const bool unchanging = access == Access::kReadUnchanging;
  const std::string name = unchanging ? ImmutableUri(file.native()) : file.native();
  const int flags = (access == Access::kWrite ? SQLITE_OPEN_READWRITE : SQLITE_OPEN_READONLY) |
                    (unchanging ? SQLITE_OPEN_URI : 0) | SQLITE_OPEN_NOMUTEX |
                    SQLITE_OPEN_NOFOLLOW | SQLITE_OPEN_EXRESCODE;
  sqlite3* connection = nullptr;
  const int code = sqlite3_open_v2(name.c_str(), &connection, flags, nullptr);
  Database database;
  database.connection_.reset(connection);  // a failed open leaves one too, to be asked and closed
  if (code != SQLITE_OK) return FailSqlite(connection, file.native(), code);
  HSMCORE_CHECK(database.Configure(access, patience));
  return database;
}

Status Database::Configure(Access access, std::chrono::milliseconds patience) {
  sqlite3* connection = connection_.get();
  // What a doctored file could try: triggers, views, functions in the schema, huge values.
  constexpr std::pair<int, int> kOptions[] = {
      {SQLITE_DBCONFIG_DEFENSIVE, 1},      {SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0},
      {SQLITE_DBCONFIG_ENABLE_TRIGGER, 0}, {SQLITE_DBCONFIG_ENABLE_VIEW, 0},
      {SQLITE_DBCONFIG_ENABLE_FKEY, 0},
  };
  for (const auto& [option, value] : kOptions) {
    sqlite3_db_config(connection, option, value, nullptr);
  }
  sqlite3_limit(connection, SQLITE_LIMIT_LENGTH, static_cast<int>(2 * kMaxValueBytes));
  sqlite3_busy_timeout(connection,
                       static_cast<int>(std::min<std::int64_t>(patience.count(), INT_MAX)));
  if (Watchdog::Watched()) {
    constexpr int kInstructions = 1000;
    const auto beat = [](void*) {
      Watchdog::Beat();
      return 0;
    };
    sqlite3_progress_handler(connection, kInstructions, beat, nullptr);
  }
  const char* setup = "PRAGMA cell_size_check=ON";
  if (access == Access::kWrite) {
    // The log stays beside the database, empty, so that readers never have to make it.
    int keep = 1;
    sqlite3_file_control(connection, "main", SQLITE_FCNTL_PERSIST_WAL, &keep);
    setup = kWriterSetup;
  } else {
    KeepFilesOnClose();
  }
  const int code = sqlite3_exec(connection, setup, nullptr, nullptr, nullptr);
  if (code != SQLITE_OK) return FailConnection(connection, code);
  return {};
}

bool Database::WritesFilesItself() {
  const sqlite3_vfs* const layer = sqlite3_vfs_find(nullptr);
  return layer != nullptr && std::string_view(layer->zName) == "unix";
}

Status Database::Sync() {
  sqlite3* const connection = connection_.get();
  sqlite3_file* log = nullptr;
  int code = sqlite3_file_control(connection, "main", SQLITE_FCNTL_JOURNAL_POINTER,
                                  static_cast<void*>(&log));
  if (code == SQLITE_OK && log != nullptr && log->pMethods != nullptr) {
    code = log->pMethods->xSync(log, SQLITE_SYNC_NORMAL | SQLITE_SYNC_DATAONLY);
  }
  if (code == SQLITE_OK) return {};
  return FailConnection(connection, SQLITE_IOERR_FSYNC);
}

void Database::KeepFilesOnClose() {
  sqlite3_db_config(connection_.get(), SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, nullptr);
}

void Database::Leak() {
  for (auto& [sql, statement] : statements_) std::ignore = statement.release();
  std::ignore = connection_.release();
}

bool Database::HasMoved() const {
  int moved = 0;
  sqlite3_file_control(connection_.get(), "main", SQLITE_FCNTL_HAS_MOVED, &moved);
  return moved != 0;
}

Result<Statement> Database::Start(std::string_view sql) {
  auto& compiled = statements_[sql];
  if (!compiled) {
    sqlite3_stmt* statement = nullptr;
    const int code = sqlite3_prepare_v3(connection_.get(), sql.data(), static_cast<int>(sql.size()),
                                        SQLITE_PREPARE_PERSISTENT, &statement, nullptr);
    if (code != SQLITE_OK) return FailConnection(connection_.get(), code);
    compiled.reset(statement);
  }
  return Statement(compiled.get());
}

// ---- WriteTransaction ---------------------------------------------------------------------------

Result<WriteTransaction> WriteTransaction::Begin(Database& database) {
  HSMCORE_CHECK(database.Run("BEGIN IMMEDIATE"));
  return WriteTransaction(database);
}

WriteTransaction::WriteTransaction(WriteTransaction&& other) noexcept
    : database_(std::exchange(other.database_, nullptr)) {}

WriteTransaction::~WriteTransaction() {
  // After some errors SQLite has rolled back by itself, and says so here.
  if (database_ != nullptr) std::ignore = database_->Run("ROLLBACK");
}

Status WriteTransaction::Commit() {
  HSMCORE_CHECK(database_->Run("COMMIT"));
  database_ = nullptr;
  return {};
}

}  // namespace hsmcore::storage
