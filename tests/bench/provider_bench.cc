// SPDX-License-Identifier: Apache-2.0
// The provider against OpenSSL's default provider, with the same keys, through libcrypto's EVP API
// as TLS uses it: new contexts for every operation.
//
//   provider_bench CONF DIRECTORY ROUNDS SLICE_MS ROW...       compares
//   provider_bench --memory CONF DIRECTORY OPERATIONS ROW...   resident memory before and after
//
// CONF is an openssl.cnf that loads the provider. DIRECTORY has a PEM file for each key; the HSM
// has the same keys, with the file's name as label.
#include <openssl/evp.h>
#include <openssl/provider.h>
#include <openssl/rand.h>
#include <openssl/rsa.h>
#include <openssl/store.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "bench/compare.h"
#include "bench/handshake.h"
#include "bench/symmetric.h"

namespace {

using bench::Operation;
using bench::Sample;
using bench::Samples;
using bench::Stop;
using Clock = std::chrono::steady_clock;

struct Free {
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
  void operator()(EVP_PKEY_CTX* context) const { EVP_PKEY_CTX_free(context); }
  void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
  void operator()(OSSL_LIB_CTX* library) const { OSSL_LIB_CTX_free(library); }
  void operator()(OSSL_STORE_CTX* store) const { OSSL_STORE_close(store); }
  void operator()(OSSL_STORE_INFO* info) const { OSSL_STORE_INFO_free(info); }
};
using PkeyPtr = std::shared_ptr<EVP_PKEY>;
using PkeyCtxPtr = std::unique_ptr<EVP_PKEY_CTX, Free>;
using MdCtxPtr = std::unique_ptr<EVP_MD_CTX, Free>;
using StorePtr = std::unique_ptr<OSSL_STORE_CTX, Free>;
using InfoPtr = std::unique_ptr<OSSL_STORE_INFO, Free>;
using LibraryPtr = std::unique_ptr<OSSL_LIB_CTX, Free>;

constexpr std::size_t kTranscriptBytes = 130;  // what TLS 1.3 has a server sign
constexpr std::size_t kMaxOutput = 4096;       // an ML-DSA signature
constexpr std::size_t kRecord = 16UL * 1024;
constexpr std::size_t kBlock = 16;
constexpr std::array<unsigned char, kTranscriptBytes> kTranscript{};

// One of the two that are compared: where its algorithms come from and where its keys are.
struct Side {
  OSSL_LIB_CTX* library = nullptr;
  std::string prefix;                   // of a key's name: hsm:NAME
  std::string suffix;                   // or DIRECTORY/NAME.pem
  std::string provider;                 // property query for new keys and for algorithms
  const char* configuration = nullptr;  // for another library context; nullptr: `default` alone

  std::string UriOf(std::string_view key) const { return prefix + std::string(key) + suffix; }
};

struct Bench {
  Side hsm;
  Side standard;
  std::string directory;
  bench::Plan plan;
};

LibraryPtr LibraryWith(const char* configuration) {
  LibraryPtr library(OSSL_LIB_CTX_new());
  const bool ready = configuration != nullptr
                         ? OSSL_LIB_CTX_load_config(library.get(), configuration) == 1
                         : OSSL_PROVIDER_load(library.get(), "default") != nullptr;
  if (!ready) Stop("cannot set up OpenSSL");
  return library;
}

// Loads a key as applications do: through a store, by URI or file name.
PkeyPtr LoadKey(const Side& side, const std::string& uri) {
  const StorePtr store(OSSL_STORE_open_ex(uri.c_str(), side.library, nullptr, nullptr, nullptr,
                                          nullptr, nullptr, nullptr));
  if (store == nullptr || OSSL_STORE_expect(store.get(), OSSL_STORE_INFO_PKEY) != 1) return nullptr;
  while (OSSL_STORE_eof(store.get()) == 0) {
    const InfoPtr info(OSSL_STORE_load(store.get()));
    if (info == nullptr) continue;
    return {OSSL_STORE_INFO_get1_PKEY(info.get()), EVP_PKEY_free};
  }
  return nullptr;
}

PkeyPtr KeyOf(const Side& side, std::string_view name) {
  PkeyPtr key = LoadKey(side, side.UriOf(name));
  if (key == nullptr) Stop("cannot load the key " + side.UriOf(name));
  return key;
}

// ---- The operations -----------------------------------------------------------------------------

Operation Signing(const Side& side, std::string_view name, const char* digest) {
  const PkeyPtr key = KeyOf(side, name);
  return [&side, digest, key, rsa = EVP_PKEY_is_a(key.get(), "RSA") == 1] {
    std::array<unsigned char, kMaxOutput> signature;
    std::size_t size = signature.size();
    const MdCtxPtr context(EVP_MD_CTX_new());
    EVP_PKEY_CTX* parameters = nullptr;
    if (EVP_DigestSignInit_ex(context.get(), &parameters, digest, side.library, nullptr, key.get(),
                              nullptr) != 1) {
      return false;
    }
    if (rsa && (EVP_PKEY_CTX_set_rsa_padding(parameters, RSA_PKCS1_PSS_PADDING) != 1 ||
                EVP_PKEY_CTX_set_rsa_pss_saltlen(parameters, RSA_PSS_SALTLEN_DIGEST) != 1)) {
      return false;
    }
    return EVP_DigestSign(context.get(), signature.data(), &size, kTranscript.data(),
                          kTranscript.size()) == 1;
  };
}

Operation Verifying(const Side& side, std::string_view name) {
  const PkeyPtr key = KeyOf(side, name);
  std::vector<unsigned char> signature(kMaxOutput);
  std::size_t size = signature.size();
  const MdCtxPtr signer(EVP_MD_CTX_new());
  if (EVP_DigestSignInit_ex(signer.get(), nullptr, "SHA2-256", side.library, nullptr, key.get(),
                            nullptr) != 1 ||
      EVP_DigestSign(signer.get(), signature.data(), &size, kTranscript.data(),
                     kTranscript.size()) != 1) {
    Stop("cannot sign");
  }
  signature.resize(size);
  return [&side, key, signature] {
    const MdCtxPtr context(EVP_MD_CTX_new());
    return EVP_DigestVerifyInit_ex(context.get(), nullptr, "SHA2-256", side.library, nullptr,
                                   key.get(), nullptr) == 1 &&
           EVP_DigestVerify(context.get(), signature.data(), signature.size(), kTranscript.data(),
                            kTranscript.size()) == 1;
  };
}

std::vector<unsigned char> OaepCipher(const Side& side, EVP_PKEY* key) {
  std::vector<unsigned char> cipher(kMaxOutput);
  std::size_t size = cipher.size();
  const std::array<unsigned char, 32> plain{};
  const PkeyCtxPtr context(EVP_PKEY_CTX_new_from_pkey(side.library, key, nullptr));
  if (EVP_PKEY_encrypt_init(context.get()) != 1 ||
      EVP_PKEY_CTX_set_rsa_padding(context.get(), RSA_PKCS1_OAEP_PADDING) != 1 ||
      EVP_PKEY_encrypt(context.get(), cipher.data(), &size, plain.data(), plain.size()) != 1) {
    Stop("cannot encrypt");
  }
  cipher.resize(size);
  return cipher;
}

Operation Decrypting(const Side& side, std::string_view name) {
  const PkeyPtr key = KeyOf(side, name);
  return [&side, key, cipher = OaepCipher(side, key.get())] {
    std::array<unsigned char, kMaxOutput> plain;
    std::size_t size = plain.size();
    const PkeyCtxPtr context(EVP_PKEY_CTX_new_from_pkey(side.library, key.get(), nullptr));
    return EVP_PKEY_decrypt_init(context.get()) == 1 &&
           EVP_PKEY_CTX_set_rsa_padding(context.get(), RSA_PKCS1_OAEP_PADDING) == 1 &&
           EVP_PKEY_decrypt(context.get(), plain.data(), &size, cipher.data(), cipher.size()) == 1;
  };
}

Operation Agreeing(const Side& side, std::string_view name) {
  return [&side, key = KeyOf(side, name)] {
    std::array<unsigned char, kMaxOutput> secret;
    std::size_t size = secret.size();
    const PkeyCtxPtr context(EVP_PKEY_CTX_new_from_pkey(side.library, key.get(), nullptr));
    return EVP_PKEY_derive_init(context.get()) == 1 &&
           EVP_PKEY_derive_set_peer(context.get(), key.get()) == 1 &&
           EVP_PKEY_derive(context.get(), secret.data(), &size) == 1;
  };
}

Operation Decapsulating(const Side& side, std::string_view name) {
  const PkeyPtr key = KeyOf(side, name);
  std::vector<unsigned char> ciphertext(kMaxOutput);
  std::size_t ciphertext_size = ciphertext.size();
  std::array<unsigned char, kMaxOutput> secret;
  std::size_t secret_size = secret.size();
  const PkeyCtxPtr context(EVP_PKEY_CTX_new_from_pkey(side.library, key.get(), nullptr));
  if (EVP_PKEY_encapsulate_init(context.get(), nullptr) != 1 ||
      EVP_PKEY_encapsulate(context.get(), ciphertext.data(), &ciphertext_size, secret.data(),
                           &secret_size) != 1) {
    Stop("cannot encapsulate");
  }
  ciphertext.resize(ciphertext_size);
  return [&side, key, ciphertext] {
    std::array<unsigned char, kMaxOutput> shared;
    std::size_t size = shared.size();
    const PkeyCtxPtr own(EVP_PKEY_CTX_new_from_pkey(side.library, key.get(), nullptr));
    return EVP_PKEY_decapsulate_init(own.get(), nullptr) == 1 &&
           EVP_PKEY_decapsulate(own.get(), shared.data(), &size, ciphertext.data(),
                                ciphertext.size()) == 1;
  };
}

// A session key in the HSM, a key in memory elsewhere.
Operation Generating(const Side& side) {
  return [&side] {
    const PkeyPtr key(EVP_PKEY_Q_keygen(side.library, side.provider.c_str(), "EC", "P-256"),
                      EVP_PKEY_free);
    return key != nullptr;
  };
}

Operation GeneratingRsa(const Side& side) {
  return [&side] {
    constexpr std::size_t kBits = 2048;
    const PkeyPtr key(EVP_PKEY_Q_keygen(side.library, side.provider.c_str(), "RSA", kBits),
                      EVP_PKEY_free);
    return key != nullptr;
  };
}

Operation Loading(const Side& side, std::string_view name) {
  return [&side, uri = side.UriOf(name)] { return LoadKey(side, uri) != nullptr; };
}

// Every call loads another of the keys that home_bench made, far more than a session keeps ready.
Operation LoadingFirst(const Side& side) {
  constexpr unsigned kKeys = 16'000;
  return [&side, number = 0U]() mutable {
    number = (number + 1) % kKeys;
    return LoadKey(side, side.UriOf("key-" + std::to_string(number))) != nullptr;
  };
}

Operation Handshaking(const Side& side, const Bench& bench, std::string_view name) {
  const std::string certificate = bench.directory + "/" + std::string(name) + ".crt";
  const std::shared_ptr<SSL_CTX> server(
      bench::NewServer(side.library, KeyOf(side, name).get(), certificate));
  const std::shared_ptr<SSL_CTX> client(bench::NewClient(bench.standard.library));
  return [server, client] { return bench::Handshake(server.get(), client.get()); };
}

// Random numbers, of a library context of its own.
Operation DrawingOf(const Side& side, std::size_t bytes) {
  const std::shared_ptr<OSSL_LIB_CTX> library = LibraryWith(side.configuration);
  return [library, draw = bench::Drawing(library.get(), side.provider.c_str(), bytes)] {
    return draw();
  };
}

// Both ends on one provider for everything: records, KDFs, random numbers, ephemeral keys, and a
// key from a plain file.
Operation HandshakingWholly(const Side& side, const Bench& bench) {
  constexpr const char* kGroup = "X25519";  // what programs agree on where nothing is set
  const std::shared_ptr<OSSL_LIB_CTX> library = LibraryWith(side.configuration);
  const std::string query = "?" + side.provider;
  if (EVP_set_default_properties(library.get(), query.c_str()) != 1 ||
      RAND_set_DRBG_type(library.get(), "CTR-DRBG", query.c_str(), "AES-256-CTR", nullptr) != 1) {
    Stop("cannot prefer " + side.provider);
  }
  const std::string name = bench.directory + "/p256";
  const Side files{library.get(), "", "", "", nullptr};
  const std::shared_ptr<SSL_CTX> server(
      bench::NewServer(library.get(), KeyOf(files, name + ".pem").get(), name + ".crt"));
  const std::shared_ptr<SSL_CTX> client(bench::NewClient(library.get()));
  for (const auto& context : {server, client}) {
    if (SSL_CTX_set1_groups_list(context.get(), kGroup) != 1) Stop("no group X25519");
  }
  return [library, server, client] { return bench::Handshake(server.get(), client.get()); };
}

// From the fork of a worker to the end of its first handshake; the parent has loaded the key.
bench::SelfMeasured FirstHandshake(const Side& side, const Bench& bench) {
  return [handshake = Handshaking(side, bench, "rsa2048")] {
    const auto start = Clock::now();
    return bench::InChild([&] {
      if (!handshake()) Stop("a handshake failed");
      return Sample{std::chrono::duration<double>(Clock::now() - start).count(),
                    bench::ThreadCpu()};
    });
  };
}

// nullptr: key bytes.
const char* AesKey(const Side& side, const Bench& bench) {
  return &side == &bench.hsm ? "hsm:aes256" : nullptr;
}

// ---- The rows -----------------------------------------------------------------------------------

struct Row {
  const char* name;
  unsigned threads;  // 1, or also 2 in a second row
  Operation (*make)(const Side&, const Bench&);
};

constexpr auto kRows = std::to_array<Row>({
    {"rsa2048-sign", 2,
     [](const Side& side, const Bench&) { return Signing(side, "rsa2048", "SHA2-256"); }},
    {"rsa4096-sign", 2,
     [](const Side& side, const Bench&) { return Signing(side, "rsa4096", "SHA2-256"); }},
    {"p256-sign", 2,
     [](const Side& side, const Bench&) { return Signing(side, "p256", "SHA2-256"); }},
    {"p384-sign", 2,
     [](const Side& side, const Bench&) { return Signing(side, "p384", "SHA2-384"); }},
    {"ed25519-sign", 2,
     [](const Side& side, const Bench&) { return Signing(side, "ed25519", nullptr); }},
    {"rsa2048-oaep-decrypt", 2,
     [](const Side& side, const Bench&) { return Decrypting(side, "rsa2048"); }},
    {"ecdh-p256", 1, [](const Side& side, const Bench&) { return Agreeing(side, "p256"); }},
    {"x25519", 1, [](const Side& side, const Bench&) { return Agreeing(side, "x25519"); }},
    {"mldsa65-sign", 1,
     [](const Side& side, const Bench&) { return Signing(side, "mldsa65", nullptr); }},
    {"mlkem768-decapsulate", 1,
     [](const Side& side, const Bench&) { return Decapsulating(side, "mlkem768"); }},
    {"p256-keygen", 1, [](const Side& side, const Bench&) { return Generating(side); }},
    {"rsa2048-keygen", 1, [](const Side& side, const Bench&) { return GeneratingRsa(side); }},
    {"rsa2048-verify", 1,
     [](const Side& side, const Bench&) { return Verifying(side, "rsa2048"); }},
    {"p256-verify", 1, [](const Side& side, const Bench&) { return Verifying(side, "p256"); }},
    {"rsa2048-handshake", 1,
     [](const Side& side, const Bench& bench) { return Handshaking(side, bench, "rsa2048"); }},
    {"p256-handshake", 1,
     [](const Side& side, const Bench& bench) { return Handshaking(side, bench, "p256"); }},
    {"load-by-uri", 1, [](const Side& side, const Bench&) { return Loading(side, "p256"); }},
    {"load-by-uri-first", 1,
     [](const Side& side, const Bench& bench) {
       return &side == &bench.hsm ? LoadingFirst(side) : Loading(side, "p256");
     }},
    {"sha256-16k", 1,
     [](const Side& side, const Bench&) {
       return bench::Hashing(side.library, side.provider.c_str(), kRecord);
     }},
    {"sha256-16", 1,
     [](const Side& side, const Bench&) {
       return bench::Hashing(side.library, side.provider.c_str(), kBlock);
     }},
    {"aes256gcm-16k", 1,
     [](const Side& side, const Bench&) {
       return bench::Encrypting(side.library, side.provider.c_str(), kRecord);
     }},
    {"aes256gcm-16", 1,
     [](const Side& side, const Bench&) {
       return bench::Encrypting(side.library, side.provider.c_str(), kBlock);
     }},
    {"hmac-sha256-16", 1,
     [](const Side& side, const Bench&) {
       return bench::Authenticating(side.library, side.provider.c_str(), kBlock);
     }},
    {"held-aes256gcm-16k", 1,
     [](const Side& side, const Bench& bench) {
       return bench::EncryptingWith(side.library, side.provider.c_str(), AesKey(side, bench),
                                    kRecord);
     }},
    {"held-aes256gcm-16", 1,
     [](const Side& side, const Bench& bench) {
       return bench::EncryptingWith(side.library, side.provider.c_str(), AesKey(side, bench),
                                    kBlock);
     }},
    {"held-hmac-sha256-16", 1,
     [](const Side& side, const Bench& bench) {
       return bench::AuthenticatingWith(side.library, side.provider.c_str(),
                                        &side == &bench.hsm ? "hsm:mac" : nullptr, kBlock);
     }},
    {"rand-32", 1, [](const Side& side, const Bench&) { return DrawingOf(side, 32); }},
    {"rand-16k", 1, [](const Side& side, const Bench&) { return DrawingOf(side, kRecord); }},
    {"tls13-all-hsm", 1, HandshakingWholly},
    {"load-by-uri-rsa", 1, [](const Side& side, const Bench&) { return Loading(side, "rsa2048"); }},
});

void Measure(const Row& row, const Bench& bench) {
  const Operation hsm = row.make(bench.hsm, bench);
  const Operation standard = row.make(bench.standard, bench);
  for (unsigned threads = 1; threads <= row.threads; ++threads) {
    const std::string name = row.name + std::string(threads == 1 ? "" : "-2t");
    bench::Print(name, "op/s", bench::Compare(hsm, standard, threads, bench.plan));
  }
}

}  // namespace

int main(int argc, char** argv) {
  std::span<char*> words(argv + 1, static_cast<std::size_t>(argc - 1));
  const bool memory = !words.empty() && std::string_view(words[0]) == "--memory";
  if (memory) words = words.subspan(1);
  const std::size_t fixed = memory ? 3 : 4;
  if (words.size() < fixed) Stop("usage: see the top of provider_bench.cc");

  const LibraryPtr with_hsm = LibraryWith(words[0]);
  const LibraryPtr plain = LibraryWith(nullptr);
  const std::string directory = words[1];
  Bench bench{{with_hsm.get(), "hsm:", "", "provider=hsm", words[0]},
              {plain.get(), directory + "/", ".pem", "provider=default", nullptr},
              directory,
              {}};
  const auto number = static_cast<unsigned>(std::atoi(words[2]));
  if (!memory) bench.plan = {number, std::chrono::milliseconds(std::atoi(words[3]))};
  const std::span<char*> wanted = words.subspan(fixed);
  const auto is_wanted = [&](std::string_view name) {
    return std::ranges::find(wanted, name) != wanted.end();
  };

  for (const Row& row : kRows) {
    if (!is_wanted(row.name)) continue;
    if (memory) {
      bench::MeasureMemory(row.name, row.make(bench.hsm, bench), number);
    } else {
      Measure(row, bench);
    }
  }
  if (!memory && is_wanted("fork-first-handshake")) {
    bench::Print("fork-first-handshake", "ms",
                 bench::CompareSingle(FirstHandshake(bench.hsm, bench),
                                      FirstHandshake(bench.standard, bench), 2 * number));
  }
  return 0;
}
