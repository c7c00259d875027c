// SPDX-License-Identifier: Apache-2.0
// Several processes and threads on one home.
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <functional>
#include <thread>
#include <vector>

#include "support/session_support.h"
#include "support/test_cluster.h"

namespace hsmcore {
namespace {

using test::ByLabel;
using test::CodeOf;
using test::CredentialOf;
using test::InChild;
using test::TestCluster;

constexpr SignMechanism kEddsa{.kind = SignMechanism::Kind::kEddsa, .digest = Digest::kNone};
const KeySpec kEd25519 = test::Ed25519Spec();

KeyTemplate Labelled(const std::string& label) {
  KeyTemplate form;
  form.private_half.label = label;
  form.private_half.flags.Set(Attribute::kSign, true);
  return form;
}

bool Signs(const Key& key) {
  Bytes signature(64);
  return key.Sign(kEddsa, Bytes{1}, signature).has_value();
}

TEST(ProcessesTest, AForkedWorkerSignsWithoutAnyRight) {
  TestCluster cluster;
  ASSERT_TRUE(cluster.User()->Generate(kEd25519, Labelled("tls")).has_value());
  const auto key = cluster.User()->Load(ByLabel("tls"), true);
  ASSERT_TRUE(key.has_value());
  EXPECT_EQ(InChild([&] {
              clearenv();
              if (geteuid() == 0 && setresuid(65534, 65534, 65534) != 0) return 2;
              chmod(cluster.home().c_str(), 0);  // for those who are not root
              return Signs(**key) ? 0 : 1;
            }),
            0);
  chmod(cluster.home().c_str(), 0700);
}

TEST(ProcessesTest, AForkedChildDoesEverythingAnew) {
  TestCluster cluster;
  ASSERT_TRUE(cluster.User()->Generate(kEd25519, Labelled("tls")).has_value());
  const auto session = cluster.User();
  EXPECT_EQ(InChild([&] {
              if (!session->Load(ByLabel("tls"), true)) return 1;
              if (!session->Generate(kEd25519, Labelled("child"))) return 2;
              return session->Delete(
                         (*session->Load(ByLabel("child"), true))->private_info()->handle, true)
                         ? 0
                         : 3;
            }),
            0);
  EXPECT_TRUE(session->Generate(kEd25519, Labelled("parent")).has_value());
  EXPECT_EQ(session->Find({})->size(), 4U);
}

TEST(ProcessesTest, ADeletionIsSeenByAKeyInUseElsewhere) {
  TestCluster cluster;
  const auto key = cluster.User()->Generate(kEd25519, Labelled("tls"));
  const auto other = cluster.User()->Generate(kEd25519, Labelled("other"));
  ASSERT_TRUE(key.has_value() && other.has_value());
  ASSERT_TRUE(Signs(**key));
  const KeyHandle handle = (*key)->private_info()->handle;
  EXPECT_EQ(InChild([&] { return cluster.User()->Delete(handle, true) ? 0 : 1; }), 0);
  EXPECT_FALSE(Signs(**key));
  EXPECT_TRUE(Signs(**other));
}

TEST(ProcessesTest, AnAttributeChangedElsewhereCounts) {
  TestCluster cluster;
  const auto key = cluster.User()->Generate(kEd25519, Labelled("tls"));
  ASSERT_TRUE(key.has_value());
  const KeyHandle handle = (*key)->private_info()->handle;
  EXPECT_EQ(InChild([&] { return cluster.User()->SetAttribute(handle, "sign", "no") ? 0 : 1; }), 0);
  EXPECT_FALSE(Signs(**key));
  EXPECT_EQ(InChild([&] { return cluster.User()->SetAttribute(handle, "sign", "yes") ? 0 : 1; }),
            0);
  EXPECT_TRUE(Signs(**key));
}

// A worker that has lost the right to the home is not disturbed by what does not touch its use.
TEST(ProcessesTest, ANewLabelDoesNotDisturbAWorkerWithoutRights) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root to become somebody else";
  TestCluster cluster;
  const auto key = cluster.User()->Generate(kEd25519, Labelled("tls"));
  ASSERT_TRUE(key.has_value());
  const KeyHandle handle = (*key)->private_info()->handle;
  EXPECT_EQ(InChild([&] {
              if (!cluster.User()->SetAttribute(handle, "label", "renamed")) return 1;
              if (!cluster.User()->Generate(kEd25519, Labelled("another"))) return 2;
              if (setresuid(65534, 65534, 65534) != 0) return 3;
              return Signs(**key) ? 0 : 4;
            }),
            0);
}

TEST(ProcessesTest, EightThreadsLoadTheirFirstKeyAtOnce) {
  TestCluster cluster;
  ASSERT_TRUE(cluster.User()->Generate(kEd25519, Labelled("tls")).has_value());
  const auto home = cluster.home();
  cluster.Close();
  std::atomic<int> good = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&] {
      const auto opened = Cluster::Open(home);
      if (!opened) return;
      const auto session =
          (*opened)->Login(CredentialOf("app", test::kUserPassword), Role::kCryptoUser);
      if (!session) return;
      const auto key = (*session)->Load(ByLabel("tls"), true);
      if (key && Signs(**key)) ++good;
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(good, 8);
}

TEST(ProcessesTest, ThreadsMakeUseAndDeleteKeys) {
  TestCluster cluster;
  const auto session = cluster.User();
  std::atomic<int> good = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 5; ++i) {
        const std::string label = std::to_string(t) + "-" + std::to_string(i);
        const auto key = session->Generate(kEd25519, Labelled(label));
        if (!key || !Signs(**key)) return;
        if (!session->Load(ByLabel(label), true)) return;
        if (!session->Delete((*key)->private_info()->handle, true)) return;
        if (Signs(**key)) return;
      }
      ++good;
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(good, 4);
  EXPECT_TRUE(session->Find({})->empty());
}

TEST(ProcessesTest, HandlesAreUniqueAmongProcesses) {
  TestCluster cluster;
  std::vector<pid_t> children;
  for (int i = 0; i < 8; ++i) {
    const pid_t child = fork();
    if (child == 0) {
      for (int k = 0; k < 5; ++k) {
        if (!cluster.User()->Generate(kEd25519, Labelled("k"))) _exit(1);
      }
      _exit(0);
    }
    children.push_back(child);
  }
  for (const pid_t child : children) {
    int status = 1;
    waitpid(child, &status, 0);
    EXPECT_EQ(status, 0);
  }
  EXPECT_EQ(cluster.User()->Find({})->size(), 80U);
}

}  // namespace
}  // namespace hsmcore
