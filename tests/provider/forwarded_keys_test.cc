// SPDX-License-Identifier: Apache-2.0
// Key types whose keys are the application's: finite-field Diffie-Hellman, and the hybrids of TLS.
#include <openssl/core_names.h>
#include <openssl/evp.h>

#include <array>
#include <string>
#include <utility>

#include "provider/forwarded_support.h"

namespace provider::test {
namespace {

// The side that makes or takes a key: a property query.
using Side = const char*;
constexpr std::array<std::pair<Side, Side>, 3> kSides = {
    {{kHsm, kDefault}, {kDefault, kHsm}, {kHsm, kHsm}}};

Ptr<EVP_PKEY_CTX> ContextOf(const Library& library, const std::string& type, Side side) {
  return Ptr<EVP_PKEY_CTX>(EVP_PKEY_CTX_new_from_name(library.get(), type.c_str(), side));
}

Ptr<EVP_PKEY_CTX> ContextOf(const Library& library, const Pkey& key) {
  return Ptr<EVP_PKEY_CTX>(EVP_PKEY_CTX_new_from_pkey(library.get(), key.get(), nullptr));
}

bool IsOffered(const Library& library, const std::string& type) {
  return ContextOf(library, type, kDefault) != nullptr;
}

Pkey Make(const Library& library, const std::string& type, Side side, Params params) {
  const auto context = ContextOf(library, type, side);
  EVP_PKEY* made = nullptr;
  EXPECT_EQ(EVP_PKEY_keygen_init(context.get()), 1) << type;
  EXPECT_EQ(EVP_PKEY_CTX_set_params(context.get(), params.get()), 1) << ErrorDetails();
  EXPECT_EQ(EVP_PKEY_generate(context.get(), &made), 1) << type << ": " << ErrorDetails();
  return Pkey(made);
}

// A copy in a side's provider.
Pkey CopyTo(const Library& library, const Pkey& key, const std::string& type, Side side,
            int selection = EVP_PKEY_PUBLIC_KEY) {
  OSSL_PARAM* parts = nullptr;
  EXPECT_EQ(EVP_PKEY_todata(key.get(), selection, &parts), 1) << ErrorDetails();
  const Ptr<OSSL_PARAM> owner(parts);
  const auto context = ContextOf(library, type, side);
  EVP_PKEY* copy = nullptr;
  EXPECT_EQ(EVP_PKEY_fromdata_init(context.get()), 1);
  EXPECT_EQ(EVP_PKEY_fromdata(context.get(), &copy, selection, parts), 1) << ErrorDetails();
  EXPECT_EQ(std::string("provider=") + ProviderOf(copy), side);
  return Pkey(copy);
}

Bytes Derive(const Library& library, const Pkey& own, const Pkey& peer) {
  const auto context = ContextOf(library, own);
  std::size_t size = 0;
  EXPECT_EQ(EVP_PKEY_derive_init(context.get()), 1) << ErrorDetails();
  EXPECT_EQ(EVP_PKEY_derive_set_peer(context.get(), peer.get()), 1) << ErrorDetails();
  EXPECT_EQ(EVP_PKEY_derive(context.get(), nullptr, &size), 1);
  Bytes secret(size);
  EXPECT_EQ(EVP_PKEY_derive(context.get(), secret.data(), &size), 1) << ErrorDetails();
  secret.resize(size);
  return secret;
}

// ---- Diffie-Hellman ----

constexpr std::array kGroups = {std::pair{"DH", "ffdhe2048"}, std::pair{"DH", "ffdhe3072"},
                                std::pair{"DH", "ffdhe4096"}, std::pair{"DH", "modp_2048"},
                                std::pair{"DHX", "dh_2048_256"}};

TEST(ForwardedKeys, DiffieHellmanGivesTheSameSecretOnBothSides) {
  const Library library;
  for (const auto& [type, group] : kGroups) {
    for (const auto& [one, other] : kSides) {
      const Params params = Params().Text(OSSL_PKEY_PARAM_GROUP_NAME, group);
      const Pkey a = Make(library, type, one, params);
      const Pkey b = Make(library, type, other, params);
      EXPECT_EQ(std::string("provider=") + ProviderOf(a.get()), one);
      const Bytes secret = Derive(library, a, CopyTo(library, b, type, one));
      EXPECT_EQ(secret, Derive(library, b, CopyTo(library, a, type, other))) << group;
      EXPECT_GE(secret.size(), 250U);
    }
  }
}

// Its keys are the application's, so they can be read, as those of OpenSSL's provider.
TEST(ForwardedKeys, DiffieHellmanKeysGoBothWays) {
  const Library library;
  const Pkey made =
      Make(library, "DH", kHsm, Params().Text(OSSL_PKEY_PARAM_GROUP_NAME, "ffdhe2048"));
  const Pkey there = CopyTo(library, made, "DH", kDefault, EVP_PKEY_KEYPAIR);
  const Pkey back = CopyTo(library, there, "DH", kHsm, EVP_PKEY_KEYPAIR);
  EXPECT_EQ(EVP_PKEY_eq(made.get(), back.get()), 1);
  const Pkey peer =
      Make(library, "DH", kHsm, Params().Text(OSSL_PKEY_PARAM_GROUP_NAME, "ffdhe2048"));
  EXPECT_EQ(Derive(library, made, peer), Derive(library, back, peer));
}

TEST(ForwardedKeys, DiffieHellmanRefusesBadPeers) {
  const Library library;
  const Pkey own =
      Make(library, "DH", kHsm, Params().Text(OSSL_PKEY_PARAM_GROUP_NAME, "ffdhe2048"));
  const Pkey other_group =
      Make(library, "DH", kHsm, Params().Text(OSSL_PKEY_PARAM_GROUP_NAME, "ffdhe3072"));
  const Pkey other_type = Make(library, "X25519", kDefault, {});
  for (const Pkey* peer : {&other_group, &other_type}) {
    const auto context = ContextOf(library, own);
    ASSERT_EQ(EVP_PKEY_derive_init(context.get()), 1);
    EXPECT_NE(EVP_PKEY_derive_set_peer(context.get(), peer->get()), 1);
  }
  for (const bool one : {false, true}) {
    Bytes bytes(256);
    bytes.back() = one ? 1 : 0;
    const Pkey peer(EVP_PKEY_new());
    ASSERT_EQ(EVP_PKEY_copy_parameters(peer.get(), own.get()), 1);
    const auto context = ContextOf(library, own);
    ASSERT_EQ(EVP_PKEY_derive_init(context.get()), 1);
    EXPECT_FALSE(EVP_PKEY_set1_encoded_public_key(peer.get(), bytes.data(), bytes.size()) == 1 &&
                 EVP_PKEY_derive_set_peer(context.get(), peer.get()) == 1)
        << "y = " << one;
  }
}

// ---- Hybrids ----

struct Hybrid {
  const char* type;
  std::size_t secret_bytes;
};
// draft-ietf-tls-ecdhe-mlkem; the last one is OpenSSL's own.
constexpr std::array kHybrids = {Hybrid{"X25519MLKEM768", 64}, Hybrid{"SecP256r1MLKEM768", 64},
                                 Hybrid{"SecP384r1MLKEM1024", 80}, Hybrid{"X448MLKEM1024", 88}};

class HybridKeys : public testing::TestWithParam<Hybrid> {
 protected:
  void SetUp() override {
    if (!IsOffered(library_, type_)) GTEST_SKIP() << "this OpenSSL has no " << type_;
  }

  std::pair<Bytes, Bytes> Encapsulate(const Pkey& peer) const {
    const auto context = ContextOf(library_, peer);
    std::size_t cipher_size = 0;
    std::size_t secret_size = 0;
    EXPECT_EQ(EVP_PKEY_encapsulate_init(context.get(), nullptr), 1) << ErrorDetails();
    EXPECT_EQ(EVP_PKEY_encapsulate(context.get(), nullptr, &cipher_size, nullptr, &secret_size), 1);
    std::pair<Bytes, Bytes> made{Bytes(cipher_size), Bytes(secret_size)};
    EXPECT_EQ(EVP_PKEY_encapsulate(context.get(), made.first.data(), &cipher_size,
                                   made.second.data(), &secret_size),
              1)
        << ErrorDetails();
    return made;
  }

  // Nothing: refused.
  std::optional<Bytes> Decapsulate(const Pkey& own, const Bytes& cipher) const {
    const auto context = ContextOf(library_, own);
    Bytes secret(GetParam().secret_bytes);
    std::size_t size = secret.size();
    EXPECT_EQ(EVP_PKEY_decapsulate_init(context.get(), nullptr), 1) << ErrorDetails();
    if (EVP_PKEY_decapsulate(context.get(), secret.data(), &size, cipher.data(), cipher.size()) !=
        1) {
      return std::nullopt;
    }
    secret.resize(size);
    return secret;
  }

  Library library_;
  const std::string type_ = GetParam().type;
};

TEST_P(HybridKeys, GiveTheSameSecretOnBothSides) {
  for (const auto& [one, other] : kSides) {
    const Pkey own = Make(library_, type_, one, {});
    const auto [cipher, secret] = Encapsulate(CopyTo(library_, own, type_, other));
    EXPECT_EQ(Decapsulate(own, cipher), secret);
    EXPECT_EQ(secret.size(), GetParam().secret_bytes);
  }
}

// The parts of a hybrid key are looked for in the private context, with the query that the program
// gives for them.
TEST_P(HybridKeys, FindTheirPartsWithTheQueryOfTheHsm) {
  const Pkey own =
      Make(library_, type_, kHsm, Params().Text(OSSL_PKEY_PARAM_PROPERTIES, "provider=hsm"));
  const auto [cipher, secret] = Encapsulate(own);
  EXPECT_EQ(Decapsulate(own, cipher), secret);
}

TEST_P(HybridKeys, WorkWithTheHsmAsDefaultQuery) {
  library_.SetDefaultProperties("provider=hsm");
  const Pkey own = Make(library_, type_, nullptr, {});
  EXPECT_EQ(ProviderOf(own.get()), "hsm");
  const auto [cipher, secret] = Encapsulate(own);
  EXPECT_EQ(Decapsulate(own, cipher), secret);
}

TEST_P(HybridKeys, RefuseWrongLengths) {
  const Pkey own = Make(library_, type_, kHsm, {});
  const auto [cipher, secret] = Encapsulate(own);
  EXPECT_EQ(Decapsulate(own, Bytes(cipher.begin(), cipher.end() - 1)), std::nullopt);
  EXPECT_EQ(Decapsulate(own, {}), std::nullopt);
  unsigned char* encoded = nullptr;
  const std::size_t size = EVP_PKEY_get1_encoded_public_key(own.get(), &encoded);
  ASSERT_GT(size, 1000U);
  const auto context = ContextOf(library_, type_, kHsm);
  for (const std::size_t length : {size - 1, std::size_t{0}}) {
    Params params;
    params.Octets(OSSL_PKEY_PARAM_PUB_KEY, Bytes(encoded, encoded + length));
    std::vector<OSSL_PARAM> list = {*params.get(), OSSL_PARAM_construct_end()};
    EVP_PKEY* made = nullptr;
    EXPECT_EQ(EVP_PKEY_fromdata_init(context.get()), 1);
    EXPECT_NE(EVP_PKEY_fromdata(context.get(), &made, EVP_PKEY_PUBLIC_KEY, list.data()), 1);
    EVP_PKEY_free(made);
  }
  OPENSSL_free(encoded);
}

INSTANTIATE_TEST_SUITE_P(Forwarded, HybridKeys, testing::ValuesIn(kHybrids),
                         [](const auto& row) { return std::string(row.param.type); });

}  // namespace
}  // namespace provider::test
