// SPDX-License-Identifier: Apache-2.0
#ifndef TESTS_HSMCORE_SESSION_QUORUM_SUPPORT_H_
#define TESTS_HSMCORE_SESSION_QUORUM_SUPPORT_H_

#include <initializer_list>
#include <map>
#include <memory>
#include <string>

#include "token_support.h"

namespace hsmcore::test {

inline constexpr const char* kRequired = "quorum approval required";
inline constexpr const char* kRefused = "token refused";
inline constexpr const char* kPassword = "somepass12";

class QuorumFixture : public testing::Test {
 protected:
  // admin, alice and bob are admins, and each signs with a key of his own.
  void SetUp() override {
    for (const char* name : {"alice", "bob"}) cluster_.AddUser(name, kPassword, Role::kAdmin);
    for (const auto& [name, signer] : signers_) {
      ASSERT_EQ(CodeOf(signer.Register(*AdminCalled(name))), "ok");
    }
  }

  std::shared_ptr<Session> AdminCalled(const std::string& name) {
    if (name == "admin") return cluster_.Admin();
    auto session = cluster_->Login(CredentialOf(name, kPassword), Role::kAdmin);
    EXPECT_EQ(CodeOf(session), "ok");
    return session ? *session : cluster_->Anonymous();
  }
  void Set(QuorumService service, unsigned value) {
    ASSERT_EQ(CodeOf(cluster_.Admin()->SetQuorumValue(service, value, nullptr)), "ok");
  }
  // A token of `admin` that the others named have signed.
  QuorumToken Token(QuorumService service, std::initializer_list<const char*> signed_by) {
    DeleteTokens();
    auto token = cluster_.Admin()->NewQuorumToken(service);
    if (!token) {
      ADD_FAILURE() << token.error().Message();
      return {};
    }
    for (const char* name : signed_by) signers_.at(name).Approve(*token, name);
    return *token;
  }
  std::string Create(const std::string& name, const QuorumToken* approval) {
    return CodeOf(cluster_.Admin()->CreateUser(name, Role::kCryptoUser,
                                               SecretBytes::CopyOf(kPassword), approval));
  }
  void DeleteTokens() { ASSERT_TRUE(cluster_.Admin()->DeleteQuorumTokens(true).has_value()); }

  TestCluster cluster_{2};
  const std::map<std::string, TokenSigner> signers_ = [] {
    std::map<std::string, TokenSigner> made;
    made.emplace("admin", TokenSigner(KeyType::kEd25519));
    made.emplace("alice", TokenSigner(KeyType::kRsa));
    made.emplace("bob", TokenSigner(KeyType::kEd25519));
    return made;
  }();
};

}  // namespace hsmcore::test

#endif  // TESTS_HSMCORE_SESSION_QUORUM_SUPPORT_H_
