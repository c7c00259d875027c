// SPDX-License-Identifier: Apache-2.0
#include "policy/gate.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>

namespace hsmcore::policy {
namespace {

ErrorCode CodeOf(const Status& status) {
  return status ? static_cast<ErrorCode>(0) : status.error().code();
}

AttributeFlags Only(Attribute flag) {
  AttributeFlags flags;
  flags.Set(flag, true);
  return flags;
}

AttributeFlags AllBut(Attribute flag) {
  AttributeFlags flags = AttributeFlags::FromBits(~0U);
  flags.Set(flag, false);
  return flags;
}

TEST(GateTest, RolesByOperation) {
  using enum Operation;
  for (const Operation operation : {kCreateUser, kUnlockUser, kManageGroups, kListAllKeys,
                                    kSetTrusted, kModifyCluster, kManageBackups}) {
    EXPECT_TRUE(Allow(operation, Role::kAdmin));
    EXPECT_EQ(CodeOf(Allow(operation, Role::kCryptoUser)), ErrorCode::kRoleForbids);
    EXPECT_EQ(CodeOf(Allow(operation, std::nullopt)), ErrorCode::kLoginRequired);
  }
  for (const Operation operation : {kManageKeys, kLoadPrivateKey}) {
    EXPECT_EQ(CodeOf(Allow(operation, Role::kAdmin)), ErrorCode::kRoleForbids);
    EXPECT_TRUE(Allow(operation, Role::kCryptoUser));
    EXPECT_EQ(CodeOf(Allow(operation, std::nullopt)), ErrorCode::kLoginRequired);
  }
  EXPECT_TRUE(Allow(kListUsers, std::nullopt));
  EXPECT_TRUE(Allow(kMakeSessionKey, std::nullopt));
  EXPECT_EQ(CodeOf(Allow(kMakeSessionKey, Role::kAdmin)), ErrorCode::kRoleForbids);
}

TEST(GateTest, EachUseNeedsItsAttributeAndNoOther) {
  constexpr auto kUses = std::to_array<std::pair<Key::Use, Attribute>>({
      {Key::Use::kSign, Attribute::kSign},
      {Key::Use::kVerify, Attribute::kVerify},
      {Key::Use::kEncrypt, Attribute::kEncrypt},
      {Key::Use::kDecrypt, Attribute::kDecrypt},
      {Key::Use::kDerive, Attribute::kDerive},
  });
  const KeyHandle handle{0x40000};
  for (const auto& [use, attribute] : kUses) {
    EXPECT_TRUE(AllowUse(use, {handle, Only(attribute), Only(attribute)}));
    const Status refused = AllowUse(use, {handle, AllBut(attribute), AllBut(attribute)});
    ASSERT_EQ(CodeOf(refused), ErrorCode::kAttributeForbids);
    const std::string& detail = refused.error().detail();
    EXPECT_NE(detail.find(std::string("'") + RowOf(attribute).name + "'"), std::string::npos);
    EXPECT_NE(detail.find("0x000000000004000"), std::string::npos);
  }
}

TEST(GateTest, WhoSharesAKeyKeepsDerivation) {
  using enum Key::Use;
  const AttributeFlags all = AttributeFlags::FromBits(~0U);
  for (const Key::Use use : {kSign, kVerify, kEncrypt, kDecrypt, kWrap, kUnwrap}) {
    EXPECT_TRUE(AllowUse(use, {{0x40000}, all, all, false, true}));
    EXPECT_TRUE(AllowUse(use, {{0x40000}, all, std::nullopt, true, true}));
  }
  EXPECT_TRUE(AllowUse(kEncapsulate, {{0x40000}, all, all, false, true}));  // by the public half
  for (const Key::Use use : {kDerive, kDecapsulate}) {
    EXPECT_TRUE(AllowUse(use, {{0x40000}, all, all, false, false}));
    EXPECT_EQ(CodeOf(AllowUse(use, {{0x40000}, all, all, false, true})), ErrorCode::kRoleForbids);
  }
}

// SP 800-57 part 1 section 7: after its end a key deals with what was made before.
TEST(GateTest, TheStateDecides) {
  using enum Key::Use;
  const KeyHandle handle{0x40000};
  KeyLife ended;
  ended.end = 1;
  KeyLife early;
  early.start = 4102444800;  // 2100
  KeyLife disabled;
  disabled.enabled = false;
  for (const Key::Use use : {kSign, kEncrypt, kDerive, kWrap, kEncapsulate}) {
    EXPECT_TRUE(AllowState(use, handle, {}));
    EXPECT_EQ(CodeOf(AllowState(use, handle, ended)), ErrorCode::kKeyInactive);
    EXPECT_EQ(CodeOf(AllowState(use, handle, early)), ErrorCode::kKeyInactive);
    EXPECT_EQ(CodeOf(AllowState(use, handle, disabled)), ErrorCode::kKeyInactive);
  }
  for (const Key::Use use : {kVerify, kDecrypt, kUnwrap, kDecapsulate}) {
    EXPECT_TRUE(AllowState(use, handle, {}));
    EXPECT_TRUE(AllowState(use, handle, ended));
    EXPECT_EQ(CodeOf(AllowState(use, handle, early)), ErrorCode::kKeyInactive);
    EXPECT_EQ(CodeOf(AllowState(use, handle, disabled)), ErrorCode::kKeyInactive);
  }
}

TEST(GateTest, ThePublicHalfDoesNotSign) {
  const UsableKey key{{0x40000}, std::nullopt, AttributeFlags::FromBits(~0U)};
  EXPECT_EQ(CodeOf(AllowUse(Key::Use::kSign, key)), ErrorCode::kPublicKeyOnly);
  EXPECT_EQ(CodeOf(AllowUse(Key::Use::kDecrypt, key)), ErrorCode::kPublicKeyOnly);
  EXPECT_TRUE(AllowUse(Key::Use::kVerify, key));
}

TEST(GateTest, SomebodysPublicKeyMayVerifyAndEncrypt) {
  const UsableKey key{};
  EXPECT_TRUE(AllowUse(Key::Use::kVerify, key));
  EXPECT_TRUE(AllowUse(Key::Use::kEncrypt, key));
  EXPECT_EQ(CodeOf(AllowUse(Key::Use::kDerive, key)), ErrorCode::kPublicKeyOnly);
}

TEST(GateTest, DeletingNeedsDestroyable) {
  KeyInfo info;
  info.attributes.flags = Only(Attribute::kDestroyable);
  EXPECT_TRUE(AllowDelete(info));
  info.attributes.flags = AllBut(Attribute::kDestroyable);
  EXPECT_EQ(CodeOf(AllowDelete(info)), ErrorCode::kAttributeForbids);
}

TEST(GateTest, AProgramGetsBackWhatItGave) {
  constexpr bool kToken = true;
  KeyInfo info;
  info.attributes.flags = Only(Attribute::kExtractable);
  EXPECT_TRUE(AllowGivenValue(info, !kToken));
  EXPECT_EQ(CodeOf(AllowGivenValue(info, kToken)), ErrorCode::kSecretKeyHeld);
  info.attributes.flags = AllBut(Attribute::kExtractable);
  EXPECT_EQ(CodeOf(AllowGivenValue(info, !kToken)), ErrorCode::kSecretKeyHeld);
  info.attributes.flags = Only(Attribute::kExtractable);
  info.attributes.flags.Set(Attribute::kLocal, true);
  EXPECT_EQ(CodeOf(AllowGivenValue(info, !kToken)), ErrorCode::kSecretKeyHeld);
}

// A key that may leave, and one that may take it out.
KeyInfo Payload() {
  KeyInfo info;
  info.klass = KeyClass::kSecretKey;
  info.owner = "app";
  info.public_part = SecretFacts{};
  info.attributes.flags = Only(Attribute::kExtractable);
  return info;
}

TEST(GateTest, OnlyTheOwnerWrapsWhatIsExtractable) {
  const KeyInfo wrapping;
  KeyInfo payload = Payload();
  EXPECT_TRUE(AllowWrap(payload, wrapping, "app"));
  EXPECT_EQ(CodeOf(AllowWrap(payload, wrapping, "other")), ErrorCode::kRoleForbids);
  payload.attributes.flags = AllBut(Attribute::kExtractable);
  EXPECT_EQ(CodeOf(AllowWrap(payload, wrapping, "app")), ErrorCode::kAttributeForbids);
  payload = Payload();
  payload.klass = KeyClass::kPublicKey;
  EXPECT_EQ(CodeOf(AllowWrap(payload, wrapping, "app")), ErrorCode::kKeyTypeMismatch);
}

TEST(GateTest, WrapWithTrustedNeedsATrustedKey) {
  KeyInfo wrapping;
  KeyInfo payload = Payload();
  payload.attributes.flags.Set(Attribute::kWrapWithTrusted, true);
  EXPECT_EQ(CodeOf(AllowWrap(payload, wrapping, "app")), ErrorCode::kAttributeForbids);
  wrapping.attributes.flags = Only(Attribute::kTrusted);
  EXPECT_TRUE(AllowWrap(payload, wrapping, "app"));
}

TEST(GateTest, APayloadMatchesTheWrapTemplate) {
  KeyInfo wrapping;
  wrapping.attributes.wrap_template = {{Attribute::kKeyType, "aes"}, {Attribute::kSign, "true"}};
  KeyInfo payload = Payload();
  EXPECT_EQ(CodeOf(AllowWrap(payload, wrapping, "app")), ErrorCode::kAttributeForbids);
  payload.attributes.flags.Set(Attribute::kSign, true);
  EXPECT_TRUE(AllowWrap(payload, wrapping, "app"));
  payload.public_part = SecretFacts{KeyType::kDes3, 24, {}, {}};
  EXPECT_EQ(CodeOf(AllowWrap(payload, wrapping, "app")), ErrorCode::kAttributeForbids);
}

}  // namespace
}  // namespace hsmcore::policy
