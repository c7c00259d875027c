// SPDX-License-Identifier: Apache-2.0
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/param_build.h>
#include <openssl/params.h>

#include <array>
#include <cstring>

#include "provider/provider_fixture.h"

namespace provider::test {
namespace {

using hsmcore::ErrorCode;

constexpr std::array kLabels = {"rsa", "pss", "pss-free", "p224", "p256", "p521", "ed25519"};

class KeymgmtTest : public ProviderTest {
 protected:
  // The value as bytes; empty where the key does not have the parameter.
  static Bytes Value(EVP_PKEY* key, const OSSL_PARAM& announced) {
    Bytes buffer(1024);
    std::array<OSSL_PARAM, 2> params = {announced, OSSL_PARAM_construct_end()};
    params[0].data = buffer.data();
    params[0].data_size = announced.data_type == OSSL_PARAM_INTEGER ? sizeof(int) : buffer.size();
    if (EVP_PKEY_get_params(key, params.data()) != 1 || !OSSL_PARAM_modified(params.data())) {
      return {};
    }
    buffer.resize(params[0].return_size);
    return buffer;
  }

  Pkey FromData(const char* type, int selection, OSSL_PARAM* params) const {
    const Ptr<EVP_PKEY_CTX> context(
        EVP_PKEY_CTX_new_from_name(library_.get(), type, "provider=hsm"));
    EXPECT_EQ(EVP_PKEY_fromdata_init(context.get()), 1);
    EVP_PKEY* key = nullptr;
    EVP_PKEY_fromdata(context.get(), &key, selection, params);
    return Pkey(key);
  }

  // All that another key can be asked for, as parameters for FromData.
  static Ptr<OSSL_PARAM> DataOf(EVP_PKEY* key, int selection) {
    OSSL_PARAM* params = nullptr;
    EXPECT_EQ(EVP_PKEY_todata(key, selection, &params), 1);
    return Ptr<OSSL_PARAM>(params);
  }

  const Library library_;
};

// Whatever is announced has a value, and where OpenSSL's own public key has the parameter too, it
// is the same value.
TEST_F(KeymgmtTest, AnnouncedParametersHaveTheDefaultProvidersValues) {
  for (const char* label : kLabels) {
    const Pkey key = Held(library_, label);
    ASSERT_NE(key, nullptr) << ErrorDetails();
    const Pkey other = library_.InDefault(key.get());
    const OSSL_PARAM* announced = EVP_PKEY_gettable_params(key.get());
    ASSERT_NE(announced, nullptr);
    for (; announced->key != nullptr; ++announced) {
      const Bytes ours = Value(key.get(), *announced);
      const Bytes theirs = Value(other.get(), *announced);
      if (!theirs.empty()) {
        EXPECT_EQ(ours, theirs) << label << " " << announced->key;
      }
    }
    EXPECT_EQ(EVP_PKEY_get_bits(key.get()), EVP_PKEY_get_bits(other.get())) << label;
    EXPECT_EQ(EVP_PKEY_get_size(key.get()), EVP_PKEY_get_size(other.get())) << label;
    EXPECT_EQ(EVP_PKEY_get_security_bits(key.get()), EVP_PKEY_get_security_bits(other.get()))
        << label;
    std::array<char, 80> ours{};
    std::array<char, 80> theirs{};
    EXPECT_EQ(EVP_PKEY_get_default_digest_name(key.get(), ours.data(), ours.size()),
              EVP_PKEY_get_default_digest_name(other.get(), theirs.data(), theirs.size()));
    EXPECT_STREQ(ours.data(), theirs.data()) << label;
  }
}

TEST_F(KeymgmtTest, PrivateValuesCannotBeAskedFor) {
  for (const char* label : {"rsa", "p256", "ed25519"}) {
    const Pkey key = Held(library_, label);
    BIGNUM* number = nullptr;
    EXPECT_EQ(EVP_PKEY_get_bn_param(key.get(), OSSL_PKEY_PARAM_RSA_D, &number), 0);
    EXPECT_EQ(EVP_PKEY_get_bn_param(key.get(), OSSL_PKEY_PARAM_PRIV_KEY, &number), 0);
    std::size_t size = 0;
    EXPECT_EQ(EVP_PKEY_get_raw_private_key(key.get(), nullptr, &size), 0);
    EXPECT_EQ(number, nullptr);
  }
}

TEST_F(KeymgmtTest, MatchesItsOwnPublicKeyInAnyProvider) {
  const Pkey another = Held(library_, "p256");
  for (const char* label : {"rsa", "pss", "p384", "ed25519"}) {
    const Pkey key = Held(library_, label);
    const Pkey other = library_.InDefault(key.get());
    EXPECT_EQ(EVP_PKEY_eq(other.get(), key.get()), 1) << label;
    EXPECT_EQ(EVP_PKEY_eq(key.get(), other.get()), 1) << label;
    EXPECT_NE(EVP_PKEY_eq(key.get(), another.get()), 1) << label;
  }
}

TEST_F(KeymgmtTest, ValidatesWhatIsThere) {
  const Pkey key = Held(library_, "p256");
  const Pkey half = library_.Load("hsm:object=p256;type=public");
  for (const auto& [pkey, whole] : {std::pair{key.get(), 1}, std::pair{half.get(), 0}}) {
    const Ptr<EVP_PKEY_CTX> context(EVP_PKEY_CTX_new_from_pkey(library_.get(), pkey, nullptr));
    EXPECT_EQ(EVP_PKEY_public_check(context.get()), 1);
    EXPECT_EQ(EVP_PKEY_check(context.get()), whole);
  }
}

TEST_F(KeymgmtTest, ACopyIsTheSameKey) {
  const Pkey key = Held(library_, "p256");
  const Pkey copy(EVP_PKEY_dup(key.get()));
  ASSERT_NE(copy, nullptr) << ErrorDetails();
  EXPECT_EQ(EVP_PKEY_eq(key.get(), copy.get()), 1);
}

// libssl makes a peer's key from the own parameters and the bytes of a point.
TEST_F(KeymgmtTest, TakesAPeersPointOverItsParameters) {
  const Pkey key = Held(library_, "p256");
  const Pkey peer(EVP_PKEY_new());
  ASSERT_EQ(EVP_PKEY_copy_parameters(peer.get(), key.get()), 1) << ErrorDetails();
  const Pkey other(EVP_PKEY_Q_keygen(library_.get(), "provider=default", "EC", "P-256"));
  unsigned char* point = nullptr;
  const std::size_t size = EVP_PKEY_get1_encoded_public_key(other.get(), &point);
  ASSERT_NE(size, 0U);
  EXPECT_EQ(EVP_PKEY_set1_encoded_public_key(peer.get(), point, size), 1) << ErrorDetails();
  EXPECT_EQ(EVP_PKEY_eq(other.get(), peer.get()), 1);
  point[size - 1] ^= 1;
  EXPECT_EQ(EVP_PKEY_set1_encoded_public_key(peer.get(), point, size), 0);
  EXPECT_EQ(HsmReasons(), std::vector{Reason(ErrorCode::kKeyImport)});
  OPENSSL_free(point);
}

TEST_F(KeymgmtTest, ImportsPublicKeysWithoutAHome) {
  setenv("HSM_HOME", "/nonexistent/hsm", 1);
  const Library fresh;
  for (const auto& [type, group] :
       {std::pair{"RSA", ""}, std::pair{"EC", "P-256"}, std::pair{"ED25519", ""}}) {
    const std::size_t bits = 2048;
    const Pkey other(type == std::string_view("EC")
                         ? EVP_PKEY_Q_keygen(fresh.get(), "provider=default", type, group)
                     : type == std::string_view("RSA")
                         ? EVP_PKEY_Q_keygen(fresh.get(), "provider=default", type, bits)
                         : EVP_PKEY_Q_keygen(fresh.get(), "provider=default", type));
    const auto data = DataOf(other.get(), EVP_PKEY_PUBLIC_KEY);
    const Ptr<EVP_PKEY_CTX> context(EVP_PKEY_CTX_new_from_name(fresh.get(), type, "provider=hsm"));
    EVP_PKEY* raw = nullptr;
    ASSERT_EQ(EVP_PKEY_fromdata_init(context.get()), 1);
    ASSERT_EQ(EVP_PKEY_fromdata(context.get(), &raw, EVP_PKEY_PUBLIC_KEY, data.get()), 1)
        << type << ErrorDetails();
    const Pkey imported(raw);
    EXPECT_EQ(ProviderOf(imported.get()), "hsm");
    EXPECT_EQ(EVP_PKEY_eq(imported.get(), other.get()), 1);
  }
}

TEST_F(KeymgmtTest, ImportsAKeyPairAsASessionKey) {
  for (const char* type : {"RSA", "EC", "ED25519"}) {
    const std::size_t bits = 2048;
    const Pkey other(type == std::string_view("EC")
                         ? EVP_PKEY_Q_keygen(library_.get(), "provider=default", type, "P-521")
                     : type == std::string_view("RSA")
                         ? EVP_PKEY_Q_keygen(library_.get(), "provider=default", type, bits)
                         : EVP_PKEY_Q_keygen(library_.get(), "provider=default", type));
    const auto data = DataOf(other.get(), EVP_PKEY_KEYPAIR);
    const Pkey imported = FromData(type, EVP_PKEY_KEYPAIR, data.get());
    ASSERT_NE(imported, nullptr) << type << ErrorDetails();
    EXPECT_EQ(EVP_PKEY_eq(imported.get(), other.get()), 1);
    const Ptr<EVP_MD_CTX> context(EVP_MD_CTX_new());
    EXPECT_EQ(EVP_DigestSignInit_ex(context.get(), nullptr, nullptr, library_.get(), nullptr,
                                    imported.get(), nullptr),
              1)
        << type << ErrorDetails();
  }
  EXPECT_EQ(CountKeys(), 0U);
}

TEST_F(KeymgmtTest, ARawPrivateKeyNeedsNoPublicHalf) {
  const Bytes seed(32, 5);
  const Pkey other(EVP_PKEY_new_raw_private_key_ex(library_.get(), "ED25519", "provider=default",
                                                   seed.data(), seed.size()));
  const Pkey ours(EVP_PKEY_new_raw_private_key_ex(library_.get(), "ED25519", "provider=hsm",
                                                  seed.data(), seed.size()));
  ASSERT_NE(ours, nullptr) << ErrorDetails();
  EXPECT_EQ(EVP_PKEY_eq(ours.get(), other.get()), 1);
}

TEST_F(KeymgmtTest, ImportsACompressedPoint) {
  const Pkey other(EVP_PKEY_Q_keygen(library_.get(), "provider=default", "EC", "P-256"));
  ASSERT_EQ(EVP_PKEY_set_utf8_string_param(other.get(), OSSL_PKEY_PARAM_EC_POINT_CONVERSION_FORMAT,
                                           "compressed"),
            1);
  const auto data = DataOf(other.get(), EVP_PKEY_PUBLIC_KEY);
  const Pkey imported = FromData("EC", EVP_PKEY_PUBLIC_KEY, data.get());
  ASSERT_NE(imported, nullptr) << ErrorDetails();
  EXPECT_EQ(EVP_PKEY_eq(imported.get(), other.get()), 1);
}

TEST_F(KeymgmtTest, RefusesADamagedKeyPair) {
  const Pkey other(EVP_PKEY_Q_keygen(library_.get(), "provider=default", "EC", "P-256"));
  const Pkey second(EVP_PKEY_Q_keygen(library_.get(), "provider=default", "EC", "P-256"));
  const auto data = DataOf(other.get(), EVP_PKEY_KEYPAIR);
  const auto wrong = DataOf(second.get(), EVP_PKEY_KEYPAIR);
  OSSL_PARAM* own = OSSL_PARAM_locate(data.get(), OSSL_PKEY_PARAM_PUB_KEY);
  const OSSL_PARAM* foreign = OSSL_PARAM_locate_const(wrong.get(), OSSL_PKEY_PARAM_PUB_KEY);
  ASSERT_EQ(own->data_size, foreign->data_size);
  std::memcpy(own->data, foreign->data, own->data_size);
  EXPECT_EQ(FromData("EC", EVP_PKEY_KEYPAIR, data.get()), nullptr);
  EXPECT_EQ(HsmReasons(), std::vector{Reason(ErrorCode::kKeyImport)});
}

}  // namespace
}  // namespace provider::test
