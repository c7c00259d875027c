// SPDX-License-Identifier: Apache-2.0
// What keys are accepted, and keys that are shared by threads and processes.
#include "crypto/asymmetric_key.h"

#include <gtest/gtest.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/params.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <thread>
#include <vector>

#include "crypto/openssl_ptr.h"
#include "hsmcore/crypto/default_provider.h"
#include "hsmcore/key_reference.h"

namespace hsmcore::crypto {
namespace {

using Kind = SignMechanism::Kind;

constexpr std::size_t kLargeModulusBytes = 2048;  // 16384 bits

PrivateMaterial CloneOf(const PrivateMaterial& material) {
  if (const auto* rsa = std::get_if<RsaPrivate>(&material)) {
    return RsaPrivate{rsa->d.Clone(),  rsa->p.Clone(),  rsa->q.Clone(),
                      rsa->dp.Clone(), rsa->dq.Clone(), rsa->qinv.Clone()};
  }
  if (const auto* ec = std::get_if<EcPrivate>(&material)) return EcPrivate{ec->scalar.Clone()};
  return RawPrivate{std::get<RawPrivate>(material).key.Clone(), {}};
}

KeyPairMaterial CloneOf(const KeyPairMaterial& pair) {
  return {pair.public_part, CloneOf(pair.private_part)};
}

std::optional<ErrorCode> Import(const KeyPairMaterial& pair) {
  return CodeOf(AsymmetricKey::FromPair(pair, true));
}

void FlipLastBit(SecretBytes& secret) {
  secret.Write(SecretAccess{"damaging a key in a test"}).back() ^= 1;
}

TEST(AsymmetricKeyTest, TellsSizeAndStrengthLikeTheDefaultProvider) {
  for (const TwinKey* twin : {&RsaTwin(), &Rsa2304Twin(), &RsaPssTwin(), &EcTwin(Curve::kP224),
                              &EcTwin(Curve::kP521), &Ed25519Twin()}) {
    const auto bits = static_cast<unsigned>(EVP_PKEY_get_security_bits(twin->theirs.get()));
    const auto size = static_cast<std::size_t>(EVP_PKEY_get_size(twin->theirs.get()));
    EXPECT_EQ(twin->ours->security_bits(), bits);
    EXPECT_EQ(twin->ours_public->security_bits(), bits);
    EXPECT_EQ(twin->ours->max_signature_size(), size);
  }
}

TEST(AsymmetricKeyTest, FindsHalvesThatDoNotBelongTogether) {
  for (const TwinKey* twin : {&RsaTwin(), &EcTwin(Curve::kP256), &Ed25519Twin()}) {
    KeySpec spec;
    spec.type = TypeOf(twin->material.public_part);
    KeyPairMaterial mixed = CloneOf(twin->material);
    mixed.public_part = GeneratePair(spec).value().public_part;
    EXPECT_EQ(Import(mixed), ErrorCode::kKeyImport) << NameOf(spec.type);
  }
  KeyPairMaterial types = CloneOf(EcTwin(Curve::kP256).material);
  types.public_part = Ed25519Twin().material.public_part;
  EXPECT_EQ(Import(types), ErrorCode::kKeyImport);
  EXPECT_EQ(CodeOf(AsymmetricKey::FromPair(types, false)), ErrorCode::kKeyImport);
  EXPECT_EQ(ERR_peek_error(), 0UL);
}

TEST(AsymmetricKeyTest, FindsDamageInEveryPartOfAnRsaKey) {
  for (const auto part : {&RsaPrivate::d, &RsaPrivate::p, &RsaPrivate::q, &RsaPrivate::dp,
                          &RsaPrivate::dq, &RsaPrivate::qinv}) {
    KeyPairMaterial damaged = CloneOf(RsaTwin().material);
    FlipLastBit(std::get<RsaPrivate>(damaged.private_part).*part);
    EXPECT_EQ(Import(damaged), ErrorCode::kKeyImport);
    std::get<RsaPrivate>(damaged.private_part).*part = SecretBytes();
    EXPECT_EQ(Import(damaged), ErrorCode::kKeyImport);
    std::get<RsaPrivate>(damaged.private_part).*part = SecretBytes(257);
    EXPECT_EQ(Import(damaged), ErrorCode::kKeyImport);
  }
}

TEST(AsymmetricKeyTest, RefusesScalarsOutOfRange) {
  for (const CurveRow& row : AllCurves()) {
    SCOPED_TRACE(row.name);
    KeyPairMaterial pair = CloneOf(EcTwin(row.curve).material);
    auto& scalar = std::get<EcPrivate>(pair.private_part).scalar;
    scalar = SecretBytes(row.field_bytes);
    EXPECT_EQ(Import(pair), ErrorCode::kKeyImport);
    scalar = SecretBytes::CopyOf(Bytes(row.field_bytes, 0xff));
    EXPECT_EQ(Import(pair), ErrorCode::kKeyImport);
    scalar = SecretBytes(std::size_t{row.field_bytes} - 1);
    EXPECT_EQ(Import(pair), ErrorCode::kKeyImport);
  }
}

TEST(AsymmetricKeyTest, HoldsPairsOfSupportedSizesOnly) {
  for (const char* bits : {"1024", "2056"}) {
    const auto small = GenerateDefault("RSA", bits);
    const PublicMaterial material = DecodeSpkiOf(small.get());
    EXPECT_TRUE(AsymmetricKey::FromPublic(material)) << bits;
    KeyPairMaterial pair = CloneOf(RsaTwin().material);
    pair.public_part = material;
    EXPECT_EQ(Import(pair), ErrorCode::kKeySize) << bits;
  }
}

// A signature of somebody's old key can be checked; no such key is held.
TEST(AsymmetricKeyTest, HoldsNoPairWithASmallExponent) {
  const PkeyCtxPtr context(EVP_PKEY_CTX_new_from_name(nullptr, "RSA", nullptr));
  std::uint64_t exponent = 3;
  const std::array params = {OSSL_PARAM_construct_uint64(OSSL_PKEY_PARAM_RSA_E, &exponent),
                             OSSL_PARAM_construct_end()};
  EVP_PKEY* made = nullptr;
  ASSERT_EQ(EVP_PKEY_keygen_init(context.get()), 1);
  ASSERT_EQ(EVP_PKEY_CTX_set_params(context.get(), params.data()), 1);
  ASSERT_EQ(EVP_PKEY_generate(context.get(), &made), 1);
  const DefaultPkey key(made);
  const auto pair = DecodePkcs8(SecretBytes::CopyOf(Pkcs8(key.get())));
  ASSERT_TRUE(pair) << pair.error().Message();
  const auto refused = AsymmetricKey::FromPair(*pair, true);
  ASSERT_EQ(CodeOf(refused), ErrorCode::kKeyImport);
  EXPECT_NE(refused.error().detail().find("smaller than 65537"), std::string::npos);
  const auto half = AsymmetricKey::FromPublic(pair->public_part);
  ASSERT_TRUE(half) << half.error().Message();
  const SignMechanism mechanism{.kind = SignMechanism::Kind::kRsaPkcs1};
  const Bytes tbs(32, 1);
  EXPECT_TRUE((*half)->Verify(mechanism, tbs, *DefaultSign(key.get(), mechanism, tbs)).value());
  KeySpec spec;
  spec.public_exponent = 3;
  EXPECT_EQ(CodeOf(GeneratePair(spec)), ErrorCode::kKeySize);
}

TEST(AsymmetricKeyTest, RefusesPublicKeysThatAreNone) {
  const auto code = [](const PublicMaterial& material) {
    return CodeOf(AsymmetricKey::FromPublic(material));
  };
  const RsaPublic good = std::get<RsaPublic>(RsaTwin().material.public_part);
  RsaPublic rsa = good;
  rsa.modulus.back() &= 0xfe;
  EXPECT_EQ(code(rsa), ErrorCode::kKeyImport);
  rsa = good;
  rsa.modulus.insert(rsa.modulus.begin(), 0);
  EXPECT_EQ(code(rsa), ErrorCode::kKeyImport);
  rsa = good;
  rsa.modulus.clear();
  EXPECT_EQ(code(rsa), ErrorCode::kKeyImport);
  rsa.modulus = Bytes(127, 0xff);
  EXPECT_EQ(code(rsa), ErrorCode::kKeyImport);
  rsa.modulus = Bytes(2049, 0xff);
  EXPECT_EQ(code(rsa), ErrorCode::kKeyImport);
  for (const Bytes& exponent :
       {Bytes{}, Bytes{1}, Bytes{2}, Bytes{0, 3}, Bytes{1, 0, 0}, Bytes(9, 0xff)}) {
    rsa = good;
    rsa.exponent = exponent;
    EXPECT_EQ(code(rsa), ErrorCode::kKeyImport);
  }
  rsa = good;
  rsa.pss = PssRestrictions{};
  EXPECT_EQ(code(rsa), ErrorCode::kKeyImport);
  rsa.pss_only = true;
  EXPECT_EQ(code(rsa), std::nullopt);
  rsa.pss->digest = Digest::kMd5;
  EXPECT_EQ(code(rsa), ErrorCode::kKeyImport);

  EcPublic ec = std::get<EcPublic>(EcTwin(Curve::kP384).material.public_part);
  ec.point.back() ^= 1;
  EXPECT_EQ(code(ec), ErrorCode::kKeyImport);
  EXPECT_EQ(code(EcPublic{Curve::kP384, {}}), ErrorCode::kKeyImport);
  EXPECT_EQ(code(EcPublic{Curve::kP384, Bytes(97, 4)}), ErrorCode::kKeyImport);
  EXPECT_EQ(code(RawPublic{KeyType::kEd25519, Bytes(31)}), ErrorCode::kKeyImport);
  EXPECT_EQ(ERR_peek_error(), 0UL);
}

TEST(AsymmetricKeyTest, VerifiesWithLargeAndSmallPublicExponents) {
  RsaPublic rsa;
  rsa.modulus = Bytes(kLargeModulusBytes, 0xff);
  for (const Bytes& exponent : {Bytes{3}, Bytes{1, 0, 1}}) {
    rsa.exponent = exponent;
    const auto key = AsymmetricKey::FromPublic(rsa);
    ASSERT_TRUE(key);
    EXPECT_FALSE((*key)->Verify({}, Bytes(32), Bytes(kLargeModulusBytes, 1)).value());
  }
}

// Uses a key with several mechanisms that nobody has used before, so that the patterns are made
// while others look for them.
void SignWithEverything(const TwinKey& twin, const KeyRef& key, int seed, std::atomic<int>& bad) {
  static constexpr std::array kDigests = {Digest::kSha1, Digest::kSha256, Digest::kSha384,
                                          Digest::kSha512};
  for (int i = 0; i < 12; ++i) {
    const Digest digest = kDigests[static_cast<std::size_t>(seed + i) % kDigests.size()];
    SignMechanism mechanism{.digest = digest, .mgf_digest = digest};
    if (TypeOf(twin.material.public_part) == KeyType::kEc) mechanism.kind = Kind::kEcdsa;
    if (TypeOf(twin.material.public_part) == KeyType::kEd25519) mechanism.kind = Kind::kEddsa;
    if (TypeOf(twin.material.public_part) == KeyType::kRsa && i % 2 == 0) {
      mechanism.kind = Kind::kRsaPss;
      mechanism.salt_length = i;  // more patterns than are kept, too
    }
    const Bytes tbs(RowOf(digest).size, static_cast<std::uint8_t>(i));
    const auto signature = Sign(key, mechanism, tbs);
    if (!signature || !key->Verify(mechanism, tbs, *signature).value_or(false)) ++bad;
  }
}

TEST(AsymmetricKeyTest, EightThreadsShareAKey) {
  for (const TwinKey* twin : {&RsaTwin(), &EcTwin(Curve::kP256), &Ed25519Twin()}) {
    const KeyRef key = AsymmetricKey::FromPair(twin->material, false).value();
    std::atomic<int> bad = 0;
    {
      std::vector<std::jthread> threads;
      for (int i = 0; i < 8; ++i) {
        threads.emplace_back([&, i] { SignWithEverything(*twin, key, i, bad); });
      }
    }
    EXPECT_EQ(bad, 0) << NameOf(TypeOf(twin->material.public_part));
  }
}

TEST(AsymmetricKeyTest, AChildProcessGoesOnWithTheKey) {
  const TwinKey& twin = EcTwin(Curve::kP256);
  const SignMechanism mechanism{.kind = Kind::kEcdsa};
  ASSERT_TRUE(Sign(twin.ours, mechanism, Bytes(32)));
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    std::atomic<int> bad = 0;
    SignWithEverything(twin, twin.ours, 1, bad);
    SignWithEverything(RsaTwin(), RsaTwin().ours, 2, bad);
    if (!GeneratePair(KeySpec{KeyType::kEd25519, 0, 0, {}, Curve::kP256})) ++bad;
    _exit(bad == 0 ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
}

// A nonce that parent and child share gives the private key away.
TEST(AsymmetricKeyTest, ParentAndChildDrawDifferentNonces) {
  const TwinKey& twin = EcTwin(Curve::kP256);
  const SignMechanism mechanism{.kind = Kind::kEcdsa};
  ASSERT_TRUE(Sign(twin.ours, mechanism, Bytes(32)));
  std::array<int, 2> ends{};
  ASSERT_EQ(pipe(ends.data()), 0);
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    const auto signature = Sign(twin.ours, mechanism, Bytes(32));
    const bool written = signature && write(ends[1], signature->data(), signature->size()) ==
                                          static_cast<ssize_t>(signature->size());
    _exit(written ? 0 : 1);
  }
  const Bytes ours = Sign(twin.ours, mechanism, Bytes(32)).value();
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  ASSERT_EQ(status, 0);
  Bytes theirs(200);
  const ssize_t size = read(ends[0], theirs.data(), theirs.size());
  close(ends[0]);
  close(ends[1]);
  ASSERT_GT(size, 0);
  theirs.resize(static_cast<std::size_t>(size));
  EXPECT_NE(ours, theirs);
}

}  // namespace
}  // namespace hsmcore::crypto
