// SPDX-License-Identifier: Apache-2.0
#ifndef HSMCORE_STORAGE_SQLITE_H_
#define HSMCORE_STORAGE_SQLITE_H_

#include <chrono>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "hsmcore/types.h"

struct sqlite3;
struct sqlite3_stmt;

// The part of SQLite that a store needs, as three small classes. SQLiteCpp would bring exceptions,
// which this code base does not use, and about ten times as much interface.
namespace hsmcore::storage {

struct SqliteVersion {
  std::string text;
  std::string needed;
  bool good = false;  // the one that runs is no older
};
SqliteVersion RunningSqlite();

// A statement that is being run; the next run of the same text waits for its end (the destructor).
class Statement {
 public:
  // To the next row; false: there is none.
  Result<bool> Next();
  // Runs a statement that gives no rows.
  Status Run();

  // Columns of the current row. What does not have the wanted type or is larger than `limit` is
  // kHomeDamaged: a file can hold anything.
  Result<std::uint64_t> Number(int column);
  Result<Bytes> Blob(int column, std::size_t limit);
  Result<std::string> BlobText(int column, std::size_t limit);
  Result<std::string> Text(int column, std::size_t limit);
  bool IsNull(int column) const;

 private:
  friend class Database;
  struct Reset {
    void operator()(sqlite3_stmt* statement) const noexcept;
  };
  explicit Statement(sqlite3_stmt* statement) : statement_(statement) {}

  // Bound bytes are not copied: they must live as long as the statement runs.
  void Bind(int index, std::uint64_t number);
  void Bind(int index, ByteView blob);
  void Bind(int index, std::string_view blob);
  void Bind(int index, const std::optional<Bytes>& blob);  // nothing: NULL
  Result<ByteView> View(int column, int type, std::size_t limit);
  std::unexpected<Error> Fail(int code) const;

  std::unique_ptr<sqlite3_stmt, Reset> statement_;
  int bind_problem_ = 0;
};

// One connection. Not for several threads at once.
class Database {
 public:
  enum class Access : std::uint8_t {
    kRead,
    kReadUnchanging,  // of a file that nobody can write meanwhile; needs no -wal and -shm beside it
    kWrite,           // write-ahead log, deleted content overwritten
  };

  // The file must be there; a symbolic link in its last place is not followed.
  static Result<Database> Open(const std::filesystem::path& file, Access access,
                               std::chrono::milliseconds patience);

  // Starts `sql`, which must be a literal: it is compiled once per connection. The arguments are
  // bound to ?1, ?2, ...
  template <class... Args>
  Result<Statement> Prepare(std::string_view sql, const Args&... args) {
    auto statement = Start(sql);
    if constexpr (sizeof...(Args) != 0) {
      int index = 0;
      if (statement) (statement->Bind(++index, args), ...);
    }
    return statement;
  }
  template <class... Args>
  Status Run(std::string_view sql, const Args&... args) {
    HSMCORE_TRY(Statement statement, Prepare(sql, args...));
    return statement.Run();
  }

  // Whether the file has been renamed, replaced or removed since it was opened.
  bool HasMoved() const;

  // Whether SQLite's own file layer is in use, and no other that a program has installed.
  static bool WritesFilesItself();

  // Makes what was committed durable; a commit alone does not. kStorageIo.
  Status Sync();

  // Closing must not write: for a connection that came over fork().
  void KeepFilesOnClose();

  // Gives the connection up without closing it.
  void Leak();

 private:
  struct Close {
    void operator()(sqlite3* connection) const noexcept;
  };
  struct Finalize {
    void operator()(sqlite3_stmt* statement) const noexcept;
  };
  Database() = default;
  Status Configure(Access access, std::chrono::milliseconds patience);
  Result<Statement> Start(std::string_view sql);

  std::unique_ptr<sqlite3, Close> connection_;
  std::map<std::string_view, std::unique_ptr<sqlite3_stmt, Finalize>> statements_;
};

// Rolled back unless committed.
class WriteTransaction {
 public:
  static Result<WriteTransaction> Begin(Database& database);
  ~WriteTransaction();
  WriteTransaction(WriteTransaction&& other) noexcept;
  WriteTransaction& operator=(WriteTransaction&&) = delete;

  Status Commit();

 private:
  explicit WriteTransaction(Database& database) : database_(&database) {}
  Database* database_;  // nullptr: over
};

}  // namespace hsmcore::storage

#endif  // HSMCORE_STORAGE_SQLITE_H_
