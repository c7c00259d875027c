// SPDX-License-Identifier: Apache-2.0
#include <unistd.h>

#include <atomic>
#include <barrier>
#include <thread>

#include "provider/provider_fixture.h"

namespace provider::test {
namespace {

TEST_F(ProviderTest, EightThreadsLoadTheirFirstKeyAtOnce) {
  Key("p256");
  const Library library;
  std::atomic<int> signatures = 0;
  std::barrier start(8);
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 8; ++i) {
      threads.emplace_back([&] {
        start.arrive_and_wait();
        const Pkey key = library.Load("hsm:p256");
        if (key != nullptr && Signs(library, key.get())) ++signatures;
      });
    }
  }
  EXPECT_EQ(signatures, 8);
}

TEST_F(ProviderTest, ThreadsShareOneKey) {
  const Library library;
  const Pkey key = Held(library, "p256");
  std::atomic<int> signatures = 0;
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 8; ++i) {
      threads.emplace_back([&] {
        for (int k = 0; k < 50; ++k) signatures += Signs(library, key.get()) ? 1 : 0;
      });
    }
  }
  EXPECT_EQ(signatures, 400);
}

// A worker without environment, and without any right to the home.
TEST_F(ProviderTest, AForkedWorkerUsesLoadedKeys) {
  const Library library;
  const Pkey key = Held(library, "rsa");
  ASSERT_NE(key, nullptr) << ErrorDetails();
  EXPECT_TRUE(InChild([&] {
    clearenv();
    if (geteuid() == 0 && (setgid(65534) != 0 || setuid(65534) != 0)) return false;
    return Signs(library, key.get());
  }));
  EXPECT_TRUE(Signs(library, key.get()));
}

TEST_F(ProviderTest, AForkedWorkerLoadsKeys) {
  Key("p256");
  const Library unused;
  const Library used;
  ASSERT_NE(used.Load("hsm:p256"), nullptr);
  EXPECT_TRUE(InChild(
      [&] { return unused.Load("hsm:p256") != nullptr && used.Load("hsm:p256") != nullptr; }));
}

// A key that the parent has made is not the child's to delete.
TEST_F(ProviderTest, AForkedWorkerDeletesNoUnusedKey) {
  const Library library;
  Pkey key = library.Generate("ED25519", {"hsm-label=parents"});
  ASSERT_NE(key, nullptr) << ErrorDetails();
  EXPECT_TRUE(InChild([&] {
    key.reset();
    return true;
  }));
  EXPECT_EQ(CountKeys(), 2U);
}

TEST_F(ProviderTest, AThreadMayEndTheProcess) {
  Key("p256");
  EXPECT_EXIT(
      {
        const Library library;
        const Pkey key = library.Load("hsm:p256");
        std::jthread([&] { std::exit(Signs(library, key.get()) ? 7 : 1); }).join();
      },
      testing::ExitedWithCode(7), "");
}

}  // namespace
}  // namespace provider::test
