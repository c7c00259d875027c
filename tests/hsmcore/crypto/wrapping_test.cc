// SPDX-License-Identifier: Apache-2.0
#include "crypto/wrapping.h"

#include <gtest/gtest.h>
#include <openssl/evp.h>

#include <array>
#include <set>

#include "base/text.h"
#include "base/values.h"
#include "default_provider.h"

namespace hsmcore::crypto {
namespace {

using Kind = WrapMechanism::Kind;

constexpr SecretAccess kForTest{"test"};
const std::array kAesMethods = {Kind::kAesGcm, Kind::kCloudhsmAesGcm, Kind::kAesNoPad,
                                Kind::kAesZeroPad, Kind::kAesPkcs5Pad};
const std::array kRsaMethods = {Kind::kRsaAes, Kind::kRsaOaep, Kind::kRsaPkcs};

Bytes Hex(std::string_view text) { return ParseHex(text).value(); }
Bytes BytesOf(const SecretBytes& secret) {
  const ByteView view = secret.Read(kForTest);
  return {view.begin(), view.end()};
}

// An AES key, ready to wrap.
class Aes {
 public:
  explicit Aes(const Bytes& value)
      : key_(*SecretKey::From(KeyType::kAes, SecretBytes::CopyOf(value))) {}
  WrappingKey key() const { return {.secret = key_.get(), .type = KeyType::kAes}; }

 private:
  std::shared_ptr<const SecretKey> key_;
};

WrappingKey RsaKey() { return {.pair = RsaTwin().ours.get(), .type = KeyType::kRsa}; }

WrapMechanism Method(Kind kind) {
  WrapMechanism mechanism;
  mechanism.kind = kind;
  return mechanism;
}

Result<WrappedKey> WrapBytes(const WrappingKey& key, const WrapMechanism& mechanism,
                             const Bytes& payload) {
  return Wrap(key, mechanism, SecretBytes::CopyOf(payload));
}

// What comes out when `mechanism`, with the IV that wrapping gave, opens it again.
Result<Bytes> UnwrapBytes(const WrappingKey& key, WrapMechanism mechanism,
                          const WrappedKey& wrapped) {
  mechanism.iv = wrapped.iv;
  HSMCORE_TRY(const SecretBytes payload, Unwrap(key, mechanism, wrapped.data));
  return BytesOf(payload);
}

// One run of a cipher of OpenSSL's default provider. GCM: the tag is the end of what is encrypted.
std::optional<Bytes> DefaultCipher(const char* name, bool encrypt, const Bytes& key,
                                   const Bytes& iv, const Bytes& aad, Bytes data) {
  constexpr std::size_t kTag = 16;
  const bool gcm = !iv.empty();
  EVP_CIPHER* cipher = EVP_CIPHER_fetch(nullptr, name, nullptr);
  EVP_CIPHER_CTX* context = EVP_CIPHER_CTX_new();
  EVP_CIPHER_CTX_set_flags(context, EVP_CIPHER_CTX_FLAG_WRAP_ALLOW);
  Bytes tag(kTag);
  if (gcm && !encrypt) {
    tag.assign(data.end() - kTag, data.end());
    data.resize(data.size() - kTag);
  }
  Bytes out(data.size() + 32);
  int size = 0;
  int last = 0;
  bool ok = EVP_CipherInit_ex2(context, cipher, key.data(), gcm ? iv.data() : nullptr,
                               encrypt ? 1 : 0, nullptr) == 1;
  if (gcm && !encrypt) {
    ok = ok && EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_TAG, kTag, tag.data()) == 1;
  }
  if (!aad.empty()) {
    ok = ok && EVP_CipherUpdate(context, nullptr, &size, aad.data(), static_cast<int>(aad.size()));
  }
  ok = ok &&
       EVP_CipherUpdate(context, out.data(), &size, data.data(), static_cast<int>(data.size())) &&
       EVP_CipherFinal_ex(context, out.data() + size, &last);
  out.resize(static_cast<std::size_t>(size + last));
  if (gcm && encrypt) {
    ok = ok && EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, kTag, tag.data()) == 1;
    out.insert(out.end(), tag.begin(), tag.end());
  }
  EVP_CIPHER_CTX_free(context);
  EVP_CIPHER_free(cipher);
  return ok ? std::optional(out) : std::nullopt;
}

TEST(WrappingTest, MethodsHaveTheNamesOfTheTool) {
  for (const WrapMethodRow& row : AllWrapMethods()) EXPECT_EQ(WrapMethodByName(row.name), row.kind);
  EXPECT_FALSE(WrapMethodByName("aes-cbc"));
}

TEST(WrappingTest, KnownAnswersOfRfc3394) {
  const Bytes payload = Hex("00112233445566778899aabbccddeeff");
  const std::pair<const char*, const char*> cases[] = {
      {"000102030405060708090a0b0c0d0e0f", "1fa68b0a8112b447aef34bd8fb5a7b829d3e862371d2cfe5"},
      {"000102030405060708090a0b0c0d0e0f1011121314151617",
       "96778b25ae6ca435f92b5b97c050aed2468ab8a17ad84e5d"},
      {"000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",
       "64e8c3f9ce0f5ba263e9777905818a2a93c8191e7d6e8ae7"}};
  for (const auto& [key, wrapped] : cases) {
    const Aes aes(Hex(key));
    const auto made = WrapBytes(aes.key(), Method(Kind::kAesNoPad), payload);
    ASSERT_TRUE(made.has_value()) << made.error().Message();
    EXPECT_EQ(ToHex(made->data), wrapped);
    EXPECT_EQ(UnwrapBytes(aes.key(), Method(Kind::kAesNoPad), *made).value(), payload);
  }
}

TEST(WrappingTest, KnownAnswersOfRfc5649) {
  const Aes aes(Hex("5840df6e29b02af1ab493b705bf16ea1ae8338f4dcc176a8"));
  const std::pair<const char*, const char*> cases[] = {
      {"c37b7e6492584340bed12207808941155068f738",
       "138bdeaa9b8fa7fc61f97742e72248ee5ae6ae5360d1ae6a5f54f373fa543b6a"},
      {"466f7250617369", "afbeb0f07dfbf5419200f2ccb50bb24f"}};
  for (const auto& [payload, wrapped] : cases) {
    const auto made = WrapBytes(aes.key(), Method(Kind::kAesZeroPad), Hex(payload));
    ASSERT_TRUE(made.has_value()) << made.error().Message();
    EXPECT_EQ(ToHex(made->data), wrapped);
    EXPECT_EQ(UnwrapBytes(aes.key(), Method(Kind::kAesZeroPad), *made).value(), Hex(payload));
  }
}

TEST(WrappingTest, EverySizeComesBackOrIsRefusedWithAdvice) {
  RandomBytes random;
  for (const std::size_t key_size : {16U, 24U, 32U}) {
    const Aes aes(random(key_size));
    for (const Kind kind : kAesMethods) {
      for (std::size_t size = 1; size <= 70; ++size) {
        SCOPED_TRACE(Cat(RowOf(kind).name, " ", size, " ", random.Trace()));
        const Bytes payload = random(size);
        const bool fits = kind == Kind::kAesNoPad      ? size % 8 == 0 && size >= 16
                          : kind == Kind::kAesPkcs5Pad ? size >= 8
                                                       : true;
        const auto wrapped = WrapBytes(aes.key(), Method(kind), payload);
        ASSERT_EQ(CodeOf(wrapped), fits ? std::nullopt : std::optional(ErrorCode::kDataLength));
        if (!fits) {
          EXPECT_NE(wrapped.error().detail().find("aes-zero-pad"), std::string::npos);
          continue;
        }
        const auto back = UnwrapBytes(aes.key(), Method(kind), *wrapped);
        ASSERT_TRUE(back.has_value()) << back.error().Message();
        EXPECT_EQ(*back, payload);
      }
    }
  }
}

TEST(WrappingTest, GcmIsTheDefaultProvidersInBothDirections) {
  RandomBytes random;
  SCOPED_TRACE(random.Trace());
  const Bytes key = random(32);
  const Aes aes(key);
  WrapMechanism mechanism = Method(Kind::kAesGcm);
  mechanism.aad = random(20);
  const Bytes payload = random(33);
  const auto wrapped = WrapBytes(aes.key(), mechanism, payload);
  ASSERT_TRUE(wrapped.has_value());
  EXPECT_EQ(wrapped->iv.size(), 12U);
  EXPECT_EQ(DefaultCipher("AES-256-GCM", false, key, wrapped->iv, mechanism.aad, wrapped->data),
            payload);
  const Bytes iv = random(16);  // another system's may be of any length
  const auto theirs = DefaultCipher("AES-256-GCM", true, key, Bytes(iv.begin(), iv.begin() + 12),
                                    mechanism.aad, payload);
  const WrappedKey from_outside{*theirs, Bytes(iv.begin(), iv.begin() + 12)};
  EXPECT_EQ(UnwrapBytes(aes.key(), mechanism, from_outside).value(), payload);

  mechanism.kind = Kind::kCloudhsmAesGcm;
  const auto with_iv = WrapBytes(aes.key(), mechanism, payload);
  ASSERT_TRUE(with_iv.has_value());
  EXPECT_TRUE(with_iv->iv.empty());
  const Bytes front(with_iv->data.begin(), with_iv->data.begin() + 12);
  const Bytes rest(with_iv->data.begin() + 12, with_iv->data.end());
  EXPECT_EQ(DefaultCipher("AES-256-GCM", false, key, front, mechanism.aad, rest), payload);
}

TEST(WrappingTest, GcmNeverUsesAnIvTwice) {
  const Aes aes(Bytes(32, 7));
  std::set<Bytes> seen;
  for (int i = 0; i < 100; ++i) {
    seen.insert(WrapBytes(aes.key(), Method(Kind::kAesGcm), Bytes(16))->iv);
  }
  EXPECT_EQ(seen.size(), 100U);
}

TEST(WrappingTest, ShortTagsAreRefused) {
  const Aes aes(Bytes(32, 7));
  WrapMechanism mechanism = Method(Kind::kAesGcm);
  for (const unsigned length : {8U, 12U, 13U, 16U}) {
    mechanism.tag_length = length;
    const auto wrapped = WrapBytes(aes.key(), mechanism, Bytes(16));
    ASSERT_TRUE(wrapped.has_value());
    EXPECT_EQ(wrapped->data.size(), 16U + length);
    EXPECT_TRUE(UnwrapBytes(aes.key(), mechanism, *wrapped).has_value());
  }
  for (const unsigned length : {0U, 4U, 7U, 9U, 11U, 17U}) {
    mechanism.tag_length = length;
    EXPECT_EQ(CodeOf(WrapBytes(aes.key(), mechanism, Bytes(16))), ErrorCode::kMechanism);
    mechanism.iv = Bytes(12);
    EXPECT_EQ(CodeOf(Unwrap(aes.key(), mechanism, Bytes(64))), ErrorCode::kMechanism);
  }
}

TEST(WrappingTest, Pkcs5PaddingIsInsideRfc3394) {
  RandomBytes random;
  SCOPED_TRACE(random.Trace());
  const Bytes key = random(16);
  const Aes aes(key);
  const Bytes payload = random(16);
  const auto wrapped = WrapBytes(aes.key(), Method(Kind::kAesPkcs5Pad), payload);
  Bytes padded = payload;
  padded.insert(padded.end(), 8, 8);
  EXPECT_EQ(DefaultCipher("AES-128-WRAP", false, key, {}, {}, wrapped->data), padded);
  for (const std::uint8_t last : std::to_array<std::uint8_t>({0, 9, 255})) {
    padded.back() = last;
    const auto bad = DefaultCipher("AES-128-WRAP", true, key, {}, {}, padded);
    EXPECT_EQ(CodeOf(UnwrapBytes(aes.key(), Method(Kind::kAesPkcs5Pad), {*bad, {}})),
              ErrorCode::kDecryption);
  }
}

TEST(WrappingTest, RsaIsTheDefaultProvidersInBothDirections) {
  RandomBytes random;
  SCOPED_TRACE(random.Trace());
  const Bytes payload = random(32);
  EVP_PKEY* theirs = RsaTwin().theirs.get();
  for (const Digest digest : {Digest::kSha1, Digest::kSha256, Digest::kSha384, Digest::kSha512}) {
    WrapMechanism mechanism = Method(Kind::kRsaOaep);
    mechanism.digest = mechanism.mgf_digest = digest;
    CipherMechanism oaep;
    oaep.digest = oaep.mgf_digest = digest;
    const auto wrapped = WrapBytes(RsaKey(), mechanism, payload);
    ASSERT_TRUE(wrapped.has_value()) << wrapped.error().Message();
    EXPECT_EQ(DefaultDecrypt(theirs, oaep, wrapped->data), payload);
    const auto from_them = DefaultEncrypt(theirs, oaep, payload);
    EXPECT_EQ(UnwrapBytes(RsaKey(), mechanism, {*from_them, {}}).value(), payload);
  }
  CipherMechanism pkcs1;
  pkcs1.kind = CipherMechanism::Kind::kRsaPkcs1;
  const auto wrapped = WrapBytes(RsaKey(), Method(Kind::kRsaPkcs), payload);
  EXPECT_EQ(DefaultDecrypt(theirs, pkcs1, wrapped->data), payload);
  EXPECT_EQ(
      UnwrapBytes(RsaKey(), Method(Kind::kRsaPkcs), {*DefaultEncrypt(theirs, pkcs1, payload), {}})
          .value(),
      payload);
}

// PKCS#11 CKM_RSA_AES_KEY_WRAP, put together from its parts.
TEST(WrappingTest, RsaAesIsWhatPkcs11Says) {
  RandomBytes random;
  SCOPED_TRACE(random.Trace());
  EVP_PKEY* theirs = RsaTwin().theirs.get();
  CipherMechanism oaep;
  oaep.digest = oaep.mgf_digest = Digest::kSha256;
  const Bytes payload = random(1217);
  const auto wrapped = WrapBytes(RsaKey(), Method(Kind::kRsaAes), payload);
  ASSERT_TRUE(wrapped.has_value()) << wrapped.error().Message();
  const Bytes first(wrapped->data.begin(), wrapped->data.begin() + 256);
  const Bytes rest(wrapped->data.begin() + 256, wrapped->data.end());
  const auto transport = DefaultDecrypt(theirs, oaep, first);
  ASSERT_TRUE(transport.has_value());
  ASSERT_EQ(transport->size(), 32U);
  EXPECT_EQ(DefaultCipher("AES-256-WRAP-PAD", false, *transport, {}, {}, rest), payload);

  const Bytes small = random(16);  // others may use a shorter AES key
  Bytes from_them = *DefaultEncrypt(theirs, oaep, small);
  const Bytes inner = *DefaultCipher("AES-128-WRAP-PAD", true, small, {}, {}, payload);
  from_them.insert(from_them.end(), inner.begin(), inner.end());
  EXPECT_EQ(UnwrapBytes(RsaKey(), Method(Kind::kRsaAes), {from_them, {}}).value(), payload);
}

TEST(WrappingTest, RsaAesNeverUsesAKeyTwice) {
  const auto one = WrapBytes(RsaKey(), Method(Kind::kRsaAes), Bytes(16));
  const auto two = WrapBytes(RsaKey(), Method(Kind::kRsaAes), Bytes(16));
  EXPECT_NE(Bytes(one->data.end() - 24, one->data.end()),
            Bytes(two->data.end() - 24, two->data.end()));
}

// Every byte changed, every length cut: one code and one text.
TEST(WrappingTest, WhatDoesNotOpenHasOneAnswer) {
  RandomBytes random;
  SCOPED_TRACE(random.Trace());
  const Aes aes(random(32));
  const Aes other(random(32));
  std::set<std::string> answers;
  const auto note = [&answers](const Result<Bytes>& result) {
    answers.insert(result ? "it opened" : result.error().Message());
  };
  for (const Kind kind : kAesMethods) {
    const auto wrapped = WrapBytes(aes.key(), Method(kind), random(32));
    note(UnwrapBytes(other.key(), Method(kind), *wrapped));
    note(UnwrapBytes(aes.key(), Method(kind), {{}, Bytes(12)}));
    for (std::size_t i = 0; i < wrapped->data.size(); ++i) {
      WrappedKey changed = *wrapped;
      changed.data[i] ^= static_cast<std::uint8_t>(1U << random.Below(8));
      note(UnwrapBytes(aes.key(), Method(kind), changed));
      changed = *wrapped;
      changed.data.resize(i);
      if (kind == Kind::kAesGcm) changed.iv = Bytes(12);
      note(UnwrapBytes(aes.key(), Method(kind), changed));
    }
  }
  WrapMechanism aad = Method(Kind::kAesGcm);
  const auto wrapped = WrapBytes(aes.key(), aad, random(32));
  aad.aad = {1};
  note(UnwrapBytes(aes.key(), aad, *wrapped));
  for (const Kind kind : {Kind::kRsaAes, Kind::kRsaOaep}) {
    const auto by_rsa = WrapBytes(RsaKey(), Method(kind), random(16));
    for (std::size_t i = 0; i < by_rsa->data.size(); i += 7) {
      WrappedKey changed = *by_rsa;
      changed.data[i] ^= 1;
      note(UnwrapBytes(RsaKey(), Method(kind), changed));
      changed = *by_rsa;
      changed.data.resize(i);
      note(UnwrapBytes(RsaKey(), Method(kind), changed));
    }
  }
  ASSERT_EQ(answers.size(), 1U) << *answers.begin() << "\n" << *answers.rbegin();
  EXPECT_EQ(*answers.begin(), NotUnwrapped().Message());
}

// With implicit rejection bad padding gives other bytes, and without it the one error.
TEST(WrappingTest, Pkcs1NeverTellsWhatWasWrong) {
  RandomBytes random;
  SCOPED_TRACE(random.Trace());
  const Bytes payload = random(16);
  const auto wrapped = WrapBytes(RsaKey(), Method(Kind::kRsaPkcs), payload);
  for (std::size_t i = 0; i < wrapped->data.size(); i += 5) {
    WrappedKey changed = *wrapped;
    changed.data[i] ^= 1;
    const auto result = UnwrapBytes(RsaKey(), Method(Kind::kRsaPkcs), changed);
    if (result) {
      EXPECT_NE(*result, payload);
    } else {
      EXPECT_EQ(result.error().Message(), NotUnwrapped().Message());
    }
  }
}

TEST(WrappingTest, TheMethodMustFitTheKey) {
  const Aes aes(Bytes(32, 7));
  for (const Kind kind : kRsaMethods) {
    EXPECT_EQ(CodeOf(WrapBytes(aes.key(), Method(kind), Bytes(16))), ErrorCode::kKeyTypeMismatch);
  }
  for (const Kind kind : kAesMethods) {
    EXPECT_EQ(CodeOf(Unwrap(RsaKey(), Method(kind), Bytes(64))), ErrorCode::kKeyTypeMismatch);
  }
  EXPECT_EQ(CodeOf(WrapBytes(RsaKey(), Method(Kind::kRsaOaep), Bytes(300))),
            ErrorCode::kDataLength);
  EXPECT_EQ(CodeOf(Unwrap(aes.key(), Method(Kind::kAesGcm), Bytes(64))), ErrorCode::kDataLength);
}

}  // namespace
}  // namespace hsmcore::crypto
