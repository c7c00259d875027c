// SPDX-License-Identifier: Apache-2.0
#ifndef TESTS_SUPPORT_SQLITE_EDITOR_H_
#define TESTS_SUPPORT_SQLITE_EDITOR_H_

#include <gtest/gtest.h>
#include <sqlite3.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>

#include "hsmcore/types.h"

namespace hsmcore::test {

// Somebody who edits an HSM's file with SQL.
class SqliteEditor {
 public:
  explicit SqliteEditor(const std::filesystem::path& file) {
    EXPECT_EQ(sqlite3_open(file.c_str(), &database_), SQLITE_OK);
  }
  ~SqliteEditor() { sqlite3_close(database_); }
  SqliteEditor(const SqliteEditor&) = delete;
  SqliteEditor& operator=(const SqliteEditor&) = delete;

  Bytes Get(std::string_view key) {
    Bytes value;
    sqlite3_stmt* statement = Prepare("SELECT value FROM kv WHERE CAST(key AS TEXT) = ?1", key);
    if (sqlite3_step(statement) == SQLITE_ROW) {
      const auto* data = static_cast<const std::uint8_t*>(sqlite3_column_blob(statement, 0));
      value.assign(data, data + sqlite3_column_bytes(statement, 0));
    } else {
      ADD_FAILURE() << "no entry " << key;
    }
    sqlite3_finalize(statement);
    return value;
  }

  void Put(std::string_view key, const Bytes& value) {
    sqlite3_stmt* statement = Prepare("UPDATE kv SET value = ?2 WHERE CAST(key AS TEXT) = ?1", key);
    sqlite3_bind_blob(statement, 2, value.data(), static_cast<int>(value.size()), SQLITE_TRANSIENT);
    EXPECT_EQ(sqlite3_step(statement), SQLITE_DONE) << sqlite3_errmsg(database_);
    EXPECT_EQ(sqlite3_changes(database_), 1);
    sqlite3_finalize(statement);
  }

  void Remove(std::string_view key) {
    sqlite3_stmt* statement = Prepare("DELETE FROM kv WHERE CAST(key AS TEXT) = ?1", key);
    EXPECT_EQ(sqlite3_step(statement), SQLITE_DONE) << sqlite3_errmsg(database_);
    EXPECT_EQ(sqlite3_changes(database_), 1);
    sqlite3_finalize(statement);
  }

 private:
  sqlite3_stmt* Prepare(const char* sql, std::string_view key) {
    sqlite3_stmt* statement = nullptr;
    EXPECT_EQ(sqlite3_prepare_v2(database_, sql, -1, &statement, nullptr), SQLITE_OK)
        << sqlite3_errmsg(database_);
    sqlite3_bind_text(statement, 1, key.data(), static_cast<int>(key.size()), SQLITE_TRANSIENT);
    return statement;
  }

  sqlite3* database_ = nullptr;
};

inline bool FileContains(const std::filesystem::path& file, std::string_view needle) {
  std::ifstream in(file, std::ios::binary);
  const std::string content((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
  return content.find(needle) != std::string::npos;
}

}  // namespace hsmcore::test

#endif  // TESTS_SUPPORT_SQLITE_EDITOR_H_
