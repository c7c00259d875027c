// SPDX-License-Identifier: Apache-2.0
// The HSMs change to another type.
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>
#include <fstream>
#include <string>
#include <vector>

#include "cluster/core.h"
#include "hsmcore/backup.h"
#include "hsmcore/cluster_setup.h"
#include "hsmcore/session/type_change_support.h"
#include "support/sqlite_editor.h"

namespace hsmcore::test {
namespace {

namespace fs = std::filesystem;

ino_t InodeOf(const fs::path& file) {
  struct stat info{};
  EXPECT_EQ(stat(file.c_str(), &info), 0) << file;
  return info.st_ino;
}

TEST_F(TypeChangeTest, GoesOneHsmAtATimeWithABackupBeforeEach) {
  const auto before = DescriptionOf(cluster_).hsms;
  std::vector<ino_t> stores;
  for (const HsmDescription& hsm : before) stores.push_back(InodeOf(hsm.path / "store.db"));
  const std::size_t backups = cluster_->ListBackups()->size();

  std::uint64_t last = 0;
  std::uint64_t all = 0;
  std::size_t most_away = 0;
  const auto changed = Change(cluster_, To(kNew), [&](std::uint64_t done, std::uint64_t of) {
    EXPECT_GT(done, last);
    last = done;
    all = of;
    const auto file = cluster::ReadClusterFile(cluster_.home()).value();
    const auto away = std::ranges::count_if(
        file.hsms, [](const auto& hsm) { return hsm.modifying || hsm.creating; });
    most_away = std::max(most_away, static_cast<std::size_t>(away));
    EXPECT_EQ(file.hsms.size(), 3U);
  });
  ASSERT_TRUE(changed.has_value()) << changed.error().Message();
  EXPECT_EQ(last, all);
  EXPECT_GE(most_away, 1U);
  EXPECT_EQ(changed->from, kOld);
  EXPECT_EQ(changed->to, kNew);
  EXPECT_FALSE(changed->rolled_back);
  EXPECT_TRUE(changed->problems.empty());

  ExpectWhole(cluster_, kNew);
  ASSERT_EQ(changed->backups.size(), 3U);
  EXPECT_EQ(cluster_->ListBackups()->size(), backups + 3);
  EXPECT_EQ(cluster_->DescribeBackup(changed->backups[0])->hsm_type, kOld);
  const auto after = DescriptionOf(cluster_).hsms;
  for (std::size_t i = 0; i < before.size(); ++i) {
    EXPECT_EQ(after[i].id, before[i].id);
    EXPECT_EQ(after[i].path, before[i].path);
    EXPECT_NE(InodeOf(after[i].path / "store.db"), stores[i]);
  }
  // What was loaded before goes on, and each HSM alone has all.
  EXPECT_TRUE(CanSign(*pair_));
  for (const HsmDescription& hsm : after) {
    EXPECT_FALSE(SqliteEditor(hsm.path / "store.db").Get("cluster/hsm-type").empty());
  }
}

TEST_F(TypeChangeTest, TheQuotasAreTheNewOnes) {
  const std::string label(127, 'x');
  const auto make = [&] {
    return CodeOf(cluster_.User()->Generate(SpecOf(KeyType::kAes),
                                            FormOf(KeyType::kAes, label, {Attribute::kEncrypt})));
  };
  EXPECT_EQ(make(), Text(ErrorCode::kQuotaExceeded));
  ASSERT_EQ(CodeOf(Change(cluster_, To(kNew))), "ok");
  EXPECT_EQ(make(), "ok");
  cluster_.Reopen();
  EXPECT_EQ(DescriptionOf(cluster_).type, kNew);
  EXPECT_EQ(make(), "ok");
  ASSERT_EQ(CodeOf(Change(cluster_, To("unlimited"))), "ok");
  ExpectWhole(cluster_, "unlimited");
}

TEST_F(TypeChangeTest, ACloneHasTheTypeOfItsBackup) {
  ASSERT_EQ(CodeOf(Change(cluster_, To(kNew))), "ok");
  const BackupInfo backup = cluster_->CreateBackup({}).value();
  EXPECT_EQ(backup.hsm_type, kNew);
  const TemporaryDirectory elsewhere;
  const auto clone = CloneFrom(backup.file, elsewhere.path() / "clone", 1);
  ASSERT_TRUE(clone.has_value()) << clone.error().Message();
  EXPECT_EQ((*clone)->Describe(false)->type, kNew);
}

TEST_F(TypeChangeTest, RefusesWhatCannotBe) {
  EXPECT_EQ(CodeOf(Change(cluster_, To("hsm9.large"))), Text(ErrorCode::kInvalidArgument));
  EXPECT_EQ(CodeOf(Change(cluster_, To(""))), Text(ErrorCode::kInvalidArgument));
  EXPECT_EQ(CodeOf(Change(cluster_, To(kOld))), Text(ErrorCode::kInvalidArgument));
  EXPECT_EQ(CodeOf(cluster_.User()->ChangeType(To(kNew), {})), Text(ErrorCode::kRoleForbids));
  EXPECT_EQ(CodeOf(cluster_->Anonymous()->ChangeType(To(kNew), {})),
            Text(ErrorCode::kLoginRequired));

  const auto hsms = DescriptionOf(cluster_).hsms;
  ASSERT_EQ(CodeOf(cluster_->StopHsm(hsms[0].id)), "ok");
  const auto stopped = Change(cluster_, To(kNew));
  ASSERT_EQ(CodeOf(stopped), Text(ErrorCode::kClusterState));
  EXPECT_TRUE(stopped.error().detail().contains(hsms[0].id));
  ASSERT_EQ(CodeOf(cluster_->StartHsm(hsms[0].id)), "ok");

  fs::remove_all(hsms[1].path);
  std::ofstream(hsms[1].path) << "a file where the directory was";
  const auto degraded = Change(cluster_, To(kNew));
  ASSERT_EQ(CodeOf(degraded), Text(ErrorCode::kClusterState));
  EXPECT_TRUE(degraded.error().detail().contains("DEGRADED")) << degraded.error().detail();
  fs::remove(hsms[1].path);
  ASSERT_EQ(CodeOf(cluster_->Sync()), "ok");

  ASSERT_EQ(CodeOf(Change(cluster_, To("unlimited"))), "ok");
  const auto smaller = Change(cluster_, To(kNew));
  ASSERT_EQ(CodeOf(smaller), Text(ErrorCode::kInvalidArgument));
  EXPECT_TRUE(smaller.error().detail().contains("24 hours"));
  ExpectWhole(cluster_, "unlimited");
}

TEST(TypeChangeSizeTest, TwentyEightHsmsAreTooMany) {
  TestCluster cluster(28);
  const auto refused = Change(cluster, To("unlimited"));
  ASSERT_EQ(CodeOf(refused), Text(ErrorCode::kClusterState));
  EXPECT_TRUE(refused.error().detail().contains("27"));
  ExpectWhole(cluster, kNew);
}

TEST(TypeChangeSizeTest, AnHsmAloneKeepsItsStore) {
  TestCluster cluster(1, OldType());
  Make(*cluster.User(), KeyType::kEc, "tls", {Attribute::kSign});
  ASSERT_EQ(CodeOf(Change(cluster, To(kNew))), "ok");
  ExpectWhole(cluster, kNew);
  ASSERT_EQ(CodeOf(Change(cluster, Back(false))), "ok");
  ExpectWhole(cluster, kOld);
  EXPECT_EQ(Loaded(*cluster.User(), "tls"), "ok");
}

// ---- Limited-write mode -------------------------------------------------------------------------

class LimitedWriteTest : public TypeChangeTest {
 protected:
  LimitedWriteTest() {
    kek_ = Make(*cluster_.User(), KeyType::kAes, "kek",
                {Attribute::kWrap, Attribute::kUnwrap, Attribute::kEncrypt});
    backup_ = cluster_->CreateBackup({}).value();
    EXPECT_TRUE(DiesAt(cluster_, To(kNew), 3));
    EXPECT_EQ(DescriptionOf(cluster_).state, "MODIFY_IN_PROGRESS");
  }

  KeyPtr kek_;
  BackupInfo backup_;
};

std::string Refused() { return Text(ErrorCode::kClusterState); }

TEST_F(LimitedWriteTest, NoKeyIsMade) {
  const auto session = cluster_.User();
  const auto made =
      session->Generate(SpecOf(KeyType::kEc), FormOf(KeyType::kEc, "new", {Attribute::kSign}));
  ASSERT_EQ(CodeOf(made), Refused());
  EXPECT_TRUE(made.error().detail().contains("limited-write")) << made.error().detail();
  EXPECT_TRUE(made.error().detail().contains("cluster modify --type")) << made.error().detail();
  EXPECT_EQ(CodeOf(session->Generate(SpecOf(KeyType::kAes), FormOf(KeyType::kAes, "new", {}))),
            Refused());
  const auto form = FormOf(KeyType::kAes, "new", {Attribute::kEncrypt}).private_half;
  EXPECT_EQ(
      CodeOf(session->ImportSecret(KeyType::kAes, SecretBytes::CopyOf(std::string(32, 'k')), form)),
      Refused());
  const auto payload = Make(*session, KeyType::kAes, "payload", {}, false);
  ASSERT_NE(payload, nullptr);
  const auto method = Method(WrapMechanism::Kind::kAesNoPad);
  const auto wrapped = session->Wrap(*kek_, *payload, method);
  ASSERT_TRUE(wrapped.has_value()) << wrapped.error().Message();
  UnwrapForm unwrap = Form(KeyType::kAes, "unwrapped");
  unwrap.attributes.emplace_back("token", "true");
  EXPECT_EQ(CodeOf(session->Unwrap(*kek_, method, wrapped->data, unwrap)), Refused());
  EXPECT_TRUE(session->Find(ByLabel("new"))->empty());
  EXPECT_TRUE(session->Find(ByLabel("unwrapped"))->empty());
}

TEST_F(LimitedWriteTest, NoKeyIsChangedOrDeleted) {
  const auto session = cluster_.User();
  const KeyHandle handle = pair_->private_info()->handle;
  EXPECT_EQ(CodeOf(session->SetAttribute(handle, "label", "other")), Refused());
  EXPECT_EQ(CodeOf(cluster_.Admin()->SetAttribute(kek_->private_info()->handle, "trusted", "true")),
            Refused());
  EXPECT_EQ(CodeOf(session->Delete(handle, true)), Refused());
  EXPECT_EQ(CodeOf(session->Delete(handle, false)), Refused());
  EXPECT_EQ(Loaded(*session, "tls"), "ok");
  EXPECT_TRUE(CanSign(*pair_));
}

TEST_F(LimitedWriteTest, NoKeyComesFromABackup) {
  // It is there, so that another error would come first: one that is not is needed.
  EXPECT_NE(CodeOf(cluster_.Admin()->RestoreKey(backup_.file, pair_->private_info()->handle, {})),
            "ok");
  ASSERT_EQ(CodeOf(Change(cluster_, To(kNew))), "ok");
  ASSERT_EQ(CodeOf(cluster_.User()->Delete(pair_->private_info()->handle, true)), "ok");
  ASSERT_TRUE(DiesAt(cluster_, To("unlimited"), 2));
  EXPECT_EQ(CodeOf(cluster_.Admin()->RestoreKey(backup_.file, pair_->private_info()->handle, {})),
            Refused());
}

TEST_F(LimitedWriteTest, NoUserIsMadeOrChanged) {
  EXPECT_EQ(CodeOf(cluster_.Admin()->CreateUser("new", Role::kCryptoUser,
                                                SecretBytes::CopyOf("newpass123"))),
            Refused());
  const auto session = cluster_.User();
  EXPECT_EQ(CodeOf(session->ChangePassword(SecretBytes::CopyOf("newpass123"))), Refused());
  EXPECT_EQ(CodeOf(session->CreateMachineCredential()), Refused());
  cluster_.Reopen();
  EXPECT_EQ(CodeOf(cluster_->Login(CredentialOf("app", kUserPassword), Role::kCryptoUser)), "ok");
}

TEST_F(LimitedWriteTest, NothingIsReplicatedInto) {
  const TemporaryDirectory elsewhere;
  const auto clone = CloneFrom(backup_.file, elsewhere.path() / "clone", 2);
  ASSERT_TRUE(clone.has_value()) << clone.error().Message();
  const auto login = (*clone)->Login(CredentialOf("app", kUserPassword), Role::kCryptoUser);
  const auto admin = (*clone)->Login(CredentialOf("admin", kAdminPassword), Role::kAdmin);
  const KeyPtr there = Make(**login, KeyType::kEc, "there", {Attribute::kSign});
  ASSERT_EQ(
      CodeOf((*admin)->CreateUser("there", Role::kCryptoUser, SecretBytes::CopyOf("newpass123"))),
      "ok");
  EXPECT_EQ(CodeOf((*clone)->ReplicateKey(there->private_info()->handle, **login, *cluster_,
                                          *cluster_.User())),
            Refused());
  EXPECT_EQ(CodeOf((*clone)->ReplicateUser("there", **admin, *cluster_, *cluster_.Admin())),
            Refused());
}

TEST_F(LimitedWriteTest, NoHsmComesOrGoes) {
  const auto hsms = DescriptionOf(cluster_).hsms;
  EXPECT_EQ(CodeOf(cluster_->CreateHsm({})), Refused());
  EXPECT_EQ(CodeOf(cluster_->DeleteHsm(hsms[0].id)), Refused());
  EXPECT_EQ(CodeOf(cluster_->StopHsm(hsms[0].id)), Refused());
  EXPECT_EQ(CodeOf(cluster_->StartHsm(hsms[0].id)), Refused());
  EXPECT_EQ(CodeOf(DeleteCluster(cluster_.home())), Refused());
  const auto other = Change(cluster_, To("unlimited"));
  ASSERT_EQ(CodeOf(other), Text(ErrorCode::kInvalidArgument));
  EXPECT_TRUE(other.error().detail().contains(kNew)) << other.error().detail();
}

TEST_F(LimitedWriteTest, TheRestGoesOn) {
  EXPECT_TRUE(CanSign(*pair_));
  const auto session = cluster_.User();
  EXPECT_EQ(Loaded(*session, "tls"), "ok");
  const KeyPtr session_key = Make(*session, KeyType::kEc, "", {Attribute::kSign}, false);
  ASSERT_NE(session_key, nullptr);
  EXPECT_TRUE(CanSign(*session_key));
  EXPECT_EQ(session->Find({})->size(), 5U);  // halves of two pairs, and the secret key
  // Wrong passwords count, and are forgotten.
  EXPECT_EQ(CodeOf(cluster_->Login(CredentialOf("app", "wrong-one"), Role::kCryptoUser)),
            Text(ErrorCode::kPasswordWrong));
  const auto users = cluster_.Admin()->ListUsers().value();
  const auto app = std::ranges::find(users, "app", &UserInfo::name);
  EXPECT_EQ(app->failed_logins, 1U);
  EXPECT_EQ(CodeOf(cluster_.Admin()->UnlockUser("app", Role::kCryptoUser)), "ok");
  EXPECT_EQ(CodeOf(cluster_->CreateBackup({})), "ok");
  EXPECT_EQ(CodeOf(cluster_.Admin()->ReadBackup(backup_.file, {})), "ok");
  EXPECT_EQ(CodeOf(cluster_.Admin()->SetBackupRetention(30)), "ok");
  EXPECT_EQ(CodeOf(cluster_->Sync()), "ok");
  EXPECT_EQ(DescriptionOf(cluster_).state, "MODIFY_IN_PROGRESS");
  const auto change = DescriptionOf(cluster_).type_change;
  ASSERT_TRUE(change.has_value());
  EXPECT_EQ(change->from, kOld);
  EXPECT_EQ(change->to, kNew);
  EXPECT_EQ(change->rollback_until, change->started + 86'400);
}

// ---- What a kill leaves -------------------------------------------------------------------------

TEST(TypeChangeKillTest, GoesOnWhereItDied) {
  for (unsigned step = 1;; ++step) {
    SCOPED_TRACE(step);
    TestCluster cluster(2, OldType());
    const KeyPtr key = Make(*cluster.User(), KeyType::kEc, "tls", {Attribute::kSign});
    const bool died = DiesAt(cluster, To(kNew), step);
    EXPECT_TRUE(CanSign(*key));
    if (!died) break;
    if (DescriptionOf(cluster).state != "ACTIVE") {
      ASSERT_EQ(CodeOf(Change(cluster, To(kNew))), "ok");
    }
    ExpectWhole(cluster, kNew);
    EXPECT_TRUE(CanSign(*key));
    cluster.Reopen();
    EXPECT_EQ(Loaded(*cluster.User(), "tls"), "ok");
    ASSERT_LT(step, 50U);
  }
}

TEST(TypeChangeKillTest, GoesBackFromWhereItDied) {
  for (unsigned step = 1;; ++step) {
    SCOPED_TRACE(step);
    TestCluster cluster(2, OldType());
    const KeyPtr key = Make(*cluster.User(), KeyType::kEc, "tls", {Attribute::kSign});
    if (!DiesAt(cluster, To(kNew), step)) break;
    const auto back = Change(cluster, Back(false));
    ASSERT_TRUE(back.has_value()) << back.error().Message();
    EXPECT_TRUE(back->rolled_back);
    EXPECT_TRUE(back->losses.none()) << back->losses.ToString();
    ExpectWhole(cluster, kOld);
    EXPECT_FALSE(DescriptionOf(cluster).type_change.has_value());
    EXPECT_TRUE(CanSign(*key));
    ASSERT_LT(step, 50U);
  }
}

// ---- Bad days -----------------------------------------------------------------------------------

TEST_F(TypeChangeTest, AnHsmThatCannotBeMadeAnewDoesNotHoldTheOthersUp) {
  const auto hsms = DescriptionOf(cluster_).hsms;
  unsigned steps = 0;
  const auto changed = Change(cluster_, To(kNew), [&](std::uint64_t, std::uint64_t) {
    if (++steps != 1) return;
    fs::remove_all(hsms[1].path);
    std::ofstream(hsms[1].path) << "a file where the directory was";
  });
  ASSERT_TRUE(changed.has_value()) << changed.error().Message();
  ASSERT_EQ(changed->problems.size(), 1U);
  EXPECT_TRUE(changed->problems[0].contains(hsms[1].id));
  EXPECT_EQ(DescriptionOf(cluster_).type, kNew);
  EXPECT_EQ(DescriptionOf(cluster_).state, "DEGRADED");
  EXPECT_TRUE(CanSign(*pair_));
  EXPECT_EQ(CodeOf(cluster_->DeleteHsm(hsms[1].id)), "ok");
  EXPECT_EQ(CodeOf(cluster_->CreateHsm({})), "ok");
  ExpectWhole(cluster_, kNew);
}

TEST_F(TypeChangeTest, ARecordThatIsNotGenuineIsNotBelieved) {
  ASSERT_EQ(CodeOf(Change(cluster_, To(kNew))), "ok");
  const auto hsms = DescriptionOf(cluster_).hsms;
  SqliteEditor(hsms[0].path / "store.db").Put("cluster/hsm-type", Bytes(20, 1));
  cluster_.Reopen();
  EXPECT_EQ(cluster_->Describe(false)->type, kNew);
  for (const auto& hsm : hsms) {
    SqliteEditor(hsm.path / "store.db").Put("cluster/hsm-type", Bytes(20, 1));
  }
  cluster_.Reopen();
  EXPECT_EQ(CodeOf(cluster_->Describe(false)), Text(ErrorCode::kHomeDamaged));
}

}  // namespace
}  // namespace hsmcore::test
