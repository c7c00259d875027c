// SPDX-License-Identifier: Apache-2.0
#include <openssl/err.h>

#include "provider/held_support.h"

namespace provider::test {
namespace {

using hsmcore::Attribute;
using hsmcore::ErrorCode;
using hsmcore::KeyType;

struct Row {
  const char* label;
  const char* name;
  KeyType type;
  std::size_t key_bytes;
  const char* param;  // of OpenSSL, which tells the digest or the cipher
  const char* value;
};

const Row kRows[] = {
    {"hmac-md5", "HMAC", KeyType::kGenericSecret, 7, OSSL_MAC_PARAM_DIGEST, "MD5"},
    {"hmac-sha1", "HMAC", KeyType::kGenericSecret, 20, OSSL_MAC_PARAM_DIGEST, "SHA1"},
    {"hmac-sha256", "HMAC", KeyType::kGenericSecret, 32, OSSL_MAC_PARAM_DIGEST, "SHA256"},
    {"hmac-sha512", "HMAC", KeyType::kGenericSecret, 200, OSSL_MAC_PARAM_DIGEST, "SHA512"},
    {"hmac-sha3", "HMAC", KeyType::kGenericSecret, 32, OSSL_MAC_PARAM_DIGEST, "SHA3-384"},
    {"cmac-aes", "CMAC", KeyType::kAes, 24, OSSL_MAC_PARAM_CIPHER, "AES-192-CBC"},
    {"cmac-3des", "CMAC", KeyType::kDes3, 24, OSSL_MAC_PARAM_CIPHER, "DES-EDE3-CBC"},
    {"gmac", "GMAC", KeyType::kAes, 16, OSSL_MAC_PARAM_CIPHER, "AES-128-GCM"},
    {"kmac128", "KMAC-128", KeyType::kGenericSecret, 33, OSSL_MAC_PARAM_CUSTOM, nullptr},
    {"kmac256", "KMAC-256", KeyType::kGenericSecret, 64, OSSL_MAC_PARAM_CUSTOM, nullptr},
};

class HeldMac : public HeldTest {
 protected:
  using Mac = Method<EVP_MAC>;

  Mac Ours(const char* name) { return Fetch<EVP_MAC>(library_, name, kHsm); }
  Mac Theirs(const char* name) { return Fetch<EVP_MAC>(library_, name, kDefault); }

  Params ParamsOf(const Row& row, const Bytes& nonce) {
    Params params;
    if (row.value != nullptr) params.Text(row.param, row.value);
    if (std::string_view(row.name) == "GMAC") params.Octets(OSSL_MAC_PARAM_IV, nonce);
    if (row.value == nullptr) params.Octets(row.param, nonce);
    return params;
  }

  // In odd pieces, the second half by a copy of the context.
  std::optional<Bytes> Run(MacCtx& context, const Bytes& data) {
    bool copied = false;
    for (std::size_t done = 0; done < data.size();) {
      const std::size_t piece = std::min(data.size() - done, 1 + random_.Below(50));
      if (EVP_MAC_update(context.get(), data.data() + done, piece) != 1) return std::nullopt;
      done += piece;
      if (copied || done < data.size() / 2) continue;
      context.reset(EVP_MAC_CTX_dup(context.get()));
      copied = true;
    }
    Bytes out(EVP_MAX_MD_SIZE + 64);
    std::size_t size = 0;
    if (EVP_MAC_final(context.get(), out.data(), &size, out.size()) != 1) return std::nullopt;
    out.resize(size);
    return out;
  }
};

TEST_F(HeldMac, AgreesWithDefault) {
  SCOPED_TRACE(random_.Trace());
  for (const Row& row : kRows) {
    SCOPED_TRACE(row.label);
    const Bytes key = random_(row.key_bytes);
    const std::string uri = Secret(row.label, row.type, key);
    const Mac ours = Ours(row.name);
    const Mac theirs = Theirs(row.name);
    for (const bool by_init : {true, false}) {
      Params params = ParamsOf(row, random_(12));
      MacCtx plain(EVP_MAC_CTX_new(theirs.get()));
      ASSERT_EQ(EVP_MAC_init(plain.get(), key.data(), key.size(), params.get()), 1);
      params.Text("hsm-key", uri);
      MacCtx held(EVP_MAC_CTX_new(ours.get()));
      if (!by_init) {
        ASSERT_EQ(EVP_MAC_CTX_set_params(held.get(), params.get()), 1) << ErrorDetails();
      }
      ASSERT_EQ(EVP_MAC_init(held.get(), nullptr, 0, by_init ? params.get() : nullptr), 1)
          << ErrorDetails();
      const Bytes data = random_(random_.Below(600));
      const auto mac = Run(held, data);
      EXPECT_TRUE(mac) << ErrorDetails();
      EXPECT_EQ(mac, Run(plain, data));
    }
  }
}

TEST_F(HeldMac, BeginsAgainWithTheSameKey) {
  const Bytes key = random_(32);
  Params params;
  params.Text(OSSL_MAC_PARAM_DIGEST, "SHA256")
      .Text("hsm-key", Secret("mac", KeyType::kGenericSecret, key));
  MacCtx context(EVP_MAC_CTX_new(Ours("HMAC").get()));
  ASSERT_EQ(EVP_MAC_init(context.get(), nullptr, 0, params.get()), 1);
  const Bytes data = random_(100);
  const auto first = Run(context, data);
  ASSERT_EQ(EVP_MAC_init(context.get(), nullptr, 0, nullptr), 1) << ErrorDetails();
  EXPECT_EQ(Run(context, data), first);
  // Another digest needs the key anew.
  Params sha512;
  sha512.Text(OSSL_MAC_PARAM_DIGEST, "SHA512");
  ASSERT_EQ(EVP_MAC_init(context.get(), nullptr, 0, sha512.get()), 1) << ErrorDetails();
  MacCtx plain(EVP_MAC_CTX_new(Theirs("HMAC").get()));
  ASSERT_EQ(EVP_MAC_init(plain.get(), key.data(), key.size(), sha512.get()), 1);
  EXPECT_EQ(Run(context, data), Run(plain, data));
}

// As with GCM: what two MACs under one nonce give away is the authentication key.
TEST_F(HeldMac, RefusesARepeatedGmacNonce) {
  const std::string uri = Secret("gmac", KeyType::kAes, random_(32));
  const Bytes first = random_(12);
  const Bytes second = random_(12);
  const Bytes data = random_(40);
  MacCtx context(EVP_MAC_CTX_new(Ours("GMAC").get()));
  const auto set = [&](const Bytes& nonce) {
    return EVP_MAC_CTX_set_params(
        context.get(),
        Params().Text(OSSL_MAC_PARAM_CIPHER, "AES-256-GCM").Octets(OSSL_MAC_PARAM_IV, nonce).get());
  };
  const auto begin = [&](const Bytes& nonce) {
    return EVP_MAC_init(context.get(), nullptr, 0, Params().Octets(OSSL_MAC_PARAM_IV, nonce).get());
  };
  // The nonce before the key, and twice before it is used.
  ASSERT_EQ(set(first), 1);
  ASSERT_EQ(EVP_MAC_init(context.get(), nullptr, 0,
                         Params().Text("hsm-key", uri).Octets(OSSL_MAC_PARAM_IV, first).get()),
            1)
      << ErrorDetails();
  EXPECT_TRUE(Run(context, data)) << ErrorDetails();
  EXPECT_EQ(begin(first), 0);
  ExpectError(ErrorCode::kMechanism, "has made a MAC with this GMAC nonce before");
  ASSERT_EQ(begin(second), 1) << ErrorDetails();
  EXPECT_TRUE(Run(context, data)) << ErrorDetails();
  for (const Bytes* used : {&first, &second}) {
    EXPECT_EQ(set(*used), 0);
    ExpectError(ErrorCode::kMechanism, "has made a MAC with this GMAC nonce before");
    EXPECT_EQ(begin(*used), 0);
  }
  ERR_clear_error();
  // A copy remembers too; another context knows nothing of this one.
  context.reset(EVP_MAC_CTX_dup(context.get()));
  EXPECT_EQ(begin(first), 0);
  ExpectError(ErrorCode::kMechanism, "GMAC nonce");
  EXPECT_EQ(begin(random_(12)), 1) << ErrorDetails();
  EXPECT_TRUE(Run(context, data)) << ErrorDetails();
  context.reset(EVP_MAC_CTX_new(Ours("GMAC").get()));
  ASSERT_EQ(set(first), 1);
  ASSERT_EQ(EVP_MAC_init(context.get(), nullptr, 0, Params().Text("hsm-key", uri).get()), 1);
  EXPECT_TRUE(Run(context, data)) << ErrorDetails();
  // That nonce came before the key, and counts.
  EXPECT_EQ(begin(first), 0);
  ExpectError(ErrorCode::kMechanism, "GMAC nonce");
}

TEST_F(HeldMac, GmacNeedsANonceForEachMessage) {
  MacCtx context(EVP_MAC_CTX_new(Ours("GMAC").get()));
  Params params;
  params.Text("hsm-key", Secret("gmac", KeyType::kAes, random_(32)))
      .Octets(OSSL_MAC_PARAM_IV, random_(12));
  ASSERT_EQ(EVP_MAC_init(context.get(), nullptr, 0, params.get()), 1) << ErrorDetails();
  const Bytes data = random_(20);
  EXPECT_TRUE(Run(context, data));
  EXPECT_FALSE(EVP_MAC_init(context.get(), nullptr, 0, nullptr) == 1 && Run(context, data));
  ERR_clear_error();
}

TEST_F(HeldMac, KnowsTheBlockCipherOfItsKey) {
  const Bytes key = random_(32);
  Params params;
  params.Text("hsm-key", Secret("aes", KeyType::kAes, key));
  MacCtx context(EVP_MAC_CTX_new(Ours("CMAC").get()));
  ASSERT_EQ(EVP_MAC_init(context.get(), nullptr, 0, params.get()), 1) << ErrorDetails();
  MacCtx plain(EVP_MAC_CTX_new(Theirs("CMAC").get()));
  Params named;
  named.Text(OSSL_MAC_PARAM_CIPHER, "AES-256-CBC");
  ASSERT_EQ(EVP_MAC_init(plain.get(), key.data(), key.size(), named.get()), 1);
  EXPECT_EQ(Run(context, key), Run(plain, key));
  // A 3DES key is as long as an AES-192 key.
  Params wrong;
  wrong.Text("hsm-key", Secret("des", KeyType::kDes3, random_(24)))
      .Text(OSSL_MAC_PARAM_CIPHER, "AES-192-CBC");
  context.reset(EVP_MAC_CTX_new(Ours("CMAC").get()));
  EXPECT_EQ(EVP_MAC_init(context.get(), nullptr, 0, wrong.get()), 0);
  ExpectError(ErrorCode::kKeyTypeMismatch, "the held key is for DES-EDE3-CBC");
}

TEST_F(HeldMac, RefusesWhatDoesNotFit) {
  const Bytes key = random_(32);
  const auto begin = [&](const char* name, const std::string& uri, const Bytes* bytes = nullptr) {
    Params params;
    if (std::string_view(name) == "HMAC") params.Text(OSSL_MAC_PARAM_DIGEST, "SHA256");
    params.Text("hsm-key", uri);
    const MacCtx context(EVP_MAC_CTX_new(Ours(name).get()));
    return EVP_MAC_init(context.get(), bytes == nullptr ? nullptr : bytes->data(),
                        bytes == nullptr ? 0 : bytes->size(), params.get()) == 1;
  };
  EXPECT_FALSE(begin("HMAC", Secret("aes", KeyType::kAes, key)));
  ExpectError(ErrorCode::kKeyTypeMismatch, "HMAC needs a key of type generic-secret, not aes");
  EXPECT_FALSE(begin("CMAC", Secret("mac", KeyType::kGenericSecret, key)));
  ExpectError(ErrorCode::kKeyTypeMismatch, "CMAC needs a key of type aes or des3");
  EXPECT_FALSE(begin("HMAC", Secret("no", KeyType::kGenericSecret, key, Attribute::kSign)));
  ExpectError(ErrorCode::kAttributeForbids, "'sign' is false");
  EXPECT_FALSE(begin("HMAC", "hsm:mac", &key));
  ExpectError(ErrorCode::kInvalidArgument, "key bytes and hsm-key");
  MacCtx context(EVP_MAC_CTX_new(Ours("HMAC").get()));
  Params both;
  both.Text("hsm-key", "hsm:mac").Octets(OSSL_MAC_PARAM_KEY, key);
  EXPECT_EQ(EVP_MAC_CTX_set_params(context.get(), both.get()), 0);
  ExpectError(ErrorCode::kInvalidArgument, "key bytes and hsm-key");
}

TEST_F(HeldMac, RefusesTheWrongOrderAndEndsWithItsKey) {
  MacCtx context(EVP_MAC_CTX_new(Ours("HMAC").get()));
  Params params;
  params.Text(OSSL_MAC_PARAM_DIGEST, "SHA256")
      .Text("hsm-key", Secret("mac", KeyType::kGenericSecret, random_(32)));
  ASSERT_EQ(EVP_MAC_CTX_set_params(context.get(), params.get()), 1);
  const Bytes data(5);
  EXPECT_EQ(EVP_MAC_update(context.get(), data.data(), data.size()), 0);
  ExpectError(ErrorCode::kOperationState, "EVP_MAC_init");
  ASSERT_EQ(EVP_MAC_init(context.get(), nullptr, 0, nullptr), 1);
  EXPECT_TRUE(Run(context, data));
  DeleteSecret("mac");
  EXPECT_EQ(EVP_MAC_init(context.get(), nullptr, 0, nullptr), 0);
  ExpectError(ErrorCode::kKeyGone, "was deleted");
}

}  // namespace
}  // namespace provider::test
