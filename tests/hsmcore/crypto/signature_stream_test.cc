// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>
#include <openssl/err.h>
#include <sys/mman.h>

#include <memory>

#include "hsmcore/crypto/default_provider.h"

namespace hsmcore::crypto {
namespace {

using Kind = SignMechanism::Kind;

struct Case {
  const TwinKey* twin;
  SignMechanism mechanism;
};
std::vector<Case> Cases() {
  return {{&RsaTwin(), {.kind = Kind::kRsaPkcs1}},
          {&RsaTwin(), {.kind = Kind::kRsaPkcs1, .digest = Digest::kMd5Sha1}},
          {&RsaTwin(), {.kind = Kind::kRsaPss, .digest = Digest::kSha384}},
          {&RsaTwin(), {.kind = Kind::kRsaX931}},
          {&EcTwin(Curve::kP256), {.kind = Kind::kEcdsa}},
          {&EcTwin(Curve::kSecp256k1), {.kind = Kind::kEcdsa, .digest = Digest::kSha3_512}},
          {&Ed25519Twin(), {.kind = Kind::kEddsa, .digest = Digest::kNone}}};
}

std::unique_ptr<SignatureStream> NewSigner(const Case& c) {
  return c.twin->ours->NewSigner(c.twin->ours, c.mechanism).value();
}
std::unique_ptr<SignatureStream> NewVerifier(const Case& c) {
  return c.twin->ours_public->NewVerifier(c.twin->ours_public, c.mechanism).value();
}

Bytes TbsOf(const Case& c, ByteView message) {
  if (c.mechanism.kind == Kind::kEddsa) return {message.begin(), message.end()};
  return DefaultHash(c.mechanism.digest, message);
}

void FeedInPieces(SignatureStream& stream, ByteView message, RandomBytes& random) {
  while (!message.empty()) {
    const std::size_t size = std::min(message.size(), random.Below(200));
    ASSERT_TRUE(stream.Update(message.first(size)));
    message = message.subspan(size);
  }
}

TEST(SignatureStreamTest, SignsAndVerifiesWhatTheDefaultProviderDoes) {
  RandomBytes random;
  SCOPED_TRACE(random.Trace());
  for (const std::size_t size : {0U, 1U, 63U, 64U, 65U, 127U, 128U, 5000U}) {
    for (const Case& c : Cases()) {
      SCOPED_TRACE(std::string(NameOf(TypeOf(c.twin->material.public_part))) + " " +
                   RowOf(c.mechanism.digest).name + " " + std::to_string(size));
      const Bytes message = random(size);
      const auto signer = NewSigner(c);
      FeedInPieces(*signer, message, random);
      Bytes signature(c.twin->ours->max_signature_size());
      signature.resize(signer->Sign(signature).value());
      EXPECT_TRUE(DefaultVerify(c.twin->theirs.get(), c.mechanism, TbsOf(c, message), signature));

      const auto verifier = NewVerifier(c);
      FeedInPieces(*verifier, message, random);
      EXPECT_TRUE(verifier->Verify(signature).value());
      const auto other = NewVerifier(c);
      FeedInPieces(*other, random(size + 1), random);
      EXPECT_FALSE(other->Verify(signature).value());
    }
  }
  EXPECT_EQ(ERR_peek_error(), 0UL);
}

TEST(SignatureStreamTest, ASmallBufferLeavesTheStreamUsable) {
  for (const Case& c : Cases()) {
    const Bytes message(100, 9);
    const auto signer = NewSigner(c);
    ASSERT_TRUE(signer->Update(message));
    Bytes signature(c.twin->ours->max_signature_size(), 0xa5);
    const Bytes untouched = signature;
    EXPECT_EQ(CodeOf(signer->Sign({})), ErrorCode::kBufferTooSmall);
    EXPECT_EQ(CodeOf(signer->Sign(std::span(signature).first(signature.size() - 1))),
              ErrorCode::kBufferTooSmall);
    EXPECT_EQ(signature, untouched);
    signature.resize(signer->Sign(signature).value());
    EXPECT_TRUE(c.twin->ours->Verify(c.mechanism, TbsOf(c, message), signature).value());
  }
}

TEST(SignatureStreamTest, EndsWithItsOperationAndDoesNoOther) {
  for (const Case& c : Cases()) {
    Bytes out(c.twin->ours->max_signature_size());
    const auto signer = NewSigner(c);
    EXPECT_EQ(CodeOf(signer->Verify(out)), ErrorCode::kOperationState);
    ASSERT_TRUE(signer->Sign(out));
    EXPECT_EQ(CodeOf(signer->Sign(out)), ErrorCode::kOperationState);
    EXPECT_EQ(CodeOf(signer->Update(out)), ErrorCode::kOperationState);
    const auto verifier = NewVerifier(c);
    EXPECT_EQ(CodeOf(verifier->Sign(out)), ErrorCode::kOperationState);
    ASSERT_TRUE(verifier->Verify(out));
    EXPECT_EQ(CodeOf(verifier->Verify(out)), ErrorCode::kOperationState);
  }
}

TEST(SignatureStreamTest, ACloneGoesItsOwnWay) {
  for (const Case& c : Cases()) {
    Bytes first(c.twin->ours->max_signature_size());
    Bytes second = first;
    const auto signer = NewSigner(c);
    ASSERT_TRUE(signer->Update(Bytes(10, 1)));
    const auto clone = signer->Clone().value();
    ASSERT_TRUE(signer->Update(Bytes(5, 2)));
    first.resize(signer->Sign(first).value());
    second.resize(clone->Sign(second).value());
    Bytes whole(10, 1);
    EXPECT_TRUE(c.twin->ours->Verify(c.mechanism, TbsOf(c, whole), second).value());
    whole.insert(whole.end(), 5, 2);
    EXPECT_TRUE(c.twin->ours->Verify(c.mechanism, TbsOf(c, whole), first).value());
  }
}

TEST(SignatureStreamTest, KeepsItsKeyAlive) {
  KeySpec spec;
  spec.type = KeyType::kEd25519;
  KeyRef key = AsymmetricKey::FromPair(GeneratePair(spec).value(), true).value();
  const auto signer = key->NewSigner(key, {.kind = Kind::kEddsa}).value();
  key.reset();
  Bytes out(64);
  EXPECT_EQ(signer->Sign(out).value(), 64U);
}

TEST(SignatureStreamTest, SaysAtOnceWhatDoesNotFit) {
  const KeyRef& rsa = RsaTwin().ours;
  EXPECT_EQ(CodeOf(rsa->NewSigner(rsa, {.kind = Kind::kRsaPkcs1, .digest = Digest::kNone})),
            ErrorCode::kDigest);
  EXPECT_EQ(CodeOf(rsa->NewSigner(rsa, {.kind = Kind::kRsaRaw})), ErrorCode::kDigest);
  EXPECT_EQ(CodeOf(rsa->NewVerifier(rsa, {.kind = Kind::kEcdsa})), ErrorCode::kKeyTypeMismatch);
  EXPECT_EQ(CodeOf(rsa->NewSigner(rsa, {.kind = Kind::kRsaPss, .salt_length = -9})),
            ErrorCode::kMechanism);
  const KeyRef& pub = RsaTwin().ours_public;
  EXPECT_EQ(CodeOf(pub->NewSigner(pub, {})), ErrorCode::kPublicKeyOnly);
}

TEST(SignatureStreamTest, Ed25519MessagesHaveALimit) {
  constexpr std::size_t kTooMuch = (std::size_t{1} << 30) + 1;
  void* pages =
      mmap(nullptr, kTooMuch, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  ASSERT_NE(pages, MAP_FAILED);
  const ByteView message(static_cast<const std::uint8_t*>(pages), kTooMuch);
  const KeyRef& key = Ed25519Twin().ours;
  const auto signer = key->NewSigner(key, {.kind = Kind::kEddsa}).value();
  EXPECT_EQ(CodeOf(signer->Update(message)), ErrorCode::kDataLength);
  ASSERT_TRUE(signer->Update(message.first(1)));
  EXPECT_EQ(CodeOf(signer->Update(message.first(kTooMuch - 1))), ErrorCode::kDataLength);
  munmap(pages, kTooMuch);
}

}  // namespace
}  // namespace hsmcore::crypto
