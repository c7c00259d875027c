// SPDX-License-Identifier: Apache-2.0
// EVP_SKEY in key derivation and key exchange, with OpenSSL 3.6.
#include <string_view>
#include <tuple>
#include <vector>

#include "provider/skey_support.h"

namespace provider::test {
namespace {

using hsmcore::Attribute;
using hsmcore::ErrorCode;
using hsmcore::KeyType;

class SkeyDerive : public SkeyTest {
 protected:
  KdfCtx NewKdf(const char* name, const char* query) {
    return KdfCtx(EVP_KDF_CTX_new(Fetch<EVP_KDF>(library_, name, query).get()));
  }
  static std::optional<Bytes> Derive(EVP_KDF_CTX* context, Params params) {
    Bytes out(32);
    if (EVP_KDF_derive(context, out.data(), out.size(), params.get()) != 1) return std::nullopt;
    return out;
  }
  static Skey DeriveKey(EVP_KDF_CTX* context, const char* type, std::size_t size, Params params) {
    return Skey(EVP_KDF_derive_SKEY(context, nullptr, type, nullptr, size, params.get()));
  }
  static Params Hashed() { return Params().Text("digest", "SHA256"); }
  // The MAC of a message tells whether two keys are the same.
  std::optional<Bytes> MacWith(EVP_SKEY* key) {
    const MacCtx mac = NewMac("HMAC", kHsm);
    if (!BeginMac(mac.get(), key, Hashed())) return std::nullopt;
    return Finish(mac.get(), Bytes(10));
  }
  std::optional<Bytes> MacWith(const Bytes& key) {
    const MacCtx mac = NewMac("HMAC", kDefault);
    if (EVP_MAC_init(mac.get(), key.data(), key.size(), Hashed().get()) != 1) return std::nullopt;
    return Finish(mac.get(), Bytes(10));
  }
};

TEST_F(SkeyDerive, KdfsAgreeWithDefault) {
  struct KdfRow {
    const char* name;
    KeyType type;
    const char* param;
    Params params;
  };
  SCOPED_TRACE(random_.Trace());
  KdfRow rows[] = {
      {"HKDF", KeyType::kGenericSecret, "key", Hashed().Octets("info", random_(20))},
      {"KBKDF", KeyType::kGenericSecret, "key",
       Hashed().Text("mac", "HMAC").Octets("info", random_(6))},
      {"KBKDF", KeyType::kAes, "key",
       Params().Text("mac", "CMAC").Text("cipher", "AES-256-CBC").Octets("info", random_(6))},
      {"X963KDF", KeyType::kGenericSecret, "key", Hashed().Octets("info", random_(6))},
      {"TLS1-PRF", KeyType::kGenericSecret, "secret", Hashed().Octets("seed", random_(40))},
  };
  for (KdfRow& row : rows) {
    SCOPED_TRACE(std::string(row.name) + " " + ManagerOf(row.type));
    const Bytes bytes = random_(32);
    Params plain = row.params;
    plain.Octets(row.param, bytes);
    const auto expected = Derive(NewKdf(row.name, kDefault).get(), plain);
    ASSERT_TRUE(expected) << ErrorDetails();
    const Skey key = HeldSecret(std::string(row.name) + ManagerOf(row.type), row.type, bytes);
    for (const char* param : {row.param, static_cast<const char*>(nullptr)}) {
      const KdfCtx context = NewKdf(row.name, kHsm);
      ASSERT_EQ(EVP_KDF_CTX_set_SKEY(context.get(), key.get(), param), 1) << ErrorDetails();
      EXPECT_EQ(Derive(context.get(), row.params), expected) << ErrorDetails();
    }
    const KdfCtx context = NewKdf(row.name, kHsm);
    ASSERT_EQ(EVP_KDF_CTX_set_SKEY(context.get(), key.get(), nullptr), 1);
    const Skey derived = DeriveKey(context.get(), "GENERIC-SECRET", 32, row.params);
    ASSERT_NE(derived, nullptr) << ErrorDetails();
    EXPECT_STREQ(EVP_SKEY_get0_provider_name(derived.get()), "hsm");
    EXPECT_EQ(MacWith(derived.get()), MacWith(*expected));
    // What comes of a held key stays where that is.
    EXPECT_FALSE(RawKey(derived.get()));
    ExpectError(ErrorCode::kSecretKeyHeld, "do not leave the HSM");
  }
}

TEST_F(SkeyDerive, WhatComesOfGivenBytesIsTheProgramsOwn) {
  const Bytes bytes = random_(32);
  const auto expected = Derive(NewKdf("HKDF", kDefault).get(), Hashed().Octets("key", bytes));
  const Skey derived =
      DeriveKey(NewKdf("HKDF", kHsm).get(), "AES", 32, Hashed().Octets("key", bytes));
  ASSERT_NE(derived, nullptr) << ErrorDetails();
  EXPECT_EQ(RawKey(derived.get()), expected);
  const Skey given = Given("GENERIC-SECRET", bytes);
  const KdfCtx context = NewKdf("HKDF", kHsm);
  ASSERT_EQ(EVP_KDF_CTX_set_SKEY(context.get(), given.get(), nullptr), 1) << ErrorDetails();
  EXPECT_EQ(RawKey(DeriveKey(context.get(), "AES", 32, Hashed()).get()), expected);
}

TEST_F(SkeyDerive, RefusesWhatDoesNotFit) {
  const KdfCtx context = NewKdf("HKDF", kHsm);
  EXPECT_EQ(EVP_KDF_CTX_set_SKEY(context.get(), Generate("AES", {}).get(), nullptr), 0);
  ExpectError(ErrorCode::kKeyTypeMismatch, "HKDF needs a key of type generic-secret, not aes");
  const Skey key = Generate("GENERIC-SECRET", {});
  EXPECT_EQ(EVP_KDF_CTX_set_SKEY(context.get(), key.get(), "salt"), 0);
  ExpectError(ErrorCode::kNotSupported, "not its 'salt'");
  ASSERT_EQ(EVP_KDF_CTX_set_SKEY(context.get(), key.get(), nullptr), 1) << ErrorDetails();
  EXPECT_EQ(DeriveKey(context.get(), "AES", 20, Hashed()), nullptr);
  ExpectError(ErrorCode::kKeySize, "not 20");
  EXPECT_EQ(DeriveKey(context.get(), "AES", 0, Hashed()), nullptr);
  EXPECT_FALSE(Derive(context.get(), Hashed().Octets("key", Bytes(16))));
  ExpectError(ErrorCode::kInvalidArgument, "EVP_SKEY");
  const KdfCtx other = NewKdf("HKDF", kHsm);
  const Skey no_derive = HeldSecret("no", KeyType::kGenericSecret, random_(32), Attribute::kDerive);
  ASSERT_EQ(EVP_KDF_CTX_set_SKEY(other.get(), no_derive.get(), nullptr), 1) << ErrorDetails();
  EXPECT_EQ(DeriveKey(other.get(), "AES", 32, Hashed()), nullptr);
  ExpectError(ErrorCode::kAttributeForbids, "'derive' is false");
}

TEST_F(SkeyDerive, AgreedSecretsStayInTheHsm) {
  for (const auto& [type, params, size] :
       {std::tuple{"EC", std::vector<std::string>{"group=P-256", "hsm-label=ec"}, 32},
        std::tuple{"X25519", std::vector<std::string>{"hsm-label=x"}, 32}}) {
    SCOPED_TRACE(type);
    const Pkey own = library_.Generate(type, params);
    const Pkey peer =
        library_.Generate(type, params[0].starts_with("group") ? std::vector<std::string>{params[0]}
                                                               : std::vector<std::string>{});
    ASSERT_TRUE(own && peer) << ErrorDetails();
    const Ptr<EVP_PKEY_CTX> context(EVP_PKEY_CTX_new_from_pkey(library_.get(), own.get(), kHsm));
    ASSERT_EQ(EVP_PKEY_derive_init(context.get()), 1) << ErrorDetails();
    ASSERT_EQ(EVP_PKEY_derive_set_peer(context.get(), peer.get()), 1) << ErrorDetails();
    Bytes secret(64);
    std::size_t length = secret.size();
    ASSERT_EQ(EVP_PKEY_derive(context.get(), secret.data(), &length), 1) << ErrorDetails();
    secret.resize(length);
    const auto derive = [&](const char* manager, std::size_t bytes) {
      return Skey(EVP_PKEY_derive_SKEY(context.get(), nullptr, manager, nullptr, bytes, nullptr));
    };
    const Skey key = derive("GENERIC-SECRET", static_cast<std::size_t>(size));
    ASSERT_NE(key, nullptr) << ErrorDetails();
    EXPECT_EQ(MacWith(key.get()), MacWith(secret));
    EXPECT_FALSE(RawKey(key.get()));
    ERR_clear_error();
    EXPECT_NE(derive("AES", 16), nullptr) << ErrorDetails();
    EXPECT_EQ(derive("GENERIC-SECRET", 33), nullptr);
    ExpectError(ErrorCode::kKeySize, "the agreed secret has 32 bytes");
    EXPECT_EQ(derive("AES", 20), nullptr);
    ExpectError(ErrorCode::kKeySize, "not 20");
  }
}

}  // namespace
}  // namespace provider::test
