// SPDX-License-Identifier: Apache-2.0
#include "policy/mode.h"

#include <gtest/gtest.h>

#include <string>

namespace hsmcore::policy {
namespace {

constexpr ModeRules kFips{ClusterMode::kFips, {}};
constexpr ModeRules kNonFips{ClusterMode::kNonFips, {}};

// The detail of the refusal; empty: allowed. No other error is expected.
std::string Refusal(const Status& status) {
  if (status) return {};
  EXPECT_EQ(status.error().code(), ErrorCode::kModeForbids);
  return status.error().detail();
}

bool Refused(const Status& status) { return !Refusal(status).empty(); }

EcPublic On(Curve curve) { return {curve, {}}; }

SignMechanism Ecdsa(Digest digest) {
  return {.kind = SignMechanism::Kind::kEcdsa, .digest = digest};
}

TEST(ModeTest, FipsRefusesTheseKeyTypes) {
  using enum KeyType;
  for (const KeyType type : {kEd25519, kEd448, kX25519, kX448, kChaCha20}) {
    for (const Origin origin : {Origin::kGenerated, Origin::kFromOutside}) {
      EXPECT_TRUE(Refused(AllowNewKey(kFips, type, origin))) << NameOf(type);
      EXPECT_FALSE(Refused(AllowNewKey(kNonFips, type, origin))) << NameOf(type);
    }
    for (const auto use : {Key::Use::kSign, Key::Use::kVerify, Key::Use::kDerive}) {
      EXPECT_TRUE(Refused(AllowKeyType(kFips, type, use))) << NameOf(type);
      EXPECT_FALSE(Refused(AllowKeyType(kNonFips, type, use))) << NameOf(type);
    }
  }
}

TEST(ModeTest, FipsAllowsTheOthers) {
  using enum KeyType;
  for (const KeyType type : {kRsa, kRsaPss, kEc, kMlDsa44, kMlDsa65, kMlDsa87, kMlKem768,
                             kSlhDsaSha2_128s, kAes, kAesXts, kGenericSecret}) {
    EXPECT_FALSE(Refused(AllowNewKey(kFips, type, Origin::kGenerated))) << NameOf(type);
    EXPECT_FALSE(Refused(AllowKeyType(kFips, type, Key::Use::kSign))) << NameOf(type);
  }
}

TEST(ModeTest, FipsLets3DesDecryptAndNoMore) {
  EXPECT_TRUE(Refused(AllowNewKey(kFips, KeyType::kDes3, Origin::kGenerated)));
  EXPECT_FALSE(Refused(AllowNewKey(kFips, KeyType::kDes3, Origin::kFromOutside)));
  EXPECT_TRUE(Refused(AllowKeyType(kFips, KeyType::kDes3, Key::Use::kEncrypt)));
  EXPECT_TRUE(Refused(AllowKeyType(kFips, KeyType::kDes3, Key::Use::kWrap)));
  EXPECT_TRUE(Refused(AllowKeyType(kFips, KeyType::kDes3, Key::Use::kSign)));
  EXPECT_FALSE(Refused(AllowKeyType(kFips, KeyType::kDes3, Key::Use::kDecrypt)));
  EXPECT_FALSE(Refused(AllowKeyType(kFips, KeyType::kDes3, Key::Use::kUnwrap)));
  EXPECT_FALSE(Refused(AllowKeyType(kNonFips, KeyType::kDes3, Key::Use::kEncrypt)));
}

TEST(ModeTest, MlDsaCanBeSwitchedOff) {
  const ModeRules without{ClusterMode::kFips, {.ml_dsa = false}};
  EXPECT_TRUE(Refused(AllowNewKey(without, KeyType::kMlDsa65, Origin::kGenerated)));
  EXPECT_TRUE(Refused(AllowKeyType(without, KeyType::kMlDsa87, Key::Use::kVerify)));
  EXPECT_FALSE(Refused(AllowNewKey(without, KeyType::kMlKem768, Origin::kGenerated)));
  EXPECT_FALSE(Refused(AllowNewKey(without, KeyType::kRsa, Origin::kGenerated)));
}

TEST(ModeTest, FipsWantsDigestsAsStrongAsTheKey) {
  EXPECT_EQ(Refusal(AllowSigning(kFips, On(Curve::kP256), Ecdsa(Digest::kSha1), 0))
                    .find("Digest security strength (80) is weaker than the key security strength "
                          "(128)") == std::string::npos,
            false);
  EXPECT_TRUE(Refused(AllowSigning(kFips, On(Curve::kP384), Ecdsa(Digest::kSha256), 0)));
  EXPECT_TRUE(Refused(AllowSigning(kFips, On(Curve::kP521), Ecdsa(Digest::kSha384), 0)));
  EXPECT_FALSE(Refused(AllowSigning(kFips, On(Curve::kP224), Ecdsa(Digest::kSha224), 0)));
  EXPECT_FALSE(Refused(AllowSigning(kFips, On(Curve::kP256), Ecdsa(Digest::kSha256), 0)));
  EXPECT_FALSE(Refused(AllowSigning(kFips, On(Curve::kP521), Ecdsa(Digest::kSha512), 0)));
  EXPECT_FALSE(Refused(AllowSigning(kNonFips, On(Curve::kP521), Ecdsa(Digest::kSha1), 0)));
  // A digest that has no name is judged by its length.
  EXPECT_TRUE(Refused(AllowSigning(kFips, On(Curve::kP256), Ecdsa(Digest::kNone), 20)));
  EXPECT_FALSE(Refused(AllowSigning(kFips, On(Curve::kP256), Ecdsa(Digest::kNone), 32)));
  EXPECT_FALSE(Refused(AllowSigning(kFips, RsaPublic{}, {.digest = Digest::kSha1}, 0)));
  const ModeRules weak{ClusterMode::kFips, {.ecdsa_with_weak_hash = true}};
  EXPECT_FALSE(Refused(AllowSigning(weak, On(Curve::kP256), Ecdsa(Digest::kSha1), 0)));
}

TEST(ModeTest, FipsKeepsPkcs1V15ForSignatures) {
  using enum CipherMechanism::Kind;
  EXPECT_TRUE(Refused(AllowRsaCipher(kFips, kRsaPkcs1)));
  EXPECT_TRUE(Refused(AllowRsaCipher(kFips, kRsaTlsPkcs1)));
  EXPECT_FALSE(Refused(AllowRsaCipher(kFips, kRsaOaep)));
  EXPECT_FALSE(Refused(AllowRsaCipher(kNonFips, kRsaPkcs1)));
  EXPECT_FALSE(Refused(AllowSigning(kFips, RsaPublic{}, {}, 0)));
  EXPECT_TRUE(Refused(AllowWrapMethod(kFips, WrapMechanism::Kind::kRsaPkcs)));
  EXPECT_FALSE(Refused(AllowWrapMethod(kFips, WrapMechanism::Kind::kRsaOaep)));
  EXPECT_FALSE(Refused(AllowWrapMethod(kNonFips, WrapMechanism::Kind::kRsaPkcs)));
}

}  // namespace
}  // namespace hsmcore::policy
