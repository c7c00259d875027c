// SPDX-License-Identifier: Apache-2.0
#include <openssl/core_names.h>

#include <algorithm>

#include "hsmcore/key_reference.h"
#include "provider/wycheproof_secret.h"

namespace provider::test::wycheproof {
namespace {

// OpenSSL 3.5's names (FIPS 204's ctx, mu and rnd).
constexpr const char* kContextString = "context-string";
constexpr const char* kDeterministic = "deterministic";
constexpr const char* kMu = "mu";
constexpr const char* kTestEntropy = "test-entropy";
constexpr const char* kSeed = "seed";

struct Call {
  Bytes data;
  ParamList params;
  std::vector<const char*> needs;  // parameters that an implementation may lack
};

bool Lacks(EVP_PKEY_CTX* context, const std::vector<const char*>& names) {
  const OSSL_PARAM* known = EVP_PKEY_CTX_settable_params(context);
  return std::ranges::any_of(names, [known](const char* name) {
    return known == nullptr || OSSL_PARAM_locate_const(known, name) == nullptr;
  });
}

Outcome Sign(const Bench& bench, EVP_PKEY* key, Call call, ByteView expected) {
  const Ptr<EVP_MD_CTX> context(EVP_MD_CTX_new());
  EVP_PKEY_CTX* operation = nullptr;
  if (EVP_DigestSignInit_ex(context.get(), &operation, nullptr, bench.context(), nullptr, key,
                            nullptr) != 1) {
    return {Outcome::Kind::kContradicted, "signing cannot begin: " + ErrorDetails()};
  }
  if (Lacks(operation, call.needs)) {
    return NotRun(std::string("not offered: signatures with parameter ") + call.needs.front());
  }
  Bytes signature(static_cast<std::size_t>(EVP_PKEY_get_size(key)));
  std::size_t size = signature.size();
  if (EVP_PKEY_CTX_set_params(operation, call.params.get()) != 1 ||
      EVP_DigestSign(context.get(), signature.data(), &size, call.data.data(), call.data.size()) !=
          1) {
    return Rejected();
  }
  signature.resize(size);
  return Compare("the signature", signature, expected);
}

Outcome VerifyOne(const Bench& bench, EVP_PKEY* key, Call call, ByteView signature) {
  const Ptr<EVP_MD_CTX> context(EVP_MD_CTX_new());
  EVP_PKEY_CTX* operation = nullptr;
  if (EVP_DigestVerifyInit_ex(context.get(), &operation, nullptr, bench.context(), nullptr, key,
                              nullptr) != 1) {
    return {Outcome::Kind::kContradicted, "verification cannot begin: " + ErrorDetails()};
  }
  return EVP_PKEY_CTX_set_params(operation, call.params.get()) == 1 &&
                 EVP_DigestVerify(context.get(), signature.data(), signature.size(),
                                  call.data.data(), call.data.size()) == 1
             ? Accepted()
             : Rejected();
}

// The calls that make a vector's signature: over the message, and over mu.
std::vector<std::pair<std::string, Call>> CallsOf(const Fields& test) {
  Call base;
  const Bytes random = test.OptionalHex("rnd");
  if (random.empty()) {
    base.params.Add(kDeterministic, std::size_t{1});
  } else {
    base.params.Add(kTestEntropy, random);
    base.needs = {kTestEntropy};
  }
  std::vector<std::pair<std::string, Call>> calls;
  if (test.Has("msg")) {
    Call call = base;
    call.data = test.Hex("msg");
    if (test.Has("ctx")) call.params.Add(kContextString, test.Hex("ctx"));
    calls.emplace_back("", std::move(call));
  }
  if (test.Has("mu")) {
    Call call = base;
    call.data = test.Hex("mu");
    call.params.Add(kMu, std::size_t{1});
    call.needs.push_back(kMu);
    if (!call.data.empty()) calls.emplace_back(", mu", std::move(call));
  }
  return calls;
}

Needed<EVP_PKEY*> HeldKey(Bench& bench, hsmcore::KeyType type, ByteView key, ByteView seed,
                          ByteView claimed) {
  using hsmcore::SecretBytes;
  const auto material = hsmcore::CompleteRawPair(
      type, {SecretBytes::CopyOf(key), SecretBytes::CopyOf(seed)}, claimed);
  if (!material) return std::unexpected(Rejected());
  return bench.HeldPrivate(*material);
}

Needed<EVP_PKEY*> GivenKey(Bench& bench, const std::string& type, const Bytes& key,
                           const Bytes& seed) {
  ParamList params;
  if (!key.empty() || seed.empty()) params.Add(OSSL_PKEY_PARAM_PRIV_KEY, key);
  if (!seed.empty()) params.Add(kSeed, seed);
  return bench.GivenParams(type.c_str(), EVP_PKEY_KEYPAIR, params.get());
}

}  // namespace

void RunMlDsaVerify(Bench& bench, const Vector& vector) {
  const Bytes spki = vector.group.Hex("publicKeyDer");
  ExpectEnd("publicKey", spki, vector.group.Hex("publicKey"));
  Call call{vector.test.Hex("msg"), {}, {}};
  if (vector.test.Has("ctx")) call.params.Add(kContextString, vector.test.Hex("ctx"));
  const Bytes signature = vector.test.Hex("sig");
  const auto type = bench.KeyType(vector.algorithm);
  if (!type) return bench.Judge(vector, kHeld, type.error());
  const auto verify = [&](EVP_PKEY* key) { return VerifyOne(bench, key, call, signature); };
  bench.Judge(vector, kHeld, With(bench.HeldPublic(spki), verify));
  bench.Judge(vector, kGiven, With(bench.GivenPublic(spki), verify));
}

void RunMlDsaSign(Bench& bench, const Vector& vector) {
  const Fields& group = vector.group;
  const Bytes seed = group.OptionalHex("privateSeed");
  const Bytes key = group.OptionalHex("privateKey");
  const Bytes pkcs8 = group.OptionalHex("privateKeyPkcs8");
  const Bytes claimed = group.OptionalHex("publicKey");
  const Bytes signature = vector.test.Hex("sig");
  const auto calls = CallsOf(vector.test);
  const auto offered = bench.KeyType(vector.algorithm);
  const auto type = hsmcore::KeyTypeByName(vector.algorithm);
  if (!offered || !type) {
    return bench.Judge(vector, kHeld, NotRun("not offered: " + vector.algorithm));
  }
  for (const auto& [suffix, call] : calls) {
    const auto sign = [&](EVP_PKEY* own) { return Sign(bench, own, call, signature); };
    bench.Judge(vector, kHeld + suffix, With(HeldKey(bench, *type, key, seed, claimed), sign));
    bench.Judge(vector, kGiven + suffix, With(GivenKey(bench, vector.algorithm, key, seed), sign));
    if (pkcs8.empty()) continue;
    bench.Judge(vector, "pkcs8" + suffix, With(bench.GivenPkcs8(pkcs8), sign));
  }
}

}  // namespace provider::test::wycheproof
