// SPDX-License-Identifier: Apache-2.0
#include "crypto/nonce_memory.h"

#include <gtest/gtest.h>

#include <cstring>

namespace hsmcore::crypto {
namespace {

Bytes Numbered(std::uint64_t number, std::size_t size = 12) {
  Bytes nonce(size);
  std::memcpy(nonce.data(), &number, std::min(size, sizeof number));
  return nonce;
}

TEST(NonceMemoryTest, RemembersTheLastOnes) {
  NonceMemory memory;
  constexpr std::uint64_t kCount = 5 * NonceMemory::kRemembered + 7;
  for (std::uint64_t i = 0; i < kCount; ++i) {
    EXPECT_FALSE(memory.Contains(Numbered(i))) << i;
    memory.Add(Numbered(i));
  }
  for (std::uint64_t i = kCount - NonceMemory::kRemembered; i < kCount; ++i) {
    EXPECT_TRUE(memory.Contains(Numbered(i))) << i;
  }
  EXPECT_FALSE(memory.Contains(Numbered(0)));
}

TEST(NonceMemoryTest, TellsLengthsApartAndTakesZeros) {
  NonceMemory memory;
  for (std::size_t size = 1; size <= 64; ++size) {
    EXPECT_FALSE(memory.Contains(Bytes(size))) << size;
    memory.Add(Bytes(size));
    EXPECT_TRUE(memory.Contains(Bytes(size))) << size;
  }
}

TEST(NonceMemoryTest, LooksAtEveryByte) {
  NonceMemory memory;
  memory.Add(Bytes(40, 7));
  for (std::size_t i = 0; i < 40; ++i) {
    Bytes other(40, 7);
    other[i] ^= 1;
    EXPECT_FALSE(memory.Contains(other)) << i;
  }
  EXPECT_TRUE(memory.Contains(Bytes(40, 7)));
}

}  // namespace
}  // namespace hsmcore::crypto
