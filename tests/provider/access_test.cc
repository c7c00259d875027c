// SPDX-License-Identifier: Apache-2.0
#include <sys/stat.h>

#include <fstream>

#include "provider/provider_fixture.h"

namespace provider::test {
namespace {

using hsmcore::ErrorCode;
using hsmcore::test::kUserPassword;

class AccessTest : public ProviderTest {
 protected:
  AccessTest() {
    Key("p256");
    unsetenv("HSM_PIN");
  }

  std::string PinFile(const std::string& content) {
    const auto path = directory_.path() / "pin";
    std::ofstream(path) << content;
    chmod(path.c_str(), S_IRUSR | S_IWUSR);
    return path;
  }

  static Pkey LoadIn(OSSL_LIB_CTX* context, const char* uri) {
    const Ptr<OSSL_STORE_CTX> store(
        OSSL_STORE_open_ex(uri, context, nullptr, nullptr, nullptr, nullptr, nullptr, nullptr));
    const Ptr<OSSL_STORE_INFO> info(store == nullptr ? nullptr : OSSL_STORE_load(store.get()));
    return Pkey(info == nullptr ? nullptr : OSSL_STORE_INFO_get1_PKEY(info.get()));
  }

  hsmcore::test::TemporaryDirectory directory_;
};

TEST_F(AccessTest, TakesThePinFromTheUri) {
  const Library library;
  EXPECT_NE(library.Load(std::string("hsm:p256?pin-value=") + kUserPassword), nullptr)
      << ErrorDetails();
  EXPECT_NE(library.Load("hsm:p256?pin-source=file:" + PinFile("app:apppass123\n")), nullptr)
      << ErrorDetails();
}

TEST_F(AccessTest, TheUriWinsOverTheEnvironment) {
  setenv("HSM_PIN", "app:not-the-password", 1);
  const Library library;
  EXPECT_NE(library.Load("hsm:p256?pin-source=file:" + PinFile("app:apppass123")), nullptr)
      << ErrorDetails();
}

TEST_F(AccessTest, AWrongPasswordIsNotReplacedByTheNextSource) {
  setenv("HSM_PIN", (std::string("app:") + kUserPassword).c_str(), 1);
  const Library library;
  EXPECT_EQ(library.Load("hsm:p256?pin-value=wrong-password"), nullptr);
  EXPECT_EQ(HsmReasons(), std::vector{Reason(ErrorCode::kPasswordWrong)});
  EXPECT_EQ(cluster_.Admin()->ListUsers()->at(1).failed_logins, 1U);
}

TEST_F(AccessTest, APinForAnotherUserIsPassedOver) {
  setenv("HSM_PIN", "somebody:else-password", 1);
  const Library library;
  Passphrase passphrase{kUserPassword};
  EXPECT_NE(library.Load("hsm:object=p256;user=app", 0, &passphrase), nullptr) << ErrorDetails();
  EXPECT_EQ(passphrase.asked, 1);
}

TEST_F(AccessTest, AsksOnceAndTakesThePasswordWithOrWithoutTheUser) {
  for (const std::string answer : {"apppass123", "app:apppass123"}) {
    const Library library;
    Passphrase passphrase{answer};
    EXPECT_NE(library.Load("hsm:p256", 0, &passphrase), nullptr) << ErrorDetails();
    EXPECT_EQ(passphrase.asked, 1);
  }
}

TEST_F(AccessTest, AWrongAnswerIsOneTry) {
  const Library library;
  Passphrase passphrase{"wrong-password"};
  EXPECT_EQ(library.Load("hsm:p256", 0, &passphrase), nullptr);
  EXPECT_EQ(HsmReasons(), std::vector{Reason(ErrorCode::kPasswordWrong)});
  EXPECT_EQ(passphrase.asked, 1);
}

TEST_F(AccessTest, WithoutAnyPasswordSaysHowToGiveOne) {
  const Library library;
  EXPECT_EQ(library.Load("hsm:p256"), nullptr);
  const std::string details = ErrorDetails();
  EXPECT_NE(details.find("pin-source"), std::string::npos) << details;
  EXPECT_NE(details.find("HSM_PIN"), std::string::npos) << details;
}

TEST_F(AccessTest, WithSeveralUsersOneHasToBeNamed) {
  cluster_.AddUser("second", "secondpass1");
  const Library library;
  EXPECT_EQ(library.Load(std::string("hsm:p256?pin-value=") + kUserPassword), nullptr);
  EXPECT_EQ(HsmReasons(), std::vector{Reason(ErrorCode::kLoginRequired)});
  EXPECT_NE(library.Load(std::string("hsm:object=p256;user=app?pin-value=") + kUserPassword),
            nullptr);
}

TEST_F(AccessTest, ReadsItsSectionOfTheConfiguration) {
  unsetenv("HSM_HOME");
  const std::string home = "home = " + cluster_.home().string() + "\n";
  for (const std::string& pin :
       {std::string("pin = app:apppass123\n"), std::string("user = app\npin = apppass123\n"),
        "pin-source = file:" + PinFile("app:apppass123") + "\n"}) {
    const auto context = Configured(directory_.path(), home + pin);
    EXPECT_NE(LoadIn(context.get(), "hsm:p256"), nullptr) << pin << ErrorDetails();
  }
}

TEST_F(AccessTest, TheEnvironmentWinsOverTheConfiguration) {
  setenv("HSM_PIN", "app:apppass123", 1);
  const auto context =
      Configured(directory_.path(), "home = /nonexistent/hsm\npin = app:not-the-password\n");
  EXPECT_NE(LoadIn(context.get(), "hsm:p256"), nullptr) << ErrorDetails();
}

TEST_F(AccessTest, ARelativeHomeIsAnErrorThatNamesTheSetting) {
  unsetenv("HSM_HOME");
  const auto context = Configured(directory_.path(), "home = here\npin = app:apppass123\n");
  EXPECT_EQ(LoadIn(context.get(), "hsm:p256"), nullptr);
  EXPECT_EQ(HsmReasons(), std::vector{Reason(ErrorCode::kSetting)});
}

TEST_F(AccessTest, EveryCauseHasItsOwnReason) {
  setenv("HSM_PIN", "app:apppass123", 1);
  const Library library;
  const std::vector<std::pair<std::string, ErrorCode>> cases = {
      {"hsm:nokey", ErrorCode::kKeyNotFound},
      {"hsm:object=p256;color=red", ErrorCode::kUri},
      {"hsm:object=p256;cluster=another", ErrorCode::kHomeNotFound},
      {"hsm:object=p256;user=nobody?pin-value=whatever1", ErrorCode::kUserNotFound},
      {"hsm:p256?pin-source=file:/nonexistent/pin", ErrorCode::kPinSource},
      {"hsm:p256?pin-value=:x", ErrorCode::kPinFormat},
      {"hsm:object=p256;type=cert", ErrorCode::kNotSupported},
  };
  for (const auto& [uri, code] : cases) {
    EXPECT_EQ(library.Load(uri), nullptr) << uri;
    EXPECT_EQ(HsmReasons(), std::vector{Reason(code)}) << uri;
  }
}

// A server that has lost its environment and its right to the PIN file goes on loading keys.
TEST_F(AccessTest, WhatWasReadOnceStays) {
  setenv("HSM_PIN", "app:apppass123", 1);
  const Library library;
  ASSERT_NE(library.Load("hsm:p256"), nullptr);
  unsetenv("HSM_PIN");
  setenv("HSM_HOME", "/nonexistent/hsm", 1);
  EXPECT_NE(library.Load("hsm:p256"), nullptr) << ErrorDetails();
}

TEST_F(AccessTest, ThePublicHalfNeedsNoPassword) {
  const Library library;
  EXPECT_NE(library.Load("hsm:object=p256;type=public"), nullptr) << ErrorDetails();
  EXPECT_NE(library.Load("hsm:p256", OSSL_STORE_INFO_PUBKEY), nullptr) << ErrorDetails();
}

}  // namespace
}  // namespace provider::test
