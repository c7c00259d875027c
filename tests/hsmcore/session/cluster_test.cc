// SPDX-License-Identifier: Apache-2.0
#include "hsmcore/cluster.h"

#include <gtest/gtest.h>

#include <fstream>
#include <string>

#include "support/test_cluster.h"

namespace hsmcore {
namespace {

namespace fs = std::filesystem;
using test::CodeOf;
using test::TestCluster;
using test::Text;

ClusterOptions OptionsFor(const fs::path& home) {
  ClusterOptions options;
  options.home = home;
  options.admin_password = SecretBytes::CopyOf(test::kAdminPassword);
  options.cost = PasswordCost::kLow;
  return options;
}

void Overwrite(const fs::path& file, const std::string& text) {
  std::ofstream(file, std::ios::trunc) << text;
}

TEST(ClusterTest, DescribesItself) {
  TestCluster cluster(3);
  const auto description = cluster->Describe(true);
  ASSERT_TRUE(description.has_value()) << description.error().Message();
  EXPECT_EQ(description->state, "ACTIVE");
  EXPECT_EQ(description->type, "hsm2m.medium");
  EXPECT_TRUE(description->id.starts_with("cluster-"));
  ASSERT_EQ(description->hsms.size(), 3U);
  for (const HsmDescription& hsm : description->hsms) {
    EXPECT_EQ(hsm.state, "ACTIVE") << hsm.problem;
    EXPECT_TRUE(hsm.id.starts_with("hsm-"));
    EXPECT_EQ(hsm.users, 2U);
    EXPECT_EQ(hsm.revision, description->revision);
    EXPECT_TRUE(fs::exists(hsm.path / "store.db"));
  }
}

TEST(ClusterTest, OneProcessHasOneClusterPerHome) {
  TestCluster cluster;
  const auto again = Cluster::Open(cluster.home());
  ASSERT_TRUE(again.has_value());
  EXPECT_EQ(again->get(), &*cluster);
  const auto other_name = Cluster::Open(cluster.home() / "." / "hsms" / "..");
  ASSERT_TRUE(other_name.has_value());
  EXPECT_EQ(other_name->get(), &*cluster);
}

TEST(ClusterTest, HsmsMayBeElsewhere) {
  const test::TemporaryDirectory directory;
  ClusterOptions options = OptionsFor(directory.path() / "home");
  options.hsm_paths = {directory.path() / "disk1", directory.path() / "disk2"};
  const auto made = Cluster::Create(options);
  ASSERT_TRUE(made.has_value()) << made.error().Message();
  EXPECT_TRUE(fs::exists(directory.path() / "disk1" / "store.db"));
  EXPECT_EQ((*made)->Describe(false)->hsms.size(), 2U);
}

TEST(ClusterTest, OneToTwentyEightHsms) {
  const test::TemporaryDirectory directory;
  for (const unsigned count : {0U, 29U}) {
    ClusterOptions options = OptionsFor(directory.path() / "no");
    options.hsms = count;
    EXPECT_EQ(CodeOf(Cluster::Create(options)), Text(ErrorCode::kInvalidArgument));
  }
  for (const unsigned count : {1U, 28U}) {
    TestCluster cluster(count);
    EXPECT_EQ(cluster->Describe(false)->hsms.size(), count);
    EXPECT_EQ(CodeOf(cluster.User()->Generate(test::Ed25519Spec(), {})), "ok");
  }
}

TEST(ClusterTest, AHomeIsNeverOverwritten) {
  TestCluster cluster;
  EXPECT_EQ(CodeOf(Cluster::Create(OptionsFor(cluster.home()))), Text(ErrorCode::kHomeExists));
  cluster.Reopen();
  EXPECT_EQ(cluster->Anonymous()->ListUsers()->size(), 2U);
}

TEST(ClusterTest, AFailedCreationLeavesNothing) {
  const test::TemporaryDirectory directory;
  ClusterOptions options = OptionsFor(directory.path() / "home");
  options.admin = "not allowed";
  EXPECT_EQ(CodeOf(Cluster::Create(options)), Text(ErrorCode::kUserName));
  EXPECT_TRUE(fs::is_empty(options.home));
  options.admin = "admin";
  options.admin_password = SecretBytes::CopyOf("short");
  EXPECT_EQ(CodeOf(Cluster::Create(options)), Text(ErrorCode::kPasswordPolicy));
  EXPECT_EQ(CodeOf(Cluster::Create(OptionsFor(options.home))), "ok");
}

TEST(ClusterTest, ACreationThatDiedIsSweptByTheNext) {
  TestCluster source;  // its parts are what a creation that died leaves: all but cluster.json
  const fs::path home = source.home();
  source.Close();
  fs::rename(home / "cluster.json", home / ".creating");
  EXPECT_EQ(CodeOf(Cluster::Open(home)), Text(ErrorCode::kHomeNotFound));
  const auto made = Cluster::Create(OptionsFor(home));
  ASSERT_TRUE(made.has_value()) << made.error().Message();
  EXPECT_EQ((*made)->Anonymous()->ListUsers()->size(), 1U);
  EXPECT_FALSE(fs::exists(home / ".creating"));
  EXPECT_EQ(std::distance(fs::directory_iterator(home / "hsms"), fs::directory_iterator()), 3);
}

TEST(ClusterTest, StoresWithoutClusterJsonAreNotOverwritten) {
  TestCluster cluster;
  cluster.Close();
  fs::remove(cluster.home() / "cluster.json");
  EXPECT_EQ(CodeOf(Cluster::Open(cluster.home())), Text(ErrorCode::kHomeDamaged));
  EXPECT_EQ(CodeOf(Cluster::Create(OptionsFor(cluster.home()))), Text(ErrorCode::kHomeDamaged));
  EXPECT_TRUE(fs::exists(cluster.home() / "hsms"));
}

TEST(ClusterTest, AMissingHomeSaysHowToMakeOne) {
  const test::TemporaryDirectory directory;
  const auto none = Cluster::Open(directory.path() / "none");
  ASSERT_EQ(CodeOf(none), Text(ErrorCode::kHomeNotFound));
  EXPECT_NE(none.error().detail().find("cluster create"), std::string::npos);
  EXPECT_NE(none.error().detail().find(directory.path().native()), std::string::npos);
}

TEST(ClusterTest, DamagedClusterJsonIsNamed) {
  TestCluster cluster;
  cluster.Close();
  const fs::path file = cluster.home() / "cluster.json";
  for (const char* text : {"", "{", "[]", "null", "{\"version\":1}", "{\"version\":\"1\"}",
                           R"({"version":1,"id":"c","root":"00","hsms":[]})",
                           R"({"version":1,"id":7,"root":7,"hsms":[7]})"}) {
    Overwrite(file, text);
    const auto opened = Cluster::Open(cluster.home());
    ASSERT_EQ(CodeOf(opened), Text(ErrorCode::kHomeDamaged)) << text;
    EXPECT_NE(opened.error().detail().find("cluster.json"), std::string::npos);
  }
  Overwrite(file, R"({"version":2})");
  EXPECT_EQ(CodeOf(Cluster::Open(cluster.home())), Text(ErrorCode::kHomeNewer));
  Overwrite(file, std::string(2 << 20, ' '));
  EXPECT_FALSE(Cluster::Open(cluster.home()).has_value());
}

TEST(ClusterTest, ALostHsmDoesNotStopTheOthers) {
  TestCluster cluster;
  ASSERT_TRUE(cluster.User()->Generate(test::Ed25519Spec(), {}).has_value());
  const auto hsms = cluster->Describe(false)->hsms;
  for (const HsmDescription& hsm : hsms) {
    cluster.Close();
    fs::resize_file(hsm.path / "store.db", 1000);
    cluster.Reopen();
    EXPECT_EQ(cluster.User()->Find({})->size(), 2U);
    const auto description = cluster->Describe(false);
    ASSERT_TRUE(description.has_value());
    EXPECT_EQ(description->state, "DEGRADED");
    EXPECT_EQ(cluster->Sync()->size(), 1U);
    EXPECT_EQ(cluster->Describe(true)->state, "ACTIVE");
  }
}

TEST(ClusterTest, AllHsmsDamagedIsAnError) {
  TestCluster cluster;
  const auto hsms = cluster->Describe(false)->hsms;
  cluster.Close();
  for (const HsmDescription& hsm : hsms) {
    fs::resize_file(hsm.path / "store.db", 1000);
    fs::remove(hsm.path / "store.db-wal");
  }
  const auto opened = Cluster::Open(cluster.home());
  ASSERT_FALSE(opened.has_value());
  EXPECT_TRUE(opened.error().code() == ErrorCode::kHomeDamaged ||
              opened.error().code() == ErrorCode::kNoHsmInService)
      << opened.error().Message();
}

TEST(ClusterTest, AMissingGenerationFileIsRepaired) {
  TestCluster cluster;
  cluster.Close();
  fs::remove(cluster.home() / "generation");
  const auto opened = Cluster::Open(cluster.home());
  ASSERT_FALSE(opened.has_value());
  EXPECT_EQ(opened.error().code(), ErrorCode::kHomeDamaged);
  EXPECT_NE(opened.error().Message().find("cluster sync"), std::string::npos);
  ASSERT_TRUE(Cluster::RestoreGeneration(cluster.home()));
  cluster.Reopen();
  EXPECT_EQ(CodeOf(cluster.User()->Generate(test::Ed25519Spec(), {})), "ok");
  EXPECT_TRUE(cluster->Sync().has_value());
}

}  // namespace
}  // namespace hsmcore
