// SPDX-License-Identifier: Apache-2.0
// HSMs that come and go.
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <string>

#include "cluster/core.h"
#include "hsmcore/backup.h"
#include "hsmcore/cluster.h"
#include "hsmcore/session/wrap_support.h"
#include "support/test_cluster.h"

namespace hsmcore {
namespace {

namespace fs = std::filesystem;
using test::CodeOf;
using test::TestCluster;
using test::Text;

std::vector<HsmDescription> HsmsOf(TestCluster& cluster) { return cluster->Describe(true)->hsms; }

// Every HSM is in service with the same content.
void ExpectWhole(TestCluster& cluster, std::size_t count) {
  const auto description = cluster->Describe(true);
  ASSERT_TRUE(description.has_value());
  EXPECT_EQ(description->state, "ACTIVE");
  ASSERT_EQ(description->hsms.size(), count);
  for (const HsmDescription& hsm : description->hsms) {
    EXPECT_EQ(hsm.state, "ACTIVE") << hsm.problem;
    EXPECT_EQ(hsm.revision, description->revision);
    EXPECT_TRUE(fs::exists(hsm.path / "store.db"));
  }
}

TEST(HsmTest, ANewOneIsFilledFromTheOthers) {
  TestCluster cluster(2);
  const test::TemporaryDirectory elsewhere;
  test::Make(*cluster.User(), KeyType::kEc, "before");
  const auto made = cluster->CreateHsm({.zone = "rack-7", .directory = elsewhere.path() / "hsm"});
  ASSERT_TRUE(made.has_value()) << made.error().Message();
  EXPECT_EQ(made->zone, "rack-7");
  EXPECT_EQ(made->path, elsewhere.path() / "hsm");
  ExpectWhole(cluster, 3);
  ASSERT_TRUE(cluster->CreateHsm({}).has_value());
  test::Make(*cluster.User(), KeyType::kEc, "after");
  ExpectWhole(cluster, 4);

  // It alone is enough.
  const auto hsms = HsmsOf(cluster);
  cluster.Close();
  for (const HsmDescription& hsm : hsms) {
    if (hsm.id != made->id) fs::remove_all(hsm.path);
  }
  cluster.Reopen();
  EXPECT_EQ(CodeOf(cluster.User()->Load(test::ByLabel("before"), true)), "ok");
  EXPECT_EQ(CodeOf(cluster.User()->Load(test::ByLabel("after"), true)), "ok");
}

TEST(HsmTest, APlaceThatIsNoneIsRefused) {
  TestCluster cluster(2);
  const auto taken = HsmsOf(cluster)[0].path;
  const test::TemporaryDirectory elsewhere;
  fs::create_directories(elsewhere.path() / "used");
  std::ofstream(elsewhere.path() / "used" / "store.db") << "something";
  std::ofstream(elsewhere.path() / "file") << "no directory";
  EXPECT_EQ(CodeOf(cluster->CreateHsm({.zone = {}, .directory = taken})),
            Text(ErrorCode::kInvalidArgument));
  EXPECT_EQ(CodeOf(cluster->CreateHsm({.zone = {}, .directory = "relative"})),
            Text(ErrorCode::kInvalidArgument));
  EXPECT_EQ(CodeOf(cluster->CreateHsm({.zone = "a b", .directory = {}})),
            Text(ErrorCode::kInvalidArgument));
  EXPECT_EQ(CodeOf(cluster->CreateHsm({.zone = std::string(65, 'z'), .directory = {}})),
            Text(ErrorCode::kInvalidArgument));
  EXPECT_EQ(CodeOf(cluster->CreateHsm({.zone = {}, .directory = elsewhere.path() / "used"})),
            Text(ErrorCode::kHomeExists));
  EXPECT_NE(CodeOf(cluster->CreateHsm({.zone = {}, .directory = elsewhere.path() / "file"})), "ok");
  ExpectWhole(cluster, 2);
}

TEST(HsmTest, TwentyEightIsTheMost) {
  TestCluster cluster(28);
  EXPECT_EQ(CodeOf(cluster->CreateHsm({})), Text(ErrorCode::kClusterState));
}

TEST(HsmTest, ADeletedOneIsGoneAndTheRestGoesOn) {
  TestCluster cluster(3);
  test::Make(*cluster.User(), KeyType::kEc, "key");
  const auto hsms = HsmsOf(cluster);
  std::ofstream(hsms[1].path / "mine.txt") << "not the HSM's";
  const std::size_t backups = cluster->ListBackups()->size();
  ASSERT_EQ(CodeOf(cluster->DeleteHsm(hsms[1].id)), "ok");
  EXPECT_EQ(cluster->ListBackups()->size(), backups + 1);
  EXPECT_FALSE(fs::exists(hsms[1].path / "store.db"));
  EXPECT_TRUE(fs::exists(hsms[1].path / "mine.txt"));
  ExpectWhole(cluster, 2);
  EXPECT_EQ(CodeOf(cluster->DeleteHsm(hsms[1].id)), Text(ErrorCode::kInvalidArgument));

  // One whose disk is gone.
  fs::remove_all(hsms[0].path);
  ASSERT_EQ(CodeOf(cluster->DeleteHsm(hsms[0].id)), "ok");
  ExpectWhole(cluster, 1);
  EXPECT_EQ(CodeOf(cluster.User()->Load(test::ByLabel("key"), true)), "ok");
  test::Make(*cluster.User(), KeyType::kEc, "on one HSM, as was wanted");

  const auto refused = cluster->DeleteHsm(hsms[2].id);
  ASSERT_EQ(CodeOf(refused), Text(ErrorCode::kClusterState));
  EXPECT_TRUE(refused.error().detail().contains("hsm create"));
  ExpectWhole(cluster, 1);
}

TEST(HsmTest, TheLastGoodOneCannotBeDeletedOrStopped) {
  TestCluster cluster(2);
  const auto hsms = HsmsOf(cluster);
  fs::remove_all(hsms[0].path);
  std::ofstream(hsms[0].path) << "a file where the directory was";
  EXPECT_EQ(CodeOf(cluster->DeleteHsm(hsms[1].id)), Text(ErrorCode::kClusterState));
  EXPECT_EQ(CodeOf(cluster->StopHsm(hsms[1].id)), Text(ErrorCode::kClusterState));
}

TEST(HsmTest, AStoppedOneIsNotTouchedAndComesBackUpToDate) {
  TestCluster cluster(3);
  const auto id = HsmsOf(cluster)[2].id;
  const auto path = HsmsOf(cluster)[2].path;
  const auto stopped = cluster->StopHsm(id);
  ASSERT_TRUE(stopped.has_value()) << stopped.error().Message();
  EXPECT_EQ(stopped->state, "STOPPED");
  EXPECT_EQ(CodeOf(cluster->StopHsm(id)), Text(ErrorCode::kClusterState));
  fs::rename(path, fs::path(path).concat(".away"));  // its disk is being worked on
  test::Make(*cluster.User(), KeyType::kEc, "meanwhile");
  EXPECT_FALSE(fs::exists(path));
  EXPECT_TRUE(cluster->Sync()->empty());
  EXPECT_FALSE(fs::exists(path));
  fs::rename(fs::path(path).concat(".away"), path);
  const auto started = cluster->StartHsm(id);
  ASSERT_TRUE(started.has_value()) << started.error().Message();
  EXPECT_EQ(started->state, "ACTIVE");
  EXPECT_EQ(CodeOf(cluster->StartHsm(id)), Text(ErrorCode::kClusterState));
  ExpectWhole(cluster, 3);
}

TEST(HsmTest, StoppingDoesNotLowerWhatANewKeyNeeds) {
  TestCluster cluster(2);
  test::Make(*cluster.User(), KeyType::kEc, "key");
  const auto hsms = HsmsOf(cluster);
  ASSERT_TRUE(cluster->StopHsm(hsms[0].id).has_value());
  EXPECT_EQ(CodeOf(cluster.User()->Load(test::ByLabel("key"), true)), "ok");
  EXPECT_EQ(CodeOf(cluster.User()->Generate(test::Ed25519Spec(),
                                            test::FormOf(KeyType::kEd25519, "new", {}))),
            Text(ErrorCode::kKeyAvailability));
  ASSERT_TRUE(cluster->StartHsm(hsms[0].id).has_value());
  test::Make(*cluster.User(), KeyType::kEc, "new");
  ExpectWhole(cluster, 2);
}

// Another process: it opened the cluster before, and has its own view of it.
TEST(HsmTest, WhoHasTheClusterOpenFollows) {
  TestCluster cluster(3);
  const auto other =
      cluster::OpenCore(cluster.home(), cluster::ReadClusterFile(cluster.home()).value()).value();
  ASSERT_EQ(other->engine->Members(false)->size(), 3U);
  const auto added = cluster->CreateHsm({}).value();
  const auto removed = HsmsOf(cluster)[0];
  ASSERT_EQ(CodeOf(cluster->DeleteHsm(removed.id)), "ok");
  storage::Batch batch;
  batch.mutations.push_back({"test/entry", Bytes{1, 2, 3}});
  ASSERT_TRUE(other->engine->Commit(batch).has_value());
  EXPECT_FALSE(fs::exists(removed.path / "store.db"));  // not made anew behind our back
  ExpectWhole(cluster, 3);
  const auto members = other->engine->Members(true).value();
  EXPECT_TRUE(std::ranges::any_of(
      members, [&](const storage::Member& member) { return member.id == added.id; }));
}

TEST(HsmTest, AFileThatCannotBeReadLeavesThingsAsTheyAre) {
  TestCluster cluster(2);
  const fs::path file = cluster.home() / "cluster.json";
  std::ifstream in(file);
  const std::string content{std::istreambuf_iterator<char>(in), {}};
  std::ofstream(file, std::ios::trunc) << "{ half";
  EXPECT_EQ(CodeOf(cluster.User()->Find({})), "ok");
  EXPECT_EQ(CodeOf(cluster->CreateHsm({})), Text(ErrorCode::kHomeDamaged));
  std::ofstream(file, std::ios::trunc) << content;
  EXPECT_EQ(CodeOf(cluster->CreateHsm({})), "ok");
  ExpectWhole(cluster, 3);
}

std::string MadeKey(TestCluster& cluster, const std::string& label) {
  return CodeOf(cluster.User()->Generate(test::SpecOf(KeyType::kEc),
                                         test::FormOf(KeyType::kEc, label, {}, true)));
}

TEST(AvailabilityTest, ANewKeyNeedsTwoHsmsUnlessTheCheckIsOff) {
  TestCluster cluster(2);
  test::Make(*cluster.User(), KeyType::kEc, "before");
  ASSERT_EQ(CodeOf(cluster->StopHsm(HsmsOf(cluster)[0].id)), "ok");
  EXPECT_EQ(MadeKey(cluster, "one"), Text(ErrorCode::kKeyAvailability));
  EXPECT_EQ(CodeOf(cluster.User()->Load(test::ByLabel("before"), true)), "ok");

  // In the whole cluster, by an admin.
  EXPECT_TRUE(cluster->Describe(false)->key_availability_check);
  EXPECT_EQ(CodeOf(cluster.User()->SetKeyAvailabilityCheck(false)), Text(ErrorCode::kRoleForbids));
  ASSERT_EQ(CodeOf(cluster.Admin()->SetKeyAvailabilityCheck(false)), "ok");
  EXPECT_FALSE(cluster->Describe(false)->key_availability_check);
  cluster.Reopen();
  EXPECT_EQ(MadeKey(cluster, "two"), "ok");
  ASSERT_EQ(CodeOf(cluster.Admin()->SetKeyAvailabilityCheck(true)), "ok");
  EXPECT_EQ(MadeKey(cluster, "three"), Text(ErrorCode::kKeyAvailability));

  // In this process.
  cluster->DisableKeyAvailabilityCheck();
  EXPECT_EQ(MadeKey(cluster, "four"), "ok");
  cluster.Reopen();
  EXPECT_EQ(MadeKey(cluster, "five"), Text(ErrorCode::kKeyAvailability));
}

TEST(AvailabilityTest, ASettingThatNoAdminSignedIsNoSetting) {
  TestCluster cluster(2);
  ASSERT_EQ(CodeOf(cluster.Admin()->SetKeyAvailabilityCheck(false)), "ok");
  {
    const auto file = cluster::ReadClusterFile(cluster.home());
    const auto core = cluster::OpenCore(cluster.home(), *file);
    storage::Batch batch;
    batch.mutations.push_back({"cluster/availability-policy", Bytes{0xa0}});
    ASSERT_EQ(CodeOf((*core)->engine->Commit(batch)), "ok");
  }
  EXPECT_EQ(MadeKey(cluster, "key"), Text(ErrorCode::kHomeDamaged));
}

}  // namespace
}  // namespace hsmcore
