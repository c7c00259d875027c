// SPDX-License-Identifier: Apache-2.0
// KEMs with held keys: RSASVE, and where OpenSSL has it ML-KEM. That both providers agree is in
// cross_check_test.cc.
#include <openssl/core_names.h>
#include <openssl/err.h>

#include <algorithm>
#include <string>

#include "provider/provider_fixture.h"

namespace provider::test {
namespace {

using hsmcore::ErrorCode;
using hsmcore::KeyType;

struct KemRow {
  const char* algorithm;
  KeyType type;
  std::size_t ciphertext_bytes;
  std::size_t secret_bytes;
};
const KemRow kRows[] = {
    {"RSA", KeyType::kRsa, 256, 256},
    {"ML-KEM-512", KeyType::kMlKem512, 768, 32},
    {"ML-KEM-768", KeyType::kMlKem768, 1088, 32},
    {"ML-KEM-1024", KeyType::kMlKem1024, 1568, 32},
};

class KemTest : public ProviderTest, public testing::WithParamInterface<KemRow> {
 protected:
  using Context = Ptr<EVP_PKEY_CTX>;

  void SetUp() override {
    if (!hsmcore::IsAvailable(GetParam().type)) {
      GTEST_SKIP() << GetParam().algorithm << " is not in this OpenSSL";
    }
    std::vector<std::string> params = {"hsm-label=kem"};
    if (GetParam().type == KeyType::kRsa) params.emplace_back("rsa_keygen_bits=2048");
    key_ = library_.Generate(GetParam().algorithm, params);
    ASSERT_NE(key_, nullptr) << ErrorDetails();
  }

  // By name: otherwise OpenSSL 3.0 tries the first provider that has the algorithm, before it comes
  // back to that of the key.
  Context New(EVP_PKEY* key) const {
    return Context(EVP_PKEY_CTX_new_from_pkey(library_.get(), key, "provider=hsm"));
  }
  Context Begun(EVP_PKEY* key, bool encapsulate) const {
    Context context = New(key);
    const auto init = encapsulate ? EVP_PKEY_encapsulate_init : EVP_PKEY_decapsulate_init;
    if (init(context.get(), nullptr) != 1) return nullptr;
    if (GetParam().type == KeyType::kRsa) {
      EXPECT_EQ(EVP_PKEY_CTX_set_kem_op(context.get(), "RSASVE"), 1);
    }
    return context;
  }

  // Ciphertext and secret.
  std::pair<Bytes, Bytes> Sent() const {
    const Context context = Begun(key_.get(), true);
    std::pair<Bytes, Bytes> made(Bytes(GetParam().ciphertext_bytes),
                                 Bytes(GetParam().secret_bytes));
    std::size_t size = made.first.size();
    std::size_t secret_size = made.second.size();
    EXPECT_EQ(EVP_PKEY_encapsulate(context.get(), made.first.data(), &size, made.second.data(),
                                   &secret_size),
              1)
        << ErrorDetails();
    return made;
  }

  void Forbid(const char* attribute) {
    for (const auto klass : {hsmcore::KeyClass::kPrivateKey, hsmcore::KeyClass::kPublicKey}) {
      hsmcore::KeyQuery query;
      query.label = "kem";
      query.klass = klass;
      const auto session = cluster_.User();
      const auto found = session->Find(query);
      ASSERT_TRUE(found && found->size() == 1);
      ASSERT_TRUE(session->SetAttribute(found->front().handle, attribute, "false"));
    }
  }

  const Library library_;
  Pkey key_;
};

TEST_P(KemTest, TellsTheLengthsWithoutWork) {
  const Context to = Begun(key_.get(), true);
  std::size_t size = 0;
  std::size_t secret_size = 0;
  ASSERT_EQ(EVP_PKEY_encapsulate(to.get(), nullptr, &size, nullptr, &secret_size), 1);
  EXPECT_EQ(size, GetParam().ciphertext_bytes);
  EXPECT_EQ(secret_size, GetParam().secret_bytes);
  const Context from = Begun(key_.get(), false);
  const Bytes ciphertext(GetParam().ciphertext_bytes);
  ASSERT_EQ(
      EVP_PKEY_decapsulate(from.get(), nullptr, &secret_size, ciphertext.data(), ciphertext.size()),
      1);
  EXPECT_EQ(secret_size, GetParam().secret_bytes);
}

TEST_P(KemTest, ACopyOfTheContextDoesTheSame) {
  const auto [ciphertext, secret] = Sent();
  const Context from = Begun(key_.get(), false);
  const Context copy(EVP_PKEY_CTX_dup(from.get()));
  ASSERT_NE(copy, nullptr) << ErrorDetails();
  for (const Context* context : {&from, &copy, &from}) {
    Bytes opened(GetParam().secret_bytes);
    std::size_t size = opened.size();
    ASSERT_EQ(EVP_PKEY_decapsulate(context->get(), opened.data(), &size, ciphertext.data(),
                                   ciphertext.size()),
              1)
        << ErrorDetails();
    EXPECT_EQ(opened, secret);
  }
}

TEST_P(KemTest, TooShortABufferIsLeftAsItWas) {
  const Context to = Begun(key_.get(), true);
  Bytes ciphertext(GetParam().ciphertext_bytes);
  Bytes secret(GetParam().secret_bytes);
  for (const auto& [less, secret_less] : {std::pair(1, 0), std::pair(0, 1)}) {
    std::size_t size = ciphertext.size() - static_cast<std::size_t>(less);
    std::size_t secret_size = secret.size() - static_cast<std::size_t>(secret_less);
    EXPECT_EQ(EVP_PKEY_encapsulate(to.get(), ciphertext.data(), &size, secret.data(), &secret_size),
              0);
    EXPECT_EQ(HsmReasons(), std::vector{Reason(ErrorCode::kBufferTooSmall)});
  }
  EXPECT_EQ(ciphertext, Bytes(ciphertext.size()));
  EXPECT_EQ(secret, Bytes(secret.size()));
  const Bytes good = Sent().first;
  const Context from = Begun(key_.get(), false);
  std::size_t size = secret.size() - 1;
  EXPECT_EQ(EVP_PKEY_decapsulate(from.get(), secret.data(), &size, good.data(), good.size()), 0);
  EXPECT_EQ(HsmReasons(), std::vector{Reason(ErrorCode::kBufferTooSmall)});
  EXPECT_EQ(secret, Bytes(secret.size()));
}

TEST_P(KemTest, RefusesCiphertextsOfAnotherLength) {
  const Context from = Begun(key_.get(), false);
  Bytes secret(GetParam().secret_bytes);
  const Bytes data(GetParam().ciphertext_bytes + 1, 1);
  for (const std::size_t length : {std::size_t{0}, std::size_t{1}, data.size() - 2, data.size()}) {
    std::size_t size = secret.size();
    EXPECT_EQ(EVP_PKEY_decapsulate(from.get(), secret.data(), &size, data.data(), length), 0);
    // OpenSSL itself refuses an empty one.
    const auto reasons = HsmReasons();
    if (length == 0) continue;
    EXPECT_EQ(reasons, std::vector{Reason(ErrorCode::kDataLength)}) << length;
  }
  EXPECT_EQ(secret, Bytes(secret.size()));
}

TEST_P(KemTest, RefusesTheOtherOperation) {
  Bytes out(GetParam().ciphertext_bytes);
  Bytes secret(GetParam().secret_bytes);
  std::size_t size = out.size();
  std::size_t secret_size = secret.size();
  const Context from = Begun(key_.get(), false);
  EXPECT_NE(EVP_PKEY_encapsulate(from.get(), out.data(), &size, secret.data(), &secret_size), 1);
  const Context fresh = New(key_.get());
  EXPECT_NE(EVP_PKEY_decapsulate(fresh.get(), secret.data(), &secret_size, out.data(), out.size()),
            1);
  ERR_clear_error();
  EXPECT_EQ(secret, Bytes(secret.size()));
}

TEST_P(KemTest, ThePublicHalfEncapsulatesOnly) {
  const Pkey half = library_.Load("hsm:object=kem;type=public");
  ASSERT_NE(half, nullptr) << ErrorDetails();
  EXPECT_NE(Begun(half.get(), true), nullptr) << ErrorDetails();
  EXPECT_EQ(Begun(half.get(), false), nullptr);
  EXPECT_EQ(HsmReasons(), std::vector{Reason(ErrorCode::kPublicKeyOnly)});
}

TEST_P(KemTest, NeedsTheAttributeDerive) {
  Forbid("derive");
  for (const bool encapsulate : {true, false}) {
    EXPECT_EQ(Begun(key_.get(), encapsulate), nullptr);
    EXPECT_EQ(HsmReasons(), std::vector{Reason(ErrorCode::kAttributeForbids)});
  }
}

INSTANTIATE_TEST_SUITE_P(Type, KemTest, testing::ValuesIn(kRows), [](const auto& row) {
  std::string name = row.param.algorithm;
  std::ranges::replace(name, '-', '_');
  return name;
});

class RsaKemTest : public ProviderTest {
 protected:
  const Library library_;
};

TEST_F(RsaKemTest, RefusesOtherOperationsAndKeys) {
  const Pkey key = library_.Generate("RSA", {"hsm-label=kem"});
  const Ptr<EVP_PKEY_CTX> context(
      EVP_PKEY_CTX_new_from_pkey(library_.get(), key.get(), "provider=hsm"));
  ASSERT_EQ(EVP_PKEY_encapsulate_init(context.get(), nullptr), 1) << ErrorDetails();
  EXPECT_NE(EVP_PKEY_CTX_set_kem_op(context.get(), "RSAKEM"), 1);
  EXPECT_EQ(HsmReasons(), std::vector{Reason(ErrorCode::kNotSupported)});
  const Pkey pss = Held(library_, "pss-free");
  const Ptr<EVP_PKEY_CTX> other(
      EVP_PKEY_CTX_new_from_pkey(library_.get(), pss.get(), "provider=hsm"));
  EXPECT_NE(EVP_PKEY_encapsulate_init(other.get(), nullptr), 1);
  ERR_clear_error();
}

}  // namespace
}  // namespace provider::test
