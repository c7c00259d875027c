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

constexpr std::array<const char*, 4> kTypeNames = {"rsa", "rsa-pss", "ec", "ed25519"};
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

template <class Enum, std::size_t N>
std::optional<Enum> ByName(const std::array<const char*, N>& names, std::string_view name) {
  for (std::size_t i = 0; i < N; ++i) {
    if (SameName(names[i], name)) return static_cast<Enum>(i);
  }
  return std::nullopt;
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

const char* NameOf(KeyType type) { return kTypeNames[static_cast<std::size_t>(type)]; }
const char* NameOf(KeyClass klass) { return kClassNames[static_cast<std::size_t>(klass)]; }
std::optional<KeyType> KeyTypeByName(std::string_view name) {
  return ByName<KeyType>(kTypeNames, name);
}
std::optional<KeyClass> KeyClassByName(std::string_view name) {
  return ByName<KeyClass>(kClassNames, name);
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
  return std::holds_alternative<EcPublic>(material) ? KeyType::kEc : KeyType::kEd25519;
}

unsigned BitsOf(const PublicMaterial& material) {
  if (const auto* rsa = std::get_if<RsaPublic>(&material)) {
    if (rsa->modulus.empty()) return 0;
    return static_cast<unsigned>((8 * rsa->modulus.size()) -
                                 static_cast<unsigned>(std::countl_zero(rsa->modulus.front())));
  }
  if (const auto* ec = std::get_if<EcPublic>(&material)) return RowOf(ec->curve).bits;
  return 256;
}

}  // namespace hsmcore
