// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>
#include <openssl/err.h>

#include <vector>

#include "hsmcore/crypto/default_provider.h"

namespace hsmcore::crypto {
namespace {

using Kind = CipherMechanism::Kind;

CipherMechanism Oaep(Digest digest, Digest mgf_digest, Bytes label = {}) {
  CipherMechanism mechanism;
  mechanism.digest = digest;
  mechanism.mgf_digest = mgf_digest;
  mechanism.label = std::move(label);
  return mechanism;
}

CipherMechanism Of(Kind kind) {
  CipherMechanism mechanism;
  mechanism.kind = kind;
  return mechanism;
}

std::size_t LimitOf(const CipherMechanism& mechanism) {
  if (mechanism.kind == Kind::kRsaOaep) return 256 - (2 * RowOf(mechanism.digest).size) - 2;
  return mechanism.kind == Kind::kRsaPkcs1 ? 245 : 256;
}

std::vector<CipherMechanism> Mechanisms(RandomBytes& random) {
  std::vector<CipherMechanism> mechanisms = {Of(Kind::kRsaPkcs1)};
  for (const DigestRow& row : AllDigests()) {
    if (row.digest == Digest::kNone) continue;
    mechanisms.push_back(Oaep(row.digest, row.digest));
    mechanisms.push_back(Oaep(row.digest, Digest::kSha1, random(1 + random.Below(300))));
    mechanisms.push_back(Oaep(Digest::kSha256, row.digest, random(3)));
  }
  return mechanisms;
}

TEST(CipherTest, EveryMechanismAgreesWithTheDefaultProvider) {
  RandomBytes random;
  SCOPED_TRACE(random.Trace());
  EVP_PKEY* theirs = RsaTwin().theirs.get();
  for (const CipherMechanism& mechanism : Mechanisms(random)) {
    SCOPED_TRACE(std::string(RowOf(mechanism.digest).name) + " " +
                 RowOf(mechanism.mgf_digest).name);
    const std::size_t limit = LimitOf(mechanism);
    for (const std::size_t size : {std::size_t{0}, std::size_t{1}, limit - 1, limit}) {
      const Bytes plain = random(size);
      const Bytes cipher = Encrypt(RsaTwin().ours_public, mechanism, plain).value();
      EXPECT_EQ(DefaultDecrypt(theirs, mechanism, cipher), plain);
      const auto their_cipher = DefaultEncrypt(theirs, mechanism, plain);
      EXPECT_EQ(Decrypt(RsaTwin().ours, mechanism, their_cipher.value()).value(), plain);
    }
    EXPECT_EQ(CodeOf(Encrypt(RsaTwin().ours, mechanism, Bytes(limit + 1))), ErrorCode::kDataLength);
  }
  EXPECT_EQ(ERR_peek_error(), 0UL);
}

TEST(CipherTest, RawRsaIsItsOwnInverse) {
  RandomBytes random;
  SCOPED_TRACE(random.Trace());
  Bytes plain = random(256);
  plain.front() = 0;
  const Bytes cipher = Encrypt(RsaTwin().ours_public, Of(Kind::kRsaRaw), plain).value();
  EXPECT_EQ(Decrypt(RsaTwin().ours, Of(Kind::kRsaRaw), cipher).value(), plain);
  EXPECT_EQ(DefaultDecrypt(RsaTwin().theirs.get(), Of(Kind::kRsaRaw), cipher), plain);
  EXPECT_EQ(CodeOf(Encrypt(RsaTwin().ours, Of(Kind::kRsaRaw), Bytes(255))), ErrorCode::kDataLength);
  EXPECT_EQ(CodeOf(Encrypt(RsaTwin().ours, Of(Kind::kRsaRaw), Bytes(256, 0xff))),
            ErrorCode::kCryptoFailure);
}

TEST(CipherTest, OaepFailuresAreAllTheSame) {
  const CipherMechanism mechanism = Oaep(Digest::kSha256, Digest::kSha256, {1, 2, 3});
  const Bytes cipher = Encrypt(RsaTwin().ours, mechanism, Bytes(20)).value();
  Bytes tampered = cipher;
  tampered[100] ^= 1;
  std::vector<Error> errors;
  for (const auto& [how, data] :
       {std::pair(mechanism, tampered), std::pair(Oaep(Digest::kSha256, Digest::kSha256), cipher),
        std::pair(Oaep(Digest::kSha256, Digest::kSha1, {1, 2, 3}), cipher),
        std::pair(mechanism, Bytes(256, 0xff)), std::pair(mechanism, Bytes())}) {
    const auto failed = Decrypt(RsaTwin().ours, how, data);
    ASSERT_FALSE(failed);
    errors.push_back(failed.error());
  }
  for (const Error& error : errors) {
    EXPECT_EQ(error.code(), ErrorCode::kDecryption);
    EXPECT_EQ(error.detail(), errors.front().detail());
  }
  EXPECT_EQ(ERR_peek_error(), 0UL);
}

TEST(CipherTest, AFailedDecryptionLeavesTheBufferAsItWas) {
  CipherMechanism pkcs1 = Of(Kind::kRsaPkcs1);
  for (const CipherMechanism& mechanism : {Oaep(Digest::kSha256, Digest::kSha256), pkcs1}) {
    Bytes cipher = Encrypt(RsaTwin().ours, mechanism, Bytes(20, 1)).value();
    cipher[100] ^= 1;
    Bytes out(256, 0xa5);
    const auto failed = RsaTwin().ours->Decrypt(mechanism, cipher, out);
    if (failed) continue;  // implicit rejection: a plaintext that means nothing
    EXPECT_EQ(failed.error().code(), ErrorCode::kDecryption);
    EXPECT_EQ(out, Bytes(256, 0xa5));
  }
}

TEST(CipherTest, ALabelStaysWithItsOperation) {
  const CipherMechanism with = Oaep(Digest::kSha256, Digest::kSha256, Bytes(40, 7));
  const CipherMechanism without = Oaep(Digest::kSha256, Digest::kSha256);
  for (int round = 0; round < 3; ++round) {
    const Bytes one = Encrypt(RsaTwin().ours, with, Bytes(5, 1)).value();
    const Bytes two = Encrypt(RsaTwin().ours, without, Bytes(5, 2)).value();
    EXPECT_EQ(Decrypt(RsaTwin().ours, with, one).value(), Bytes(5, 1));
    EXPECT_EQ(Decrypt(RsaTwin().ours, without, two).value(), Bytes(5, 2));
    EXPECT_EQ(CodeOf(Decrypt(RsaTwin().ours, without, one)), ErrorCode::kDecryption);
  }
}

TEST(CipherTest, Pkcs1RejectsLikeTheDefaultProvider) {
  Bytes cipher = Encrypt(RsaTwin().ours, Of(Kind::kRsaPkcs1), Bytes(20)).value();
  cipher[100] ^= 1;
  const auto theirs = DefaultDecrypt(RsaTwin().theirs.get(), Of(Kind::kRsaPkcs1), cipher);
  const auto ours = Decrypt(RsaTwin().ours, Of(Kind::kRsaPkcs1), cipher);
  ASSERT_EQ(ours.has_value(), theirs.has_value());
  if (ours) {
    EXPECT_EQ(*ours, *theirs);  // implicit rejection depends on the key and the data only
  } else {
    EXPECT_EQ(ours.error().code(), ErrorCode::kDecryption);
  }
}

TEST(CipherTest, ImplicitRejectionIsAsAskedOrRefused) {
  CipherMechanism mechanism = Of(Kind::kRsaPkcs1);
  Bytes cipher = Encrypt(RsaTwin().ours, mechanism, Bytes(20)).value();
  mechanism.implicit_rejection = true;
  const auto good = Decrypt(RsaTwin().ours, mechanism, cipher);
  if (good) {
    cipher[100] ^= 1;
    EXPECT_TRUE(Decrypt(RsaTwin().ours, mechanism, cipher));
  } else {
    EXPECT_EQ(good.error().code(), ErrorCode::kMechanism);
  }
}

class TlsPaddingTest : public ::testing::Test {
 protected:
  static constexpr unsigned kTls12 = 0x0303;

  static CipherMechanism Tls(unsigned client, unsigned negotiated) {
    CipherMechanism mechanism = Of(Kind::kRsaTlsPkcs1);
    mechanism.tls_client_version = client;
    mechanism.tls_negotiated_version = negotiated;
    return mechanism;
  }

  static Bytes PreMaster() {
    Bytes secret(48, 0x5a);
    secret[0] = 3;
    secret[1] = 3;
    return secret;
  }
};

TEST_F(TlsPaddingTest, GivesThePreMasterSecret) {
  const Bytes cipher = Encrypt(RsaTwin().ours, Of(Kind::kRsaPkcs1), PreMaster()).value();
  EXPECT_EQ(Decrypt(RsaTwin().ours, Tls(kTls12, 0), cipher).value(), PreMaster());
  // Just large enough.
  Bytes out(48);
  EXPECT_EQ(RsaTwin().ours->Decrypt(Tls(kTls12, 0), cipher, out).value(), 48U);
  EXPECT_EQ(CodeOf(RsaTwin().ours->Decrypt(Tls(kTls12, 0), cipher, std::span(out).first(47))),
            ErrorCode::kBufferTooSmall);
}

TEST_F(TlsPaddingTest, NeverFailsOnBadPaddingOrVersion) {
  const Bytes cipher = Encrypt(RsaTwin().ours, Of(Kind::kRsaPkcs1), PreMaster()).value();
  Bytes tampered = cipher;
  tampered[50] ^= 0x10;
  const auto garbage = Decrypt(RsaTwin().ours, Tls(kTls12, 0), tampered);
  ASSERT_TRUE(garbage);
  EXPECT_EQ(garbage->size(), 48U);
  EXPECT_NE(*garbage, PreMaster());
  const auto rollback = Decrypt(RsaTwin().ours, Tls(0x0302, 0), cipher);
  ASSERT_TRUE(rollback);
  EXPECT_NE(*rollback, PreMaster());
  // Old clients put the negotiated version there.
  EXPECT_EQ(Decrypt(RsaTwin().ours, Tls(0x0304, kTls12), cipher).value(), PreMaster());
}

TEST_F(TlsPaddingTest, IsForDecryptionOnly) {
  EXPECT_EQ(CodeOf(Encrypt(RsaTwin().ours, Tls(kTls12, 0), PreMaster())), ErrorCode::kMechanism);
}

TEST(CipherTest, SaysWhatDoesNotFit) {
  Bytes out(256);
  const Bytes cipher = Encrypt(RsaTwin().ours, {}, Bytes(5)).value();
  EXPECT_EQ(CodeOf(RsaTwin().ours_public->Decrypt({}, cipher, out)), ErrorCode::kPublicKeyOnly);
  EXPECT_EQ(CodeOf(RsaPssTwin().ours->Decrypt({}, cipher, out)), ErrorCode::kKeyTypeMismatch);
  EXPECT_EQ(CodeOf(EcTwin(Curve::kP256).ours->Encrypt({}, cipher, out)),
            ErrorCode::kKeyTypeMismatch);
  EXPECT_EQ(CodeOf(RsaTwin().ours->Decrypt({}, Bytes(257), out)), ErrorCode::kDataLength);
  EXPECT_EQ(CodeOf(RsaTwin().ours->Decrypt(Oaep(Digest::kNone, Digest::kSha1), cipher, out)),
            ErrorCode::kDigest);
  Bytes small(255, 0xa5);
  const Bytes untouched = small;
  EXPECT_EQ(CodeOf(RsaTwin().ours->Decrypt({}, cipher, small)), ErrorCode::kBufferTooSmall);
  EXPECT_EQ(CodeOf(RsaTwin().ours->Encrypt({}, Bytes(5), small)), ErrorCode::kBufferTooSmall);
  EXPECT_EQ(small, untouched);
  EXPECT_EQ(ERR_peek_error(), 0UL);
}

}  // namespace
}  // namespace hsmcore::crypto
