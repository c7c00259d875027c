// SPDX-License-Identifier: Apache-2.0
#ifndef HSMCORE_MECHANISM_H_
#define HSMCORE_MECHANISM_H_

#include <cstdint>
#include <optional>
#include <span>

#include "hsmcore/types.h"

namespace hsmcore {

// PSS salt lengths that are no number of bytes; the values are OpenSSL's.
constexpr int kSaltLengthDigest = -1;         // as long as the digest
constexpr int kSaltLengthAuto = -2;           // sign: the longest; verify: taken from the signature
constexpr int kSaltLengthMax = -3;            // the longest
constexpr int kSaltLengthAutoDigestMax = -4;  // sign: longest, but no longer than the digest

constexpr std::size_t kMaxContextBytes = 255;  // RFC 8032, FIPS 204, FIPS 205
constexpr std::size_t kMuBytes = 64;           // FIPS 204

// RFC 8032 section 5. Signatures of one are never valid for another.
enum class EddsaInstance : std::uint8_t {
  kPure,     // Ed25519; Ed448, which takes a context string
  kContext,  // Ed25519ctx: with a context string that is not empty
  kPrehash,  // Ed25519ph, Ed448ph: over the message's digest; takes a context string
};

constexpr std::size_t kEddsaDigestBytes = 64;  // SHA-512, or SHAKE256 that long

// The instances that there are.
struct EddsaRow {
  KeyType type;
  EddsaInstance instance;
  const char* name;  // RFC 8032's
  bool takes_context;
  bool needs_context;
};
std::span<const EddsaRow> AllEddsaInstances();
const EddsaRow* FindEddsa(KeyType type, EddsaInstance instance);  // nullptr: there is none

struct SignMechanism {
  enum class Kind : std::uint8_t {
    kRsaPkcs1,  // RFC 8017 8.2; with Digest::kNone the caller gives the DigestInfo or anything
                // shorter
    kRsaPss,    // RFC 8017 8.1
    kRsaX931,   // ANSI X9.31
    kRsaRaw,    // no padding; the data is as long as the modulus
    kEcdsa,     // FIPS 186-5 section 6; DER signature
    kEddsa,     // RFC 8032; the whole message
    kMlDsa,     // FIPS 204; the whole message
    kSlhDsa,    // FIPS 205; the whole message
  };
  Kind kind = Kind::kRsaPkcs1;
  bool whole_message() const { return kind >= Kind::kEddsa; }
  // What hashes the message, or has hashed it where the caller gives the digest.
  Digest digest = Digest::kSha256;
  // PSS only
  Digest mgf_digest = Digest::kSha256;
  int salt_length = kSaltLengthDigest;
  // EdDSA, ML-DSA and SLH-DSA: at most 255 bytes; PureEdDSA with Ed25519 has none
  Bytes context = {};  // NOLINT(readability-redundant-member-init): -Wextra
  // EdDSA only; other than kPure needs an OpenSSL that HasEddsaInstances()
  EddsaInstance instance = EddsaInstance::kPure;
  bool prehashed = false;  // kPrehash: the caller gives the digest, kEddsaDigestBytes long
  // ML-DSA and SLH-DSA only
  bool deterministic = false;  // no fresh randomness in the signature
  bool encoded = false;        // the message has the standard's prefix and context in it already
  bool external_mu = false;    // ML-DSA: mu, kMuBytes long, stands for the message
  friend bool operator==(const SignMechanism&, const SignMechanism&) = default;
};

struct CipherMechanism {
  enum class Kind : std::uint8_t {
    kRsaOaep,      // RFC 8017 7.1
    kRsaPkcs1,     // RFC 8017 7.2; decryption with implicit rejection where OpenSSL has it
    kRsaRaw,       // no padding
    kRsaTlsPkcs1,  // RFC 5246 7.4.7.1: the TLS pre-master secret; never fails on bad padding
  };
  Kind kind = Kind::kRsaOaep;
  Digest digest = Digest::kSha1;           // OAEP
  Digest mgf_digest = Digest::kSha1;       // OAEP
  Bytes label;                             // OAEP
  unsigned tls_client_version = 0;         // kRsaTlsPkcs1: what ClientHello offered
  unsigned tls_negotiated_version = 0;     // kRsaTlsPkcs1: 0, or what was agreed (for old clients)
  std::optional<bool> implicit_rejection;  // kRsaPkcs1: unset is the library's default
};

// Elliptic-curve Diffie-Hellman: SP 800-56A 5.7.1.2 (cofactor 1 on every curve that is offered), or
// RFC 7748's X25519 and X448, which take no KDF here.
struct AgreeMechanism {
  std::optional<Digest> x963_digest;  // set: ANSI X9.63 KDF over the shared secret
  Bytes x963_info;
  std::size_t x963_length = 0;
};

constexpr std::size_t kMlKemSecretBytes = 32;  // FIPS 203

struct KemMechanism {
  enum class Kind : std::uint8_t {
    kRsasve,  // SP 800-56B 7.2.1: the secret is as long as the modulus
    kMlKem,   // FIPS 203; never fails on a ciphertext of the right length
  };
  Kind kind = Kind::kRsasve;
};

}  // namespace hsmcore

#endif  // HSMCORE_MECHANISM_H_
