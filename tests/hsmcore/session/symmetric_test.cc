// SPDX-License-Identifier: Apache-2.0
#include "hsmcore/symmetric.h"

#include <gtest/gtest.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>

#include <random>
#include <string>
#include <vector>

#include "support/test_cluster.h"

namespace hsmcore {
namespace {

using test::CodeOf;
using test::TestCluster;
using Kind = SymmetricMechanism::Kind;

class Random {
 public:
  Bytes operator()(std::size_t size) {
    Bytes bytes(size);
    for (auto& byte : bytes) byte = static_cast<std::uint8_t>(engine_());
    return bytes;
  }
  std::size_t Below(std::size_t limit) { return engine_() % limit; }
  std::string Trace() const { return "seed " + std::to_string(seed_); }

 private:
  std::random_device::result_type seed_ = std::random_device{}();
  std::mt19937 engine_{seed_};
};

struct CipherCase {
  const char* openssl;
  Kind kind;
  KeyType type;
  std::size_t key_bytes;
  std::size_t nonce_bytes;
  std::size_t block;  // of the lengths that it takes without padding
  bool tag;
  bool copies;  // under way
};

const CipherCase kCases[] = {
    {"AES-128-ECB", Kind::kEcb, KeyType::kAes, 16, 0, 16, false, true},
    {"AES-192-CBC", Kind::kCbc, KeyType::kAes, 24, 16, 16, false, true},
    {"AES-256-CTR", Kind::kCtr, KeyType::kAes, 32, 16, 1, false, true},
    {"AES-256-GCM", Kind::kGcm, KeyType::kAes, 32, 12, 1, true, true},
    {"AES-128-GCM", Kind::kGcm, KeyType::kAes, 16, 20, 1, true, true},
    {"AES-192-CCM", Kind::kCcm, KeyType::kAes, 24, 11, 1, true, true},
    {"AES-128-XTS", Kind::kXts, KeyType::kAesXts, 32, 16, 1, false, true},
    {"AES-256-XTS", Kind::kXts, KeyType::kAesXts, 64, 16, 1, false, true},
    {"AES-256-WRAP", Kind::kKw, KeyType::kAes, 32, 8, 8, false, true},
    {"AES-128-WRAP-PAD", Kind::kKwp, KeyType::kAes, 16, 4, 1, false, true},
    {"ChaCha20-Poly1305", Kind::kChaCha20Poly1305, KeyType::kChaCha20, 32, 12, 1, true, true},
    {"DES-EDE3-CBC", Kind::kCbc, KeyType::kDes3, 24, 8, 8, false, true},
    {"DES-EDE3-ECB", Kind::kEcb, KeyType::kDes3, 24, 0, 8, false, true},
};

struct Message {
  Bytes associated;
  Bytes plain;
};

struct Sealed {
  Bytes text;
  Bytes tag;
};

Sealed DefaultSeal(const CipherCase& row, const Bytes& key, const Bytes& nonce,
                   const Message& message, bool padding, std::size_t tag_bytes) {
  EVP_CIPHER* cipher = EVP_CIPHER_fetch(nullptr, row.openssl, "provider=default");
  EVP_CIPHER_CTX* context = EVP_CIPHER_CTX_new();
  EVP_CIPHER_CTX_set_flags(context, EVP_CIPHER_CTX_FLAG_WRAP_ALLOW);
  EXPECT_EQ(EVP_EncryptInit_ex2(context, cipher, nullptr, nullptr, nullptr), 1);
  int size = 0;
  if (row.tag) {
    EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_IVLEN, static_cast<int>(nonce.size()), nullptr);
    if (row.kind == Kind::kCcm) {
      EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_TAG, static_cast<int>(tag_bytes), nullptr);
    }
  }
  EXPECT_EQ(EVP_EncryptInit_ex2(context, nullptr, key.data(), nonce.data(), nullptr), 1);
  EVP_CIPHER_CTX_set_padding(context, padding ? 1 : 0);
  if (row.kind == Kind::kCcm) {
    EVP_EncryptUpdate(context, nullptr, &size, nullptr, static_cast<int>(message.plain.size()));
  }
  if (!message.associated.empty()) {
    EVP_EncryptUpdate(context, nullptr, &size, message.associated.data(),
                      static_cast<int>(message.associated.size()));
  }
  Sealed sealed{Bytes(message.plain.size() + 32), Bytes(tag_bytes)};
  EXPECT_EQ(EVP_EncryptUpdate(context, sealed.text.data(), &size, message.plain.data(),
                              static_cast<int>(message.plain.size())),
            1);
  int more = 0;
  EXPECT_EQ(EVP_EncryptFinal_ex(context, sealed.text.data() + size, &more), 1);
  sealed.text.resize(static_cast<std::size_t>(size + more));
  if (row.tag) {
    EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, static_cast<int>(tag_bytes),
                        sealed.tag.data());
  }
  EVP_CIPHER_CTX_free(context);
  EVP_CIPHER_free(cipher);
  return sealed;
}

// In odd pieces, the second half by a copy of the stream.
Result<Bytes> RunThrough(std::unique_ptr<CipherStream>& stream, const Bytes& associated,
                         const Bytes& data, Random& random) {
  if (!associated.empty()) HSMCORE_CHECK(stream->AddAssociated(associated));
  Bytes out;
  bool copied = false;
  for (std::size_t done = 0; done < data.size();) {
    const std::size_t piece = std::min(data.size() - done, 1 + random.Below(37));
    Bytes room(stream->MaxUpdate(piece));
    HSMCORE_TRY(const std::size_t size, stream->Update(ByteView(data).subspan(done, piece), room));
    out.insert(out.end(), room.begin(), room.begin() + static_cast<std::ptrdiff_t>(size));
    done += piece;
    if (copied || done < data.size() / 2) continue;
    HSMCORE_TRY(stream, stream->Clone());
    copied = true;
  }
  Bytes room(stream->MaxFinish());
  HSMCORE_TRY(const std::size_t size, stream->Finish(room));
  out.insert(out.end(), room.begin(), room.begin() + static_cast<std::ptrdiff_t>(size));
  return out;
}

class SymmetricTest : public testing::Test {
 protected:
  SymmetricTest() : session_(cluster_.User()) {}

  KeyPtr Import(KeyType type, const Bytes& value, bool with_uses = true) {
    KeyTemplate form = KeyTemplate::Secret();
    for (const Attribute use : {Attribute::kEncrypt, Attribute::kDecrypt, Attribute::kSign,
                                Attribute::kVerify, Attribute::kDerive}) {
      form.private_half.flags.Set(use, with_uses);
    }
    form.private_half.flags.Set(Attribute::kToken, false);
    auto key = session_->ImportSecret(type, SecretBytes::CopyOf(value), form.private_half);
    if (key) return *key;
    ADD_FAILURE() << key.error().Message();
    return nullptr;
  }

  TestCluster cluster_{1};
  std::shared_ptr<Session> session_;
  Random random_;
};

TEST_F(SymmetricTest, CiphersAgreeWithDefaultBothWays) {
  SCOPED_TRACE(random_.Trace());
  for (const CipherCase& row : kCases) {
    SCOPED_TRACE(row.openssl);
    for (int round = 0; round < 12; ++round) {
      const Bytes key_bytes = random_(row.key_bytes);
      const KeyPtr key = Import(row.type, key_bytes);
      const bool padding = row.block == 1 || round % 2 == 0;
      const bool any_length = padding && row.kind != Kind::kKw;
      const std::size_t blocks = 2 + random_.Below(12);
      const Message message{row.tag ? random_(random_.Below(60)) : Bytes(),
                            random_(any_length ? 16 + random_.Below(300) : 16 * blocks)};
      SymmetricMechanism mechanism;
      mechanism.kind = row.kind;
      mechanism.padding = padding;
      mechanism.nonce = random_(row.nonce_bytes);
      if (row.kind == Kind::kGcm || row.kind == Kind::kCcm) {
        mechanism.tag_bytes = round % 3 == 0 ? 12 : 16;
      }
      const Sealed expected =
          DefaultSeal(row, key_bytes, mechanism.nonce, message, padding, mechanism.tag_bytes);
      auto sealing = key->NewCipher(mechanism, Direction::kEncrypt);
      ASSERT_TRUE(sealing) << sealing.error().Message();
      const auto sealed = RunThrough(*sealing, message.associated, message.plain, random_);
      ASSERT_TRUE(sealed) << sealed.error().Message();
      EXPECT_EQ(*sealed, expected.text);
      if (row.tag) {
        EXPECT_EQ(*(*sealing)->Tag(), expected.tag);
      }
      mechanism.tag = expected.tag;
      auto opening = key->NewCipher(mechanism, Direction::kDecrypt);
      ASSERT_TRUE(opening) << opening.error().Message();
      const auto opened = RunThrough(*opening, message.associated, expected.text, random_);
      ASSERT_TRUE(opened) << opened.error().Message();
      EXPECT_EQ(*opened, message.plain);
    }
  }
}

TEST_F(SymmetricTest, NothingComesOutOfAnAlteredMessage) {
  SCOPED_TRACE(random_.Trace());
  for (const CipherCase& row : kCases) {
    if (!row.tag && row.kind != Kind::kKw && row.kind != Kind::kKwp) continue;
    SCOPED_TRACE(row.openssl);
    const Bytes key_bytes = random_(row.key_bytes);
    const KeyPtr key = Import(row.type, key_bytes);
    SymmetricMechanism mechanism;
    mechanism.kind = row.kind;
    mechanism.nonce = random_(row.nonce_bytes);
    const Message message{{}, random_(48)};
    Sealed sealed = DefaultSeal(row, key_bytes, mechanism.nonce, message, true, 16);
    auto& altered = row.tag && random_.Below(2) == 0 ? sealed.tag : sealed.text;
    altered[random_.Below(altered.size())] ^= 1;
    mechanism.tag = sealed.tag;
    auto stream = key->NewCipher(mechanism, Direction::kDecrypt);
    ASSERT_TRUE(stream) << stream.error().Message();
    EXPECT_EQ(*(*stream)->Update(sealed.text, {}), 0U);
    Bytes out((*stream)->MaxFinish(), 0xee);
    EXPECT_EQ(CodeOf((*stream)->Finish(out)), "decryption failed");
    EXPECT_TRUE(out == Bytes(out.size(), 0xee) || out == Bytes(out.size(), 0));
    EXPECT_EQ(CodeOf((*stream)->Finish(out)), "operation called in the wrong order");
  }
}

TEST_F(SymmetricTest, EmptyMessagesHaveTagsToo) {
  for (const CipherCase& row : kCases) {
    if (!row.tag) continue;
    SCOPED_TRACE(row.openssl);
    const KeyPtr key = Import(row.type, random_(row.key_bytes));
    SymmetricMechanism mechanism;
    mechanism.kind = row.kind;
    mechanism.nonce = random_(row.nonce_bytes);
    auto sealing = key->NewCipher(mechanism, Direction::kEncrypt);
    ASSERT_TRUE(sealing);
    ASSERT_TRUE(RunThrough(*sealing, Bytes(5, 1), {}, random_));
    mechanism.tag = *(*sealing)->Tag();
    auto opening = key->NewCipher(mechanism, Direction::kDecrypt);
    const auto opened = RunThrough(*opening, Bytes(5, 1), {}, random_);
    EXPECT_EQ(CodeOf(opened), "ok");
    opening = key->NewCipher(mechanism, Direction::kDecrypt);
    EXPECT_EQ(CodeOf(RunThrough(*opening, Bytes(5, 2), {}, random_)), "decryption failed");
  }
}

TEST_F(SymmetricTest, TheHsmMakesGcmNonces) {
  const KeyPtr key = Import(KeyType::kAes, random_(32));
  SymmetricMechanism mechanism;
  mechanism.gcm_nonces = GcmNonces::kHsmOnly;
  const auto first = key->NewCipher(mechanism, Direction::kEncrypt);
  const auto second = key->NewCipher(mechanism, Direction::kEncrypt);
  ASSERT_TRUE(first && second);
  EXPECT_EQ((*first)->nonce().size(), 12U);
  EXPECT_NE((*first)->nonce(), (*second)->nonce());
  mechanism.nonce = random_(12);
  EXPECT_EQ(CodeOf(key->NewCipher(mechanism, Direction::kEncrypt)), "mechanism not allowed");
  mechanism.tag = random_(16);
  EXPECT_EQ(CodeOf(key->NewCipher(mechanism, Direction::kDecrypt)), "ok");
}

TEST_F(SymmetricTest, WrongLengthsTypesAndOrdersAreRefused) {
  const KeyPtr aes = Import(KeyType::kAes, random_(32));
  const auto begin = [&](Kind kind, std::size_t nonce, std::size_t tag) {
    SymmetricMechanism mechanism;
    mechanism.kind = kind;
    mechanism.nonce = Bytes(nonce);
    mechanism.tag_bytes = tag;
    return CodeOf(aes->NewCipher(mechanism, Direction::kEncrypt));
  };
  EXPECT_EQ(begin(Kind::kCbc, 12, 16), "data length not allowed");
  EXPECT_EQ(begin(Kind::kCtr, 0, 16), "data length not allowed");
  EXPECT_EQ(begin(Kind::kGcm, 65, 16), "data length not allowed");
  EXPECT_EQ(begin(Kind::kGcm, 12, 7), "data length not allowed");
  EXPECT_EQ(begin(Kind::kCcm, 14, 16), "data length not allowed");
  EXPECT_EQ(begin(Kind::kCcm, 12, 5), "data length not allowed");
  EXPECT_EQ(begin(Kind::kXts, 16, 16), "key type does not fit the operation");
  EXPECT_EQ(begin(Kind::kChaCha20Poly1305, 12, 16), "key type does not fit the operation");
  SymmetricMechanism gcm;
  auto stream = *aes->NewCipher(gcm, Direction::kEncrypt);
  Bytes out(64);
  EXPECT_EQ(CodeOf(stream->Tag()), "operation called in the wrong order");
  EXPECT_EQ(CodeOf(stream->Update(Bytes(5), out)), "ok");
  EXPECT_EQ(CodeOf(stream->AddAssociated(Bytes(5))), "operation called in the wrong order");
  EXPECT_EQ(CodeOf(stream->Update(Bytes(60), out)), "buffer too small");
  SymmetricMechanism cbc;
  cbc.kind = Kind::kCbc;
  cbc.nonce = Bytes(16);
  stream = *aes->NewCipher(cbc, Direction::kEncrypt);
  EXPECT_EQ(CodeOf(stream->AddAssociated(Bytes(5))), "mechanism not allowed");
  cbc.padding = false;
  stream = *aes->NewCipher(cbc, Direction::kEncrypt);
  EXPECT_EQ(CodeOf(stream->Update(Bytes(5), out)), "ok");
  EXPECT_EQ(CodeOf(stream->Finish(out)), "data length not allowed");
}

Bytes DefaultMac(const char* name, const Bytes& key, std::vector<OSSL_PARAM> params,
                 const Bytes& data) {
  params.push_back(OSSL_PARAM_construct_end());
  EVP_MAC* mac = EVP_MAC_fetch(nullptr, name, "provider=default");
  EVP_MAC_CTX* context = EVP_MAC_CTX_new(mac);
  Bytes out(128);
  std::size_t size = 0;
  EXPECT_EQ(EVP_MAC_init(context, key.data(), key.size(), params.data()), 1);
  EXPECT_EQ(EVP_MAC_update(context, data.data(), data.size()), 1);
  EXPECT_EQ(EVP_MAC_final(context, out.data(), &size, out.size()), 1);
  EVP_MAC_CTX_free(context);
  EVP_MAC_free(mac);
  out.resize(size);
  return out;
}

OSSL_PARAM Text(const char* key, const char* value) {
  return OSSL_PARAM_construct_utf8_string(key, const_cast<char*>(value), 0);
}
OSSL_PARAM Octets(const char* key, Bytes& value) {
  return OSSL_PARAM_construct_octet_string(key, value.data(), value.size());
}

void ExpectMac(const Key& key, const MacMechanism& mechanism, const Bytes& data,
               const Bytes& expected) {
  const auto signer = key.NewMac(mechanism);
  ASSERT_TRUE(signer) << signer.error().Message();
  const std::size_t half = data.size() / 2;
  ASSERT_TRUE((*signer)->Update(ByteView(data).first(half)));
  const auto copy = (*signer)->Clone();
  ASSERT_TRUE(copy) << copy.error().Message();
  ASSERT_TRUE((*copy)->Update(ByteView(data).subspan(half)));
  Bytes mac(128);
  const auto size = (*copy)->Sign(mac);
  ASSERT_TRUE(size) << size.error().Message();
  mac.resize(*size);
  EXPECT_EQ(mac, expected);
  EXPECT_EQ(CodeOf((*copy)->Update(data)), "operation called in the wrong order");
  for (const bool altered : {false, true}) {
    if (altered) mac.back() ^= 1;
    const auto verifier = key.NewMacVerifier(mechanism);
    ASSERT_TRUE(verifier && (*verifier)->Update(data));
    EXPECT_EQ((*verifier)->Verify(mac).value_or(altered), !altered);
  }
}

TEST_F(SymmetricTest, HmacAgreesWithDefaultForEveryDigest) {
  SCOPED_TRACE(random_.Trace());
  for (const DigestRow& row : AllDigests()) {
    if (row.digest == Digest::kNone) continue;
    SCOPED_TRACE(row.name);
    const Bytes bytes = random_(1 + random_.Below(200));
    const Bytes data = random_(random_.Below(1000));
    MacMechanism mechanism;
    mechanism.digest = row.digest;
    ExpectMac(*Import(KeyType::kGenericSecret, bytes), mechanism, data,
              DefaultMac("HMAC", bytes, {Text(OSSL_MAC_PARAM_DIGEST, row.name)}, data));
  }
}

TEST_F(SymmetricTest, OtherMacsAgreeWithDefault) {
  SCOPED_TRACE(random_.Trace());
  const Bytes aes = random_(24);
  const Bytes des = random_(24);
  const Bytes generic = random_(40);
  const Bytes data = random_(333);
  Bytes nonce = random_(12);
  Bytes custom = random_(7);
  MacMechanism mechanism;
  mechanism.kind = MacMechanism::Kind::kCmac;
  ExpectMac(*Import(KeyType::kAes, aes), mechanism, data,
            DefaultMac("CMAC", aes, {Text("cipher", "AES-192-CBC")}, data));
  ExpectMac(*Import(KeyType::kDes3, des), mechanism, data,
            DefaultMac("CMAC", des, {Text("cipher", "DES-EDE3-CBC")}, data));
  mechanism.kind = MacMechanism::Kind::kGmac;
  mechanism.nonce = nonce;
  ExpectMac(*Import(KeyType::kAes, aes), mechanism, data,
            DefaultMac("GMAC", aes, {Text("cipher", "AES-192-GCM"), Octets("iv", nonce)}, data));
  for (const bool longer : {false, true}) {
    mechanism.kind = longer ? MacMechanism::Kind::kKmac256 : MacMechanism::Kind::kKmac128;
    mechanism.bytes = longer ? 0 : 77;
    mechanism.customization = custom;
    std::size_t size = longer ? 64 : 77;
    ExpectMac(
        *Import(KeyType::kGenericSecret, generic), mechanism, data,
        DefaultMac(longer ? "KMAC-256" : "KMAC-128", generic,
                   {OSSL_PARAM_construct_size_t("size", &size), Octets("custom", custom)}, data));
  }
  mechanism.kind = MacMechanism::Kind::kHmac;
  EXPECT_EQ(CodeOf(Import(KeyType::kAes, aes)->NewMac(mechanism)),
            "key type does not fit the operation");
  mechanism.kind = MacMechanism::Kind::kGmac;
  mechanism.nonce.clear();
  EXPECT_EQ(CodeOf(Import(KeyType::kAes, aes)->NewMac(mechanism)), "data length not allowed");
}

Bytes DefaultKdf(const char* name, std::vector<OSSL_PARAM> params, std::size_t bytes) {
  params.push_back(OSSL_PARAM_construct_end());
  EVP_KDF* kdf = EVP_KDF_fetch(nullptr, name, "provider=default");
  EVP_KDF_CTX* context = EVP_KDF_CTX_new(kdf);
  Bytes out(bytes);
  EXPECT_EQ(EVP_KDF_derive(context, out.data(), out.size(), params.data()), 1) << name;
  EVP_KDF_CTX_free(context);
  EVP_KDF_free(kdf);
  return out;
}

Bytes Derived(const Key& key, const KdfMechanism& mechanism, std::size_t bytes) {
  const auto out = key.Derive(mechanism, bytes);
  if (!out) {
    ADD_FAILURE() << out.error().Message();
    return {};
  }
  const ByteView view = out->Read(SecretAccess{"comparison in a test"});
  return {view.begin(), view.end()};
}

TEST_F(SymmetricTest, DerivationsAgreeWithDefault) {
  SCOPED_TRACE(random_.Trace());
  Bytes secret = random_(32);
  Bytes salt = random_(13);
  Bytes info = random_(21);
  const KeyPtr key = Import(KeyType::kGenericSecret, secret);
  const KeyPtr aes = Import(KeyType::kAes, secret);
  for (const auto& [mode, name] : {std::pair(HkdfMode::kExtractAndExpand, "EXTRACT_AND_EXPAND"),
                                   std::pair(HkdfMode::kExtract, "EXTRACT_ONLY"),
                                   std::pair(HkdfMode::kExpand, "EXPAND_ONLY")}) {
    const std::size_t bytes = mode == HkdfMode::kExtract ? 48 : 55;
    EXPECT_EQ(Derived(*key, HkdfMechanism{Digest::kSha384, mode, salt, info}, bytes),
              DefaultKdf("HKDF",
                         {Text("digest", "SHA384"), Text("mode", name), Octets("key", secret),
                          Octets("salt", salt), Octets("info", info)},
                         bytes));
  }
  EXPECT_EQ(Derived(*key, CounterKdfMechanism{Digest::kSha256, salt, info}, 70),
            DefaultKdf("KBKDF",
                       {Text("mac", "HMAC"), Text("digest", "SHA256"), Octets("key", secret),
                        Octets("salt", salt), Octets("info", info)},
                       70));
  EXPECT_EQ(Derived(*aes, CounterKdfMechanism{std::nullopt, salt, info}, 70),
            DefaultKdf("KBKDF",
                       {Text("mac", "CMAC"), Text("cipher", "AES-256-CBC"), Octets("key", secret),
                        Octets("salt", salt), Octets("info", info)},
                       70));
  EXPECT_EQ(
      Derived(*key, X963Mechanism{Digest::kSha512, info}, 70),
      DefaultKdf("X963KDF", {Text("digest", "SHA512"), Octets("key", secret), Octets("info", info)},
                 70));
  EXPECT_EQ(
      Derived(*key, Tls1PrfMechanism{Digest::kMd5Sha1, info}, 48),
      DefaultKdf("TLS1-PRF",
                 {Text("digest", "MD5-SHA1"), Octets("secret", secret), Octets("seed", info)}, 48));
  Bytes prefix{'t', 'l', 's', '1', '3', ' '};
  Bytes label{'k', 'e', 'y'};
  EXPECT_EQ(
      Derived(*key, Tls13Mechanism{Digest::kSha256, HkdfMode::kExpand, {}, prefix, label, {}}, 16),
      DefaultKdf("TLS13-KDF",
                 {Text("digest", "SHA256"), Text("mode", "EXPAND_ONLY"), Octets("key", secret),
                  Octets("prefix", prefix), Octets("label", label)},
                 16));
  EXPECT_EQ(CodeOf(aes->Derive(HkdfMechanism{}, 16)), "key type does not fit the operation");
  EXPECT_EQ(CodeOf(key->Derive(CounterKdfMechanism{std::nullopt, {}, {}}, 16)),
            "key type does not fit the operation");
}

TEST_F(SymmetricTest, ADerivedKeyCanStayInTheHsm) {
  Bytes secret = random_(32);
  Bytes info = random_(5);
  const KeyPtr key = Import(KeyType::kGenericSecret, secret);
  KeySpec spec;
  spec.type = KeyType::kAes;
  spec.secret_bytes = 16;
  KeyTemplate form = KeyTemplate::Secret();
  form.private_half.label = "child";
  form.private_half.flags.Set(Attribute::kEncrypt, true);
  const HkdfMechanism mechanism{Digest::kSha256, HkdfMode::kExtractAndExpand, {}, info};
  const auto child = session_->Derive(*key, mechanism, spec, form.private_half);
  ASSERT_TRUE(child) << child.error().Message();
  EXPECT_TRUE((*child)->is_token());
  const auto same = Import(KeyType::kAes, Derived(*key, mechanism, 16));
  EXPECT_EQ(AttributeText(*(*child)->private_info(), Attribute::kCheckValue),
            AttributeText(*same->private_info(), Attribute::kCheckValue));
  EXPECT_EQ(AttributeText(*(*child)->private_info(), Attribute::kNeverExtractable), "false");
  spec.secret_bytes = 17;
  EXPECT_EQ(CodeOf(session_->Derive(*key, mechanism, spec, form.private_half)),
            "key size or curve not supported");
}

TEST_F(SymmetricTest, EveryUseNeedsItsAttribute) {
  const KeyPtr aes = Import(KeyType::kAes, random_(32), false);
  const KeyPtr generic = Import(KeyType::kGenericSecret, random_(32), false);
  SymmetricMechanism opening;
  opening.nonce = Bytes(12);
  opening.tag = Bytes(16);
  const auto expect = [](const auto& result, const std::string& attribute) {
    EXPECT_EQ(CodeOf(result), "a key attribute forbids this");
    if (!result) {
      EXPECT_NE(result.error().detail().find("'" + attribute + "'"), std::string::npos);
    }
  };
  expect(aes->NewCipher({}, Direction::kEncrypt), "encrypt");
  expect(aes->NewCipher(opening, Direction::kDecrypt), "decrypt");
  expect(generic->NewMac({}), "sign");
  expect(generic->NewMacVerifier({}), "verify");
  expect(generic->Derive(HkdfMechanism{}, 16), "derive");
}

TEST_F(SymmetricTest, PairsAndDeletedKeysAreRefused) {
  KeyTemplate form;
  form.private_half.flags.Set(Attribute::kToken, false);
  const auto pair = session_->Generate(test::Ed25519Spec(), form);
  EXPECT_EQ(CodeOf((*pair)->NewMac({})), "key type does not fit the operation");
  EXPECT_EQ(CodeOf((*pair)->NewCipher({}, Direction::kEncrypt)),
            "key type does not fit the operation");
  EXPECT_EQ(CodeOf((*pair)->Derive(HkdfMechanism{}, 16)), "key type does not fit the operation");
  const KeyPtr key = Import(KeyType::kGenericSecret, random_(32));
  ASSERT_TRUE(session_->Delete(key->private_info()->handle, false));
  EXPECT_EQ(CodeOf(key->NewMac({})), "key was deleted or changed");
}

}  // namespace
}  // namespace hsmcore
