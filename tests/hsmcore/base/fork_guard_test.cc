// SPDX-License-Identifier: Apache-2.0
#include "base/fork_guard.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <thread>

namespace hsmcore {
namespace {

// Two numbers that agree whenever nobody holds the mutex.
TEST(ForkMutexTest, NoChildIsBornInTheMiddle) {
  ForkMutex mutex;
  int first = 0;
  int second = 0;
  std::atomic<bool> stop = false;
  std::thread writer([&] {
    while (!stop) {
      const std::lock_guard lock(mutex);
      ++first;
      std::this_thread::yield();
      ++second;
    }
  });
  for (int i = 0; i < 200; ++i) {
    const pid_t child = fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      mutex.lock();  // free in the child
      _exit(first == second ? 0 : 1);
    }
    int status = 0;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    ASSERT_EQ(status, 0) << "fork " << i;
  }
  stop = true;
  writer.join();
}

TEST(ForkMutexTest, ForkWorksAfterAMutexIsGone) {
  {
    const ForkMutex gone;
  }
  ForkMutex here;
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    here.lock();
    _exit(0);
  }
  int status = 1;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  const std::lock_guard lock(here);  // and free in the parent
}

}  // namespace
}  // namespace hsmcore
