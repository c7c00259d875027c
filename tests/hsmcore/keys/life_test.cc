// SPDX-License-Identifier: Apache-2.0
#include "keys/life.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace hsmcore::keys {
namespace {

constexpr std::int64_t kNow = 1'800'000'000;

KeyInfo Version(std::uint64_t handle, std::uint64_t version, std::string owner = "app") {
  KeyInfo info;
  info.handle = {handle};
  info.owner = std::move(owner);
  info.life.version = version;
  if (version != 1) info.life.first = {0x100};
  return info;
}

std::vector<std::uint64_t> Kept(std::vector<KeyInfo> found) {
  KeepNewest(found, kNow);
  std::vector<std::uint64_t> handles;
  for (const KeyInfo& info : found) handles.push_back(info.handle.value);
  return handles;
}

TEST(LifeTest, TimesAreReadStrictly) {
  EXPECT_EQ(ParseUtc("1970-01-01T00:00:00Z"), 0);
  EXPECT_EQ(ParseUtc("2027-01-15T08:00:00Z"), kNow);
  EXPECT_EQ(ParseUtc("2027-01-15"), kNow - 8 * 3600);
  EXPECT_EQ(ParseUtc("9999-12-31T23:59:59Z"), 253402300799);
  EXPECT_EQ(UtcText(kNow), "2027-01-15T08:00:00Z");
  for (const char* text :
       {"", "2027", "2027-1-15", "2027-02-29", "2027-13-01", "2027-00-10", "1969-12-31",
        "2027-01-15T08:00:00", "2027-01-15T24:00:00Z", "2027-01-15T08:60:00Z",
        "2027-01-15T08:00:60Z", "2027-01-15 08:00:00Z", "2027-01-15T08:00:00Z ", "2027-01-15T",
        "2027-01-15T08:00:00+01:00", "-027-01-15", "99999-01-01"}) {
    EXPECT_FALSE(ParseUtc(text).has_value()) << text;
  }
}

TEST(LifeTest, TheStateFollowsTheClock) {
  KeyLife life;
  EXPECT_EQ(StateAt(life, kNow), KeyState::kActive);
  life.start = kNow;
  life.end = kNow + 10;
  EXPECT_EQ(StateAt(life, kNow - 1), KeyState::kPreActivation);
  EXPECT_EQ(StateAt(life, kNow), KeyState::kActive);
  EXPECT_EQ(StateAt(life, kNow + 9), KeyState::kActive);
  EXPECT_EQ(StateAt(life, kNow + 10), KeyState::kDeactivated);
  life.enabled = false;
  EXPECT_EQ(StateAt(life, kNow), KeyState::kDisabled);
  life.purge = kNow;
  EXPECT_EQ(StateAt(life, kNow), KeyState::kPendingDeletion);
}

TEST(LifeTest, TheFormHoldsWhatIsNotByDefault) {
  EXPECT_TRUE(EncodeLife({}).empty());
  KeyLife life;
  life.enabled = false;
  life.start = 1;
  life.end = kNow;
  life.purge = 3;
  life.use_limit = 1000;
  life.version = 7;
  life.first = {0x100};
  life.next = {0x200};
  EXPECT_EQ(DecodeLife(EncodeLife(life), "test"), life);
  for (const cbor::Value& bad : std::vector<cbor::Value>{{{"enabled", 1}},
                                                         {{"start", -1}},
                                                         {{"end", 253402300800}},
                                                         {{"purge", "x"}},
                                                         {{"use-limit", std::uint64_t{1} << 49}},
                                                         {{"version", 0}},
                                                         {{"first", 0x101}},
                                                         {{"next", std::uint64_t{1} << 63}}}) {
    EXPECT_FALSE(DecodeLife(bad, "test").has_value()) << bad.dump();
  }
}

TEST(LifeTest, DatesKeepTheirOrder) {
  KeyLife life;
  ObjectAttributes half = DefaultAttributes(KeyClass::kPrivateKey);
  ASSERT_TRUE(SetLife(life, half, Attribute::kEndDate, "2027-01-15"));
  EXPECT_EQ(SetLife(life, half, Attribute::kStartDate, "2027-01-15").error().code(),
            ErrorCode::kAttributeValue);
  EXPECT_EQ(SetLife(life, half, Attribute::kStartDate, "tomorrow").error().code(),
            ErrorCode::kAttributeValue);
  EXPECT_FALSE(life.start.has_value());
  ASSERT_TRUE(SetLife(life, half, Attribute::kStartDate, "2027-01-14"));
  ASSERT_TRUE(SetLife(life, half, Attribute::kEndDate, ""));
  EXPECT_FALSE(life.end.has_value());
  half.flags.Set(Attribute::kModifiable, false);
  EXPECT_EQ(SetLife(life, half, Attribute::kStartDate, "").error().code(),
            ErrorCode::kAttributeReadOnly);
}

TEST(LifeTest, ALimitIsANumber) {
  KeyLife life;
  const ObjectAttributes half = DefaultAttributes(KeyClass::kPrivateKey);
  ASSERT_TRUE(SetLife(life, half, Attribute::kUseLimit, "1000"));
  EXPECT_EQ(life.use_limit, 1000U);
  for (const char* value :
       {"-1", "1.5", "many", "10 ", "281474976710657", "99999999999999999999"}) {
    EXPECT_EQ(SetLife(life, half, Attribute::kUseLimit, value).error().code(),
              ErrorCode::kAttributeValue)
        << value;
  }
  ASSERT_TRUE(SetLife(life, half, Attribute::kUseLimit, ""));
  EXPECT_EQ(life.use_limit, 0U);
}

TEST(LifeTest, TheNewestActiveVersionStandsForAKey) {
  const auto v1 = Version(0x100, 1);
  auto v2 = Version(0x200, 2);
  auto v3 = Version(0x300, 3);
  EXPECT_EQ(Kept({v1, v2, v3}), std::vector<std::uint64_t>{0x300});
  v3.life.enabled = false;
  EXPECT_EQ(Kept({v1, v2, v3}), std::vector<std::uint64_t>{0x200});
  v2.life.start = kNow + 1;
  EXPECT_EQ(Kept({v1, v2, v3}), std::vector<std::uint64_t>{0x100});
  EXPECT_EQ(Kept({v2, v3}), std::vector<std::uint64_t>{0x300});  // none is active
}

TEST(LifeTest, WhatOthersCallAVersionIsNone) {
  EXPECT_EQ(Kept({Version(0x100, 1), Version(0x200, 9, "mallory")}).size(), 2U);
  EXPECT_EQ(Kept({Version(0x100, 1), Version(0x400, 1)}).size(), 2U);
}

}  // namespace
}  // namespace hsmcore::keys
