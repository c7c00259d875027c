// SPDX-License-Identifier: Apache-2.0
#include "storage/posix.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <chrono>
#include <fstream>

#include "support/temporary_directory.h"

namespace hsmcore::storage {
namespace {

using std::chrono::milliseconds;

TEST(FileLockTest, AFileThatIsOnlyReadLocksAsWell) {
  const test::TemporaryDirectory directory;
  const auto file = directory.path() / "file";
  std::ofstream(file) << "content";
  chmod(file.c_str(), S_IRUSR);
  {
    const auto lock = FileLock::AcquireReading(file, milliseconds(10), "somebody is at it");
    ASSERT_TRUE(lock.has_value()) << lock.error().Message();
    const auto second = FileLock::AcquireReading(file, milliseconds(10), "somebody is at it");
    ASSERT_FALSE(second.has_value());
    EXPECT_EQ(second.error().code(), ErrorCode::kStorageBusy);
    EXPECT_EQ(second.error().detail(), "somebody is at it");
  }
  EXPECT_TRUE(FileLock::AcquireReading(file, milliseconds(10), "").has_value());
}

TEST(FileLockTest, AFileThatIsNotThereIsNotMade) {
  const test::TemporaryDirectory directory;
  const auto file = directory.path() / "file";
  EXPECT_FALSE(FileLock::AcquireReading(file, milliseconds(10), "").has_value());
  EXPECT_FALSE(std::filesystem::exists(file));
  EXPECT_TRUE(FileLock::Acquire(file, milliseconds(10)).has_value());
}

}  // namespace
}  // namespace hsmcore::storage
