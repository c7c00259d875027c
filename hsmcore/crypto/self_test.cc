// SPDX-License-Identifier: Apache-2.0
#include "crypto/self_test.h"

#include <openssl/core_names.h>
#include <openssl/params.h>

#include <array>
#include <memory>
#include <string_view>

#include "base/text.h"
#include "base/values.h"
#include "crypto/asymmetric_key.h"
#include "crypto/openssl_ptr.h"

namespace hsmcore::crypto {
namespace {

using RandCtxPtr = OpensslPtr<EVP_RAND_CTX, EVP_RAND_CTX_free>;

const unsigned char* Octets(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

OSSL_PARAM Param(const char* key, Bytes& octets) {
  return OSSL_PARAM_construct_octet_string(key, octets.data(), octets.size());
}

// FIPS 180-4's example.
Result<Bytes> HashAbc(const Library& library) {
  HSMCORE_TRY(const EVP_MD* md, library.Fetch(Digest::kSha256));
  constexpr std::string_view kMessage = "abc";
  Bytes digest(RowOf(Digest::kSha256).size);
  if (EVP_Digest(kMessage.data(), kMessage.size(), digest.data(), nullptr, md, nullptr) != 1) {
    return Fail(ErrorCode::kSelfTest, "SHA-256 fails");
  }
  return digest;
}

// RFC 4231, case 2.
Result<Bytes> AuthenticateJefe(const Library& library) {
  constexpr std::string_view kKey = "Jefe";
  constexpr std::string_view kMessage = "what do ya want for nothing?";
  Bytes tag(RowOf(Digest::kSha256).size);
  std::size_t size = 0;
  if (EVP_Q_mac(library.context(), "HMAC", nullptr, "SHA2-256", nullptr, kKey.data(), kKey.size(),
                Octets(kMessage), kMessage.size(), tag.data(), tag.size(), &size) == nullptr) {
    return Fail(ErrorCode::kSelfTest, "HMAC fails");
  }
  return tag;
}

// The GCM specification's case 14: everything zero; the ciphertext, then the tag.
Result<Bytes> EncryptZeros(const Library& library) {
  constexpr int kBlock = 16;
  const CipherPtr cipher(EVP_CIPHER_fetch(library.context(), "AES-256-GCM", nullptr));
  const CipherCtxPtr context(EVP_CIPHER_CTX_new());
  const std::array<unsigned char, 32> key{};
  const std::array<unsigned char, 12> nonce{};
  const std::array<unsigned char, kBlock> plain{};
  Bytes out(2UL * kBlock);
  int done = 0;
  if (cipher == nullptr || context == nullptr ||
      EVP_EncryptInit_ex2(context.get(), cipher.get(), key.data(), nonce.data(), nullptr) != 1 ||
      EVP_EncryptUpdate(context.get(), out.data(), &done, plain.data(), kBlock) != 1 ||
      EVP_EncryptFinal_ex(context.get(), out.data() + kBlock, &done) != 1 ||
      EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_AEAD_GET_TAG, kBlock, out.data() + kBlock) != 1) {
    return Fail(ErrorCode::kSelfTest, "AES-256-GCM fails");
  }
  return out;
}

RandCtxPtr NewGenerator(const Library& library, const char* name, EVP_RAND_CTX* parent) {
  EVP_RAND* method = EVP_RAND_fetch(library.context(), name, nullptr);
  if (method == nullptr) return nullptr;
  RandCtxPtr context(EVP_RAND_CTX_new(method, parent));
  EVP_RAND_free(method);
  return context;
}

// NIST's DRBG vectors, CTR_DRBG AES-256 with the derivation function, no reseed: the first case,
// whose answer is the second block of output.
Result<Bytes> DrawFixed(const Library& library) {
  constexpr unsigned kStrength = 256;
  // Without a personalization string OpenSSL takes one of its own.
  constexpr std::array<unsigned char, 1> kNothing{};
  Bytes entropy = *ParseHex("36401940fa8b1fba91a1661f211d78a0b9389a74e5bccfece8d766af1a6d3b14");
  Bytes nonce = *ParseHex("496f25b0f1301b4f501be30380a137eb");
  unsigned strength = kStrength;
  const std::array seed = {
      Param(OSSL_RAND_PARAM_TEST_ENTROPY, entropy), Param(OSSL_RAND_PARAM_TEST_NONCE, nonce),
      OSSL_PARAM_construct_uint(OSSL_RAND_PARAM_STRENGTH, &strength), OSSL_PARAM_construct_end()};
  std::string cipher = "AES-256-CTR";
  const std::array settings = {
      OSSL_PARAM_construct_utf8_string(OSSL_DRBG_PARAM_CIPHER, cipher.data(), 0),
      OSSL_PARAM_construct_end()};
  const RandCtxPtr source = NewGenerator(library, "TEST-RAND", nullptr);
  const RandCtxPtr drbg = NewGenerator(library, "CTR-DRBG", source.get());
  Bytes out(64);
  if (source == nullptr || drbg == nullptr ||
      EVP_RAND_instantiate(source.get(), kStrength, 0, nullptr, 0, seed.data()) != 1 ||
      EVP_RAND_instantiate(drbg.get(), kStrength, 0, kNothing.data(), 0, settings.data()) != 1 ||
      EVP_RAND_generate(drbg.get(), out.data(), out.size(), kStrength, 0, nullptr, 0) != 1 ||
      EVP_RAND_generate(drbg.get(), out.data(), out.size(), kStrength, 0, nullptr, 0) != 1) {
    return Fail(ErrorCode::kSelfTest, "CTR-DRBG fails");
  }
  return out;
}

constexpr auto kKnownAnswers = std::to_array<KnownAnswer>({
    {"SHA-256", HashAbc, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
    {"HMAC with SHA-256", AuthenticateJefe,
     "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"},
    {"AES-256-GCM", EncryptZeros,
     "cea7403d4d606b6e074ec5d3baf39d18d0d1c8a799996bf0265b98b5d48ab919"},
    {"CTR-DRBG", DrawFixed,
     "5862eb38bd558dd978a696e6df164782ddd887e7e9a6c9f3f1fbafb78941b535"
     "a64912dfd224c6dc7454e5250b3d97165e16260c2faf1cc7735cb75fb4f07e1d"},
});

struct Pair {
  const char* name;
  KeyType type;
  SignMechanism::Kind kind;
  bool fips;  // allowed in FIPS mode
};

constexpr auto kPairs = std::to_array<Pair>({
    {"RSA", KeyType::kRsa, SignMechanism::Kind::kRsaPss, true},
    {"ECDSA", KeyType::kEc, SignMechanism::Kind::kEcdsa, true},
    {"Ed25519", KeyType::kEd25519, SignMechanism::Kind::kEddsa, false},
});

// A fresh pair's signature is valid, and not for another message.
Status CheckPair(const Pair& pair, LibraryKind kind) {
  KeySpec spec;
  spec.type = pair.type;
  HSMCORE_TRY(const KeyPairMaterial material, GeneratePair(spec, kind));
  HSMCORE_TRY(const auto key, AsymmetricKey::FromPair(material, true, kind));
  SignMechanism mechanism{.kind = pair.kind};
  if (mechanism.whole_message()) mechanism.digest = Digest::kNone;
  Bytes message(RowOf(Digest::kSha256).size, 0x5a);
  Bytes signature(key->max_signature_size());
  HSMCORE_TRY(const std::size_t size, key->Sign(mechanism, message, signature));
  signature.resize(size);
  HSMCORE_TRY(const bool valid, key->Verify(mechanism, message, signature));
  message[0] ^= 1U;
  HSMCORE_TRY(const bool altered, key->Verify(mechanism, message, signature));
  if (valid && !altered) return {};
  return Fail(ErrorCode::kSelfTest, Cat(pair.name, ": signing and verifying disagree"));
}

}  // namespace

std::span<const KnownAnswer> KnownAnswers() { return kKnownAnswers; }

Status Check(const Library& library, const KnownAnswer& test) {
  const LibraryScope scope(library);
  HSMCORE_TRY(const Bytes answer, test.compute(library));
  if (answer == ParseHex(test.expected)) return {};
  return Fail(ErrorCode::kSelfTest, Cat(test.name, " gives a wrong answer"));
}

Status RunSelfTests(LibraryKind kind) {
  HSMCORE_TRY(const LibraryPtr library, Library::Acquire(kind));
  const bool fips = kind == LibraryKind::kFips;
  if (fips && OSSL_PROVIDER_self_test(library->provider()) != 1) {
    return Fail(ErrorCode::kSelfTest, Cat(library->ProviderName(), " fails its own tests"));
  }
  for (const KnownAnswer& test : KnownAnswers()) HSMCORE_CHECK(Check(*library, test));
  for (const Pair& pair : kPairs) {
    if (pair.fips || !fips) HSMCORE_CHECK(CheckPair(pair, kind));
  }
  return {};
}

}  // namespace hsmcore::crypto
