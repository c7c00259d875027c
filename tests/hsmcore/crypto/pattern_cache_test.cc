// SPDX-License-Identifier: Apache-2.0
#include "crypto/pattern_cache.h"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

namespace hsmcore::crypto {
namespace {

std::unique_ptr<const Pattern> Make(int extra) {
  return std::make_unique<const Pattern>(PatternKey{.extra = extra}, nullptr,
                                         MdCtxPtr(EVP_MD_CTX_new()));
}

TEST(PatternCacheTest, FindsByEveryPartOfTheKey) {
  PatternCache cache;
  const PatternKey key{Operation::kVerify, 1, Digest::kSha256, Digest::kSha384, 5};
  EXPECT_EQ(cache.Find(key), nullptr);
  cache.Add(std::make_unique<const Pattern>(key, nullptr, nullptr));
  ASSERT_NE(cache.Find(key), nullptr);
  EXPECT_EQ(cache.Find(key)->key, key);
  EXPECT_EQ(cache.Find({Operation::kSign, 1, Digest::kSha256, Digest::kSha384, 5}), nullptr);
  EXPECT_EQ(cache.Find({Operation::kVerify, 2, Digest::kSha256, Digest::kSha384, 5}), nullptr);
  EXPECT_EQ(cache.Find({Operation::kVerify, 1, Digest::kSha384, Digest::kSha384, 5}), nullptr);
  EXPECT_EQ(cache.Find({Operation::kVerify, 1, Digest::kSha256, Digest::kSha256, 5}), nullptr);
  EXPECT_EQ(cache.Find({Operation::kVerify, 1, Digest::kSha256, Digest::kSha384, 6}), nullptr);
}

TEST(PatternCacheTest, KeepsTheFirstOfEqualsAndStopsGrowing) {
  PatternCache cache;
  cache.Add(Make(0));
  const Pattern* first = cache.Find({});
  cache.Add(Make(0));
  EXPECT_EQ(cache.Find({}), first);
  for (int i = 1; i < 1000; ++i) cache.Add(Make(i));
  EXPECT_EQ(cache.Find({}), first);
  EXPECT_NE(cache.Find({.extra = 1}), nullptr);
  EXPECT_EQ(cache.Find({.extra = 999}), nullptr);
}

TEST(PatternCacheTest, ThreadsAgreeOnOnePatternPerKey) {
  PatternCache cache;
  std::array<std::array<const Pattern*, 10>, 8> seen{};
  {
    std::vector<std::jthread> threads;
    for (auto& mine : seen) {
      threads.emplace_back([&cache, &mine] {
        for (int i = 0; i < 10; ++i) {
          cache.Add(Make(i));
          mine[static_cast<std::size_t>(i)] = cache.Find({.extra = i});
        }
      });
    }
  }
  for (const auto& mine : seen) EXPECT_EQ(mine, seen.front());
  for (const Pattern* pattern : seen.front()) EXPECT_NE(pattern, nullptr);
}

}  // namespace
}  // namespace hsmcore::crypto
