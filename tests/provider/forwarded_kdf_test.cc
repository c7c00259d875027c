// SPDX-License-Identifier: Apache-2.0
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>

#include <map>

#include "provider/forwarded_support.h"

namespace provider::test {
namespace {

struct KdfCtxFree {
  void operator()(EVP_KDF_CTX* context) const { EVP_KDF_CTX_free(context); }
};
using KdfCtx = std::unique_ptr<EVP_KDF_CTX, KdfCtxFree>;

Params WithDigest() { return Params().Text(OSSL_KDF_PARAM_DIGEST, "SHA2-256"); }

Params Argon2(Random& random) {
  return Params()
      .Octets(OSSL_KDF_PARAM_PASSWORD, random(12))
      .Octets(OSSL_KDF_PARAM_SALT, random(16))
      .Number(OSSL_KDF_PARAM_ITER, 2)
      .Number("lanes", 1)
      .Number("memcost", 64);
}

// What each KDF is told. The later names are of OpenSSL 3.2 to 3.6.
const std::map<std::string, Params (*)(Random&)> kInputs = {
    {"HKDF",
     [](Random& random) {
       return WithDigest()
           .Octets(OSSL_KDF_PARAM_KEY, random(32))
           .Octets(OSSL_KDF_PARAM_SALT, random(13))
           .Octets(OSSL_KDF_PARAM_INFO, random(20));
     }},
    {"TLS13-KDF",
     [](Random& random) {
       return WithDigest()
           .Integer(OSSL_KDF_PARAM_MODE, EVP_KDF_HKDF_MODE_EXPAND_ONLY)
           .Octets(OSSL_KDF_PARAM_KEY, random(32))
           .Octets(OSSL_KDF_PARAM_PREFIX, Bytes(6, 't'))
           .Octets(OSSL_KDF_PARAM_LABEL, random(7))
           .Octets(OSSL_KDF_PARAM_DATA, random(32));
     }},
    {"SSKDF",
     [](Random& random) {
       return WithDigest()
           .Octets(OSSL_KDF_PARAM_KEY, random(32))
           .Octets(OSSL_KDF_PARAM_INFO, random(20));
     }},
    {"PBKDF2",
     [](Random& random) {
       return WithDigest()
           .Octets(OSSL_KDF_PARAM_PASSWORD, random(12))
           .Octets(OSSL_KDF_PARAM_SALT, random(16))
           .Number(OSSL_KDF_PARAM_ITER, 1000);
     }},
    {"PKCS12KDF",
     [](Random& random) {
       return WithDigest()
           .Octets(OSSL_KDF_PARAM_PASSWORD, random(12))
           .Octets(OSSL_KDF_PARAM_SALT, random(16))
           .Number(OSSL_KDF_PARAM_ITER, 10)
           .Integer(OSSL_KDF_PARAM_PKCS12_ID, 1);
     }},
    {"SSHKDF",
     [](Random& random) {
       return WithDigest()
           .Octets(OSSL_KDF_PARAM_KEY, random(32))
           .Octets(OSSL_KDF_PARAM_SSHKDF_XCGHASH, random(32))
           .Octets(OSSL_KDF_PARAM_SSHKDF_SESSION_ID, random(32))
           .Text(OSSL_KDF_PARAM_SSHKDF_TYPE, "A");
     }},
    {"X963KDF",
     [](Random& random) {
       return WithDigest()
           .Octets(OSSL_KDF_PARAM_KEY, random(32))
           .Octets(OSSL_KDF_PARAM_INFO, random(20));
     }},
    {"TLS1-PRF",
     [](Random& random) {
       return WithDigest()
           .Octets(OSSL_KDF_PARAM_SECRET, random(48))
           .Octets(OSSL_KDF_PARAM_SEED, random(64));
     }},
    {"KBKDF",
     [](Random& random) {
       return WithDigest()
           .Text(OSSL_KDF_PARAM_MAC, "HMAC")
           .Octets(OSSL_KDF_PARAM_KEY, random(32))
           .Octets(OSSL_KDF_PARAM_SALT, random(9))
           .Octets(OSSL_KDF_PARAM_INFO, random(20));
     }},
    {"X942KDF-ASN1",
     [](Random& random) {
       return WithDigest()
           .Octets(OSSL_KDF_PARAM_KEY, random(32))
           .Text(OSSL_KDF_PARAM_CEK_ALG, "AES-256-WRAP");
     }},
    {"SCRYPT",
     [](Random& random) {
       return Params()
           .Octets(OSSL_KDF_PARAM_PASSWORD, random(12))
           .Octets(OSSL_KDF_PARAM_SALT, random(16))
           .Number(OSSL_KDF_PARAM_SCRYPT_N, 1024)
           .Number(OSSL_KDF_PARAM_SCRYPT_R, 8)
           .Number(OSSL_KDF_PARAM_SCRYPT_P, 1);
     }},
    {"KRB5KDF",
     [](Random& random) {
       return Params()
           .Text(OSSL_KDF_PARAM_CIPHER, "AES-256-CBC")
           .Octets(OSSL_KDF_PARAM_KEY, random(32))
           .Octets(OSSL_KDF_PARAM_CONSTANT, random(5));
     }},
    {"ARGON2I", Argon2},
    {"ARGON2D", Argon2},
    {"ARGON2ID", Argon2},
    {"HMAC-DRBG-KDF",
     [](Random& random) {
       return WithDigest().Octets("entropy", random(32)).Octets("nonce", random(16));
     }},
};

std::optional<Bytes> Derive(EVP_KDF* kdf, Params params, std::size_t size) {
  const KdfCtx context(EVP_KDF_CTX_new(kdf));
  if (EVP_KDF_CTX_set_params(context.get(), params.get()) != 1) return std::nullopt;
  const KdfCtx copy(EVP_KDF_CTX_dup(context.get()));
  Bytes out(size);
  EVP_KDF_CTX* last = copy != nullptr ? copy.get() : context.get();
  if (EVP_KDF_derive(last, out.data(), out.size(), nullptr) != 1) return std::nullopt;
  return out;
}

// HKDF with its digest in the name, from OpenSSL 3.6 on, takes what HKDF does.
Params InputOf(const EVP_KDF* kdf, Random& random) {
  for (const auto& [name, make] : kInputs) {
    if (EVP_KDF_is_a(kdf, name.c_str()) == 1) return make(random);
  }
  ADD_FAILURE() << "a KDF that this test does not know";
  return {};
}

TEST(ForwardedKdf, AgreesWithDefault) {
  const Library library;
  Random random;
  SCOPED_TRACE(random.Trace());
  for (const std::string& name : OneNameOfEach<EVP_KDF>(library)) {
    SCOPED_TRACE(name);
    const auto ours = Fetch<EVP_KDF>(library, name, kHsm);
    const auto theirs = Fetch<EVP_KDF>(library, name, kDefault);
    for (int round = 0; round < 4; ++round) {
      const Params input = InputOf(ours.get(), random);
      // KRB5KDF gives a key of its cipher, and X942KDF says how long its key is to be.
      const std::size_t size = name == "KRB5KDF" ? 32 : 16 + random.Below(100);
      const auto key = Derive(ours.get(), input, size);
      EXPECT_TRUE(key) << ErrorDetails();
      EXPECT_EQ(key, Derive(theirs.get(), input, size));
    }
  }
}

TEST(ForwardedKdf, TakesPropertyQueries) {
  const Library library;
  Random random;
  const auto hkdf = Fetch<EVP_KDF>(library, "HKDF", kHsm);
  for (const char* query : {"provider=hsm", "?provider=hsm"}) {
    Params input = InputOf(hkdf.get(), random);
    EXPECT_TRUE(Derive(hkdf.get(), input.Text(OSSL_KDF_PARAM_PROPERTIES, query), 32)) << query;
  }
}

// ---- As key types ----

std::optional<Bytes> DeriveByPkey(const Library& library, const char* type, const char* query,
                                  Params params) {
  const Ptr<EVP_PKEY_CTX> context(EVP_PKEY_CTX_new_from_name(library.get(), type, query));
  Bytes out(48);
  std::size_t size = out.size();
  if (EVP_PKEY_derive_init(context.get()) != 1 ||
      EVP_PKEY_CTX_set_params(context.get(), params.get()) != 1 ||
      EVP_PKEY_derive(context.get(), out.data(), &size) != 1) {
    return std::nullopt;
  }
  EXPECT_EQ(size, out.size());
  return out;
}

TEST(ForwardedKdf, IsAKeyTypeToo) {
  const Library library;
  Random random;
  SCOPED_TRACE(random.Trace());
  for (const char* type : {"HKDF", "TLS1-PRF", "SCRYPT"}) {
    const Params input = kInputs.at(type)(random);
    const auto key = DeriveByPkey(library, type, kHsm, input);
    EXPECT_TRUE(key) << type << ErrorDetails();
    EXPECT_EQ(key, DeriveByPkey(library, type, kDefault, input)) << type;
  }
}

}  // namespace
}  // namespace provider::test
