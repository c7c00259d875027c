// SPDX-License-Identifier: Apache-2.0
#include <openssl/core_names.h>

#include <algorithm>

#include "hsmcore/key_reference.h"
#include "provider/wycheproof_secret.h"

namespace provider::test::wycheproof {
namespace {

// OpenSSL 3.5's names (FIPS 203's d and z, and m).
constexpr const char* kSeed = "seed";
constexpr const char* kEntropy = "ikme";

struct Type {
  hsmcore::KeyType type;
  std::string name;
};

// The group's parameter set; judges the vector as not run where the provider has none.
std::optional<Type> TypeOf(Bench& bench, const Vector& vector) {
  const std::string name = vector.group.Text("parameterSet");
  const auto type = hsmcore::KeyTypeByName(name);
  const auto offered = bench.KeyType(name);
  if (type && offered) return Type{*type, name};
  vector.test.Skip({"seed", "ek", "dk", "c", "K", "m"});
  bench.Judge(vector, kHeld, NotRun("not offered: " + name));
  return std::nullopt;
}

// `claimed` empty: the vector does not say the public half.
Needed<EVP_PKEY*> HeldKey(Bench& bench, const Type& type, const Bytes& key, const Bytes& seed,
                          const Bytes& claimed) {
  using hsmcore::SecretBytes;
  const auto material = hsmcore::CompleteRawPair(
      type.type, {SecretBytes::CopyOf(key), SecretBytes::CopyOf(seed)}, claimed);
  if (!material) return std::unexpected(Rejected());
  return bench.HeldPrivate(*material);
}

Needed<EVP_PKEY*> GivenKey(Bench& bench, const Type& type, const char* part, const Bytes& bytes) {
  ParamList params;
  params.Add(part, bytes);
  const bool public_only = std::string_view(part) == OSSL_PKEY_PARAM_PUB_KEY;
  return bench.GivenParams(type.name.c_str(), public_only ? EVP_PKEY_PUBLIC_KEY : EVP_PKEY_KEYPAIR,
                           params.get());
}

Needed<EVP_PKEY*> HeldPublicKey(Bench& bench, const Type& type, const Bytes& key) {
  const auto spki = hsmcore::EncodeSpki(hsmcore::RawPublic{type.type, key});
  if (!spki) return std::unexpected(Rejected());
  return bench.HeldPublic(*spki);
}

Outcome ComparePublic(EVP_PKEY* key, const Bytes& expected) {
  Bytes bytes(4096);
  std::size_t size = 0;
  if (EVP_PKEY_get_octet_string_param(key, OSSL_PKEY_PARAM_PUB_KEY, bytes.data(), bytes.size(),
                                      &size) != 1) {
    return {Outcome::Kind::kContradicted, "the key shows no public half: " + ErrorDetails()};
  }
  bytes.resize(size);
  return Compare("the public half", bytes, expected);
}

Outcome Decapsulate(const Bench& bench, EVP_PKEY* key, const Bytes& wrapped,
                    const Bytes& expected) {
  const Ptr<EVP_PKEY_CTX> context(EVP_PKEY_CTX_new_from_pkey(bench.context(), key, nullptr));
  if (EVP_PKEY_decapsulate_init(context.get(), nullptr) != 1) {
    return {Outcome::Kind::kContradicted, "decapsulation cannot begin: " + ErrorDetails()};
  }
  Bytes secret(64);
  std::size_t size = secret.size();
  if (EVP_PKEY_decapsulate(context.get(), secret.data(), &size, wrapped.data(), wrapped.size()) !=
      1) {
    return Rejected();
  }
  secret.resize(size);
  return Compare("the secret", secret, expected);
}

struct Encapsulation {
  Bytes entropy;
  Bytes wrapped;
  Bytes secret;
};

Outcome Encapsulate(const Bench& bench, EVP_PKEY* key, const Encapsulation& expected) {
  const Ptr<EVP_PKEY_CTX> context(EVP_PKEY_CTX_new_from_pkey(bench.context(), key, nullptr));
  if (EVP_PKEY_encapsulate_init(context.get(), nullptr) != 1) {
    return {Outcome::Kind::kContradicted, "encapsulation cannot begin: " + ErrorDetails()};
  }
  const OSSL_PARAM* known = EVP_PKEY_CTX_settable_params(context.get());
  if (known == nullptr || OSSL_PARAM_locate_const(known, kEntropy) == nullptr) {
    return NotRun("not offered: encapsulation with the caller's entropy");
  }
  ParamList params;
  params.Add(kEntropy, expected.entropy);
  Bytes wrapped(4096);
  Bytes secret(64);
  std::size_t wrapped_size = wrapped.size();
  std::size_t secret_size = secret.size();
  if (EVP_PKEY_CTX_set_params(context.get(), params.get()) != 1 ||
      EVP_PKEY_encapsulate(context.get(), wrapped.data(), &wrapped_size, secret.data(),
                           &secret_size) != 1) {
    return Rejected();
  }
  wrapped.resize(wrapped_size);
  secret.resize(secret_size);
  if (secret != expected.secret) return Contradicted("the secret", secret);
  return Compare("the ciphertext", wrapped, expected.wrapped);
}

}  // namespace

// The decapsulation key never leaves the HSM: that it is the seed's shows in its public half.
void RunMlKemKeygen(Bench& bench, const Vector& vector) {
  const auto type = TypeOf(bench, vector);
  if (!type) return;
  const Bytes seed = vector.test.Hex("seed");
  const Bytes expanded = vector.test.Hex("dk");
  const Bytes expected = vector.test.Hex("ek");
  const auto compare = [&](EVP_PKEY* key) { return ComparePublic(key, expected); };
  bench.Judge(vector, kHeld, With(HeldKey(bench, *type, expanded, seed, expected), compare));
  bench.Judge(vector, kGiven, With(GivenKey(bench, *type, kSeed, seed), compare));
  bench.Judge(vector, "given, expanded",
              With(GivenKey(bench, *type, OSSL_PKEY_PARAM_PRIV_KEY, expanded), compare));
}

void RunMlKemEncapsulate(Bench& bench, const Vector& vector) {
  const auto type = TypeOf(bench, vector);
  if (!type) return;
  const Bytes key = vector.test.Hex("ek");
  const Encapsulation expected{vector.test.Hex("m"), vector.test.Hex("c"), vector.test.Hex("K")};
  const auto encapsulate = [&](EVP_PKEY* own) { return Encapsulate(bench, own, expected); };
  bench.Judge(vector, kHeld, With(HeldPublicKey(bench, *type, key), encapsulate));
  bench.Judge(vector, kGiven,
              With(GivenKey(bench, *type, OSSL_PKEY_PARAM_PUB_KEY, key), encapsulate));
}

void RunMlKemDecapsulate(Bench& bench, const Vector& vector) {
  const auto type = TypeOf(bench, vector);
  if (!type) return;
  const Bytes seed = vector.test.Hex("seed");
  const Bytes claimed = vector.test.OptionalHex("ek");
  const Bytes wrapped = vector.test.Hex("c");
  const Bytes secret = vector.test.Hex("K");
  const auto decapsulate = [&](EVP_PKEY* own) { return Decapsulate(bench, own, wrapped, secret); };
  bench.Judge(vector, kHeld, With(HeldKey(bench, *type, {}, seed, claimed), decapsulate));
  bench.Judge(vector, kGiven, With(GivenKey(bench, *type, kSeed, seed), decapsulate));
}

void RunMlKemExpandedKey(Bench& bench, const Vector& vector) {
  const auto type = TypeOf(bench, vector);
  if (!type) return;
  const Bytes key = vector.test.Hex("dk");
  const Bytes wrapped = vector.test.Hex("c");
  const Bytes secret = vector.test.OptionalHex("K");
  // FIPS 203 algorithm 16: the private key has the public one in it.
  EXPECT_FALSE(std::ranges::search(key, vector.test.Hex("ek")).empty());
  const auto decapsulate = [&](EVP_PKEY* own) { return Decapsulate(bench, own, wrapped, secret); };
  bench.Judge(vector, kHeld, With(HeldKey(bench, *type, key, {}, {}), decapsulate));
  bench.Judge(vector, kGiven,
              With(GivenKey(bench, *type, OSSL_PKEY_PARAM_PRIV_KEY, key), decapsulate));
}

}  // namespace provider::test::wycheproof
