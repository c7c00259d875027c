// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/kdf.h>
#include <openssl/params.h>

#include <array>

#include "hsmcore/crypto/default_provider.h"

namespace hsmcore::crypto {
namespace {

constexpr SecretAccess kForTest{"comparison in a test"};

Bytes Open(const SecretBytes& secret) {
  const ByteView view = secret.Read(kForTest);
  return {view.begin(), view.end()};
}

Bytes DefaultAgree(EVP_PKEY* key, EVP_PKEY* peer) {
  EVP_PKEY_CTX* context = EVP_PKEY_CTX_new_from_pkey(nullptr, key, nullptr);
  Bytes secret(66);
  std::size_t size = secret.size();
  EXPECT_EQ(EVP_PKEY_derive_init(context), 1);
  EXPECT_EQ(EVP_PKEY_derive_set_peer(context, peer), 1);
  EXPECT_EQ(EVP_PKEY_derive(context, secret.data(), &size), 1);
  EVP_PKEY_CTX_free(context);
  secret.resize(size);
  return secret;
}

Bytes DefaultX963(Bytes secret, const char* digest, Bytes info, std::size_t length) {
  EVP_KDF* kdf = EVP_KDF_fetch(nullptr, OSSL_KDF_NAME_X963KDF, nullptr);
  EVP_KDF_CTX* context = EVP_KDF_CTX_new(kdf);
  Bytes out(length);
  const std::array params = {
      OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, const_cast<char*>(digest), 0),
      OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, secret.data(), secret.size()),
      OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO, info.data(), info.size()),
      OSSL_PARAM_construct_end()};
  EXPECT_EQ(EVP_KDF_derive(context, out.data(), out.size(), params.data()), 1);
  EVP_KDF_CTX_free(context);
  EVP_KDF_free(kdf);
  return out;
}

TEST(AgreeTest, GivesTheDefaultProvidersSecretOnEveryCurve) {
  for (const CurveRow& row : AllCurves()) {
    SCOPED_TRACE(row.name);
    const TwinKey& twin = EcTwin(row.curve);
    const auto peer = GenerateDefault("EC", row.name);
    const auto secret = twin.ours->Agree({}, DecodeSpkiOf(peer.get()));
    ASSERT_TRUE(secret) << secret.error().Message();
    EXPECT_EQ(secret->size(), row.field_bytes);
    EXPECT_EQ(Open(*secret), DefaultAgree(twin.theirs.get(), peer.get()));
  }
  EXPECT_EQ(ERR_peek_error(), 0UL);
}

TEST(AgreeTest, GivesTheDefaultProvidersSecretWithRawKeys) {
  for (const char* name : {"X25519", "X448"}) {
    SCOPED_TRACE(name);
    const TwinKey twin = Twin(GenerateDefault(name));
    const auto peer = GenerateDefault(name);
    const KeyRef ready = AsymmetricKey::FromPublic(DecodeSpkiOf(peer.get())).value();
    for (int i = 0; i < 2; ++i) {  // the second time with a pattern
      const auto secret = twin.ours->Agree({}, *ready);
      ASSERT_TRUE(secret) << secret.error().Message();
      EXPECT_EQ(Open(*secret), DefaultAgree(twin.theirs.get(), peer.get()));
    }
  }
  EXPECT_EQ(ERR_peek_error(), 0UL);
}

TEST(AgreeTest, RefusesPointsOfSmallOrder) {
  for (const KeyType type : {KeyType::kX25519, KeyType::kX448}) {
    SCOPED_TRACE(NameOf(type));
    const TwinKey twin = Twin(GenerateDefault(RowOf(type).openssl));
    const RawPublic zero{type, Bytes(RowOf(type).public_bytes)};
    EXPECT_EQ(CodeOf(twin.ours->Agree({}, zero)), ErrorCode::kKeyImport);
    RawPublic one = zero;
    one.key.front() = 1;
    EXPECT_EQ(CodeOf(twin.ours->Agree({}, one)), ErrorCode::kKeyImport);
    EXPECT_EQ(CodeOf(twin.ours->Agree({Digest::kSha256, {}, 16}, twin.material.public_part)),
              ErrorCode::kMechanism);
    EXPECT_EQ(CodeOf(twin.ours->Agree({}, EcTwin(Curve::kP256).material.public_part)),
              ErrorCode::kKeyTypeMismatch);
  }
  EXPECT_EQ(ERR_peek_error(), 0UL);
}

TEST(AgreeTest, DerivesWithX963) {
  const TwinKey& twin = EcTwin(Curve::kP256);
  const auto peer = GenerateDefault("EC", "P-256");
  const Bytes plain = DefaultAgree(twin.theirs.get(), peer.get());
  for (const std::size_t length : {1U, 32U, 100U}) {
    const AgreeMechanism mechanism{Digest::kSha384, {1, 2, 3}, length};
    const auto secret = twin.ours->Agree(mechanism, DecodeSpkiOf(peer.get()));
    ASSERT_TRUE(secret) << secret.error().Message();
    EXPECT_EQ(Open(*secret), DefaultX963(plain, "SHA384", {1, 2, 3}, length));
  }
  const AgreeMechanism no_info{Digest::kSha256, {}, 16};
  EXPECT_EQ(Open(twin.ours->Agree(no_info, DecodeSpkiOf(peer.get())).value()),
            DefaultX963(plain, "SHA256", {}, 16));
}

TEST(AgreeTest, RefusesForeignPeers) {
  const KeyRef& key = EcTwin(Curve::kP256).ours;
  const auto code = [&](const PublicMaterial& peer) { return CodeOf(key->Agree({}, peer)); };
  EXPECT_EQ(code(EcTwin(Curve::kSecp256k1).material.public_part), ErrorCode::kKeyTypeMismatch);
  EXPECT_EQ(code(RsaTwin().material.public_part), ErrorCode::kKeyTypeMismatch);
  EcPublic off_curve = std::get<EcPublic>(EcTwin(Curve::kP256).material.public_part);
  off_curve.point.back() ^= 1;
  EXPECT_EQ(code(off_curve), ErrorCode::kKeyImport);
  EXPECT_EQ(code(EcPublic{Curve::kP256, {0}}), ErrorCode::kKeyImport);
  EXPECT_EQ(code(EcPublic{Curve::kP256, {}}), ErrorCode::kKeyImport);
  const PublicMaterial& peer = EcTwin(Curve::kP256).material.public_part;
  EXPECT_EQ(CodeOf(EcTwin(Curve::kP256).ours_public->Agree({}, peer)), ErrorCode::kPublicKeyOnly);
  EXPECT_EQ(CodeOf(RsaTwin().ours->Agree({}, peer)), ErrorCode::kKeyTypeMismatch);
  EXPECT_EQ(CodeOf(key->Agree({Digest::kNone, {}, 16}, peer)), ErrorCode::kDigest);
  EXPECT_EQ(ERR_peek_error(), 0UL);
}

}  // namespace
}  // namespace hsmcore::crypto
