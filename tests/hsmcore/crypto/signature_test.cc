// SPDX-License-Identifier: Apache-2.0
// Sign, Verify and VerifyRecover, each against the default provider.
#include <gtest/gtest.h>
#include <openssl/err.h>

#include <algorithm>
#include <vector>

#include "hsmcore/crypto/default_provider.h"

namespace hsmcore::crypto {
namespace {

using Kind = SignMechanism::Kind;

struct Case {
  const TwinKey* twin;
  SignMechanism mechanism;
};

std::string Describe(const SignMechanism& m) {
  return "kind " + std::to_string(static_cast<int>(m.kind)) + " digest " + RowOf(m.digest).name +
         " mgf " + RowOf(m.mgf_digest).name + " salt " + std::to_string(m.salt_length);
}

// What is signed: a digest where there is one, else something that fits.
Bytes TbsFor(const Case& c, RandomBytes& random) {
  if (c.mechanism.kind == Kind::kRsaRaw) {
    Bytes tbs = random(c.twin->ours->max_signature_size());
    tbs.front() = 0;  // smaller than the modulus
    return tbs;
  }
  if (c.mechanism.kind == Kind::kEddsa) return random(random.Below(1000));
  if (c.mechanism.digest != Digest::kNone) return random(RowOf(c.mechanism.digest).size);
  return random(1 + random.Below(66));
}

std::vector<Case> AllCases() {
  std::vector<Case> cases;
  for (const DigestRow& row : AllDigests()) {
    cases.push_back({&RsaTwin(), {.kind = Kind::kRsaPkcs1, .digest = row.digest}});
    for (const CurveRow& curve : AllCurves()) {
      cases.push_back({&EcTwin(curve.curve), {.kind = Kind::kEcdsa, .digest = row.digest}});
    }
    if (row.digest == Digest::kNone) continue;
    cases.push_back({&RsaTwin(), {.kind = Kind::kRsaX931, .digest = row.digest}});
    for (const int salt : {kSaltLengthDigest, kSaltLengthAuto, kSaltLengthMax, 0, 11}) {
      for (const Digest mgf : {row.digest, Digest::kSha1, Digest::kSha3_256}) {
        const SignMechanism pss{Kind::kRsaPss, row.digest, mgf, salt};
        cases.push_back({&RsaTwin(), pss});
        cases.push_back({&RsaPssTwin(), pss});
      }
    }
  }
  cases.push_back({&Rsa2304Twin(), {.kind = Kind::kRsaPkcs1}});
  cases.push_back({&Rsa2304Twin(), {.kind = Kind::kRsaPss}});
  cases.push_back({&RsaTwin(), {.kind = Kind::kRsaRaw, .digest = Digest::kNone}});
  cases.push_back({&Ed25519Twin(), {.kind = Kind::kEddsa, .digest = Digest::kNone}});
  return cases;
}

TEST(SignatureTest, EveryMechanismAgreesWithTheDefaultProvider) {
  RandomBytes random;
  SCOPED_TRACE(random.Trace());
  std::size_t signed_cases = 0;
  for (const Case& c : AllCases()) {
    SCOPED_TRACE(Describe(c.mechanism));
    const Bytes tbs = TbsFor(c, random);
    const auto theirs = DefaultSign(c.twin->theirs.get(), c.mechanism, tbs);
    const auto ours = Sign(c.twin->ours, c.mechanism, tbs);
    ASSERT_EQ(ours.has_value(), theirs.has_value());
    EXPECT_EQ(ERR_peek_error(), 0UL);
    if (!ours) continue;
    ++signed_cases;
    EXPECT_TRUE(DefaultVerify(c.twin->theirs.get(), c.mechanism, tbs, *ours));
    EXPECT_TRUE(c.twin->ours->Verify(c.mechanism, tbs, *theirs).value());
    EXPECT_TRUE(c.twin->ours_public->Verify(c.mechanism, tbs, *theirs).value());

    Bytes tampered = *theirs;
    tampered[random.Below(tampered.size())] ^= static_cast<std::uint8_t>(1 + random.Below(255));
    EXPECT_FALSE(c.twin->ours_public->Verify(c.mechanism, tbs, tampered).value());
    EXPECT_EQ(ERR_peek_error(), 0UL);
  }
  EXPECT_GT(signed_cases, 300U);
}

TEST(SignatureTest, RefusesTruncatedAndEmptySignatures) {
  for (const Case& c :
       {Case{&RsaTwin(), {.kind = Kind::kRsaPkcs1}}, Case{&RsaTwin(), {.kind = Kind::kRsaPss}},
        Case{&EcTwin(Curve::kP256), {.kind = Kind::kEcdsa}},
        Case{&Ed25519Twin(), {.kind = Kind::kEddsa}}}) {
    SCOPED_TRACE(Describe(c.mechanism));
    const Bytes tbs(32, 7);
    const Bytes signature = Sign(c.twin->ours, c.mechanism, tbs).value();
    for (const std::size_t size : {std::size_t{0}, std::size_t{1}, signature.size() - 1}) {
      const ByteView part = ByteView(signature).first(size);
      EXPECT_FALSE(c.twin->ours->Verify(c.mechanism, tbs, part).value()) << size;
    }
    EXPECT_EQ(ERR_peek_error(), 0UL);
  }
}

TEST(SignatureTest, SaltLengthAutoDigestMaxIsTheDigestWhereItFits) {
  const Bytes tbs(64, 1);
  SignMechanism mechanism{Kind::kRsaPss, Digest::kSha512, Digest::kSha512,
                          kSaltLengthAutoDigestMax};
  const Bytes signature = Sign(RsaTwin().ours, mechanism, tbs).value();
  EXPECT_TRUE(RsaTwin().ours->Verify(mechanism, tbs, signature).value());
  mechanism.salt_length = 64;
  EXPECT_TRUE(DefaultVerify(RsaTwin().theirs.get(), mechanism, tbs, signature));
  mechanism.salt_length = 63;
  EXPECT_FALSE(DefaultVerify(RsaTwin().theirs.get(), mechanism, tbs, signature));
}

TEST(SignatureTest, SaltLengthAutoDigestMaxIsTheMaximumWhereTheDigestDoesNotFit) {
  const auto small = GenerateDefault("RSA", "1024");
  const auto pub = AsymmetricKey::FromPublic(DecodeSpkiOf(small.get())).value();
  const SignMechanism longest{Kind::kRsaPss, Digest::kSha512, Digest::kSha512, kSaltLengthMax};
  SignMechanism mechanism = longest;
  mechanism.salt_length = kSaltLengthAutoDigestMax;
  const Bytes tbs(64, 1);
  const auto signature = DefaultSign(small.get(), longest, tbs);
  EXPECT_TRUE(pub->Verify(mechanism, tbs, signature.value()).value());
}

TEST(SignatureTest, RestrictedPssKeyTakesNothingWeaker) {
  const PssRestrictions restrictions{Digest::kSha256, Digest::kSha256, 32};
  KeySpec spec;
  spec.type = KeyType::kRsaPss;
  spec.pss = restrictions;
  const KeyRef key = AsymmetricKey::FromPair(GeneratePair(spec).value(), true).value();
  const SignMechanism good{Kind::kRsaPss, Digest::kSha256, Digest::kSha256, 32};
  EXPECT_TRUE(Sign(key, good, Bytes(32)));
  SignMechanism digest = good;
  digest.digest = Digest::kSha512;
  EXPECT_EQ(CodeOf(Sign(key, digest, Bytes(64))), ErrorCode::kMechanism);
  SignMechanism mgf = good;
  mgf.mgf_digest = Digest::kSha1;
  EXPECT_EQ(CodeOf(Sign(key, mgf, Bytes(32))), ErrorCode::kMechanism);
  SignMechanism salt = good;
  salt.salt_length = 31;
  EXPECT_EQ(CodeOf(Sign(key, salt, Bytes(32))), ErrorCode::kMechanism);
  EXPECT_EQ(ERR_peek_error(), 0UL);
}

TEST(SignatureTest, RecoversWhatRsaSignaturesHold) {
  RandomBytes random;
  SCOPED_TRACE(random.Trace());
  Bytes out(256);
  for (const SignMechanism& mechanism :
       {SignMechanism{.kind = Kind::kRsaPkcs1}, SignMechanism{.kind = Kind::kRsaX931},
        SignMechanism{.kind = Kind::kRsaPkcs1, .digest = Digest::kNone}}) {
    SCOPED_TRACE(Describe(mechanism));
    const Bytes tbs = random(32);
    const Bytes signature = Sign(RsaTwin().ours, mechanism, tbs).value();
    const std::size_t size =
        RsaTwin().ours_public->VerifyRecover(mechanism, signature, out).value();
    EXPECT_TRUE(std::ranges::equal(ByteView(out).first(size), tbs));
    Bytes small(31);
    EXPECT_EQ(CodeOf(RsaTwin().ours->VerifyRecover(mechanism, signature, small)),
              ErrorCode::kBufferTooSmall);
    EXPECT_EQ(CodeOf(RsaTwin().ours->VerifyRecover(mechanism, Bytes(256, 3), out)),
              ErrorCode::kCryptoFailure);
  }
  EXPECT_EQ(CodeOf(RsaTwin().ours->VerifyRecover({.kind = Kind::kRsaPss}, Bytes(256), out)),
            ErrorCode::kMechanism);
  EXPECT_EQ(ERR_peek_error(), 0UL);
}

TEST(SignatureTest, SaysWhatDoesNotFit) {
  Bytes out(512);
  const auto sign = [&](const TwinKey& twin, SignMechanism mechanism, std::size_t size) {
    return CodeOf(twin.ours->Sign(mechanism, Bytes(size), out));
  };
  // the wrong key
  EXPECT_EQ(sign(RsaTwin(), {.kind = Kind::kEcdsa}, 32), ErrorCode::kKeyTypeMismatch);
  EXPECT_EQ(sign(RsaPssTwin(), {.kind = Kind::kRsaPkcs1}, 32), ErrorCode::kKeyTypeMismatch);
  EXPECT_EQ(sign(EcTwin(Curve::kP256), {.kind = Kind::kEddsa}, 32), ErrorCode::kKeyTypeMismatch);
  EXPECT_EQ(sign(Ed25519Twin(), {.kind = Kind::kEcdsa}, 32), ErrorCode::kKeyTypeMismatch);
  // lengths
  EXPECT_EQ(sign(RsaTwin(), {.kind = Kind::kRsaPkcs1}, 31), ErrorCode::kDataLength);
  EXPECT_EQ(sign(EcTwin(Curve::kP384), {.kind = Kind::kEcdsa}, 33), ErrorCode::kDataLength);
  EXPECT_EQ(sign(RsaTwin(), {.kind = Kind::kRsaRaw}, 255), ErrorCode::kDataLength);
  const SignMechanism bare{.kind = Kind::kRsaPkcs1, .digest = Digest::kNone};
  EXPECT_EQ(sign(RsaTwin(), bare, 245), std::nullopt);
  EXPECT_EQ(sign(RsaTwin(), bare, 246), ErrorCode::kDataLength);
  // digests
  EXPECT_EQ(sign(RsaTwin(), {.kind = Kind::kRsaPss, .digest = Digest::kNone}, 32),
            ErrorCode::kDigest);
  EXPECT_EQ(sign(RsaTwin(), {.kind = Kind::kRsaPss, .mgf_digest = Digest::kNone}, 32),
            ErrorCode::kDigest);
  EXPECT_EQ(sign(RsaTwin(), {.kind = Kind::kRsaPss, .salt_length = 1000}, 32),
            ErrorCode::kCryptoFailure);
  EXPECT_EQ(sign(RsaTwin(), {.kind = Kind::kRsaPss, .salt_length = -5}, 32), ErrorCode::kMechanism);
  // a number that is not below the modulus
  EXPECT_EQ(CodeOf(RsaTwin().ours->Sign({.kind = Kind::kRsaRaw}, Bytes(256, 0xff), out)),
            ErrorCode::kCryptoFailure);
  EXPECT_EQ(CodeOf(RsaTwin().ours_public->Sign({}, Bytes(32), out)), ErrorCode::kPublicKeyOnly);
  EXPECT_EQ(ERR_peek_error(), 0UL);
}

TEST(SignatureTest, WritesNothingIntoABufferThatIsTooSmall) {
  for (const auto& [twin, mechanism] : {Case{&RsaTwin(), {.kind = Kind::kRsaPkcs1}},
                                        Case{&EcTwin(Curve::kP521), {.kind = Kind::kEcdsa}},
                                        Case{&Ed25519Twin(), {.kind = Kind::kEddsa}}}) {
    Bytes out(twin->ours->max_signature_size() - 1, 0xa5);
    const Bytes untouched = out;
    EXPECT_EQ(CodeOf(twin->ours->Sign(mechanism, Bytes(32), out)), ErrorCode::kBufferTooSmall);
    EXPECT_EQ(CodeOf(twin->ours->Sign(mechanism, Bytes(32), {})), ErrorCode::kBufferTooSmall);
    EXPECT_EQ(out, untouched);
  }
}

TEST(SignatureTest, LeavesTheApplicationsErrorsAlone) {
  ERR_clear_error();
  ERR_raise(ERR_LIB_USER, 77);
  const unsigned long before = ERR_peek_last_error();
  const auto failed = Sign(RsaTwin().ours, {.kind = Kind::kRsaPss, .salt_length = 1000}, Bytes(32));
  ASSERT_FALSE(failed);
  EXPECT_NE(failed.error().detail().find(": "), std::string::npos) << failed.error().detail();
  EXPECT_EQ(ERR_peek_last_error(), before);
  EXPECT_EQ(ERR_get_error(), before);
  EXPECT_EQ(ERR_get_error(), 0UL);
}

}  // namespace
}  // namespace hsmcore::crypto
