// SPDX-License-Identifier: Apache-2.0
// Sharing a key with other crypto users, and taking it back.
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <functional>
#include <string>
#include <vector>

#include "support/session_support.h"
#include "support/sqlite_editor.h"
#include "support/test_cluster.h"

namespace hsmcore {
namespace {

using test::ByLabel;
using test::CodeOf;
using test::InChild;
using test::kEddsa;
using test::SignCode;
using test::SqliteEditor;
using test::TestCluster;
using test::Text;
using Names = std::vector<std::string>;

constexpr const char* kOtherPassword = "otherpass1";

KeyTemplate Labelled(const std::string& label) {
  KeyTemplate form;
  form.private_half.label = label;
  form.private_half.flags.Set(Attribute::kSign, true);
  form.public_half.label = label;
  form.public_half.flags.Set(Attribute::kVerify, true);
  return form;
}

// A cluster with a key "tls" of "app", and the users "web" and "mail".
class SharingTest : public testing::Test {
 protected:
  SharingTest() {
    cluster_.AddUser("web", kOtherPassword);
    cluster_.AddUser("mail", kOtherPassword);
    owner_ = cluster_.User();
    const auto made = owner_->Generate(test::Ed25519Spec(), Labelled("tls"));
    EXPECT_TRUE(made.has_value());
    handle_ = (*made)->private_info()->handle;
  }
  std::shared_ptr<Session> Web() { return cluster_.User("web", kOtherPassword); }
  std::shared_ptr<Session> Mail() { return cluster_.User("mail", kOtherPassword); }
  void Share(const std::string& name) {
    const auto shared = owner_->ShareKey(handle_, name);
    ASSERT_TRUE(shared.has_value()) << shared.error().Message();
  }
  std::string KeyPath() const { return "key/" + handle_.ToString().substr(2); }
  // The record as the first HSM has it.
  Bytes Stored() {
    return SqliteEditor(cluster_->Describe(false)->hsms.front().path / "store.db").Get(KeyPath());
  }

  TestCluster cluster_;
  std::shared_ptr<Session> owner_;
  KeyHandle handle_;
};

TEST_F(SharingTest, WhoItIsSharedWithUsesIt) {
  EXPECT_EQ(CodeOf(Web()->Load(ByLabel("tls"), true)), Text(ErrorCode::kKeyNotFound));
  const auto shared = owner_->ShareKey(handle_, "Web");
  ASSERT_TRUE(shared.has_value()) << shared.error().Message();
  EXPECT_EQ(shared->shared_users, Names{"web"});
  const auto key = Web()->Load(ByLabel("tls"), true);
  ASSERT_TRUE(key.has_value()) << key.error().Message();
  EXPECT_EQ((*key)->private_info()->owner, "app");
  Bytes signature(64);
  ASSERT_TRUE((*key)->Sign(kEddsa, Bytes{1}, signature));
  EXPECT_EQ((*owner_->Load(ByLabel("tls"), false))->Verify(kEddsa, Bytes{1}, signature), true);
  EXPECT_EQ(CodeOf(Mail()->Load(ByLabel("tls"), true)), Text(ErrorCode::kKeyNotFound));
  EXPECT_EQ(CodeOf(cluster_.Admin()->Load(ByLabel("tls"), true)), Text(ErrorCode::kRoleForbids));
}

TEST_F(SharingTest, SharingTwiceChangesNothing) {
  Share("web");
  const Bytes once = Stored();
  Share("web");
  EXPECT_EQ(Stored(), once);
}

TEST_F(SharingTest, OnlyTheOwnerDecides) {
  Share("web");
  const auto web = Web();
  for (const char* name : {"mail", "web", "app"}) {
    EXPECT_EQ(CodeOf(web->ShareKey(handle_, name)), Text(ErrorCode::kRoleForbids)) << name;
    EXPECT_EQ(CodeOf(web->UnshareKey(handle_, name)), Text(ErrorCode::kRoleForbids)) << name;
  }
  EXPECT_EQ(CodeOf(cluster_.Admin()->ShareKey(handle_, "web")), Text(ErrorCode::kRoleForbids));
  EXPECT_EQ(CodeOf(cluster_->Anonymous()->ShareKey(handle_, "web")),
            Text(ErrorCode::kLoginRequired));
  EXPECT_EQ(CodeOf(web->Delete(handle_, true)), Text(ErrorCode::kRoleForbids));
  EXPECT_EQ(CodeOf(web->SetAttribute(handle_, "label", "mine")), Text(ErrorCode::kRoleForbids));
  EXPECT_EQ(CodeOf(web->SetAttribute(handle_, "derive", "true")), Text(ErrorCode::kRoleForbids));
}

TEST_F(SharingTest, ErrorsSayWhatIsWrong) {
  EXPECT_EQ(CodeOf(owner_->ShareKey(handle_, "nobody")), Text(ErrorCode::kUserNotFound));
  EXPECT_EQ(CodeOf(owner_->ShareKey(handle_, "admin")), Text(ErrorCode::kUserNotFound));
  EXPECT_EQ(CodeOf(owner_->ShareKey(handle_, "no name")), Text(ErrorCode::kUserName));
  EXPECT_EQ(CodeOf(owner_->ShareKey(handle_, "app")), Text(ErrorCode::kInvalidArgument));
  EXPECT_EQ(CodeOf(owner_->UnshareKey(handle_, "app")), Text(ErrorCode::kInvalidArgument));
  EXPECT_EQ(CodeOf(owner_->UnshareKey(handle_, "web")), Text(ErrorCode::kKeyNotShared));
  EXPECT_EQ(CodeOf(owner_->ShareKey({0x7fff0}, "web")), Text(ErrorCode::kKeyNotFound));
  const PublicMaterial material = (*owner_->Load(ByLabel("tls"), false))->public_part();
  const auto lone = owner_->ImportPublic(material, Labelled("lone").public_half);
  ASSERT_TRUE(lone.has_value());
  EXPECT_EQ(CodeOf(owner_->ShareKey(lone->handle, "web")), Text(ErrorCode::kPublicKeyOnly));
  KeyTemplate passing = Labelled("passing");
  passing.private_half.flags.Set(Attribute::kToken, false);
  const auto session_key = owner_->Generate(test::Ed25519Spec(), passing);
  ASSERT_TRUE(session_key.has_value());
  EXPECT_EQ(CodeOf(owner_->ShareKey((*session_key)->private_info()->handle, "web")),
            Text(ErrorCode::kSessionKey));
}

TEST_F(SharingTest, WhatIsTheOwnersStaysTheOwners) {
  KeyTemplate form = KeyTemplate::Secret();
  form.private_half.label = "kek";
  for (const Attribute flag : {Attribute::kEncrypt, Attribute::kDecrypt, Attribute::kWrap,
                               Attribute::kUnwrap, Attribute::kDerive}) {
    form.private_half.flags.Set(flag, true);
  }
  const auto kek = owner_->Generate(test::SpecOf(KeyType::kAes), form);
  ASSERT_TRUE(kek.has_value());
  ASSERT_TRUE(owner_->ShareKey((*kek)->private_info()->handle, "web"));
  const auto web = Web();
  const auto key = web->LoadSecret(ByLabel("kek"));
  ASSERT_TRUE(key.has_value());
  using enum Key::Use;
  for (const Key::Use use : {kSign, kVerify, kEncrypt, kDecrypt, kWrap, kUnwrap}) {
    EXPECT_EQ(CodeOf((*key)->CheckUse(use)), "ok");
    EXPECT_EQ(CodeOf((*kek)->CheckUse(use)), "ok");
  }
  EXPECT_EQ(CodeOf((*key)->CheckUse(kDerive)), Text(ErrorCode::kRoleForbids));
  EXPECT_EQ(CodeOf((*kek)->CheckUse(kDerive)), "ok");
  // He wraps his own keys with it, and does not take it out with one of his.
  form.private_half.label = "his";
  const auto his = web->Generate(test::SpecOf(KeyType::kAes), form);
  ASSERT_TRUE(his.has_value());
  WrapMechanism method;
  method.kind = WrapMechanism::Kind::kAesNoPad;
  EXPECT_EQ(CodeOf(web->Wrap(**key, **his, method)), "ok");
  EXPECT_EQ(CodeOf(web->Wrap(**his, **key, method)), Text(ErrorCode::kRoleForbids));
}

TEST_F(SharingTest, UnsharingEndsItAtTheNextUseInEveryProcess) {
  Share("web");
  Share("mail");
  const auto web = Web()->Load(ByLabel("tls"), true);
  const auto mail = Mail()->Load(ByLabel("tls"), true);
  const auto own = owner_->Load(ByLabel("tls"), true);
  ASSERT_TRUE(web && mail && own);
  ASSERT_EQ(SignCode(**web), "ok");
  EXPECT_EQ(InChild([&] { return owner_->UnshareKey(handle_, "web") ? 0 : 1; }), 0);
  EXPECT_EQ(SignCode(**web), Text(ErrorCode::kRoleForbids));
  EXPECT_EQ(SignCode(**web), Text(ErrorCode::kRoleForbids));  // and again
  EXPECT_EQ(SignCode(**mail), "ok");
  EXPECT_EQ(SignCode(**own), "ok");
  EXPECT_EQ(CodeOf(Web()->Load(ByLabel("tls"), true)), Text(ErrorCode::kKeyNotFound));
  EXPECT_EQ(CodeOf(Web()->Load(KeyQuery::ByHandle(handle_), true)), Text(ErrorCode::kKeyNotFound));
  EXPECT_EQ(owner_->Find(KeyQuery::ByHandle(handle_))->front().shared_users, Names{"mail"});
  // What is new is sealed anew, for who stays.
  cluster_.Reopen();
  EXPECT_EQ(SignCode(**Mail()->Load(ByLabel("tls"), true)), "ok");
  EXPECT_EQ(SignCode(**cluster_.User()->Load(ByLabel("tls"), true)), "ok");
  // And back: the key that was loaded works again.
  ASSERT_TRUE(cluster_.User()->ShareKey(handle_, "web"));
  EXPECT_EQ(SignCode(**Web()->Load(ByLabel("tls"), true)), "ok");
}

TEST_F(SharingTest, SharingDisturbsNobody) {
  const auto own = owner_->Load(ByLabel("tls"), true);
  ASSERT_TRUE(own.has_value());
  ASSERT_EQ(SignCode(**own), "ok");
  // With the stores out of reach only a key that has not moved goes on.
  EXPECT_EQ(InChild([&] { return owner_->ShareKey(handle_, "web") ? 0 : 1; }), 0);
  const auto home = cluster_->Describe(false)->hsms;
  for (const HsmDescription& hsm : home) {
    std::filesystem::rename(hsm.path, hsm.path.string() + ".away");
  }
  EXPECT_EQ(SignCode(**own), "ok");
  for (const HsmDescription& hsm : home) {
    std::filesystem::rename(hsm.path.string() + ".away", hsm.path);
  }
}

// A label of one's own names one's own key, whatever others share.
TEST_F(SharingTest, SharingDoesNotRedirectALabel) {
  const auto web = Web();
  ASSERT_TRUE(web->Generate(test::Ed25519Spec(), Labelled("tls")));
  Share("web");
  const auto key = web->Load(ByLabel("tls"), true);
  ASSERT_TRUE(key.has_value()) << key.error().Message();
  EXPECT_EQ((*key)->private_info()->owner, "web");
  EXPECT_EQ(CodeOf(web->Load(KeyQuery::ByHandle(handle_), true)), "ok");
  // Two keys that others share are as ambiguous as ever.
  const auto second = owner_->Generate(test::Ed25519Spec(), Labelled("tls"));
  ASSERT_TRUE(second && owner_->ShareKey((*second)->private_info()->handle, "mail"));
  Share("mail");
  EXPECT_EQ(CodeOf(Mail()->Load(ByLabel("tls"), true)), Text(ErrorCode::kKeyAmbiguous));
}

// The grants are part of what the owner signs.
TEST_F(SharingTest, AGrantCannotBeAddedOrChangedInTheStore) {
  Share("web");
  const auto hsms = cluster_->Describe(false)->hsms;
  cluster_.Close();
  for (const HsmDescription& hsm : hsms) {
    SqliteEditor editor(hsm.path / "store.db");
    Bytes value = editor.Get(KeyPath());
    const std::string_view name = "crypto-user/web";
    const auto at = std::search(value.begin(), value.end(), name.begin(), name.end());
    ASSERT_NE(at, value.end());
    at[12] = 'x';  // crypto-user/xeb
    editor.Put(KeyPath(), value);
  }
  cluster_.Reopen();
  EXPECT_NE(CodeOf(cluster_.User()->Load(KeyQuery::ByHandle(handle_), true)), "ok");
}

}  // namespace
}  // namespace hsmcore
