// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <string>

#include "hsmcore/key_reference.h"
#include "hsmcore/key_uri.h"
#include "support/session_support.h"
#include "support/test_cluster.h"

namespace hsmcore {
namespace {

using test::ByLabel;
using test::CodeOf;
using test::TestCluster;
using test::Text;

KeyTemplate Labelled(const std::string& label, bool can_sign = true) {
  KeyTemplate form;
  form.private_half.label = label;
  form.public_half.label = label;
  form.private_half.flags.Set(Attribute::kSign, can_sign);
  form.public_half.flags.Set(Attribute::kVerify, can_sign);
  return form;
}

KeyTemplate SessionForm() {
  KeyTemplate form = Labelled("");
  form.private_half.flags.Set(Attribute::kToken, false);
  return form;
}

constexpr SignMechanism kEddsa{.kind = SignMechanism::Kind::kEddsa, .digest = Digest::kNone};
const KeySpec kEd25519 = test::Ed25519Spec();

// Signs and verifies with one key.
std::string UseCode(const Key& key) {
  const Bytes message = {1, 2, 3};
  Bytes signature(key.max_signature_size());
  const auto size = key.Sign(kEddsa, message, signature);
  if (!size) return CodeOf(size);
  signature.resize(*size);
  const auto valid = key.Verify(kEddsa, message, signature);
  if (!valid) return CodeOf(valid);
  return *valid ? "ok" : "not valid";
}

TEST(KeysTest, AKeyIsFoundAgainByAnotherProcess) {
  TestCluster cluster;
  const auto made = cluster.User()->Generate(kEd25519, Labelled("tls"));
  ASSERT_TRUE(made.has_value()) << made.error().Message();
  const Bytes spki = (*made)->spki();
  cluster.Reopen();
  const auto loaded = cluster.User()->Load(ByLabel("tls"), true);
  ASSERT_TRUE(loaded.has_value()) << loaded.error().Message();
  EXPECT_EQ((*loaded)->spki(), spki);
  EXPECT_EQ(UseCode(**loaded), "ok");
  EXPECT_TRUE((*loaded)->is_token());
  EXPECT_TRUE((*loaded)->private_info()->attributes.flags.Has(Attribute::kLocal));
}

TEST(KeysTest, EveryTypeIsMadeAndKept) {
  TestCluster cluster;
  KeySpec pss = test::SpecOf(KeyType::kRsaPss, 2304);
  pss.pss = PssRestrictions{Digest::kSha256, Digest::kSha256, 32};
  std::vector<KeySpec> specs = {test::SpecOf(KeyType::kRsa), pss, kEd25519};
  for (const CurveRow& row : AllCurves()) {
    specs.push_back(test::SpecOf(KeyType::kEc, 2048, row.curve));
  }
  std::vector<Bytes> spkis;
  for (std::size_t i = 0; i < specs.size(); ++i) {
    const auto key = cluster.User()->Generate(specs[i], Labelled("key" + std::to_string(i)));
    ASSERT_TRUE(key.has_value()) << i << ": " << key.error().Message();
    spkis.push_back((*key)->spki());
  }
  cluster.Reopen();
  for (std::size_t i = 0; i < specs.size(); ++i) {
    const auto key = cluster.User()->Load(ByLabel("key" + std::to_string(i)), true);
    ASSERT_TRUE(key.has_value()) << i << ": " << key.error().Message();
    EXPECT_EQ((*key)->spki(), spkis[i]);
    EXPECT_EQ((*key)->type(), specs[i].type);
  }
}

TEST(KeysTest, AreFoundByLabelIdAndHandle) {
  TestCluster cluster;
  KeyTemplate form = Labelled("a/b c");
  form.private_half.id = {0xab, 0x01};
  const auto session = cluster.User();
  const auto made = session->Generate(kEd25519, form);
  ASSERT_TRUE(made.has_value());
  const KeyHandle handle = (*made)->private_info()->handle;
  KeyQuery by_id;
  by_id.id = Bytes{0xab, 0x01};
  EXPECT_EQ(CodeOf(session->Load(ByLabel("a/b c"), true)), "ok");
  EXPECT_EQ(CodeOf(session->Load(by_id, true)), "ok");
  EXPECT_EQ(CodeOf(session->Load(KeyQuery::ByHandle(handle), true)), "ok");
  EXPECT_EQ(CodeOf(session->Load(KeyQuery::ByHandle(handle), false)), "ok");
  KeyQuery both = ByLabel("a/b c");
  both.id = Bytes{0xab, 0x02};
  EXPECT_EQ(CodeOf(session->Load(both, true)), Text(ErrorCode::kKeyNotFound));
  EXPECT_EQ(CodeOf(session->Load(ByLabel("a/b"), true)), Text(ErrorCode::kKeyNotFound));
  EXPECT_EQ(CodeOf(session->Load(KeyQuery::ByHandle({0x99999998}), true)),
            Text(ErrorCode::kKeyNotFound));

  KeyQuery by_attribute;
  by_attribute.attributes = {{Attribute::kKeyType, "ed25519"}, {Attribute::kSign, "true"}};
  EXPECT_EQ(session->Find(by_attribute)->size(), 1U);
  by_attribute.attributes = {{Attribute::kKeyType, "rsa"}};
  EXPECT_TRUE(session->Find(by_attribute)->empty());
}

TEST(KeysTest, SeveralMatchesAreListedAndNoneIsPicked) {
  TestCluster cluster;
  const auto session = cluster.User();
  const auto first = session->Generate(kEd25519, Labelled("twin"));
  const auto second = session->Generate(kEd25519, Labelled("twin"));
  ASSERT_TRUE(first.has_value() && second.has_value());
  const auto both = session->Load(ByLabel("twin"), true);
  ASSERT_EQ(CodeOf(both), Text(ErrorCode::kKeyAmbiguous));
  for (const auto& key : {*first, *second}) {
    EXPECT_NE(both.error().detail().find(key->private_info()->handle.ToString()),
              std::string::npos);
  }
}

TEST(KeysTest, TheGateNamesTheAttribute) {
  TestCluster cluster;
  const auto session = cluster.User();
  const auto key = session->Generate(kEd25519, Labelled("no", false));
  ASSERT_TRUE(key.has_value());
  EXPECT_EQ(UseCode(**key), Text(ErrorCode::kAttributeForbids));
  const KeyHandle handle = (*key)->private_info()->handle;
  ASSERT_TRUE(session->SetAttribute(handle, "sign", "true").has_value());
  ASSERT_TRUE(session->SetAttribute(handle.PublicHalf(), "verify", "true").has_value());
  EXPECT_EQ(UseCode(**key), "ok");  // the key in hand follows the store
  ASSERT_TRUE(session->SetAttribute(handle, "sign", "false").has_value());
  EXPECT_EQ(UseCode(**key), Text(ErrorCode::kAttributeForbids));
}

TEST(KeysTest, AttributesAreKeptAndFoundByTheirNewValues) {
  TestCluster cluster;
  const auto session = cluster.User();
  const auto key = session->Generate(kEd25519, Labelled("old"));
  ASSERT_TRUE(key.has_value());
  const KeyHandle handle = (*key)->private_info()->handle;
  ASSERT_TRUE(session->SetAttribute(handle, "label", "new").has_value());
  EXPECT_EQ(CodeOf(session->SetAttribute(handle, "extractable", "true")), "ok");
  EXPECT_EQ(session->SetAttribute(handle, "extractable", "false")->attributes.label, "new");
  EXPECT_EQ(CodeOf(session->SetAttribute(handle, "extractable", "true")),
            Text(ErrorCode::kAttributeReadOnly));
  EXPECT_EQ(CodeOf(session->SetAttribute(handle, "trusted", "true")),
            Text(ErrorCode::kRoleForbids));
  cluster.Reopen();
  EXPECT_EQ(CodeOf(cluster.User()->Load(ByLabel("new"), true)), "ok");
  EXPECT_EQ(CodeOf(cluster.User()->Load(ByLabel("old"), true)), Text(ErrorCode::kKeyNotFound));
  EXPECT_EQ(CodeOf(cluster.User()->Load(ByLabel("old"), false)), "ok");  // the public half's label
}

TEST(KeysTest, ADeletedKeyFailsClosedWhereItIsInUse) {
  TestCluster cluster;
  const auto session = cluster.User();
  const auto key = session->Generate(kEd25519, Labelled("gone"));
  ASSERT_TRUE(key.has_value());
  EXPECT_EQ(UseCode(**key), "ok");
  ASSERT_TRUE(session->Delete((*key)->private_info()->handle, true));
  EXPECT_EQ(UseCode(**key), Text(ErrorCode::kKeyGone));
  EXPECT_EQ(CodeOf(session->Load(ByLabel("gone"), true)), Text(ErrorCode::kKeyNotFound));
  EXPECT_EQ(CodeOf(session->Delete((*key)->private_info()->handle, true)),
            Text(ErrorCode::kKeyNotFound));
  EXPECT_TRUE(session->Find({})->empty());
}

TEST(KeysTest, OneHalfCanBeDeleted) {
  TestCluster cluster;
  const auto session = cluster.User();
  const auto key = session->Generate(kEd25519, Labelled("half"));
  ASSERT_TRUE(key.has_value());
  const KeyHandle handle = (*key)->private_info()->handle;
  ASSERT_TRUE(session->Delete(handle.PublicHalf(), false));
  EXPECT_EQ(session->Find({})->size(), 1U);
  EXPECT_EQ(CodeOf(session->Load(ByLabel("half"), true)), "ok");
  ASSERT_TRUE(session->Delete(handle, false));
  EXPECT_TRUE(session->Find({})->empty());
}

TEST(KeysTest, DestroyableGuardsAgainstDeletion) {
  TestCluster cluster;
  const auto session = cluster.User();
  KeyTemplate form = Labelled("firm");
  form.private_half.flags.Set(Attribute::kDestroyable, false);
  const auto key = session->Generate(kEd25519, form);
  ASSERT_TRUE(key.has_value());
  EXPECT_EQ(CodeOf(session->Delete((*key)->private_info()->handle, true)),
            Text(ErrorCode::kAttributeForbids));
  EXPECT_EQ(session->Find({})->size(), 2U);
  EXPECT_EQ(UseCode(**key), "ok");
}

TEST(KeysTest, SessionKeysNeedNoLoginAndLeaveNothing) {
  TestCluster cluster;
  const auto key = cluster->Anonymous()->Generate(kEd25519, SessionForm());
  ASSERT_TRUE(key.has_value()) << key.error().Message();
  EXPECT_FALSE((*key)->is_token());
  EXPECT_TRUE((*key)->private_info()->handle.IsSession());
  EXPECT_EQ(UseCode(**key), "ok");
  EXPECT_EQ(CodeOf(cluster->Anonymous()->ReferenceUri(**key)), Text(ErrorCode::kSessionKey));
  EXPECT_EQ(CodeOf(cluster->Anonymous()->Generate(kEd25519, Labelled("x"))),
            Text(ErrorCode::kLoginRequired));
  cluster.Reopen();
  EXPECT_TRUE(cluster->Anonymous()->Find({})->empty());
}

TEST(KeysTest, ASessionKeyCanBeKept) {
  TestCluster cluster;
  const auto session = cluster.User();
  const auto key = session->Generate(kEd25519, SessionForm());
  ASSERT_TRUE(key.has_value());
  const KeyHandle handle = (*key)->private_info()->handle;
  EXPECT_EQ(session->Find({})->size(), 2U);
  EXPECT_EQ(CodeOf(session->SetAttribute(handle, "label", "x")),
            Text(ErrorCode::kAttributeReadOnly));
  const auto kept = session->SetAttribute(handle, "token", "true");
  ASSERT_TRUE(kept.has_value()) << kept.error().Message();
  EXPECT_FALSE(kept->handle.IsSession());
  cluster.Reopen();
  const auto loaded = cluster.User()->Load(KeyQuery::ByHandle(kept->handle), true);
  ASSERT_TRUE(loaded.has_value());
  EXPECT_EQ((*loaded)->spki(), (*key)->spki());
}

TEST(KeysTest, ADeletedSessionKeyIsGone) {
  TestCluster cluster;
  const auto session = cluster.User();
  const auto key = session->Generate(kEd25519, SessionForm());
  ASSERT_TRUE(key.has_value());
  ASSERT_TRUE(session->Delete((*key)->private_info()->handle, true));
  EXPECT_EQ(UseCode(**key), Text(ErrorCode::kKeyGone));
}

TEST(KeysTest, PublicKeysNeedNoLogin) {
  TestCluster cluster;
  ASSERT_TRUE(cluster.User()->Generate(kEd25519, Labelled("shown")).has_value());
  const auto anonymous = cluster->Anonymous();
  const auto key = anonymous->Load(ByLabel("shown"), false);
  ASSERT_TRUE(key.has_value()) << key.error().Message();
  EXPECT_FALSE((*key)->has_private());
  EXPECT_EQ(UseCode(**key), Text(ErrorCode::kPublicKeyOnly));
  EXPECT_EQ(CodeOf(anonymous->Load(ByLabel("shown"), true)), Text(ErrorCode::kLoginRequired));
  ASSERT_EQ(anonymous->Find({})->size(), 1U);
  EXPECT_EQ(anonymous->Find({})->front().klass, KeyClass::kPublicKey);
}

TEST(KeysTest, ImportedKeysAreNotLocal) {
  TestCluster cluster;
  const auto session = cluster.User();
  KeyPairMaterial material{RawPublic{}, RawPrivate{SecretBytes(32), {}}};
  // RFC 8032 section 7.1, test 2.
  const std::string_view seed =
      "\x4c\xcd\x08\x9b\x28\xff\x96\xda\x9d\xb6\xc3\x46\xec\x11\x4e\x0f"
      "\x5b\x8a\x31\x9f\x35\xab\xa6\x24\xda\x8c\xf6\xed\x4f\xb8\xa6\xfb";
  const std::string_view pub =
      "\x3d\x40\x17\xc3\xe8\x43\x89\x5a\x92\xb7\x0a\xa7\x4d\x1b\x7e\xbc"
      "\x9c\x98\x2c\xcf\x2e\xc4\x96\x8c\xc0\xcd\x55\xf1\x2a\xf4\x66\x0c";
  std::get<RawPrivate>(material.private_part).key = SecretBytes::CopyOf(seed);
  std::get<RawPublic>(material.public_part).key.assign(pub.begin(), pub.end());
  const auto key = session->ImportPair(material, Labelled("in"));
  ASSERT_TRUE(key.has_value()) << key.error().Message();
  const AttributeFlags flags = (*key)->private_info()->attributes.flags;
  EXPECT_FALSE(flags.Has(Attribute::kLocal));
  EXPECT_FALSE(flags.Has(Attribute::kNeverExtractable));
  EXPECT_EQ(UseCode(**key), "ok");

  std::get<RawPublic>(material.public_part).key[5] ^= 1;
  EXPECT_EQ(CodeOf(session->ImportPair(material, Labelled("bad"))), Text(ErrorCode::kKeyImport));
}

TEST(KeysTest, APublicKeyAloneCanBeImported) {
  TestCluster cluster;
  const auto made = cluster->Anonymous()->Generate(kEd25519, SessionForm());
  ASSERT_TRUE(made.has_value());
  const auto session = cluster.User();
  ObjectAttributes form = DefaultAttributes(KeyClass::kPublicKey);
  form.label = "peer";
  form.flags.Set(Attribute::kVerify, true);
  const auto info = session->ImportPublic((*made)->public_part(), form);
  ASSERT_TRUE(info.has_value()) << info.error().Message();
  EXPECT_TRUE(info->handle.IsPublicHalf());
  EXPECT_FALSE(info->pair);
  EXPECT_EQ(CodeOf(session->Load(ByLabel("peer"), false)), "ok");
  EXPECT_EQ(CodeOf(session->Load(ByLabel("peer"), true)), Text(ErrorCode::kKeyNotFound));
}

TEST(KeysTest, SizesAndNamesAreChecked) {
  TestCluster cluster;
  const auto session = cluster.User();
  for (const unsigned bits : {0U, 1024U, 2047U, 2049U, 4352U, 100000U}) {
    EXPECT_EQ(CodeOf(session->Generate(test::SpecOf(KeyType::kRsa, bits), {})),
              Text(ErrorCode::kKeySize))
        << bits;
  }
  KeySpec small_exponent = test::SpecOf(KeyType::kRsa);
  small_exponent.public_exponent = 3;
  EXPECT_EQ(CodeOf(session->Generate(small_exponent, {})), Text(ErrorCode::kKeySize));
  EXPECT_EQ(CodeOf(session->Generate(kEd25519, Labelled(std::string(128, 'x')))),
            Text(ErrorCode::kAttributeValue));
  EXPECT_TRUE(session->Find({})->empty());
}

TEST(KeysTest, ReferenceUriLoadsTheKey) {
  TestCluster cluster;
  const auto session = cluster.User();
  const auto key = session->Generate(kEd25519, Labelled("ref"));
  ASSERT_TRUE(key.has_value());
  const auto reference = session->ReferenceUri(**key);
  ASSERT_TRUE(reference.has_value());
  const auto uri = KeyUri::Parse(reference->ToString());
  ASSERT_TRUE(uri.has_value());
  const auto loaded = session->Load(KeyQuery::FromUri(*uri), true);
  ASSERT_TRUE(loaded.has_value());
  EXPECT_EQ((*loaded)->spki(), (*key)->spki());
}

TEST(KeysTest, ALoadedKeyIsReadyOnce) {
  TestCluster cluster;
  const auto session = cluster.User();
  ASSERT_TRUE(session->Generate(kEd25519, Labelled("same")).has_value());
  const auto first = session->Load(ByLabel("same"), true);
  EXPECT_EQ(*session->Load(ByLabel("same"), true), *first);
  ASSERT_TRUE(
      session->SetAttribute((*first)->private_info()->handle, "label", "same2").has_value());
  EXPECT_EQ(CodeOf(session->Load(ByLabel("same"), true)), Text(ErrorCode::kKeyNotFound));
  EXPECT_EQ((*session->Load(ByLabel("same2"), true))->private_info()->attributes.label, "same2");
}

}  // namespace
}  // namespace hsmcore
