// SPDX-License-Identifier: Apache-2.0
#include "crypto/self_test.h"

#include <gtest/gtest.h>

#include <string>

namespace hsmcore::crypto {
namespace {

TEST(SelfTest, Passes) {
  const Status passed = RunSelfTests(LibraryKind::kDefault);
  EXPECT_TRUE(passed) << passed.error().Message();
}

TEST(SelfTest, NamesWhatGivesAnotherAnswer) {
  const LibraryPtr library = Library::Acquire().value();
  EXPECT_FALSE(KnownAnswers().empty());
  for (const KnownAnswer& test : KnownAnswers()) {
    EXPECT_TRUE(Check(*library, test)) << test.name;
    std::string altered = test.expected;
    altered.back() = altered.back() == '0' ? '1' : '0';
    const Status failed = Check(*library, {test.name, test.compute, altered.c_str()});
    ASSERT_FALSE(failed) << test.name;
    EXPECT_EQ(failed.error().code(), ErrorCode::kSelfTest);
    EXPECT_NE(failed.error().detail().find(test.name), std::string::npos);
  }
}

}  // namespace
}  // namespace hsmcore::crypto
