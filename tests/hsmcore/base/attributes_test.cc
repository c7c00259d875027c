// SPDX-License-Identifier: Apache-2.0
#include "hsmcore/attributes.h"

#include <gtest/gtest.h>

#include <string>

#include "base/values.h"

namespace hsmcore {
namespace {

// CloudHSM's defaults for a pair: the attribute table of its CLI.
TEST(AttributesTest, DefaultsAreCloudHsms) {
  const AttributeFlags priv = DefaultAttributes(KeyClass::kPrivateKey).flags;
  const AttributeFlags pub = DefaultAttributes(KeyClass::kPublicKey).flags;
  const AttributeFlags secret = DefaultAttributes(KeyClass::kSecretKey).flags;
  for (const Attribute on :
       {Attribute::kToken, Attribute::kPrivate, Attribute::kSensitive, Attribute::kExtractable,
        Attribute::kModifiable, Attribute::kDestroyable}) {
    EXPECT_TRUE(priv.Has(on)) << RowOf(on).name;
  }
  for (const Attribute off :
       {Attribute::kSign, Attribute::kVerify, Attribute::kEncrypt, Attribute::kDecrypt,
        Attribute::kWrap, Attribute::kUnwrap, Attribute::kDerive, Attribute::kTrusted,
        Attribute::kWrapWithTrusted, Attribute::kNeverExtractable}) {
    EXPECT_FALSE(priv.Has(off)) << RowOf(off).name;
    EXPECT_FALSE(pub.Has(off)) << RowOf(off).name;
  }
  EXPECT_FALSE(pub.Has(Attribute::kSensitive));
  EXPECT_TRUE(secret.Has(Attribute::kSign));
  EXPECT_TRUE(secret.Has(Attribute::kVerify));
}

TEST(AttributesTest, AreFoundByName) {
  for (const AttributeRow& row : AllAttributes()) {
    EXPECT_EQ(AttributeByName(row.name), row.attribute);
  }
  EXPECT_FALSE(AttributeByName("CKA_SIGN").has_value());
}

TEST(AttributesTest, AreGivenAtCreationByTheTable) {
  ObjectAttributes attributes = DefaultAttributes(KeyClass::kPrivateKey);
  EXPECT_TRUE(ApplyAtCreation(attributes, KeyClass::kPrivateKey, "sign", "yes"));
  EXPECT_TRUE(attributes.flags.Has(Attribute::kSign));
  EXPECT_TRUE(ApplyAtCreation(attributes, KeyClass::kPrivateKey, "id", "0a0B"));
  EXPECT_EQ(attributes.id, (Bytes{0x0a, 0x0b}));
  EXPECT_TRUE(ApplyAtCreation(attributes, KeyClass::kPrivateKey, "label", "Schlüssel"));

  const auto code = [&](KeyClass klass, const char* name, const char* value) {
    const Status status = ApplyAtCreation(attributes, klass, name, value);
    return status ? ErrorCode::kInternal : status.error().code();
  };
  EXPECT_EQ(code(KeyClass::kPrivateKey, "signs", "true"), ErrorCode::kAttributeUnknown);
  EXPECT_EQ(code(KeyClass::kPrivateKey, "sign", "maybe"), ErrorCode::kAttributeValue);
  EXPECT_EQ(code(KeyClass::kPrivateKey, "wrap", "true"), ErrorCode::kAttributeReadOnly);
  EXPECT_EQ(code(KeyClass::kPublicKey, "unwrap", "true"), ErrorCode::kAttributeReadOnly);
  EXPECT_EQ(code(KeyClass::kPublicKey, "sensitive", "true"), ErrorCode::kAttributeReadOnly);
  EXPECT_EQ(code(KeyClass::kPrivateKey, "local", "true"), ErrorCode::kAttributeReadOnly);
  EXPECT_EQ(code(KeyClass::kPrivateKey, "trusted", "true"), ErrorCode::kAttributeReadOnly);
  EXPECT_EQ(code(KeyClass::kPrivateKey, "id", "abc"), ErrorCode::kAttributeValue);
}

TEST(AttributesTest, NamesHaveLimits) {
  const auto accepted = [](std::string label) {
    return CheckNames({.label = std::move(label), .id = {}, .flags = {}}).has_value();
  };
  EXPECT_TRUE(accepted(std::string(127, 'x')));
  EXPECT_FALSE(accepted(std::string(128, 'x')));
  EXPECT_TRUE(accepted("\xf0\x9f\x94\x91"));
  for (const char* bad : {"a\nb", "\x7f", "\xc3", "\xc0\xaf", "\xff", "\xe2\x82"}) {
    EXPECT_FALSE(accepted(bad)) << bad;
  }
  EXPECT_TRUE(CheckNames({.label = {}, .id = Bytes(128), .flags = {}}));
  EXPECT_FALSE(CheckNames({.label = {}, .id = Bytes(129), .flags = {}}));
}

TEST(ValuesTest, ReadBoolsAndHex) {
  EXPECT_EQ(ParseBool("TRUE"), true);
  EXPECT_EQ(ParseBool("0"), false);
  EXPECT_FALSE(ParseBool("").has_value());
  EXPECT_EQ(ParseHex("0xDEAD"), (Bytes{0xde, 0xad}));
  EXPECT_EQ(ParseHex(""), Bytes());
  EXPECT_FALSE(ParseHex("0xabc").has_value());
  EXPECT_FALSE(ParseHex("zz").has_value());
  EXPECT_EQ(ToHex(Bytes{0, 0xff}), "00ff");
}

}  // namespace
}  // namespace hsmcore
