// SPDX-License-Identifier: Apache-2.0
#include "vault/password.h"

#include <gtest/gtest.h>

#include <string>

#include "vault/sealing.h"

namespace hsmcore::vault {
namespace {

constexpr SecretAccess kTest{"test"};

bool Allowed(std::string_view password) {
  return CheckPassword(SecretBytes::CopyOf(password)).has_value();
}

TEST(PasswordTest, RuleIsCloudHsms) {
  EXPECT_FALSE(Allowed("7 chars"));
  EXPECT_TRUE(Allowed("8 chars."));
  EXPECT_TRUE(Allowed(std::string(32, 'x')));
  EXPECT_FALSE(Allowed(std::string(33, 'x')));
  EXPECT_FALSE(Allowed("with:colon"));
  EXPECT_FALSE(Allowed("with\nnewline"));
  EXPECT_TRUE(Allowed("äöüäöüäö"));  // eight characters, sixteen bytes
}

TEST(PasswordTest, HashDependsOnPasswordAndSalt) {
  ASSERT_TRUE(Ready());
  const PasswordHash hash = NewPasswordHash(PasswordCost::kLow);
  const SecretBytes password = SecretBytes::CopyOf("correct horse");
  const auto key = KeyFromPassword(password, hash);
  ASSERT_TRUE(key.has_value());
  EXPECT_TRUE(key->Equals(KeyFromPassword(password, hash)->Read(kTest)));
  EXPECT_FALSE(
      key->Equals(KeyFromPassword(SecretBytes::CopyOf("correct Horse"), hash)->Read(kTest)));
  EXPECT_FALSE(
      key->Equals(KeyFromPassword(password, NewPasswordHash(PasswordCost::kLow))->Read(kTest)));
}

TEST(PasswordTest, HostileParametersAreRefused) {
  const SecretBytes password = SecretBytes::CopyOf("correct horse");
  PasswordHash hash = NewPasswordHash(PasswordCost::kLow);
  hash.memory = std::uint64_t{1} << 40;
  EXPECT_EQ(KeyFromPassword(password, hash).error().code(), ErrorCode::kRecordDamaged);
  hash = NewPasswordHash(PasswordCost::kLow);
  hash.operations = std::uint64_t{1} << 40;
  EXPECT_EQ(KeyFromPassword(password, hash).error().code(), ErrorCode::kRecordDamaged);
  hash = NewPasswordHash(PasswordCost::kLow);
  hash.salt.pop_back();
  EXPECT_EQ(KeyFromPassword(password, hash).error().code(), ErrorCode::kRecordDamaged);
}

TEST(PasswordTest, CostsHaveNames) {
  EXPECT_EQ(PasswordCostByName("interactive"), PasswordCost::kInteractive);
  EXPECT_FALSE(PasswordCostByName("none").has_value());
}

}  // namespace
}  // namespace hsmcore::vault
