// SPDX-License-Identifier: Apache-2.0
// Clusters step by step, by every move of the table.
#include <gtest/gtest.h>

#include <set>
#include <string>
#include <tuple>

#include "base/files.h"
#include "cluster/config.h"
#include "cluster/home.h"
#include "hsmcore/backup.h"
#include "hsmcore/cluster_setup.h"
#include "hsmcore/session/owner_support.h"
#include "hsmcore/session/wrap_support.h"
#include "support/test_cluster.h"

namespace hsmcore {
namespace {

namespace fs = std::filesystem;
using test::CodeOf;
using test::OwnerCa;
using test::Text;

constexpr auto kStateError = ErrorCode::kClusterState;

Result<Credential> AdminLogin() { return test::CredentialOf("admin", test::kAdminPassword); }

class SetupTest : public ::testing::Test {
 protected:
  fs::path home() const { return directory_.path() / "home"; }
  SecretBytes Password() const { return SecretBytes::CopyOf(test::kAdminPassword); }

  void Begin() {
    ClusterOptions options;
    options.home = home();
    options.cost = PasswordCost::kLow;
    options.retention_days = 30;
    const auto made = CreateUninitialized(options);
    ASSERT_TRUE(made.has_value()) << made.error().Message();
    EXPECT_EQ(made->state, "UNINITIALIZED");
  }
  Result<HsmDescription> Add(std::string zone = {}) {
    return AddHsm(home(), {.zone = std::move(zone), .directory = {}}, AdminLogin, {});
  }
  std::string Csr() { return DescribeCluster(home(), false)->csr; }
  std::string State() { return DescribeCluster(home(), false)->state; }
  void Initialize() {
    ASSERT_EQ(CodeOf(InitializeCluster(home(), ca_.Sign(Csr()), ca_.certificate())), "ok");
  }
  Result<ClusterPtr> Activate() { return ActivateCluster(home(), "admin", Password()); }

  test::TemporaryDirectory directory_;
  OwnerCa ca_;
};

TEST_F(SetupTest, EndsWithAClusterOfTheOwner) {
  Begin();
  ASSERT_EQ(CodeOf(Add("rack-1")), "ok");
  Initialize();
  EXPECT_EQ(State(), "INITIALIZED");
  ASSERT_EQ(CodeOf(Add()), "ok");
  ASSERT_TRUE(fs::exists(cluster::IdentityKeyFile(home())));
  const auto active = Activate();
  ASSERT_TRUE(active.has_value()) << active.error().Message();
  // The key that signed the first admin's is gone, and what it signed is there.
  EXPECT_FALSE(fs::exists(cluster::IdentityKeyFile(home())));
  const auto description = (*active)->Describe(true);
  ASSERT_TRUE(description.has_value());
  EXPECT_EQ(description->state, "ACTIVE");
  EXPECT_EQ(description->hsms.size(), 2);
  EXPECT_EQ(description->hsms[0].zone, "rack-1");
  EXPECT_TRUE(description->owner_proved);
  EXPECT_EQ(description->owner, "CN=Owner CA");
  EXPECT_EQ(description->csr, "");
  EXPECT_EQ((*active)->BackupRetention().value_or(0), 30);
  EXPECT_EQ(CodeOf((*active)->Login(*AdminLogin(), Role::kAdmin)), "ok");
}

TEST_F(SetupTest, StepsOutOfOrderAreRefusedWithWhatToDo) {
  EXPECT_EQ(CodeOf(Add()), Text(ErrorCode::kHomeNotFound));
  EXPECT_EQ(CodeOf(DeleteCluster(home())), Text(ErrorCode::kHomeNotFound));
  EXPECT_FALSE(fs::exists(home()));
  Begin();
  EXPECT_EQ(CodeOf(Cluster::Open(home())), Text(kStateError));
  EXPECT_EQ(CodeOf(Activate()), Text(kStateError));
  const auto none = InitializeCluster(home(), "", "");
  EXPECT_EQ(CodeOf(none), Text(kStateError));
  EXPECT_NE(none.error().detail().find("hsm create"), std::string::npos);
  ASSERT_EQ(CodeOf(Add()), "ok");
  EXPECT_EQ(CodeOf(DeleteCluster(home())), Text(kStateError));
  const std::string csr = Csr();
  Initialize();
  EXPECT_EQ(CodeOf(InitializeCluster(home(), ca_.Sign(csr), ca_.certificate())), Text(kStateError));
  const auto active = Activate();
  ASSERT_TRUE(active.has_value());
  const auto again = Activate();
  EXPECT_EQ(CodeOf(again), Text(kStateError));
  EXPECT_NE(again.error().detail().find("must be INITIALIZED"), std::string::npos);
}

TEST_F(SetupTest, OnlyTheOwnersCertificateForTheCsrIsTaken) {
  Begin();
  ASSERT_EQ(CodeOf(Add()), "ok");
  const std::string csr = Csr();
  OwnerCa other;
  OwnerCa small(OwnerCa::Kind::kRsa3072);
  OwnerCa leaf(OwnerCa::Kind::kNoCa);
  const auto expect_refused = [&](const std::string& certificate, const std::string& anchor) {
    EXPECT_EQ(CodeOf(InitializeCluster(home(), certificate, anchor)),
              Text(ErrorCode::kInvalidArgument));
    EXPECT_EQ(State(), "UNINITIALIZED");
  };
  const std::string good = ca_.Sign(csr);
  expect_refused("", ca_.certificate());
  expect_refused(good, "");
  expect_refused(good.substr(0, good.size() / 2), ca_.certificate());
  expect_refused(std::string(5001, 'x'), ca_.certificate());
  expect_refused(good, other.certificate());
  expect_refused(ca_.certificate(), ca_.certificate());  // for another key
  expect_refused(good, good);                            // not self-signed
  expect_refused(small.Sign(csr), small.certificate());
  expect_refused(leaf.Sign(csr), leaf.certificate());
  expect_refused(ca_.Sign(csr, "CN=somebody else"), ca_.certificate());
  expect_refused(ca_.Sign(csr, {}, -10), ca_.certificate());  // expired
  EXPECT_EQ(CodeOf(InitializeCluster(home(), good, ca_.certificate())), "ok");
}

TEST_F(SetupTest, AnActivationThatDiedIsRepeated) {
  Begin();
  ASSERT_EQ(CodeOf(Add()), "ok");
  Initialize();
  const auto before = ReadFile(cluster::ClusterJson(home()), 1 << 20);
  const auto key = ReadFile(cluster::IdentityKeyFile(home()), 1 << 20);
  ASSERT_TRUE(before && key);
  ASSERT_EQ(CodeOf(Activate()), "ok");
  // As after a crash before cluster.json was written: the store is full.
  ASSERT_TRUE(WriteFileAtomically(cluster::ClusterJson(home()), *before, 0600));
  ASSERT_TRUE(WriteFileAtomically(cluster::IdentityKeyFile(home()), *key, 0600));
  const auto active = Activate();
  ASSERT_TRUE(active.has_value()) << active.error().Message();
  EXPECT_TRUE((*active)->Describe(true)->owner_proved);
  EXPECT_EQ((*active)->Describe(true)->users, 1);
}

TEST_F(SetupTest, TheLastHsmComesBackFromTheNewestBackup) {
  test::TestCluster cluster(1);
  test::Make(*cluster.User(), KeyType::kEc, "kept");
  const std::string id = cluster->Describe(false)->hsms[0].id;
  EXPECT_EQ(CodeOf(RemoveHsm(cluster.home(), id, false)), Text(kStateError));
  ASSERT_EQ(CodeOf(RemoveHsm(cluster.home(), id, true)), "ok");
  EXPECT_TRUE(DescribeCluster(cluster.home(), false)->hsms.empty());
  EXPECT_EQ(CodeOf(cluster->OnlyCryptoUser()), Text(ErrorCode::kNoHsmInService));
  cluster.Close();
  const auto wrong = [] { return Result<Credential>(test::CredentialOf("admin", "wrongpass1")); };
  EXPECT_EQ(CodeOf(AddHsm(cluster.home(), {}, wrong, {})), Text(ErrorCode::kPasswordWrong));
  EXPECT_TRUE(DescribeCluster(cluster.home(), false)->hsms.empty());
  ASSERT_EQ(CodeOf(AddHsm(cluster.home(), {}, AdminLogin, {})), "ok");
  cluster.Reopen();
  EXPECT_EQ(CodeOf(cluster.User()->Load(test::ByLabel("kept"), true)), "ok");
}

TEST_F(SetupTest, DeletionLeavesTheBackupsAndCanBeRepeated) {
  test::TestCluster cluster(1);
  const std::string id = cluster->Describe(false)->hsms[0].id;
  ASSERT_EQ(CodeOf(RemoveHsm(cluster.home(), id, true)), "ok");
  cluster.Close();
  // As after a crash in the middle.
  auto file = cluster::ReadClusterFile(cluster.home());
  ASSERT_TRUE(file.has_value());
  file->state = ClusterState::kDeleteInProgress;
  ASSERT_TRUE(cluster::Rewrite(cluster.home(), *file));
  EXPECT_EQ(CodeOf(Cluster::Open(cluster.home())), Text(kStateError));
  EXPECT_EQ(CodeOf(AddHsm(cluster.home(), {}, AdminLogin, {})), Text(kStateError));
  ASSERT_EQ(CodeOf(DeleteCluster(cluster.home())), "ok");
  EXPECT_EQ(CodeOf(Cluster::Open(cluster.home())), Text(ErrorCode::kHomeNotFound));
  ASSERT_FALSE(fs::is_empty(cluster::BackupDirectory(cluster.home())));
  // A new cluster in the same place would mix its backups with them.
  ClusterOptions options;
  options.home = cluster.home();
  EXPECT_EQ(CodeOf(CreateUninitialized(options)), Text(ErrorCode::kHomeExists));
  ASSERT_FALSE(fs::is_empty(cluster::BackupDirectory(cluster.home())));
}

TEST_F(SetupTest, ZonesAreOnesForEachHsm) {
  ClusterOptions options;
  options.home = home();
  options.admin_password = Password();
  options.cost = PasswordCost::kLow;
  options.hsms = 2;
  options.zones = {"only-one"};
  EXPECT_EQ(CodeOf(Cluster::Create(options)), Text(ErrorCode::kInvalidArgument));
  options.zones = {"rack-1", "a b"};
  EXPECT_EQ(CodeOf(Cluster::Create(options)), Text(ErrorCode::kInvalidArgument));
  options.zones = {"rack-1", "rack-2"};
  options.retention_days = 6;
  EXPECT_EQ(CodeOf(Cluster::Create(options)), Text(ErrorCode::kInvalidArgument));
  options.retention_days = 7;
  const auto made = Cluster::Create(options);
  ASSERT_TRUE(made.has_value());
  EXPECT_EQ((*made)->Describe(false)->hsms[1].zone, "rack-2");
  EXPECT_EQ((*made)->BackupRetention().value_or(0), 7);
}

// Every state against every action: what the table does not have is refused, naming both.
TEST(ClusterStateTest, WhatIsNotInTheTableIsRefused) {
  std::set<std::tuple<ClusterState, ClusterAction>> allowed;
  std::set<ClusterAction> actions;
  for (const ClusterMoveRow& move : AllClusterMoves()) {
    actions.insert(move.action);
    if (move.from) allowed.insert({*move.from, move.action});
  }
  for (const ClusterStateRow& row : AllClusterStates()) {
    EXPECT_EQ(ClusterStateByName(row.name), row.state);
    for (const ClusterAction action : actions) {
      const Status checked = CheckMove(row.state, action);
      EXPECT_EQ(checked.has_value(), allowed.contains({row.state, action})) << row.name;
      if (checked) continue;
      EXPECT_EQ(checked.error().code(), kStateError);
      EXPECT_NE(checked.error().detail().find(row.name), std::string::npos);
      EXPECT_NE(checked.error().detail().find(NameOf(action)), std::string::npos);
    }
  }
}

}  // namespace
}  // namespace hsmcore
