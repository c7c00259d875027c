// SPDX-License-Identifier: Apache-2.0
// Key management of the key types that are one string of bytes: EdDSA, X25519 and X448, and where
// OpenSSL has them ML-DSA, ML-KEM and SLH-DSA.
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/params.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <string>

#include "provider/provider_fixture.h"

namespace provider::test {
namespace {

using hsmcore::ErrorCode;
using hsmcore::KeyForm;
using hsmcore::KeyPurpose;
using hsmcore::KeyTypeRow;

std::vector<const KeyTypeRow*> RawTypes() {
  std::vector<const KeyTypeRow*> rows;
  for (const KeyTypeRow& row : hsmcore::AllKeyTypes()) {
    if (row.form == KeyForm::kRaw && hsmcore::IsAvailable(row.type)) rows.push_back(&row);
  }
  return rows;
}

class RawKeymgmtTest : public ProviderTest, public testing::WithParamInterface<const KeyTypeRow*> {
 protected:
  const char* name() const { return GetParam()->openssl; }

  Pkey Held() const { return library_.Generate(name(), {"hsm-label=held"}); }
  Pkey Default() const {
    const Ptr<EVP_PKEY_CTX> context(
        EVP_PKEY_CTX_new_from_name(library_.get(), name(), "provider=default"));
    EVP_PKEY* key = nullptr;
    EXPECT_EQ(EVP_PKEY_keygen_init(context.get()), 1);
    EXPECT_EQ(EVP_PKEY_generate(context.get(), &key), 1);
    return Pkey(key);
  }

  static Ptr<OSSL_PARAM> DataOf(EVP_PKEY* key, int selection) {
    OSSL_PARAM* params = nullptr;
    EXPECT_EQ(EVP_PKEY_todata(key, selection, &params), 1);
    return Ptr<OSSL_PARAM>(params);
  }
  Pkey FromData(int selection, OSSL_PARAM* params) const {
    const Ptr<EVP_PKEY_CTX> context(
        EVP_PKEY_CTX_new_from_name(library_.get(), name(), "provider=hsm"));
    EVP_PKEY* key = nullptr;
    EXPECT_EQ(EVP_PKEY_fromdata_init(context.get()), 1);
    EVP_PKEY_fromdata(context.get(), &key, selection, params);
    return Pkey(key);
  }

  // The value as bytes; empty where the key does not tell it.
  static Bytes Value(EVP_PKEY* key, const OSSL_PARAM& announced) {
    Bytes buffer(8192);
    std::array<OSSL_PARAM, 2> params = {announced, OSSL_PARAM_construct_end()};
    params[0].data = buffer.data();
    params[0].data_size = announced.data_type == OSSL_PARAM_INTEGER ? sizeof(int) : buffer.size();
    if (EVP_PKEY_get_params(key, params.data()) != 1 || OSSL_PARAM_modified(params.data()) == 0) {
      return {};
    }
    buffer.resize(params[0].return_size);
    return buffer;
  }

  const Library library_;
};

TEST_P(RawKeymgmtTest, ParametersAreTheDefaultProviders) {
  const Pkey key = Held();
  ASSERT_NE(key, nullptr) << ErrorDetails();
  const Pkey other = library_.InDefault(key.get());
  ASSERT_NE(other, nullptr);
  std::size_t compared = 0;
  for (const OSSL_PARAM* row = EVP_PKEY_gettable_params(key.get()); row->key != nullptr; ++row) {
    const Bytes theirs = Value(other.get(), *row);
    if (theirs.empty()) continue;
    ++compared;
    EXPECT_EQ(Value(key.get(), *row), theirs) << row->key;
  }
  EXPECT_GE(compared, 3U);  // bits, security bits, size
  EXPECT_EQ(EVP_PKEY_get_bits(key.get()), EVP_PKEY_get_bits(other.get()));
  EXPECT_EQ(EVP_PKEY_get_size(key.get()), EVP_PKEY_get_size(other.get()));
  EXPECT_EQ(EVP_PKEY_get_security_bits(key.get()), EVP_PKEY_get_security_bits(other.get()));
  std::array<char, 80> ours{};
  std::array<char, 80> theirs{};
  EXPECT_EQ(EVP_PKEY_get_default_digest_name(key.get(), ours.data(), ours.size()),
            EVP_PKEY_get_default_digest_name(other.get(), theirs.data(), theirs.size()));
  EXPECT_STREQ(ours.data(), theirs.data());
  EXPECT_EQ(EVP_PKEY_is_a(key.get(), name()), 1);
}

TEST_P(RawKeymgmtTest, ThePrivatePartCannotBeHad) {
  const Pkey key = Held();
  ASSERT_NE(key, nullptr) << ErrorDetails();
  std::size_t size = 0;
  EXPECT_EQ(EVP_PKEY_get_raw_private_key(key.get(), nullptr, &size), 0);
  for (const char* secret : {OSSL_PKEY_PARAM_PRIV_KEY, "seed"}) {
    Bytes buffer(8192);
    EXPECT_EQ(
        EVP_PKEY_get_octet_string_param(key.get(), secret, buffer.data(), buffer.size(), &size), 0)
        << secret;
    EXPECT_EQ(buffer, Bytes(buffer.size())) << secret;
  }
  ERR_clear_error();
  OSSL_PARAM* params = nullptr;
  const int whole = EVP_PKEY_todata(key.get(), EVP_PKEY_KEYPAIR, &params);
  const Ptr<OSSL_PARAM> owner(params);
  EXPECT_EQ(whole, 0);
  EXPECT_EQ(HsmReasons(), std::vector{Reason(ErrorCode::kPrivateKeyHeld)});
  for (const OSSL_PARAM* row = EVP_PKEY_gettable_params(key.get()); row->key != nullptr; ++row) {
    EXPECT_STRNE(row->key, OSSL_PKEY_PARAM_PRIV_KEY);
    EXPECT_STRNE(row->key, "seed");
  }
  const auto half = DataOf(key.get(), EVP_PKEY_PUBLIC_KEY);
  EXPECT_NE(OSSL_PARAM_locate(half.get(), OSSL_PKEY_PARAM_PUB_KEY), nullptr);
  EXPECT_EQ(OSSL_PARAM_locate(half.get(), OSSL_PKEY_PARAM_PRIV_KEY), nullptr);
}

TEST_P(RawKeymgmtTest, MatchesItsOwnPublicKeyInAnyProvider) {
  const Pkey key = Held();
  ASSERT_NE(key, nullptr) << ErrorDetails();
  const Pkey other = library_.InDefault(key.get());
  EXPECT_EQ(EVP_PKEY_eq(key.get(), other.get()), 1);
  EXPECT_EQ(EVP_PKEY_eq(other.get(), key.get()), 1);
  const Pkey stranger = Default();
  EXPECT_NE(EVP_PKEY_eq(key.get(), stranger.get()), 1);
  EXPECT_NE(EVP_PKEY_eq(stranger.get(), key.get()), 1);
}

TEST_P(RawKeymgmtTest, ACopyIsTheSameKeyAndOutlivesIt) {
  Pkey key = Held();
  ASSERT_NE(key, nullptr) << ErrorDetails();
  const Pkey copy(EVP_PKEY_dup(key.get()));
  ASSERT_NE(copy, nullptr) << ErrorDetails();
  EXPECT_EQ(EVP_PKEY_eq(key.get(), copy.get()), 1);
  key.reset();
  const Ptr<EVP_PKEY_CTX> context(EVP_PKEY_CTX_new_from_pkey(library_.get(), copy.get(), nullptr));
  EXPECT_EQ(EVP_PKEY_check(context.get()), 1) << ErrorDetails();
}

TEST_P(RawKeymgmtTest, ValidatesWhatIsThere) {
  const Pkey key = Held();
  ASSERT_NE(key, nullptr) << ErrorDetails();
  const Pkey half = library_.Load("hsm:object=held;type=public");
  ASSERT_NE(half, nullptr) << ErrorDetails();
  for (const auto& [pkey, whole] : {std::pair{key.get(), 1}, std::pair{half.get(), 0}}) {
    const Ptr<EVP_PKEY_CTX> context(EVP_PKEY_CTX_new_from_pkey(library_.get(), pkey, nullptr));
    EXPECT_EQ(EVP_PKEY_public_check(context.get()), 1) << ErrorDetails();
    EXPECT_EQ(EVP_PKEY_check(context.get()) == 1, whole == 1);
  }
}

TEST_P(RawKeymgmtTest, ImportsBothHalves) {
  const Pkey other = Default();
  const auto pair = DataOf(other.get(), EVP_PKEY_KEYPAIR);
  const Pkey imported = FromData(EVP_PKEY_KEYPAIR, pair.get());
  ASSERT_NE(imported, nullptr) << ErrorDetails();
  EXPECT_EQ(ProviderOf(imported.get()), "hsm");
  EXPECT_EQ(EVP_PKEY_eq(imported.get(), other.get()), 1);
  const auto half = DataOf(other.get(), EVP_PKEY_PUBLIC_KEY);
  const Pkey peer = FromData(EVP_PKEY_PUBLIC_KEY, half.get());
  ASSERT_NE(peer, nullptr) << ErrorDetails();
  EXPECT_EQ(EVP_PKEY_eq(peer.get(), other.get()), 1);
  EXPECT_EQ(CountKeys(), 0U);  // session keys
}

TEST_P(RawKeymgmtTest, RefusesHalvesThatDisagree) {
  const Pkey one = Default();
  const Pkey two = Default();
  const auto data = DataOf(one.get(), EVP_PKEY_KEYPAIR);
  const auto wrong = DataOf(two.get(), EVP_PKEY_KEYPAIR);
  OSSL_PARAM* own = OSSL_PARAM_locate(data.get(), OSSL_PKEY_PARAM_PUB_KEY);
  const OSSL_PARAM* foreign = OSSL_PARAM_locate_const(wrong.get(), OSSL_PKEY_PARAM_PUB_KEY);
  ASSERT_TRUE(own != nullptr && foreign != nullptr && own->data_size == foreign->data_size);
  std::memcpy(own->data, foreign->data, own->data_size);
  EXPECT_EQ(FromData(EVP_PKEY_KEYPAIR, data.get()), nullptr);
  EXPECT_EQ(HsmReasons(), std::vector{Reason(ErrorCode::kKeyImport)});
}

TEST_P(RawKeymgmtTest, RefusesPublicKeysOfAnotherLength) {
  const Pkey other = Default();
  const auto data = DataOf(other.get(), EVP_PKEY_PUBLIC_KEY);
  const OSSL_PARAM* whole = OSSL_PARAM_locate(data.get(), OSSL_PKEY_PARAM_PUB_KEY);
  ASSERT_NE(whole, nullptr);
  Bytes bytes(static_cast<const std::uint8_t*>(whole->data),
              static_cast<const std::uint8_t*>(whole->data) + whole->data_size);
  bytes.push_back(0);
  for (const std::size_t size : {std::size_t{0}, std::size_t{1}, bytes.size() - 2, bytes.size()}) {
    std::array<OSSL_PARAM, 2> params = {
        OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, bytes.data(), size),
        OSSL_PARAM_construct_end()};
    EXPECT_EQ(FromData(EVP_PKEY_PUBLIC_KEY, params.data()), nullptr) << size;
    EXPECT_EQ(HsmReasons(), std::vector{Reason(ErrorCode::kKeyImport)}) << size;
  }
}

TEST_P(RawKeymgmtTest, ASignatureKeyDoesNotAgreeAndTheOtherWayRound) {
  const Pkey key = Held();
  ASSERT_NE(key, nullptr) << ErrorDetails();
  const KeyPurpose purpose = GetParam()->purpose;
  const Ptr<EVP_PKEY_CTX> context(EVP_PKEY_CTX_new_from_pkey(library_.get(), key.get(), nullptr));
  EXPECT_EQ(EVP_PKEY_derive_init(context.get()) == 1, purpose == KeyPurpose::kAgree);
  EXPECT_EQ(EVP_PKEY_decapsulate_init(context.get(), nullptr) == 1,
            purpose == KeyPurpose::kEncapsulate);
  EXPECT_NE(EVP_PKEY_decrypt_init(context.get()), 1);
  const Ptr<EVP_MD_CTX> digest(EVP_MD_CTX_new());
  EXPECT_EQ(EVP_DigestSignInit_ex(digest.get(), nullptr, nullptr, library_.get(), nullptr,
                                  key.get(), nullptr) == 1,
            purpose == KeyPurpose::kSign);
}

INSTANTIATE_TEST_SUITE_P(Type, RawKeymgmtTest, testing::ValuesIn(RawTypes()), [](const auto& type) {
  std::string name = type.param->openssl;
  std::ranges::replace(name, '-', '_');
  return name;
});

}  // namespace
}  // namespace provider::test
