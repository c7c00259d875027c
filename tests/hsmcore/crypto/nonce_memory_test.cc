// SPDX-License-Identifier: Apache-2.0
#include "crypto/nonce_memory.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <random>
#include <string>
#include <vector>

namespace hsmcore::crypto {
namespace {

// No two of them follow each other.
Bytes Numbered(std::uint64_t number) {
  Bytes nonce(12);
  const std::uint64_t spread = number * 0x10001;
  std::memcpy(nonce.data(), &spread, sizeof spread);
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

// Counters at either end, as TLS and IPsec have them, and none.
TEST(NonceMemoryTest, RemembersWhateverChanges) {
  constexpr std::size_t kCount = 3 * NonceMemory::kRemembered;
  for (std::size_t changing = 0; changing + 2 <= 12; ++changing) {
    NonceMemory memory;
    const auto nonce = [&](std::size_t i) {
      Bytes bytes(12, 0xa5);
      bytes[changing] ^= static_cast<std::uint8_t>(i >> 8);
      bytes[changing + 1] ^= static_cast<std::uint8_t>(i);
      return bytes;
    };
    for (std::size_t i = 0; i < kCount; ++i) {
      ASSERT_FALSE(memory.Contains(nonce(i))) << changing << " " << i;
      memory.Add(nonce(i));
      ASSERT_TRUE(memory.Contains(nonce(i))) << changing << " " << i;
      ASSERT_TRUE(memory.Contains(nonce(i - std::min(i, NonceMemory::kRemembered - 1))));
    }
  }
}

// A counter of 8 bytes at one end of 12, low or high byte first.
Bytes Counting(std::uint64_t number, bool counter_first) {
  Bytes nonce(12, 0x5c);
  for (std::size_t i = 0; i < 8; ++i) {
    nonce[counter_first ? i : 11 - i] = static_cast<std::uint8_t>(number >> (8 * i));
  }
  return nonce;
}

TEST(NonceMemoryTest, RemembersCounters) {
  constexpr std::uint64_t kCount = 3 * NonceMemory::kRemembered;
  for (const bool counter_first : {false, true}) {
    for (const std::uint64_t from :
         {std::uint64_t{0}, std::uint64_t{0xfffffff0}, ~std::uint64_t{0} - (kCount / 2)}) {
      NonceMemory memory;
      for (std::uint64_t i = 0; i < kCount; ++i) {
        ASSERT_FALSE(memory.Contains(Counting(from + i, counter_first))) << from << " " << i;
        memory.Add(Counting(from + i, counter_first));
      }
      const Bytes stranger(12, 0x77);
      EXPECT_FALSE(memory.Contains(stranger));
      memory.Add(stranger);  // ends the counting
      for (std::uint64_t i = kCount - NonceMemory::kRemembered + 1; i < kCount; ++i) {
        ASSERT_TRUE(memory.Contains(Counting(from + i, counter_first))) << from << " " << i;
      }
      EXPECT_FALSE(memory.Contains(Counting(from + kCount, counter_first)));
      EXPECT_TRUE(memory.Contains(stranger));
    }
  }
}

// Against a list, for any mixture of counters, steps, jumps and lengths.
TEST(NonceMemoryTest, KnowsExactlyWhatItWasGiven) {
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  for (int round = 0; round < 50; ++round) {
    NonceMemory memory;
    std::vector<Bytes> given;
    std::uint64_t number = random() % 4;
    bool counter_first = true;
    for (std::size_t i = 0; i < NonceMemory::kRemembered; ++i) {
      const unsigned what = random() % 16;
      if (what == 0) number = random();
      if (what == 1) number += random() % 3;
      if (what == 2) counter_first = !counter_first;
      Bytes nonce = Counting(++number, counter_first);
      if (what == 3) nonce.resize(1 + (random() % 20), 0x11);
      const bool there = std::ranges::find(given, nonce) != given.end();
      ASSERT_EQ(memory.Contains(nonce), there) << round << " " << i;
      if (there) continue;
      memory.Add(nonce);
      given.push_back(std::move(nonce));
    }
    for (const Bytes& nonce : given) ASSERT_TRUE(memory.Contains(nonce)) << round;
  }
}

TEST(NonceMemoryTest, ACopyGoesOnByItself) {
  NonceMemory memory;
  for (std::uint64_t i = 0; i < 100; ++i) memory.Add(Numbered(i));
  NonceMemory copy = memory;
  copy.Add(Numbered(100));
  memory.Add(Numbered(101));
  EXPECT_TRUE(copy.Contains(Numbered(99)) && copy.Contains(Numbered(100)));
  EXPECT_FALSE(copy.Contains(Numbered(101)));
  EXPECT_TRUE(memory.Contains(Numbered(0)) && memory.Contains(Numbered(101)));
  EXPECT_FALSE(memory.Contains(Numbered(100)));
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
