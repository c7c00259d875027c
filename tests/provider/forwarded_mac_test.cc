// SPDX-License-Identifier: Apache-2.0
#include <openssl/core_names.h>
#include <openssl/evp.h>

#include <map>

#include "provider/forwarded_support.h"

namespace provider::test {
namespace {

struct MacCtxFree {
  void operator()(EVP_MAC_CTX* context) const { EVP_MAC_CTX_free(context); }
};
using MacCtx = std::unique_ptr<EVP_MAC_CTX, MacCtxFree>;

// What a MAC has to be told, and how long its key is.
struct Needs {
  std::size_t key_bytes;
  Params params;
};

std::optional<Needs> NeedsOf(const EVP_MAC* mac, const Bytes& iv) {
  const auto is = [&](const char* name) { return EVP_MAC_is_a(mac, name) == 1; };
  Params none;
  if (is("HMAC")) return Needs{40, Params().Text(OSSL_MAC_PARAM_DIGEST, "SHA2-384")};
  if (is("CMAC")) return Needs{32, Params().Text(OSSL_MAC_PARAM_CIPHER, "AES-256-CBC")};
  if (is("GMAC")) {
    return Needs{32, Params().Text(OSSL_MAC_PARAM_CIPHER, "AES-256-GCM").Octets("iv", iv)};
  }
  if (is("KMAC-128") || is("KMAC-256")) {
    return Needs{32, Params().Number(OSSL_MAC_PARAM_SIZE, 77).Octets("custom", iv)};
  }
  if (is("BLAKE2BMAC") || is("BLAKE2SMAC")) {
    return Needs{24, Params().Octets(OSSL_MAC_PARAM_CUSTOM, Bytes(8, 3))};
  }
  if (is("SIPHASH")) return Needs{16, none};
  if (is("POLY1305")) return Needs{32, none};
  return std::nullopt;
}

// In pieces, the second half by a copy of the context.
std::optional<Bytes> Authenticate(EVP_MAC* mac, const Bytes& key, Params params, const Bytes& data,
                                  Random cuts) {
  MacCtx context(EVP_MAC_CTX_new(mac));
  if (EVP_MAC_init(context.get(), key.data(), key.size(), params.get()) != 1) return std::nullopt;
  bool copied = false;
  for (std::size_t done = 0; done < data.size();) {
    const std::size_t piece = std::min(data.size() - done, 1 + cuts.Below(100));
    if (EVP_MAC_update(context.get(), data.data() + done, piece) != 1) return std::nullopt;
    done += piece;
    if (copied || done < data.size() / 2) continue;
    context.reset(EVP_MAC_CTX_dup(context.get()));
    if (context == nullptr) return std::nullopt;
    copied = true;
  }
  std::size_t size = 0;
  if (EVP_MAC_final(context.get(), nullptr, &size, 0) != 1) return std::nullopt;
  Bytes tag(size);
  if (EVP_MAC_final(context.get(), tag.data(), &size, tag.size()) != 1) return std::nullopt;
  tag.resize(size);
  return tag;
}

TEST(ForwardedMac, AgreesWithDefault) {
  const Library library;
  Random random;
  SCOPED_TRACE(random.Trace());
  for (const std::string& name : OneNameOfEach<EVP_MAC>(library)) {
    SCOPED_TRACE(name);
    const auto ours = Fetch<EVP_MAC>(library, name, kHsm);
    const auto theirs = Fetch<EVP_MAC>(library, name, kDefault);
    for (int round = 0; round < 8; ++round) {
      const auto needs = NeedsOf(ours.get(), random(12));
      ASSERT_TRUE(needs) << "a MAC that this test does not know";
      const Bytes key = random(needs->key_bytes);
      const Bytes data = random(random.Below(2000));
      const auto tag = Authenticate(ours.get(), key, needs->params, data, random);
      EXPECT_TRUE(tag) << ErrorDetails();
      EXPECT_EQ(tag, Authenticate(theirs.get(), key, needs->params, data, random));
    }
  }
}

// The digest is looked for in the core's own context; the application's query has to hold there.
TEST(ForwardedMac, TakesPropertyQueries) {
  const Library library;
  const auto hmac = Fetch<EVP_MAC>(library, "HMAC", kHsm);
  const auto with = [&](const char* query) {
    const Params params =
        Params().Text(OSSL_MAC_PARAM_DIGEST, "SHA2-256").Text(OSSL_MAC_PARAM_PROPERTIES, query);
    return Authenticate(hmac.get(), Bytes(20), params, Bytes(5), Random()).has_value();
  };
  EXPECT_TRUE(with("provider=hsm")) << ErrorDetails();
  EXPECT_TRUE(with("?provider=hsm")) << ErrorDetails();
  EXPECT_TRUE(with("")) << ErrorDetails();
  EXPECT_FALSE(with("provider=nobody"));
}

// ---- As key types, which libssl uses ----

Bytes SignByMac(const Library& library, const char* type, const char* query, const Bytes& key,
                const Bytes& data) {
  Pkey pkey(EVP_PKEY_new_raw_private_key_ex(library.get(), type, query, key.data(), key.size()));
  if (std::string_view(type) == "CMAC") {
    const Ptr<EVP_PKEY_CTX> generation(EVP_PKEY_CTX_new_from_name(library.get(), type, query));
    Params params;
    params.Text(OSSL_PKEY_PARAM_CIPHER, "AES-256-CBC").Octets(OSSL_PKEY_PARAM_PRIV_KEY, key);
    EVP_PKEY* made = nullptr;
    EXPECT_EQ(EVP_PKEY_keygen_init(generation.get()), 1);
    EXPECT_EQ(EVP_PKEY_CTX_set_params(generation.get(), params.get()), 1);
    EXPECT_EQ(EVP_PKEY_generate(generation.get(), &made), 1) << ErrorDetails();
    pkey.reset(made);
  }
  EXPECT_EQ(std::string("provider=") + ProviderOf(pkey.get()), query);
  const Ptr<EVP_MD_CTX> context(EVP_MD_CTX_new());
  const bool hmac = std::string_view(type) == "HMAC";
  Bytes tag(64);
  std::size_t size = tag.size();
  EXPECT_EQ(EVP_DigestSignInit_ex(context.get(), nullptr, hmac ? "SHA2-256" : nullptr,
                                  library.get(), query, pkey.get(), nullptr),
            1)
      << ErrorDetails();
  EXPECT_EQ(EVP_DigestSignUpdate(context.get(), data.data(), data.size()), 1);
  EXPECT_EQ(EVP_DigestSignFinal(context.get(), tag.data(), &size), 1) << ErrorDetails();
  tag.resize(size);
  return tag;
}

TEST(ForwardedMac, IsAKeyTypeToo) {
  const Library library;
  Random random;
  SCOPED_TRACE(random.Trace());
  const std::map<std::string, std::size_t> key_bytes = {
      {"HMAC", 33}, {"CMAC", 32}, {"SIPHASH", 16}, {"POLY1305", 32}};
  for (const auto& [type, size] : key_bytes) {
    const Bytes key = random(size);
    const Bytes data = random(100);
    EXPECT_EQ(SignByMac(library, type.c_str(), kHsm, key, data),
              SignByMac(library, type.c_str(), kDefault, key, data))
        << type;
  }
}

}  // namespace
}  // namespace provider::test
