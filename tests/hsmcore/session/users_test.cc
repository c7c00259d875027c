// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <future>
#include <string>
#include <thread>
#include <vector>

#include "cluster/core.h"
#include "storage/posix.h"
#include "support/test_cluster.h"
#include "users/lockout.h"
#include "users/record.h"

namespace hsmcore {
namespace {

using test::CodeOf;
using test::CredentialOf;
using test::kAdminPassword;
using test::kUserPassword;
using test::TestCluster;
using test::Text;

std::string LoginCode(TestCluster& cluster, const char* user, const char* password,
                      Role role = Role::kCryptoUser) {
  return CodeOf(cluster->Login(CredentialOf(user, password), role));
}

unsigned FailedLogins(TestCluster& cluster) {
  return cluster->Anonymous()->ListUsers()->at(1).failed_logins;
}

TEST(UsersTest, LogInWithTheRightPasswordOnly) {
  TestCluster cluster;
  EXPECT_EQ(LoginCode(cluster, "app", kUserPassword), "ok");
  EXPECT_EQ(LoginCode(cluster, "APP", kUserPassword), "ok");  // names ignore case
  EXPECT_EQ(LoginCode(cluster, "app", "wrongpass1"), Text(ErrorCode::kPasswordWrong));
  EXPECT_EQ(LoginCode(cluster, "nobody", kUserPassword), Text(ErrorCode::kUserNotFound));
  EXPECT_EQ(LoginCode(cluster, "a/b", kUserPassword), Text(ErrorCode::kUserName));
  EXPECT_EQ(LoginCode(cluster, "app", kUserPassword, Role::kAdmin), Text(ErrorCode::kUserNotFound));
}

TEST(UsersTest, TheOnlyUserNeedNotBeNamed) {
  TestCluster cluster;
  EXPECT_EQ(LoginCode(cluster, "", kUserPassword), "ok");
  EXPECT_EQ(*cluster->OnlyCryptoUser(), "app");
  cluster.AddUser("second", "secondpass");
  EXPECT_EQ(LoginCode(cluster, "", kUserPassword), Text(ErrorCode::kLoginRequired));
  EXPECT_EQ(*cluster->OnlyCryptoUser(), std::nullopt);
}

TEST(UsersTest, MoreThanFiveWrongPasswordsLock) {
  TestCluster cluster;
  for (int i = 0; i < 5; ++i) {
    EXPECT_EQ(LoginCode(cluster, "app", "wrongpass1"), Text(ErrorCode::kPasswordWrong));
  }
  EXPECT_EQ(LoginCode(cluster, "app", "wrongpass1"), Text(ErrorCode::kUserLocked));
  cluster.Reopen();  // the count is in the store
  EXPECT_EQ(LoginCode(cluster, "app", kUserPassword), Text(ErrorCode::kUserLocked));
  ASSERT_TRUE(cluster.Admin()->UnlockUser("app", Role::kCryptoUser));
  EXPECT_EQ(LoginCode(cluster, "app", kUserPassword), "ok");
}

// Wrong passwords that all begin at the same moment: no more are tried than the count allows.
TEST(UsersTest, GuessesOfManyProcessesAreCountedOneByOne) {
  constexpr int kGuessers = 12;
  TestCluster cluster;
  std::array<int, 2> start{};
  ASSERT_EQ(pipe(start.data()), 0);
  std::vector<pid_t> children;
  for (int i = 0; i < kGuessers; ++i) {
    children.push_back(fork());
    if (children.back() != 0) continue;
    close(start[1]);
    char byte = 0;
    const bool started = read(start[0], &byte, 1) == 0;
    const auto session = cluster->Login(CredentialOf("app", "wrongpass1"), Role::kCryptoUser);
    _exit(!started || session ? 1 : static_cast<int>(session.error().code()));
  }
  close(start[0]);
  close(start[1]);
  int wrong = 0;
  int locked = 0;
  for (const pid_t child : children) {
    int status = 0;
    waitpid(child, &status, 0);
    wrong += status == static_cast<int>(ErrorCode::kPasswordWrong) << 8 ? 1 : 0;
    locked += status == static_cast<int>(ErrorCode::kUserLocked) << 8 ? 1 : 0;
  }
  EXPECT_EQ(wrong, 5);
  EXPECT_EQ(locked, kGuessers - 5);
  EXPECT_EQ(FailedLogins(cluster), 6U);
}

TEST(UsersTest, GuessesOfManyThreadsAreCountedOneByOne) {
  TestCluster cluster;
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 12; ++i) {
      threads.emplace_back([&] { LoginCode(cluster, "app", "wrongpass1"); });
    }
  }
  EXPECT_EQ(FailedLogins(cluster), 6U);
}

// The right password, begun while others guess, must not undo the lock that they end in.
TEST(UsersTest, ARightPasswordThatWaitedForItsTurnDoesNotUndoALock) {
  TestCluster cluster;
  const auto file = cluster::ReadClusterFile(cluster.home());
  ASSERT_TRUE(file.has_value());
  const auto core = cluster::OpenCore(cluster.home(), *file);
  ASSERT_TRUE(core.has_value());
  auto turn = storage::FileLock::AcquireReading(cluster::GenerationFile(cluster.home()),
                                                std::chrono::seconds(10), "busy");
  ASSERT_TRUE(turn.has_value());
  auto login =
      std::async(std::launch::async, [&] { return LoginCode(cluster, "app", kUserPassword); });
  EXPECT_EQ(login.wait_for(std::chrono::milliseconds(300)), std::future_status::timeout);
  for (int i = 0; i < 6; ++i) {
    const std::string path = users::UserPath(Role::kCryptoUser, "app");
    EXPECT_TRUE(users::CountFailedLogin(*(*core)->engine, path).has_value());
  }
  {
    [[maybe_unused]] const storage::FileLock done = *std::move(turn);
  }
  EXPECT_EQ(login.get(), Text(ErrorCode::kUserLocked));
  EXPECT_EQ(FailedLogins(cluster), 6U);
}

TEST(UsersTest, AMachineCredentialWaitsForNobody) {
  TestCluster cluster;
  const auto pin = cluster.User()->CreateMachineCredential();
  ASSERT_TRUE(pin.has_value());
  const auto turn = storage::FileLock::AcquireReading(cluster::GenerationFile(cluster.home()),
                                                      std::chrono::seconds(10), "busy");
  ASSERT_TRUE(turn.has_value());
  EXPECT_EQ(CodeOf(cluster->Login(*Credential::FromPin(*pin), Role::kCryptoUser)), "ok");
}

TEST(UsersTest, ARightPasswordForgetsTheWrongOnes) {
  TestCluster cluster;
  for (int round = 0; round < 3; ++round) {
    for (int i = 0; i < 5; ++i) {
      EXPECT_EQ(LoginCode(cluster, "app", "wrongpass1"), Text(ErrorCode::kPasswordWrong));
    }
    EXPECT_EQ(LoginCode(cluster, "app", kUserPassword), "ok");
  }
}

TEST(UsersTest, ALoginThatSucceedsWritesNothing) {
  TestCluster cluster;
  const auto before = cluster->Describe(false);
  ASSERT_TRUE(before.has_value());
  cluster.Reopen();
  EXPECT_EQ(LoginCode(cluster, "app", kUserPassword), "ok");
  EXPECT_EQ(cluster->Describe(false)->revision, before->revision);
}

TEST(UsersTest, TheSameLoginGivesTheSameSession) {
  TestCluster cluster;
  EXPECT_EQ(cluster.User(), cluster.User());
  // ... until the record changes: an old password must not be remembered.
  const auto session = cluster.User();
  ASSERT_TRUE(session->ChangePassword(SecretBytes::CopyOf("anotherpass")));
  EXPECT_EQ(LoginCode(cluster, "app", kUserPassword), Text(ErrorCode::kPasswordWrong));
  EXPECT_EQ(LoginCode(cluster, "app", "anotherpass"), "ok");
}

TEST(UsersTest, AChangedPasswordKeepsKeysAndMachineCredentials) {
  TestCluster cluster;
  const auto session = cluster.User();
  KeyTemplate form;
  form.private_half.label = "kept";
  ASSERT_TRUE(session->Generate(test::Ed25519Spec(), form).has_value());
  const auto machine = session->CreateMachineCredential();
  ASSERT_TRUE(machine.has_value());
  ASSERT_TRUE(session->ChangePassword(SecretBytes::CopyOf("anotherpass")));
  cluster.Reopen();
  KeyQuery query;
  query.label = "kept";
  EXPECT_EQ(CodeOf(cluster.User("app", "anotherpass")->Load(query, true)), "ok");
  const auto by_machine = cluster->Login(*Credential::FromPin(*machine), Role::kCryptoUser);
  ASSERT_TRUE(by_machine.has_value()) << by_machine.error().Message();
  EXPECT_EQ(CodeOf((*by_machine)->Load(query, true)), "ok");
}

TEST(UsersTest, MachineCredentialsOpenUntilTakenBack) {
  TestCluster cluster;
  const auto pin = cluster.User()->CreateMachineCredential();
  ASSERT_TRUE(pin.has_value());
  const Credential credential = *Credential::FromPin(*pin);
  EXPECT_EQ(credential.user, "app");
  EXPECT_EQ(CodeOf(cluster->Login(credential, Role::kCryptoUser)), "ok");
  EXPECT_EQ(cluster.Admin()->ListUsers()->at(1).machine_credentials, 1U);

  std::string text(pin->ReadText(SecretAccess{"test"}));
  text[30] = text[30] == 'A' ? 'B' : 'A';
  EXPECT_NE(
      CodeOf(cluster->Login(*Credential::FromPin(SecretBytes::CopyOf(text)), Role::kCryptoUser)),
      "ok");

  ASSERT_TRUE(cluster.User()->DeleteMachineCredentials());
  EXPECT_EQ(CodeOf(cluster->Login(credential, Role::kCryptoUser)),
            Text(ErrorCode::kCredentialUnknown));
  EXPECT_EQ(LoginCode(cluster, "app", kUserPassword), "ok");
}

TEST(UsersTest, ALockedUsersMachineCredentialGoesOn) {
  TestCluster cluster;
  const auto pin = cluster.User()->CreateMachineCredential();
  for (int i = 0; i < 6; ++i) LoginCode(cluster, "app", "wrongpass1");
  EXPECT_EQ(LoginCode(cluster, "app", kUserPassword), Text(ErrorCode::kUserLocked));
  EXPECT_EQ(CodeOf(cluster->Login(*Credential::FromPin(*pin), Role::kCryptoUser)), "ok");
}

TEST(UsersTest, RolesLimitWhatIsDone) {
  TestCluster cluster;
  const SecretBytes password = SecretBytes::CopyOf("newuserpass");
  EXPECT_EQ(CodeOf(cluster.User()->CreateUser("x", Role::kCryptoUser, password)),
            Text(ErrorCode::kRoleForbids));
  EXPECT_EQ(CodeOf(cluster->Anonymous()->CreateUser("x", Role::kCryptoUser, password)),
            Text(ErrorCode::kLoginRequired));
  EXPECT_EQ(CodeOf(cluster.Admin()->Generate({}, {})), Text(ErrorCode::kRoleForbids));
  EXPECT_EQ(CodeOf(cluster.User()->UnlockUser("app", Role::kCryptoUser)),
            Text(ErrorCode::kRoleForbids));
  EXPECT_EQ(cluster->Anonymous()->ListUsers()->size(), 2U);
}

TEST(UsersTest, NamesAndPasswordsHaveRules) {
  TestCluster cluster;
  const auto create = [&](const char* name, const char* password) {
    return CodeOf(
        cluster.Admin()->CreateUser(name, Role::kCryptoUser, SecretBytes::CopyOf(password)));
  };
  EXPECT_EQ(create("app", "goodpass1"), Text(ErrorCode::kUserExists));
  EXPECT_EQ(create("App", "goodpass1"), Text(ErrorCode::kUserExists));
  EXPECT_EQ(create("", "goodpass1"), Text(ErrorCode::kUserName));
  EXPECT_EQ(create("has space", "goodpass1"), Text(ErrorCode::kUserName));
  EXPECT_EQ(create(std::string(32, 'x').c_str(), "goodpass1"), Text(ErrorCode::kUserName));
  EXPECT_EQ(create("ok_name", "short"), Text(ErrorCode::kPasswordPolicy));
  EXPECT_EQ(create(std::string(31, 'x').c_str(), "goodpass1"), "ok");
}

TEST(UsersTest, ASecondAdminMakesUsersThatAreTrusted) {
  TestCluster cluster;
  cluster.AddUser("deputy", "deputypass", Role::kAdmin);
  const auto deputy = cluster->Login(CredentialOf("deputy", "deputypass"), Role::kAdmin);
  ASSERT_TRUE(deputy.has_value());
  ASSERT_TRUE(
      (*deputy)->CreateUser("made_by_deputy", Role::kCryptoUser, SecretBytes::CopyOf("goodpass1")));
  ASSERT_TRUE((*deputy)->CreateUser("third", Role::kAdmin, SecretBytes::CopyOf("goodpass1")));
  cluster.Reopen();
  EXPECT_EQ(LoginCode(cluster, "made_by_deputy", "goodpass1"), "ok");
  EXPECT_EQ(LoginCode(cluster, "third", "goodpass1", Role::kAdmin), "ok");
  EXPECT_EQ(cluster->Anonymous()->ListUsers()->size(), 5U);
}

TEST(UsersTest, OneNameMayBeAnAdminAndACryptoUser) {
  TestCluster cluster;
  cluster.AddUser("admin", "otherpass1");
  EXPECT_EQ(LoginCode(cluster, "admin", "otherpass1"), "ok");
  EXPECT_EQ(LoginCode(cluster, "admin", kAdminPassword, Role::kAdmin), "ok");
  EXPECT_EQ(LoginCode(cluster, "admin", kAdminPassword), Text(ErrorCode::kPasswordWrong));
}

}  // namespace
}  // namespace hsmcore
