// SPDX-License-Identifier: Apache-2.0
#include "keys/material.h"

#include <gtest/gtest.h>

namespace hsmcore::keys {
namespace {

constexpr SecretAccess kTest{"test"};

SecretBytes Secret(std::uint8_t fill, std::size_t size) {
  return SecretBytes::CopyOf(Bytes(size, fill));
}

RsaPrivate SampleRsa() {
  return {Secret(1, 256), Secret(2, 128), Secret(3, 128),
          Secret(4, 128), Secret(5, 128), Secret(6, 127)};
}

TEST(MaterialTest, PublicPartsRoundTrip) {
  const std::vector<PublicMaterial> samples = {
      RsaPublic{Bytes(256, 9), {1, 0, 1}, false, {}},
      RsaPublic{Bytes(256, 9), {3}, true, {}},
      RsaPublic{Bytes(256, 9), {3}, true, PssRestrictions{Digest::kSha256, Digest::kSha384, 48}},
      EcPublic{Curve::kSecp256k1, Bytes(65, 4)},
      RawPublic{KeyType::kEd25519, Bytes(32, 7)},
  };
  for (const PublicMaterial& sample : samples) {
    const auto decoded = DecodePublic(EncodePublic(sample), "test");
    ASSERT_TRUE(decoded.has_value()) << decoded.error().Message();
    EXPECT_EQ(*decoded, sample);
  }
}

TEST(MaterialTest, PrivatePartsRoundTrip) {
  const auto rsa = DecodePrivate(EncodePrivate(SampleRsa()));
  ASSERT_TRUE(rsa.has_value());
  const auto& parts = std::get<RsaPrivate>(*rsa);
  EXPECT_TRUE(parts.d.Equals(Secret(1, 256).Read(kTest)));
  EXPECT_TRUE(parts.qinv.Equals(Secret(6, 127).Read(kTest)));
  const auto ec = DecodePrivate(EncodePrivate(EcPrivate{Secret(8, 66)}));
  ASSERT_TRUE(ec.has_value());
  EXPECT_EQ(std::get<EcPrivate>(*ec).scalar.size(), 66U);
  const auto ed = DecodePrivate(EncodePrivate(RawPrivate{Secret(8, 32), {}}));
  ASSERT_TRUE(ed.has_value());
  EXPECT_EQ(std::get<RawPrivate>(*ed).key.size(), 32U);
}

TEST(MaterialTest, DamagedPrivatePartsAreRefused) {
  const SecretBytes good = EncodePrivate(SampleRsa());
  for (std::size_t length = 0; length < good.size(); ++length) {
    const auto cut = SecretBytes::CopyOf(good.Read(kTest).first(length));
    EXPECT_EQ(DecodePrivate(cut).error().code(), ErrorCode::kRecordDamaged);
  }
  SecretBytes other_tag = good.Clone();
  other_tag.Write(kTest)[0] = 9;
  EXPECT_FALSE(DecodePrivate(other_tag).has_value());
  SecretBytes huge_length = good.Clone();
  huge_length.Write(kTest)[4] = 0xff;
  EXPECT_FALSE(DecodePrivate(huge_length).has_value());
}

TEST(MaterialTest, DamagedPublicPartsAreRefused) {
  EXPECT_FALSE(DecodePublic({{"type", "rsa"}}, "t").has_value());
  EXPECT_FALSE(DecodePublic({{"type", "dsa"}}, "t").has_value());
  EXPECT_FALSE(
      DecodePublic({{"type", "ec"}, {"curve", "prime192v1"}, {"point", cbor::Blob({})}}, "t")
          .has_value());
  EXPECT_FALSE(DecodePublic({{"type", "ed25519"}, {"key", "text"}}, "t").has_value());
  EXPECT_FALSE(DecodePublic({}, "t").has_value());
}

}  // namespace
}  // namespace hsmcore::keys
