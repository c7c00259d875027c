// SPDX-License-Identifier: Apache-2.0
#include "vault/identity.h"

#include <gtest/gtest.h>

#include "vault/sealing.h"

namespace hsmcore::vault {
namespace {

constexpr SecretAccess kTest{"test"};

TEST(IdentityTest, ExportAndImportGiveTheSame) {
  const auto root = Identity::New({});
  ASSERT_TRUE(root.has_value());
  EXPECT_EQ(root->root(), root->public_identity().sign_key);
  const auto user = Identity::New(root->root());
  ASSERT_TRUE(user.has_value());
  const auto again = Identity::Import(user->Export());
  ASSERT_TRUE(again.has_value());
  EXPECT_EQ(again->public_identity(), user->public_identity());
  EXPECT_EQ(again->root(), root->root());
  EXPECT_FALSE(Identity::Import(SecretBytes(95)).has_value());
}

TEST(IdentityTest, SignaturesHoldForOneContextAndMessage) {
  const auto user = Identity::New({});
  ASSERT_TRUE(user.has_value());
  const Bytes& key = user->public_identity().sign_key;
  const Bytes signature = user->Sign("context", ViewOf("message"));
  EXPECT_TRUE(VerifySignature(key, "context", ViewOf("message"), signature));
  EXPECT_FALSE(VerifySignature(key, "contexT", ViewOf("message"), signature));
  EXPECT_FALSE(VerifySignature(key, "context", ViewOf("messagE"), signature));
  EXPECT_FALSE(VerifySignature(key, "contextm", ViewOf("essage"), signature));
  EXPECT_FALSE(VerifySignature(key, "context", ViewOf("message"), {}));
  EXPECT_FALSE(VerifySignature({}, "context", ViewOf("message"), signature));
}

TEST(IdentityTest, GrantsOpenForOneOnly) {
  const auto alice = Identity::New({});
  const auto bob = Identity::New({});
  ASSERT_TRUE(alice.has_value() && bob.has_value());
  const auto sealed = SealTo(alice->public_identity().box_key, SecretBytes::CopyOf("dek"));
  ASSERT_TRUE(sealed.has_value());
  EXPECT_EQ(alice->OpenSealed(*sealed)->ReadText(kTest), "dek");
  EXPECT_FALSE(bob->OpenSealed(*sealed).has_value());
  EXPECT_FALSE(alice->OpenSealed(ByteView(*sealed).first(40)).has_value());
  EXPECT_FALSE(SealTo(Bytes(31), SecretBytes::CopyOf("dek")).has_value());
  EXPECT_FALSE(SealTo(Bytes(32), SecretBytes::CopyOf("dek")).has_value());  // a low-order point
}

}  // namespace
}  // namespace hsmcore::vault
