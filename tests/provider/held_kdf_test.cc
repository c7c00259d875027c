// SPDX-License-Identifier: Apache-2.0
#include <openssl/err.h>

#include "provider/held_support.h"

namespace provider::test {
namespace {

using hsmcore::Attribute;
using hsmcore::ErrorCode;
using hsmcore::KeyType;

struct Row {
  const char* label;
  const char* name;
  KeyType type;
  const char* key_param;
  Params params;
};

std::vector<Row> Rows(Random& random) {
  const auto hashed = [] { return Params().Text("digest", "SHA256"); };
  return {
      {"hkdf", "HKDF", KeyType::kGenericSecret, "key",
       hashed().Octets("salt", random(9)).Octets("info", random(20))},
      {"hkdf-extract", "HKDF", KeyType::kGenericSecret, "key",
       hashed().Text("mode", "EXTRACT_ONLY").Octets("salt", random(9))},
      {"hkdf-expand", "HKDF", KeyType::kGenericSecret, "key",
       hashed().Text("mode", "EXPAND_ONLY").Octets("info", random(20))},
      {"kbkdf-hmac", "KBKDF", KeyType::kGenericSecret, "key",
       hashed().Text("mac", "HMAC").Octets("salt", random(5)).Octets("info", random(6))},
      {"kbkdf-cmac", "KBKDF", KeyType::kAes, "key",
       Params().Text("mac", "CMAC").Text("cipher", "AES-256-CBC").Octets("info", random(6))},
      {"x963", "X963KDF", KeyType::kGenericSecret, "key", hashed().Octets("info", random(6))},
      {"tls1", "TLS1-PRF", KeyType::kGenericSecret, "secret", hashed().Octets("seed", random(40))},
      {"tls13", "TLS13-KDF", KeyType::kGenericSecret, "key",
       hashed()
           .Text("mode", "EXPAND_ONLY")
           .Octets("prefix", {'t', 'l', 's', '1', '3', ' '})
           .Octets("label", {'k', 'e', 'y'})},
  };
}

class HeldKdf : public HeldTest {
 protected:
  KdfCtx Context(const char* name, const char* query) {
    return KdfCtx(EVP_KDF_CTX_new(Fetch<EVP_KDF>(library_, name, query).get()));
  }
  static std::optional<Bytes> Derive(EVP_KDF_CTX* context, const OSSL_PARAM* params) {
    Bytes out(32);
    if (EVP_KDF_derive(context, out.data(), out.size(), params) != 1) return std::nullopt;
    return out;
  }
};

TEST_F(HeldKdf, AgreesWithDefault) {
  SCOPED_TRACE(random_.Trace());
  for (Row& row : Rows(random_)) {
    SCOPED_TRACE(row.label);
    const Bytes key = random_(32);
    Params plain = row.params;
    plain.Octets(row.key_param, key);
    const auto expected = Derive(Context(row.name, kDefault).get(), plain.get());
    ASSERT_TRUE(expected) << ErrorDetails();
    Params held = row.params;
    held.Text("hsm-key", Secret(row.label, row.type, key));
    const KdfCtx context = Context(row.name, kHsm);
    EXPECT_EQ(Derive(context.get(), held.get()), expected) << ErrorDetails();
    // Again, without the key's name; by a copy; and with parameters set before.
    EXPECT_EQ(Derive(context.get(), nullptr), expected) << ErrorDetails();
    // OpenSSL 3.0 copies no KDF context.
    if (const KdfCtx copy(EVP_KDF_CTX_dup(context.get())); copy != nullptr) {
      EXPECT_EQ(Derive(copy.get(), nullptr), expected) << ErrorDetails();
    }
    const KdfCtx other = Context(row.name, kHsm);
    ASSERT_EQ(EVP_KDF_CTX_set_params(other.get(), held.get()), 1) << ErrorDetails();
    EXPECT_EQ(Derive(other.get(), nullptr), expected) << ErrorDetails();
    EVP_KDF_CTX_reset(other.get());
    EXPECT_FALSE(Derive(other.get(), row.params.get()));
  }
}

TEST_F(HeldKdf, RefusesWhatDoesNotFit) {
  const Bytes key = random_(32);
  const auto derive = [&](const char* name, const std::string& uri, bool with_bytes = false) {
    Params params;
    params.Text("digest", "SHA256").Octets("info", Bytes(4)).Text("hsm-key", uri);
    if (with_bytes) params.Octets("key", key);
    return Derive(Context(name, kHsm).get(), params.get());
  };
  EXPECT_FALSE(derive("HKDF", Secret("aes", KeyType::kAes, key)));
  ExpectError(ErrorCode::kKeyTypeMismatch, "HKDF needs a key of type generic-secret, not aes");
  EXPECT_FALSE(derive("HKDF", Secret("no", KeyType::kGenericSecret, key, Attribute::kDerive)));
  ExpectError(ErrorCode::kAttributeForbids, "'derive' is false");
  EXPECT_FALSE(derive("HKDF", Secret("yes", KeyType::kGenericSecret, key), true));
  ExpectError(ErrorCode::kInvalidArgument, "key bytes and hsm-key");
  EXPECT_TRUE(derive("HKDF", "hsm:yes")) << ErrorDetails();
}

TEST_F(HeldKdf, EndsWithItsKey) {
  Params params;
  params.Text("digest", "SHA256")
      .Octets("info", Bytes(4))
      .Text("hsm-key", Secret("gone", KeyType::kGenericSecret, random_(32)));
  const KdfCtx context = Context("HKDF", kHsm);
  ASSERT_TRUE(Derive(context.get(), params.get())) << ErrorDetails();
  DeleteSecret("gone");
  EXPECT_FALSE(Derive(context.get(), nullptr));
  ExpectError(ErrorCode::kKeyGone, "was deleted");
}

}  // namespace
}  // namespace provider::test
