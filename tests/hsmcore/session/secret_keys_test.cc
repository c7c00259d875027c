// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <string>

#include "support/session_support.h"
#include "support/test_cluster.h"

namespace hsmcore {
namespace {

using test::ByLabel;
using test::CodeOf;
using test::TestCluster;

KeySpec SecretSpec(KeyType type, std::size_t bytes) {
  KeySpec spec;
  spec.type = type;
  spec.secret_bytes = bytes;
  return spec;
}

KeyTemplate Labelled(const std::string& label, bool token = true) {
  KeyTemplate form = KeyTemplate::Secret();
  form.private_half.label = label;
  form.private_half.flags.Set(Attribute::kToken, token);
  return form;
}

TEST(SecretKeysTest, AreKeptAndFoundAgain) {
  TestCluster cluster;
  const auto made = cluster.User()->Generate(SecretSpec(KeyType::kAes, 24), Labelled("backup"));
  ASSERT_TRUE(made.has_value()) << made.error().Message();
  EXPECT_TRUE((*made)->is_secret());
  EXPECT_TRUE((*made)->has_private());
  EXPECT_EQ((*made)->public_info(), nullptr);
  const KeyInfo before = *(*made)->private_info();
  cluster.Reopen();
  const auto loaded = cluster.User()->LoadSecret(ByLabel("backup"));
  ASSERT_TRUE(loaded.has_value()) << loaded.error().Message();
  const KeyInfo& info = *(*loaded)->private_info();
  EXPECT_EQ(info.klass, KeyClass::kSecretKey);
  EXPECT_EQ(info.handle, before.handle);
  EXPECT_EQ(AttributeText(info, Attribute::kKeyLengthBytes), "24");
  EXPECT_EQ(AttributeText(info, Attribute::kCheckValue),
            AttributeText(before, Attribute::kCheckValue));
  EXPECT_EQ(AttributeText(info, Attribute::kCheckValue).size(), 8U);
  EXPECT_EQ(AttributeText(info, Attribute::kClass), "secret-key");
  EXPECT_EQ(AttributeText(info, Attribute::kKeyType), "aes");
  EXPECT_EQ(AttributeText(info, Attribute::kSign), "true");
  EXPECT_EQ(AttributeText(info, Attribute::kEncrypt), "false");
}

TEST(SecretKeysTest, AreToldApartFromPairsByClass) {
  TestCluster cluster;
  const auto session = cluster.User();
  ASSERT_TRUE(session->Generate(SecretSpec(KeyType::kAes, 32), Labelled("same")).has_value());
  KeyTemplate pair;
  pair.private_half.label = pair.public_half.label = "same";
  ASSERT_TRUE(session->Generate(test::Ed25519Spec(), pair).has_value());
  EXPECT_EQ((*session->LoadSecret(ByLabel("same")))->type(), KeyType::kAes);
  EXPECT_EQ((*session->Load(ByLabel("same"), true))->type(), KeyType::kEd25519);
  KeyQuery as_private = ByLabel("same");
  as_private.klass = KeyClass::kPrivateKey;
  EXPECT_EQ(CodeOf(session->LoadSecret(as_private)), "key type does not fit the operation");
  EXPECT_EQ(session->Find(ByLabel("same"))->size(), 3U);
}

TEST(SecretKeysTest, ComeInFromOutside) {
  TestCluster cluster;
  const auto session = cluster.User();
  const auto key =
      session->ImportSecret(KeyType::kAes, SecretBytes(16), Labelled("zero").private_half);
  ASSERT_TRUE(key.has_value()) << key.error().Message();
  const KeyInfo& info = *(*key)->private_info();
  EXPECT_EQ(AttributeText(info, Attribute::kCheckValue), "0x66e94b");
  EXPECT_FALSE(info.attributes.flags.Has(Attribute::kLocal));
  EXPECT_FALSE(info.attributes.flags.Has(Attribute::kNeverExtractable));
  EXPECT_EQ(
      CodeOf(session->ImportSecret(KeyType::kAes, SecretBytes(17), Labelled("odd").private_half)),
      "key size or curve not supported");
}

TEST(SecretKeysTest, RefuseWhatOnlyPairsDo) {
  TestCluster cluster;
  const auto key = cluster.User()->Generate(SecretSpec(KeyType::kAes, 32), Labelled("aes"));
  ASSERT_TRUE(key.has_value());
  Bytes out(64);
  EXPECT_EQ(CodeOf((*key)->Sign({}, Bytes(32), out)), "key type does not fit the operation");
  EXPECT_EQ(CodeOf((*key)->Encrypt({}, Bytes(16), out)), "key type does not fit the operation");
  EXPECT_TRUE((*key)->spki().empty());
  EXPECT_EQ((*key)->max_signature_size(), 0U);
}

TEST(SecretKeysTest, ObeyTheirAttributesInEveryDirection) {
  TestCluster cluster;
  const auto session = cluster.User();
  const auto key = session->Generate(SecretSpec(KeyType::kAes, 32), Labelled("aes"));
  ASSERT_TRUE(key.has_value());
  const KeyHandle handle = (*key)->private_info()->handle;
  EXPECT_EQ(CodeOf((*key)->CheckUse(Key::Use::kEncrypt)), "a key attribute forbids this");
  EXPECT_EQ(CodeOf((*key)->CheckUse(Key::Use::kWrap)), "a key attribute forbids this");
  EXPECT_EQ(CodeOf((*key)->CheckUse(Key::Use::kVerify)), "ok");
  ASSERT_TRUE(session->SetAttribute(handle, "encrypt", "true").has_value());
  ASSERT_TRUE(session->SetAttribute(handle, "verify", "false").has_value());
  EXPECT_EQ(CodeOf((*key)->CheckUse(Key::Use::kEncrypt)), "ok");
  EXPECT_EQ(CodeOf((*key)->CheckUse(Key::Use::kVerify)), "a key attribute forbids this");
}

TEST(SecretKeysTest, OfASessionEndWithItAndCanBeKept) {
  TestCluster cluster;
  const auto session = cluster.User();
  const auto key =
      session->Generate(SecretSpec(KeyType::kGenericSecret, 20), Labelled("mac", false));
  ASSERT_TRUE(key.has_value());
  const KeyHandle handle = (*key)->private_info()->handle;
  EXPECT_TRUE(handle.IsSession());
  EXPECT_EQ(session->Find(ByLabel("mac"))->size(), 1U);
  const auto kept = session->SetAttribute(handle, "token", "true");
  ASSERT_TRUE(kept.has_value()) << kept.error().Message();
  EXPECT_EQ(kept->klass, KeyClass::kSecretKey);
  cluster.Reopen();
  EXPECT_EQ(CodeOf(cluster.User()->LoadSecret(ByLabel("mac"))), "ok");
}

TEST(SecretKeysTest, GiveAProgramBackWhatItGave) {
  TestCluster cluster;
  const auto session = cluster.User();
  const SecretBytes value = SecretBytes::CopyOf(std::string_view("0123456789abcdef"));
  const auto form = [](bool token, bool extractable) {
    ObjectAttributes attributes = Labelled("given", token).private_half;
    attributes.flags.Set(Attribute::kExtractable, extractable);
    return attributes;
  };
  const auto given = session->ImportSecret(KeyType::kAes, value, form(false, true));
  ASSERT_TRUE(given.has_value()) << given.error().Message();
  const auto back = (*given)->GivenValue();
  ASSERT_TRUE(back.has_value()) << back.error().Message();
  EXPECT_TRUE(value.Equals(*back));
  for (const auto& [token, extractable] : {std::pair(false, false), std::pair(true, true)}) {
    const auto other = session->ImportSecret(KeyType::kAes, value, form(token, extractable));
    ASSERT_TRUE(other.has_value()) << other.error().Message();
    EXPECT_EQ(CodeOf((*other)->GivenValue()), "secret key is held in the HSM");
  }
  const auto made = session->Generate(SecretSpec(KeyType::kAes, 16), Labelled("made", false));
  EXPECT_EQ(CodeOf((*made)->GivenValue()), "secret key is held in the HSM");
  KeySpec pair;
  pair.type = KeyType::kEd25519;
  EXPECT_EQ(CodeOf((*session->Generate(pair, {}))->GivenValue()),
            "key type does not fit the operation");
  ASSERT_TRUE(session->Delete((*given)->private_info()->handle, false).has_value());
  EXPECT_EQ(CodeOf((*given)->GivenValue()), "key was deleted or changed");
}

TEST(SecretKeysTest, AreDeletedForGood) {
  TestCluster cluster;
  const auto session = cluster.User();
  const auto key = session->Generate(SecretSpec(KeyType::kAes, 16), Labelled("gone"));
  ASSERT_TRUE(key.has_value());
  ASSERT_TRUE(session->Delete((*key)->private_info()->handle, false).has_value());
  EXPECT_EQ(CodeOf(session->LoadSecret(ByLabel("gone"))), "no such key");
  EXPECT_EQ(CodeOf((*key)->CheckUse(Key::Use::kSign)), "key was deleted or changed");
}

TEST(SecretKeysTest, AreSeenByTheirOwnerOnly) {
  TestCluster cluster;
  ASSERT_TRUE(
      cluster.User()->Generate(SecretSpec(KeyType::kAes, 16), Labelled("mine")).has_value());
  EXPECT_EQ(cluster->Anonymous()->Find(ByLabel("mine"))->size(), 0U);
  EXPECT_EQ(CodeOf(cluster->Anonymous()->LoadSecret(ByLabel("mine"))), "login required");
}

}  // namespace
}  // namespace hsmcore
