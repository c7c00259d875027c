// SPDX-License-Identifier: Apache-2.0
#include "hsmcore/error.h"

#include <gtest/gtest.h>

#include <set>
#include <string>

namespace hsmcore {
namespace {

Result<int> Doubled(Result<int> number) {
  HSMCORE_TRY(const int value, std::move(number));
  return 2 * value;
}

Status OnlyEven(int number) {
  if (number % 2 != 0) return Fail(ErrorCode::kInvalidArgument, "odd");
  return {};
}

Status AllEven(int a, int b) {
  HSMCORE_CHECK(OnlyEven(a));
  HSMCORE_CHECK(OnlyEven(b));
  return {};
}

TEST(ErrorTest, MessageHasTextAndDetail) {
  const Error error(ErrorCode::kKeyNotFound, "label 'tls'");
  EXPECT_EQ(error.Message(), "no such key: label 'tls'");
  EXPECT_NE(std::string(error.where().file_name()).find("error_test.cc"), std::string::npos);
}

TEST(ErrorTest, EveryCodeHasATextOfItsOwn) {
  std::set<std::string> texts;
  for (const ErrorText& row : AllErrors()) {
    EXPECT_STREQ(TextOf(row.code), row.text);
    EXPECT_TRUE(texts.insert(row.text).second) << row.text;
  }
  EXPECT_STREQ(TextOf(static_cast<ErrorCode>(4095)), "unknown error");
}

TEST(ErrorTest, TryPassesValuesOnAndErrorsBack) {
  EXPECT_EQ(Doubled(21), 42);
  const auto failed = Doubled(Fail(ErrorCode::kStorageFull, "disk"));
  ASSERT_FALSE(failed.has_value());
  EXPECT_EQ(failed.error().code(), ErrorCode::kStorageFull);
}

TEST(ErrorTest, CheckStopsAtTheFirstError) {
  EXPECT_TRUE(AllEven(2, 4));
  EXPECT_FALSE(AllEven(2, 3));
  EXPECT_FALSE(AllEven(1, 2));
}

}  // namespace
}  // namespace hsmcore
