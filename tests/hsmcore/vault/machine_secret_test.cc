// SPDX-License-Identifier: Apache-2.0
#include "vault/machine_secret.h"

#include <gtest/gtest.h>

#include <string>

#include "hsmcore/credential.h"
#include "vault/sealing.h"

namespace hsmcore::vault {
namespace {

constexpr SecretAccess kTest{"test"};

TEST(MachineSecretTest, TextRoundTrip) {
  ASSERT_TRUE(Ready());
  const MachineSecret made = MachineSecret::New();
  const SecretBytes text = made.ToText();
  const auto read = MachineSecret::FromText(text);
  ASSERT_TRUE(read.has_value());
  EXPECT_EQ(read->id, made.id);
  EXPECT_TRUE(read->SealKey().Equals(made.SealKey().Read(kTest)));
  EXPECT_TRUE((Credential{"app", text.Clone()}).is_machine());
  EXPECT_GT(text.size(), 32U);  // longer than any password
}

TEST(MachineSecretTest, EveryOneIsAnother) {
  ASSERT_TRUE(Ready());
  const MachineSecret a = MachineSecret::New();
  const MachineSecret b = MachineSecret::New();
  EXPECT_NE(a.id, b.id);
  EXPECT_FALSE(a.SealKey().Equals(b.SealKey().Read(kTest)));
}

TEST(MachineSecretTest, RefusesOtherTexts) {
  ASSERT_TRUE(Ready());
  const std::string good(MachineSecret::New().ToText().ReadText(kTest));
  for (const std::string& bad :
       {std::string(), std::string("password"), good.substr(0, 20), good + "A", good.substr(1),
        good.substr(0, good.size() - 1) + "!"}) {
    EXPECT_EQ(MachineSecret::FromText(SecretBytes::CopyOf(bad)).error().code(),
              ErrorCode::kCredentialUnknown)
        << bad.size();
  }
}

}  // namespace
}  // namespace hsmcore::vault
