// SPDX-License-Identifier: Apache-2.0
// The recovery key in shares: what a quorum is enforced with, by what admins have in their hands
// and not by what the gate lets them do.
#include "users/escrow.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "quorum_support.h"
#include "support/sqlite_editor.h"
#include "users/authentication.h"
#include "users/directory.h"
#include "users/quorum_policy.h"
#include "users/setting.h"
#include "vault/secret_sharing.h"

namespace hsmcore {
namespace {

using test::CodeOf;
using test::CredentialOf;
using test::kAdminPassword;
using test::kPassword;
using test::kRefused;
using test::kRequired;
using test::kUserPassword;
using test::Text;

constexpr const char* kNew = "brandnewpw1";

// What somebody has who has the store and the passwords of some admins.
class Thief {
 public:
  explicit Thief(test::TestCluster& cluster) : core_(test::OpenBeside(cluster)) {}

  vault::Identity Identity(const std::string& name) const {
    const char* password = name == "admin" ? kAdminPassword : kPassword;
    const auto user = *users::GetUser(*core_, Role::kAdmin, name);
    return *users::OpenPassword(user.record, SecretBytes::CopyOf(password), nullptr);
  }
  users::Recovery Recovery() const { return **users::ReadSetting<users::Recovery>(*core_); }
  // The admin's part of the recovery key.
  SecretBytes Part(const std::string& name) const {
    return *Identity(name).OpenSealed(Recovery().sealed.at(users::UserPath(Role::kAdmin, name)));
  }
  // The recovery key that is put together of the parts of these.
  vault::BoxPair Join(std::initializer_list<const char*> names) const {
    std::vector<SecretBytes> shares;
    for (const char* name : names) shares.push_back(Part(name));
    return {Recovery().public_key, *vault::JoinShares(shares)};
  }
  bool Opens(const vault::BoxPair& recovery, const std::string& user = "app") const {
    const auto record = *users::GetUser(*core_, Role::kCryptoUser, user);
    return users::OpenEscrow(*core_, recovery, record.record).has_value();
  }

 private:
  std::shared_ptr<cluster::Core> core_;
};

class EscrowTest : public test::QuorumFixture {
 protected:
  std::string Reset(const QuorumToken* approval, const char* password = kNew) {
    return CodeOf(cluster_.Admin()->ResetPassword("app", Role::kCryptoUser,
                                                  SecretBytes::CopyOf(password), approval));
  }
  std::string Login(const char* password, const std::string& name = "app") {
    return CodeOf(cluster_->Login(CredentialOf(name, password), Role::kCryptoUser));
  }
  // A token of `admin` that these approve by logging in.
  QuorumToken Approved(QuorumService service, std::initializer_list<const char*> by) {
    QuorumToken token = Token(service, {});
    for (const char* name : by) {
      auto approved = AdminCalled(name)->ApproveToken(token);
      EXPECT_EQ(CodeOf(approved), "ok") << approved.error().Message();
      if (approved) token = *std::move(approved);
    }
    return token;
  }
  void ExpectAllGenuine(std::size_t users) {
    const auto list = cluster_->Anonymous()->ListUsers();
    ASSERT_EQ(CodeOf(list), "ok");
    EXPECT_EQ(list->size(), users);
    const auto repaired = cluster_->Sync();
    ASSERT_EQ(CodeOf(repaired), "ok");
    EXPECT_TRUE(repaired->empty());
  }
};

TEST_F(EscrowTest, AResetTakesTheSharesOfAQuorum) {
  Set(QuorumService::kUser, 2);
  EXPECT_EQ(Reset(nullptr), kRequired);
  // Two have signed, as openssl does, and given no share.
  const QuorumToken by_key = Token(QuorumService::kUser, {"alice", "bob"});
  EXPECT_EQ(Reset(&by_key), kRequired);
  DeleteTokens();
  const QuorumToken by_one = Approved(QuorumService::kUser, {"bob"});
  EXPECT_EQ(Reset(&by_one), kRequired);
  EXPECT_EQ(Login(kUserPassword), "ok");
  // One by login gives a share; with that of who asks there are two.
  QuorumToken enough = by_one;
  signers_.at("alice").Approve(enough, "alice");
  EXPECT_EQ(Reset(&enough), "ok");
  EXPECT_EQ(Login(kUserPassword), Text(ErrorCode::kPasswordWrong));
  EXPECT_EQ(Login(kNew), "ok");
  EXPECT_EQ(Reset(&enough), kRefused);
  ExpectAllGenuine(4);
}

TEST_F(EscrowTest, KeysAndCredentialsStay) {
  const auto session = cluster_.User();
  const auto key = session->Generate(test::Ed25519Spec(), {});
  ASSERT_EQ(CodeOf(key), "ok");
  const auto machine = session->CreateMachineCredential();
  Set(QuorumService::kUser, 3);
  const QuorumToken token = Approved(QuorumService::kUser, {"alice", "bob", "admin"});
  ASSERT_EQ(Reset(&token), "ok");
  const auto after = cluster_->Login(CredentialOf("app", kNew), Role::kCryptoUser);
  ASSERT_EQ(CodeOf(after), "ok");
  EXPECT_EQ(CodeOf((*after)->Load(KeyQuery::ByHandle((*key)->private_info()->handle), true)), "ok");
  EXPECT_EQ(CodeOf(cluster_->Login(*Credential::FromPin(*machine), Role::kCryptoUser)), "ok");
}

// The heart of it: with the store and the secrets of m-1 admins, nothing opens.
TEST_F(EscrowTest, OneAdminLessThanTheQuorumOpensNothing) {
  const Thief thief(cluster_);
  // Before, each admin has the whole key.
  const vault::BoxPair whole{thief.Recovery().public_key, thief.Part("alice")};
  EXPECT_TRUE(thief.Opens(whole));
  Set(QuorumService::kUser, 3);
  // And that one, which all three may remember, opens nothing any more.
  EXPECT_FALSE(thief.Opens(whole));
  for (const char* name : {"admin", "alice", "bob"}) {
    EXPECT_FALSE(vault::IsPair({thief.Recovery().public_key, thief.Part(name)})) << name;
    EXPECT_FALSE(thief.Opens(thief.Join({name}))) << name;
  }
  EXPECT_FALSE(thief.Opens(thief.Join({"admin", "alice"})));
  EXPECT_FALSE(thief.Opens(thief.Join({"admin", "bob"})));
  EXPECT_FALSE(thief.Opens(thief.Join({"alice", "bob"})));
  EXPECT_TRUE(thief.Opens(thief.Join({"alice", "bob", "admin"})));
}

TEST_F(EscrowTest, EveryUserIsInIt) {
  cluster_.AddUser("early", kPassword);
  Set(QuorumService::kUser, 2);
  QuorumToken token = Token(QuorumService::kUser, {"alice", "bob"});
  ASSERT_EQ(Create("late", &token), "ok");
  const Thief thief(cluster_);
  for (const char* user : {"app", "early", "late"}) {
    EXPECT_TRUE(thief.Opens(thief.Join({"alice", "bob"}), user)) << user;
    EXPECT_FALSE(thief.Opens(thief.Join({"alice"}), user)) << user;
  }
  ExpectAllGenuine(6);
}

TEST_F(EscrowTest, SharesThatWereGivenAreUsedUp) {
  Set(QuorumService::kUser, 2);
  const QuorumToken token = Approved(QuorumService::kUser, {"alice", "bob"});
  const Thief thief(cluster_);
  const SecretBytes given = *thief.Identity("admin").OpenSealed(token.signatures[0].share);
  const auto with_own = [&] {
    std::vector<SecretBytes> shares;
    shares.push_back(given.Clone());
    shares.push_back(thief.Part("admin"));
    return vault::BoxPair{thief.Recovery().public_key, *vault::JoinShares(shares)};
  };
  EXPECT_TRUE(thief.Opens(with_own()));
  ASSERT_EQ(Reset(&token), "ok");
  EXPECT_FALSE(thief.Opens(with_own()));
}

TEST_F(EscrowTest, AShareIsForWhoAskedAndForHisToken) {
  Set(QuorumService::kUser, 2);
  QuorumToken token = Approved(QuorumService::kUser, {"bob"});
  const Thief thief(cluster_);
  EXPECT_FALSE(thief.Identity("alice").OpenSealed(token.signatures[0].share).has_value());
  // Of another token.
  DeleteTokens();
  QuorumToken next = Token(QuorumService::kUser, {"alice"});
  next.signatures.push_back(token.signatures[0]);
  EXPECT_EQ(Reset(&next), kRefused);
}

TEST_F(EscrowTest, AdminsComeAndGo) {
  Set(QuorumService::kUser, 2);
  const auto create = [&](const QuorumToken* approval) {
    return CodeOf(cluster_.Admin()->CreateUser("carol", Role::kAdmin,
                                               SecretBytes::CopyOf(kPassword), approval));
  };
  QuorumToken token = Token(QuorumService::kUser, {"alice", "bob"});
  EXPECT_EQ(create(&token), kRequired);  // a share for her takes those of two
  DeleteTokens();
  token = Approved(QuorumService::kUser, {"alice", "bob"});
  ASSERT_EQ(create(&token), "ok");
  token = Approved(QuorumService::kUser, {"carol", "bob"});
  ASSERT_EQ(Reset(&token), "ok");
  const Thief thief(cluster_);
  const vault::BoxPair known = thief.Join({"carol", "bob"});
  EXPECT_TRUE(thief.Opens(known));
  const SecretBytes share = thief.Part("carol");
  const auto remove = [&](const QuorumToken* approval) {
    return CodeOf(cluster_.Admin()->DeleteUser(
        "carol", Role::kAdmin, {.transfer_keys_to = {}, .owner = {}, .approval = approval}));
  };
  EXPECT_EQ(remove(nullptr), kRequired);
  token = Approved(QuorumService::kUser, {"alice", "bob"});
  ASSERT_EQ(remove(&token), "ok");
  // Neither the key that she may have seen nor her share is worth anything.
  EXPECT_FALSE(thief.Opens(known));
  std::vector<SecretBytes> shares;
  shares.push_back(share.Clone());
  shares.push_back(thief.Part("bob"));
  EXPECT_FALSE(thief.Opens({thief.Recovery().public_key, *vault::JoinShares(shares)}));
  EXPECT_TRUE(thief.Opens(thief.Join({"alice", "bob"})));
  ExpectAllGenuine(4);
}

TEST_F(EscrowTest, ADeletedAdminKnowsNothingWithoutAQuorumEither) {
  const Thief thief(cluster_);
  const vault::BoxPair known{thief.Recovery().public_key, thief.Part("bob")};
  EXPECT_TRUE(thief.Opens(known));
  ASSERT_EQ(CodeOf(cluster_.Admin()->DeleteUser("bob", Role::kAdmin, {})), "ok");
  EXPECT_FALSE(thief.Opens(known));
  EXPECT_EQ(Reset(nullptr), "ok");
  ExpectAllGenuine(3);
}

TEST_F(EscrowTest, ThereAreNeverFewerAdminsThanAQuorum) {
  Set(QuorumService::kUser, 3);
  const QuorumToken token = Approved(QuorumService::kUser, {"alice", "bob", "admin"});
  EXPECT_EQ(CodeOf(cluster_.Admin()->DeleteUser(
                "bob", Role::kAdmin, {.transfer_keys_to = {}, .owner = {}, .approval = &token})),
            Text(ErrorCode::kClusterState));
  ExpectAllGenuine(4);
}

TEST_F(EscrowTest, TheValueMovesWithTheShares) {
  Set(QuorumService::kUser, 3);
  const auto set = [&](unsigned value, const QuorumToken* approval) {
    return CodeOf(cluster_.Admin()->SetQuorumValue(QuorumService::kUser, value, approval));
  };
  const QuorumToken by_key = Token(QuorumService::kQuorum, {"admin", "alice", "bob"});
  EXPECT_EQ(set(2, &by_key), kRequired);
  DeleteTokens();
  QuorumToken token = Approved(QuorumService::kQuorum, {"admin", "alice", "bob"});
  ASSERT_EQ(set(2, &token), "ok");
  token = Approved(QuorumService::kUser, {"admin", "alice"});
  EXPECT_EQ(Reset(&token), "ok");
  token = Approved(QuorumService::kQuorum, {"admin", "bob"});
  ASSERT_EQ(set(1, &token), "ok");
  EXPECT_EQ(Reset(nullptr, "yetanother1"), "ok");
  const Thief thief(cluster_);
  EXPECT_TRUE(thief.Opens({thief.Recovery().public_key, thief.Part("bob")}));
  ExpectAllGenuine(4);
}

// Who takes the policy out of the store has not put the shares together.
TEST_F(EscrowTest, WithoutThePolicyTheSharesAreNeededAllTheSame) {
  Set(QuorumService::kUser, 2);
  const auto description = cluster_->Describe(false);
  cluster_.Close();
  for (const HsmDescription& hsm : description->hsms) {
    test::SqliteEditor(hsm.path / "store.db").Remove(users::QuorumPolicy::kPath);
  }
  cluster_.Reopen();
  EXPECT_EQ(Reset(nullptr), kRequired);
  EXPECT_EQ(Create("one", nullptr), kRequired);
  const QuorumToken token = Approved(QuorumService::kUser, {"alice", "bob"});
  EXPECT_EQ(Reset(&token), "ok");
}

// Users whose own admin was deleted are vouched for in another way (users/adoption.h).
TEST_F(EscrowTest, AdoptedUsersAreMovedToo) {
  ASSERT_EQ(CodeOf(AdminCalled("bob")->CreateUser("child", Role::kCryptoUser,
                                                  SecretBytes::CopyOf(kPassword))),
            "ok");
  ASSERT_EQ(
      CodeOf(AdminCalled("bob")->CreateUser("carol", Role::kAdmin, SecretBytes::CopyOf(kPassword))),
      "ok");
  ASSERT_EQ(CodeOf(cluster_.Admin()->DeleteUser("bob", Role::kAdmin, {})), "ok");
  Set(QuorumService::kUser, 2);
  EXPECT_EQ(Login(kPassword, "child"), "ok");
  ExpectAllGenuine(5);
  const Thief thief(cluster_);
  EXPECT_TRUE(thief.Opens(thief.Join({"carol", "alice"}), "child"));
  // And again, when who adopted them goes: here the first admin has, who stays.
  const QuorumToken token = Approved(QuorumService::kUser, {"carol", "alice"});
  EXPECT_EQ(Reset(&token), "ok");
  EXPECT_EQ(Login(kPassword, "child"), "ok");
  ExpectAllGenuine(5);
}

TEST_F(EscrowTest, KeysAreHandedOverWithAQuorum) {
  cluster_.AddUser("heir", kPassword);
  const auto key = cluster_.User()->Generate(test::Ed25519Spec(), {});
  ASSERT_EQ(CodeOf(key), "ok");
  Set(QuorumService::kUser, 2);
  const auto remove = [&](const QuorumToken* approval) {
    return CodeOf(cluster_.Admin()->DeleteUser("app", Role::kCryptoUser,
                                               {.transfer_keys_to = "heir",
                                                .owner = CredentialOf("app", kUserPassword),
                                                .approval = approval}));
  };
  EXPECT_EQ(remove(nullptr), kRequired);
  const Thief thief(cluster_);
  const vault::BoxPair before = thief.Join({"alice", "bob"});
  const QuorumToken token = Approved(QuorumService::kUser, {"alice", "bob"});
  ASSERT_EQ(remove(&token), "ok");
  const auto heir = cluster_.User("heir", kPassword);
  EXPECT_EQ(CodeOf(heir->Load(KeyQuery::ByHandle((*key)->private_info()->handle), true)), "ok");
  EXPECT_FALSE(thief.Opens(before, "heir"));
}

TEST_F(EscrowTest, AQuorumConsentsForTheOwner) {
  cluster_.AddUser("heir", kPassword);
  const auto key = cluster_.User()->Generate(test::Ed25519Spec(), {});
  ASSERT_EQ(CodeOf(key), "ok");
  const auto remove = [&](const QuorumToken* approval) {
    return CodeOf(cluster_.Admin()->DeleteUser(
        "app", Role::kCryptoUser, {.transfer_keys_to = "heir", .owner = {}, .approval = approval}));
  };
  EXPECT_EQ(remove(nullptr), Text(ErrorCode::kLoginRequired));  // no admin alone
  Set(QuorumService::kUser, 2);
  EXPECT_EQ(remove(nullptr), kRequired);
  QuorumToken token = Token(QuorumService::kUser, {"alice", "bob"});
  EXPECT_EQ(remove(&token), kRequired);  // signatures hand over no shares
  token = Approved(QuorumService::kUser, {"alice", "bob"});
  ASSERT_EQ(remove(&token), "ok");
  const auto heir = cluster_.User("heir", kPassword);
  EXPECT_EQ(CodeOf(heir->Load(KeyQuery::ByHandle((*key)->private_info()->handle), true)), "ok");
}

TEST_F(EscrowTest, AResetTakesMfaAway) {
  const test::TokenSigner signer;
  const auto session = cluster_.User();
  const auto token = session->NewRegistration();
  ASSERT_EQ(CodeOf(session->RegisterMfa(SecretBytes::CopyOf(kUserPassword), signer.PublicKey(),
                                        signer.Signed(*token))),
            "ok");
  EXPECT_EQ(Login(kUserPassword), Text(ErrorCode::kMfaRequired));
  ASSERT_EQ(Reset(nullptr), "ok");
  EXPECT_EQ(Login(kNew), "ok");
}

}  // namespace
}  // namespace hsmcore
