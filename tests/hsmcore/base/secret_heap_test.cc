// SPDX-License-Identifier: Apache-2.0
#include "base/secret_heap.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <thread>
#include <vector>

#include "hsmcore/secret_bytes.h"
#include "support/process_memory.h"

namespace hsmcore {
namespace {

using test::Mapping;

constexpr SecretAccess kTest{"test"};

Mapping MappingAt(const void* address) {
  for (const Mapping& mapping : test::MappingsOf(getpid())) {
    if (mapping.holds(address)) return mapping;
  }
  return {};
}

class SecretHeapTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (test::kAddressSanitized) GTEST_SKIP() << "AddressSanitizer's heap is used";
  }
};

// Of every class, and larger ones.
TEST_F(SecretHeapTest, IsKeptOutOfCoreFilesAndLocked) {
  for (const int bytes : {1, 32, 33, 200, 257, 4096, 4097, 100'000}) {
    const auto size = static_cast<std::size_t>(bytes);
    const SecretBytes secret(size);
    const Mapping mapping = MappingAt(secret.Read(kTest).data());
    EXPECT_TRUE(mapping.dont_dump) << size;
    // ThreadSanitizer makes mlock() a word without a meaning.
    EXPECT_TRUE(mapping.locked || SecretsMayBeSwapped() || test::kSanitized) << size;
    EXPECT_TRUE(mapping.holds(secret.Read(kTest).data() + size - 1)) << size;
  }
}

TEST_F(SecretHeapTest, IsZeroFilledAlsoWhereASecretWas) {
  for (const int bytes : {16, 48, 3000}) {
    const auto size = static_cast<std::size_t>(bytes);
    const SecretBytes keeps(size);  // so that nothing is unmapped
    for (int round = 0; round < 3; ++round) {
      SecretBytes secret(size);
      EXPECT_TRUE(std::ranges::all_of(secret.Read(kTest), [](auto byte) { return byte == 0; }));
      std::ranges::fill(secret.Write(kTest), 0xA5);
    }
  }
}

TEST_F(SecretHeapTest, WipesWhatIsFreed) {
  const SecretBytes keeps(64);
  const std::uint8_t* freed = nullptr;
  {
    SecretBytes secret(64);
    std::ranges::fill(secret.Write(kTest), 0xA5);
    freed = secret.Read(kTest).data();
  }
  EXPECT_EQ(std::count(freed, freed + 64, 0xA5), 0);
}

TEST_F(SecretHeapTest, BlocksDoNotOverlap) {
  std::vector<SecretBytes> secrets;
  for (std::size_t i = 0; i < 3000; ++i) {
    secrets.emplace_back((i * 37 % 700) + 1);
    std::ranges::fill(secrets.back().Write(kTest), static_cast<std::uint8_t>(i));
    if (i % 3 == 0) secrets[i / 2] = SecretBytes();
  }
  for (std::size_t i = 0; i < secrets.size(); ++i) {
    EXPECT_TRUE(std::ranges::all_of(secrets[i].Read(kTest), [&](std::uint8_t byte) {
      return byte == static_cast<std::uint8_t>(i);
    })) << i;
  }
}

TEST_F(SecretHeapTest, NothingIsLeftWithTheLastSecret) {
  const auto mapped = [] {
    const auto mappings = test::MappingsOf(getpid());
    return std::ranges::count_if(mappings, [](const Mapping& each) { return each.dont_dump; });
  };
  const auto before = mapped();
  {
    std::vector<SecretBytes> secrets;
    for (std::size_t i = 1; i < 5000; i += 7) secrets.emplace_back(i);
    EXPECT_GT(mapped(), before);
  }
  EXPECT_EQ(mapped(), before);
}

TEST_F(SecretHeapTest, ServesManyThreadsAndTheirChildren) {
  const SecretBytes inherited = SecretBytes::CopyOf("inherited");
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([] {
      for (std::size_t i = 0; i < 20'000; ++i) {
        SecretBytes secret((i % 300) + 1);
        std::ranges::fill(secret.Write(kTest), 0xFF);
      }
    });
  }
  for (int i = 0; i < 20; ++i) {
    const pid_t child = fork();
    if (child == 0) {
      const SecretBytes fresh = SecretBytes::CopyOf("fresh");
      const bool right =
          inherited.ReadText(kTest) == "inherited" && fresh.ReadText(kTest) == "fresh";
      // Not _exit(), where ThreadSanitizer calls the parent's threads leaks of the child.
      syscall(SYS_exit_group, right ? 0 : 1);
    }
    int status = 1;
    waitpid(child, &status, 0);
    EXPECT_EQ(status, 0);
  }
  for (std::thread& thread : threads) thread.join();
}

// A limit that is too low: it works all the same, and says so.
TEST_F(SecretHeapTest, ALowLimitIsNoted) {
  const pid_t child = fork();
  if (child == 0) {
    const rlimit none{0, 0};
    if (setrlimit(RLIMIT_MEMLOCK, &none) != 0 || SecretsMayBeSwapped()) _exit(1);
    const SecretBytes secret = SecretBytes::CopyOf("secret");
    const SecretBytes large(10'000);
    _exit(SecretsMayBeSwapped() && secret.ReadText(kTest) == "secret" ? 0 : 2);
  }
  int status = 1;
  waitpid(child, &status, 0);
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

}  // namespace
}  // namespace hsmcore
