// SPDX-License-Identifier: Apache-2.0
#ifndef HSMCORE_SYMMETRIC_H_
#define HSMCORE_SYMMETRIC_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <variant>

#include "hsmcore/types.h"

// What held secret keys can do: ciphers, MACs and key derivation.
namespace hsmcore {

enum class Direction : std::uint8_t { kEncrypt, kDecrypt };

// GCM: who makes the nonces of what is encrypted.
enum class GcmNonces : std::uint8_t {
  kCallerOrHsm,  // the caller; the HSM when the caller gives none
  kHsmOnly,      // the HSM; a nonce of the caller's is kMechanism
};

struct SymmetricMechanism {
  enum class Kind : std::uint8_t {
    kEcb,              // SP 800-38A; AES, 3DES
    kCbc,              // SP 800-38A; AES, 3DES
    kCtr,              // SP 800-38A; AES; the nonce is the first counter block
    kGcm,              // SP 800-38D; AES
    kCcm,              // SP 800-38C; AES; nonces of 7 to 13 bytes
    kXts,              // SP 800-38E; AES-XTS; the nonce is the tweak
    kKw,               // SP 800-38F KW (RFC 3394); AES
    kKwp,              // SP 800-38F KWP (RFC 5649); AES
    kChaCha20Poly1305  // RFC 8439; ChaCha20
  };
  Kind kind = Kind::kGcm;
  // The initialisation vector. KW, KWP: empty for the standard's. GCM, encrypting: empty for 12
  // random bytes that the HSM makes.
  Bytes nonce;
  bool padding = true;         // ECB, CBC: PKCS#7
  std::size_t tag_bytes = 16;  // GCM, CCM, ChaCha20-Poly1305, encrypting
  Bytes tag;                   // GCM, CCM, ChaCha20-Poly1305, decrypting
  GcmNonces gcm_nonces = GcmNonces::kCallerOrHsm;
};

// One message through a cipher, in pieces. Not for two threads at once. Made by Key::NewCipher.
//
// Nothing comes out before it is known to be genuine: GCM, ChaCha20-Poly1305 (decrypting), CCM,
// XTS, KW and KWP collect the message (at most 1 GiB) and give all of it in Finish.
class CipherStream {
 public:
  virtual ~CipherStream() = default;
  // Associated data, before the message. kMechanism: the mechanism has none.
  virtual Status AddAssociated(ByteView data) = 0;
  // `out` has room for MaxUpdate(data.size()). Returns the bytes written.
  virtual Result<std::size_t> Update(ByteView data, std::span<std::uint8_t> out) = 0;
  // Ends the stream; `out` has room for MaxFinish(). kDecryption: a wrong tag, wrong padding, a
  // wrong length or an altered message; nothing was written.
  virtual Result<std::size_t> Finish(std::span<std::uint8_t> out) = 0;
  virtual std::size_t MaxUpdate(std::size_t bytes) const = 0;
  virtual std::size_t MaxFinish() const = 0;
  virtual const Bytes& nonce() const = 0;  // the mechanism's, or the one that the HSM made
  // After Finish, encrypting. kMechanism: the mechanism has no tag.
  virtual Result<Bytes> Tag() const = 0;
  virtual Result<std::unique_ptr<CipherStream>> Clone() const = 0;
};

struct MacMechanism {
  enum class Kind : std::uint8_t {
    kHmac,     // FIPS 198-1; generic secrets
    kCmac,     // SP 800-38B; AES, 3DES
    kGmac,     // SP 800-38D; AES
    kKmac128,  // SP 800-185; generic secrets
    kKmac256,
  };
  Kind kind = Kind::kHmac;
  Digest digest = Digest::kSha256;  // HMAC
  Bytes nonce;                      // GMAC: must never be used again with the key
  Bytes customization;              // KMAC
  std::size_t bytes = 0;            // KMAC: the length of the MAC; 0: the standard's
};

enum class HkdfMode : std::uint8_t { kExtractAndExpand, kExtract, kExpand };

// RFC 5869
struct HkdfMechanism {
  Digest digest = Digest::kSha256;
  HkdfMode mode = HkdfMode::kExtractAndExpand;
  Bytes salt;
  Bytes info;
};
// SP 800-108 in counter mode with a 32-bit counter
struct CounterKdfMechanism {
  std::optional<Digest> digest = Digest::kSha256;  // of HMAC; nothing: CMAC with the AES key
  Bytes label;
  Bytes context;
};
// ANSI X9.63
struct X963Mechanism {
  Digest digest = Digest::kSha256;
  Bytes info;
};
// RFC 5246 section 5; kMd5Sha1: RFC 2246
struct Tls1PrfMechanism {
  Digest digest = Digest::kSha256;
  Bytes seed;  // with the label before it
};
// RFC 8446 section 7.1
struct Tls13Mechanism {
  Digest digest = Digest::kSha256;
  HkdfMode mode = HkdfMode::kExpand;  // kExtract or kExpand
  Bytes salt;                         // kExtract: the secret before; empty: none
  Bytes prefix;                       // "tls13 "
  Bytes label;
  Bytes data;
};
using KdfMechanism = std::variant<HkdfMechanism, CounterKdfMechanism, X963Mechanism,
                                  Tls1PrfMechanism, Tls13Mechanism>;

}  // namespace hsmcore

#endif  // HSMCORE_SYMMETRIC_H_
