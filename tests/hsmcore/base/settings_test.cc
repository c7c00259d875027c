// SPDX-License-Identifier: Apache-2.0
#include "hsmcore/settings.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>

#include "support/temporary_directory.h"

namespace hsmcore {
namespace {

constexpr SecretAccess kTest{"test"};

TEST(CredentialTest, PinIsUserAndPassword) {
  const auto both = Credential::FromPin(SecretBytes::CopyOf("app:secret12"));
  ASSERT_TRUE(both.has_value());
  EXPECT_EQ(both->user, "app");
  EXPECT_EQ(both->secret.ReadText(kTest), "secret12");
  const auto alone = Credential::FromPin(SecretBytes::CopyOf("secret12"));
  ASSERT_TRUE(alone.has_value());
  EXPECT_TRUE(alone->user.empty());
  for (const char* bad : {"", "app:", ":secret12"}) {
    EXPECT_EQ(Credential::FromPin(SecretBytes::CopyOf(bad)).error().code(), ErrorCode::kPinFormat);
  }
}

TEST(CredentialTest, SourceIsTheFirstLineOfAFile) {
  const test::TemporaryDirectory directory;
  const auto file = directory.path() / "pin";
  std::ofstream(file) << "app:secret12\r\nnot read\n";
  const auto credential = Credential::FromSource("file:" + file.native());
  ASSERT_TRUE(credential.has_value());
  EXPECT_EQ(credential->secret.ReadText(kTest), "secret12");
  EXPECT_TRUE(Credential::FromSource(file.native()).has_value());
  EXPECT_TRUE(Credential::FromSource("file://" + file.native()).has_value());
}

TEST(CredentialTest, SourceErrorsNameThePath) {
  const test::TemporaryDirectory directory;
  const auto missing = Credential::FromSource((directory.path() / "none").native());
  ASSERT_FALSE(missing.has_value());
  EXPECT_EQ(missing.error().code(), ErrorCode::kPinSource);
  EXPECT_NE(missing.error().detail().find(directory.path().native()), std::string::npos);
  EXPECT_EQ(Credential::FromSource("relative").error().code(), ErrorCode::kPinSource);
  std::ofstream(directory.path() / "empty").close();
  EXPECT_EQ(Credential::FromSource((directory.path() / "empty").native()).error().code(),
            ErrorCode::kPinSource);
  std::ofstream(directory.path() / "huge") << std::string(5000, 'x');
  EXPECT_EQ(Credential::FromSource((directory.path() / "huge").native()).error().code(),
            ErrorCode::kPinSource);
}

TEST(SettingsTest, HomeComesFromTheEnvironmentFirst) {
  setenv("HSM_HOME", "/some/home", 1);
  EXPECT_EQ(DefaultHome(), "/some/home");
  setenv("HSM_HOME", "", 1);
  EXPECT_NE(DefaultHome(), "");
  unsetenv("HSM_HOME");
}

TEST(SettingsTest, PinComesFromTheEnvironment) {
  unsetenv("HSM_PIN");
  const auto none = CredentialFromEnvironment();
  ASSERT_TRUE(none.has_value());
  EXPECT_FALSE(none->has_value());
  setenv("HSM_PIN", "app:secret12", 1);
  const auto some = CredentialFromEnvironment();
  ASSERT_TRUE(some.has_value() && some->has_value());
  EXPECT_EQ((*some)->user, "app");
  setenv("HSM_PIN", "app:", 1);
  EXPECT_FALSE(CredentialFromEnvironment().has_value());
  unsetenv("HSM_PIN");
}

}  // namespace
}  // namespace hsmcore
