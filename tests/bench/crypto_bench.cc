// SPDX-License-Identifier: Apache-2.0
// The price of hsmcore/crypto against OpenSSL's default provider in the default library context,
// with the same key in memory and new contexts at each operation, as an application uses it.
// Runs both in turns and prints medians. Arguments: [rounds] [milliseconds per round].
#include <openssl/evp.h>
#include <openssl/rsa.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <memory>
#include <thread>
#include <vector>

#include "crypto/asymmetric_key.h"
#include "hsmcore/key_reference.h"

namespace {

using hsmcore::Bytes;
using hsmcore::ByteView;
using hsmcore::CipherMechanism;
using hsmcore::Digest;
using hsmcore::KeyPairMaterial;
using hsmcore::KeySpec;
using hsmcore::KeyType;
using hsmcore::SignMechanism;
using hsmcore::crypto::AsymmetricKey;
using KeyRef = std::shared_ptr<const AsymmetricKey>;
using Clock = std::chrono::steady_clock;
using Operation = std::function<bool()>;

struct PkeyFree {
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
  void operator()(EVP_PKEY_CTX* context) const { EVP_PKEY_CTX_free(context); }
  void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
};
using PkeyPtr = std::unique_ptr<EVP_PKEY, PkeyFree>;
using PkeyCtxPtr = std::unique_ptr<EVP_PKEY_CTX, PkeyFree>;
using MdCtxPtr = std::unique_ptr<EVP_MD_CTX, PkeyFree>;

constexpr std::size_t kMessageBytes = 130;  // about what TLS 1.3 has a server sign
constexpr std::size_t kMaxOutput = 1024;

struct Row {
  const char* name;
  Operation ours;
  Operation theirs;
};

KeySpec Rsa(unsigned bits) {
  KeySpec spec;
  spec.modulus_bits = bits;
  return spec;
}

KeySpec Ec(hsmcore::Curve curve) {
  KeySpec spec;
  spec.type = KeyType::kEc;
  spec.curve = curve;
  return spec;
}

KeySpec Ed25519() {
  KeySpec spec;
  spec.type = KeyType::kEd25519;
  return spec;
}

[[noreturn]] void Stop(const char* what) {
  std::fprintf(stderr, "crypto_bench: %s\n", what);
  std::exit(1);
}

template <class T>
T Must(hsmcore::Result<T> result) {
  if (!result) Stop(result.error().Message().c_str());
  return *std::move(result);
}

// The same kind of key, made by OpenSSL for OpenSSL: the numbers do not matter for the time.
PkeyPtr DefaultKey(const KeySpec& spec) {
  EVP_PKEY* key = nullptr;
  if (spec.type == KeyType::kRsa) {
    key = EVP_PKEY_Q_keygen(nullptr, nullptr, "RSA", std::size_t{spec.modulus_bits});
  } else if (spec.type == KeyType::kEc) {
    key = EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", hsmcore::RowOf(spec.curve).name);
  } else {
    key = EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519");
  }
  if (key == nullptr) Stop("OpenSSL makes no key");
  return PkeyPtr(key);
}

KeyRef OurKey(const KeySpec& spec) {
  return Must(AsymmetricKey::FromPair(Must(hsmcore::crypto::GeneratePair(spec)), false));
}

bool SignDefault(EVP_PKEY* key, const char* digest, bool pss) {
  const std::array<std::uint8_t, kMessageBytes> message{};
  std::array<std::uint8_t, kMaxOutput> signature;
  std::size_t size = signature.size();
  const MdCtxPtr context(EVP_MD_CTX_new());
  EVP_PKEY_CTX* pkey = nullptr;
  if (EVP_DigestSignInit_ex(context.get(), &pkey, digest, nullptr, nullptr, key, nullptr) != 1) {
    return false;
  }
  if (pss && (EVP_PKEY_CTX_set_rsa_padding(pkey, RSA_PKCS1_PSS_PADDING) != 1 ||
              EVP_PKEY_CTX_set_rsa_pss_saltlen(pkey, RSA_PSS_SALTLEN_DIGEST) != 1)) {
    return false;
  }
  return EVP_DigestSign(context.get(), signature.data(), &size, message.data(), message.size()) ==
         1;
}

bool SignOurs(const KeyRef& key, const SignMechanism& mechanism) {
  const std::array<std::uint8_t, kMessageBytes> message{};
  std::array<std::uint8_t, kMaxOutput> signature;
  auto stream = key->NewSigner(key, mechanism);
  return stream && (*stream)->Update(message) && (*stream)->Sign(signature).has_value();
}

Row SignRow(const char* name, const KeySpec& spec, SignMechanism mechanism) {
  const bool hashes = mechanism.kind != SignMechanism::Kind::kEddsa;
  const char* digest = hashes ? hsmcore::RowOf(mechanism.digest).name : nullptr;
  const bool pss = mechanism.kind == SignMechanism::Kind::kRsaPss;
  const KeyRef ours = OurKey(spec);
  const std::shared_ptr<EVP_PKEY> theirs(DefaultKey(spec));
  return {name, [=] { return SignOurs(ours, mechanism); },
          [=] { return SignDefault(theirs.get(), digest, pss); }};
}

bool OaepDefault(EVP_PKEY* key, ByteView cipher) {
  std::array<std::uint8_t, kMaxOutput> plain;
  std::size_t size = plain.size();
  const PkeyCtxPtr context(EVP_PKEY_CTX_new_from_pkey(nullptr, key, nullptr));
  return EVP_PKEY_decrypt_init(context.get()) == 1 &&
         EVP_PKEY_CTX_set_rsa_padding(context.get(), RSA_PKCS1_OAEP_PADDING) == 1 &&
         EVP_PKEY_decrypt(context.get(), plain.data(), &size, cipher.data(), cipher.size()) == 1;
}

Bytes OaepEncryptDefault(EVP_PKEY* key) {
  Bytes cipher(kMaxOutput);
  std::size_t size = cipher.size();
  const std::array<std::uint8_t, 32> plain{};
  const PkeyCtxPtr context(EVP_PKEY_CTX_new_from_pkey(nullptr, key, nullptr));
  if (EVP_PKEY_encrypt_init(context.get()) != 1 ||
      EVP_PKEY_CTX_set_rsa_padding(context.get(), RSA_PKCS1_OAEP_PADDING) != 1 ||
      EVP_PKEY_encrypt(context.get(), cipher.data(), &size, plain.data(), plain.size()) != 1) {
    Stop("encrypting");
  }
  cipher.resize(size);
  return cipher;
}

Row OaepRow() {
  const KeySpec spec = Rsa(2048);
  const KeyRef ours = OurKey(spec);
  const std::shared_ptr<EVP_PKEY> theirs(DefaultKey(spec));
  Bytes our_cipher(kMaxOutput);
  our_cipher.resize(Must(ours->Encrypt({}, std::array<std::uint8_t, 32>{}, our_cipher)));
  const Bytes their_cipher = OaepEncryptDefault(theirs.get());
  return {"rsa2048-oaep-decrypt",
          [=] {
            std::array<std::uint8_t, kMaxOutput> plain;
            return ours->Decrypt({}, our_cipher, plain).has_value();
          },
          [=] { return OaepDefault(theirs.get(), their_cipher); }};
}

bool AgreeDefault(EVP_PKEY* key, EVP_PKEY* peer) {
  std::array<std::uint8_t, 32> secret;
  std::size_t size = secret.size();
  const PkeyCtxPtr context(EVP_PKEY_CTX_new_from_pkey(nullptr, key, nullptr));
  return EVP_PKEY_derive_init(context.get()) == 1 &&
         EVP_PKEY_derive_set_peer(context.get(), peer) == 1 &&
         EVP_PKEY_derive(context.get(), secret.data(), &size) == 1;
}

Row AgreeRow() {
  const KeySpec spec = Ec(hsmcore::Curve::kP256);
  const KeyRef ours = OurKey(spec);
  const std::shared_ptr<EVP_PKEY> theirs(DefaultKey(spec));
  const std::shared_ptr<EVP_PKEY> their_peer(DefaultKey(spec));
  const auto our_peer = std::make_shared<const hsmcore::PublicMaterial>(
      Must(hsmcore::crypto::GeneratePair(spec)).public_part);
  return {"p256-ecdh", [=] { return ours->Agree({}, *our_peer).has_value(); },
          [=] { return AgreeDefault(theirs.get(), their_peer.get()); }};
}

// Operations per second of `threads` threads together.
double Rate(const Operation& operation, unsigned threads, std::chrono::milliseconds span) {
  std::vector<double> rates(threads);
  std::vector<std::jthread> pool;
  const auto run = [&](std::size_t index) {
    std::size_t count = 0;
    const auto start = Clock::now();
    auto now = start;
    for (; now - start < span; now = Clock::now(), ++count) {
      if (!operation()) Stop("an operation failed");
    }
    rates[index] = static_cast<double>(count) / std::chrono::duration<double>(now - start).count();
  };
  for (std::size_t i = 1; i < threads; ++i) pool.emplace_back(run, i);
  run(0);
  pool.clear();
  double sum = 0;
  for (const double rate : rates) sum += rate;
  return sum;
}

double Median(std::vector<double> values) {
  std::ranges::sort(values);
  return values[values.size() / 2];
}

void Measure(const Row& row, unsigned threads, unsigned rounds, std::chrono::milliseconds span) {
  std::vector<double> ours;
  std::vector<double> theirs;
  std::vector<double> ratios;
  for (unsigned i = 0; i < rounds; ++i) {
    ours.push_back(Rate(row.ours, threads, span));
    theirs.push_back(Rate(row.theirs, threads, span));
    ratios.push_back(ours.back() / theirs.back());
  }
  std::ranges::sort(ratios);
  std::printf("%-22s %u  %10.0f/s  %10.0f/s   %.3f  (%.3f .. %.3f)\n", row.name, threads,
              Median(ours), Median(theirs), ratios[ratios.size() / 2], ratios.front(),
              ratios.back());
}

std::vector<Row> Rows() {
  using Kind = SignMechanism::Kind;
  const auto sha256 = [](Kind kind) { return SignMechanism{.kind = kind}; };
  std::vector<Row> rows;
  rows.push_back(SignRow("rsa2048-sign", Rsa(2048), sha256(Kind::kRsaPkcs1)));
  rows.push_back(SignRow("rsa2048-pss-sign", Rsa(2048), sha256(Kind::kRsaPss)));
  rows.push_back(SignRow("rsa4096-sign", Rsa(4096), sha256(Kind::kRsaPkcs1)));
  rows.push_back(SignRow("p256-sign", Ec(hsmcore::Curve::kP256), sha256(Kind::kEcdsa)));
  rows.push_back(SignRow("p384-sign", Ec(hsmcore::Curve::kP384),
                         {.kind = Kind::kEcdsa, .digest = Digest::kSha384}));
  rows.push_back(
      SignRow("ed25519-sign", Ed25519(), {.kind = Kind::kEddsa, .digest = Digest::kNone}));
  rows.push_back(OaepRow());
  rows.push_back(AgreeRow());
  return rows;
}

}  // namespace

int main(int argc, char** argv) {
  const auto rounds = static_cast<unsigned>(argc > 1 ? std::atoi(argv[1]) : 15);
  const std::chrono::milliseconds span(argc > 2 ? std::atoi(argv[2]) : 100);
  std::printf("%-22s t  %12s  %12s   ratio\n", "operation", "hsmcore", "default");
  for (const Row& row : Rows()) {
    for (const unsigned threads : {1U, 2U}) Measure(row, threads, rounds, span);
  }
  return 0;
}
