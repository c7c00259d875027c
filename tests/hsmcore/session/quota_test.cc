// SPDX-License-Identifier: Apache-2.0
// What a cluster may hold, by the type of its HSMs.
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <string>
#include <vector>

#include "base/cbor.h"
#include "cluster/core.h"
#include "hsmcore/backup.h"
#include "hsmcore/hsm_type.h"
#include "hsmcore/session/wrap_support.h"
#include "support/test_cluster.h"

namespace hsmcore {
namespace {

using test::CodeOf;
using test::TestCluster;
using test::Text;

// As if so many keys were there: the counter is what quotas are measured by.
void PretendKeys(TestCluster& cluster, std::uint64_t pairs, std::uint64_t secrets) {
  const auto core =
      cluster::OpenCore(cluster.home(), cluster::ReadClusterFile(cluster.home()).value()).value();
  storage::Batch batch;
  batch.mutations.push_back(
      {"cluster/handles",
       cbor::Encode({{"v", 1U}, {"next", 0x30000U}, {"pairs", pairs}, {"secrets", secrets}})});
  ASSERT_TRUE(core->engine->Commit(batch).has_value());
}

std::string Made(Session& session, KeyType type, const std::string& label = "key") {
  return CodeOf(session.Generate(test::SpecOf(type), test::FormOf(type, label, {})));
}

TEST(QuotaTest, TheTableIsCloudHsms) {
  const HsmTypeRow* row = FindHsmType("hsm2m.medium");
  ASSERT_NE(row, nullptr);
  EXPECT_EQ(row->keys, 16'666U);
  EXPECT_EQ(row->asymmetric_keys, 3'333U);
  EXPECT_EQ(row->users, 1'024U);
  EXPECT_EQ(FindHsmType("hsm9x.large"), nullptr);
}

TEST(QuotaTest, DescribesWhatIsUsed) {
  TestCluster cluster(2);
  const auto session = cluster.User();
  EXPECT_EQ(Made(*session, KeyType::kEc), "ok");
  EXPECT_EQ(Made(*session, KeyType::kAes), "ok");
  EXPECT_EQ(Made(*session, KeyType::kAes), "ok");
  auto described = cluster->Describe(false).value();
  EXPECT_EQ(described.keys, 3U);
  EXPECT_EQ(described.asymmetric_keys, 1U);
  EXPECT_EQ(described.users, 2U);
  // One half less is still a key; the other half too, and it is none.
  const auto found = session->Find(test::ByLabel("key")).value();
  ASSERT_EQ(CodeOf(session->Delete(found[0].handle.PublicHalf(), false)), "ok");
  EXPECT_EQ(cluster->Describe(false)->keys, 3U);
  ASSERT_EQ(CodeOf(session->Delete(found[0].handle, false)), "ok");
  EXPECT_EQ(cluster->Describe(false)->keys, 2U);
  EXPECT_EQ(cluster->Describe(false)->asymmetric_keys, 0U);
}

TEST(QuotaTest, AsymmetricKeysAreCountedApart) {
  TestCluster cluster(1);
  const auto session = cluster.User();
  PretendKeys(cluster, 3'332, 10);
  EXPECT_EQ(Made(*session, KeyType::kEd25519), "ok");
  const auto refused =
      session->Generate(test::SpecOf(KeyType::kEc), test::FormOf(KeyType::kEc, "one too many", {}));
  ASSERT_EQ(CodeOf(refused), Text(ErrorCode::kQuotaExceeded));
  EXPECT_TRUE(refused.error().detail().contains("3333 of the 3333 asymmetric keys"));
  EXPECT_EQ(Made(*session, KeyType::kAes), "ok");
  // Session keys take no place in an HSM.
  EXPECT_EQ(CodeOf(session->Generate(test::SpecOf(KeyType::kEc),
                                     test::FormOf(KeyType::kEc, "", {}, /*token=*/false))),
            "ok");
}

TEST(QuotaTest, AllKeysTogether) {
  TestCluster cluster(1);
  const auto session = cluster.User();
  PretendKeys(cluster, 3'000, 13'665);
  EXPECT_EQ(Made(*session, KeyType::kAes), "ok");
  EXPECT_EQ(Made(*session, KeyType::kAes), Text(ErrorCode::kQuotaExceeded));
  EXPECT_EQ(Made(*session, KeyType::kEc), Text(ErrorCode::kQuotaExceeded));
  // A deletion makes room, for one.
  const auto found = session->Find(test::ByLabel("key")).value();
  ASSERT_EQ(CodeOf(session->Delete(found[0].handle, true)), "ok");
  EXPECT_EQ(Made(*session, KeyType::kEc), "ok");
  EXPECT_EQ(Made(*session, KeyType::kAes), Text(ErrorCode::kQuotaExceeded));
}

TEST(QuotaTest, ARestoredKeyNeedsRoomToo) {
  TestCluster cluster(1);
  const auto session = cluster.User();
  const auto handle = test::Make(*session, KeyType::kAes, "key")->private_info()->handle;
  const BackupInfo backup = cluster->CreateBackup({}).value();
  ASSERT_EQ(CodeOf(session->Delete(handle, true)), "ok");
  PretendKeys(cluster, 0, 16'666);
  EXPECT_EQ(CodeOf(cluster.Admin()->RestoreKey(backup.file, handle, {})),
            Text(ErrorCode::kQuotaExceeded));
  PretendKeys(cluster, 0, 16'665);
  EXPECT_EQ(CodeOf(cluster.Admin()->RestoreKey(backup.file, handle, {})), "ok");
  EXPECT_EQ(cluster->Describe(false)->keys, 16'666U);
}

TEST(QuotaTest, SyncCountsAnew) {
  TestCluster cluster(2);
  test::Make(*cluster.User(), KeyType::kAes, "key");
  PretendKeys(cluster, 77, 88);
  EXPECT_EQ(cluster->Describe(false)->keys, 165U);
  ASSERT_TRUE(cluster->Sync().has_value());
  EXPECT_EQ(cluster->Describe(false)->keys, 1U);
}

TEST(QuotaTest, AStoreWithoutCountsIsCounted) {
  TestCluster cluster(1);
  test::Make(*cluster.User(), KeyType::kAes, "one");
  test::Make(*cluster.User(), KeyType::kEc, "two");
  const auto core =
      cluster::OpenCore(cluster.home(), cluster::ReadClusterFile(cluster.home()).value()).value();
  storage::Batch batch;  // as versions before there were quotas wrote it
  batch.mutations.push_back({"cluster/handles", cbor::Encode({{"v", 1U}, {"next", 0x30000U}})});
  ASSERT_TRUE(core->engine->Commit(batch).has_value());
  EXPECT_EQ(cluster->Describe(false)->keys, 2U);
  test::Make(*cluster.User(), KeyType::kAes, "three");
  EXPECT_EQ(cluster->Describe(false)->keys, 3U);
  EXPECT_EQ(cluster->Describe(false)->asymmetric_keys, 1U);
}

// Fifty processes want the last ten places.
TEST(QuotaTest, FiftyCreatorsGetExactlyWhatThereIs) {
  TestCluster cluster(2);
  PretendKeys(cluster, 0, 16'656);
  const auto home = cluster.home();
  cluster.Close();
  std::vector<pid_t> children;
  for (int i = 0; i < 50; ++i) {
    const pid_t child = fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      const auto opened = Cluster::Open(home);
      if (!opened) _exit(3);
      const auto session =
          (*opened)->Login(test::CredentialOf("app", test::kUserPassword), Role::kCryptoUser);
      if (!session) _exit(4);
      const auto made = (*session)->Generate(test::SpecOf(KeyType::kAes),
                                             test::FormOf(KeyType::kAes, "raced", {}));
      if (made) _exit(0);
      _exit(made.error().code() == ErrorCode::kQuotaExceeded ? 1 : 2);
    }
    children.push_back(child);
  }
  int made = 0;
  for (const pid_t child : children) {
    int status = 0;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFEXITED(status));
    ASSERT_LE(WEXITSTATUS(status), 1);
    made += WEXITSTATUS(status) == 0 ? 1 : 0;
  }
  EXPECT_EQ(made, 10);
  cluster.Reopen();
  EXPECT_EQ(cluster->Describe(false)->keys, 16'666U);
  EXPECT_EQ(cluster.User()->Find(test::ByLabel("raced"))->size(), 10U);
}

}  // namespace
}  // namespace hsmcore
