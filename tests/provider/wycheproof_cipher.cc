// SPDX-License-Identifier: Apache-2.0
// Vectors of ciphers: AEADs, CBC and XTS, key wrapping.
#include "provider/wycheproof_secret.h"

namespace provider::test::wycheproof {
namespace {

struct Case {
  Bytes key;
  Bytes iv;
  Bytes aad;
  Bytes message;
  Bytes cipher_text;
  Bytes tag;
  std::size_t tag_size = 0;
  bool aead = false;
  bool wrap = false;
};

// OpenSSL's limit (GCM_IV_MAX_SIZE).
constexpr std::size_t kMaxGcmIv = 128;

// EVP takes a call without data for none at all: when nothing comes out, no key was wrapped.
std::optional<CipherOutput> Call(EVP_CIPHER* cipher, const Case& c, const SecretKey& key,
                                 bool encrypt) {
  auto output = RunCipherCall({cipher, key, encrypt, c.iv, c.aad,
                               encrypt ? c.message : c.cipher_text, c.aead, c.tag, c.tag_size});
  if (output && c.wrap && output->out.empty()) return std::nullopt;
  return output;
}

// A valid vector must come out of both directions; an invalid one must not be decrypted, or has no
// ciphertext because its message cannot be wrapped.
Outcome RunCase(EVP_CIPHER* cipher, const Case& c, const SecretKey& key, Expected expected) {
  const bool invalid = expected == Expected::kInvalid;
  if (c.wrap && invalid && c.cipher_text.empty() && Call(cipher, c, key, true)) {
    return {Outcome::Kind::kContradicted, "the message is wrapped"};
  }
  const auto plain = Call(cipher, c, key, false);
  if (!plain) return Rejected();
  const Outcome decrypted = Compare("the message", plain->out, c.message);
  if (invalid || decrypted.kind != Outcome::Kind::kAccepted) return decrypted;
  const auto sealed = Call(cipher, c, key, true);
  if (!sealed) return Rejected();
  const Outcome encrypted = Compare("the ciphertext", sealed->out, c.cipher_text);
  if (encrypted.kind != Outcome::Kind::kAccepted) return encrypted;
  return Compare("the tag", sealed->tag, c.tag);
}

void Run(Bench& bench, const Vector& vector, const std::string& name, const Case& c) {
  if (vector.group.Has("keySize")) {
    EXPECT_EQ(vector.group.Number("keySize"), 8 * c.key.size());
  }
  const auto cipher = bench.Cipher(name);
  if (!cipher) return bench.Judge(vector, kForwarded, cipher.error());
  RunBothWays(bench, vector, KeyTypeOfCipher(name), c.key, EVP_CIPHER_settable_ctx_params(*cipher),
              [&](const SecretKey& key) { return RunCase(*cipher, c, key, vector.expected); });
}

// "AES-GCM" and 128 bits are "AES-128-GCM", "AES-CBC-PKCS5" is "AES-128-CBC".
std::string CipherName(const std::string& algorithm, std::size_t bits) {
  if (algorithm == "CHACHA20-POLY1305") return "ChaCha20-Poly1305";
  const std::size_t dash = algorithm.find('-');
  if (dash == std::string::npos) return algorithm;
  std::string mode = algorithm.substr(dash + 1);
  if (mode == "CBC-PKCS5") mode = "CBC";
  if (mode == "KWP") mode = "WRAP-PAD";
  // SM4 has keys of one size; XTS and SIV count half of their key.
  const std::string family = algorithm.substr(0, dash);
  if (family == "SM4" || family == "SEED") return family + "-" + mode;
  return family + "-" + std::to_string(mode == "XTS" || mode == "SIV" ? bits / 2 : bits) + "-" +
         mode;
}

}  // namespace

void RunAead(Bench& bench, const Vector& vector) {
  const Fields& test = vector.test;
  const Case c{test.Hex("key"),
               test.Hex("iv"),
               test.Hex("aad"),
               test.Hex("msg"),
               test.Hex("ct"),
               test.Hex("tag"),
               vector.group.Number("tagSize") / 8,
               true};
  EXPECT_EQ(vector.group.Number("ivSize"), 8 * c.iv.size());
  const std::string name = CipherName(vector.algorithm, 8 * c.key.size());
  if (name.ends_with("-GCM") && c.iv.size() > kMaxGcmIv) {
    vector.group.Skip({"keySize"});
    return bench.Judge(vector, kForwarded, NotRun("OpenSSL's GCM has no IV over 128 bytes"));
  }
  Run(bench, vector, name, c);
}

// RFC 5297: the tag stands before the ciphertext.
void RunDeterministicAead(Bench& bench, const Vector& vector) {
  const Fields& test = vector.test;
  const Bytes whole = test.Hex("ct");
  const std::size_t tag_size = std::min<std::size_t>(16, whole.size());
  const auto split = whole.begin() + static_cast<std::ptrdiff_t>(tag_size);
  const Case c{test.Hex("key"),
               {},
               test.Hex("aad"),
               test.Hex("msg"),
               Bytes(split, whole.end()),
               Bytes(whole.begin(), split),
               tag_size,
               true};
  // A call without data is none at all, so there is no empty component of S2V.
  if (c.aad.empty() || c.message.empty()) {
    vector.group.Skip({"keySize"});
    return bench.Judge(vector, kForwarded,
                       NotRun("OpenSSL's SIV takes no empty message and no empty AAD"));
  }
  Run(bench, vector, CipherName("AES-SIV", 8 * c.key.size()), c);
}

void RunCipher(Bench& bench, const Vector& vector) {
  const Fields& test = vector.test;
  Case c{test.Hex("key"), test.Hex("iv"), {}, test.Hex("msg"), test.Hex("ct"), {}};
  EXPECT_EQ(vector.group.Number("ivSize"), 8 * c.iv.size());
  // IEEE 1619: the tweak is a little-endian number, which the vectors write as short as it is.
  if (vector.algorithm.ends_with("-XTS")) c.iv.resize(16);
  Run(bench, vector, CipherName(vector.algorithm, 8 * c.key.size()), c);
}

void RunKeyWrap(Bench& bench, const Vector& vector) {
  const Fields& test = vector.test;
  Case c{test.Hex("key"), {}, {}, test.Hex("msg"), test.Hex("ct"), {}};
  c.wrap = true;
  Run(bench, vector, CipherName(vector.algorithm, 8 * c.key.size()), c);
}

}  // namespace provider::test::wycheproof
