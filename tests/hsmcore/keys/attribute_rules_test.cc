// SPDX-License-Identifier: Apache-2.0
#include "keys/attribute_rules.h"

#include <gtest/gtest.h>

#include <string>

#include "hsmcore/key.h"

namespace hsmcore::keys {
namespace {

ErrorCode CodeOf(const Status& status) {
  return status ? static_cast<ErrorCode>(0) : status.error().code();
}

ErrorCode TryChange(ObjectAttributes& attributes, const char* name, const char* value,
                    Role role = Role::kCryptoUser) {
  return CodeOf(Change(attributes, role, name, value));
}
constexpr auto kOk = static_cast<ErrorCode>(0);

// "Set" in CloudHSM's attribute table, row by row.
TEST(AttributeRulesTest, OwnersChangeWhatTheTableSays) {
  ObjectAttributes key = DefaultAttributes(KeyClass::kPrivateKey);
  for (const AttributeRow& row : AllAttributes()) {
    if (row.kind != AttributeKind::kFlag || row.change != ChangeRule::kOwner) continue;
    EXPECT_EQ(TryChange(key, row.name, "true"), kOk) << row.name;
    EXPECT_EQ(TryChange(key, row.name, "false"), kOk) << row.name;
  }
  EXPECT_EQ(TryChange(key, "label", "new"), kOk);
  EXPECT_EQ(TryChange(key, "id", "0102"), kOk);
  EXPECT_EQ(key.label, "new");
}

TEST(AttributeRulesTest, OneWayAttributes) {
  ObjectAttributes key = DefaultAttributes(KeyClass::kPrivateKey);
  EXPECT_EQ(TryChange(key, "extractable", "false"), kOk);
  EXPECT_EQ(TryChange(key, "extractable", "true"), ErrorCode::kAttributeReadOnly);
  EXPECT_EQ(TryChange(key, "extractable", "false"), kOk);
  EXPECT_EQ(TryChange(key, "token", "false"), ErrorCode::kAttributeReadOnly);
  EXPECT_EQ(TryChange(key, "wrap-with-trusted", "true"), kOk);
  EXPECT_EQ(TryChange(key, "wrap-with-trusted", "false"), ErrorCode::kAttributeReadOnly);
}

TEST(AttributeRulesTest, ReadOnlyOnesStay) {
  const ObjectAttributes before = DefaultAttributes(KeyClass::kPrivateKey);
  ObjectAttributes key = before;
  for (const char* name : {"sensitive", "always-sensitive", "never-extractable", "local", "class",
                           "key-type", "modulus", "curve", "check-value"}) {
    EXPECT_EQ(TryChange(key, name, "false"), ErrorCode::kAttributeReadOnly) << name;
  }
  EXPECT_EQ(TryChange(key, "colour", "red"), ErrorCode::kAttributeUnknown);
  EXPECT_EQ(TryChange(key, "sign", "perhaps"), ErrorCode::kAttributeValue);
  EXPECT_EQ(key, before);
}

TEST(AttributeRulesTest, TrustedIsTheAdmins) {
  ObjectAttributes key = DefaultAttributes(KeyClass::kPrivateKey);
  EXPECT_EQ(TryChange(key, "trusted", "true"), ErrorCode::kRoleForbids);
  EXPECT_EQ(TryChange(key, "sign", "true", Role::kAdmin), ErrorCode::kRoleForbids);
}

TEST(AttributeRulesTest, NothingChangesOnceModifiableIsFalse) {
  ObjectAttributes key = DefaultAttributes(KeyClass::kPrivateKey);
  EXPECT_EQ(TryChange(key, "modifiable", "false"), kOk);
  const Status refused = Change(key, Role::kCryptoUser, "sign", "true");
  ASSERT_EQ(CodeOf(refused), ErrorCode::kAttributeReadOnly);
  EXPECT_NE(refused.error().detail().find("'modifiable'"), std::string::npos);
  EXPECT_EQ(TryChange(key, "modifiable", "true"), ErrorCode::kAttributeReadOnly);
}

TEST(AttributeRulesTest, NeverExtractableHasPkcs11sMeaning) {
  ObjectAttributes key = DefaultAttributes(KeyClass::kPrivateKey);
  FinishNew(key, true);
  EXPECT_TRUE(key.flags.Has(Attribute::kLocal));
  EXPECT_FALSE(key.flags.Has(Attribute::kNeverExtractable));
  EXPECT_TRUE(key.flags.Has(Attribute::kAlwaysSensitive));

  key.flags.Set(Attribute::kExtractable, false);
  FinishNew(key, true);
  EXPECT_TRUE(key.flags.Has(Attribute::kNeverExtractable));

  FinishNew(key, false);  // came from outside, where it could be read
  EXPECT_FALSE(key.flags.Has(Attribute::kNeverExtractable));
  EXPECT_FALSE(key.flags.Has(Attribute::kAlwaysSensitive));
  EXPECT_FALSE(key.flags.Has(Attribute::kLocal));
}

TEST(AttributeTextTest, PrintsEachKind) {
  KeyInfo info;
  info.klass = KeyClass::kPublicKey;
  info.attributes = {.label = "a b", .id = {1, 0xff}, .flags = {}};
  info.attributes.flags.Set(Attribute::kVerify, true);
  info.public_part = RsaPublic{Bytes(256, 0x80), {1, 0, 1}, false, {}};
  EXPECT_EQ(AttributeText(info, Attribute::kClass), "public-key");
  EXPECT_EQ(AttributeText(info, Attribute::kKeyType), "rsa");
  EXPECT_EQ(AttributeText(info, Attribute::kLabel), "a b");
  EXPECT_EQ(AttributeText(info, Attribute::kId), "0x01ff");
  EXPECT_EQ(AttributeText(info, Attribute::kVerify), "true");
  EXPECT_EQ(AttributeText(info, Attribute::kSign), "false");
  EXPECT_EQ(AttributeText(info, Attribute::kModulusSizeBits), "2048");
  EXPECT_EQ(AttributeText(info, Attribute::kPublicExponent), "0x010001");
  EXPECT_EQ(AttributeText(info, Attribute::kCurve), "");
}

}  // namespace
}  // namespace hsmcore::keys
