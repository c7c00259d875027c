// SPDX-License-Identifier: Apache-2.0
#include "base/cbor.h"

#include <gtest/gtest.h>

#include <random>

namespace hsmcore::cbor {
namespace {

TEST(CborTest, RoundTrip) {
  const Value value = {{"text", "abc"}, {"blob", Blob(Bytes{1, 2})}, {"n", 7U}, {"s", -7}};
  const auto decoded = Decode(Encode(value), "record");
  ASSERT_TRUE(decoded.has_value());
  Reader in(*decoded, "record");
  EXPECT_EQ(in.Text("text"), "abc");
  EXPECT_EQ(in.Blob("blob"), (Bytes{1, 2}));
  EXPECT_EQ(in.Number("n"), 7U);
  EXPECT_EQ(in.Signed("s"), -7);
  EXPECT_TRUE(in.Finish());
}

TEST(CborTest, EqualValuesHaveEqualBytes) {
  EXPECT_EQ(Encode({{"a", 1}, {"b", 2}}), Encode({{"b", 2}, {"a", 1}}));
}

TEST(CborTest, TheFirstBadFieldIsNamed) {
  const auto decoded = Decode(Encode({{"text", 1U}}), "record 'x'");
  ASSERT_TRUE(decoded.has_value());
  Reader in(*decoded, "record 'x'");
  EXPECT_EQ(in.Text("text"), "");
  EXPECT_EQ(in.Number("missing"), 0U);
  const Status status = in.Finish();
  ASSERT_FALSE(status.has_value());
  EXPECT_EQ(status.error().code(), ErrorCode::kRecordDamaged);
  EXPECT_NE(status.error().detail().find("record 'x': field 'text'"), std::string::npos);
}

TEST(CborTest, RefusesWhatIsNoMap) {
  EXPECT_FALSE(Decode({}, "r").has_value());
  EXPECT_FALSE(Decode(Encode(Value::array({1, 2})), "r").has_value());
  Bytes trailing = Encode({{"a", 1}});
  trailing.push_back(0);
  EXPECT_FALSE(Decode(trailing, "r").has_value());
}

TEST(CborTest, RefusesDeepNesting) {
  EXPECT_FALSE(Decode(Bytes(1 << 20, 0x81), "r").has_value());  // a million arrays in one another
  EXPECT_FALSE(Decode(Bytes(1 << 20, 0xd8), "r").has_value());  // tags
}

TEST(CborTest, SurvivesEveryTruncationAndFlip) {
  const Bytes good = Encode({{"a", Blob(Bytes(20, 7))}, {"b", {{"c", "text"}}}});
  for (std::size_t length = 0; length < good.size(); ++length) {
    EXPECT_FALSE(Decode(ByteView(good).first(length), "r").has_value());
  }
  std::mt19937 random(1);
  for (int i = 0; i < 2000; ++i) {
    Bytes bad = good;
    bad[random() % bad.size()] ^= static_cast<std::uint8_t>(1U << (random() % 8));
    const auto decoded = Decode(bad, "r");
    EXPECT_TRUE(decoded || decoded.error().code() == ErrorCode::kRecordDamaged);
  }
}

}  // namespace
}  // namespace hsmcore::cbor
