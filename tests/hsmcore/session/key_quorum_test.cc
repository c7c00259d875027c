// SPDX-License-Identifier: Apache-2.0
// Keys whose change or use takes the approval of several of their users.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include "base/cbor.h"
#include "storage/engine.h"
#include "support/session_support.h"
#include "token_support.h"
#include "users/challenge.h"

namespace hsmcore {
namespace {

using test::ByLabel;
using test::CodeOf;
using test::kEddsa;
using test::SignCode;
using test::TestCluster;
using test::Text;
using test::TokenSigner;
using enum QuorumService;

constexpr const char* kPassword = "otherpass1";
constexpr const char* kRequired = "quorum approval required";
constexpr const char* kRefused = "token refused";

KeyTemplate Labelled(const std::string& label, std::vector<std::string> users, KeyQuorum quorum) {
  KeyTemplate form;
  for (auto* half : {&form.private_half, &form.public_half}) half->label = label;
  form.private_half.flags.Set(Attribute::kSign, true);
  form.public_half.flags.Set(Attribute::kVerify, true);
  form.share_with = std::move(users);
  form.quorum = quorum;
  return form;
}

KeyTemplate Secret(const std::string& label, std::vector<std::string> users, KeyQuorum quorum) {
  KeyTemplate form = KeyTemplate::Secret();
  form.private_half.label = label;
  for (const Attribute use : {Attribute::kEncrypt, Attribute::kDecrypt, Attribute::kWrap,
                              Attribute::kUnwrap, Attribute::kDerive}) {
    form.private_half.flags.Set(use, true);
  }
  form.share_with = std::move(users);
  form.quorum = quorum;
  return form;
}

// The crypto users app, web and mail, who each have registered a key of their own.
class KeyQuorumTest : public testing::Test {
 protected:
  void SetUp() override {
    for (const char* name : {"web", "mail", "stranger"}) cluster_.AddUser(name, kPassword);
    for (const auto& [name, signer] : signers_) {
      ASSERT_EQ(CodeOf(signer.Register(*UserCalled(name))), "ok");
    }
    owner_ = cluster_.User();
  }
  std::shared_ptr<Session> UserCalled(const std::string& name) {
    return name == "app" ? cluster_.User() : cluster_.User(name, kPassword);
  }
  KeyHandle Make(const std::string& label, KeyQuorum quorum,
                 std::vector<std::string> users = {"web", "mail"}) {
    const auto made =
        owner_->Generate(test::Ed25519Spec(), Labelled(label, std::move(users), quorum));
    EXPECT_EQ(CodeOf(made), "ok");
    return made ? (*made)->private_info()->handle : KeyHandle();
  }
  // A token of `session` for the key, with the signatures of those named.
  QuorumToken Token(Session& session, QuorumService service, KeyHandle key,
                    std::initializer_list<const char*> signed_by) {
    auto token = session.NewKeyToken(service, key);
    if (!token) {
      ADD_FAILURE() << token.error().Message();
      return {};
    }
    for (const char* name : signed_by) {
      signers_.at(name).Approve(*token, name, Role::kCryptoUser);
    }
    return *token;
  }
  std::string Sign(Session& session, const std::string& label) {
    const auto key = session.Load(ByLabel(label), true);
    return key ? SignCode(**key) : CodeOf(key);
  }
  std::string Change(KeyHandle key) {
    return CodeOf(owner_->SetAttribute(key, "label", "renamed"));
  }

  TestCluster cluster_{2};
  std::shared_ptr<Session> owner_;
  const std::map<std::string, TokenSigner> signers_ = [] {
    std::map<std::string, TokenSigner> made;
    made.emplace("app", TokenSigner(KeyType::kEd25519));
    made.emplace("web", TokenSigner(KeyType::kRsa));
    made.emplace("mail", TokenSigner(KeyType::kEd25519));
    made.emplace("stranger", TokenSigner(KeyType::kEd25519));
    return made;
  }();
};

TEST_F(KeyQuorumTest, AKeyIsSharedWhenItIsMade) {
  const KeyHandle key = Make("tls", {}, {"web", "Mail", "web"});
  const auto found = owner_->Find(KeyQuery::ByHandle(key));
  ASSERT_EQ(CodeOf(found), "ok");
  EXPECT_EQ(found->front().shared_users, (std::vector<std::string>{"web", "mail"}));
  EXPECT_EQ(Sign(*UserCalled("web"), "tls"), "ok");
  EXPECT_EQ(Sign(*UserCalled("stranger"), "tls"), Text(ErrorCode::kKeyNotFound));
  const auto make = [&](std::vector<std::string> users) {
    return CodeOf(owner_->Generate(test::Ed25519Spec(), Labelled("other", std::move(users), {})));
  };
  EXPECT_EQ(make({"nobody"}), Text(ErrorCode::kUserNotFound));
  EXPECT_EQ(make({"app"}), Text(ErrorCode::kInvalidArgument));
  EXPECT_EQ(make({"no/name"}), Text(ErrorCode::kUserName));
  EXPECT_TRUE(owner_->Find(ByLabel("other"))->empty());
}

TEST_F(KeyQuorumTest, AValueNeedsAsManyUsers) {
  const auto make = [&](KeyQuorum quorum, std::vector<std::string> users) {
    return CodeOf(
        owner_->Generate(test::Ed25519Spec(), Labelled("many", std::move(users), quorum)));
  };
  EXPECT_EQ(make({.manage = 2, .use = 0}, {}), Text(ErrorCode::kInvalidArgument));
  EXPECT_EQ(make({.manage = 0, .use = 3}, {"web", "web"}), Text(ErrorCode::kInvalidArgument));
  EXPECT_EQ(make({.manage = 9, .use = 0}, {"web"}), Text(ErrorCode::kInvalidArgument));
  EXPECT_EQ(make({.manage = 1, .use = 2}, {"web"}), "ok");
  KeyTemplate session = Labelled("session", {}, {.manage = 0, .use = 1});
  session.private_half.flags.Set(Attribute::kToken, false);
  EXPECT_EQ(CodeOf(owner_->Generate(test::Ed25519Spec(), session)), Text(ErrorCode::kSessionKey));
}

TEST_F(KeyQuorumTest, EachSignatureTakesEnoughApprovals) {
  const KeyHandle key = Make("ca", {.manage = 0, .use = 2});
  EXPECT_EQ(owner_->Find(KeyQuery::ByHandle(key))->front().quorum, (KeyQuorum{0, 2}));
  const auto ca = owner_->Load(ByLabel("ca"), true);
  ASSERT_EQ(CodeOf(ca), "ok");
  EXPECT_EQ(SignCode(**ca), kRequired);
  QuorumToken token = Token(*owner_, kKeyUsage, key, {"web"});
  owner_->PresentApproval(token);
  EXPECT_EQ(SignCode(**ca), kRequired);
  signers_.at("app").Approve(token, "app", Role::kCryptoUser);
  owner_->PresentApproval(token);
  EXPECT_EQ(SignCode(**ca), "ok");
  EXPECT_EQ(SignCode(**ca), kRequired);
  owner_->PresentApproval(token);
  EXPECT_EQ(SignCode(**ca), kRefused);  // it is spent
}

TEST_F(KeyQuorumTest, AStreamTakesOneWhenItSigns) {
  const KeyHandle key = Make("ca", {.manage = 0, .use = 1});
  const auto ca = owner_->Load(ByLabel("ca"), true);
  ASSERT_EQ(CodeOf(ca), "ok");
  owner_->PresentApproval(Token(*owner_, kKeyUsage, key, {"mail"}));
  auto stream = (*ca)->NewSigner(kEddsa);
  ASSERT_EQ(CodeOf(stream), "ok");
  ASSERT_EQ(CodeOf((*stream)->Update(Bytes{1, 2})), "ok");
  const auto copy = (*stream)->Clone();
  ASSERT_EQ(CodeOf(copy), "ok");
  Bytes signature(64);
  EXPECT_EQ(CodeOf((*stream)->Sign(signature)), "ok");
  EXPECT_EQ(CodeOf((*copy)->Sign(signature)), kRequired);
}

// Each process has what it was given before the fork; the store has one token.
TEST_F(KeyQuorumTest, OfParentAndChildOneSigns) {
  const KeyHandle key = Make("ca", {.manage = 0, .use = 1});
  const auto ca = owner_->Load(ByLabel("ca"), true);
  ASSERT_EQ(CodeOf(ca), "ok");
  owner_->PresentApproval(Token(*owner_, kKeyUsage, key, {"web"}));
  EXPECT_EQ(test::InChild([&] { return SignCode(**ca) == "ok" ? 0 : 1; }), 0);
  EXPECT_EQ(SignCode(**ca), kRefused);
  owner_->PresentApproval(Token(*owner_, kKeyUsage, key, {"web"}));
  EXPECT_EQ(SignCode(**ca), "ok");
}

TEST_F(KeyQuorumTest, SeveralTokensAreSpentInTurn) {
  const KeyHandle key = Make("ca", {.manage = 0, .use = 1});
  for (int i = 0; i < 3; ++i) {
    owner_->PresentApproval(Token(*owner_, kKeyUsage, key, {"web"}));
  }
  EXPECT_EQ(owner_->QuorumTokens()->size(), 3U);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(Sign(*owner_, "ca"), "ok") << i;
  EXPECT_EQ(Sign(*owner_, "ca"), kRequired);
  EXPECT_TRUE(owner_->QuorumTokens()->empty());
}

TEST_F(KeyQuorumTest, OnlyUsersOfTheKeyApprove) {
  const KeyHandle key = Make("ca", {.manage = 0, .use = 1}, {"web"});
  const auto sign_with = [&](const char* approver, Role role) {
    auto token = owner_->NewKeyToken(kKeyUsage, key);
    signers_.at(approver).Approve(*token, approver, role);
    owner_->PresentApproval(*token);
    return Sign(*owner_, "ca");
  };
  EXPECT_EQ(sign_with("stranger", Role::kCryptoUser), kRefused);
  EXPECT_EQ(sign_with("mail", Role::kCryptoUser), kRefused);
  EXPECT_EQ(sign_with("web", Role::kAdmin), kRefused);
  EXPECT_EQ(sign_with("web", Role::kCryptoUser), "ok");
  EXPECT_EQ(CodeOf(UserCalled("mail")->NewKeyToken(kKeyUsage, key)), Text(ErrorCode::kRoleForbids));
  EXPECT_EQ(CodeOf(cluster_.Admin()->NewKeyToken(kKeyUsage, key)), Text(ErrorCode::kRoleForbids));
  EXPECT_EQ(CodeOf(owner_->NewKeyToken(kKeyManagement, key)), Text(ErrorCode::kInvalidArgument));
  EXPECT_EQ(CodeOf(owner_->NewKeyToken(kUser, key)), Text(ErrorCode::kInvalidArgument));
  EXPECT_EQ(CodeOf(cluster_.Admin()->NewQuorumToken(kKeyUsage)), Text(ErrorCode::kInvalidArgument));
}

TEST_F(KeyQuorumTest, ATokenIsForOneKeyServiceAndUser) {
  const KeyHandle key = Make("ca", {.manage = 1, .use = 1});
  const KeyHandle other = Make("other", {.manage = 1, .use = 1});
  QuorumToken token = Token(*owner_, kKeyUsage, other, {"web"});
  owner_->PresentApproval(token);
  EXPECT_EQ(Sign(*owner_, "ca"), kRequired);
  token.key = key;  // what the file says is not what was signed
  owner_->PresentApproval(token);
  EXPECT_EQ(Sign(*owner_, "ca"), kRefused);
  token = Token(*owner_, kKeyManagement, key, {"web"});
  token.service = kKeyUsage;
  owner_->PresentApproval(token);
  EXPECT_EQ(Sign(*owner_, "ca"), kRefused);
  const auto web = UserCalled("web");
  web->PresentApproval(Token(*owner_, kKeyUsage, key, {"mail"}));
  EXPECT_EQ(Sign(*web, "ca"), kRefused);  // who made it spends it
  web->PresentApproval(Token(*web, kKeyUsage, key, {"app"}));
  EXPECT_EQ(Sign(*web, "ca"), "ok");
}

TEST_F(KeyQuorumTest, WhoLostTheKeyApprovesNoMore) {
  const KeyHandle key = Make("ca", {.manage = 0, .use = 1});
  const QuorumToken token = Token(*owner_, kKeyUsage, key, {"mail"});
  ASSERT_EQ(CodeOf(owner_->UnshareKey(key, "mail")), "ok");
  owner_->PresentApproval(token);
  EXPECT_EQ(Sign(*owner_, "ca"), kRefused);
}

TEST_F(KeyQuorumTest, OneCanApproveByLoggingIn) {
  const KeyHandle key = Make("ca", {.manage = 0, .use = 2});
  QuorumToken token = Token(*owner_, kKeyUsage, key, {"app"});
  EXPECT_EQ(CodeOf(UserCalled("stranger")->ApproveToken(token)), Text(ErrorCode::kRoleForbids));
  EXPECT_EQ(CodeOf(cluster_.Admin()->ApproveToken(token)), Text(ErrorCode::kRoleForbids));
  const auto approved = UserCalled("mail")->ApproveToken(token);
  ASSERT_EQ(CodeOf(approved), "ok");
  EXPECT_TRUE(approved->signatures.back().share.empty());
  // By way of the file.
  const auto read = QuorumToken::FromJson(approved->ToJson(), "t.json");
  ASSERT_EQ(CodeOf(read), "ok");
  owner_->PresentApproval(*read);
  EXPECT_EQ(Sign(*owner_, "ca"), "ok");
}

TEST_F(KeyQuorumTest, ItDoesNothingButSign) {
  const auto made = owner_->Generate(test::SpecOf(KeyType::kAes), Secret("kek", {}, {0, 1}));
  ASSERT_EQ(CodeOf(made), "ok");
  for (const Key::Use use : {Key::Use::kEncrypt, Key::Use::kDecrypt, Key::Use::kDerive}) {
    EXPECT_EQ(CodeOf((*made)->CheckUse(use)), kRequired) << static_cast<int>(use);
  }
  KeyTemplate form = Labelled("rsa", {}, {0, 1});
  form.private_half.flags.Set(Attribute::kDecrypt, true);
  form.public_half.flags.Set(Attribute::kEncrypt, true);
  const auto rsa = owner_->Generate(test::SpecOf(KeyType::kRsa, 2048), form);
  ASSERT_EQ(CodeOf(rsa), "ok");
  EXPECT_EQ(CodeOf((*rsa)->CheckUse(Key::Use::kDecrypt)), kRequired);
  EXPECT_EQ(CodeOf((*rsa)->CheckUse(Key::Use::kEncrypt)), "ok");  // by the public key
  EXPECT_EQ(CodeOf((*rsa)->CheckUse(Key::Use::kVerify)), "ok");
}

TEST_F(KeyQuorumTest, AChangeIsApprovedInItsCommit) {
  const KeyHandle key = Make("ca", {.manage = 2, .use = 0});
  EXPECT_EQ(Sign(*owner_, "ca"), "ok");  // its use is free
  EXPECT_EQ(Change(key), kRequired);
  EXPECT_EQ(CodeOf(owner_->ShareKey(key, "stranger")), kRequired);
  EXPECT_EQ(CodeOf(owner_->UnshareKey(key, "web")), kRequired);
  EXPECT_EQ(CodeOf(owner_->SetKeyEnabled(key, false)), kRequired);
  EXPECT_EQ(CodeOf(owner_->SetAttribute(key, "end-date", "2099-01-01")), kRequired);
  EXPECT_EQ(CodeOf(owner_->RotateKey(key, 0)), kRequired);
  owner_->PresentApproval(Token(*owner_, kKeyManagement, key, {"web", "mail"}));
  // What fails for another reason does not spend it.
  EXPECT_EQ(CodeOf(owner_->SetAttribute(key, "sign", "perhaps")), Text(ErrorCode::kAttributeValue));
  EXPECT_EQ(CodeOf(owner_->ShareKey(key, "stranger")), "ok");
  EXPECT_EQ(CodeOf(owner_->UnshareKey(key, "stranger")), kRequired);
}

TEST_F(KeyQuorumTest, TheNextVersionHasTheSameQuorum) {
  const KeyHandle key = Make("ca", {.manage = 2, .use = 2});
  owner_->PresentApproval(Token(*owner_, kKeyManagement, key, {"web", "mail"}));
  const auto next = owner_->RotateKey(key, 0);
  ASSERT_EQ(CodeOf(next), "ok");
  EXPECT_EQ((*next)->private_info()->quorum, (KeyQuorum{2, 2}));
  EXPECT_EQ(SignCode(**next), kRequired);
}

TEST_F(KeyQuorumTest, ItIsNotUnsharedBelowItsValue) {
  const KeyHandle key = Make("ca", {.manage = 0, .use = 2}, {"web"});
  EXPECT_EQ(CodeOf(owner_->UnshareKey(key, "web")), Text(ErrorCode::kClusterState));
  ASSERT_EQ(CodeOf(owner_->ShareKey(key, "mail")), "ok");
  EXPECT_EQ(CodeOf(owner_->UnshareKey(key, "web")), "ok");
}

TEST_F(KeyQuorumTest, MembersOfAGroupApprove) {
  const auto admin = cluster_.Admin();
  ASSERT_EQ(CodeOf(admin->CreateGroup("team")), "ok");
  for (const char* name : {"web", "mail"}) {
    ASSERT_EQ(CodeOf(admin->AddToGroup("team", name)), "ok");
  }
  const KeyHandle key = Make("ca", {.manage = 0, .use = 1}, {});
  ASSERT_EQ(CodeOf(owner_->ShareKeyWithGroup(key, "team")), "ok");
  owner_->PresentApproval(Token(*owner_, kKeyUsage, key, {"web"}));
  EXPECT_EQ(Sign(*owner_, "ca"), "ok");
  const QuorumToken token = Token(*owner_, kKeyUsage, key, {"mail"});
  ASSERT_EQ(CodeOf(admin->RemoveFromGroup("team", "mail")), "ok");
  owner_->PresentApproval(token);
  EXPECT_EQ(Sign(*owner_, "ca"), kRefused);
}

TEST_F(KeyQuorumTest, WrappingTakesTheApprovalOfBothKeys) {
  WrapMechanism mechanism;
  mechanism.kind = WrapMechanism::Kind::kAesZeroPad;
  const auto kek = owner_->Generate(test::SpecOf(KeyType::kAes), Secret("kek", {"web"}, {1, 0}));
  const auto payload =
      owner_->Generate(test::SpecOf(KeyType::kAes), Secret("data", {"web"}, {2, 0}));
  ASSERT_EQ(CodeOf(kek), "ok");
  ASSERT_EQ(CodeOf(payload), "ok");
  const KeyHandle kek_handle = (*kek)->private_info()->handle;
  const KeyHandle payload_handle = (*payload)->private_info()->handle;
  const auto wrap = [&] { return CodeOf(owner_->Wrap(**kek, **payload, mechanism)); };
  EXPECT_EQ(wrap(), kRequired);
  owner_->PresentApproval(Token(*owner_, kKeyManagement, kek_handle, {"web"}));
  EXPECT_EQ(wrap(), kRequired);
  owner_->PresentApproval(Token(*owner_, kKeyManagement, payload_handle, {"app", "web"}));
  const auto wrapped = owner_->Wrap(**kek, **payload, mechanism);
  ASSERT_EQ(CodeOf(wrapped), "ok");
  EXPECT_EQ(wrap(), kRequired);
  // What does not fit spends nothing.
  owner_->PresentApproval(Token(*owner_, kKeyManagement, kek_handle, {"web"}));
  owner_->PresentApproval(Token(*owner_, kKeyManagement, payload_handle, {"app", "web"}));
  WrapMechanism odd;
  odd.kind = WrapMechanism::Kind::kAesGcm;
  odd.tag_length = 3;
  EXPECT_NE(CodeOf(owner_->Wrap(**kek, **payload, odd)), "ok");
  EXPECT_EQ(wrap(), "ok");

  UnwrapForm form{.type = KeyType::kAes, .attributes = {{"label", "back"}}};
  form.share_with = {"mail"};
  form.quorum = {2, 0};
  EXPECT_EQ(CodeOf(owner_->Unwrap(**kek, mechanism, wrapped->data, form)), kRequired);
  owner_->PresentApproval(Token(*owner_, kKeyManagement, kek_handle, {"app"}));
  const auto back = owner_->Unwrap(**kek, mechanism, wrapped->data, form);
  ASSERT_EQ(CodeOf(back), "ok");
  EXPECT_EQ((*back)->private_info()->quorum, (KeyQuorum{2, 0}));
  EXPECT_EQ((*back)->private_info()->shared_users, (std::vector<std::string>{"mail"}));
}

TEST_F(KeyQuorumTest, DeletionIsTheOwnersAlone) {
  const KeyHandle key = Make("ca", {.manage = 2, .use = 2});
  EXPECT_EQ(CodeOf(owner_->ScheduleDeletion(key, 7)), "ok");
  EXPECT_EQ(CodeOf(owner_->CancelDeletion(key)), "ok");
  EXPECT_EQ(CodeOf(owner_->Delete(key, true)), "ok");
}

TEST_F(KeyQuorumTest, ImportedKeysHaveItToo) {
  const auto imported =
      owner_->ImportSecret(KeyType::kGenericSecret, SecretBytes::CopyOf("0123456789abcdef"),
                           Secret("mac", {"web"}, {0, 2}));
  ASSERT_EQ(CodeOf(imported), "ok");
  EXPECT_EQ((*imported)->private_info()->quorum, (KeyQuorum{0, 2}));
  MacMechanism hmac;
  hmac.kind = MacMechanism::Kind::kHmac;
  hmac.digest = Digest::kSha256;
  const auto stream = (*imported)->NewMac(hmac);
  ASSERT_EQ(CodeOf(stream), "ok");
  Bytes mac(32);
  EXPECT_EQ(CodeOf((*stream)->Sign(mac)), kRequired);
}

TEST_F(KeyQuorumTest, TheLogSaysWhoApproved) {
  const KeyHandle key = Make("ca", {.manage = 2, .use = 2});
  owner_->PresentApproval(Token(*owner_, kKeyUsage, key, {"web", "mail"}));
  ASSERT_EQ(Sign(*owner_, "ca"), "ok");
  owner_->PresentApproval(Token(*owner_, kKeyManagement, key, {"web", "app"}));
  ASSERT_EQ(Change(key), "ok");
  std::vector<std::string> details;
  AuditQuery query;
  query.key = key;
  ASSERT_EQ(CodeOf(cluster_.Admin()->ReadAudit(
                query, [&](const AuditRecord& record) { details.push_back(record.detail); })),
            "ok");
  const auto has = [&](const std::string& text) {
    return std::ranges::find(details, text) != details.end();
  };
  EXPECT_TRUE(has("sign; approved by mail, web")) << testing::PrintToString(details);
  EXPECT_TRUE(has("label=renamed; approved by app, web")) << testing::PrintToString(details);
  const auto report = cluster_.Admin()->VerifyAudit({});
  ASSERT_EQ(CodeOf(report), "ok");
  EXPECT_TRUE(report->problems.empty()) << testing::PrintToString(report->problems);
}

TEST_F(KeyQuorumTest, ThereIsAnEndToTokens) {
  const KeyHandle key = Make("ca", {.manage = 0, .use = 1});
  const QuorumToken token = Token(*owner_, kKeyUsage, key, {});
  const auto core = test::OpenBeside(cluster_);
  // As if so many had been made.
  const auto fill = [&](storage::Transaction& change) -> Status {
    users::Challenge one = *users::Challenge::Decode(token.approval_data);
    const std::string purpose = one.purpose;
    for (std::size_t i = 1; i < kMaxKeyTokens; ++i) {
      one.purpose = purpose + std::to_string(i);
      change.Put("token/" + one.purpose,
                 cbor::Encode({{"v", 1}, {"text", cbor::Blob(one.Encode())}}));
    }
    return {};
  };
  ASSERT_EQ(CodeOf(storage::Update(*core->engine, fill)), "ok");
  EXPECT_EQ(owner_->QuorumTokens()->size(), kMaxKeyTokens);
  EXPECT_EQ(CodeOf(owner_->NewKeyToken(kKeyUsage, key)), kRefused);
  EXPECT_EQ(*cluster_.Admin()->DeleteQuorumTokens(true), kMaxKeyTokens);
  EXPECT_EQ(CodeOf(owner_->NewKeyToken(kKeyUsage, key)), "ok");
}

TEST(KeyTemplateTest, ANewKeyHasALife) {
  TestCluster cluster(2);
  KeyTemplate form = Labelled("dated", {}, {});
  using KC = KeyClass;
  ASSERT_EQ(CodeOf(ApplyAtCreation(form, KC::kPrivateKey, "start-date", "2020-01-01")), "ok");
  ASSERT_EQ(CodeOf(ApplyAtCreation(form, KC::kPrivateKey, "end-date", "2099-01-01")), "ok");
  ASSERT_EQ(CodeOf(ApplyAtCreation(form, KC::kPrivateKey, "use-limit", "1")), "ok");
  EXPECT_EQ(CodeOf(ApplyAtCreation(form, KC::kPrivateKey, "end-date", "2019-01-01")),
            Text(ErrorCode::kAttributeValue));
  EXPECT_EQ(CodeOf(ApplyAtCreation(form, KC::kPublicKey, "end-date", "2098-01-01")),
            Text(ErrorCode::kAttributeReadOnly));
  EXPECT_EQ(CodeOf(ApplyAtCreation(form, KC::kPrivateKey, "key-version", "2")),
            Text(ErrorCode::kAttributeReadOnly));
  const auto session = cluster.User();
  const auto key = session->Generate(test::Ed25519Spec(), form);
  ASSERT_EQ(CodeOf(key), "ok");
  EXPECT_EQ(AttributeText(*(*key)->private_info(), Attribute::kEndDate), "2099-01-01T00:00:00Z");
  EXPECT_EQ(SignCode(**key), "ok");
  EXPECT_EQ(SignCode(**key), Text(ErrorCode::kKeyUsedUp));
  form.private_half.flags.Set(Attribute::kToken, false);
  EXPECT_EQ(CodeOf(session->Generate(test::Ed25519Spec(), form)), Text(ErrorCode::kSessionKey));
}

TEST(QuorumTokenTest, TheFileIsReadAsItIsWritten) {
  QuorumToken token;
  token.service = kKeyUsage;
  token.key = KeyHandle{0x102};
  token.approval_data = {1, 2, 3};
  token.signatures = {
      {.username = "web", .role = Role::kCryptoUser, .signature = {4}, .share = {}}};
  const std::string json = token.ToJson();
  const auto read = QuorumToken::FromJson(json, "t.json");
  ASSERT_EQ(CodeOf(read), "ok");
  EXPECT_EQ(read->ToJson(), json);
  for (const auto& [from, to] :
       std::vector<std::pair<std::string, std::string>>{{"key-usage", "user"},
                                                        {"key-usage", "key-eating"},
                                                        {"0x0000000000000102", "102"},
                                                        {"AQID", "AQIE"},
                                                        {"crypto-user", "root"},
                                                        {"2.0", "3.0"},
                                                        {"signatures", "signature"},
                                                        {"{", ""}}) {
    std::string edited = json;
    edited.replace(edited.find(from), from.size(), to);
    EXPECT_EQ(CodeOf(QuorumToken::FromJson(edited, "t.json")), Text(ErrorCode::kInvalidArgument))
        << edited;
  }
}

}  // namespace
}  // namespace hsmcore
