// SPDX-License-Identifier: Apache-2.0
// trusted, wrap-with-trusted, wrap-template and unwrap-template.
#include <gtest/gtest.h>

#include <string>

#include "support/edit_all.h"
#include "support/sqlite_editor.h"
#include "wrap_support.h"

namespace hsmcore {
namespace {

using Kind = WrapMechanism::Kind;
using test::ByLabel;
using test::CodeOf;
using test::EditAll;
using test::Form;
using test::Make;
using test::MakeWrapper;
using test::Method;
using test::SqliteEditor;
using test::TestCluster;

constexpr const char* kForbidden = "a key attribute forbids this";

KeyHandle HandleOf(const KeyPtr& key) { return key->private_info()->handle; }
std::string MarkPathOf(const KeyPtr& key) {
  return "trusted/" + HandleOf(key).ToString().substr(2);
}

std::string Trusted(Session& session, KeyHandle handle) {
  const auto found = session.Find(KeyQuery::ByHandle(handle));
  if (!found || found->size() != 1) return "not found";
  return AttributeText(found->front(), Attribute::kTrusted);
}

TEST(TrustedTest, AnAdminMarksAndTakesBack) {
  TestCluster cluster;
  const auto session = cluster.User();
  const KeyPtr kek = MakeWrapper(*session, KeyType::kAes);
  const KeyHandle handle = HandleOf(kek);
  EXPECT_EQ(Trusted(*session, handle), "false");
  const auto marked = cluster.Admin()->SetAttribute(handle, "trusted", "true");
  ASSERT_TRUE(marked.has_value()) << marked.error().Message();
  EXPECT_EQ(AttributeText(*marked, Attribute::kTrusted), "true");
  EXPECT_EQ(Trusted(*session, handle), "true");
  KeyQuery query;
  query.attributes = {{Attribute::kTrusted, "true"}};
  EXPECT_EQ(session->Find(query)->size(), 1U);
  EXPECT_EQ(
      AttributeText(*(*session->LoadSecret(ByLabel("kek")))->private_info(), Attribute::kTrusted),
      "true");
  cluster.Reopen();
  EXPECT_EQ(Trusted(*cluster.User(), handle), "true");
  // The owner's changes leave the mark.
  ASSERT_TRUE(cluster.User()->SetAttribute(handle, "label", "renamed"));
  EXPECT_EQ(Trusted(*cluster.User(), handle), "true");
  ASSERT_TRUE(cluster.Admin()->SetAttribute(handle, "trusted", "false"));
  EXPECT_EQ(Trusted(*cluster.User(), handle), "false");
}

TEST(TrustedTest, IsForKeysThatWrap) {
  TestCluster cluster;
  const auto session = cluster.User();
  const auto admin = cluster.Admin();
  const KeyPtr rsa = MakeWrapper(*session, KeyType::kRsa);
  const KeyHandle handle = HandleOf(rsa);
  EXPECT_EQ(CodeOf(admin->SetAttribute(handle, "trusted", "true")),
            "key type does not fit the operation");
  EXPECT_EQ(CodeOf(admin->SetAttribute(handle.PublicHalf(), "trusted", "true")), "ok");
  EXPECT_EQ(Trusted(*session, handle), "false");
  EXPECT_EQ(Trusted(*session, handle.PublicHalf()), "true");
  for (const KeyType type : {KeyType::kEc, KeyType::kGenericSecret}) {
    const KeyHandle other = HandleOf(Make(*session, type, NameOf(type)));
    EXPECT_EQ(CodeOf(admin->SetAttribute(other, "trusted", "true")),
              "key type does not fit the operation");
  }
  EXPECT_EQ(CodeOf(session->SetAttribute(handle.PublicHalf(), "trusted", "false")),
            "role may not do this");
  EXPECT_EQ(CodeOf(admin->SetAttribute({0x7fff0}, "trusted", "true")), "no such key");
  EXPECT_EQ(CodeOf(admin->SetAttribute(handle.PublicHalf(), "trusted", "perhaps")),
            "attribute value not allowed");
}

TEST(TrustedTest, WrapWithTrustedAsksForTheMark) {
  TestCluster cluster;
  const auto session = cluster.User();
  for (const KeyType type : {KeyType::kAes, KeyType::kRsa}) {
    SCOPED_TRACE(NameOf(type));
    const KeyPtr kek = MakeWrapper(*session, type, NameOf(type));
    const KeyPtr payload = Make(*session, KeyType::kAes, "payload", {Attribute::kWrapWithTrusted});
    const WrapMechanism method = Method(type == KeyType::kAes ? Kind::kAesGcm : Kind::kRsaOaep);
    const auto refused = session->Wrap(*kek, *payload, method);
    ASSERT_EQ(CodeOf(refused), kForbidden);
    EXPECT_NE(refused.error().detail().find("'wrap-with-trusted'"), std::string::npos);
    const KeyHandle half = type == KeyType::kAes ? HandleOf(kek) : HandleOf(kek).PublicHalf();
    ASSERT_TRUE(cluster.Admin()->SetAttribute(half, "trusted", "true"));
    EXPECT_EQ(CodeOf(session->Wrap(*kek, *payload, method)), "ok");
    ASSERT_TRUE(cluster.Admin()->SetAttribute(half, "trusted", "false"));
    EXPECT_EQ(CodeOf(session->Wrap(*kek, *payload, method)), kForbidden);
  }
}

TEST(TrustedTest, AMarkHoldsForItsKeyOnly) {
  TestCluster cluster;
  const auto session = cluster.User();
  const KeyPtr marked = MakeWrapper(*session, KeyType::kAes, "marked");
  const KeyPtr other = MakeWrapper(*session, KeyType::kAes, "other");
  ASSERT_TRUE(cluster.Admin()->SetAttribute(HandleOf(marked), "trusted", "true"));
  ASSERT_TRUE(cluster.Admin()->SetAttribute(HandleOf(other), "trusted", "true"));
  EditAll(cluster, [&](SqliteEditor& editor) {
    editor.Put(MarkPathOf(other), editor.Get(MarkPathOf(marked)));
  });
  EXPECT_EQ(Trusted(*cluster.User(), HandleOf(marked)), "true");
  EXPECT_EQ(Trusted(*cluster.User(), HandleOf(other)), "false");
}

TEST(TrustedTest, AnEditedMarkIsNone) {
  TestCluster cluster;
  const KeyPtr kek = MakeWrapper(*cluster.User(), KeyType::kAes);
  const KeyHandle handle = HandleOf(kek);
  ASSERT_TRUE(cluster.Admin()->SetAttribute(handle, "trusted", "true"));
  const std::string path = MarkPathOf(kek);
  Bytes good;
  EditAll(cluster, [&](SqliteEditor& editor) { good = editor.Get(path); });
  for (const std::size_t place : {std::size_t{20}, good.size() / 2, good.size() - 1}) {
    Bytes bad = good;
    bad[place] ^= 1;
    EditAll(cluster, [&](SqliteEditor& editor) { editor.Put(path, bad); });
    EXPECT_EQ(Trusted(*cluster.User(), handle), "false") << place;
  }
  EditAll(cluster, [&](SqliteEditor& editor) { editor.Put(path, good); });
  EXPECT_EQ(Trusted(*cluster.User(), handle), "true");
}

// The mark of an admin of another cluster is nobody's word here.
TEST(TrustedTest, AMarkOfAStrangerIsNone) {
  TestCluster forger;
  TestCluster victim;
  const KeyPtr theirs = MakeWrapper(*forger.User(), KeyType::kAes);
  const KeyPtr ours = MakeWrapper(*victim.User(), KeyType::kAes);
  ASSERT_EQ(HandleOf(theirs), HandleOf(ours));
  ASSERT_TRUE(forger.Admin()->SetAttribute(HandleOf(theirs), "trusted", "true"));
  ASSERT_TRUE(victim.Admin()->SetAttribute(HandleOf(ours), "trusted", "true"));
  Bytes forged;
  EditAll(forger, [&](SqliteEditor& editor) { forged = editor.Get(MarkPathOf(theirs)); });
  EditAll(victim, [&](SqliteEditor& editor) { editor.Put(MarkPathOf(ours), forged); });
  EXPECT_EQ(Trusted(*victim.User(), HandleOf(ours)), "false");
}

TEST(TrustedTest, AMarkDamagedOnOneHsmIsReadAroundAndRepaired) {
  TestCluster cluster;
  const KeyPtr kek = MakeWrapper(*cluster.User(), KeyType::kAes);
  ASSERT_TRUE(cluster.Admin()->SetAttribute(HandleOf(kek), "trusted", "true"));
  const auto hsm = cluster->Describe(false)->hsms.front().path / "store.db";
  cluster.Close();
  const Bytes good = SqliteEditor(hsm).Get(MarkPathOf(kek));
  Bytes bad = good;
  bad[bad.size() / 2] ^= 1;
  SqliteEditor(hsm).Put(MarkPathOf(kek), bad);
  cluster.Reopen();
  EXPECT_EQ(Trusted(*cluster.User(), HandleOf(kek)), "true");
  ASSERT_TRUE(cluster->Sync().has_value());
  cluster.Close();
  EXPECT_EQ(SqliteEditor(hsm).Get(MarkPathOf(kek)), good);
}

TEST(TrustedTest, TheMarkGoesWithItsKey) {
  TestCluster cluster;
  const KeyPtr kek = MakeWrapper(*cluster.User(), KeyType::kAes);
  ASSERT_TRUE(cluster.Admin()->SetAttribute(HandleOf(kek), "trusted", "true"));
  ASSERT_TRUE(cluster.User()->Delete(HandleOf(kek), false));
  const auto hsm = cluster->Describe(false)->hsms.front().path / "store.db";
  cluster.Close();
  EXPECT_TRUE(SqliteEditor(hsm).Get(MarkPathOf(kek)).empty());  // what is left of a deletion
}

TEST(TemplateTest, AWrapTemplateChoosesPayloads) {
  TestCluster cluster;
  const auto session = cluster.User();
  const KeyPtr kek = MakeWrapper(*session, KeyType::kAes);
  const KeyPtr aes = Make(*session, KeyType::kAes, "aes");
  const KeyPtr ec = Make(*session, KeyType::kEc, "ec");
  const auto set = session->SetAttribute(HandleOf(kek), "wrap-template", "key-type=aes encrypt=no");
  ASSERT_TRUE(set.has_value()) << set.error().Message();
  EXPECT_EQ(AttributeText(*set, Attribute::kWrapTemplate), "encrypt=false,key-type=aes");
  EXPECT_EQ(CodeOf(session->Wrap(*kek, *aes, Method(Kind::kAesGcm))), "ok");
  const auto refused = session->Wrap(*kek, *ec, Method(Kind::kAesGcm));
  ASSERT_EQ(CodeOf(refused), kForbidden);
  EXPECT_NE(refused.error().detail().find("'wrap-template'"), std::string::npos);
  EXPECT_NE(refused.error().detail().find("key-type=aes"), std::string::npos);
  cluster.Reopen();
  const auto again = cluster.User();
  ASSERT_TRUE(again->SetAttribute(HandleOf(aes), "encrypt", "true"));
  EXPECT_EQ(CodeOf(again->Wrap(**again->LoadSecret(ByLabel("kek")),
                               **again->LoadSecret(ByLabel("aes")), Method(Kind::kAesGcm))),
            kForbidden);
  ASSERT_TRUE(again->SetAttribute(HandleOf(kek), "wrap-template", ""));
  EXPECT_EQ(CodeOf(again->Wrap(**again->LoadSecret(ByLabel("kek")),
                               **again->LoadSecret(ByLabel("aes")), Method(Kind::kAesGcm))),
            "ok");
}

TEST(TemplateTest, AnUnwrapTemplateCompletesAndIsNotContradicted) {
  TestCluster cluster;
  const auto session = cluster.User();
  const KeyPtr kek = MakeWrapper(*session, KeyType::kAes);
  const KeyPtr payload = Make(*session, KeyType::kAes, "payload");
  const auto wrapped = session->Wrap(*kek, *payload, Method(Kind::kAesZeroPad));
  ASSERT_TRUE(
      session->SetAttribute(HandleOf(kek), "unwrap-template", "extractable=false,decrypt=true"));
  const auto unwrap = [&](const UnwrapForm& form) {
    return session->Unwrap(*kek, Method(Kind::kAesZeroPad), wrapped->data, form);
  };
  const auto key = unwrap(Form(KeyType::kAes, "plain"));
  ASSERT_TRUE(key.has_value()) << key.error().Message();
  EXPECT_FALSE((*key)->private_info()->attributes.flags.Has(Attribute::kExtractable));
  EXPECT_TRUE((*key)->private_info()->attributes.flags.Has(Attribute::kDecrypt));
  EXPECT_EQ(CodeOf(unwrap({KeyType::kAes, {{"label", "x"}, {"decrypt", "yes"}}})), "ok");
  const auto refused = unwrap({KeyType::kAes, {{"label", "x"}, {"extractable", "true"}}});
  ASSERT_EQ(CodeOf(refused), kForbidden);
  EXPECT_NE(refused.error().detail().find("'unwrap-template'"), std::string::npos);
}

TEST(TemplateTest, OnlyWhatMakesSenseIsTaken) {
  TestCluster cluster;
  const auto session = cluster.User();
  const KeyHandle kek = HandleOf(MakeWrapper(*session, KeyType::kAes));
  const auto code = [&](const char* name, const char* value) {
    return CodeOf(session->SetAttribute(kek, name, value));
  };
  EXPECT_EQ(code("wrap-template", "colour=red"), "no such attribute");
  EXPECT_EQ(code("wrap-template", "sign"), "attribute value not allowed");
  EXPECT_EQ(code("wrap-template", "sign=perhaps"), "attribute value not allowed");
  EXPECT_EQ(code("wrap-template", "sign=true,sign=false"), "attribute value not allowed");
  EXPECT_EQ(code("wrap-template", "wrap-template=a"), "attribute cannot be changed");
  EXPECT_EQ(code("unwrap-template", "local=true"), "attribute cannot be changed");
  EXPECT_EQ(code("unwrap-template", "trusted=true"), "attribute cannot be changed");
  EXPECT_EQ(code("unwrap-template", "sign=true, wrap-with-trusted=yes"), "ok");
  EXPECT_EQ(CodeOf(cluster.Admin()->SetAttribute(kek, "wrap-template", "sign=true")),
            "role may not do this");
}

}  // namespace
}  // namespace hsmcore
