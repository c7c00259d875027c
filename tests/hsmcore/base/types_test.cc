// SPDX-License-Identifier: Apache-2.0
#include "hsmcore/types.h"

#include <gtest/gtest.h>

namespace hsmcore {
namespace {

TEST(KeyHandleTest, WritesAndReadsItsForm) {
  const KeyHandle handle{0x1c08f1};
  EXPECT_EQ(handle.ToString(), "0x00000000001c08f1");
  EXPECT_EQ(KeyHandle::Parse("0x00000000001c08f1"), handle);
  EXPECT_EQ(KeyHandle::Parse("0X1C08F1"), handle);
}

TEST(KeyHandleTest, RefusesOtherForms) {
  for (const char* text : {"", "0x", "1c08f1", "0x1c08f1 ", "0x-1", "0xg", "0x10000000000000000"}) {
    EXPECT_FALSE(KeyHandle::Parse(text).has_value()) << text;
  }
}

TEST(KeyHandleTest, HalvesOfAPairAreNeighbours) {
  const KeyHandle handle{0x40000};
  EXPECT_EQ(handle.PublicHalf().value, 0x40001U);
  EXPECT_EQ(handle.PublicHalf().PrivateHalf(), handle);
  EXPECT_TRUE(handle.PublicHalf().IsPublicHalf());
  EXPECT_FALSE(handle.IsSession());
}

TEST(CurveTest, IsFoundByEveryName) {
  for (const CurveRow& row : AllCurves()) {
    EXPECT_EQ(CurveByName(row.name), row.curve);
    EXPECT_EQ(CurveByName(row.cli), row.curve);
    EXPECT_EQ(CurveByName(row.oid), row.curve);
    EXPECT_TRUE(row.nist == nullptr || CurveByName(row.nist) == row.curve);
    EXPECT_EQ(&RowOf(row.curve), &row);
    EXPECT_EQ(row.field_bytes, (row.bits + 7) / 8);
  }
  EXPECT_EQ(CurveByName("PRIME256V1"), Curve::kP256);
  EXPECT_FALSE(CurveByName("prime192v1").has_value());
  EXPECT_FALSE(CurveByName("").has_value());
}

TEST(DigestTest, IsFoundByNameAliasAndOid) {
  EXPECT_EQ(DigestByName("sha256"), Digest::kSha256);
  EXPECT_EQ(DigestByName("SHA2-256"), Digest::kSha256);
  EXPECT_EQ(DigestByName("2.16.840.1.101.3.4.2.1"), Digest::kSha256);
  EXPECT_EQ(DigestByName("MD5-SHA1"), Digest::kMd5Sha1);
  EXPECT_FALSE(DigestByName("").has_value());
  EXPECT_FALSE(DigestByName("SM3").has_value());
  for (const DigestRow& row : AllDigests()) EXPECT_EQ(&RowOf(row.digest), &row);
}

TEST(MaterialTest, KnowsItsTypeAndSize) {
  RsaPublic rsa{Bytes(256, 0x7f), {1, 0, 1}, false, {}};
  EXPECT_EQ(TypeOf(rsa), KeyType::kRsa);
  EXPECT_EQ(BitsOf(rsa), 2047U);
  rsa.pss_only = true;
  EXPECT_EQ(TypeOf(rsa), KeyType::kRsaPss);
  EXPECT_EQ(BitsOf(EcPublic{Curve::kP521, {}}), 521U);
  EXPECT_EQ(TypeOf(RawPublic{}), KeyType::kEd25519);
  EXPECT_EQ(BitsOf(RsaPublic()), 0U);
}

}  // namespace
}  // namespace hsmcore
