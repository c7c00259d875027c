// SPDX-License-Identifier: Apache-2.0
// The instances of EdDSA (RFC 8032 section 5). Against the default provider they are tested through
// the provider (cross_check_test.cc).
#include <gtest/gtest.h>
#include <openssl/err.h>

#include <string_view>

#include "hsmcore/crypto/default_provider.h"

namespace hsmcore::crypto {
namespace {

Bytes FromHex(std::string_view text) {
  Bytes bytes;
  for (std::size_t i = 0; i + 1 < text.size(); i += 2) {
    bytes.push_back(
        static_cast<std::uint8_t>(std::stoi(std::string(text.substr(i, 2)), nullptr, 16)));
  }
  return bytes;
}

SignMechanism Mechanism(EddsaInstance instance, Bytes context = {}, bool prehashed = false) {
  SignMechanism mechanism{.kind = SignMechanism::Kind::kEddsa, .digest = Digest::kNone};
  mechanism.instance = instance;
  mechanism.context = std::move(context);
  mechanism.prehashed = prehashed;
  return mechanism;
}

struct Rfc8032Vector {
  const char* name;  // section
  EddsaInstance instance;
  const char* secret;
  const char* message;
  const char* context;
  const char* signature;
};
const Rfc8032Vector kVectors[] = {
    {"7.2 foo", EddsaInstance::kContext,
     "0305334e381af78f141cb666f6199f57bc3495335a256a95bd2a55bf546663f6",
     "f726936d19c800494e3fdaff20b276a8", "666f6f",
     "55a4cc2f70a54e04288c5f4cd1e45a7bb520b36292911876cada7323198dd87a"
     "8b36950b95130022907a7fb7c4e9b2d5f6cca685a587b4b21f4b888e4e7edb0d"},
    {"7.3 TEST abc", EddsaInstance::kPrehash,
     "833fe62409237b9d62ec77587520911e9a759cec1d19755b7da901b96dca3d42", "616263", "",
     "98a70222f0b8121aa9d30f813d683f809e462b469c7ff87639499bb94e6dae41"
     "31f85042463c2a355a2003d062adf5aaa10b8c61e636062aaad11c2a26083406"},
};

class EddsaInstanceTest : public testing::Test {
 protected:
  void SetUp() override {
    if (!HasEddsaInstances()) GTEST_SKIP() << "OpenSSL before 3.2 has only PureEdDSA";
  }
  static KeyRef Generated(KeyType type) {
    KeySpec spec;
    spec.type = type;
    return AsymmetricKey::FromPair(GeneratePair(spec).value(), true).value();
  }
};

TEST_F(EddsaInstanceTest, GivesTheSignaturesOfRfc8032) {
  for (const Rfc8032Vector& vector : kVectors) {
    SCOPED_TRACE(vector.name);
    const Bytes secret = FromHex(vector.secret);
    const DefaultPkey pkey(
        EVP_PKEY_new_raw_private_key_ex(nullptr, "ED25519", nullptr, secret.data(), secret.size()));
    const TwinKey twin = Twin(DefaultPkey(EVP_PKEY_dup(pkey.get())));
    const SignMechanism mechanism = Mechanism(vector.instance, FromHex(vector.context));
    const Bytes expected = FromHex(vector.signature);
    const Bytes message = FromHex(vector.message);
    EXPECT_EQ(Sign(twin.ours, mechanism, message).value(), expected);
    EXPECT_TRUE(twin.ours_public->Verify(mechanism, message, expected).value());
    if (vector.instance != EddsaInstance::kPrehash) continue;
    SignMechanism prehashed = mechanism;
    prehashed.prehashed = true;
    const Bytes digest = DefaultHash(Digest::kSha512, message);
    const auto signature = Sign(twin.ours, prehashed, digest);
    if (!HasSignature("ED25519ph")) {
      EXPECT_EQ(CodeOf(signature), ErrorCode::kNotSupported);
      continue;
    }
    EXPECT_EQ(signature.value(), expected);
    EXPECT_TRUE(twin.ours_public->Verify(prehashed, digest, expected).value());
  }
}

TEST_F(EddsaInstanceTest, NoInstanceTakesAnothersSignature) {
  for (const KeyType type : {KeyType::kEd25519, KeyType::kEd448}) {
    const KeyRef key = Generated(type);
    const Bytes message(20, 3);
    std::vector<SignMechanism> all;
    for (const EddsaRow& row : AllEddsaInstances()) {
      if (row.type != type) continue;
      if (!row.needs_context) all.push_back(Mechanism(row.instance));
      if (!row.takes_context) continue;
      all.push_back(Mechanism(row.instance, {1}));
      all.push_back(Mechanism(row.instance, Bytes(255, 2)));
    }
    for (const SignMechanism& signing : all) {
      const Bytes signature = Sign(key, signing, message).value();
      for (const SignMechanism& verifying : all) {
        EXPECT_EQ(key->Verify(verifying, message, signature).value(), signing == verifying);
      }
    }
  }
  EXPECT_EQ(ERR_peek_error(), 0UL);
}

TEST_F(EddsaInstanceTest, StreamsSignThemToo) {
  const KeyRef key = Generated(KeyType::kEd448);
  const SignMechanism mechanism = Mechanism(EddsaInstance::kPrehash, {9, 9});
  const auto signer = key->NewSigner(key, mechanism).value();
  ASSERT_TRUE(signer->Update(Bytes(10, 1)) && signer->Update(Bytes(5, 2)));
  Bytes signature(key->max_signature_size());
  signature.resize(signer->Sign(signature).value());
  Bytes whole(10, 1);
  whole.insert(whole.end(), 5, 2);
  EXPECT_TRUE(key->Verify(mechanism, whole, signature).value());
}

TEST_F(EddsaInstanceTest, RefusesADigestOfAnotherLength) {
  const KeyRef key = Generated(KeyType::kEd25519);
  for (const std::size_t size : {0U, 32U, 63U, 65U}) {
    const SignMechanism mechanism = Mechanism(EddsaInstance::kPrehash, {}, true);
    EXPECT_EQ(CodeOf(Sign(key, mechanism, Bytes(size))), ErrorCode::kDataLength) << size;
    EXPECT_EQ(CodeOf(key->Verify(mechanism, Bytes(size), Bytes(64))), ErrorCode::kDataLength);
  }
}

// On every OpenSSL.
TEST(EddsaTest, RefusesWhatNoInstanceHas) {
  const KeyRef& key = Ed25519Twin().ours;
  const KeyRef& ec = EcTwin(Curve::kP256).ours;
  const auto code = [&](const SignMechanism& mechanism) {
    return CodeOf(Sign(key, mechanism, Bytes(64)));
  };
  EXPECT_EQ(code(Mechanism(EddsaInstance::kPure, {1})), ErrorCode::kMechanism);
  EXPECT_EQ(code(Mechanism(EddsaInstance::kContext)), ErrorCode::kMechanism);
  EXPECT_EQ(code(Mechanism(EddsaInstance::kPrehash, Bytes(256))), ErrorCode::kMechanism);
  EXPECT_EQ(code(Mechanism(EddsaInstance::kPure, {}, true)), ErrorCode::kMechanism);
  EXPECT_EQ(code(Mechanism(EddsaInstance::kContext, {1}, true)), ErrorCode::kMechanism);
  SignMechanism ecdsa{.kind = SignMechanism::Kind::kEcdsa};
  ecdsa.instance = EddsaInstance::kPrehash;
  EXPECT_EQ(CodeOf(Sign(ec, ecdsa, Bytes(32))), ErrorCode::kMechanism);
  SignMechanism deterministic = Mechanism(EddsaInstance::kPure);
  deterministic.deterministic = true;
  EXPECT_EQ(code(deterministic), ErrorCode::kMechanism);
  const TwinKey ed448 = Twin(GenerateDefault("ED448"));
  EXPECT_EQ(CodeOf(Sign(ed448.ours, Mechanism(EddsaInstance::kContext, {1}), Bytes(9))),
            ErrorCode::kMechanism);
  EXPECT_EQ(ERR_peek_error(), 0UL);
}

TEST(EddsaTest, AnOpensslWithoutInstancesIsNamed) {
  if (HasEddsaInstances()) GTEST_SKIP() << "this OpenSSL has them";
  const auto failed = Sign(Ed25519Twin().ours, Mechanism(EddsaInstance::kPrehash), Bytes(9));
  ASSERT_EQ(CodeOf(failed), ErrorCode::kNotSupported);
  EXPECT_NE(failed.error().detail().find("Ed25519ph needs OpenSSL 3.2"), std::string::npos);
  const TwinKey ed448 = Twin(GenerateDefault("ED448"));
  EXPECT_EQ(CodeOf(Sign(ed448.ours, Mechanism(EddsaInstance::kPure, {1}), Bytes(9))),
            ErrorCode::kNotSupported);
}

}  // namespace
}  // namespace hsmcore::crypto
