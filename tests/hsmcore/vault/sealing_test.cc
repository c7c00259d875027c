// SPDX-License-Identifier: Apache-2.0
#include "vault/sealing.h"

#include <gtest/gtest.h>

namespace hsmcore::vault {
namespace {

constexpr SecretAccess kTest{"test"};

class SealingTest : public testing::Test {
 protected:
  void SetUp() override { ASSERT_TRUE(Ready()); }
};

TEST_F(SealingTest, OpensOnlyWhereItWasSealed) {
  const SecretBytes key = RandomSecret(kSealKeyBytes);
  const auto sealed = Seal(key, ViewOf("plain"), ViewOf("place"));
  ASSERT_TRUE(sealed.has_value());
  const auto opened = Open(key, *sealed, ViewOf("place"));
  ASSERT_TRUE(opened.has_value());
  EXPECT_EQ(opened->ReadText(kTest), "plain");
  EXPECT_EQ(Open(key, *sealed, ViewOf("other")).error().code(), ErrorCode::kRecordDamaged);
  EXPECT_FALSE(Open(RandomSecret(kSealKeyBytes), *sealed, ViewOf("place")).has_value());
}

TEST_F(SealingTest, NoticesEveryFlippedBitAndEveryTruncation) {
  const SecretBytes key = RandomSecret(kSealKeyBytes);
  const auto sealed = Seal(key, ViewOf("plain"), {});
  ASSERT_TRUE(sealed.has_value());
  for (std::size_t i = 0; i < sealed->size(); ++i) {
    Bytes bad = *sealed;
    bad[i] ^= 1;
    EXPECT_FALSE(Open(key, bad, {}).has_value()) << i;
    EXPECT_FALSE(Open(key, ByteView(*sealed).first(i), {}).has_value()) << i;
  }
}

TEST_F(SealingTest, NeverSealsTheSameWayTwice) {
  const SecretBytes key = RandomSecret(kSealKeyBytes);
  EXPECT_NE(*Seal(key, ViewOf("plain"), {}), *Seal(key, ViewOf("plain"), {}));
}

TEST_F(SealingTest, BindTellsListsApart) {
  EXPECT_NE(Bind({ViewOf("ab"), ViewOf("c")}), Bind({ViewOf("a"), ViewOf("bc")}));
  EXPECT_NE(Bind({ViewOf("a"), {}}), Bind({ViewOf("a")}));
}

}  // namespace
}  // namespace hsmcore::vault
