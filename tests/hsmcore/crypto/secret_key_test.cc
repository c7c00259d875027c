// SPDX-License-Identifier: Apache-2.0
#include "crypto/secret_key.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>

#include "base/values.h"

namespace hsmcore::crypto {
namespace {

constexpr SecretAccess kTest{"test"};

template <class T>
ErrorCode CodeOf(const Result<T>& result) {
  return result ? ErrorCode{} : result.error().code();
}

SecretBytes FromHex(std::string_view hex) { return SecretBytes::CopyOf(*ParseHex(hex)); }

TEST(SecretKey, HasTheLengthsOfItsType) {
  for (const std::size_t bytes : {16U, 24U, 32U}) {
    EXPECT_EQ(GenerateSecret(KeyType::kAes, bytes)->size(), bytes);
  }
  EXPECT_EQ(GenerateSecret(KeyType::kAes, 0)->size(), 32U);
  EXPECT_EQ(GenerateSecret(KeyType::kAesXts, 0)->size(), 64U);
  EXPECT_EQ(GenerateSecret(KeyType::kGenericSecret, 1)->size(), 1U);
  EXPECT_EQ(GenerateSecret(KeyType::kGenericSecret, 16384)->size(), 16384U);
  for (const std::size_t bytes : {1U, 15U, 17U, 33U, 64U}) {
    EXPECT_EQ(CodeOf(GenerateSecret(KeyType::kAes, bytes)), ErrorCode::kKeySize) << bytes;
  }
  EXPECT_EQ(CodeOf(GenerateSecret(KeyType::kGenericSecret, 16385)), ErrorCode::kKeySize);
  EXPECT_EQ(CodeOf(GenerateSecret(KeyType::kAesXts, 48)), ErrorCode::kKeySize);
  EXPECT_EQ(CodeOf(GenerateSecret(KeyType::kRsa, 32)), ErrorCode::kKeyTypeMismatch);
  EXPECT_EQ(CodeOf(FactsOf(KeyType::kGenericSecret, SecretBytes())), ErrorCode::kKeySize);
}

TEST(SecretKey, IsAnotherOneEachTime) {
  const auto first = GenerateSecret(KeyType::kAes, 16);
  const auto second = GenerateSecret(KeyType::kAes, 16);
  EXPECT_FALSE(first->Equals(second->Read(kTest)));
}

// AES-128: FIPS 197 with a zero block; the values are OpenSSL's `enc -aes-128-ecb` of 16 zeros.
TEST(SecretKey, HasACheckValueWhereABlockCipherTakesIt) {
  const auto aes = FactsOf(KeyType::kAes, SecretBytes(16));
  ASSERT_TRUE(aes.has_value());
  EXPECT_EQ(ToHex(aes->check_value), "66e94b");
  const auto aes256 = FactsOf(KeyType::kAes, SecretBytes(32));
  EXPECT_EQ(ToHex(aes256->check_value), "dc95c0");
  const auto des3 =
      FactsOf(KeyType::kDes3, FromHex("0123456789abcdef23456789abcdef01456789abcdef0123"));
  ASSERT_TRUE(des3.has_value());
  EXPECT_EQ(des3->check_value.size(), 3U);
  EXPECT_TRUE(FactsOf(KeyType::kGenericSecret, SecretBytes(32))->check_value.empty());
  EXPECT_TRUE(FactsOf(KeyType::kChaCha20, SecretBytes(32))->check_value.empty());
}

TEST(SecretKey, Of3DesHasOddParityAndThreeParts) {
  const auto key = GenerateSecret(KeyType::kDes3, 24);
  ASSERT_TRUE(key.has_value());
  EXPECT_TRUE(std::ranges::all_of(key->Read(kTest), [](std::uint8_t byte) {
    return std::popcount(static_cast<unsigned>(byte)) % 2 == 1;
  }));
  const char* equal_first_two = "0123456789abcdef0123456789abcdef456789abcdef0123";
  EXPECT_EQ(CodeOf(FactsOf(KeyType::kDes3, FromHex(equal_first_two))), ErrorCode::kKeyImport);
  const char* second_is_third_but_for_parity = "0123456789abcdef456789abcdef0123446688aaccee0022";
  EXPECT_EQ(CodeOf(FactsOf(KeyType::kDes3, FromHex(second_is_third_but_for_parity))),
            ErrorCode::kKeyImport);
}

}  // namespace
}  // namespace hsmcore::crypto
