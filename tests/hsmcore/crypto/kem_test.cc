// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>
#include <openssl/err.h>
#include <openssl/evp.h>

#include "crypto/openssl_ptr.h"
#include "hsmcore/crypto/default_provider.h"

namespace hsmcore::crypto {
namespace {

constexpr SecretAccess kForTest{"comparison in a test"};

Bytes Open(const SecretBytes& secret) {
  const ByteView view = secret.Read(kForTest);
  return {view.begin(), view.end()};
}

struct KemCase {
  KeyType type;
  KemMechanism mechanism;
};
const KemCase kCases[] = {
    {KeyType::kRsa, {KemMechanism::Kind::kRsasve}},
    {KeyType::kMlKem512, {KemMechanism::Kind::kMlKem}},
    {KeyType::kMlKem768, {KemMechanism::Kind::kMlKem}},
    {KeyType::kMlKem1024, {KemMechanism::Kind::kMlKem}},
};

class KemTest : public testing::TestWithParam<KemCase> {
 protected:
  void SetUp() override {
    const KeyTypeRow& row = RowOf(GetParam().type);
    if (!IsAvailable(row.type)) GTEST_SKIP() << row.openssl << " is not in this OpenSSL";
    twin_ = Twin(GenerateDefault(row.openssl, row.type == KeyType::kRsa ? "2048" : ""));
  }

  bool SetUpContext(EVP_PKEY_CTX* context) const {
    return GetParam().type != KeyType::kRsa || EVP_PKEY_CTX_set_kem_op(context, "RSASVE") == 1;
  }
  Bytes DefaultDecapsulate(const Bytes& ciphertext) const {
    const PkeyCtxPtr context(EVP_PKEY_CTX_new_from_pkey(nullptr, twin_.theirs.get(), nullptr));
    Bytes secret(1024);
    std::size_t size = secret.size();
    EXPECT_EQ(EVP_PKEY_decapsulate_init(context.get(), nullptr), 1);
    EXPECT_TRUE(SetUpContext(context.get()));
    EXPECT_EQ(EVP_PKEY_decapsulate(context.get(), secret.data(), &size, ciphertext.data(),
                                   ciphertext.size()),
              1);
    secret.resize(size);
    return secret;
  }
  std::pair<Bytes, Bytes> DefaultEncapsulate() const {
    const PkeyCtxPtr context(EVP_PKEY_CTX_new_from_pkey(nullptr, twin_.theirs.get(), nullptr));
    Bytes ciphertext(2048);
    Bytes secret(1024);
    std::size_t size = ciphertext.size();
    std::size_t secret_size = secret.size();
    EXPECT_EQ(EVP_PKEY_encapsulate_init(context.get(), nullptr), 1);
    EXPECT_TRUE(SetUpContext(context.get()));
    EXPECT_EQ(
        EVP_PKEY_encapsulate(context.get(), ciphertext.data(), &size, secret.data(), &secret_size),
        1);
    ciphertext.resize(size);
    secret.resize(secret_size);
    return {ciphertext, secret};
  }

  TwinKey twin_;
};

TEST_P(KemTest, AgreesWithTheDefaultProviderInBothDirections) {
  for (int i = 0; i < 3; ++i) {
    const auto made = twin_.ours_public->Encapsulate(GetParam().mechanism);
    ASSERT_TRUE(made) << made.error().Message();
    EXPECT_EQ(DefaultDecapsulate(made->ciphertext), Open(made->secret));
    const auto [ciphertext, secret] = DefaultEncapsulate();
    const auto opened = twin_.ours->Decapsulate(GetParam().mechanism, ciphertext);
    ASSERT_TRUE(opened) << opened.error().Message();
    EXPECT_EQ(Open(*opened), secret);
  }
  EXPECT_EQ(ERR_peek_error(), 0UL);
}

TEST_P(KemTest, RefusesWhatDoesNotFit) {
  const KemMechanism& mechanism = GetParam().mechanism;
  Bytes ciphertext = twin_.ours->Encapsulate(mechanism)->ciphertext;
  EXPECT_EQ(CodeOf(twin_.ours_public->Decapsulate(mechanism, ciphertext)),
            ErrorCode::kPublicKeyOnly);
  ciphertext.pop_back();
  EXPECT_EQ(CodeOf(twin_.ours->Decapsulate(mechanism, ciphertext)), ErrorCode::kDataLength);
  EXPECT_EQ(CodeOf(EcTwin(Curve::kP256).ours->Encapsulate(mechanism)), ErrorCode::kKeyTypeMismatch);
  EXPECT_EQ(ERR_peek_error(), 0UL);
}

TEST(RsasveTest, RefusesANumberBeyondTheModulus) {
  const TwinKey& twin = RsaTwin();
  const Bytes too_large(twin.ours->max_signature_size(), 0xff);
  EXPECT_EQ(CodeOf(twin.ours->Decapsulate({}, too_large)), ErrorCode::kDecryption);
}

INSTANTIATE_TEST_SUITE_P(All, KemTest, testing::ValuesIn(kCases));

}  // namespace
}  // namespace hsmcore::crypto
