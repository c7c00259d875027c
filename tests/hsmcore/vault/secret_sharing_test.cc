// SPDX-License-Identifier: Apache-2.0
#include "vault/secret_sharing.h"

#include <gtest/gtest.h>

#include <set>
#include <string>

#include "vault/sealing.h"

namespace hsmcore::vault {
namespace {

constexpr SecretAccess kTest{"test"};

std::vector<SecretBytes> Some(const std::vector<SecretBytes>& shares,
                              std::initializer_list<std::size_t> which) {
  std::vector<SecretBytes> some;
  for (const std::size_t i : which) some.push_back(shares[i].Clone());
  return some;
}

bool Gives(const std::vector<SecretBytes>& shares, const SecretBytes& secret) {
  const auto joined = JoinShares(shares);
  return joined && joined->Equals(secret.Read(kTest));
}

TEST(SecretSharingTest, AnyThresholdOfThemGivesTheSecret) {
  const SecretBytes secret = RandomSecret(32);
  const auto shares = SplitSecret(secret, 3, 5);
  ASSERT_TRUE(shares.has_value());
  ASSERT_EQ(shares->size(), 5U);
  for (std::size_t a = 0; a < 5; ++a) {
    for (std::size_t b = a + 1; b < 5; ++b) {
      EXPECT_FALSE(Gives(Some(*shares, {a, b}), secret));
      for (std::size_t c = b + 1; c < 5; ++c) EXPECT_TRUE(Gives(Some(*shares, {c, a, b}), secret));
    }
    EXPECT_FALSE(Gives(Some(*shares, {a}), secret));
  }
  EXPECT_TRUE(Gives(Some(*shares, {0, 1, 2, 3, 4}), secret));
}

// With one share missing every secret is as likely: one byte shared a thousand times, and the
// shares that are there take on all values.
TEST(SecretSharingTest, FewerTellNothing) {
  const SecretBytes secret = SecretBytes::CopyOf("x");
  std::set<std::uint8_t> seen;
  for (int i = 0; i < 4000; ++i) {
    const auto shares = SplitSecret(secret, 2, 2);
    ASSERT_TRUE(shares.has_value());
    seen.insert(shares->front().Read(kTest)[1]);
  }
  EXPECT_EQ(seen.size(), 256U);
}

TEST(SecretSharingTest, TwoSplittingsDoNotMix) {
  const SecretBytes secret = RandomSecret(32);
  const auto first = SplitSecret(secret, 2, 2);
  const auto second = SplitSecret(secret, 2, 2);
  std::vector<SecretBytes> mixed;
  mixed.push_back(first->front().Clone());
  mixed.push_back(second->back().Clone());
  EXPECT_FALSE(Gives(mixed, secret));
}

TEST(SecretSharingTest, AsManyAsThereAreNumbers) {
  const SecretBytes secret = RandomSecret(32);
  const auto shares = SplitSecret(secret, 2, kMaxShares);
  ASSERT_TRUE(shares.has_value());
  EXPECT_TRUE(Gives(Some(*shares, {0, kMaxShares - 1}), secret));
  EXPECT_FALSE(SplitSecret(secret, 2, kMaxShares + 1).has_value());
  EXPECT_FALSE(SplitSecret(secret, 1, 5).has_value());
  EXPECT_FALSE(SplitSecret(secret, 6, 5).has_value());
  EXPECT_FALSE(SplitSecret(SecretBytes(), 2, 2).has_value());
}

TEST(SecretSharingTest, HostileSharesAreRefused) {
  const auto shares = SplitSecret(RandomSecret(32), 2, 3);
  EXPECT_FALSE(JoinShares({}).has_value());
  EXPECT_FALSE(JoinShares(Some(*shares, {0, 0})).has_value());  // twice the same
  auto bad = Some(*shares, {0, 1});
  bad[1].Truncate(5);
  EXPECT_FALSE(JoinShares(bad).has_value());
  bad = Some(*shares, {0, 1});
  bad[1] = SecretBytes();
  EXPECT_FALSE(JoinShares(bad).has_value());
  // The secret's own place.
  bad = Some(*shares, {0, 1});
  bad[1].Write(kTest)[0] = 0;
  EXPECT_FALSE(JoinShares(bad).has_value());
}

}  // namespace
}  // namespace hsmcore::vault
