// SPDX-License-Identifier: Apache-2.0
// What admins do to other users: delete them, hand their keys over, reset passwords.
#include <gtest/gtest.h>

#include <ctime>
#include <string>
#include <vector>

#include "base/cbor.h"
#include "cluster/core.h"
#include "hsmcore/backup.h"
#include "keys/key_store.h"
#include "support/session_support.h"
#include "support/test_cluster.h"
#include "users/authentication.h"
#include "users/escrow.h"
#include "users/lifecycle.h"
#include "users/lockout.h"
#include "users/record.h"

namespace hsmcore {
namespace {

using test::ByLabel;
using test::CodeOf;
using test::CredentialOf;
using test::kAdminPassword;
using test::kUserPassword;
using test::SignCode;
using test::TestCluster;
using test::Text;

constexpr const char* kOther = "otherpass1";

std::string LoginCode(TestCluster& cluster, const char* user, const char* password,
                      Role role = Role::kCryptoUser) {
  return CodeOf(cluster->Login(CredentialOf(user, password), role));
}

KeyPtr Make(Session& session, const char* label) {
  KeyTemplate form;
  form.private_half.label = form.public_half.label = label;
  form.private_half.flags.Set(Attribute::kSign, true);
  auto key = session.Generate(test::Ed25519Spec(), form);
  if (!key) ADD_FAILURE() << key.error().Message();
  return key.value_or(nullptr);
}

std::shared_ptr<Session> Deputy(TestCluster& cluster, const char* name = "deputy") {
  auto session = cluster->Login(CredentialOf(name, kOther), Role::kAdmin);
  if (!session) ADD_FAILURE() << session.error().Message();
  return session.value_or(cluster->Anonymous());
}

TEST(UserDeletionTest, AUserWithKeysStaysUntilTheyAreGone) {
  TestCluster cluster;
  const auto session = cluster.User();
  const KeyPtr key = Make(*session, "k");
  const Status refused = cluster.Admin()->DeleteUser("app", Role::kCryptoUser, {});
  EXPECT_EQ(CodeOf(refused), Text(ErrorCode::kClusterState));
  EXPECT_NE(refused.error().detail().find(key->private_info()->handle.ToString()),
            std::string::npos);
  ASSERT_TRUE(session->Delete(key->private_info()->handle, true));
  EXPECT_EQ(CodeOf(cluster.Admin()->DeleteUser("APP", Role::kCryptoUser, {})), "ok");
  EXPECT_EQ(LoginCode(cluster, "app", kUserPassword), Text(ErrorCode::kUserNotFound));
  EXPECT_EQ(cluster->Anonymous()->ListUsers()->size(), 1U);
  EXPECT_EQ(CodeOf(cluster.Admin()->DeleteUser("app", Role::kCryptoUser, {})),
            Text(ErrorCode::kUserNotFound));
  // The name is free, for somebody else.
  cluster.AddUser("app", kOther);
  EXPECT_EQ(LoginCode(cluster, "app", kUserPassword), Text(ErrorCode::kPasswordWrong));
  EXPECT_EQ(LoginCode(cluster, "app", kOther), "ok");
}

TEST(UserDeletionTest, ALoginOfBeforeDoesNothingAnyMore) {
  TestCluster cluster;
  cluster.AddUser("gone", kOther);
  const auto session = cluster.User("gone", kOther);
  ASSERT_TRUE(session->Find({}));
  ASSERT_TRUE(cluster.Admin()->DeleteUser("gone", Role::kCryptoUser, {}));
  EXPECT_EQ(CodeOf(session->Find({})), Text(ErrorCode::kUserNotFound));
  EXPECT_EQ(CodeOf(session->Load(ByLabel("k"), true)), Text(ErrorCode::kUserNotFound));
  EXPECT_EQ(CodeOf(session->Generate(test::Ed25519Spec(), {})), Text(ErrorCode::kUserNotFound));
  EXPECT_EQ(CodeOf(session->ChangePassword(SecretBytes::CopyOf("newpassword"))),
            Text(ErrorCode::kUserNotFound));
  EXPECT_EQ(cluster->Describe(false)->keys, 0U);
  // Nor as the next one of that name.
  cluster.AddUser("gone", kUserPassword);
  EXPECT_EQ(CodeOf(session->Find({})), Text(ErrorCode::kUserNotFound));
}

TEST(UserDeletionTest, TheFirstAdminAndOneselfStay) {
  TestCluster cluster;
  cluster.AddUser("deputy", kOther, Role::kAdmin);
  EXPECT_EQ(CodeOf(cluster.Admin()->DeleteUser("admin", Role::kAdmin, {})),
            Text(ErrorCode::kClusterState));
  EXPECT_EQ(CodeOf(Deputy(cluster)->DeleteUser("admin", Role::kAdmin, {})),
            Text(ErrorCode::kClusterState));
  EXPECT_EQ(CodeOf(Deputy(cluster)->DeleteUser("deputy", Role::kAdmin, {})),
            Text(ErrorCode::kClusterState));
  EXPECT_EQ(cluster->Anonymous()->ListUsers()->size(), 3U);
}

// Users, settings, marks: all that an admin has signed is as good after he is gone, twice over.
TEST(UserDeletionTest, WhatADeletedAdminHasSignedStaysGenuine) {
  TestCluster cluster;
  cluster.AddUser("deputy", kOther, Role::kAdmin);
  const auto deputy = Deputy(cluster);
  for (const auto& [name, role] : {std::pair("second", Role::kAdmin), {"bob", Role::kCryptoUser}}) {
    ASSERT_TRUE(deputy->CreateUser(name, role, SecretBytes::CopyOf(kOther)));
  }
  ASSERT_TRUE(deputy->SetBackupRetention(33));
  ASSERT_TRUE(deputy->SetKeyAvailabilityCheck(false));
  ASSERT_TRUE(deputy->SetUnlockAfter(7));
  ASSERT_TRUE(deputy->CreateGroup("web"));
  KeyTemplate form = KeyTemplate::Secret();
  form.private_half.label = "kek";
  KeySpec spec = test::SpecOf(KeyType::kAes);
  const auto kek = cluster.User("bob", kOther)->Generate(spec, form);
  ASSERT_TRUE(kek) << kek.error().Message();
  const KeyHandle handle = (*kek)->private_info()->handle;
  ASSERT_TRUE(deputy->SetAttribute(handle, "trusted", "true"));

  // Who is vouched for by the one who goes cannot take his place.
  EXPECT_EQ(CodeOf(Deputy(cluster, "second")->DeleteUser("deputy", Role::kAdmin, {})),
            Text(ErrorCode::kClusterState));
  cluster.AddUser("third", kOther, Role::kAdmin);
  ASSERT_TRUE(Deputy(cluster, "third")->DeleteUser("deputy", Role::kAdmin, {}));
  cluster.Reopen();
  EXPECT_EQ(LoginCode(cluster, "deputy", kOther, Role::kAdmin), Text(ErrorCode::kUserNotFound));
  ASSERT_TRUE(cluster.Admin()->DeleteUser("third", Role::kAdmin, {}));
  cluster.Reopen();
  EXPECT_EQ(LoginCode(cluster, "second", kOther, Role::kAdmin), "ok");

  EXPECT_EQ(LoginCode(cluster, "bob", kOther), "ok");
  EXPECT_EQ(*cluster->BackupRetention(), 33U);
  EXPECT_FALSE(cluster->Describe(false)->key_availability_check);
  EXPECT_EQ(cluster->Anonymous()->ListGroups()->size(), 1U);
  const auto found = cluster.User("bob", kOther)->Find(KeyQuery::ByHandle(handle));
  ASSERT_TRUE(found && found->size() == 1);
  EXPECT_EQ(AttributeText(found->front(), Attribute::kTrusted), "true");
  EXPECT_TRUE(cluster->Sync()->empty());
  const auto backup = cluster->CreateBackup({});
  ASSERT_TRUE(backup) << backup.error().Message();
  const auto content = cluster.Admin()->ReadBackup(backup->file, {});
  ASSERT_TRUE(content) << content.error().Message();
  EXPECT_EQ(content->users.size(), 4U);
  // One of the same name is another, and vouches for nobody of before.
  cluster.AddUser("deputy", kUserPassword, Role::kAdmin);
  cluster.Reopen();
  EXPECT_EQ(LoginCode(cluster, "bob", kOther), "ok");
}

TEST(UserDeletionTest, ADeletedAdminHasNoPartInTheRecoveryKey) {
  TestCluster cluster;
  cluster.AddUser("deputy", kOther, Role::kAdmin);
  const auto deputy = Deputy(cluster);
  ASSERT_TRUE(cluster.Admin()->DeleteUser("deputy", Role::kAdmin, {}));
  EXPECT_EQ(CodeOf(deputy->ResetPassword("app", Role::kCryptoUser, SecretBytes::CopyOf(kOther))),
            Text(ErrorCode::kRoleForbids));
  EXPECT_EQ(LoginCode(cluster, "app", kUserPassword), "ok");
}

DeleteUserOptions To(const char* name, const char* password) {
  return {.transfer_keys_to = name, .owner = CredentialOf("app", password)};
}

TEST(KeyTransferTest, TheKeysGoOverUnderTheSameHandles) {
  TestCluster cluster;
  cluster.AddUser("heir", kOther);
  const auto owner = cluster.User();
  const KeyPtr key = Make(*owner, "k");
  for (int i = 0; i < 3; ++i) Make(*owner, "more");
  KeyTemplate form = KeyTemplate::Secret();
  form.private_half.label = "kek";
  const auto kek = owner->Generate(test::SpecOf(KeyType::kAes), form);
  ASSERT_TRUE(kek);
  const KeyHandle marked = (*kek)->private_info()->handle;
  ASSERT_TRUE(cluster.Admin()->SetAttribute(marked, "trusted", "true"));
  ASSERT_EQ(
      CodeOf(cluster.Admin()->DeleteUser("app", Role::kCryptoUser, To("heir", kUserPassword))),
      "ok");
  cluster.Reopen();
  const auto heir = cluster.User("heir", kOther);
  const auto found = heir->Load(ByLabel("k"), true);
  ASSERT_TRUE(found) << found.error().Message();
  EXPECT_EQ((*found)->private_info()->handle, key->private_info()->handle);
  EXPECT_EQ((*found)->private_info()->owner, "heir");
  EXPECT_EQ((*found)->spki(), key->spki());
  EXPECT_EQ(SignCode(**found), "ok");
  EXPECT_EQ(AttributeText(heir->Find(KeyQuery::ByHandle(marked))->front(), Attribute::kTrusted),
            "true");
  EXPECT_EQ(CodeOf(heir->Delete(marked, false)), "ok");
  EXPECT_EQ(cluster->Anonymous()->ListUsers()->size(), 2U);
  EXPECT_TRUE(cluster->Sync()->empty());
}

TEST(KeyTransferTest, NeedsTheOwnersConsent) {
  TestCluster cluster;
  cluster.AddUser("heir", kOther);
  Make(*cluster.User(), "k");
  const auto admin = cluster.Admin();
  const auto code = [&](const DeleteUserOptions& wanted) {
    return CodeOf(admin->DeleteUser("app", Role::kCryptoUser, wanted));
  };
  EXPECT_EQ(code({.transfer_keys_to = "heir", .owner = {}}), Text(ErrorCode::kLoginRequired));
  EXPECT_EQ(code(To("heir", "wrongpass1")), Text(ErrorCode::kPasswordWrong));
  EXPECT_EQ(code(To("nobody", kUserPassword)), Text(ErrorCode::kUserNotFound));
  EXPECT_EQ(code(To("admin", kUserPassword)), Text(ErrorCode::kUserNotFound));
  EXPECT_EQ(code(To("app", kUserPassword)), Text(ErrorCode::kInvalidArgument));
  EXPECT_EQ(CodeOf(cluster.User()->Load(ByLabel("k"), true)), "ok");
  EXPECT_EQ(CodeOf(cluster.User("heir", kOther)->Load(ByLabel("k"), true)),
            Text(ErrorCode::kKeyNotFound));
}

// The DEK is new: what the old owner remembers opens nothing, with the store in his hands.
TEST(KeyTransferTest, TheOldOwnersSecretOpensNothing) {
  TestCluster cluster;
  cluster.AddUser("heir", kOther);
  const KeyHandle handle = Make(*cluster.User(), "k")->private_info()->handle;
  const auto file = cluster::ReadClusterFile(cluster.home());
  const auto core = *cluster::OpenCore(cluster.home(), *file);
  const auto user = users::GetUser(*core, Role::kCryptoUser, "app");
  const auto admin = *users::GetUser(*core, Role::kAdmin, "admin");
  const auto self =
      *users::OpenPassword(admin.record, SecretBytes::CopyOf(kAdminPassword), nullptr);
  const auto recovery = users::OpenRecovery(*core, {&self, admin.record.path()}, nullptr);
  ASSERT_TRUE(recovery) << recovery.error().Message();
  const auto identity = users::OpenEscrow(*core, *recovery, user->record);
  ASSERT_TRUE(identity) << identity.error().Message();
  const auto before = *keys::Read(*core, handle, {});
  const auto dek = keys::OpenGrant(*before, user->record.path(), *identity);
  ASSERT_TRUE(dek);
  ASSERT_TRUE(keys::OpenPrivate(*before, *dek));
  ASSERT_TRUE(cluster.Admin()->DeleteUser("app", Role::kCryptoUser, To("heir", kUserPassword)));
  const auto after = *keys::Read(*core, handle, {});
  ASSERT_TRUE(after);
  EXPECT_FALSE(keys::OpenGrant(*after, user->record.path(), *identity));
  EXPECT_FALSE(keys::OpenPrivate(*after, *dek));
}

TEST(PasswordResetTest, KeysAndMachineCredentialsStay) {
  TestCluster cluster;
  Make(*cluster.User(), "k");
  const auto machine = cluster.User()->CreateMachineCredential();
  for (int i = 0; i < 6; ++i) LoginCode(cluster, "app", "wrongpass1");
  ASSERT_EQ(LoginCode(cluster, "app", kUserPassword), Text(ErrorCode::kUserLocked));
  ASSERT_EQ(
      CodeOf(cluster.Admin()->ResetPassword("App", Role::kCryptoUser, SecretBytes::CopyOf(kOther))),
      "ok");
  cluster.Reopen();
  EXPECT_EQ(LoginCode(cluster, "app", kUserPassword), Text(ErrorCode::kPasswordWrong));
  const auto key = cluster.User("app", kOther)->Load(ByLabel("k"), true);
  ASSERT_TRUE(key);
  EXPECT_EQ(SignCode(**key), "ok");
  EXPECT_EQ(CodeOf(cluster->Login(*Credential::FromPin(*machine), Role::kCryptoUser)), "ok");
}

TEST(PasswordResetTest, IsForAdminsAndForUsersThatThereAre) {
  TestCluster cluster;
  cluster.AddUser("deputy", kOther, Role::kAdmin);
  cluster.AddUser("auditor", kOther, Role::kAuditor);
  const auto reset = [&](Session& session, const char* name, Role role, const char* password) {
    return CodeOf(session.ResetPassword(name, role, SecretBytes::CopyOf(password)));
  };
  EXPECT_EQ(reset(*cluster.User(), "admin", Role::kAdmin, kOther), Text(ErrorCode::kRoleForbids));
  EXPECT_EQ(reset(*cluster.Admin(), "nobody", Role::kCryptoUser, kOther),
            Text(ErrorCode::kUserNotFound));
  EXPECT_EQ(reset(*cluster.Admin(), "app", Role::kCryptoUser, "short"),
            Text(ErrorCode::kPasswordPolicy));
  // Another admin's, the first one's too: so one who left is kept out.
  EXPECT_EQ(reset(*Deputy(cluster), "admin", Role::kAdmin, "changedpass"), "ok");
  EXPECT_EQ(LoginCode(cluster, "admin", kAdminPassword, Role::kAdmin),
            Text(ErrorCode::kPasswordWrong));
  EXPECT_EQ(LoginCode(cluster, "admin", "changedpass", Role::kAdmin), "ok");
  EXPECT_EQ(reset(*Deputy(cluster), "auditor", Role::kAuditor, "changedpass"), "ok");
  EXPECT_EQ(LoginCode(cluster, "auditor", "changedpass", Role::kAuditor), "ok");
}

TEST(LockoutTest, EndsByItselfOnlyWhereAnAdminSaysSo) {
  using users::FailedLogins;
  EXPECT_FALSE((FailedLogins{5, 1000}.Locked(1000, 1)));
  EXPECT_TRUE((FailedLogins{6, 1000}.Locked(1'000'000, 0)));
  EXPECT_TRUE((FailedLogins{6, 1000}.Locked(1059, 1)));
  EXPECT_FALSE((FailedLogins{6, 1000}.Locked(1060, 1)));
  EXPECT_TRUE((FailedLogins{6, 1000}.Locked(900, 1)));     // a clock that was put back
  EXPECT_TRUE((FailedLogins{6, 0}.Locked(1'000'000, 1)));  // a record of before there were times
}

TEST(LockoutTest, IsOverAfterTheMinutesOfTheCluster) {
  TestCluster cluster;
  for (int i = 0; i < 6; ++i) LoginCode(cluster, "app", "wrongpass1");
  const auto file = cluster::ReadClusterFile(cluster.home());
  const auto core = *cluster::OpenCore(cluster.home(), *file);
  const auto back_date = [&] {
    const std::string path = users::LockoutPath(users::UserPath(Role::kCryptoUser, "app"));
    ASSERT_TRUE(storage::Update(*core->engine, [&](storage::Transaction& change) -> Status {
      change.Put(path,
                 cbor::Encode({{"v", 1U}, {"failed", 6U}, {"last", std::time(nullptr) - 61}}));
      return {};
    }));
  };
  back_date();
  EXPECT_EQ(LoginCode(cluster, "app", kUserPassword), Text(ErrorCode::kUserLocked));
  ASSERT_TRUE(cluster.Admin()->SetUnlockAfter(2));
  EXPECT_EQ(LoginCode(cluster, "app", kUserPassword), Text(ErrorCode::kUserLocked));
  ASSERT_TRUE(cluster.Admin()->SetUnlockAfter(1));
  EXPECT_FALSE(cluster->Anonymous()->ListUsers()->at(1).locked);
  EXPECT_EQ(LoginCode(cluster, "app", "wrongpass1"), Text(ErrorCode::kPasswordWrong));
  back_date();
  EXPECT_EQ(LoginCode(cluster, "app", kUserPassword), "ok");
  EXPECT_EQ(cluster->Anonymous()->ListUsers()->at(1).failed_logins, 0U);
  EXPECT_EQ(CodeOf(cluster.Admin()->SetUnlockAfter(kMaxUnlockMinutes + 1)),
            Text(ErrorCode::kInvalidArgument));
  EXPECT_EQ(CodeOf(cluster.User()->SetUnlockAfter(1)), Text(ErrorCode::kRoleForbids));
}

// Processor time, which other programs on the machine do not take part in.
double CpuOf(TestCluster& cluster, const char* user) {
  timespec begin{};
  timespec end{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &begin);
  LoginCode(cluster, user, "wrongpass1");
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &end);
  return static_cast<double>(end.tv_sec - begin.tv_sec) +
         1e-9 * static_cast<double>(end.tv_nsec - begin.tv_nsec);
}

TEST(LockoutTest, AnUnknownUserCostsAsMuchAsAWrongPassword) {
  TestCluster cluster;
  std::vector<double> ratios;
  for (int i = 0; i < 5; ++i) ratios.push_back(CpuOf(cluster, "nobody") / CpuOf(cluster, "app"));
  std::ranges::sort(ratios);
  EXPECT_GT(ratios[2], 0.5);
  EXPECT_LT(ratios[2], 2.0);
}

}  // namespace
}  // namespace hsmcore
