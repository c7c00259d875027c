// SPDX-License-Identifier: Apache-2.0
// The approval of m of n admins, for what is guarded by it.
#include "users/quorum.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "hsmcore/backup.h"
#include "quorum_support.h"
#include "support/sqlite_editor.h"
#include "users/challenge.h"
#include "users/quorum_policy.h"

namespace hsmcore {
namespace {

using test::CodeOf;
using test::CredentialOf;
using test::kPassword;
using test::kRefused;
using test::kRequired;
using test::Text;
using test::TokenSigner;

using QuorumTest = test::QuorumFixture;

TEST_F(QuorumTest, WithoutAValueNothingTakesAnApproval) {
  const auto values = cluster_->Anonymous()->QuorumValues();
  ASSERT_EQ(CodeOf(values), "ok");
  ASSERT_EQ(values->size(), kAdminServices);
  for (const QuorumValue& value : *values) EXPECT_EQ(value.value, kNoQuorum);
  EXPECT_EQ(Create("one", nullptr), "ok");
}

TEST_F(QuorumTest, AUserIsMadeWithEnoughApprovalsOnly) {
  Set(QuorumService::kUser, 2);
  EXPECT_EQ(Create("one", nullptr), kRequired);
  QuorumToken token = Token(QuorumService::kUser, {"alice"});
  EXPECT_EQ(Create("one", &token), kRequired);
  signers_.at("admin").Approve(token, "admin");  // who asks may sign too
  EXPECT_EQ(Create("one", &token), "ok");
  EXPECT_EQ(Create("two", &token), kRefused);  // it is spent
}

TEST_F(QuorumTest, WhoSignsTwiceCountsOnce) {
  Set(QuorumService::kUser, 2);
  QuorumToken token = Token(QuorumService::kUser, {"alice", "alice"});
  EXPECT_EQ(Create("one", &token), kRequired);
  signers_.at("alice").Approve(token, "bob");  // nor does he for somebody else
  EXPECT_EQ(Create("one", &token), kRefused);
}

TEST_F(QuorumTest, OnlyAdminsWithARegisteredKeySign) {
  Set(QuorumService::kUser, 2);
  const TokenSigner app;
  ASSERT_EQ(CodeOf(app.Register(*cluster_.User())), "ok");
  QuorumToken token = Token(QuorumService::kUser, {"alice"});
  QuorumToken with_user = token;
  app.Approve(with_user, "app", Role::kCryptoUser);
  EXPECT_EQ(Create("one", &with_user), kRefused);
  QuorumToken posing = token;
  app.Approve(posing, "app", Role::kAdmin);
  EXPECT_EQ(Create("one", &posing), kRefused);
  signers_.at("bob").Approve(token, "bob");
  EXPECT_EQ(Create("one", &token), "ok");
}

TEST_F(QuorumTest, AChangeThatFailsDoesNotSpend) {
  Set(QuorumService::kUser, 2);
  const QuorumToken token = Token(QuorumService::kUser, {"alice", "bob"});
  EXPECT_EQ(Create("app", &token), Text(ErrorCode::kUserExists));
  EXPECT_EQ(Create("one", &token), "ok");
}

TEST_F(QuorumTest, ATokenIsForOneServiceAndOneAdmin) {
  Set(QuorumService::kUser, 2);
  const QuorumToken other = Token(QuorumService::kCluster, {"alice", "bob"});
  EXPECT_EQ(Create("one", &other), kRefused);
  QuorumToken renamed = other;
  renamed.service = QuorumService::kUser;
  EXPECT_EQ(Create("one", &renamed), kRefused);
  const QuorumToken mine = Token(QuorumService::kUser, {"alice", "bob"});
  EXPECT_EQ(CodeOf(AdminCalled("alice")->CreateUser("one", Role::kCryptoUser,
                                                    SecretBytes::CopyOf(kPassword), &mine)),
            kRefused);
  EXPECT_EQ(Create("one", &mine), "ok");
}

TEST_F(QuorumTest, ATokenOfAnotherClusterIsRefused) {
  Set(QuorumService::kUser, 2);
  QuorumToken token = Token(QuorumService::kUser, {});
  users::Challenge foreign = *users::Challenge::Decode(token.approval_data);
  foreign.cluster = "cluster-elsewhere23";
  token.approval_data = foreign.Encode();
  for (const char* name : {"alice", "bob"}) signers_.at(name).Approve(token, name);
  EXPECT_EQ(Create("one", &token), kRefused);
}

TEST_F(QuorumTest, AnEditedTokenIsRefused) {
  Set(QuorumService::kUser, 2);
  const QuorumToken token = Token(QuorumService::kUser, {"alice", "bob"});
  for (std::size_t i = 0; i < token.approval_data.size(); i += 7) {
    QuorumToken edited = token;
    edited.approval_data[i] ^= 1;
    EXPECT_EQ(Create("one", &edited), kRefused) << i;
  }
  QuorumToken longer = token;
  longer.approval_data.push_back('\n');
  EXPECT_EQ(Create("one", &longer), kRefused);
  longer.approval_data.assign(100000, 'a');
  EXPECT_EQ(Create("one", &longer), kRefused);
  QuorumToken damaged = token;
  damaged.signatures.front().signature.clear();
  EXPECT_EQ(Create("one", &damaged), kRefused);
  damaged = token;
  damaged.signatures.resize(1000, token.signatures.front());
  EXPECT_EQ(Create("one", &damaged), kRefused);
  EXPECT_EQ(Create("one", &token), "ok");
}

TEST_F(QuorumTest, TheAuditLogIsOfTheCluster) {
  Set(QuorumService::kCluster, 2);
  const auto admin = cluster_.Admin();
  EXPECT_EQ(CodeOf(admin->SetKeyUseAudit(KeyUseAudit::kStrict, {})), kRequired);
  EXPECT_EQ(CodeOf(admin->RotateAudit(2)), kRequired);
  QuorumToken token = Token(QuorumService::kCluster, {"alice", "bob"});
  EXPECT_EQ(CodeOf(admin->SetKeyUseAudit(KeyUseAudit::kStrict, {}, &token)), "ok");
  EXPECT_EQ(CodeOf(admin->RotateAudit(2, &token)), kRefused);
  token = Token(QuorumService::kCluster, {"alice", "bob"});
  EXPECT_EQ(CodeOf(admin->RotateAudit(2, &token)), "ok");
}

// Tokens that were made some time ago, by another process with the store open.
class QuorumTimeTest : public QuorumTest, public testing::WithParamInterface<std::int64_t> {};

TEST_P(QuorumTimeTest, AnExpiredTokenIsRefused) {
  Set(QuorumService::kUser, 2);
  const auto core = test::OpenBeside(cluster_);
  const auto text = users::NewChallenge(*core, "quorum/user", Role::kAdmin, "admin",
                                        std::time(nullptr) + GetParam(), false);
  ASSERT_EQ(CodeOf(text), "ok");
  QuorumToken token;
  token.approval_data = *text;
  for (const char* name : {"alice", "bob"}) signers_.at(name).Approve(token, name);
  EXPECT_EQ(Create("one", &token), kRefused);
  const auto live = cluster_->Anonymous()->QuorumTokens();
  ASSERT_EQ(CodeOf(live), "ok");
  EXPECT_TRUE(live->empty());
  // And it is in no other one's way.
  EXPECT_EQ(CodeOf(cluster_.Admin()->NewQuorumToken(QuorumService::kUser)), "ok");
}
INSTANTIATE_TEST_SUITE_P(Clocks, QuorumTimeTest,
                         // Too old; and made before the clock was put back.
                         testing::Values(-kTokenLifetime - 5, 3600));

TEST_F(QuorumTest, AServiceHasOneLiveToken) {
  EXPECT_EQ(CodeOf(cluster_.User()->NewQuorumToken(QuorumService::kUser)),
            Text(ErrorCode::kRoleForbids));
  ASSERT_EQ(CodeOf(cluster_.Admin()->NewQuorumToken(QuorumService::kUser)), "ok");
  EXPECT_EQ(CodeOf(AdminCalled("alice")->NewQuorumToken(QuorumService::kUser)), kRefused);
  EXPECT_EQ(CodeOf(AdminCalled("alice")->NewQuorumToken(QuorumService::kCluster)), "ok");
  const auto live = cluster_->Anonymous()->QuorumTokens();
  ASSERT_EQ(CodeOf(live), "ok");
  ASSERT_EQ(live->size(), 2U);
  // Each deletes his own, or all.
  EXPECT_EQ(AdminCalled("bob")->DeleteQuorumTokens(false).value(), 0U);
  EXPECT_EQ(AdminCalled("alice")->DeleteQuorumTokens(false).value(), 1U);
  EXPECT_EQ(AdminCalled("bob")->DeleteQuorumTokens(true).value(), 1U);
  EXPECT_EQ(CodeOf(AdminCalled("alice")->NewQuorumToken(QuorumService::kUser)), "ok");
}

TEST_F(QuorumTest, AValueIsChangedWithAsManyApprovalsAsItHas) {
  const auto set = [&](QuorumService service, unsigned value, const QuorumToken* approval) {
    return CodeOf(cluster_.Admin()->SetQuorumValue(service, value, approval));
  };
  EXPECT_EQ(set(QuorumService::kCluster, 0, nullptr), Text(ErrorCode::kInvalidArgument));
  EXPECT_EQ(set(QuorumService::kCluster, 9, nullptr), Text(ErrorCode::kInvalidArgument));
  // There are three admins.
  EXPECT_EQ(set(QuorumService::kCluster, 4, nullptr), Text(ErrorCode::kInvalidArgument));
  EXPECT_EQ(set(QuorumService::kCluster, 3, nullptr), "ok");
  EXPECT_EQ(set(QuorumService::kCluster, 1, nullptr), kRequired);
  QuorumToken token = Token(QuorumService::kQuorum, {"admin", "bob"});
  EXPECT_EQ(set(QuorumService::kCluster, 1, &token), kRequired);
  signers_.at("alice").Approve(token, "alice");
  EXPECT_EQ(set(QuorumService::kCluster, 1, &token), "ok");
  EXPECT_EQ(set(QuorumService::kCluster, 2, nullptr), "ok");
  // The value of `quorum` counts for all of them.
  EXPECT_EQ(set(QuorumService::kQuorum, 3, nullptr), "ok");
  token = Token(QuorumService::kQuorum, {"alice", "bob"});
  EXPECT_EQ(set(QuorumService::kCluster, 1, &token), kRequired);
  signers_.at("admin").Approve(token, "admin");
  EXPECT_EQ(set(QuorumService::kCluster, 1, &token), "ok");
  EXPECT_EQ(set(QuorumService::kCluster, 2, &token), kRefused);
  EXPECT_EQ(CodeOf(cluster_.User()->SetQuorumValue(QuorumService::kUser, 1, nullptr)),
            Text(ErrorCode::kRoleForbids));
}

TEST_F(QuorumTest, SettingsOfTheClusterAreGuarded) {
  Set(QuorumService::kCluster, 2);
  const auto admin = cluster_.Admin();
  EXPECT_EQ(CodeOf(admin->SetBackupRetention(30)), kRequired);
  EXPECT_EQ(CodeOf(admin->SetAutomaticBackups(false)), kRequired);
  EXPECT_EQ(CodeOf(admin->SetKeyAvailabilityCheck(false)), kRequired);
  EXPECT_EQ(CodeOf(admin->ChangeType({.type = "unlimited"}, {})), kRequired);
  const QuorumToken token = Token(QuorumService::kCluster, {"alice", "bob"});
  EXPECT_EQ(CodeOf(admin->SetBackupRetention(30, &token)), "ok");
  EXPECT_EQ(CodeOf(admin->SetBackupRetention(31, &token)), kRefused);
  EXPECT_EQ(cluster_->BackupRetention().value(), 30U);
}

TEST_F(QuorumTest, AnApprovalByLoginCounts) {
  Set(QuorumService::kUser, 2);
  QuorumToken token = Token(QuorumService::kUser, {"alice"});
  const auto approved = AdminCalled("bob")->ApproveToken(token);
  ASSERT_EQ(CodeOf(approved), "ok");
  QuorumToken edited = *approved;
  edited.signatures.back().share.push_back(1);
  EXPECT_EQ(Create("one", &edited), kRefused);
  edited = *approved;
  edited.signatures.back().username = "admin";
  EXPECT_EQ(Create("one", &edited), kRefused);
  EXPECT_EQ(Create("one", &*approved), "ok");
  EXPECT_EQ(CodeOf(AdminCalled("bob")->ApproveToken(token)), kRefused);  // it is spent
  EXPECT_EQ(CodeOf(cluster_.User()->ApproveToken(token)), Text(ErrorCode::kRoleForbids));
  QuorumToken next = Token(QuorumService::kUser, {"alice"});
  next.signatures.push_back(approved->signatures.back());
  EXPECT_EQ(Create("two", &next), kRefused);
}

TEST_F(QuorumTest, AnEditedPolicyIsNotFollowed) {
  Set(QuorumService::kUser, 2);
  const auto description = cluster_->Describe(false);
  cluster_.Close();
  for (const HsmDescription& hsm : description->hsms) {
    test::SqliteEditor editor(hsm.path / "store.db");
    Bytes record = editor.Get(users::QuorumPolicy::kPath);
    const std::string name = "user";
    const auto at = std::find_end(record.begin(), record.end(), name.begin(), name.end());
    ASSERT_NE(at, record.end());
    ASSERT_EQ(at[4], 2);  // CBOR's small number
    at[4] = 1;
    editor.Put(users::QuorumPolicy::kPath, record);
  }
  cluster_.Reopen();
  EXPECT_EQ(CodeOf(cluster_->Anonymous()->QuorumValues()), Text(ErrorCode::kHomeDamaged));
  EXPECT_EQ(Create("one", nullptr), Text(ErrorCode::kHomeDamaged));
}

// A backup is another cluster's beginning: its policy comes along, its tokens do not.
TEST_F(QuorumTest, ACloneHasTheValuesAndNoTokens) {
  Set(QuorumService::kUser, 2);
  const QuorumToken token = Token(QuorumService::kUser, {"alice", "bob"});
  const auto backup = cluster_->CreateBackup({});
  ASSERT_EQ(CodeOf(backup), "ok");
  const auto clone = test::CloneFrom(backup->file, cluster_.home().parent_path() / "clone");
  ASSERT_EQ(CodeOf(clone), "ok");
  EXPECT_EQ((*clone)->Anonymous()->QuorumValues()->front().value, 2U);
  EXPECT_TRUE((*clone)->Anonymous()->QuorumTokens()->empty());
  const auto there = (*clone)->Login(CredentialOf("admin", test::kAdminPassword), Role::kAdmin);
  ASSERT_EQ(CodeOf(there), "ok");
  EXPECT_EQ(CodeOf((*there)->CreateUser("one", Role::kCryptoUser, SecretBytes::CopyOf(kPassword),
                                        &token)),
            kRefused);
  EXPECT_EQ(Create("one", &token), "ok");
}

}  // namespace
}  // namespace hsmcore
