// SPDX-License-Identifier: Apache-2.0
// Agreements and KEMs whose secret becomes a key in the HSM.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <vector>

#include "hsmcore/session.h"
#include "support/test_cluster.h"

namespace hsmcore {
namespace {

using test::CodeOf;
using test::SpecOf;
using test::TestCluster;

constexpr SecretAccess kForTest{"comparison in a test"};

KeySpec SecretSpec(KeyType type, std::size_t bytes = 0) {
  KeySpec spec;
  spec.type = type;
  spec.secret_bytes = bytes;
  return spec;
}

ObjectAttributes SecretForm(const std::string& label = "", bool token = false) {
  ObjectAttributes form = DefaultAttributes(KeyClass::kSecretKey);
  form.label = label;
  form.flags.Set(Attribute::kToken, token);
  for (const Attribute use : {Attribute::kSign, Attribute::kEncrypt, Attribute::kDerive}) {
    form.flags.Set(use, true);
  }
  return form;
}

Bytes Open(const SecretBytes& secret) {
  const ByteView view = secret.Read(kForTest);
  return {view.begin(), view.end()};
}

// One KEM for each size of secret.
struct KemCase {
  KeyType type;
  KemMechanism::Kind kind;
  std::size_t secret_bytes;
};
std::vector<KemCase> Kems() {
  std::vector<KemCase> kems = {{KeyType::kRsa, KemMechanism::Kind::kRsasve, 256}};
  for (const KeyType type : {KeyType::kMlKem512, KeyType::kMlKem768, KeyType::kMlKem1024}) {
    if (IsAvailable(type)) kems.push_back({type, KemMechanism::Kind::kMlKem, kMlKemSecretBytes});
  }
  return kems;
}

class AgreedKeysTest : public testing::Test {
 protected:
  AgreedKeysTest() : session_(cluster_.User()) {}

  KeyPtr Pair(const KeySpec& spec, bool derive = true) {
    KeyTemplate form;
    form.private_half.flags.Set(Attribute::kToken, false);
    form.private_half.flags.Set(Attribute::kDerive, derive);
    form.public_half.flags.Set(Attribute::kDerive, derive);
    auto key = session_->Generate(spec, form);
    if (!key) ADD_FAILURE() << key.error().Message();
    return key ? *key : nullptr;
  }
  KeyPtr Pair(Curve curve) { return Pair(SpecOf(KeyType::kEc, 0, curve)); }

  // Is the key made of these bytes? Told by what it does, since nobody sees its value.
  void ExpectValue(const Key& key, const Bytes& value) {
    const auto same = session_->ImportSecret(key.type(), SecretBytes::CopyOf(value), SecretForm());
    ASSERT_TRUE(same) << same.error().Message();
    EXPECT_EQ(Probe(key), Probe(**same));
  }

  static Bytes Probe(const Key& key) {
    Bytes out(64);
    if (key.type() == KeyType::kGenericSecret) {
      const auto mac = key.NewMac({});
      if (!mac) ADD_FAILURE() << mac.error().Message();
      out.resize(mac ? (*mac)->Sign(out).value_or(0) : 0);
      return out;
    }
    SymmetricMechanism mechanism;
    mechanism.kind = SymmetricMechanism::Kind::kEcb;
    if (key.type() == KeyType::kChaCha20) {
      mechanism.kind = SymmetricMechanism::Kind::kChaCha20Poly1305;
      mechanism.nonce = Bytes(12);
    }
    const auto stream = key.NewCipher(mechanism, Direction::kEncrypt);
    if (!stream) {
      ADD_FAILURE() << stream.error().Message();
      return {};
    }
    std::size_t size = (*stream)->Update(Bytes(32), out).value_or(0);
    size += (*stream)->Finish(std::span(out).subspan(size)).value_or(0);
    out.resize(size);
    return out;
  }

  std::size_t KeysThere() { return session_->Find({})->size(); }

  TestCluster cluster_;
  std::shared_ptr<Session> session_;
};

TEST_F(AgreedKeysTest, ASharedSecretBecomesAKeyForEveryTypeThatAgrees) {
  std::vector<KeySpec> specs = {SpecOf(KeyType::kX25519), SpecOf(KeyType::kX448)};
  for (const CurveRow& row : AllCurves()) specs.push_back(SpecOf(KeyType::kEc, 0, row.curve));
  for (const KeySpec& spec : specs) {
    SCOPED_TRACE(NameOf(spec.type));
    const KeyPtr ours = Pair(spec);
    const KeyPtr theirs = Pair(spec);
    const auto peer = Key::FromPublic(theirs->public_part());
    ASSERT_TRUE(peer);
    const Bytes secret = Open(*ours->Agree({}, **peer));
    const auto key =
        session_->Agree(*ours, {}, **peer, SecretSpec(KeyType::kGenericSecret), SecretForm());
    ASSERT_TRUE(key) << key.error().Message();
    EXPECT_EQ(std::get<SecretFacts>((*key)->public_part()).length, secret.size());
    ExpectValue(**key, secret);
    // The other side has it too.
    const auto other =
        session_->Agree(*theirs, {}, *ours, SecretSpec(KeyType::kGenericSecret), SecretForm());
    ASSERT_TRUE(other) << other.error().Message();
    EXPECT_EQ(Probe(**other), Probe(**key));
  }
}

TEST_F(AgreedKeysTest, AShorterKeyIsTheSecretsEnd) {
  const KeyPtr ours = Pair(Curve::kP521);
  const KeyPtr theirs = Pair(Curve::kP521);
  const Bytes secret = Open(*ours->Agree({}, *theirs));
  const auto last = [&](std::size_t size) {
    const ByteView end = ByteView(secret).last(size);
    return Bytes(end.begin(), end.end());
  };
  for (const std::size_t bytes : {16U, 24U, 32U}) {
    const auto key =
        session_->Agree(*ours, {}, *theirs, SecretSpec(KeyType::kAes, bytes), SecretForm());
    ASSERT_TRUE(key) << key.error().Message();
    ExpectValue(**key, last(bytes));
  }
  const auto usual = session_->Agree(*ours, {}, *theirs, SecretSpec(KeyType::kAes), SecretForm());
  ASSERT_TRUE(usual);
  ExpectValue(**usual, last(32));
  const auto generic =
      session_->Agree(*ours, {}, *theirs, SecretSpec(KeyType::kGenericSecret, 5), SecretForm());
  ASSERT_TRUE(generic);
  ExpectValue(**generic, last(5));
}

TEST_F(AgreedKeysTest, X963MakesAKeyOfAnyLength) {
  const KeyPtr ours = Pair(Curve::kP256);
  const KeyPtr theirs = Pair(Curve::kP256);
  AgreeMechanism mechanism;
  mechanism.x963_digest = Digest::kSha384;
  mechanism.x963_info = {1, 2, 3};
  const std::pair<KeySpec, std::size_t> cases[] = {
      {SecretSpec(KeyType::kAes, 24), 24},
      {SecretSpec(KeyType::kChaCha20), 32},
      {SecretSpec(KeyType::kGenericSecret), 32},
      {SecretSpec(KeyType::kGenericSecret, 100), 100},
  };
  for (const auto& [spec, bytes] : cases) {
    mechanism.x963_length = 7;  // not looked at
    const auto key = session_->Agree(*ours, mechanism, *theirs, spec, SecretForm());
    ASSERT_TRUE(key) << key.error().Message();
    mechanism.x963_length = bytes;
    ExpectValue(**key, Open(*ours->Agree(mechanism, *theirs)));
  }
}

TEST_F(AgreedKeysTest, BothSidesOfAKemHaveTheKey) {
  for (const KemCase& row : Kems()) {
    SCOPED_TRACE(NameOf(row.type));
    const KeyPtr own = Pair(SpecOf(row.type));
    const auto recipient = Key::FromPublic(own->public_part());
    const KeySpec spec = SecretSpec(KeyType::kGenericSecret);
    for (const Key* to : {own.get(), recipient->get()}) {
      const auto sent = session_->Encapsulate(*to, {row.kind}, spec, SecretForm());
      ASSERT_TRUE(sent) << sent.error().Message();
      EXPECT_EQ(std::get<SecretFacts>(sent->key->public_part()).length, row.secret_bytes);
      const auto got =
          session_->Decapsulate(*own, {row.kind}, sent->ciphertext, spec, SecretForm());
      ASSERT_TRUE(got) << got.error().Message();
      EXPECT_EQ(Probe(**got), Probe(*sent->key));
      ExpectValue(**got, Open(*own->Decapsulate({row.kind}, sent->ciphertext)));
    }
  }
}

TEST_F(AgreedKeysTest, AKemsSecretIsAKeyOfItsLengthOnly) {
  for (const KemCase& row : Kems()) {
    SCOPED_TRACE(NameOf(row.type));
    const KeyPtr own = Pair(SpecOf(row.type));
    const bool ml_kem = row.kind == KemMechanism::Kind::kMlKem;
    for (const KeySpec& spec : {SecretSpec(KeyType::kAes), SecretSpec(KeyType::kAes, 32),
                                SecretSpec(KeyType::kChaCha20)}) {
      const auto sent = session_->Encapsulate(*own, {row.kind}, spec, SecretForm());
      EXPECT_EQ(CodeOf(sent), ml_kem ? "ok" : "key size or curve not supported");
      if (sent) {
        const auto got =
            session_->Decapsulate(*own, {row.kind}, sent->ciphertext, spec, SecretForm());
        ASSERT_TRUE(got) << got.error().Message();
        EXPECT_EQ(Probe(**got), Probe(*sent->key));
      }
    }
    const auto ciphertext = own->Encapsulate({row.kind})->ciphertext;
    for (const KeySpec& spec :
         {SecretSpec(KeyType::kAes, 16), SecretSpec(KeyType::kGenericSecret, 31),
          SecretSpec(KeyType::kGenericSecret, 257), SecretSpec(KeyType::kDes3)}) {
      EXPECT_EQ(CodeOf(session_->Encapsulate(*own, {row.kind}, spec, SecretForm())),
                "key size or curve not supported");
      EXPECT_EQ(CodeOf(session_->Decapsulate(*own, {row.kind}, ciphertext, spec, SecretForm())),
                "key size or curve not supported");
    }
  }
}

TEST_F(AgreedKeysTest, TheNewKeyHasWhatWasAskedForAndNoClaimOfOrigin) {
  const KeyPtr ours = Pair(Curve::kP256);
  const KeyPtr theirs = Pair(Curve::kP256);
  const auto made =
      session_->Agree(*ours, {}, *theirs, SecretSpec(KeyType::kAes), SecretForm("agreed", true));
  ASSERT_TRUE(made) << made.error().Message();
  EXPECT_TRUE((*made)->is_token());
  KeyQuery query;
  query.label = "agreed";
  cluster_.Reopen();
  const auto key = cluster_.User()->LoadSecret(query);
  ASSERT_TRUE(key) << key.error().Message();
  const KeyInfo& info = *(*key)->private_info();
  EXPECT_EQ(AttributeText(info, Attribute::kKeyLengthBytes), "32");
  EXPECT_EQ(AttributeText(info, Attribute::kExtractable), "true");
  EXPECT_EQ(AttributeText(info, Attribute::kSensitive), "true");
  for (const Attribute no :
       {Attribute::kLocal, Attribute::kNeverExtractable, Attribute::kAlwaysSensitive}) {
    EXPECT_EQ(AttributeText(info, no), "false");
  }
  EXPECT_EQ(info.owner, "app");
}

TEST_F(AgreedKeysTest, WhatIsRefusedMakesNoKey) {
  const KeyPtr ours = Pair(Curve::kP256);
  const KeyPtr theirs = Pair(Curve::kP256);
  const KeyPtr forbidden = Pair(SpecOf(KeyType::kEc, 0, Curve::kP256), false);
  const KeyPtr forbidden_rsa = Pair(SpecOf(KeyType::kRsa), false);
  const KeyPtr other_curve = Pair(Curve::kP384);
  const KeyPtr small = Pair(Curve::kP224);
  const KeyPtr small_peer = Pair(Curve::kP224);
  const auto secret = session_->ImportSecret(KeyType::kGenericSecret,
                                             SecretBytes::CopyOf(Bytes(32, 1)), SecretForm());
  const std::size_t before = KeysThere();
  const KeySpec aes = SecretSpec(KeyType::kAes);
  const ObjectAttributes form = SecretForm("never", true);
  const auto agree = [&](const Key& own, const Key& peer, const KeySpec& spec) {
    return CodeOf(session_->Agree(own, {}, peer, spec, form));
  };
  EXPECT_EQ(agree(*forbidden, *theirs, aes), "a key attribute forbids this");
  EXPECT_EQ(agree(*ours, *other_curve, aes), "key type does not fit the operation");
  EXPECT_EQ(agree(*ours, **secret, aes), "key type does not fit the operation");
  EXPECT_EQ(agree(**secret, *ours, aes), "key type does not fit the operation");
  EXPECT_EQ(agree(*ours, *theirs, SpecOf(KeyType::kRsa)), "key type does not fit the operation");
  EXPECT_EQ(agree(*ours, *theirs, SecretSpec(KeyType::kAes, 17)),
            "key size or curve not supported");
  EXPECT_EQ(agree(*ours, *theirs, SecretSpec(KeyType::kGenericSecret, 33)),
            "key size or curve not supported");
  EXPECT_EQ(agree(*small, *small_peer, aes), "key size or curve not supported");  // 28 bytes
  EXPECT_EQ(CodeOf(session_->Encapsulate(*forbidden_rsa, {}, aes, form)),
            "a key attribute forbids this");
  EXPECT_EQ(CodeOf(session_->Decapsulate(*forbidden_rsa, {}, Bytes(256), aes, form)),
            "a key attribute forbids this");
  EXPECT_EQ(CodeOf(session_->Encapsulate(*ours, {}, aes, form)),
            "key type does not fit the operation");
  ObjectAttributes named = form;
  named.label = std::string(5000, 'x');
  EXPECT_NE(CodeOf(session_->Agree(*ours, {}, *theirs, aes, named)), "ok");
  EXPECT_EQ(KeysThere(), before);
}

TEST_F(AgreedKeysTest, APeerOfSmallOrderMakesNoKey) {
  const KeyPtr ours = Pair(SpecOf(KeyType::kX25519));
  const auto zero = Key::FromPublic(RawPublic{KeyType::kX25519, Bytes(32)});
  ASSERT_TRUE(zero);
  EXPECT_EQ(CodeOf(session_->Agree(*ours, {}, **zero, SecretSpec(KeyType::kAes), SecretForm())),
            "key cannot be imported");
  AgreeMechanism with_kdf;
  with_kdf.x963_digest = Digest::kSha256;
  const KeyPtr theirs = Pair(SpecOf(KeyType::kX25519));
  EXPECT_EQ(
      CodeOf(session_->Agree(*ours, with_kdf, *theirs, SecretSpec(KeyType::kAes), SecretForm())),
      "mechanism not allowed");
}

TEST_F(AgreedKeysTest, ABadCiphertextMakesNoKey) {
  for (const KemCase& row : Kems()) {
    SCOPED_TRACE(NameOf(row.type));
    const KeyPtr own = Pair(SpecOf(row.type));
    const std::size_t before = KeysThere();
    const Bytes good = own->Encapsulate({row.kind})->ciphertext;
    for (const std::size_t size : {std::size_t{0}, good.size() - 1, good.size() + 1}) {
      Bytes bad = good;
      bad.resize(size);
      EXPECT_EQ(
          CodeOf(session_->Decapsulate(*own, {row.kind}, bad, SecretSpec(KeyType::kGenericSecret),
                                       SecretForm("never", true))),
          "data length not allowed");
    }
    EXPECT_EQ(KeysThere(), before);
  }
}

TEST_F(AgreedKeysTest, WithoutALoginOnlySessionKeysAreMade) {
  const auto session = cluster_->Anonymous();
  KeyTemplate form;
  form.private_half.flags.Set(Attribute::kToken, false);
  form.private_half.flags.Set(Attribute::kDerive, true);
  const auto ours = session->Generate(SpecOf(KeyType::kEc), form);
  ASSERT_TRUE(ours);
  const KeySpec spec = SecretSpec(KeyType::kAes);
  EXPECT_EQ(CodeOf(session->Agree(**ours, {}, **ours, spec, SecretForm())), "ok");
  EXPECT_EQ(CodeOf(session->Agree(**ours, {}, **ours, spec, SecretForm("x", true))),
            test::Text(ErrorCode::kLoginRequired));
}

}  // namespace
}  // namespace hsmcore
