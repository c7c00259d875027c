// SPDX-License-Identifier: Apache-2.0
#include "hsmcore/types.h"

#include <algorithm>
#include <array>
#include <bit>
#include <charconv>

#include "base/text.h"

namespace hsmcore {
namespace {

constexpr auto kCurves = std::to_array<CurveRow>({
    {Curve::kP224, "secp224r1", "P-224", "secp224r1", "1.3.132.0.33", 224, 28},
    {Curve::kP256, "prime256v1", "P-256", "secp256r1", "1.2.840.10045.3.1.7", 256, 32},
    {Curve::kP384, "secp384r1", "P-384", "secp384r1", "1.3.132.0.34", 384, 48},
    {Curve::kP521, "secp521r1", "P-521", "secp521r1", "1.3.132.0.35", 521, 66},
    {Curve::kSecp256k1, "secp256k1", nullptr, "secp256k1", "1.3.132.0.10", 256, 32},
});

constexpr auto kDigests = std::to_array<DigestRow>({
    {Digest::kNone, "", "", 0},
    {Digest::kMd5, "MD5", "SSL3-MD5:1.2.840.113549.2.5", 16},
    {Digest::kMd5Sha1, "MD5-SHA1", "", 36},
    {Digest::kRipemd160, "RIPEMD-160", "RIPEMD160:RIPEMD:RMD160:1.3.36.3.2.1", 20},
    {Digest::kSha1, "SHA1", "SHA-1:SSL3-SHA1:1.3.14.3.2.26", 20},
    {Digest::kSha224, "SHA2-224", "SHA-224:SHA224:2.16.840.1.101.3.4.2.4", 28},
    {Digest::kSha256, "SHA2-256", "SHA-256:SHA256:2.16.840.1.101.3.4.2.1", 32},
    {Digest::kSha384, "SHA2-384", "SHA-384:SHA384:2.16.840.1.101.3.4.2.2", 48},
    {Digest::kSha512, "SHA2-512", "SHA-512:SHA512:2.16.840.1.101.3.4.2.3", 64},
    {Digest::kSha512_224, "SHA2-512/224", "SHA-512/224:SHA512-224:2.16.840.1.101.3.4.2.5", 28},
    {Digest::kSha512_256, "SHA2-512/256", "SHA-512/256:SHA512-256:2.16.840.1.101.3.4.2.6", 32},
    {Digest::kSha3_224, "SHA3-224", "2.16.840.1.101.3.4.2.7", 28},
    {Digest::kSha3_256, "SHA3-256", "2.16.840.1.101.3.4.2.8", 32},
    {Digest::kSha3_384, "SHA3-384", "2.16.840.1.101.3.4.2.9", 48},
    {Digest::kSha3_512, "SHA3-512", "2.16.840.1.101.3.4.2.10", 64},
});

// type, name, OpenSSL's name, OID, form, purpose, bytes: public, private, seed
constexpr auto kKeyTypes = std::to_array<KeyTypeRow>({
    {KeyType::kRsa, "rsa", "RSA", "1.2.840.113549.1.1.1", KeyForm::kRsa, KeyPurpose::kSeveral, 0, 0,
     0},
    {KeyType::kRsaPss, "rsa-pss", "RSA-PSS", "1.2.840.113549.1.1.10", KeyForm::kRsa,
     KeyPurpose::kSign, 0, 0, 0},
    {KeyType::kEc, "ec", "EC", "1.2.840.10045.2.1", KeyForm::kEc, KeyPurpose::kSeveral, 0, 0, 0},
    {KeyType::kEd25519, "ed25519", "ED25519", "1.3.101.112", KeyForm::kRaw, KeyPurpose::kSign, 32,
     32, 0},
    {KeyType::kEd448, "ed448", "ED448", "1.3.101.113", KeyForm::kRaw, KeyPurpose::kSign, 57, 57, 0},
    {KeyType::kX25519, "x25519", "X25519", "1.3.101.110", KeyForm::kRaw, KeyPurpose::kAgree, 32, 32,
     0},
    {KeyType::kX448, "x448", "X448", "1.3.101.111", KeyForm::kRaw, KeyPurpose::kAgree, 56, 56, 0},
    {KeyType::kMlDsa44, "ml-dsa-44", "ML-DSA-44", "2.16.840.1.101.3.4.3.17", KeyForm::kRaw,
     KeyPurpose::kSign, 1312, 2560, 32},
    {KeyType::kMlDsa65, "ml-dsa-65", "ML-DSA-65", "2.16.840.1.101.3.4.3.18", KeyForm::kRaw,
     KeyPurpose::kSign, 1952, 4032, 32},
    {KeyType::kMlDsa87, "ml-dsa-87", "ML-DSA-87", "2.16.840.1.101.3.4.3.19", KeyForm::kRaw,
     KeyPurpose::kSign, 2592, 4896, 32},
    {KeyType::kMlKem512, "ml-kem-512", "ML-KEM-512", "2.16.840.1.101.3.4.4.1", KeyForm::kRaw,
     KeyPurpose::kEncapsulate, 800, 1632, 64},
    {KeyType::kMlKem768, "ml-kem-768", "ML-KEM-768", "2.16.840.1.101.3.4.4.2", KeyForm::kRaw,
     KeyPurpose::kEncapsulate, 1184, 2400, 64},
    {KeyType::kMlKem1024, "ml-kem-1024", "ML-KEM-1024", "2.16.840.1.101.3.4.4.3", KeyForm::kRaw,
     KeyPurpose::kEncapsulate, 1568, 3168, 64},
    {KeyType::kSlhDsaSha2_128s, "slh-dsa-sha2-128s", "SLH-DSA-SHA2-128s", "2.16.840.1.101.3.4.3.20",
     KeyForm::kRaw, KeyPurpose::kSign, 32, 64, 0},
    {KeyType::kSlhDsaSha2_128f, "slh-dsa-sha2-128f", "SLH-DSA-SHA2-128f", "2.16.840.1.101.3.4.3.21",
     KeyForm::kRaw, KeyPurpose::kSign, 32, 64, 0},
    {KeyType::kSlhDsaSha2_192s, "slh-dsa-sha2-192s", "SLH-DSA-SHA2-192s", "2.16.840.1.101.3.4.3.22",
     KeyForm::kRaw, KeyPurpose::kSign, 48, 96, 0},
    {KeyType::kSlhDsaSha2_192f, "slh-dsa-sha2-192f", "SLH-DSA-SHA2-192f", "2.16.840.1.101.3.4.3.23",
     KeyForm::kRaw, KeyPurpose::kSign, 48, 96, 0},
    {KeyType::kSlhDsaSha2_256s, "slh-dsa-sha2-256s", "SLH-DSA-SHA2-256s", "2.16.840.1.101.3.4.3.24",
     KeyForm::kRaw, KeyPurpose::kSign, 64, 128, 0},
    {KeyType::kSlhDsaSha2_256f, "slh-dsa-sha2-256f", "SLH-DSA-SHA2-256f", "2.16.840.1.101.3.4.3.25",
     KeyForm::kRaw, KeyPurpose::kSign, 64, 128, 0},
    {KeyType::kSlhDsaShake_128s, "slh-dsa-shake-128s", "SLH-DSA-SHAKE-128s",
     "2.16.840.1.101.3.4.3.26", KeyForm::kRaw, KeyPurpose::kSign, 32, 64, 0},
    {KeyType::kSlhDsaShake_128f, "slh-dsa-shake-128f", "SLH-DSA-SHAKE-128f",
     "2.16.840.1.101.3.4.3.27", KeyForm::kRaw, KeyPurpose::kSign, 32, 64, 0},
    {KeyType::kSlhDsaShake_192s, "slh-dsa-shake-192s", "SLH-DSA-SHAKE-192s",
     "2.16.840.1.101.3.4.3.28", KeyForm::kRaw, KeyPurpose::kSign, 48, 96, 0},
    {KeyType::kSlhDsaShake_192f, "slh-dsa-shake-192f", "SLH-DSA-SHAKE-192f",
     "2.16.840.1.101.3.4.3.29", KeyForm::kRaw, KeyPurpose::kSign, 48, 96, 0},
    {KeyType::kSlhDsaShake_256s, "slh-dsa-shake-256s", "SLH-DSA-SHAKE-256s",
     "2.16.840.1.101.3.4.3.30", KeyForm::kRaw, KeyPurpose::kSign, 64, 128, 0},
    {KeyType::kSlhDsaShake_256f, "slh-dsa-shake-256f", "SLH-DSA-SHAKE-256f",
     "2.16.840.1.101.3.4.3.31", KeyForm::kRaw, KeyPurpose::kSign, 64, 128, 0},
    {KeyType::kAes, "aes", "AES", "", KeyForm::kSecret, KeyPurpose::kSeveral, 0, 0, 0},
    {KeyType::kAesXts, "aes-xts", "AES-XTS", "", KeyForm::kSecret, KeyPurpose::kSeveral, 0, 0, 0},
    {KeyType::kGenericSecret, "generic-secret", "GENERIC-SECRET", "", KeyForm::kSecret,
     KeyPurpose::kSeveral, 0, 0, 0},
    {KeyType::kDes3, "des3", "3DES", "", KeyForm::kSecret, KeyPurpose::kSeveral, 0, 0, 0},
    {KeyType::kChaCha20, "chacha20", "ChaCha20", "", KeyForm::kSecret, KeyPurpose::kSeveral, 0, 0,
     0},
});
static_assert(std::ranges::is_sorted(kKeyTypes, {}, &KeyTypeRow::type) &&
                  kKeyTypes.size() == static_cast<std::size_t>(KeyType::kChaCha20) + 1,
              "RowOf indexes the table by the enum");
// As OpenSSL counts them.
unsigned RawBits(KeyType type) {
  const KeyTypeRow& row = RowOf(type);
  constexpr std::size_t kSeedOfMatrix = 32;
  constexpr std::size_t kBytesPerRank = 384;
  if (row.purpose == KeyPurpose::kEncapsulate) {  // FIPS 203: 256 for each rank of the module
    return static_cast<unsigned>(256 * ((row.public_bytes - kSeedOfMatrix) / kBytesPerRank));
  }
  if (type == KeyType::kX25519) return 253;  // the size of the group, RFC 7748 4.1
  return static_cast<unsigned>(8 * row.public_bytes);
}

constexpr std::array<const char*, 3> kClassNames = {"private-key", "public-key", "secret-key"};

constexpr char Lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

bool SameName(std::string_view a, std::string_view b) {
  return std::ranges::equal(a, b, {}, Lower, Lower);
}

bool InList(std::string_view list, std::string_view name) {
  while (!list.empty()) {
    const std::size_t colon = list.find(':');
    if (SameName(list.substr(0, colon), name)) return true;
    if (colon == std::string_view::npos) break;
    list.remove_prefix(colon + 1);
  }
  return false;
}

}  // namespace

Result<KeyHandle> KeyHandle::Parse(std::string_view text) {
  std::string_view digits = text;
  if (digits.starts_with("0x") || digits.starts_with("0X")) digits.remove_prefix(2);
  KeyHandle handle;
  const char* end = digits.data() + digits.size();
  const auto [stop, problem] = std::from_chars(digits.data(), end, handle.value, 16);
  if (digits.empty() || digits.size() == text.size() || problem != std::errc{} || stop != end) {
    return Fail(ErrorCode::kInvalidArgument,
                Cat("'", text.substr(0, 40), "' is no key reference: 0x and up to 16 hex digits"));
  }
  return handle;
}

std::string KeyHandle::ToString() const {
  constexpr std::string_view kHex = "0123456789abcdef";
  std::string text = "0x0000000000000000";
  for (std::size_t i = 0; i < 16; ++i) text[17 - i] = kHex[(value >> (4 * i)) & 15];
  return text;
}

std::span<const KeyTypeRow> AllKeyTypes() { return kKeyTypes; }
const KeyTypeRow& RowOf(KeyType type) { return kKeyTypes[static_cast<std::size_t>(type)]; }
const char* NameOf(KeyType type) { return RowOf(type).name; }
const char* NameOf(KeyClass klass) { return kClassNames[static_cast<std::size_t>(klass)]; }
std::optional<KeyType> KeyTypeByName(std::string_view name) {
  const auto* row = std::ranges::find_if(kKeyTypes, [name](const KeyTypeRow& candidate) {
    return SameName(candidate.name, name) || SameName(candidate.openssl, name);
  });
  return row == kKeyTypes.end() ? std::nullopt : std::optional(row->type);
}
std::optional<KeyClass> KeyClassByName(std::string_view name) {
  for (const auto klass : {KeyClass::kPrivateKey, KeyClass::kPublicKey, KeyClass::kSecretKey}) {
    if (SameName(NameOf(klass), name)) return klass;
  }
  return std::nullopt;
}

std::span<const CurveRow> AllCurves() { return kCurves; }
const CurveRow& RowOf(Curve curve) { return kCurves[static_cast<std::size_t>(curve)]; }
std::optional<Curve> CurveByName(std::string_view name) {
  for (const CurveRow& row : kCurves) {
    if (SameName(row.name, name) || SameName(row.cli, name) || SameName(row.oid, name) ||
        (row.nist != nullptr && SameName(row.nist, name))) {
      return row.curve;
    }
  }
  return std::nullopt;
}

std::span<const DigestRow> AllDigests() { return kDigests; }
const DigestRow& RowOf(Digest digest) { return kDigests[static_cast<std::size_t>(digest)]; }
std::optional<Digest> DigestByName(std::string_view name) {
  if (name.empty()) return std::nullopt;
  for (const DigestRow& row : kDigests) {
    if (SameName(row.name, name) || InList(row.aliases, name)) return row.digest;
  }
  return std::nullopt;
}

KeyType TypeOf(const PublicMaterial& material) {
  if (const auto* rsa = std::get_if<RsaPublic>(&material)) {
    return rsa->pss_only ? KeyType::kRsaPss : KeyType::kRsa;
  }
  if (const auto* raw = std::get_if<RawPublic>(&material)) return raw->type;
  if (const auto* secret = std::get_if<SecretFacts>(&material)) return secret->type;
  return KeyType::kEc;
}

unsigned BitsOf(const PublicMaterial& material) {
  if (const auto* rsa = std::get_if<RsaPublic>(&material)) {
    if (rsa->modulus.empty()) return 0;
    return static_cast<unsigned>((8 * rsa->modulus.size()) -
                                 static_cast<unsigned>(std::countl_zero(rsa->modulus.front())));
  }
  if (const auto* ec = std::get_if<EcPublic>(&material)) return RowOf(ec->curve).bits;
  if (const auto* raw = std::get_if<RawPublic>(&material)) {
    return RawBits(raw->type);
  }
  return static_cast<unsigned>(8 * std::get<SecretFacts>(material).length);
}

}  // namespace hsmcore
