// SPDX-License-Identifier: Apache-2.0
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/params.h>
#include <openssl/rsa.h>

#include <array>

#include "provider/provider_fixture.h"

namespace provider::test {
namespace {

using hsmcore::ErrorCode;
using Params = std::vector<std::pair<const char*, const char*>>;

class CipherTest : public ProviderTest {
 protected:
  CipherTest() : key_(Held(library_, "rsa")), other_(library_.InDefault(key_.get())) {}

  Ptr<EVP_PKEY_CTX> Context(EVP_PKEY* key, bool decrypt, const Params& params) const {
    Ptr<EVP_PKEY_CTX> context(EVP_PKEY_CTX_new_from_pkey(library_.get(), key, nullptr));
    EXPECT_EQ(decrypt ? EVP_PKEY_decrypt_init(context.get()) : EVP_PKEY_encrypt_init(context.get()),
              1)
        << ErrorDetails();
    for (const auto& [name, value] : params) {
      EXPECT_EQ(EVP_PKEY_CTX_ctrl_str(context.get(), name, value), 1) << name << ErrorDetails();
    }
    return context;
  }

  Bytes Run(EVP_PKEY* key, bool decrypt, const Params& params, ByteView in) const {
    const auto context = Context(key, decrypt, params);
    const auto run = decrypt ? EVP_PKEY_decrypt : EVP_PKEY_encrypt;
    std::size_t size = 0;
    if (run(context.get(), nullptr, &size, in.data(), in.size()) != 1) return {};
    Bytes out(size);
    if (run(context.get(), out.data(), &size, in.data(), in.size()) != 1) return {};
    out.resize(size);
    return out;
  }

  const Library library_;
  const Pkey key_;
  const Pkey other_;
};

TEST_F(CipherTest, WorksWithTheDefaultProviderForEveryPadding) {
  const std::vector<Params> cases = {
      {},
      {{"rsa_padding_mode", "pkcs1"}},
      {{"rsa_padding_mode", "oaep"}},
      {{"rsa_padding_mode", "oaep"}, {"rsa_oaep_md", "SHA256"}},
      {{"rsa_padding_mode", "oaep"}, {"rsa_oaep_md", "SHA256"}, {"rsa_mgf1_md", "SHA1"}},
      {{"rsa_padding_mode", "oaep"}, {"rsa_oaep_label", "00010203"}},
  };
  const Bytes secret = {1, 2, 3, 4, 5};
  for (const Params& params : cases) {
    EXPECT_EQ(Run(key_.get(), true, params, Run(other_.get(), false, params, secret)), secret)
        << ErrorDetails();
    EXPECT_EQ(Run(key_.get(), true, params, Run(key_.get(), false, params, secret)), secret)
        << ErrorDetails();
  }
  const Bytes block(256, 1);
  const Params raw = {{"rsa_padding_mode", "none"}};
  EXPECT_EQ(Run(key_.get(), true, raw, Run(other_.get(), false, raw, block)), block);
}

TEST_F(CipherTest, AWrongLabelFailsWithoutTellingWhy) {
  const Params sent = {{"rsa_padding_mode", "oaep"}, {"rsa_oaep_label", "01"}};
  const Params expected = {{"rsa_padding_mode", "oaep"}, {"rsa_oaep_label", "02"}};
  const Bytes cipher = Run(other_.get(), false, sent, Bytes{1});
  EXPECT_TRUE(Run(key_.get(), true, expected, cipher).empty());
  EXPECT_EQ(HsmReasons(), std::vector{Reason(ErrorCode::kDecryption)});
}

// RFC 5246 7.4.7.1: a damaged pre-master secret gives a random one and no error.
TEST_F(CipherTest, TlsPaddingNeverFails) {
  Bytes secret(48, 9);
  secret[0] = 3;
  secret[1] = 3;
  Bytes cipher = Run(other_.get(), false, {}, secret);
  for (const bool damaged : {false, true}) {
    if (damaged) cipher[100] ^= 1;
    const auto context = Context(key_.get(), true, {});
    unsigned version = 0x0303;
    int padding = RSA_PKCS1_WITH_TLS_PADDING;
    const std::array<OSSL_PARAM, 3> params = {
        OSSL_PARAM_construct_int(OSSL_ASYM_CIPHER_PARAM_PAD_MODE, &padding),
        OSSL_PARAM_construct_uint(OSSL_ASYM_CIPHER_PARAM_TLS_CLIENT_VERSION, &version),
        OSSL_PARAM_construct_end()};
    ASSERT_EQ(EVP_PKEY_CTX_set_params(context.get(), params.data()), 1) << ErrorDetails();
    Bytes out(48);
    std::size_t size = out.size();
    ASSERT_EQ(EVP_PKEY_decrypt(context.get(), out.data(), &size, cipher.data(), cipher.size()), 1)
        << ErrorDetails();
    EXPECT_EQ(size, 48U);
    EXPECT_EQ(out == secret, !damaged);
  }
}

TEST_F(CipherTest, ACopiedContextKeepsItsParameters) {
  const Params params = {{"rsa_padding_mode", "oaep"}, {"rsa_oaep_md", "SHA384"}};
  const Bytes cipher = Run(other_.get(), false, params, Bytes{42});
  const auto first = Context(key_.get(), true, params);
  const Ptr<EVP_PKEY_CTX> second(EVP_PKEY_CTX_dup(first.get()));
  ASSERT_NE(second, nullptr) << ErrorDetails();
  Bytes out(256);
  std::size_t size = out.size();
  ASSERT_EQ(EVP_PKEY_decrypt(second.get(), out.data(), &size, cipher.data(), cipher.size()), 1)
      << ErrorDetails();
  EXPECT_EQ(size, 1U);
  EXPECT_EQ(out[0], 42);
}

TEST_F(CipherTest, CallsInTheWrongOrderFail) {
  const auto context = Context(key_.get(), false, {});
  Bytes out(256);
  std::size_t size = out.size();
  EXPECT_NE(EVP_PKEY_decrypt(context.get(), out.data(), &size, out.data(), out.size()), 1);
}

TEST_F(CipherTest, ARestrictedKeyTypeSaysSo) {
  const Pkey pss = Held(library_, "pss-free");
  const Ptr<EVP_PKEY_CTX> context(EVP_PKEY_CTX_new_from_pkey(library_.get(), pss.get(), nullptr));
  EXPECT_NE(EVP_PKEY_decrypt_init(context.get()), 1);
  EXPECT_EQ(HsmReasons(), std::vector{Reason(ErrorCode::kKeyTypeMismatch)});
}

TEST_F(CipherTest, TheGateIsAskedAtInit) {
  const Pkey key = library_.Generate("RSA", {"bits=2048", "hsm-decrypt=no"});
  ASSERT_NE(key, nullptr) << ErrorDetails();
  const Ptr<EVP_PKEY_CTX> context(EVP_PKEY_CTX_new_from_pkey(library_.get(), key.get(), nullptr));
  EXPECT_NE(EVP_PKEY_decrypt_init(context.get()), 1);
  EXPECT_EQ(HsmReasons(), std::vector{Reason(ErrorCode::kAttributeForbids)});
}

}  // namespace
}  // namespace provider::test
