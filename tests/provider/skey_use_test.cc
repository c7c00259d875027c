// SPDX-License-Identifier: Apache-2.0
// EVP_SKEY: ciphers and MACs.
#include <utility>

#include "provider/skey_support.h"

namespace provider::test {
namespace {

using hsmcore::Attribute;
using hsmcore::ErrorCode;
using hsmcore::KeyType;

struct CipherRow {
  const char* name;
  KeyType type;
  std::size_t key_bytes;
  std::size_t nonce_bytes;
  bool tag;
};
const CipherRow kCiphers[] = {
    {"AES-128-ECB", KeyType::kAes, 16, 0, false},
    {"AES-192-CBC", KeyType::kAes, 24, 16, false},
    {"AES-256-CTR", KeyType::kAes, 32, 16, false},
    {"AES-128-GCM", KeyType::kAes, 16, 12, true},
    {"AES-256-GCM", KeyType::kAes, 32, 12, true},
    {"AES-256-CCM", KeyType::kAes, 32, 7, true},
    {"AES-256-XTS", KeyType::kAesXts, 64, 16, false},
    {"AES-256-WRAP", KeyType::kAes, 32, 8, false},
    {"AES-128-WRAP-PAD", KeyType::kAes, 16, 4, false},
    {"ChaCha20-Poly1305", KeyType::kChaCha20, 32, 12, true},
    {"DES-EDE3-CBC", KeyType::kDes3, 24, 8, false},
    {"DES-EDE3-ECB", KeyType::kDes3, 24, 0, false},
};

class SkeyUse : public SkeyTest {
 protected:
  // One message; CCM wants its lengths first, wrapping the permission.
  static std::optional<Bytes> Crypt(EVP_CIPHER_CTX* context, const CipherRow& row,
                                    const Bytes& text, Bytes& tag, bool encrypt) {
    int size = 0;
    if (std::string_view(row.name).ends_with("CCM") &&
        EVP_CipherUpdate(context, nullptr, &size, nullptr, static_cast<int>(text.size())) != 1) {
      return std::nullopt;
    }
    Bytes out(text.size() + 64);
    if (EVP_CipherUpdate(context, out.data(), &size, text.data(), static_cast<int>(text.size())) !=
        1) {
      return std::nullopt;
    }
    int rest = 0;
    if (EVP_CipherFinal_ex(context, out.data() + size, &rest) != 1) return std::nullopt;
    out.resize(static_cast<std::size_t>(size + rest));
    if (!row.tag || !encrypt) return out;
    tag.resize(16);
    if (EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, 16, tag.data()) != 1) {
      return std::nullopt;
    }
    return out;
  }
  static CipherCtx Context(EVP_CIPHER* cipher, const CipherRow& row, const Bytes& tag,
                           bool encrypt) {
    CipherCtx context(EVP_CIPHER_CTX_new());
    EVP_CIPHER_CTX_set_flags(context.get(), EVP_CIPHER_CTX_FLAG_WRAP_ALLOW);
    EXPECT_EQ(EVP_CipherInit_ex2(context.get(), cipher, nullptr, nullptr, encrypt ? 1 : 0, nullptr),
              1);
    if (row.tag) {
      EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_AEAD_SET_IVLEN, static_cast<int>(row.nonce_bytes),
                          nullptr);
      if (!encrypt || std::string_view(row.name).ends_with("CCM")) {
        EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_AEAD_SET_TAG, 16,
                            encrypt ? nullptr : const_cast<std::uint8_t*>(tag.data()));
      }
    }
    return context;
  }
  std::optional<Bytes> WithSkey(const CipherRow& row, EVP_SKEY* key, const Bytes& nonce,
                                const Bytes& text, Bytes& tag, bool encrypt) {
    const CipherCtx context = Context(Ours(row.name).get(), row, tag, encrypt);
    if (!Begin(context.get(), nullptr, key, nonce, encrypt)) return std::nullopt;
    return Crypt(context.get(), row, text, tag, encrypt);
  }
  std::optional<Bytes> Plain(const CipherRow& row, const Bytes& key, const Bytes& nonce,
                             const Bytes& text, Bytes& tag) {
    const CipherCtx context = Context(Theirs(row.name).get(), row, tag, true);
    if (EVP_CipherInit_ex2(context.get(), nullptr, key.data(),
                           nonce.empty() ? nullptr : nonce.data(), 1, nullptr) != 1) {
      return std::nullopt;
    }
    return Crypt(context.get(), row, text, tag, true);
  }

  CipherCtx Gcm(EVP_SKEY* key, const Bytes& nonce) {
    CipherCtx context(EVP_CIPHER_CTX_new());
    EXPECT_TRUE(Begin(context.get(), Ours("AES-256-GCM").get(), key, nonce)) << ErrorDetails();
    return context;
  }
  static bool Seal(EVP_CIPHER_CTX* context) {
    const Bytes data(16);
    Bytes out(32);
    int size = 0;
    return EVP_EncryptUpdate(context, out.data(), &size, data.data(), 16) == 1 &&
           EVP_EncryptFinal_ex(context, out.data(), &size) == 1;
  }
};

TEST_F(SkeyUse, CiphersAgreeWithDefault) {
  SCOPED_TRACE(random_.Trace());
  for (const CipherRow& row : kCiphers) {
    const Bytes bytes = random_(row.key_bytes);
    const Skey held = HeldSecret(row.name, row.type, bytes);
    const Skey given = Given(ManagerOf(row.type), bytes);
    ASSERT_TRUE(held && given) << ErrorDetails();
    const Bytes nonce = random_(row.nonce_bytes);
    const Bytes text = random_(128);
    Bytes expected_tag;
    const auto expected = Plain(row, bytes, nonce, text, expected_tag);
    ASSERT_TRUE(expected) << row.name << ErrorDetails();
    for (const Skey* key : {&held, &given}) {
      SCOPED_TRACE(std::string(row.name) + (key == &held ? " held" : " given"));
      Bytes tag;
      EXPECT_EQ(WithSkey(row, key->get(), nonce, text, tag, true), expected) << ErrorDetails();
      EXPECT_EQ(tag, expected_tag);
      EXPECT_EQ(WithSkey(row, key->get(), nonce, *expected, tag, false), text) << ErrorDetails();
    }
  }
}

TEST_F(SkeyUse, AnAlteredTagIsRefused) {
  const CipherRow& row = kCiphers[4];
  const Skey key = HeldSecret("aes", row.type, random_(32));
  const Bytes nonce = random_(12);
  Bytes tag;
  const auto sealed = WithSkey(row, key.get(), nonce, random_(40), tag, true);
  ASSERT_TRUE(sealed) << ErrorDetails();
  tag[0] ^= 1;
  EXPECT_FALSE(WithSkey(row, key.get(), nonce, *sealed, tag, false));
}

// A program that knows its keys by their bytes names no type: OpenSSL makes generic secrets of
// them. One that is held has a type.
TEST_F(SkeyUse, GivenGenericSecretsServeEverywhere) {
  const Bytes bytes = random_(32);
  const CipherRow& row = kCiphers[4];
  const Skey given = Given("AES-256-GCM", bytes);
  ASSERT_NE(given, nullptr) << ErrorDetails();
  EXPECT_TRUE(EVP_SKEY_is_a(given.get(), "GENERIC-SECRET"));
  const Bytes nonce = random_(12);
  const Bytes text = random_(60);
  Bytes tag;
  Bytes expected_tag;
  EXPECT_EQ(WithSkey(row, given.get(), nonce, text, tag, true),
            Plain(row, bytes, nonce, text, expected_tag))
      << ErrorDetails();
  EXPECT_EQ(tag, expected_tag);
  const MacCtx mac = NewMac("CMAC", kHsm);
  for (int i = 0; i < 2; ++i) {
    EXPECT_TRUE(BeginMac(mac.get(), given.get(), Params().Text("cipher", "AES-256-CBC")))
        << ErrorDetails();
    EXPECT_TRUE(Finish(mac.get(), text)) << ErrorDetails();
  }
  const Skey held = HeldSecret("generic", KeyType::kGenericSecret, bytes);
  EXPECT_FALSE(WithSkey(row, held.get(), nonce, text, tag, true));
  ExpectError(ErrorCode::kKeyTypeMismatch, "AES-256-GCM needs a key of type aes with 32 bytes");
  EXPECT_FALSE(WithSkey(row, Given("GENERIC-SECRET", random_(16)).get(), nonce, text, tag, true));
  EXPECT_FALSE(BeginMac(mac.get(), held.get(), {}));
}

TEST_F(SkeyUse, ChecksTheKey) {
  const Bytes nonce = random_(12);
  const CipherCtx context(EVP_CIPHER_CTX_new());
  const Cipher cipher = Ours("AES-256-GCM");
  const auto begin = [&](const Skey& key, bool encrypt = true) {
    return Begin(context.get(), cipher.get(), key.get(), nonce, encrypt);
  };
  EXPECT_FALSE(begin(HeldSecret("short", KeyType::kAes, random_(16))));
  ExpectError(ErrorCode::kKeyTypeMismatch, "with 32 bytes, not aes with 16");
  EXPECT_FALSE(begin(HeldSecret("chacha", KeyType::kChaCha20, random_(32))));
  ExpectError(ErrorCode::kKeyTypeMismatch, "not chacha20");
  EXPECT_FALSE(begin(Given("ChaCha20", random_(32))));
  ExpectError(ErrorCode::kKeyTypeMismatch, "not chacha20");
  EXPECT_FALSE(begin(HeldSecret("e", KeyType::kAes, random_(32), Attribute::kEncrypt)));
  ExpectError(ErrorCode::kAttributeForbids, "'encrypt' is false");
  const Skey no_decrypt = HeldSecret("d", KeyType::kAes, random_(32), Attribute::kDecrypt);
  EXPECT_FALSE(begin(no_decrypt, false));
  ExpectError(ErrorCode::kAttributeForbids, "'decrypt' is false");
  EXPECT_TRUE(begin(no_decrypt)) << ErrorDetails();
  const MacCtx mac = NewMac("HMAC", kHsm);
  const auto sha256 = [] { return Params().Text("digest", "SHA256"); };
  EXPECT_FALSE(BeginMac(mac.get(), no_decrypt.get(), sha256()));
  ExpectError(ErrorCode::kKeyTypeMismatch, "HMAC needs a key of type generic-secret");
  const Skey no_sign = HeldSecret("s", KeyType::kGenericSecret, random_(32), Attribute::kSign);
  EXPECT_FALSE(BeginMac(mac.get(), no_sign.get(), sha256()));
  ExpectError(ErrorCode::kAttributeForbids, "'sign' is false");
  const Skey generated = Generate("AES", Params().Text("hsm-encrypt", "false"));
  EXPECT_FALSE(begin(generated));
  ExpectError(ErrorCode::kAttributeForbids, "'encrypt' is false");
}

TEST_F(SkeyUse, KeyBytesBesideAreRefused) {
  const Bytes bytes = random_(32);
  const Bytes nonce = random_(12);
  const Skey held = HeldSecret("aes", KeyType::kAes, bytes);
  const CipherCtx context = Gcm(held.get(), nonce);
  EXPECT_EQ(EVP_EncryptInit_ex2(context.get(), nullptr, bytes.data(), nonce.data(), nullptr), 0);
  ExpectError(ErrorCode::kInvalidArgument, "new context for another key");
  const CipherCtx other(EVP_CIPHER_CTX_new());
  const Cipher cipher = Ours("AES-256-GCM");
  ASSERT_EQ(EVP_EncryptInit_ex2(other.get(), cipher.get(), bytes.data(), nonce.data(), nullptr), 1);
  EXPECT_FALSE(Begin(other.get(), nullptr, held.get(), nonce));
  ExpectError(ErrorCode::kInvalidArgument, "new context for another key");
  EXPECT_FALSE(
      Begin(context.get(), nullptr, held.get(), nonce, true, Params().Text("hsm-key", "hsm:aes")));
  ExpectError(ErrorCode::kInvalidArgument, "EVP_SKEY");
  EXPECT_FALSE(Begin(context.get(), nullptr, Given("GENERIC-SECRET", bytes).get(), nonce));
  ExpectError(ErrorCode::kInvalidArgument, "EVP_SKEY");
}

TEST_F(SkeyUse, ARepeatedGcmNonceIsRefused) {
  const Skey key = HeldSecret("aes", KeyType::kAes, random_(32));
  const Bytes first = random_(12);
  const CipherCtx context = Gcm(key.get(), first);
  ASSERT_TRUE(Seal(context.get())) << ErrorDetails();
  // With the key once more, with the same key by another EVP_SKEY or by its name, and without.
  EXPECT_FALSE(Begin(context.get(), nullptr, key.get(), first));
  ExpectError(ErrorCode::kMechanism, "has encrypted with this GCM nonce before");
  EXPECT_FALSE(Begin(context.get(), nullptr, Held(KeyType::kAes, "hsm:aes").get(), first));
  ExpectError(ErrorCode::kMechanism, "has encrypted with this GCM nonce before");
  EXPECT_EQ(EVP_EncryptInit_ex2(context.get(), nullptr, nullptr, first.data(),
                                Params().Text("hsm-key", "hsm:aes").get()),
            0);
  ExpectError(ErrorCode::kMechanism, "has encrypted with this GCM nonce before");
  EXPECT_FALSE(Begin(context.get(), nullptr, nullptr, first));
  ExpectError(ErrorCode::kMechanism, "has encrypted with this GCM nonce before");
  EXPECT_TRUE(Begin(context.get(), nullptr, nullptr, random_(12))) << ErrorDetails();
  EXPECT_TRUE(Seal(context.get())) << ErrorDetails();
  // Another key has used no nonce.
  const Skey other = HeldSecret("other", KeyType::kAes, random_(32));
  EXPECT_TRUE(Begin(context.get(), nullptr, other.get(), first)) << ErrorDetails();
}

TEST_F(SkeyUse, TheHsmMakesGcmNonces) {
  const Skey key = HeldSecret("aes", KeyType::kAes, random_(32));
  Bytes nonces[2] = {Bytes(12), Bytes(12)};
  for (Bytes& nonce : nonces) {
    const CipherCtx context = Gcm(key.get(), {});
    ASSERT_TRUE(Seal(context.get())) << ErrorDetails();
    ASSERT_EQ(EVP_CIPHER_CTX_get_updated_iv(context.get(), nonce.data(), nonce.size()), 1);
  }
  EXPECT_NE(nonces[0], nonces[1]);
  EXPECT_NE(nonces[0], Bytes(12));
}

TEST_F(SkeyUse, ACopyOfTheContextGoesOn) {
  const Skey key = HeldSecret("aes", KeyType::kAes, random_(32));
  const CipherCtx context = Gcm(key.get(), random_(12));
  const CipherCtx copy(EVP_CIPHER_CTX_new());
  ASSERT_EQ(EVP_CIPHER_CTX_copy(copy.get(), context.get()), 1);
  EXPECT_TRUE(Seal(copy.get())) << ErrorDetails();
  EXPECT_TRUE(Begin(copy.get(), nullptr, key.get(), random_(12))) << ErrorDetails();
}

// What a login has loaded stays usable; a key that is gone does not.
TEST_F(SkeyUse, OutlivesTheLoginAndNotTheKey) {
  const Skey key = HeldSecret("aes", KeyType::kAes, random_(32));
  const CipherCtx context = Gcm(key.get(), random_(12));
  unsetenv("HSM_PIN");
  const Library without;
  EXPECT_EQ(EVP_SKEY_import(without.get(), "AES", kHsm, OSSL_SKEYMGMT_SELECT_ALL,
                            Params().Text("hsm-key", "hsm:aes").get()),
            nullptr);
  ExpectError(ErrorCode::kLoginRequired, "HSM_PIN");
  ASSERT_TRUE(Seal(context.get())) << ErrorDetails();
  EXPECT_TRUE(Seal(Gcm(key.get(), random_(12)).get())) << ErrorDetails();
  DeleteSecret("aes");
  EXPECT_FALSE(Begin(context.get(), nullptr, nullptr, random_(12)));
  ExpectError(ErrorCode::kKeyGone, "was deleted");
  const CipherCtx fresh(EVP_CIPHER_CTX_new());
  EXPECT_FALSE(Begin(fresh.get(), Ours("AES-256-GCM").get(), key.get(), random_(12)));
  ExpectError(ErrorCode::kKeyGone, "was deleted");
}

TEST_F(SkeyUse, MacsAgreeWithDefault) {
  struct MacRow {
    const char* name;
    KeyType type;
    std::size_t key_bytes;
    Params params;
    bool knows_cipher;  // from the key
  };
  SCOPED_TRACE(random_.Trace());
  MacRow rows[] = {
      {"HMAC", KeyType::kGenericSecret, 77, Params().Text("digest", "SHA512"), false},
      {"KMAC-128", KeyType::kGenericSecret, 16, {}, false},
      {"KMAC-256", KeyType::kGenericSecret, 32, Params().Octets("custom", random_(5)), false},
      {"CMAC", KeyType::kAes, 24, Params().Text("cipher", "AES-192-CBC"), true},
      {"CMAC", KeyType::kDes3, 24, Params().Text("cipher", "DES-EDE3-CBC"), true},
      {"GMAC", KeyType::kAes, 32, Params().Text("cipher", "AES-256-GCM").Octets("iv", random_(12)),
       false},
  };
  for (MacRow& row : rows) {
    SCOPED_TRACE(std::string(row.name) + " " + ManagerOf(row.type));
    const Bytes bytes = random_(row.key_bytes);
    const Bytes data = random_(300);
    const MacCtx plain = NewMac(row.name, kDefault);
    ASSERT_EQ(EVP_MAC_init(plain.get(), bytes.data(), bytes.size(), row.params.get()), 1);
    const auto expected = Finish(plain.get(), data);
    const Skey held = HeldSecret(std::string(row.name) + ManagerOf(row.type), row.type, bytes);
    const Skey given = Given(ManagerOf(row.type), bytes);
    for (const Skey* key : {&held, &given}) {
      const MacCtx mac = NewMac(row.name, kHsm);
      ASSERT_TRUE(BeginMac(mac.get(), key->get(), row.params)) << ErrorDetails();
      EXPECT_EQ(Finish(mac.get(), data), expected) << ErrorDetails();
      // Parameters that were set before.
      const MacCtx other = NewMac(row.name, kHsm);
      ASSERT_EQ(EVP_MAC_CTX_set_params(other.get(), row.params.get()), 1);
      ASSERT_EQ(EVP_MAC_init_SKEY(other.get(), key->get(), nullptr), 1) << ErrorDetails();
      EXPECT_EQ(Finish(other.get(), data), expected) << ErrorDetails();
    }
    if (!row.knows_cipher) continue;
    const MacCtx mac = NewMac(row.name, kHsm);
    ASSERT_EQ(EVP_MAC_init_SKEY(mac.get(), held.get(), nullptr), 1) << ErrorDetails();
    EXPECT_EQ(Finish(mac.get(), data), expected) << ErrorDetails();
  }
}

TEST_F(SkeyUse, MacsRefuseKeyBytesBeside) {
  const Bytes bytes = random_(32);
  const Skey key = HeldSecret("mac", KeyType::kGenericSecret, bytes);
  const MacCtx mac = NewMac("HMAC", kHsm);
  const auto sha256 = [] { return Params().Text("digest", "SHA256"); };
  EXPECT_FALSE(BeginMac(mac.get(), key.get(), sha256().Octets("key", bytes)));
  ExpectError(ErrorCode::kInvalidArgument, "EVP_SKEY");
  EXPECT_FALSE(BeginMac(mac.get(), key.get(), sha256().Text("hsm-key", "hsm:mac")));
  ExpectError(ErrorCode::kInvalidArgument, "EVP_SKEY");
  ASSERT_EQ(EVP_MAC_init(mac.get(), bytes.data(), bytes.size(), sha256().get()), 1);
  EXPECT_FALSE(BeginMac(mac.get(), key.get(), sha256()));
  ExpectError(ErrorCode::kInvalidArgument, "EVP_SKEY");
}

}  // namespace
}  // namespace provider::test
