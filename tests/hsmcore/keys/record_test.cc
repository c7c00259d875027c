// SPDX-License-Identifier: Apache-2.0
#include "keys/record.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <string>

#include "vault/sealing.h"

namespace hsmcore::keys {
namespace {

constexpr SecretAccess kTest{"test"};
constexpr std::string_view kOwner = "user/crypto-user/app";

class RecordTest : public testing::Test {
 protected:
  RecordTest()
      : owner_(*vault::Identity::New({})), dek_(vault::RandomSecret(vault::kSealKeyBytes)) {
    record_.handle = {0x40000};
    record_.created = 1700000000;
    record_.owner = kOwner;
    record_.public_part = RawPublic{KeyType::kEd25519, Bytes(32, 7)};
    record_.private_half = DefaultAttributes(KeyClass::kPrivateKey);
    record_.private_half->label = "tls/2026";
    record_.private_half->id = {1, 2};
    record_.public_half = DefaultAttributes(KeyClass::kPublicKey);
    record_.public_half->label = "tls/2026";
    record_.grants.push_back(
        {std::string(kOwner), *vault::SealTo(owner_.public_identity().box_key, dek_)});
    EXPECT_TRUE(SealPrivate(record_, dek_, RawPrivate{SecretBytes::CopyOf(Bytes(32, 0x5a)), {}}));
  }

  const vault::Identity owner_;
  const SecretBytes dek_;
  KeyRecord record_;
};

TEST_F(RecordTest, RoundTrip) {
  const auto decoded = DecodeRecord(KeyPath(record_.handle), EncodeRecord(record_, owner_));
  ASSERT_TRUE(decoded.has_value()) << decoded.error().Message();
  EXPECT_TRUE(decoded->SignedBy(owner_.public_identity().sign_key));
  const KeyRecord& read = decoded->record;
  EXPECT_EQ(read.private_half, record_.private_half);
  EXPECT_EQ(read.public_half, record_.public_half);
  EXPECT_EQ(read.public_part, record_.public_part);
  const auto dek = OpenGrant(read, kOwner, owner_);
  ASSERT_TRUE(dek.has_value());
  const auto material = OpenPrivate(read, *dek);
  ASSERT_TRUE(material.has_value());
  EXPECT_EQ(std::get<RawPrivate>(*material).key.Read(kTest)[0], 0x5a);
}

TEST_F(RecordTest, TemplatesAreKept) {
  record_.private_half->unwrap_template = {{Attribute::kSign, "true"}};
  record_.public_half->wrap_template = {{Attribute::kKeyType, "aes"}};
  const auto decoded = DecodeRecord(KeyPath(record_.handle), EncodeRecord(record_, owner_));
  ASSERT_TRUE(decoded.has_value()) << decoded.error().Message();
  EXPECT_EQ(decoded->record.private_half, record_.private_half);
  EXPECT_EQ(decoded->record.public_half, record_.public_half);
}

// `trusted` is an admin's word; the owner signs this record.
TEST_F(RecordTest, AnOwnersTrustedIsNotRead) {
  record_.public_half->flags.Set(Attribute::kTrusted, true);
  const auto decoded = DecodeRecord(KeyPath(record_.handle), EncodeRecord(record_, owner_));
  ASSERT_TRUE(decoded.has_value()) << decoded.error().Message();
  EXPECT_FALSE(decoded->record.public_half->flags.Has(Attribute::kTrusted));
}

TEST_F(RecordTest, InfoTellsTheHalves) {
  const KeyInfo priv = record_.Info(KeyClass::kPrivateKey);
  EXPECT_EQ(priv.handle.value, 0x40000U);
  EXPECT_EQ(priv.owner, "app");
  EXPECT_TRUE(priv.pair);
  EXPECT_TRUE(priv.shared_users.empty());
  EXPECT_EQ(record_.Info(KeyClass::kPublicKey).handle.value, 0x40001U);
}

// Whatever is edited, the private part does not open and the signature does not hold.
TEST_F(RecordTest, AnEditedBodyDoesNotOpen) {
  const std::vector<std::function<void(KeyRecord&)>> edits = {
      [](KeyRecord& r) { r.private_half->flags.Set(Attribute::kDecrypt, true); },
      [](KeyRecord& r) { r.private_half->label = "other"; },
      [](KeyRecord& r) { r.public_half->flags.Set(Attribute::kVerify, true); },
      [](KeyRecord& r) { r.handle = {0x40002}; },
      [](KeyRecord& r) { r.owner = "user/crypto-user/mallory"; },
      [](KeyRecord& r) { r.version = 7; },
      [](KeyRecord& r) { r.created = 0; },
      [](KeyRecord& r) { std::get<RawPublic>(r.public_part).key[0] ^= 1; },
      [](KeyRecord& r) { r.public_half.reset(); },
      [](KeyRecord& r) { r.life.enabled = false; },
      [](KeyRecord& r) { r.life.end = 4102444800; },
      [](KeyRecord& r) { r.sealed[30] ^= 1; },
  };
  for (std::size_t i = 0; i < edits.size(); ++i) {
    KeyRecord edited = record_;
    edits[i](edited);
    EXPECT_EQ(OpenPrivate(edited, dek_).error().code(), ErrorCode::kKeyDamaged) << i;
  }
}

TEST_F(RecordTest, OnlyTheOwnersSignatureHolds) {
  const auto mallory = vault::Identity::New({});
  ASSERT_TRUE(mallory.has_value());
  const auto forged = DecodeRecord(KeyPath(record_.handle), EncodeRecord(record_, *mallory));
  ASSERT_TRUE(forged.has_value());
  EXPECT_FALSE(forged->SignedBy(owner_.public_identity().sign_key));
  EXPECT_EQ(OpenGrant(record_, "user/crypto-user/mallory", *mallory).error().code(),
            ErrorCode::kRoleForbids);
  EXPECT_EQ(OpenGrant(record_, kOwner, *mallory).error().code(), ErrorCode::kKeyDamaged);
}

// A grant is for the user who was there when it was made.
TEST_F(RecordTest, AGrantIsForOneIdentity) {
  const auto web = vault::Identity::New({});
  const auto successor = vault::Identity::New({});
  ASSERT_TRUE(web && successor);
  const std::string path = "user/crypto-user/web";
  record_.grants.push_back({path, {}, web->public_identity().box_key});
  ASSERT_TRUE(SealGrants(record_, dek_, GrantsToSeal::kNew));
  const auto decoded = DecodeRecord(KeyPath(record_.handle), EncodeRecord(record_, owner_));
  ASSERT_TRUE(decoded.has_value());
  EXPECT_TRUE(OpenGrant(decoded->record, path, *web));
  EXPECT_TRUE(OpenGrant(decoded->record, kOwner, owner_));
  EXPECT_EQ(OpenGrant(decoded->record, path, *successor).error().code(), ErrorCode::kRoleForbids);
  EXPECT_EQ(decoded->record.Info(KeyClass::kPrivateKey).shared_users,
            std::vector<std::string>{"web"});
}

TEST_F(RecordTest, ARecordHoldsForItsPathOnly) {
  const Bytes encoded = EncodeRecord(record_, owner_);
  EXPECT_EQ(DecodeRecord(KeyPath({0x40002}), encoded).error().code(), ErrorCode::kKeyDamaged);
}

TEST_F(RecordTest, DamagedBytesAreRefusedOrUnsigned) {
  const Bytes good = EncodeRecord(record_, owner_);
  const std::string path = KeyPath(record_.handle);
  for (std::size_t i = 0; i < good.size(); ++i) {
    EXPECT_FALSE(DecodeRecord(path, ByteView(good).first(i)).has_value());
    Bytes bad = good;
    bad[i] ^= 1;
    const auto decoded = DecodeRecord(path, bad);
    EXPECT_FALSE(decoded && decoded->SignedBy(owner_.public_identity().sign_key)) << i;
  }
}

TEST_F(RecordTest, ANewerRecordSaysSo) {
  Bytes newer = EncodeRecord(record_, owner_);
  const Bytes version_one = {0x61, 'v', 0x01};
  const auto at = std::search(newer.begin(), newer.end(), version_one.begin(), version_one.end());
  ASSERT_NE(at, newer.end());
  at[2] = 2;
  EXPECT_EQ(DecodeRecord(KeyPath(record_.handle), newer).error().code(), ErrorCode::kHomeNewer);
}

TEST_F(RecordTest, IndexPathsNameLabelsAndIdsOnce) {
  EXPECT_EQ(IndexPaths(record_), (std::vector<std::string>{"id/0102/0000000000040000",
                                                           "label/tls%2f2026/0000000000040000"}));
  record_.public_half->label = "other";
  EXPECT_EQ(IndexPaths(record_).size(), 3U);
  for (const std::string& path : IndexPaths(record_)) EXPECT_EQ(HandleIn(path), record_.handle);
  EXPECT_FALSE(HandleIn("label/x").has_value());
  EXPECT_LE((LabelIndexPrefix(std::string(127, '/')) + std::string(16, '0')).size(), 512U);
}

}  // namespace
}  // namespace hsmcore::keys
