// SPDX-License-Identifier: Apache-2.0
// Keys that are shared with groups of users.
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
  return form;
}

// A key "tls" of app's, and a group "front" of the users "web" and "mail"; "new" is in none.
class GroupsTest : public testing::Test {
 protected:
  GroupsTest() {
    admin_ = cluster_.Admin();
    for (const char* name : {"web", "mail", "new"}) cluster_.AddUser(name, kOtherPassword);
    EXPECT_TRUE(admin_->CreateGroup("front"));
    EXPECT_TRUE(admin_->AddToGroup("front", "web"));
    EXPECT_TRUE(admin_->AddToGroup("front", "mail"));
    owner_ = cluster_.User();
    const auto made = owner_->Generate(test::Ed25519Spec(), Labelled("tls"));
    EXPECT_TRUE(made.has_value());
    handle_ = (*made)->private_info()->handle;
  }
  std::shared_ptr<Session> User(const std::string& name) {
    return cluster_.User(name, kOtherPassword);
  }
  std::string LoadCode(const std::string& name) {
    return CodeOf(User(name)->Load(ByLabel("tls"), true));
  }
  KeyInfo Share() {
    const auto shared = owner_->ShareKeyWithGroup(handle_, "front");
    if (shared) return *shared;
    ADD_FAILURE() << shared.error().Message();
    return {};
  }
  KeyInfo Info() { return owner_->Find(KeyQuery::ByHandle(handle_))->front(); }

  TestCluster cluster_;
  std::shared_ptr<Session> admin_;
  std::shared_ptr<Session> owner_;
  KeyHandle handle_;
};

TEST_F(GroupsTest, EveryMemberHasTheKey) {
  const KeyInfo info = Share();
  EXPECT_EQ(info.shared_users, (Names{"web", "mail"}));
  ASSERT_EQ(info.groups.size(), 1U);
  EXPECT_EQ(info.groups[0].name, "front");
  EXPECT_TRUE(info.groups[0].missing.empty() && info.groups[0].former.empty());
  for (const char* name : {"web", "mail"}) {
    const auto key = User(name)->Load(ByLabel("tls"), true);
    ASSERT_TRUE(key.has_value()) << key.error().Message();
    EXPECT_EQ(SignCode(**key), "ok");
  }
  EXPECT_EQ(LoadCode("new"), Text(ErrorCode::kKeyNotFound));
}

// Only the owner can seal the key to a new member.
TEST_F(GroupsTest, ANewMemberWaitsForTheOwner) {
  Share();
  ASSERT_TRUE(admin_->AddToGroup("front", "new"));
  EXPECT_EQ(LoadCode("new"), Text(ErrorCode::kKeyNotFound));
  EXPECT_EQ(Info().groups[0].missing, Names{"new"});
  EXPECT_TRUE(Share().groups[0].missing.empty());
  EXPECT_EQ(LoadCode("new"), "ok");
  EXPECT_EQ(LoadCode("web"), "ok");
}

TEST_F(GroupsTest, WhoLeavesIsRefusedAtOnceInEveryProcess) {
  Share();
  const auto web = User("web")->Load(ByLabel("tls"), true);
  const auto mail = User("mail")->Load(ByLabel("tls"), true);
  const auto own = owner_->Load(ByLabel("tls"), true);
  ASSERT_TRUE(web && mail && own);
  ASSERT_EQ(SignCode(**web), "ok");
  EXPECT_EQ(InChild([&] { return admin_->RemoveFromGroup("front", "web") ? 0 : 1; }), 0);
  EXPECT_EQ(SignCode(**web), Text(ErrorCode::kRoleForbids));
  EXPECT_EQ(SignCode(**mail), "ok");
  EXPECT_EQ(SignCode(**own), "ok");
  EXPECT_EQ(LoadCode("web"), Text(ErrorCode::kKeyNotFound));
  EXPECT_EQ(CodeOf(User("web")->Load(KeyQuery::ByHandle(handle_), true)),
            Text(ErrorCode::kKeyNotFound));
  // His grant is there until the owner seals the key anew.
  EXPECT_EQ(Info().groups[0].former, Names{"web"});
  EXPECT_TRUE(Share().groups[0].former.empty());
  EXPECT_EQ(Info().shared_users, Names{"mail"});
  EXPECT_EQ(SignCode(**mail), "ok");
}

TEST_F(GroupsTest, ARightOfOnesOwnOutlastsTheGroup) {
  ASSERT_TRUE(owner_->ShareKey(handle_, "web"));
  Share();
  ASSERT_TRUE(admin_->RemoveFromGroup("front", "web"));
  EXPECT_EQ(LoadCode("web"), "ok");
  Share();
  EXPECT_EQ(LoadCode("web"), "ok");
  // And the other way round.
  ASSERT_TRUE(owner_->ShareKey(handle_, "mail"));
  ASSERT_TRUE(owner_->UnshareKey(handle_, "mail"));
  EXPECT_EQ(LoadCode("mail"), "ok");
  EXPECT_EQ(CodeOf(owner_->UnshareKey(handle_, "mail")), Text(ErrorCode::kKeyNotShared));
  ASSERT_TRUE(owner_->UnshareKeyFromGroup(handle_, "front"));
  EXPECT_EQ(LoadCode("mail"), Text(ErrorCode::kKeyNotFound));
  EXPECT_EQ(LoadCode("web"), "ok");
  EXPECT_TRUE(Info().groups.empty());
}

TEST_F(GroupsTest, ADeletedGroupGivesNothing) {
  Share();
  const auto web = User("web")->Load(ByLabel("tls"), true);
  ASSERT_TRUE(web.has_value());
  ASSERT_TRUE(admin_->DeleteGroup("front"));
  EXPECT_EQ(SignCode(**web), Text(ErrorCode::kRoleForbids));
  EXPECT_EQ(LoadCode("mail"), Text(ErrorCode::kKeyNotFound));
  EXPECT_EQ(Info().groups[0].former, (Names{"web", "mail"}));
  // A new one of that name has no members yet.
  ASSERT_TRUE(admin_->CreateGroup("front"));
  EXPECT_EQ(LoadCode("mail"), Text(ErrorCode::kKeyNotFound));
  ASSERT_TRUE(owner_->UnshareKeyFromGroup(handle_, "front"));
  EXPECT_TRUE(Info().shared_users.empty());
}

TEST_F(GroupsTest, AnAdminSaysWhoIsInAndTheOwnerWhatIsShared) {
  EXPECT_EQ(CodeOf(owner_->CreateGroup("mine")), Text(ErrorCode::kRoleForbids));
  EXPECT_EQ(CodeOf(owner_->DeleteGroup("front")), Text(ErrorCode::kRoleForbids));
  EXPECT_EQ(CodeOf(owner_->AddToGroup("front", "new")), Text(ErrorCode::kRoleForbids));
  EXPECT_EQ(CodeOf(owner_->RemoveFromGroup("front", "web")), Text(ErrorCode::kRoleForbids));
  EXPECT_EQ(CodeOf(cluster_->Anonymous()->CreateGroup("x")), Text(ErrorCode::kLoginRequired));
  EXPECT_EQ(CodeOf(admin_->ShareKeyWithGroup(handle_, "front")), Text(ErrorCode::kRoleForbids));
  Share();
  EXPECT_EQ(CodeOf(User("web")->ShareKeyWithGroup(handle_, "front")),
            Text(ErrorCode::kRoleForbids));
  EXPECT_EQ(CodeOf(User("web")->UnshareKeyFromGroup(handle_, "front")),
            Text(ErrorCode::kRoleForbids));
}

TEST_F(GroupsTest, ErrorsSayWhatIsWrong) {
  EXPECT_EQ(CodeOf(admin_->CreateGroup("Front")), Text(ErrorCode::kGroupExists));
  EXPECT_EQ(CodeOf(admin_->CreateGroup("no name")), Text(ErrorCode::kUserName));
  EXPECT_EQ(CodeOf(admin_->DeleteGroup("none")), Text(ErrorCode::kGroupNotFound));
  EXPECT_EQ(CodeOf(admin_->AddToGroup("none", "web")), Text(ErrorCode::kGroupNotFound));
  EXPECT_EQ(CodeOf(admin_->AddToGroup("front", "nobody")), Text(ErrorCode::kUserNotFound));
  EXPECT_EQ(CodeOf(admin_->AddToGroup("front", "admin")), Text(ErrorCode::kUserNotFound));
  EXPECT_EQ(CodeOf(admin_->RemoveFromGroup("front", "new")), Text(ErrorCode::kUserNotFound));
  EXPECT_EQ(CodeOf(owner_->ShareKeyWithGroup(handle_, "none")), Text(ErrorCode::kGroupNotFound));
  EXPECT_EQ(CodeOf(owner_->UnshareKeyFromGroup(handle_, "front")), Text(ErrorCode::kKeyNotShared));
  ASSERT_TRUE(admin_->AddToGroup("front", "web"));  // he is in it
  const auto groups = cluster_->Anonymous()->ListGroups();
  ASSERT_EQ(groups->size(), 1U);
  EXPECT_EQ(groups->front().members, (Names{"mail", "web"}));
}

TEST_F(GroupsTest, ANewVersionIsTheGroupsToo) {
  Share();
  ASSERT_TRUE(owner_->RotateKey(handle_, 0));
  const auto web = User("web")->Load(ByLabel("tls"), true);
  ASSERT_TRUE(web.has_value()) << web.error().Message();
  EXPECT_EQ((*web)->private_info()->life.version, 2U);
  EXPECT_EQ(SignCode(**web), "ok");
  ASSERT_TRUE(admin_->RemoveFromGroup("front", "web"));
  EXPECT_EQ(SignCode(**web), Text(ErrorCode::kRoleForbids));
}

// A store editor puts a member back who was taken out.
TEST_F(GroupsTest, AnEditedGroupIsNone) {
  Share();
  const auto hsms = cluster_->Describe(false)->hsms;
  admin_.reset();
  owner_.reset();
  cluster_.Close();
  for (const HsmDescription& hsm : hsms) {
    SqliteEditor editor(hsm.path / "store.db");
    Bytes value = editor.Get("group/front");
    const std::string_view name = "crypto-user/web";
    const auto at = std::search(value.begin(), value.end(), name.begin(), name.end());
    ASSERT_NE(at, value.end());
    at[12] = 'x';
    editor.Put("group/front", value);
  }
  cluster_.Reopen();
  EXPECT_EQ(LoadCode("mail"), Text(ErrorCode::kKeyNotFound));
  EXPECT_TRUE(cluster_->Anonymous()->ListGroups()->empty());
}

}  // namespace
}  // namespace hsmcore
