// SPDX-License-Identifier: Apache-2.0
#include <openssl/err.h>

#include "provider/held_support.h"

namespace provider::test {
namespace {

using hsmcore::Attribute;
using hsmcore::ErrorCode;
using hsmcore::KeyType;

enum class Direction { kDecrypt = 0, kEncrypt = 1 };

struct Row {
  const char* name;
  KeyType type;
  std::size_t key_bytes;
  std::size_t nonce_bytes;
  std::size_t block;  // lengths of messages
  bool tag;
  bool whole;  // one call for the message
};

const Row kRows[] = {
    {"AES-128-ECB", KeyType::kAes, 16, 0, 1, false, false},
    {"AES-192-ECB", KeyType::kAes, 24, 0, 1, false, false},
    {"AES-256-CBC", KeyType::kAes, 32, 16, 1, false, false},
    {"AES-128-CTR", KeyType::kAes, 16, 16, 1, false, false},
    {"AES-128-GCM", KeyType::kAes, 16, 12, 1, true, false},
    {"AES-192-GCM", KeyType::kAes, 24, 20, 1, true, false},
    {"AES-256-GCM", KeyType::kAes, 32, 12, 1, true, false},
    {"AES-256-CCM", KeyType::kAes, 32, 12, 1, true, true},
    {"AES-128-XTS", KeyType::kAesXts, 32, 16, 1, false, true},
    {"AES-256-XTS", KeyType::kAesXts, 64, 16, 1, false, true},
    {"AES-192-WRAP", KeyType::kAes, 24, 8, 8, false, true},
    {"AES-256-WRAP-PAD", KeyType::kAes, 32, 4, 1, false, true},
    {"ChaCha20-Poly1305", KeyType::kChaCha20, 32, 12, 1, true, false},
    {"DES-EDE3-CBC", KeyType::kDes3, 24, 8, 1, false, false},
    {"DES-EDE3-ECB", KeyType::kDes3, 24, 0, 1, false, false},
};

// How the held key gets into the context.
enum class Way { kInitParams, kBeforeInit, kAfterInit };

struct Message {
  Bytes nonce;
  Bytes associated;
  Bytes text;
  Bytes tag;
};

class HeldCipher : public HeldTest {
 protected:
  using Cipher = Method<EVP_CIPHER>;

  Cipher Ours(const char* name) { return Fetch<EVP_CIPHER>(library_, name, kHsm); }
  Cipher Theirs(const char* name) { return Fetch<EVP_CIPHER>(library_, name, kDefault); }

  static bool Begin(EVP_CIPHER_CTX* context, EVP_CIPHER* cipher, Direction direction,
                    const unsigned char* key, const unsigned char* nonce, Params params = {}) {
    return EVP_CipherInit_ex2(context, cipher, key, nonce, static_cast<int>(direction),
                              params.get()) == 1;
  }
  static Params Key(const std::string& uri) { return Params().Text("hsm-key", uri); }

  // With key bytes (`uri` empty), or a held key.
  bool Prepare(EVP_CIPHER_CTX* context, EVP_CIPHER* cipher, const Row& row, Direction direction,
               const Bytes& key, const std::string& uri, Way way, Message& message) {
    EVP_CIPHER_CTX_set_flags(context, EVP_CIPHER_CTX_FLAG_WRAP_ALLOW);
    const bool by_params = !uri.empty() && way == Way::kInitParams;
    if (!Begin(context, cipher, direction, nullptr, nullptr, by_params ? Key(uri) : Params())) {
      return false;
    }
    if (row.tag) {
      EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_IVLEN, static_cast<int>(row.nonce_bytes),
                          nullptr);
      if (direction == Direction::kDecrypt || row.whole) {
        EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_TAG, 16,
                            direction == Direction::kDecrypt ? message.tag.data() : nullptr);
      }
    }
    const unsigned char* nonce = row.nonce_bytes == 0 ? nullptr : message.nonce.data();
    const auto set_key = [&] { return EVP_CIPHER_CTX_set_params(context, Key(uri).get()) == 1; };
    if (!uri.empty() && way == Way::kBeforeInit && !set_key()) return false;
    if (!Begin(context, nullptr, direction, uri.empty() ? key.data() : nullptr, nonce)) {
      return false;
    }
    return uri.empty() || way != Way::kAfterInit || set_key();
  }

  // In odd pieces, the second half by a copy of the context.
  std::optional<Bytes> Run(CipherCtx& context, const Row& row, Direction direction,
                           Message& message) {
    int size = 0;
    const Bytes& text = message.text;
    if (row.whole && row.tag &&
        EVP_CipherUpdate(context.get(), nullptr, &size, nullptr, static_cast<int>(text.size())) !=
            1) {
      return std::nullopt;
    }
    if (!message.associated.empty() &&
        EVP_CipherUpdate(context.get(), nullptr, &size, message.associated.data(),
                         static_cast<int>(message.associated.size())) != 1) {
      return std::nullopt;
    }
    Bytes out(text.size() + 64);
    std::size_t written = 0;
    for (std::size_t done = 0; done < text.size();) {
      const std::size_t piece =
          row.whole ? text.size() : std::min(text.size() - done, 1 + random_.Below(37));
      if (EVP_CipherUpdate(context.get(), out.data() + written, &size, text.data() + done,
                           static_cast<int>(piece)) != 1) {
        return std::nullopt;
      }
      written += static_cast<std::size_t>(size);
      done += piece;
      if (done < text.size() / 2 || row.whole) continue;
      CipherCtx copy(EVP_CIPHER_CTX_new());
      if (EVP_CIPHER_CTX_copy(copy.get(), context.get()) != 1) return std::nullopt;
      context = std::move(copy);
    }
    if (EVP_CipherFinal_ex(context.get(), out.data() + written, &size) != 1) return std::nullopt;
    out.resize(written + static_cast<std::size_t>(size));
    if (row.tag && direction == Direction::kEncrypt) {
      message.tag.resize(16);
      if (EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_AEAD_GET_TAG, 16, message.tag.data()) != 1) {
        return std::nullopt;
      }
    }
    return out;
  }

  // A context that encrypts with AES-256-GCM and a held key.
  CipherCtx Gcm(const std::string& uri) {
    CipherCtx context(EVP_CIPHER_CTX_new());
    const Cipher cipher = Ours("AES-256-GCM");
    EXPECT_TRUE(Begin(context.get(), cipher.get(), Direction::kEncrypt, nullptr, nullptr, Key(uri)))
        << ErrorDetails();
    return context;
  }
  static bool Seal(EVP_CIPHER_CTX* context) {
    Bytes data(16);
    Bytes out(32);
    int size = 0;
    return EVP_EncryptUpdate(context, out.data(), &size, data.data(), 16) == 1 &&
           EVP_EncryptFinal_ex(context, out.data(), &size) == 1;
  }
};

TEST_F(HeldCipher, AgreesWithDefaultInBothDirectionsAndEveryWay) {
  SCOPED_TRACE(random_.Trace());
  for (const Row& row : kRows) {
    SCOPED_TRACE(row.name);
    const Bytes key = random_(row.key_bytes);
    const std::string uri = Secret(row.name, row.type, key);
    const Cipher ours = Ours(row.name);
    const Cipher theirs = Theirs(row.name);
    for (const Way way : {Way::kInitParams, Way::kBeforeInit, Way::kAfterInit}) {
      for (const Direction direction : {Direction::kEncrypt, Direction::kDecrypt}) {
        const std::size_t size = row.block * (16 + random_.Below(200));
        Message message{random_(row.nonce_bytes),
                        row.tag ? random_(random_.Below(40)) : Bytes(),
                        random_(size),
                        {}};
        if (direction == Direction::kDecrypt) {
          CipherCtx context(EVP_CIPHER_CTX_new());
          ASSERT_TRUE(Prepare(context.get(), theirs.get(), row, Direction::kEncrypt, key, "", way,
                              message));
          const auto sealed = Run(context, row, Direction::kEncrypt, message);
          ASSERT_TRUE(sealed) << ErrorDetails();
          message.text = *sealed;
        }
        Message other = message;
        CipherCtx held(EVP_CIPHER_CTX_new());
        CipherCtx plain(EVP_CIPHER_CTX_new());
        ASSERT_TRUE(Prepare(held.get(), ours.get(), row, direction, {}, uri, way, message))
            << ErrorDetails();
        ASSERT_TRUE(Prepare(plain.get(), theirs.get(), row, direction, key, "", way, other));
        const auto out = Run(held, row, direction, message);
        EXPECT_TRUE(out) << ErrorDetails();
        EXPECT_EQ(out, Run(plain, row, direction, other));
        EXPECT_EQ(message.tag, other.tag);
      }
    }
  }
}

TEST_F(HeldCipher, GoesOnWithANewNonceAndTheSameKey) {
  const Bytes key = random_(32);
  const CipherCtx held = Gcm(Secret("aes", KeyType::kAes, key));
  CipherCtx plain(EVP_CIPHER_CTX_new());
  ASSERT_TRUE(
      Begin(plain.get(), Theirs("AES-256-GCM").get(), Direction::kEncrypt, key.data(), nullptr));
  for (int round = 0; round < 5; ++round) {
    const Bytes nonce = random_(12);
    Bytes tags[2] = {Bytes(16), Bytes(16)};
    for (EVP_CIPHER_CTX* context : {held.get(), plain.get()}) {
      ASSERT_TRUE(Begin(context, nullptr, Direction::kEncrypt, nullptr, nonce.data()));
      ASSERT_TRUE(Seal(context)) << ErrorDetails();
      EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, 16,
                          tags[context == held.get() ? 0 : 1].data());
    }
    EXPECT_EQ(tags[0], tags[1]);
  }
}

TEST_F(HeldCipher, RefusesARepeatedGcmNonce) {
  const CipherCtx context = Gcm(Secret("aes", KeyType::kAes, random_(32)));
  const Bytes first = random_(12);
  const Bytes second = random_(12);
  for (const Bytes* nonce : {&first, &second}) {
    // Until it was used, a nonce may be given again.
    ASSERT_TRUE(Begin(context.get(), nullptr, Direction::kEncrypt, nullptr, nonce->data()));
    ASSERT_TRUE(Begin(context.get(), nullptr, Direction::kEncrypt, nullptr, nonce->data()));
    ASSERT_TRUE(Seal(context.get())) << ErrorDetails();
  }
  EXPECT_FALSE(Begin(context.get(), nullptr, Direction::kEncrypt, nullptr, first.data()));
  ExpectError(ErrorCode::kMechanism, "has encrypted with this GCM nonce before");
  // Naming the key anew makes no new one of it.
  EXPECT_FALSE(
      Begin(context.get(), nullptr, Direction::kEncrypt, nullptr, first.data(), Key("hsm:aes")));
  ExpectError(ErrorCode::kMechanism, "has encrypted with this GCM nonce before");
  CipherCtx copy(EVP_CIPHER_CTX_new());
  ASSERT_EQ(EVP_CIPHER_CTX_copy(copy.get(), context.get()), 1);
  EXPECT_FALSE(Begin(copy.get(), nullptr, Direction::kEncrypt, nullptr, second.data()));
  // Decrypting needs the same one, of course.
  EXPECT_TRUE(Begin(context.get(), nullptr, Direction::kDecrypt, nullptr, first.data()))
      << ErrorDetails();
}

TEST_F(HeldCipher, MakesGcmNonces) {
  const CipherCtx context = Gcm(Secret("aes", KeyType::kAes, random_(32)));
  Bytes nonces[2] = {Bytes(12), Bytes(12)};
  for (Bytes& nonce : nonces) {
    ASSERT_TRUE(Begin(context.get(), nullptr, Direction::kEncrypt, nullptr, nullptr));
    ASSERT_TRUE(Seal(context.get())) << ErrorDetails();
    ASSERT_EQ(EVP_CIPHER_CTX_get_updated_iv(context.get(), nonce.data(), nonce.size()), 1);
  }
  EXPECT_NE(nonces[0], nonces[1]);
  EXPECT_NE(nonces[0], Bytes(12));
  // It can be asked for before the message as well, and stays.
  ASSERT_TRUE(Begin(context.get(), nullptr, Direction::kEncrypt, nullptr, nullptr));
  ASSERT_EQ(EVP_CIPHER_CTX_get_original_iv(context.get(), nonces[0].data(), 12), 1);
  ASSERT_TRUE(Seal(context.get()));
  ASSERT_EQ(EVP_CIPHER_CTX_get_original_iv(context.get(), nonces[1].data(), 12), 1);
  EXPECT_EQ(nonces[0], nonces[1]);
}

// hsm-gcm-nonce in the provider's section of openssl.cnf.
TEST_F(HeldCipher, TheSettingLeavesGcmNoncesToTheHsm) {
  const std::string uri = Secret("aes", KeyType::kAes, random_(32));
  const hsmcore::test::TemporaryDirectory directory;
  const Ptr<OSSL_LIB_CTX> library = Configured(directory.path(), "hsm-gcm-nonce = hsm\n");
  const Cipher cipher(EVP_CIPHER_fetch(library.get(), "AES-256-GCM", kHsm), EVP_CIPHER_free);
  ASSERT_NE(cipher, nullptr) << ErrorDetails();
  const CipherCtx context(EVP_CIPHER_CTX_new());
  const Bytes own = random_(12);
  EXPECT_FALSE(
      Begin(context.get(), cipher.get(), Direction::kEncrypt, nullptr, own.data(), Key(uri)));
  ExpectError(ErrorCode::kMechanism, "the HSM makes the nonces of GCM here (hsm-gcm-nonce = hsm)");
  const Bytes plain = random_(16);
  Bytes sealed(16);
  Bytes nonce(12);
  Bytes tag(16);
  int size = 0;
  ASSERT_TRUE(Begin(context.get(), cipher.get(), Direction::kEncrypt, nullptr, nullptr, Key(uri)))
      << ErrorDetails();
  ASSERT_EQ(EVP_EncryptUpdate(context.get(), sealed.data(), &size, plain.data(), 16), 1);
  ASSERT_EQ(EVP_EncryptFinal_ex(context.get(), sealed.data() + size, &size), 1);
  ASSERT_EQ(EVP_CIPHER_CTX_get_updated_iv(context.get(), nonce.data(), nonce.size()), 1);
  ASSERT_EQ(EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_AEAD_GET_TAG, 16, tag.data()), 1);
  // With the key in the context too.
  EXPECT_FALSE(Begin(context.get(), nullptr, Direction::kEncrypt, nullptr, own.data()));
  ExpectError(ErrorCode::kMechanism, "hsm-gcm-nonce");
  // Who decrypts gives the nonce that was made.
  const CipherCtx opening(EVP_CIPHER_CTX_new());
  ASSERT_TRUE(
      Begin(opening.get(), cipher.get(), Direction::kDecrypt, nullptr, nonce.data(), Key(uri)))
      << ErrorDetails();
  ASSERT_EQ(EVP_CIPHER_CTX_ctrl(opening.get(), EVP_CTRL_AEAD_SET_TAG, 16, tag.data()), 1);
  Bytes opened(16);
  ASSERT_EQ(EVP_DecryptUpdate(opening.get(), opened.data(), &size, sealed.data(), 16), 1);
  EXPECT_EQ(EVP_DecryptFinal_ex(opening.get(), opened.data() + size, &size), 1);
  EXPECT_EQ(opened, plain);
}

TEST_F(HeldCipher, AnUnknownNonceSettingIsNamed) {
  const std::string uri = Secret("aes", KeyType::kAes, random_(32));
  const hsmcore::test::TemporaryDirectory directory;
  const Ptr<OSSL_LIB_CTX> library = Configured(directory.path(), "hsm-gcm-nonce = always\n");
  const Cipher cipher(EVP_CIPHER_fetch(library.get(), "AES-256-GCM", kHsm), EVP_CIPHER_free);
  const CipherCtx context(EVP_CIPHER_CTX_new());
  EXPECT_FALSE(Begin(context.get(), cipher.get(), Direction::kEncrypt, nullptr, nullptr, Key(uri)));
  ExpectError(ErrorCode::kSetting, "hsm-gcm-nonce is 'always'");
}

TEST_F(HeldCipher, RefusesAnAlteredTag) {
  const Row& row = kRows[6];
  const Bytes key = random_(32);
  const std::string uri = Secret("aes", KeyType::kAes, key);
  Message message{random_(12), random_(9), random_(40), {}};
  CipherCtx context(EVP_CIPHER_CTX_new());
  const Cipher ours = Ours(row.name);
  ASSERT_TRUE(Prepare(context.get(), ours.get(), row, Direction::kEncrypt, key, uri,
                      Way::kBeforeInit, message));
  message.text = *Run(context, row, Direction::kEncrypt, message);
  message.tag[3] ^= 1;
  context.reset(EVP_CIPHER_CTX_new());
  ASSERT_TRUE(Prepare(context.get(), ours.get(), row, Direction::kDecrypt, key, uri,
                      Way::kBeforeInit, message));
  EXPECT_FALSE(Run(context, row, Direction::kDecrypt, message));
}

TEST_F(HeldCipher, RefusesTheWrongOrder) {
  const CipherCtx context = Gcm(Secret("aes", KeyType::kAes, random_(32)));
  ASSERT_TRUE(Seal(context.get()));
  EXPECT_FALSE(Seal(context.get()));
  ExpectError(ErrorCode::kOperationState, "the message has ended");
}

// Whatever length of nonce and tag the default provider takes or refuses.
TEST_F(HeldCipher, RefusesTheLengthsThatTheDefaultProviderRefuses) {
  for (const Row& row : kRows) {
    if (!row.tag) continue;
    SCOPED_TRACE(row.name);
    const Bytes key = random_(row.key_bytes);
    const std::string uri = Secret(row.name, row.type, key);
    for (const int nonce_bytes : {0, 1, 6, 7, 8, 12, 13, 14, 16, 17, 64, 128, 129, 1000}) {
      for (const int tag_bytes : {0, 3, 4, 8, 15, 16, 17}) {
        SCOPED_TRACE(std::to_string(nonce_bytes) + " " + std::to_string(tag_bytes));
        bool accepted[2] = {};
        for (const bool held : {false, true}) {
          const Cipher cipher = held ? Ours(row.name) : Theirs(row.name);
          const CipherCtx context(EVP_CIPHER_CTX_new());
          Bytes tag(32);
          Bytes nonce(1000);
          accepted[held ? 1 : 0] = Begin(context.get(), cipher.get(), Direction::kDecrypt, nullptr,
                                         nullptr, held ? Key(uri) : Params()) &&
                                   EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_AEAD_SET_IVLEN,
                                                       nonce_bytes, nullptr) == 1 &&
                                   EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_AEAD_SET_TAG,
                                                       tag_bytes, tag.data()) == 1 &&
                                   Begin(context.get(), nullptr, Direction::kDecrypt,
                                         held ? nullptr : key.data(), nonce.data());
        }
        EXPECT_EQ(accepted[1], accepted[0]);
        ERR_clear_error();
      }
    }
  }
}

TEST_F(HeldCipher, PassesOverUnknownParametersAndNamesWrongTypes) {
  const std::string uri = Secret("aes", KeyType::kAes, random_(32));
  const CipherCtx context(EVP_CIPHER_CTX_new());
  const Cipher cipher = Ours("AES-256-GCM");
  ASSERT_TRUE(Begin(context.get(), cipher.get(), Direction::kEncrypt, nullptr, nullptr,
                    Key(uri).Text("nobody-knows-this", "x")))
      << ErrorDetails();
  EXPECT_TRUE(Seal(context.get()));
  const CipherCtx other(EVP_CIPHER_CTX_new());
  EXPECT_FALSE(Begin(other.get(), cipher.get(), Direction::kEncrypt, nullptr, nullptr,
                     Params().Number("hsm-key", 7)));
  ExpectError(ErrorCode::kInvalidArgument, "hsm-key");
}

TEST_F(HeldCipher, RefusesKeyBytesBesideAHeldKey) {
  const Bytes key = random_(32);
  const std::string uri = Secret("aes", KeyType::kAes, key);
  const CipherCtx context = Gcm(uri);
  EXPECT_FALSE(Begin(context.get(), nullptr, Direction::kEncrypt, key.data(), nullptr));
  ExpectError(ErrorCode::kInvalidArgument, "key bytes and hsm-key");
  CipherCtx other(EVP_CIPHER_CTX_new());
  const Cipher cipher = Ours("AES-256-GCM");
  EXPECT_FALSE(
      Begin(other.get(), cipher.get(), Direction::kEncrypt, key.data(), nullptr, Key(uri)));
  ExpectError(ErrorCode::kInvalidArgument, "key bytes and hsm-key");
  ASSERT_TRUE(Begin(other.get(), cipher.get(), Direction::kEncrypt, key.data(), nullptr));
  EXPECT_EQ(EVP_CIPHER_CTX_set_params(other.get(), Key(uri).get()), 0);
  ExpectError(ErrorCode::kInvalidArgument, "key bytes and hsm-key");
}

TEST_F(HeldCipher, NeedsTheRightKey) {
  CipherCtx context(EVP_CIPHER_CTX_new());
  const Cipher cipher = Ours("AES-256-GCM");
  const auto begin = [&](Direction direction, const std::string& uri) {
    EVP_CIPHER_CTX_reset(context.get());
    return Begin(context.get(), cipher.get(), direction, nullptr, nullptr, Key(uri));
  };
  EXPECT_FALSE(begin(Direction::kEncrypt, Secret("short", KeyType::kAes, random_(16))));
  ExpectError(ErrorCode::kKeyTypeMismatch,
              "needs a key of type aes with 32 bytes, not aes with 16");
  EXPECT_FALSE(begin(Direction::kEncrypt, Secret("mac", KeyType::kGenericSecret, random_(32))));
  ExpectError(ErrorCode::kKeyTypeMismatch, "not generic-secret");
  EXPECT_FALSE(begin(Direction::kEncrypt, "hsm:nothing"));
  ExpectError(ErrorCode::kKeyNotFound, "nothing");
  EXPECT_FALSE(begin(Direction::kEncrypt, "file:key"));
  ExpectError(ErrorCode::kUri, "");
  EXPECT_FALSE(begin(Direction::kEncrypt,
                     Secret("no-encrypt", KeyType::kAes, random_(32), Attribute::kEncrypt)));
  ExpectError(ErrorCode::kAttributeForbids, "'encrypt' is false");
  EXPECT_FALSE(begin(Direction::kDecrypt,
                     Secret("no-decrypt", KeyType::kAes, random_(32), Attribute::kDecrypt)));
  ExpectError(ErrorCode::kAttributeForbids, "'decrypt' is false");
  EXPECT_TRUE(begin(Direction::kEncrypt, "hsm:no-decrypt")) << ErrorDetails();
}

TEST_F(HeldCipher, EndsWithItsKey) {
  const CipherCtx context = Gcm(Secret("aes", KeyType::kAes, random_(32)));
  ASSERT_TRUE(Seal(context.get()));
  DeleteSecret("aes");
  EXPECT_FALSE(Begin(context.get(), nullptr, Direction::kEncrypt, nullptr, random_(12).data()));
  ExpectError(ErrorCode::kKeyGone, "was deleted");
}

TEST_F(HeldCipher, IsAnnounced) {
  for (const char* name : {"AES-256-GCM", "AES-128-XTS", "DES-EDE3-CBC"}) {
    const auto cipher = Ours(name);
    const OSSL_PARAM* list = EVP_CIPHER_settable_ctx_params(cipher.get());
    EXPECT_NE(OSSL_PARAM_locate_const(list, "hsm-key"), nullptr) << name;
  }
  const OSSL_PARAM* none = EVP_CIPHER_settable_ctx_params(Ours("AES-256-OFB").get());
  EXPECT_EQ(OSSL_PARAM_locate_const(none, "hsm-key"), nullptr);
}

}  // namespace
}  // namespace provider::test
