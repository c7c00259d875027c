// SPDX-License-Identifier: Apache-2.0
#include "base/files.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>

#include "support/temporary_directory.h"

namespace hsmcore {
namespace {

namespace fs = std::filesystem;

TEST(FilesTest, WritesWholeFilesWithTheirMode) {
  const test::TemporaryDirectory directory;
  const fs::path file = directory.path() / "file";
  ASSERT_TRUE(WriteFileAtomically(file, Bytes{1, 2, 3}, 0600));
  ASSERT_TRUE(WriteFileAtomically(file, Bytes{4}, 0600));
  EXPECT_EQ(ReadFile(file, 100), Bytes{4});
  struct stat info{};
  ASSERT_EQ(stat(file.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600U);
  EXPECT_EQ(std::distance(fs::directory_iterator(directory.path()), fs::directory_iterator()), 1);
}

TEST(FilesTest, AFailedWriteLeavesTheOldFile) {
  const test::TemporaryDirectory directory;
  const fs::path file = directory.path() / "file";
  fs::create_directory(file);  // cannot be replaced by a file
  const Status status = WriteFileAtomically(file, Bytes{1}, 0600);
  EXPECT_FALSE(status.has_value());
  EXPECT_TRUE(fs::is_directory(file));
  EXPECT_EQ(std::distance(fs::directory_iterator(directory.path()), fs::directory_iterator()), 1);
}

TEST(FilesTest, ReadingRefusesWhatIsNoPlainSmallFile) {
  const test::TemporaryDirectory directory;
  const fs::path file = directory.path() / "file";
  std::ofstream(file) << "0123456789";
  EXPECT_TRUE(ReadFile(file, 10).has_value());
  EXPECT_FALSE(ReadFile(file, 9).has_value());
  EXPECT_EQ(ReadFile(directory.path() / "none", 9).error().code(), ErrorCode::kHomeNotFound);
  EXPECT_FALSE(ReadFile(directory.path(), 9).has_value());
  const fs::path fifo = directory.path() / "fifo";
  ASSERT_EQ(mkfifo(fifo.c_str(), 0600), 0);
  EXPECT_FALSE(ReadFile(fifo, 9).has_value());  // and does not hang
}

TEST(FilesTest, ErrorsNamePathAndCause) {
  const Error error = FileError("/some/place", "open", EACCES);
  EXPECT_EQ(error.code(), ErrorCode::kHomeAccess);
  EXPECT_EQ(error.detail(), "cannot open /some/place: Permission denied");
  EXPECT_EQ(FileError("/x", "write", ENOSPC).code(), ErrorCode::kStorageFull);
  EXPECT_EQ(FileError("/x", "write", EROFS).code(), ErrorCode::kStorageReadOnly);
}

}  // namespace
}  // namespace hsmcore
