// SPDX-License-Identifier: Apache-2.0
// Vectors of MACs and of key derivation.
#include <openssl/core_names.h>
#include <openssl/kdf.h>

#include "provider/wycheproof_secret.h"

namespace provider::test::wycheproof {
namespace {

struct FreeContext {
  void operator()(EVP_MAC_CTX* context) const { EVP_MAC_CTX_free(context); }
  void operator()(EVP_KDF_CTX* context) const { EVP_KDF_CTX_free(context); }
};
template <class T>
using ContextPtr = std::unique_ptr<T, FreeContext>;

struct MacCase {
  std::string name;
  ParamList params;
  std::optional<hsmcore::KeyType> type;
};

// "HMACSHA512/256" is HMAC with SHA-512/256, "AES-CMAC" CMAC with AES, "SipHashX-2-4" SipHash with
// those rounds and 16 bytes.
MacCase MacOf(const std::string& algorithm, std::size_t key_bits, std::size_t tag_bytes) {
  MacCase mac;
  if (algorithm.starts_with("HMAC")) {
    mac.name = "HMAC";
    std::string digest = algorithm.substr(4);
    if (digest.starts_with("SHA") && !digest.starts_with("SHA3")) digest.insert(3, "-");
    mac.params.Add(OSSL_MAC_PARAM_DIGEST, DigestName(digest));
    mac.type = hsmcore::KeyType::kGenericSecret;
  } else if (algorithm.ends_with("-CMAC")) {
    mac.name = "CMAC";
    const std::string family = algorithm.substr(0, algorithm.size() - 5);
    // A key of another size is given to the cipher with the shortest one, which refuses it.
    const bool fits = key_bits == 128 || key_bits == 192 || key_bits == 256;
    mac.params.Add(OSSL_MAC_PARAM_CIPHER,
                   family + "-" + std::to_string(fits ? key_bits : 128) + "-CBC");
    if (family == "AES") mac.type = hsmcore::KeyType::kAes;
  } else if (algorithm.starts_with("KMAC")) {
    mac.name = "KMAC-" + algorithm.substr(4);
    mac.params.Add(OSSL_MAC_PARAM_SIZE, tag_bytes);
    mac.type = hsmcore::KeyType::kGenericSecret;
  } else if (algorithm.starts_with("SipHash")) {
    mac.name = "SIPHASH";
    mac.params.Add(OSSL_MAC_PARAM_SIZE, tag_bytes);
    mac.params.Add(OSSL_MAC_PARAM_C_ROUNDS, std::size_t(algorithm.end()[-3] - '0'));
    mac.params.Add(OSSL_MAC_PARAM_D_ROUNDS, std::size_t(algorithm.end()[-1] - '0'));
  } else {
    mac.name = algorithm;
  }
  return mac;
}

// The tag, cut to the vector's size; a wrong one is what a receiver refuses.
Outcome RunMacCase(EVP_MAC* mac, ParamList params, const SecretKey& key, ByteView message,
                   const Bytes& tag) {
  const ContextPtr<EVP_MAC_CTX> context(EVP_MAC_CTX_new(mac));
  params.AddKey(key);
  static constexpr std::uint8_t kNoKey = 0;
  const std::uint8_t* bytes = key.bytes.empty() ? &kNoKey : key.bytes.data();
  if (EVP_MAC_init(context.get(), key.held() ? nullptr : bytes, key.held() ? 0 : key.bytes.size(),
                   params.get()) != 1 ||
      EVP_MAC_update(context.get(), message.data(), message.size()) != 1) {
    return Rejected();
  }
  std::size_t size = EVP_MAC_CTX_get_mac_size(context.get());
  Bytes whole(size);
  if (EVP_MAC_final(context.get(), whole.data(), &size, whole.size()) != 1) return Rejected();
  whole.resize(std::min(size, tag.size()));
  return whole == tag ? Accepted() : Rejected();
}

void RunMacVector(Bench& bench, const Vector& vector, MacCase mac) {
  const Bytes key = vector.test.Hex("key");
  const Bytes message = vector.test.Hex("msg");
  const Bytes tag = vector.test.Hex("tag");
  EXPECT_EQ(vector.group.Number("keySize"), 8 * key.size());
  if (!tag.empty()) {
    EXPECT_EQ(vector.group.Number("tagSize"), 8 * tag.size());
  }
  const auto found = bench.Mac(mac.name);
  if (!found) return bench.Judge(vector, kForwarded, found.error());
  RunBothWays(bench, vector, mac.type, key, EVP_MAC_settable_ctx_params(*found),
              [&](const SecretKey& secret) {
                return RunMacCase(*found, mac.params, secret, message, tag);
              });
}

Outcome RunKdf(EVP_KDF* kdf, ParamList& params, std::size_t size, const Bytes& expected) {
  const ContextPtr<EVP_KDF_CTX> context(EVP_KDF_CTX_new(kdf));
  Bytes out(size);
  if (EVP_KDF_derive(context.get(), out.data(), out.size(), params.get()) != 1) return Rejected();
  return Compare("the derived key", out, expected);
}

// What stands behind "PBKDF2-HMAC" and "PbeWithHmac" in the names of the files' algorithms.
ParamList Pbkdf2Params(const Fields& test, const std::string& digest) {
  ParamList params;
  params.Add(OSSL_KDF_PARAM_DIGEST, DigestName("SHA-" + digest))
      .Add(OSSL_KDF_PARAM_PASSWORD, test.Hex("password"))
      .Add(OSSL_KDF_PARAM_SALT, test.Hex("salt"))
      .Add(OSSL_KDF_PARAM_ITER, test.Number("iterationCount"))
      // RFC 8018 without SP 800-132's lower limits, which the vectors go below.
      .Add(OSSL_KDF_PARAM_PKCS5, std::size_t{1});
  return params;
}

}  // namespace

void RunMac(Bench& bench, const Vector& vector) {
  RunMacVector(
      bench, vector,
      MacOf(vector.algorithm, vector.group.Number("keySize"), vector.group.Number("tagSize") / 8));
}

void RunMacWithIv(Bench& bench, const Vector& vector) {
  const Bytes iv = vector.test.Hex("iv");
  EXPECT_EQ(vector.group.Number("ivSize"), 8 * iv.size());
  MacCase mac{vector.algorithm, {}, std::nullopt};
  if (vector.algorithm == "AES-GMAC") {
    mac = {"GMAC", {}, hsmcore::KeyType::kAes};
    mac.params
        .Add(OSSL_MAC_PARAM_CIPHER,
             "AES-" + std::to_string(vector.group.Number("keySize")) + "-GCM")
        .Add(OSSL_MAC_PARAM_IV, iv);
  }
  RunMacVector(bench, vector, std::move(mac));
}

void RunHkdf(Bench& bench, const Vector& vector) {
  const Fields& test = vector.test;
  const Bytes ikm = test.Hex("ikm");
  const Bytes salt = test.Hex("salt");
  const Bytes info = test.Hex("info");
  const Bytes okm = test.Hex("okm");
  const std::size_t size = test.Number("size");
  EXPECT_EQ(vector.group.Number("keySize"), 8 * ikm.size());
  const std::string digest = DigestName(vector.algorithm.substr(std::string("HKDF-").size()));
  const auto kdf = bench.Kdf("HKDF");
  if (!kdf) return bench.Judge(vector, kForwarded, kdf.error());
  RunBothWays(bench, vector, hsmcore::KeyType::kGenericSecret, ikm,
              EVP_KDF_settable_ctx_params(*kdf), [&](const SecretKey& key) {
                ParamList params;
                params.Add(OSSL_KDF_PARAM_DIGEST, digest)
                    .AddKey(key, OSSL_KDF_PARAM_KEY)
                    .Add(OSSL_KDF_PARAM_SALT, salt)
                    .Add(OSSL_KDF_PARAM_INFO, info);
                return RunKdf(*kdf, params, size, okm);
              });
}

void RunPbkdf2(Bench& bench, const Vector& vector) {
  ParamList params =
      Pbkdf2Params(vector.test, vector.algorithm.substr(std::string("PBKDF2-HMACSHA").size()));
  const std::size_t size = vector.test.Number("dkLen");
  const Bytes expected = vector.test.Hex("dk");
  bench.Judge(vector, kForwarded, With(bench.Kdf("PBKDF2"), [&](EVP_KDF* kdf) {
                return RunKdf(kdf, params, size, expected);
              }));
}

// RFC 8018 section 6.2: "PbeWithHmacSha256AndAes_128" is PBKDF2, then AES-CBC with padding.
void RunPbes2(Bench& bench, const Vector& vector) {
  const std::string prefix = "PbeWithHmacSha";
  const std::size_t middle = vector.algorithm.find("AndAes_");
  const std::string bits = vector.algorithm.substr(middle + std::string("AndAes_").size());
  ParamList params =
      Pbkdf2Params(vector.test, vector.algorithm.substr(prefix.size(), middle - prefix.size()));
  const Bytes iv = vector.test.Hex("iv");
  const Bytes message = vector.test.Hex("msg");
  const Bytes cipher_text = vector.test.Hex("ct");
  const auto kdf = bench.Kdf("PBKDF2");
  if (!kdf) return bench.Judge(vector, kForwarded, kdf.error());
  bench.Judge(
      vector, kForwarded, With(bench.Cipher("AES-" + bits + "-CBC"), [&](auto* cipher) {
        SecretKey key{Bytes(std::stoul(bits) / 8), {}};
        const ContextPtr<EVP_KDF_CTX> context(EVP_KDF_CTX_new(*kdf));
        if (EVP_KDF_derive(context.get(), key.bytes.data(), key.bytes.size(), params.get()) != 1) {
          return Rejected();
        }
        const auto plain = RunCipherCall({cipher, key, false, iv, {}, cipher_text});
        return plain ? Compare("the message", plain->out, message) : Rejected();
      }));
}

}  // namespace provider::test::wycheproof
