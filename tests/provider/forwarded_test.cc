// SPDX-License-Identifier: Apache-2.0
// What is forwarded, its names and parameters, and digests.
#include <openssl/core_names.h>
#include <openssl/evp.h>

#include <set>

#include "provider/forwarded_support.h"

namespace provider::test {
namespace {

template <class T>
void ExpectTheNamesOfDefault() {
  const Library library;
  EXPECT_EQ(NamesOf<T>(library, "hsm"), NamesOf<T>(library, "default"));
}

TEST(Forwarded, HasEveryNameOfDefault) {
  ExpectTheNamesOfDefault<EVP_MD>();
  ExpectTheNamesOfDefault<EVP_CIPHER>();
  ExpectTheNamesOfDefault<EVP_MAC>();
  ExpectTheNamesOfDefault<EVP_KDF>();
  ExpectTheNamesOfDefault<EVP_RAND>();
}

template <class T>
void ExpectKeyTypes(std::set<std::string> expected) {
  const Library library;
  std::set<std::string> found;
  for (const auto& names : NamesOf<T>(library, "hsm")) {
    for (const std::string& name : names) {
      if (expected.contains(name)) found.insert(name);
    }
  }
  EXPECT_EQ(found, expected);
}

TEST(Forwarded, HasMacsKdfsAndDiffieHellmanAsKeyTypes) {
  ExpectKeyTypes<EVP_KEYMGMT>(
      {"HMAC", "CMAC", "SIPHASH", "POLY1305", "TLS1-PRF", "HKDF", "SCRYPT", "DH", "DHX"});
  ExpectKeyTypes<EVP_SIGNATURE>({"HMAC", "CMAC", "SIPHASH", "POLY1305"});
  ExpectKeyTypes<EVP_KEYEXCH>({"TLS1-PRF", "HKDF", "SCRYPT", "DH"});
}

// Other key types are held, or not offered.
TEST(Forwarded, HasNoKeyTypeOfDefaultThatIsNotHeld) {
  const Library library;
  for (const auto& names : NamesOf<EVP_KEYMGMT>(library, "hsm")) {
    EXPECT_EQ(std::ranges::find(names, "DSA"), names.end());
    EXPECT_EQ(std::ranges::find(names, "SM2"), names.end());
  }
}

// What algorithms that take held keys announce beside it.
const std::string kHeldKey = "hsm-key:" + std::to_string(OSSL_PARAM_UTF8_STRING);

// The lists come from functions that take a provider context.
template <class T, class Get>
void ExpectTheSameLists(Get get) {
  const Library library;
  for (const std::string& name : OneNameOfEach<T>(library)) {
    const auto ours = Fetch<T>(library, name, kHsm);
    const auto theirs = Fetch<T>(library, name, kDefault);
    auto keys = KeysOf(get(ours.get()));
    std::erase(keys, kHeldKey);
    EXPECT_EQ(keys, KeysOf(get(theirs.get()))) << name;
  }
}

TEST(Forwarded, AnnouncesTheParametersOfDefault) {
  for (auto* get :
       {EVP_MD_gettable_params, EVP_MD_gettable_ctx_params, EVP_MD_settable_ctx_params}) {
    ExpectTheSameLists<EVP_MD>(get);
  }
  for (auto* get : {EVP_CIPHER_gettable_params, EVP_CIPHER_gettable_ctx_params,
                    EVP_CIPHER_settable_ctx_params}) {
    ExpectTheSameLists<EVP_CIPHER>(get);
  }
  for (auto* get :
       {EVP_MAC_gettable_params, EVP_MAC_gettable_ctx_params, EVP_MAC_settable_ctx_params}) {
    ExpectTheSameLists<EVP_MAC>(get);
  }
  for (auto* get :
       {EVP_KDF_gettable_params, EVP_KDF_gettable_ctx_params, EVP_KDF_settable_ctx_params}) {
    ExpectTheSameLists<EVP_KDF>(get);
  }
  for (auto* get :
       {EVP_RAND_gettable_params, EVP_RAND_gettable_ctx_params, EVP_RAND_settable_ctx_params}) {
    ExpectTheSameLists<EVP_RAND>(get);
  }
}

// Hashes in pieces of random lengths, the second half by a copy of the context.
Bytes Hash(const EVP_MD* digest, const Bytes& data, std::size_t xof_bytes, Random cuts) {
  Ptr<EVP_MD_CTX> context(EVP_MD_CTX_new());
  EXPECT_EQ(EVP_DigestInit_ex2(context.get(), digest, nullptr), 1);
  bool copied = false;
  for (std::size_t done = 0; done < data.size();) {
    const std::size_t piece = std::min(data.size() - done, cuts.Below(300));
    EXPECT_EQ(EVP_DigestUpdate(context.get(), data.data() + done, piece), 1);
    done += piece;
    if (copied || done < data.size() / 2) continue;
    Ptr<EVP_MD_CTX> copy(EVP_MD_CTX_new());
    EXPECT_EQ(EVP_MD_CTX_copy_ex(copy.get(), context.get()), 1);
    context = std::move(copy);
    copied = true;
  }
  Bytes out(xof_bytes != 0 ? xof_bytes : EVP_MAX_MD_SIZE);
  unsigned size = 0;
  if (xof_bytes != 0) {
    EXPECT_EQ(EVP_DigestFinalXOF(context.get(), out.data(), out.size()), 1);
    return out;
  }
  EXPECT_EQ(EVP_DigestFinal_ex(context.get(), out.data(), &size), 1);
  out.resize(size);
  return out;
}

TEST(Forwarded, DigestsAgreeWithDefault) {
  const Library library;
  Random random;
  SCOPED_TRACE(random.Trace());
  for (const std::string& name : OneNameOfEach<EVP_MD>(library)) {
    SCOPED_TRACE(name);
    const auto ours = Fetch<EVP_MD>(library, name, kHsm);
    const auto theirs = Fetch<EVP_MD>(library, name, kDefault);
    EXPECT_EQ(EVP_MD_get_size(ours.get()), EVP_MD_get_size(theirs.get()));
    EXPECT_EQ(EVP_MD_get_block_size(ours.get()), EVP_MD_get_block_size(theirs.get()));
    EXPECT_EQ(EVP_MD_get_flags(ours.get()), EVP_MD_get_flags(theirs.get()));
    const bool xof = (EVP_MD_get_flags(ours.get()) & EVP_MD_FLAG_XOF) != 0;
    for (int round = 0; round < 8; ++round) {
      const Bytes data = random(random.Below(5000));
      const std::size_t bytes = xof ? 1 + random.Below(500) : 0;
      EXPECT_EQ(Hash(ours.get(), data, bytes, random), Hash(theirs.get(), data, bytes, random));
    }
  }
}

// ---- The provider as a whole ----

std::set<std::string> Groups(const Library& library, const char* provider) {
  std::set<std::string> groups;
  EXPECT_EQ(OSSL_PROVIDER_get_capabilities(
                library.Provider(provider), "TLS-GROUP",
                [](const OSSL_PARAM* entry, void* argument) {
                  const auto* name =
                      OSSL_PARAM_locate_const(entry, OSSL_CAPABILITY_TLS_GROUP_NAME_INTERNAL);
                  static_cast<std::set<std::string>*>(argument)->insert(
                      static_cast<const char*>(name->data));
                  return 1;
                },
                &groups),
            1);
  return groups;
}

// Of the groups that OpenSSL has, those whose keys can be made here.
TEST(Forwarded, AnnouncesTheTlsGroupsThatItHasKeysFor) {
  const Library library;
  const std::set<std::string> groups = Groups(library, "hsm");
  for (const char* name : {"secp224r1", "prime256v1", "secp384r1", "secp521r1", "secp256k1",
                           "ffdhe2048", "ffdhe8192"}) {
    EXPECT_TRUE(groups.contains(name)) << name;
  }
  EXPECT_FALSE(groups.contains("brainpoolP256r1"));
  for (const std::string& name : Groups(library, "default")) {
    const Ptr<EVP_PKEY_CTX> context(EVP_PKEY_CTX_new_from_name(library.get(), name.c_str(), kHsm));
    if (context != nullptr) {
      EXPECT_TRUE(groups.contains(name)) << name;
    }
  }
}

TEST(Forwarded, KnowsNoOtherCapability) {
  const Library library;
  EXPECT_EQ(
      OSSL_PROVIDER_get_capabilities(
          library.Provider("hsm"), "NO-SUCH", [](const OSSL_PARAM*, void*) { return 1; }, nullptr),
      0);
}

TEST(Forwarded, PassesItsSelfTest) {
  const Library library;
  EXPECT_EQ(OSSL_PROVIDER_self_test(library.Provider("hsm")), 1) << ErrorDetails();
  int status = 0;
  std::array params = {OSSL_PARAM_construct_int(OSSL_PROV_PARAM_STATUS, &status),
                       OSSL_PARAM_construct_end()};
  EXPECT_EQ(OSSL_PROVIDER_get_params(library.Provider("hsm"), params.data()), 1);
  EXPECT_EQ(status, 1);
}

TEST(Forwarded, WorksAfterReload) {
  Library library;
  for (int round = 0; round < 3; ++round) {
    const auto digest = Fetch<EVP_MD>(library, "SHA2-256", kHsm);
    EXPECT_EQ(Hash(digest.get(), Bytes(7), 0, Random()).size(), 32U);
    library.Reload();
  }
}

}  // namespace
}  // namespace provider::test
