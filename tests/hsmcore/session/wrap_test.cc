// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <set>
#include <string>

#include "base/text.h"
#include "wrap_support.h"

namespace hsmcore {
namespace {

using Kind = WrapMechanism::Kind;
using test::ByLabel;
using test::CodeOf;
using test::Form;
using test::Make;
using test::MakeWrapper;
using test::Method;
using test::TestCluster;

constexpr const char* kForbidden = "a key attribute forbids this";

KeyHandle HandleOf(const KeyPtr& key) { return key->private_info()->handle; }

// Equal keys: the same public part, or for secrets the same length and the same bytes wrapped.
void ExpectSameKey(Session& session, const KeyPtr& kek, const KeyPtr& a, const KeyPtr& b) {
  EXPECT_EQ(a->public_part(), b->public_part());
  const auto wrapped_a = session.Wrap(*kek, *a, Method(Kind::kAesZeroPad));
  const auto wrapped_b = session.Wrap(*kek, *b, Method(Kind::kAesZeroPad));
  ASSERT_TRUE(wrapped_a.has_value() && wrapped_b.has_value());
  EXPECT_EQ(wrapped_a->data, wrapped_b->data);  // RFC 5649 has no randomness
}

// Every method with every type of payload that the OpenSSL that runs can make.
TEST(WrapTest, EveryMethodTakesEveryPayloadOutAndIn) {
  TestCluster cluster;
  const auto session = cluster.User();
  const KeyPtr aes = MakeWrapper(*session, KeyType::kAes);
  const KeyPtr rsa = MakeWrapper(*session, KeyType::kRsa);
  int tried = 0;
  std::set<KeyType> missing;
  for (const KeyTypeRow& type : AllKeyTypes()) {
    const bool slow = type.type > KeyType::kSlhDsaSha2_128f && !IsSecret(type.type);
    if (slow) continue;  // of SLH-DSA's twelve, two say it all
    const auto payload =
        session->Generate(test::SpecOf(type.type), test::FormOf(type.type, type.name, {}));
    if (CodeOf(payload) == "not supported") {
      missing.insert(type.type);
      continue;
    }
    ASSERT_TRUE(payload.has_value()) << type.name << payload.error().Message();
    for (const WrapMethodRow& method : AllWrapMethods()) {
      SCOPED_TRACE(Cat(type.name, " ", method.name));
      const KeyPtr& kek = method.key_type == KeyType::kAes ? aes : rsa;
      const auto wrapped = session->Wrap(*kek, **payload, Method(method.kind));
      if (method.secrets_only && !IsSecret(type.type)) {
        EXPECT_EQ(CodeOf(wrapped), "key type does not fit the operation");
        continue;
      }
      if (CodeOf(wrapped) == "data length not allowed") {
        EXPECT_EQ(method.kind, Kind::kAesNoPad);  // PKCS#8 is of any length
        continue;
      }
      ASSERT_TRUE(wrapped.has_value()) << wrapped.error().Message();
      WrapMechanism mechanism = Method(method.kind);
      mechanism.iv = wrapped->iv;
      const auto back = session->Unwrap(*kek, mechanism, wrapped->data, Form(type.type, "back"));
      ASSERT_TRUE(back.has_value()) << back.error().Message();
      ExpectSameKey(*session, aes, *payload, *back);
      ++tried;
    }
  }
  EXPECT_GE(tried, 60);
  for (const KeyType type : missing) EXPECT_FALSE(IsAvailable(type)) << NameOf(type);
}

// OpenSSL 3.5: what comes back signs and decapsulates for the public key that stayed.
TEST(WrapTest, PostQuantumKeysWorkAfterTheyCameBack) {
  if (!IsAvailable(KeyType::kMlDsa44)) GTEST_SKIP() << "OpenSSL before 3.5 has no such keys";
  TestCluster cluster;
  const auto session = cluster.User();
  const KeyPtr kek = MakeWrapper(*session, KeyType::kAes);
  for (const KeyTypeRow& row : AllKeyTypes()) {
    const bool ml_kem = row.purpose == KeyPurpose::kEncapsulate;
    if (!ml_kem && (row.form != KeyForm::kRaw || row.type < KeyType::kMlDsa44)) continue;
    SCOPED_TRACE(row.name);
    const KeyPtr key =
        Make(*session, row.type, row.name, {ml_kem ? Attribute::kDerive : Attribute::kSign});
    const auto peer = Key::FromPublic(key->public_part());
    ASSERT_TRUE(peer);
    const auto wrapped = session->Wrap(*kek, *key, Method(Kind::kAesZeroPad));
    ASSERT_TRUE(wrapped) << wrapped.error().Message();
    UnwrapForm form = Form(row.type, "back");
    form.attributes.emplace_back(ml_kem ? "derive" : "sign", "true");
    const auto back = session->Unwrap(*kek, Method(Kind::kAesZeroPad), wrapped->data, form);
    ASSERT_TRUE(back) << back.error().Message();
    if (ml_kem) {
      const auto sent = (*peer)->Encapsulate({KemMechanism::Kind::kMlKem});
      ASSERT_TRUE(sent);
      const auto got = (*back)->Decapsulate({KemMechanism::Kind::kMlKem}, sent->ciphertext);
      ASSERT_TRUE(got) << got.error().Message();
      EXPECT_TRUE(got->Equals(sent->secret.Read(SecretAccess{"comparison in a test"})));
      continue;
    }
    SignMechanism mechanism{.kind = row.type <= KeyType::kMlDsa87 ? SignMechanism::Kind::kMlDsa
                                                                  : SignMechanism::Kind::kSlhDsa,
                            .digest = Digest::kNone};
    Bytes signature((*back)->max_signature_size());
    const auto size = (*back)->Sign(mechanism, Bytes(30, 7), signature);
    ASSERT_TRUE(size) << size.error().Message();
    signature.resize(*size);
    EXPECT_TRUE((*peer)->Verify(mechanism, Bytes(30, 7), signature).value());
  }
}

TEST(WrapTest, AnUnwrappedKeyIsNotLocalAndObeysItsForm) {
  TestCluster cluster;
  const auto session = cluster.User();
  const KeyPtr kek = MakeWrapper(*session, KeyType::kAes);
  const KeyPtr payload = Make(*session, KeyType::kEc, "payload");
  const auto wrapped = session->Wrap(*kek, *payload, Method(Kind::kAesZeroPad));
  const UnwrapForm form{
      KeyType::kEc, {{"label", "again"}, {"id", "0a0b"}, {"sign", "true"}, {"extractable", "no"}}};
  const auto key = session->Unwrap(*kek, Method(Kind::kAesZeroPad), wrapped->data, form);
  ASSERT_TRUE(key.has_value()) << key.error().Message();
  const KeyInfo& info = *(*key)->private_info();
  EXPECT_EQ(AttributeText(info, Attribute::kLocal), "false");
  EXPECT_EQ(AttributeText(info, Attribute::kNeverExtractable), "false");
  EXPECT_EQ(AttributeText(info, Attribute::kExtractable), "false");
  EXPECT_EQ(AttributeText(info, Attribute::kSign), "true");
  EXPECT_EQ(AttributeText(info, Attribute::kId), "0x0a0b");
  EXPECT_EQ(AttributeText(*(*key)->public_info(), Attribute::kLabel), "again");
  cluster.Reopen();
  const auto loaded = cluster.User()->Load(ByLabel("again"), true);
  ASSERT_TRUE(loaded.has_value());
  Bytes signature((*loaded)->max_signature_size());
  EXPECT_TRUE((*loaded)->Sign({.kind = SignMechanism::Kind::kEcdsa}, Bytes(32), signature));
}

TEST(WrapTest, SessionKeysWrapAndAreWrapped) {
  TestCluster cluster;
  const auto session = cluster.User();
  const KeyPtr kek = MakeWrapper(*session, KeyType::kAes, "kek", false);
  const KeyPtr payload = Make(*session, KeyType::kEd25519, "payload", {}, false);
  ASSERT_TRUE(HandleOf(kek).IsSession() && HandleOf(payload).IsSession());
  const auto wrapped = session->Wrap(*kek, *payload, Method(Kind::kCloudhsmAesGcm));
  ASSERT_TRUE(wrapped.has_value()) << wrapped.error().Message();
  const UnwrapForm form{KeyType::kEd25519, {{"label", "again"}, {"token", "false"}}};
  const auto key = session->Unwrap(*kek, Method(Kind::kCloudhsmAesGcm), wrapped->data, form);
  ASSERT_TRUE(key.has_value()) << key.error().Message();
  EXPECT_TRUE(HandleOf(*key).IsSession());
  EXPECT_EQ((*key)->spki(), payload->spki());
}

TEST(WrapTest, AttributesForbid) {
  TestCluster cluster;
  const auto session = cluster.User();
  const KeyPtr payload = Make(*session, KeyType::kAes, "payload");
  const KeyPtr mute = Make(*session, KeyType::kAes, "mute");
  const KeyPtr kek = MakeWrapper(*session, KeyType::kAes);
  const WrapMechanism method = Method(Kind::kAesZeroPad);
  const auto no_wrap = session->Wrap(*mute, *payload, method);
  EXPECT_EQ(CodeOf(no_wrap), kForbidden);
  EXPECT_NE(no_wrap.error().detail().find("'wrap'"), std::string::npos);
  const auto wrapped = session->Wrap(*kek, *payload, method);
  ASSERT_TRUE(wrapped.has_value());
  const auto no_unwrap = session->Unwrap(*mute, method, wrapped->data, Form(KeyType::kAes, "x"));
  EXPECT_EQ(CodeOf(no_unwrap), kForbidden);
  EXPECT_NE(no_unwrap.error().detail().find("'unwrap'"), std::string::npos);

  // The store is asked at each call: both keys were loaded before.
  ASSERT_TRUE(session->SetAttribute(HandleOf(payload), "extractable", "false"));
  const auto kept = session->Wrap(*kek, *payload, method);
  EXPECT_EQ(CodeOf(kept), kForbidden);
  EXPECT_NE(kept.error().detail().find("'extractable'"), std::string::npos);
  ASSERT_TRUE(session->SetAttribute(HandleOf(kek), "unwrap", "false"));
  EXPECT_EQ(CodeOf(session->Unwrap(*kek, method, wrapped->data, Form(KeyType::kAes, "x"))),
            kForbidden);
}

TEST(WrapTest, OfAPairThePublicHalfWraps) {
  TestCluster cluster;
  const auto session = cluster.User();
  const KeyPtr payload = Make(*session, KeyType::kAes, "payload");
  const KeyPtr reader = Make(*session, KeyType::kRsa, "reader", {Attribute::kUnwrap});
  EXPECT_EQ(CodeOf(session->Wrap(*reader, *payload, Method(Kind::kRsaOaep))), kForbidden);
  // Somebody else's public key, imported to send him keys.
  KeyTemplate form = test::FormOf(KeyType::kRsa, "partner", {Attribute::kWrap});
  cluster.AddUser("other", "otherpass1");
  const auto theirs =
      cluster.User("other", "otherpass1")->Generate(test::SpecOf(KeyType::kRsa), form);
  ASSERT_TRUE(theirs.has_value());
  const auto loaded = session->Load(ByLabel("partner"), false);
  ASSERT_TRUE(loaded.has_value());
  EXPECT_EQ(CodeOf(session->Wrap(**loaded, *payload, Method(Kind::kRsaAes))), "ok");
  const auto foreign = Key::FromPublic((*theirs)->public_part());
  EXPECT_EQ(CodeOf(session->Wrap(**foreign, *payload, Method(Kind::kRsaAes))),
            "key type does not fit the operation");
}

TEST(WrapTest, DeletedKeysAreNotWrapped) {
  TestCluster cluster;
  const auto session = cluster.User();
  const KeyPtr payload = Make(*session, KeyType::kAes, "payload");
  const KeyPtr kek = MakeWrapper(*session, KeyType::kAes);
  ASSERT_TRUE(session->Delete(HandleOf(payload), false));
  EXPECT_EQ(CodeOf(session->Wrap(*kek, *payload, Method(Kind::kAesGcm))),
            "key was deleted or changed");
}

TEST(WrapTest, NobodyButAUserWraps) {
  TestCluster cluster;
  const auto session = cluster.User();
  const KeyPtr payload = Make(*session, KeyType::kAes, "payload");
  const KeyPtr kek = MakeWrapper(*session, KeyType::kAes);
  const WrapMechanism method = Method(Kind::kAesGcm);
  EXPECT_EQ(CodeOf(cluster->Anonymous()->Wrap(*kek, *payload, method)), "login required");
  EXPECT_EQ(CodeOf(cluster.Admin()->Wrap(*kek, *payload, method)), "role may not do this");
  cluster.AddUser("other", "otherpass1");
  EXPECT_EQ(CodeOf(cluster.User("other", "otherpass1")->Wrap(*kek, *payload, method)),
            "role may not do this");
}

// Through the session too: every byte changed gives one answer, and makes no key.
TEST(WrapTest, AlteredBytesHaveOneAnswer) {
  TestCluster cluster;
  const auto session = cluster.User();
  const KeyPtr payload = Make(*session, KeyType::kAes, "payload");
  const KeyPtr kek = MakeWrapper(*session, KeyType::kAes);
  const auto wrapped = session->Wrap(*kek, *payload, Method(Kind::kAesZeroPad));
  std::set<std::string> answers;
  for (std::size_t i = 0; i < wrapped->data.size(); ++i) {
    Bytes changed = wrapped->data;
    changed[i] ^= 1;
    const auto key =
        session->Unwrap(*kek, Method(Kind::kAesZeroPad), changed, Form(KeyType::kAes, "x"));
    ASSERT_EQ(CodeOf(key), "decryption failed");
    answers.insert(key.error().Message());
  }
  EXPECT_EQ(answers.size(), 1U);
  EXPECT_EQ(session->Find(ByLabel("x"))->size(), 0U);
}

TEST(WrapTest, WhatOpensMustBeAKeyOfTheType) {
  TestCluster cluster;
  const auto session = cluster.User();
  const KeyPtr kek = MakeWrapper(*session, KeyType::kAes);
  const WrapMechanism method = Method(Kind::kAesZeroPad);
  const KeyPtr pair = Make(*session, KeyType::kEc, "pair");
  const auto wrapped = session->Wrap(*kek, *pair, method);
  EXPECT_EQ(CodeOf(session->Unwrap(*kek, method, wrapped->data, Form(KeyType::kRsa, "x"))),
            "key cannot be imported");
  EXPECT_EQ(CodeOf(session->Unwrap(*kek, method, wrapped->data, Form(KeyType::kAes, "x"))),
            "key size or curve not supported");
  const KeyPtr secret = Make(*session, KeyType::kGenericSecret, "secret");
  const auto bytes = session->Wrap(*kek, *secret, method);
  EXPECT_EQ(CodeOf(session->Unwrap(*kek, method, bytes->data, Form(KeyType::kEc, "x"))),
            "key cannot be imported");
  EXPECT_EQ(CodeOf(session->Unwrap(*kek, method, bytes->data, Form(KeyType::kDes3, "x"))),
            "key size or curve not supported");
}

// PKCS#1 v1.5 is not authentic: a length that does not fit has the same answer as bad padding.
TEST(WrapTest, Pkcs1DoesNotTellALengthThatDoesNotFit) {
  TestCluster cluster;
  const auto session = cluster.User();
  const KeyPtr rsa = MakeWrapper(*session, KeyType::kRsa);
  KeySpec spec = test::SpecOf(KeyType::kGenericSecret);
  spec.secret_bytes = 17;
  const auto odd = session->Generate(spec, test::FormOf(KeyType::kGenericSecret, "odd", {}));
  const auto wrapped = session->Wrap(*rsa, **odd, Method(Kind::kRsaPkcs));
  ASSERT_TRUE(wrapped.has_value());
  EXPECT_EQ(CodeOf(session->Unwrap(*rsa, Method(Kind::kRsaPkcs), wrapped->data,
                                   Form(KeyType::kAes, "x"))),
            "decryption failed");
}

}  // namespace
}  // namespace hsmcore
