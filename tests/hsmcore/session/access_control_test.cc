// SPDX-License-Identifier: Apache-2.0
// Access is controlled by cryptography: these tests edit the stores behind the cluster's back.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "support/edit_all.h"
#include "support/session_support.h"
#include "support/sqlite_editor.h"
#include "support/test_cluster.h"

namespace hsmcore {
namespace {

using test::ByLabel;
using test::CodeOf;
using test::CredentialOf;
using test::EditAll;
using test::SqliteEditor;
using test::TestCluster;
using test::Text;

KeyTemplate Labelled(const std::string& label) {
  KeyTemplate form;
  form.private_half.label = label;
  form.public_half.label = label;
  return form;
}

std::string KeyPathOf(const KeyPtr& key) {
  return "key/" + key->private_info()->handle.ToString().substr(2);
}

TEST(AccessControlTest, OneUserDoesNotSeeOrUseAnothersPrivateKeys) {
  TestCluster cluster;
  cluster.AddUser("other", "otherpass1");
  const auto key = cluster.User()->Generate(test::Ed25519Spec(), Labelled("mine"));
  ASSERT_TRUE(key.has_value());
  const auto other = cluster.User("other", "otherpass1");
  EXPECT_EQ(CodeOf(other->Load(ByLabel("mine"), true)), Text(ErrorCode::kKeyNotFound));
  EXPECT_EQ(CodeOf(other->Load(ByLabel("mine"), false)), "ok");  // every public key is seen
  const KeyHandle handle = (*key)->private_info()->handle;
  EXPECT_EQ(CodeOf(other->Delete(handle, true)), Text(ErrorCode::kRoleForbids));
  EXPECT_EQ(CodeOf(other->SetAttribute(handle, "sign", "true")), Text(ErrorCode::kRoleForbids));
  EXPECT_EQ(CodeOf(cluster.Admin()->Load(ByLabel("mine"), true)), Text(ErrorCode::kRoleForbids));
}

// The same label for two users: each finds his own.
TEST(AccessControlTest, LabelsOfOthersDoNotCollide) {
  TestCluster cluster;
  cluster.AddUser("other", "otherpass1");
  ASSERT_TRUE(cluster.User()->Generate(test::Ed25519Spec(), Labelled("tls")).has_value());
  const auto other = cluster.User("other", "otherpass1");
  ASSERT_TRUE(other->Generate(test::Ed25519Spec(), Labelled("tls")).has_value());
  EXPECT_EQ((*other->Load(ByLabel("tls"), true))->private_info()->owner, "other");
  EXPECT_EQ((*cluster.User()->Load(ByLabel("tls"), true))->private_info()->owner, "app");
}

TEST(AccessControlTest, AnEditedKeyRecordDoesNotOpen) {
  TestCluster cluster;
  const auto key = cluster.User()->Generate(test::Ed25519Spec(), Labelled("edited"));
  ASSERT_TRUE(key.has_value());
  const std::string path = KeyPathOf(*key);
  EditAll(cluster, [&](SqliteEditor& editor) {
    Bytes value = editor.Get(path);
    value[value.size() / 2] ^= 1;
    editor.Put(path, value);
  });
  const std::string code =
      CodeOf(cluster.User()->Load(KeyQuery::ByHandle((*key)->private_info()->handle), true));
  EXPECT_TRUE(code == Text(ErrorCode::kHomeDamaged) || code == Text(ErrorCode::kKeyDamaged))
      << code;
}

TEST(AccessControlTest, AnEditOnOneHsmIsReadAroundAndRepaired) {
  TestCluster cluster;
  const auto key = cluster.User()->Generate(test::Ed25519Spec(), Labelled("edited"));
  ASSERT_TRUE(key.has_value());
  const std::string path = KeyPathOf(*key);
  const auto description = cluster->Describe(false);
  for (const HsmDescription& hsm : description->hsms) {
    cluster.Close();
    Bytes good;
    {
      SqliteEditor editor(hsm.path / "store.db");
      good = editor.Get(path);
      Bytes bad = good;
      bad[bad.size() / 2] ^= 1;
      editor.Put(path, bad);
    }
    cluster.Reopen();
    EXPECT_EQ(CodeOf(cluster.User()->Load(ByLabel("edited"), true)), "ok");
    EXPECT_EQ(cluster->Describe(true)->state, "DEGRADED");
    ASSERT_TRUE(cluster->Sync().has_value());
    EXPECT_EQ(cluster->Describe(true)->state, "ACTIVE");
    cluster.Close();
    EXPECT_EQ(SqliteEditor(hsm.path / "store.db").Get(path), good);
    cluster.Reopen();
  }
}

TEST(AccessControlTest, SwappedKeyRecordsDoNotOpen) {
  TestCluster cluster;
  const auto session = cluster.User();
  const auto a = session->Generate(test::Ed25519Spec(), Labelled("a"));
  const auto b = session->Generate(test::Ed25519Spec(), Labelled("b"));
  ASSERT_TRUE(a.has_value() && b.has_value());
  const std::string path_a = KeyPathOf(*a);
  const std::string path_b = KeyPathOf(*b);
  EditAll(cluster, [&](SqliteEditor& editor) {
    const Bytes value_a = editor.Get(path_a);
    editor.Put(path_a, editor.Get(path_b));
    editor.Put(path_b, value_a);
  });
  EXPECT_NE(CodeOf(cluster.User()->Load(ByLabel("a"), true)), "ok");
  EXPECT_NE(CodeOf(cluster.User()->Load(ByLabel("b"), true)), "ok");
}

TEST(AccessControlTest, AUserRecordMadeByNobodyIsNotTrusted) {
  TestCluster forger;  // has an admin and a user "app" with a password that the forger knows
  TestCluster victim;
  const std::string user = "user/crypto-user/app";
  const auto forged_home = forger->Describe(false)->hsms.front().path;
  forger.Close();
  const Bytes forged = SqliteEditor(forged_home / "store.db").Get(user);
  EditAll(victim, [&](SqliteEditor& editor) { editor.Put(user, forged); });
  EXPECT_NE(CodeOf(victim->Login(CredentialOf("app", test::kUserPassword), Role::kCryptoUser)),
            "ok");
}

// The whole store of another cluster with its own admin, under this home's cluster.json.
TEST(AccessControlTest, AReplacedAdminIsNoticed) {
  TestCluster forger;
  TestCluster victim;
  const std::string admin = "user/admin/admin";
  const auto forged_home = forger->Describe(false)->hsms.front().path;
  forger.Close();
  const Bytes forged = SqliteEditor(forged_home / "store.db").Get(admin);
  EditAll(victim, [&](SqliteEditor& editor) { editor.Put(admin, forged); });
  EXPECT_NE(CodeOf(victim->Login(CredentialOf("admin", test::kAdminPassword), Role::kAdmin)), "ok");
  EXPECT_NE(CodeOf(victim->Login(CredentialOf("app", test::kUserPassword), Role::kCryptoUser)),
            "ok");
}

// The counter is not signed; whatever becomes of it, no key takes another's place.
TEST(AccessControlTest, ALostHandleCounterOverwritesNoKey) {
  TestCluster cluster;
  const auto key = cluster.User()->Generate(test::Ed25519Spec(), Labelled("first"));
  ASSERT_TRUE(key.has_value());
  EditAll(cluster, [](SqliteEditor& editor) { editor.Remove("cluster/handles"); });
  const auto other = cluster.User()->Generate(test::Ed25519Spec(), Labelled("second"));
  ASSERT_TRUE(other.has_value()) << other.error().Message();
  EXPECT_NE((*other)->private_info()->handle, (*key)->private_info()->handle);
  EXPECT_EQ((*cluster.User()->Load(ByLabel("first"), true))->spki(), (*key)->spki());
}

TEST(AccessControlTest, TrustedIsNotTheOwnersToSet) {
  TestCluster cluster;
  const auto key = cluster.User()->Generate(test::Ed25519Spec(), Labelled("k"));
  ASSERT_TRUE(key.has_value());
  const KeyHandle handle = (*key)->private_info()->handle;
  EXPECT_EQ(CodeOf(cluster.User()->SetAttribute(handle, "trusted", "true")),
            Text(ErrorCode::kRoleForbids));
  EXPECT_EQ(CodeOf(cluster.Admin()->SetAttribute(handle, "trusted", "true")),
            Text(ErrorCode::kKeyTypeMismatch));  // it wraps nothing
}

TEST(AccessControlTest, NoSecretByteIsInTheHome) {
  TestCluster cluster;
  // RFC 8032 section 7.1, test 2.
  const std::string_view seed =
      "\x4c\xcd\x08\x9b\x28\xff\x96\xda\x9d\xb6\xc3\x46\xec\x11\x4e\x0f"
      "\x5b\x8a\x31\x9f\x35\xab\xa6\x24\xda\x8c\xf6\xed\x4f\xb8\xa6\xfb";
  const std::string_view pub =
      "\x3d\x40\x17\xc3\xe8\x43\x89\x5a\x92\xb7\x0a\xa7\x4d\x1b\x7e\xbc"
      "\x9c\x98\x2c\xcf\x2e\xc4\x96\x8c\xc0\xcd\x55\xf1\x2a\xf4\x66\x0c";
  const KeyPairMaterial material{RawPublic{KeyType::kEd25519, Bytes(pub.begin(), pub.end())},
                                 RawPrivate{SecretBytes::CopyOf(seed), {}}};
  const auto key = cluster.User()->ImportPair(material, Labelled("seed"));
  ASSERT_TRUE(key.has_value()) << key.error().Message();
  ASSERT_TRUE(
      cluster.User()->SetAttribute((*key)->private_info()->handle, "label", "renamed").has_value());
  bool public_part_found = false;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(cluster.home())) {
    if (!entry.is_regular_file()) continue;
    for (const std::string_view secret :
         {seed, std::string_view(test::kUserPassword), std::string_view(test::kAdminPassword)}) {
      EXPECT_FALSE(test::FileContains(entry.path(), secret)) << entry.path();
    }
    public_part_found = public_part_found || test::FileContains(entry.path(), pub);
  }
  EXPECT_TRUE(public_part_found) << "the search does not find what it must";
}

}  // namespace
}  // namespace hsmcore
