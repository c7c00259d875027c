// SPDX-License-Identifier: Apache-2.0
#ifndef TESTS_HSMCORE_SESSION_TYPE_CHANGE_SUPPORT_H_
#define TESTS_HSMCORE_SESSION_TYPE_CHANGE_SUPPORT_H_

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <string>
#include <utility>

#include "hsmcore/session/wrap_support.h"
#include "support/test_cluster.h"

namespace hsmcore::test {

inline constexpr const char* kOld = "hsm1.medium";
inline constexpr const char* kNew = "hsm2m.medium";

inline ClusterOptions OldType() {
  ClusterOptions options;
  options.type = kOld;
  options.mode = ClusterMode::kFips;
  return options;
}

inline TypeChangeOptions To(std::string type) { return {.type = std::move(type)}; }

inline TypeChangeOptions Back(bool accept, bool keep_new = false) {
  return {.type = kOld, .accept_losses = accept, .keep_new = keep_new};
}

inline Result<TypeChangeReport> Change(TestCluster& cluster, const TypeChangeOptions& wanted,
                                       const Progress& progress = {}) {
  return cluster.Admin()->ChangeType(wanted, progress);
}

// In a process of its own, which dies at the given step. False: it was done before.
inline bool DiesAt(TestCluster& cluster, const TypeChangeOptions& wanted, unsigned step) {
  constexpr int kKilled = 42;
  const pid_t child = fork();
  if (child == 0) {
    unsigned steps = 0;
    const auto changed = Change(cluster, wanted, [&](std::uint64_t, std::uint64_t) {
      if (++steps == step) _exit(kKilled);
    });
    _exit(changed ? 0 : 1);
  }
  int status = 0;
  EXPECT_EQ(waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status));
  EXPECT_NE(WEXITSTATUS(status), 1) << "the change failed before it was killed";
  return WEXITSTATUS(status) == kKilled;
}

inline ClusterDescription DescriptionOf(TestCluster& cluster) {
  return cluster->Describe(true).value();
}

// Every HSM is in service, of this type, with the same content.
inline void ExpectWhole(TestCluster& cluster, const std::string& type) {
  const ClusterDescription description = DescriptionOf(cluster);
  EXPECT_EQ(description.state, "ACTIVE");
  EXPECT_EQ(description.type, type);
  for (const HsmDescription& hsm : description.hsms) {
    EXPECT_EQ(hsm.state, "ACTIVE") << hsm.problem;
    EXPECT_EQ(hsm.type, type);
    EXPECT_EQ(hsm.revision, description.revision);
  }
}

inline bool CanSign(const Key& key) {
  SignMechanism mechanism;
  mechanism.kind = SignMechanism::Kind::kEcdsa;
  mechanism.digest = Digest::kSha256;
  std::array<std::uint8_t, 128> signature{};
  return key.Sign(mechanism, Bytes(32, 7), signature).has_value();
}

inline std::string Loaded(Session& session, const std::string& label) {
  return CodeOf(session.Load(ByLabel(label), true));
}

class TypeChangeTest : public ::testing::Test {
 protected:
  TypeChangeTest() { pair_ = Make(*cluster_.User(), KeyType::kEc, "tls", {Attribute::kSign}); }

  TestCluster cluster_{3, OldType()};
  KeyPtr pair_;
};

}  // namespace hsmcore::test

#endif  // TESTS_HSMCORE_SESSION_TYPE_CHANGE_SUPPORT_H_
