// SPDX-License-Identifier: Apache-2.0
#include "hsmcore/secret_bytes.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <type_traits>
#include <utility>
#include <vector>

namespace hsmcore {
namespace {

constexpr SecretAccess kTest{"test"};

static_assert(!std::is_copy_constructible_v<SecretBytes>);
static_assert(!std::is_copy_assignable_v<SecretBytes>);
static_assert(std::is_nothrow_move_constructible_v<SecretBytes>);

TEST(SecretBytesTest, HoldsACopy) {
  std::vector<std::uint8_t> source = {1, 2, 3};
  const SecretBytes secret = SecretBytes::CopyOf(source);
  source.assign(3, 0);
  EXPECT_TRUE(std::ranges::equal(secret.Read(kTest), std::vector<std::uint8_t>{1, 2, 3}));
}

TEST(SecretBytesTest, MovingEmptiesTheSource) {
  SecretBytes from = SecretBytes::CopyOf("password");
  SecretBytes to = std::move(from);
  EXPECT_EQ(to.ReadText(kTest), "password");
  EXPECT_TRUE(from.empty());  // NOLINT(bugprone-use-after-move): what a move leaves is the subject
  to = SecretBytes::CopyOf("other");
  EXPECT_EQ(to.ReadText(kTest), "other");
}

TEST(SecretBytesTest, TruncateWipesTheTail) {
  SecretBytes secret = SecretBytes::CopyOf("secret-tail");
  const std::uint8_t* tail = secret.Read(kTest).data() + 6;
  secret.Truncate(6);
  EXPECT_EQ(secret.ReadText(kTest), "secret");
  EXPECT_TRUE(std::all_of(tail, tail + 5, [](std::uint8_t byte) { return byte == 0; }));
  secret.Truncate(100);
  EXPECT_EQ(secret.size(), 6U);
}

TEST(SecretBytesTest, TruncateToLastKeepsTheEndAndWipesTheRest) {
  SecretBytes secret = SecretBytes::CopyOf("head-secret");
  const std::uint8_t* rest = secret.Read(kTest).data() + 6;
  secret.TruncateToLast(6);
  EXPECT_EQ(secret.ReadText(kTest), "secret");
  EXPECT_TRUE(std::all_of(rest, rest + 5, [](std::uint8_t byte) { return byte == 0; }));
  secret.TruncateToLast(100);
  EXPECT_EQ(secret.ReadText(kTest), "secret");
}

TEST(SecretBytesTest, EqualsComparesLengthAndEveryByte) {
  const SecretBytes secret = SecretBytes::CopyOf("abcd");
  for (std::size_t i = 0; i < 4; ++i) {
    SecretBytes other = secret.Clone();
    EXPECT_TRUE(secret.Equals(other.Read(kTest)));
    other.Write(kTest)[i] ^= 1;
    EXPECT_FALSE(secret.Equals(other.Read(kTest)));
  }
  EXPECT_FALSE(secret.Equals(SecretBytes::CopyOf("abc").Read(kTest)));
  EXPECT_TRUE(SecretBytes().Equals({}));
}

}  // namespace
}  // namespace hsmcore
