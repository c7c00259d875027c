// SPDX-License-Identifier: Apache-2.0
// Disabling, dates, new versions, and deletion that can be taken back.
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <ctime>
#include <functional>
#include <string>

#include "cluster/core.h"
#include "keys/removal.h"
#include "support/session_support.h"
#include "support/test_cluster.h"

namespace hsmcore {
namespace {

using test::ByLabel;
using test::CodeOf;
using test::InChild;
using test::kEddsa;
using test::SignCode;
using test::TestCluster;
using test::Text;

constexpr const char* kOtherPassword = "otherpass1";
constexpr std::int64_t kDay = std::int64_t{24} * 60 * 60;

KeyTemplate Labelled(const std::string& label) {
  KeyTemplate form;
  form.private_half.label = label;
  form.private_half.id = {1, 2};
  form.private_half.flags.Set(Attribute::kSign, true);
  form.public_half.label = label;
  form.public_half.flags.Set(Attribute::kVerify, true);
  return form;
}

std::string VerifyCode(const Key& key) {
  return CodeOf(key.Verify(kEddsa, Bytes{1}, Bytes(64)));  // false is an answer
}

class LifeTest : public testing::Test {
 protected:
  LifeTest() {
    cluster_.AddUser("web", kOtherPassword);
    owner_ = cluster_.User();
    const auto made = owner_->Generate(test::Ed25519Spec(), Labelled("tls"));
    EXPECT_TRUE(made.has_value());
    key_ = *made;
    handle_ = key_->private_info()->handle;
  }
  std::shared_ptr<Session> Web() { return cluster_.User("web", kOtherPassword); }
  std::string Set(const char* name, std::int64_t time) {
    return CodeOf(owner_->SetAttribute(handle_, name, UtcText(time)));
  }
  std::string State() {
    const auto found = owner_->Find(KeyQuery::ByHandle(handle_));
    return found && found->size() == 1 ? AttributeText(found->front(), Attribute::kKeyState)
                                       : "not found";
  }
  // What a change of any key does when the time has come.
  void PurgeAt(std::int64_t now) {
    const auto file = cluster::ReadClusterFile(cluster_.home());
    ASSERT_TRUE(file.has_value());
    const auto core = cluster::OpenCore(cluster_.home(), *file);
    ASSERT_TRUE(core.has_value());
    const std::lock_guard lock((*core)->mutex);
    ASSERT_TRUE(keys::PurgeDue(**core, now));
  }
  KeyQuery Deleted() const {
    KeyQuery query = KeyQuery::ByHandle(handle_);
    query.deleted = true;
    return query;
  }

  TestCluster cluster_;
  std::shared_ptr<Session> owner_;
  KeyPtr key_;
  KeyHandle handle_;
};

TEST_F(LifeTest, ADisabledKeyDoesNothingInAnyProcess) {
  ASSERT_EQ(SignCode(*key_), "ok");
  ASSERT_EQ(VerifyCode(*key_), "ok");
  EXPECT_EQ(InChild([&] { return owner_->SetKeyEnabled(handle_, false) ? 0 : 1; }), 0);
  EXPECT_EQ(SignCode(*key_), Text(ErrorCode::kKeyInactive));
  EXPECT_EQ(VerifyCode(*key_), Text(ErrorCode::kKeyInactive));
  EXPECT_EQ(State(), "disabled");
  // It is found and loaded, and says why.
  EXPECT_EQ(SignCode(**owner_->Load(ByLabel("tls"), true)), Text(ErrorCode::kKeyInactive));
  ASSERT_TRUE(owner_->SetKeyEnabled(handle_, true));
  EXPECT_EQ(SignCode(*key_), "ok");
  EXPECT_EQ(State(), "active");
}

TEST_F(LifeTest, ADisabledKeyDoesNotLeave) {
  KeyTemplate form = KeyTemplate::Secret();
  form.private_half.flags.Set(Attribute::kWrap, true);
  const auto kek = owner_->Generate(test::SpecOf(KeyType::kAes), form);
  ASSERT_TRUE(kek.has_value());
  WrapMechanism method;
  method.kind = WrapMechanism::Kind::kAesZeroPad;
  EXPECT_EQ(CodeOf(owner_->Wrap(**kek, *key_, method)), "ok");
  ASSERT_TRUE(owner_->SetKeyEnabled(handle_, false));
  EXPECT_EQ(CodeOf(owner_->Wrap(**kek, *key_, method)), Text(ErrorCode::kKeyInactive));
}

TEST_F(LifeTest, DatesAreLookedAtAtEachUse) {
  const std::int64_t now = std::time(nullptr);
  ASSERT_EQ(Set("start-date", now + 100), "ok");
  EXPECT_EQ(SignCode(*key_), Text(ErrorCode::kKeyInactive));
  EXPECT_EQ(VerifyCode(*key_), Text(ErrorCode::kKeyInactive));
  EXPECT_EQ(State(), "pre-activation");
  ASSERT_EQ(Set("start-date", now - 100), "ok");
  EXPECT_EQ(SignCode(*key_), "ok");
  ASSERT_EQ(Set("end-date", now - 1), "ok");
  EXPECT_EQ(SignCode(*key_), Text(ErrorCode::kKeyInactive));
  EXPECT_EQ(VerifyCode(*key_), "ok");
  EXPECT_EQ(State(), "deactivated");
  ASSERT_TRUE(owner_->SetAttribute(handle_, "end-date", ""));
  EXPECT_EQ(SignCode(*key_), "ok");
}

// Nothing changes in the store when the time comes.
TEST_F(LifeTest, AKeyInUseEndsByTheClock) {
  ASSERT_EQ(Set("end-date", std::time(nullptr) + 2), "ok");
  ASSERT_EQ(SignCode(*key_), "ok");
  sleep(3);
  EXPECT_EQ(SignCode(*key_), Text(ErrorCode::kKeyInactive));
  EXPECT_EQ(VerifyCode(*key_), "ok");
}

TEST_F(LifeTest, OnlyTheOwnerDecides) {
  ASSERT_TRUE(owner_->ShareKey(handle_, "web"));
  const auto web = Web();
  EXPECT_EQ(CodeOf(web->SetKeyEnabled(handle_, false)), Text(ErrorCode::kRoleForbids));
  EXPECT_EQ(CodeOf(web->SetAttribute(handle_, "end-date", "2020-01-01")),
            Text(ErrorCode::kRoleForbids));
  EXPECT_EQ(CodeOf(web->ScheduleDeletion(handle_, 7)), Text(ErrorCode::kRoleForbids));
  EXPECT_EQ(CodeOf(web->RotateKey(handle_, 0)), Text(ErrorCode::kRoleForbids));
  EXPECT_EQ(CodeOf(cluster_.Admin()->SetKeyEnabled(handle_, false)), Text(ErrorCode::kRoleForbids));
  ASSERT_TRUE(owner_->ScheduleDeletion(handle_, 7));
  EXPECT_EQ(CodeOf(web->CancelDeletion(handle_)), Text(ErrorCode::kRoleForbids));
  EXPECT_EQ(SignCode(*key_), Text(ErrorCode::kKeyGone));
}

TEST_F(LifeTest, ALabelNamesTheNewestVersion) {
  const auto second = owner_->RotateKey(handle_, 0);
  ASSERT_TRUE(second.has_value()) << second.error().Message();
  const KeyInfo& info = *(*second)->private_info();
  EXPECT_EQ(info.life.version, 2U);
  EXPECT_EQ(info.life.first, handle_);
  EXPECT_EQ(info.attributes.label, "tls");
  EXPECT_EQ(info.attributes.id, (Bytes{1, 2}));
  EXPECT_NE((*second)->spki(), key_->spki());
  EXPECT_EQ(SignCode(**second), "ok");
  // The one before verifies, wherever it is loaded.
  EXPECT_EQ(SignCode(*key_), Text(ErrorCode::kKeyInactive));
  EXPECT_EQ(VerifyCode(*key_), "ok");
  for (const bool want_private : {true, false}) {
    const auto found = owner_->Load(ByLabel("tls"), want_private);
    ASSERT_TRUE(found.has_value()) << found.error().Message();
    EXPECT_EQ((*found)->spki(), (*second)->spki());
    EXPECT_EQ((*owner_->Load(KeyQuery::ByHandle(handle_), want_private))->spki(), key_->spki());
  }
  EXPECT_EQ((*cluster_->Anonymous()->Load(ByLabel("tls"), false))->spki(), (*second)->spki());
  EXPECT_EQ(owner_->Find(ByLabel("tls"))->size(), 4U);
  // A third one, and not from the first.
  EXPECT_EQ(CodeOf(owner_->RotateKey(handle_, 0)), Text(ErrorCode::kClusterState));
  const auto third = owner_->RotateKey(info.handle, 0);
  ASSERT_TRUE(third.has_value());
  EXPECT_EQ((*third)->private_info()->life.version, 3U);
  EXPECT_EQ((*third)->private_info()->life.first, handle_);
  EXPECT_EQ((*owner_->Load(ByLabel("tls"), true))->spki(), (*third)->spki());
  // Without it the one before would come back, if it were active.
  ASSERT_TRUE(owner_->SetAttribute(info.handle, "end-date", ""));
  ASSERT_TRUE(owner_->SetKeyEnabled((*third)->private_info()->handle, false));
  EXPECT_EQ((*owner_->Load(ByLabel("tls"), true))->spki(), (*second)->spki());
}

TEST_F(LifeTest, AnotherKeyOfTheLabelIsAmbiguousStill) {
  ASSERT_TRUE(owner_->RotateKey(handle_, 0));
  ASSERT_TRUE(owner_->Generate(test::Ed25519Spec(), Labelled("tls")));
  EXPECT_EQ(CodeOf(owner_->Load(ByLabel("tls"), true)), Text(ErrorCode::kKeyAmbiguous));
}

TEST_F(LifeTest, AnOverlapLetsTheOldVersionSign) {
  const auto second = owner_->RotateKey(handle_, 3600);
  ASSERT_TRUE(second.has_value());
  EXPECT_EQ(SignCode(*key_), "ok");
  EXPECT_EQ((*owner_->Load(ByLabel("tls"), true))->spki(), (*second)->spki());
  const auto old = owner_->Find(KeyQuery::ByHandle(handle_));
  EXPECT_NEAR(static_cast<double>(*old->front().life.end),
              static_cast<double>(std::time(nullptr) + 3600), 60);
}

TEST_F(LifeTest, WhoHasTheKeyHasItsNextVersion) {
  ASSERT_TRUE(owner_->ShareKey(handle_, "web"));
  const auto second = owner_->RotateKey(handle_, 0);
  ASSERT_TRUE(second.has_value());
  const auto his = Web()->Load(ByLabel("tls"), true);
  ASSERT_TRUE(his.has_value()) << his.error().Message();
  EXPECT_EQ((*his)->spki(), (*second)->spki());
  EXPECT_EQ(SignCode(**his), "ok");
}

TEST_F(LifeTest, EveryKindOfKeyRotates) {
  KeyTemplate secret = KeyTemplate::Secret();
  for (const KeySpec& spec : {test::SpecOf(KeyType::kAes), test::SpecOf(KeyType::kGenericSecret),
                              test::SpecOf(KeyType::kEc, 0, Curve::kP384),
                              test::SpecOf(KeyType::kRsa, 3072), test::SpecOf(KeyType::kX25519)}) {
    const bool is_secret = spec.type == KeyType::kAes || spec.type == KeyType::kGenericSecret;
    const auto key = owner_->Generate(spec, is_secret ? secret : Labelled("kind"));
    ASSERT_TRUE(key.has_value()) << key.error().Message();
    const auto next = owner_->RotateKey((*key)->private_info()->handle, 0);
    ASSERT_TRUE(next.has_value()) << next.error().Message();
    EXPECT_EQ((*next)->type(), spec.type);
    EXPECT_EQ(BitsOf((*next)->public_part()), BitsOf((*key)->public_part()));
    // Nothing public tells two generic secrets apart.
    if (spec.type == KeyType::kGenericSecret) continue;
    EXPECT_NE((*next)->public_part(), (*key)->public_part());
  }
}

TEST_F(LifeTest, ADeletedKeyComesBackAsItWas) {
  ASSERT_EQ(SignCode(*key_), "ok");
  EXPECT_EQ(CodeOf(owner_->ScheduleDeletion(handle_, 6)), Text(ErrorCode::kInvalidArgument));
  EXPECT_EQ(CodeOf(owner_->ScheduleDeletion(handle_, 31)), Text(ErrorCode::kInvalidArgument));
  EXPECT_EQ(InChild([&] { return owner_->ScheduleDeletion(handle_, 7) ? 0 : 1; }), 0);
  EXPECT_EQ(SignCode(*key_), Text(ErrorCode::kKeyGone));
  EXPECT_EQ(CodeOf(owner_->Load(ByLabel("tls"), true)), Text(ErrorCode::kKeyNotFound));
  EXPECT_EQ(CodeOf(owner_->Load(ByLabel("tls"), false)), Text(ErrorCode::kKeyNotFound));
  EXPECT_EQ(CodeOf(owner_->Load(KeyQuery::ByHandle(handle_), true)), Text(ErrorCode::kKeyNotFound));
  EXPECT_TRUE(owner_->Find({})->empty());
  EXPECT_EQ(CodeOf(owner_->SetAttribute(handle_, "label", "x")), Text(ErrorCode::kKeyNotFound));
  EXPECT_EQ(CodeOf(owner_->Delete(handle_, true)), Text(ErrorCode::kKeyNotFound));
  EXPECT_EQ(CodeOf(owner_->ScheduleDeletion(handle_, 30)), Text(ErrorCode::kKeyNotFound));
  EXPECT_EQ(CodeOf(owner_->RotateKey(handle_, 0)), Text(ErrorCode::kKeyNotFound));
  EXPECT_EQ(CodeOf(owner_->ShareKey(handle_, "web")), Text(ErrorCode::kKeyNotFound));
  const auto deleted = owner_->Find(Deleted());
  ASSERT_EQ(deleted->size(), 1U);
  EXPECT_EQ(AttributeText(deleted->front(), Attribute::kKeyState), "pending-deletion");
  PurgeAt(std::time(nullptr) + (6 * kDay));
  ASSERT_TRUE(owner_->CancelDeletion(handle_));
  EXPECT_EQ(SignCode(*key_), "ok");
  EXPECT_EQ(CodeOf(owner_->CancelDeletion(handle_)), Text(ErrorCode::kKeyNotFound));
  PurgeAt(std::time(nullptr) + (60 * kDay));  // the deletion that was taken back is forgotten
  EXPECT_EQ(SignCode(**owner_->Load(ByLabel("tls"), true)), "ok");
}

TEST_F(LifeTest, ADeletedKeyGoesWhenItsTimeHasCome) {
  const auto other = owner_->Generate(test::Ed25519Spec(), Labelled("other"));
  ASSERT_TRUE(other && owner_->ScheduleDeletion(handle_, 7));
  EXPECT_EQ(cluster_->Describe(false)->keys, 2U);  // it takes its place until then
  PurgeAt(std::time(nullptr) + (7 * kDay) + 60);
  EXPECT_TRUE(owner_->Find(Deleted())->empty());
  EXPECT_EQ(CodeOf(owner_->CancelDeletion(handle_)), Text(ErrorCode::kKeyNotFound));
  EXPECT_EQ(cluster_->Describe(false)->keys, 1U);
  EXPECT_EQ(SignCode(**other), "ok");
  EXPECT_EQ(CodeOf(owner_->Load(ByLabel("other"), true)), "ok");
}

TEST_F(LifeTest, WhatMayNotBeDestroyedIsNotDeletedForNow) {
  ASSERT_TRUE(owner_->SetAttribute(handle_.PublicHalf(), "destroyable", "false"));
  EXPECT_EQ(CodeOf(owner_->ScheduleDeletion(handle_, 7)), Text(ErrorCode::kAttributeForbids));
}

}  // namespace
}  // namespace hsmcore
