// SPDX-License-Identifier: Apache-2.0
#include "storage/sync_queue.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <string>
#include <vector>

#include "base/files.h"
#include "support/temporary_directory.h"

namespace hsmcore::storage {
namespace {

// Beyond the number from which on the kernel does it side by side.
constexpr int kRounds = 20;

class SyncQueueTest : public testing::Test {
 protected:
  SyncQueueTest() {
    for (const char* name : {"a", "b", "c"}) {
      files_.emplace_back(open((home_.path() / name).c_str(), O_RDWR | O_CREAT, 0600));
      numbers_.push_back(files_.back().get());
    }
  }

  ::hsmcore::test::TemporaryDirectory home_;
  std::vector<FileDescriptor> files_;
  std::vector<int> numbers_;
  SyncQueue queue_;
};

TEST_F(SyncQueueTest, SyncsOneNoneAndSeveralFiles) {
  EXPECT_TRUE(queue_.Sync({}).empty());
  EXPECT_EQ(queue_.Sync(std::array{numbers_[0]}), std::vector{0});
  for (int round = 0; round < kRounds; ++round) {
    EXPECT_EQ(queue_.Sync(numbers_), (std::vector{0, 0, 0}));
  }
}

TEST_F(SyncQueueTest, TellsWhichFileFailed) {
  // A pipe cannot be synced; -1 is no file.
  std::array<int, 2> pipe{};
  ASSERT_EQ(pipe2(pipe.data(), O_CLOEXEC), 0);
  const FileDescriptor reading(pipe[0]);
  const FileDescriptor writing(pipe[1]);
  for (int round = 0; round < kRounds; ++round) {
    EXPECT_EQ(queue_.Sync(std::array{numbers_[0], writing.get(), numbers_[1]}),
              (std::vector{0, EINVAL, 0}));
    EXPECT_EQ(queue_.Sync(std::array{-1, numbers_[0]}), (std::vector{EBADF, 0}));
    EXPECT_EQ(queue_.Sync(std::array{numbers_[0], -1}), (std::vector{0, EBADF}));
  }
}

TEST_F(SyncQueueTest, WorksInAChild) {
  for (int round = 0; round < kRounds; ++round) queue_.Sync(numbers_);
  const pid_t child = fork();
  if (child == 0) {
    bool right = true;
    for (int round = 0; round < kRounds; ++round) {
      right = right && queue_.Sync(numbers_) == std::vector{0, 0, 0};
    }
    _exit(right ? 0 : 1);
  }
  int status = -1;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  EXPECT_EQ(queue_.Sync(numbers_), (std::vector{0, 0, 0}));
}

}  // namespace
}  // namespace hsmcore::storage
