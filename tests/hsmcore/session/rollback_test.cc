// SPDX-License-Identifier: Apache-2.0
// The HSMs go back to the type before.
#include <gtest/gtest.h>

#include <filesystem>
#include <string>
#include <vector>

#include "hsmcore/backup.h"
#include "hsmcore/session/type_change_support.h"

namespace hsmcore::test {
namespace {

namespace fs = std::filesystem;

TEST(TypeChangeKillTest, ARollbackGoesOnWhereItDied) {
  for (unsigned step = 1;; ++step) {
    SCOPED_TRACE(step);
    TestCluster cluster(2, OldType());
    const KeyPtr key = Make(*cluster.User(), KeyType::kEc, "tls", {Attribute::kSign});
    ASSERT_EQ(CodeOf(Change(cluster, To(kNew))), "ok");
    Make(*cluster.User(), KeyType::kEc, "new", {Attribute::kSign});
    const bool died = DiesAt(cluster, Back(true), step);
    EXPECT_TRUE(CanSign(*key));
    if (!died) break;
    const std::string state = DescriptionOf(cluster).state;
    if (state != "ACTIVE") {
      EXPECT_TRUE(state == "PENDING_ROLLBACK" || state == "ROLLBACK_IN_PROGRESS") << state;
      EXPECT_EQ(CodeOf(cluster.User()->SetAttribute(key->private_info()->handle, "label", "x")),
                Text(ErrorCode::kClusterState));
      EXPECT_EQ(CodeOf(Change(cluster, To(kNew))), Text(ErrorCode::kClusterState));
      // What was accepted stays so.
      ASSERT_EQ(CodeOf(Change(cluster, Back(false))), "ok");
    }
    ExpectWhole(cluster, kOld);
    EXPECT_TRUE(CanSign(*key));
    EXPECT_EQ(Loaded(*cluster.User(), "new"), Text(ErrorCode::kKeyNotFound));
    ASSERT_LT(step, 50U);
  }
}

// ---- Rollback after the change ------------------------------------------------------------------

class RollbackTest : public TypeChangeTest {
 protected:
  RollbackTest() {
    deleted_ = Make(*cluster_.User(), KeyType::kAes, "deleted");
    EXPECT_EQ(CodeOf(Change(cluster_, To(kNew))), "ok");
    const auto session = cluster_.User();
    made_ = Make(*session, KeyType::kEc, "made", {Attribute::kSign});
    EXPECT_EQ(CodeOf(session->SetAttribute(pair_->private_info()->handle, "label", "renamed")),
              "ok");
    EXPECT_EQ(CodeOf(session->Delete(deleted_->private_info()->handle, true)), "ok");
    cluster_.AddUser("late", "latepass123");
    late_ = Make(*cluster_.User("late", "latepass123"), KeyType::kEc, "late's", {Attribute::kSign});
  }

  KeyPtr deleted_;
  KeyPtr made_;
  KeyPtr late_;
};

TEST_F(RollbackTest, SaysWhatIsLostBeforeItIs) {
  const auto refused = Change(cluster_, Back(false));
  ASSERT_EQ(CodeOf(refused), Text(ErrorCode::kClusterState));
  const std::string& text = refused.error().detail();
  for (const char* part : {"'made'", "'late's'", "crypto-user/late", "'tls'", "'deleted'", "--yes",
                           "--keep-new", "nothing was changed"}) {
    EXPECT_TRUE(text.contains(part)) << part << ": " << text;
  }
  ExpectWhole(cluster_, kNew);
  EXPECT_EQ(Loaded(*cluster_.User(), "made"), "ok");
  EXPECT_EQ(Loaded(*cluster_.User(), "renamed"), "ok");
  EXPECT_TRUE(CanSign(*made_));
}

TEST_F(RollbackTest, TurnsEverythingBack) {
  const auto back = Change(cluster_, Back(true));
  ASSERT_TRUE(back.has_value()) << back.error().Message();
  EXPECT_TRUE(back->rolled_back);
  EXPECT_EQ(back->losses.lost.size(), 3U);  // two keys, a user
  EXPECT_EQ(back->losses.changed.size(), 1U);
  EXPECT_EQ(back->losses.returned.size(), 1U);
  ExpectWhole(cluster_, kOld);
  const auto session = cluster_.User();
  EXPECT_EQ(Loaded(*session, "tls"), "ok");
  EXPECT_EQ(Loaded(*session, "renamed"), Text(ErrorCode::kKeyNotFound));
  EXPECT_EQ(Loaded(*session, "made"), Text(ErrorCode::kKeyNotFound));
  EXPECT_EQ(CodeOf(session->LoadSecret(ByLabel("deleted"))), "ok");
  EXPECT_TRUE(CanSign(*pair_));
  // Who has a lost key loaded is told at its next use.
  EXPECT_FALSE(CanSign(*made_));
  EXPECT_EQ(CodeOf(cluster_->Login(CredentialOf("late", "latepass123"), Role::kCryptoUser)),
            Text(ErrorCode::kUserNotFound));
  EXPECT_EQ(DescriptionOf(cluster_).keys, 2U);

  // What went is in the backup that was made of it, and a clone of that has it.
  ASSERT_EQ(back->backups.size(), 1U);
  const auto content =
      cluster_.Admin()->ReadBackup(cluster_->DescribeBackup(back->backups[0])->file, {});
  ASSERT_TRUE(content.has_value()) << content.error().Message();
  EXPECT_EQ(content->users.size(), 3U);
  EXPECT_EQ(content->info.hsm_type, kNew);
  // A handle is never given twice.
  const auto again = Make(*session, KeyType::kEc, "again");
  EXPECT_NE(again->private_info()->handle, made_->private_info()->handle);
  EXPECT_NE(again->private_info()->handle, late_->private_info()->handle);
  // Forward once more.
  EXPECT_EQ(CodeOf(Change(cluster_, To(kNew))), "ok");
  ExpectWhole(cluster_, kNew);
}

TEST_F(RollbackTest, KeepsWhatIsNewWhenAsked) {
  const auto refused = Change(cluster_, Back(false, true));
  ASSERT_EQ(CodeOf(refused), Text(ErrorCode::kClusterState)) << "the rest is still changed";
  EXPECT_FALSE(refused.error().detail().contains("'made'")) << refused.error().detail();
  EXPECT_FALSE(refused.error().detail().contains("--keep-new"));
  const auto back = Change(cluster_, Back(true, true));
  ASSERT_TRUE(back.has_value()) << back.error().Message();
  EXPECT_TRUE(back->losses.lost.empty());
  ExpectWhole(cluster_, kOld);
  EXPECT_EQ(Loaded(*cluster_.User(), "made"), "ok");
  EXPECT_EQ(Loaded(*cluster_.User(), "tls"), "ok");
  EXPECT_EQ(Loaded(*cluster_.User("late", "latepass123"), "late's"), "ok");
  EXPECT_TRUE(CanSign(*made_));
  EXPECT_TRUE(CanSign(*late_));
  EXPECT_EQ(DescriptionOf(cluster_).keys, 4U);
}

TEST_F(RollbackTest, WhatDoesNotFitTheOldTypeIsLostAllTheSame) {
  const std::string label(127, 'x');
  Make(*cluster_.User(), KeyType::kEc, label, {Attribute::kSign});
  const auto back = Change(cluster_, Back(true, true));
  ASSERT_TRUE(back.has_value()) << back.error().Message();
  ASSERT_EQ(back->losses.lost.size(), 1U);
  EXPECT_TRUE(back->losses.lost[0].contains(label));
  EXPECT_EQ(Loaded(*cluster_.User(), label), Text(ErrorCode::kKeyNotFound));
}

TEST_F(RollbackTest, TooManyNewUsersAreRefused) {
  for (unsigned i = 0; i < 250; ++i) cluster_.AddUser("user" + std::to_string(i), "somepass123");
  const auto back = Change(cluster_, Back(true, true));
  ASSERT_EQ(CodeOf(back), Text(ErrorCode::kQuotaExceeded));
  EXPECT_TRUE(back.error().detail().contains("253 users")) << back.error().detail();
  ExpectWhole(cluster_, kNew);
}

TEST_F(RollbackTest, MoreKeysThanOneCommitHolds) {
  constexpr unsigned kKeys = 1'010;
  const auto session = cluster_.User();
  std::vector<KeyPtr> some;
  for (unsigned i = 0; i < kKeys; ++i) {
    KeyPtr key = Make(*session, KeyType::kAes, "many", {Attribute::kEncrypt});
    if (i % 500 == 0) some.push_back(std::move(key));
  }
  const auto back = Change(cluster_, Back(true));
  ASSERT_TRUE(back.has_value()) << back.error().Message();
  EXPECT_EQ(back->losses.lost.size(), kKeys + 3);
  EXPECT_LT(back->losses.ToString().size(), 2000U);
  EXPECT_TRUE(session->Find(ByLabel("many"))->empty());
  EXPECT_EQ(DescriptionOf(cluster_).keys, 2U);
  for (const KeyPtr& key : some) {
    EXPECT_EQ(CodeOf(key->CheckUse(Key::Use::kEncrypt)), Text(ErrorCode::kKeyGone));
  }
  ExpectWhole(cluster_, kOld);
}

TEST_F(RollbackTest, ADamagedBackupChangesNothing) {
  const auto change = DescriptionOf(cluster_).type_change;
  ASSERT_TRUE(change.has_value());
  const fs::path file = cluster_->DescribeBackup(change->backup)->file;
  fs::resize_file(file, fs::file_size(file) - 10);
  EXPECT_EQ(CodeOf(Change(cluster_, Back(true))), Text(ErrorCode::kBackupDamaged));
  ExpectWhole(cluster_, kNew);
  fs::remove(file);
  EXPECT_EQ(CodeOf(Change(cluster_, Back(true))), Text(ErrorCode::kBackupNotFound));
  ExpectWhole(cluster_, kNew);
  EXPECT_EQ(Loaded(*cluster_.User(), "made"), "ok");
}

TEST_F(RollbackTest, IsNoWayRoundAQuorum) {
  cluster_.AddUser("deputy", "deputypass1", Role::kAdmin);
  const auto admin = cluster_.Admin();
  ASSERT_EQ(CodeOf(admin->SetQuorumValue(QuorumService::kCluster, 2, nullptr)), "ok");
  EXPECT_EQ(CodeOf(Change(cluster_, Back(true))), Text(ErrorCode::kQuorumRequired));
  // By another value than that of the settings, too.
  auto token = admin->NewQuorumToken(QuorumService::kQuorum);
  ASSERT_EQ(CodeOf(token), "ok");
  for (const char* name : {"deputy", "admin"}) {
    const auto approver = cluster_->Login(
        CredentialOf(name, name == std::string("admin") ? kAdminPassword : "deputypass1"),
        Role::kAdmin);
    ASSERT_EQ(CodeOf(approver), "ok");
    token = (*approver)->ApproveToken(*token);
    ASSERT_EQ(CodeOf(token), "ok");
  }
  ASSERT_EQ(CodeOf(admin->SetQuorumValue(QuorumService::kCluster, 1, &*token)), "ok");
  ASSERT_EQ(CodeOf(admin->SetQuorumValue(QuorumService::kQuorum, 2, nullptr)), "ok");
  const auto refused = Change(cluster_, Back(true));
  ASSERT_EQ(CodeOf(refused), Text(ErrorCode::kClusterState));
  EXPECT_TRUE(refused.error().detail().contains("quorum values")) << refused.error().detail();
  ExpectWhole(cluster_, kNew);
}

// The recovery key of then opens the escrows of then, and the other way round.
TEST_F(RollbackTest, WithAnotherRecoveryKeyNothingNewIsKept) {
  cluster_.AddUser("deputy", "deputypass1", Role::kAdmin);
  ASSERT_EQ(CodeOf(cluster_.Admin()->DeleteUser("deputy", Role::kAdmin, {})), "ok");
  EXPECT_EQ(CodeOf(Change(cluster_, Back(true, true))), Text(ErrorCode::kClusterState));
  ExpectWhole(cluster_, kNew);
  ASSERT_EQ(CodeOf(Change(cluster_, Back(true))), "ok");
  EXPECT_EQ(CodeOf(cluster_.Admin()->ResetPassword("app", Role::kCryptoUser,
                                                   SecretBytes::CopyOf("brandnewpw1"))),
            "ok");
}

TEST(RollbackTimeTest, EndsADayAfterTheStart) {
  constexpr std::int64_t kStart = 1'800'000'000;
  TestCluster cluster(2, OldType());
  ASSERT_EQ(CodeOf(Change(cluster, {.type = kNew, .now = kStart})), "ok");
  EXPECT_EQ(DescriptionOf(cluster).type_change->rollback_until, kStart + 86'400);
  const auto late = Change(cluster, {.type = kOld, .now = kStart + 86'400});
  ASSERT_EQ(CodeOf(late), Text(ErrorCode::kClusterState));
  EXPECT_TRUE(late.error().detail().contains("--source-backup")) << late.error().detail();
  ExpectWhole(cluster, kNew);
  EXPECT_EQ(CodeOf(Change(cluster, {.type = kOld, .now = kStart + 86'399})), "ok");
  ExpectWhole(cluster, kOld);
}

TEST(RollbackTimeTest, AlsoWhileTheChangeIsUnderWay) {
  constexpr std::int64_t kStart = 1'800'000'000;
  TestCluster cluster(2, OldType());
  ASSERT_TRUE(DiesAt(cluster, {.type = kNew, .now = kStart}, 3));
  EXPECT_EQ(CodeOf(Change(cluster, {.type = kOld, .now = kStart + 86'400})),
            Text(ErrorCode::kClusterState));
  EXPECT_EQ(CodeOf(Change(cluster, {.type = kNew, .now = kStart + 86'400})), "ok");
  ExpectWhole(cluster, kNew);
}

}  // namespace
}  // namespace hsmcore::test
