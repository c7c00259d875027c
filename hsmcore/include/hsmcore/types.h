// SPDX-License-Identifier: Apache-2.0
#ifndef HSMCORE_TYPES_H_
#define HSMCORE_TYPES_H_

#include <compare>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "hsmcore/error.h"
#include "hsmcore/secret_bytes.h"

namespace hsmcore {

using Bytes = std::vector<std::uint8_t>;
using ByteView = std::span<const std::uint8_t>;

// The key reference of the cluster: the same on every HSM, printed as 0x and 16 hex digits.
// A pair's private half has an even handle and its public half the next odd one. Handles with the
// top bit set are session keys of this process.
struct KeyHandle {
  std::uint64_t value = 0;

  static Result<KeyHandle> Parse(std::string_view text);  // kInvalidArgument
  std::string ToString() const;
  KeyHandle PrivateHalf() const { return {value & ~std::uint64_t{1}}; }
  KeyHandle PublicHalf() const { return {value | 1}; }
  bool IsPublicHalf() const { return (value & 1) != 0; }
  bool IsSession() const { return (value >> 63) != 0; }
  friend auto operator<=>(KeyHandle, KeyHandle) = default;
};

enum class KeyType : std::uint8_t {
  kRsa,
  kRsaPss,
  kEc,
  // Pairs of byte strings (RawPublic, RawPrivate):
  kEd25519,
  kEd448,
  kX25519,
  kX448,
  kMlDsa44,
  kMlDsa65,
  kMlDsa87,
  kMlKem512,
  kMlKem768,
  kMlKem1024,
  kSlhDsaSha2_128s,
  kSlhDsaSha2_128f,
  kSlhDsaSha2_192s,
  kSlhDsaSha2_192f,
  kSlhDsaSha2_256s,
  kSlhDsaSha2_256f,
  kSlhDsaShake_128s,
  kSlhDsaShake_128f,
  kSlhDsaShake_192s,
  kSlhDsaShake_192f,
  kSlhDsaShake_256s,
  kSlhDsaShake_256f,
  // Secret keys:
  kAes,
  kAesXts,  // two keys in one (IEEE 1619, PKCS#11 CKK_AES_XTS)
  kGenericSecret,
  kDes3,
  kChaCha20,
};
enum class KeyClass : std::uint8_t { kPrivateKey, kPublicKey, kSecretKey };

// What the material of a key type looks like, and so what handles it.
enum class KeyForm : std::uint8_t { kRsa, kEc, kRaw, kSecret };
// What the keys of a type are for; kSeveral: their attributes say (RSA, EC, secret keys).
enum class KeyPurpose : std::uint8_t { kSeveral, kSign, kAgree, kEncapsulate };

// One row for each key type. Whether the OpenSSL that runs has an algorithm shows when it is used.
struct KeyTypeRow {
  KeyType type;
  const char* name;     // "rsa", "ed25519", "ml-dsa-65", "aes", as hsmctl prints it
  const char* openssl;  // OpenSSL's main name of the algorithm: "ED25519"; "AES" for secret keys
  const char* oid;      // dotted, of the SubjectPublicKeyInfo; "" for secret keys
  KeyForm form;
  KeyPurpose purpose;
  // kRaw only, in bytes:
  std::size_t public_bytes;
  std::size_t private_bytes;
  std::size_t seed_bytes;  // FIPS 203, 204: what the key is made from; 0: there is none
};
std::span<const KeyTypeRow> AllKeyTypes();
const KeyTypeRow& RowOf(KeyType type);
inline bool IsSecret(KeyType type) { return RowOf(type).form == KeyForm::kSecret; }

const char* NameOf(KeyType type);                             // the row's name
const char* NameOf(KeyClass klass);                           // "private-key", ...
std::optional<KeyType> KeyTypeByName(std::string_view name);  // hsmctl's name or OpenSSL's
std::optional<KeyClass> KeyClassByName(std::string_view name);

enum class Curve : std::uint8_t { kP224, kP256, kP384, kP521, kSecp256k1 };

struct CurveRow {
  Curve curve;
  const char* name;  // the name OpenSSL prints: "prime256v1"
  const char* nist;  // "P-256", or nullptr
  const char* cli;   // the name hsmctl prints: "secp256r1"
  const char* oid;   // dotted
  unsigned bits;
  unsigned field_bytes;
};
std::span<const CurveRow> AllCurves();
const CurveRow& RowOf(Curve curve);
std::optional<Curve> CurveByName(std::string_view name);  // any of the names; ASCII case ignored

enum class Digest : std::uint8_t {
  kNone,  // no hashing: the caller gives what is to be signed
  kMd5,
  kMd5Sha1,  // TLS 1.0 and 1.1 with RSA
  kRipemd160,
  kSha1,
  kSha224,
  kSha256,
  kSha384,
  kSha512,
  kSha512_224,
  kSha512_256,
  kSha3_224,
  kSha3_256,
  kSha3_384,
  kSha3_512,
};

struct DigestRow {
  Digest digest;
  const char* name;     // OpenSSL's main name: "SHA2-256"
  const char* aliases;  // colon-separated, the OID among them
  std::size_t size;     // bytes
};
std::span<const DigestRow> AllDigests();
const DigestRow& RowOf(Digest digest);
std::optional<Digest> DigestByName(std::string_view name);  // any of the names; ASCII case ignored

// ---- Key material -----------------------------------------------------------------------------
// Integers are unsigned, big-endian, without leading zero bytes.

// RFC 4055 section 3.1: what an RSA-PSS key is restricted to.
struct PssRestrictions {
  Digest digest = Digest::kSha1;
  Digest mgf_digest = Digest::kSha1;
  int min_salt_length = 20;
  friend bool operator==(const PssRestrictions&, const PssRestrictions&) = default;
};

struct RsaPublic {
  Bytes modulus;
  Bytes exponent;
  bool pss_only = false;               // key type RSA-PSS
  std::optional<PssRestrictions> pss;  // only with pss_only
  friend bool operator==(const RsaPublic&, const RsaPublic&) = default;
};
struct EcPublic {
  Curve curve = Curve::kP256;
  Bytes point;  // SEC 1 uncompressed form
  friend bool operator==(const EcPublic&, const EcPublic&) = default;
};
// RFC 8032, RFC 7748, FIPS 203, 204, 205: as many bytes as the key type's row says.
struct RawPublic {
  KeyType type = KeyType::kEd25519;
  Bytes key;
  friend bool operator==(const RawPublic&, const RawPublic&) = default;
};
// What may be told about a secret key, in the place of a pair's public half.
struct SecretFacts {
  KeyType type = KeyType::kAes;
  std::size_t length = 0;  // bytes
  Bytes check_value;  // 3 bytes of an encrypted block of zeros; empty: not a block cipher's key
  // 32 bytes that no other key has, and that tell nothing of this one: what an admin marks as
  // trusted. Empty: the type wraps no keys.
  Bytes commitment = {};  // NOLINT(readability-redundant-member-init): may be left out
  friend bool operator==(const SecretFacts&, const SecretFacts&) = default;
};
using PublicMaterial = std::variant<RsaPublic, EcPublic, RawPublic, SecretFacts>;
KeyType TypeOf(const PublicMaterial& material);
// As OpenSSL counts them: of the modulus, the curve, the raw public key (256 times the rank of an
// ML-KEM key); of a secret key.
unsigned BitsOf(const PublicMaterial& material);

// RFC 8017 appendix A.1.2. All eight values of a two-prime key are needed: p, q, dp, dq, qinv too.
struct RsaPrivate {
  SecretBytes d, p, q, dp, dq, qinv;
};
struct EcPrivate {
  SecretBytes scalar;  // field_bytes long, leading zeros kept
};
// The key, or the seed that it is made from where the type has one, or both.
struct RawPrivate {
  SecretBytes key;   // Ed25519 and Ed448: RFC 8032's private key
  SecretBytes seed;  // ML-KEM: d and z; ML-DSA: xi
};
struct SecretValue {
  SecretBytes value;
};
using PrivateMaterial = std::variant<RsaPrivate, EcPrivate, RawPrivate, SecretValue>;

struct KeyPairMaterial {
  PublicMaterial public_part;
  PrivateMaterial private_part;
};

// What to generate.
struct KeySpec {
  KeyType type = KeyType::kRsa;
  unsigned modulus_bits = 2048;           // RSA: 2048..4096 in steps of 256
  std::uint64_t public_exponent = 65537;  // RSA: odd, >= 65537
  std::optional<PssRestrictions> pss;     // RSA-PSS
  Curve curve = Curve::kP256;             // EC
  std::size_t secret_bytes = 0;           // secret keys; 0: the longest of the type
};

}  // namespace hsmcore

#endif  // HSMCORE_TYPES_H_
