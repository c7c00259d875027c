// SPDX-License-Identifier: Apache-2.0
#ifndef HSMCORE_MECHANISM_H_
#define HSMCORE_MECHANISM_H_

#include <cstdint>
#include <optional>

#include "hsmcore/types.h"

namespace hsmcore {

// PSS salt lengths that are no number of bytes; the values are OpenSSL's.
constexpr int kSaltLengthDigest = -1;         // as long as the digest
constexpr int kSaltLengthAuto = -2;           // sign: the longest; verify: taken from the signature
constexpr int kSaltLengthMax = -3;            // the longest
constexpr int kSaltLengthAutoDigestMax = -4;  // sign: longest, but no longer than the digest

struct SignMechanism {
  enum class Kind : std::uint8_t {
    kRsaPkcs1,  // RFC 8017 8.2; with Digest::kNone the caller gives the DigestInfo or anything
                // shorter
    kRsaPss,    // RFC 8017 8.1
    kRsaX931,   // ANSI X9.31
    kRsaRaw,    // no padding; the data is as long as the modulus
    kEcdsa,     // FIPS 186-5 section 6; DER signature
    kEddsa,     // RFC 8032 PureEdDSA; the whole message
  };
  Kind kind = Kind::kRsaPkcs1;
  // What hashes the message, or has hashed it where the caller gives the digest.
  Digest digest = Digest::kSha256;
  // PSS only
  Digest mgf_digest = Digest::kSha256;
  int salt_length = kSaltLengthDigest;
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

// Elliptic-curve Diffie-Hellman, SP 800-56A 5.7.1.2 (cofactor 1 on every curve that is offered).
struct AgreeMechanism {
  std::optional<Digest> x963_digest;  // set: ANSI X9.63 KDF over the shared secret
  Bytes x963_info;
  std::size_t x963_length = 0;
};

}  // namespace hsmcore

#endif  // HSMCORE_MECHANISM_H_
