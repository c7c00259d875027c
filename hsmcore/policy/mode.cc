// SPDX-License-Identifier: Apache-2.0
#include "policy/mode.h"

#include <algorithm>
#include <array>

#include "base/text.h"

namespace hsmcore::policy {
namespace {

enum class Refused : std::uint8_t { kNothing, kGenerationAndEncryption, kEverything };

// Key types that FIPS mode does not allow, or not for everything.
struct TypeRow {
  KeyType type;
  Refused refused;
  const char* why;  // and what to do
};
constexpr auto kTypes = std::to_array<TypeRow>({
    {KeyType::kEd25519, Refused::kEverything, "EdDSA is for NON_FIPS clusters; use ECDSA"},
    {KeyType::kEd448, Refused::kEverything, "EdDSA is for NON_FIPS clusters; use ECDSA"},
    {KeyType::kX25519, Refused::kEverything, "SP 800-56A does not have it; use ECDH with P-256"},
    {KeyType::kX448, Refused::kEverything, "SP 800-56A does not have it; use ECDH with P-384"},
    {KeyType::kChaCha20, Refused::kEverything, "it is not approved; use AES-GCM"},
    {KeyType::kDes3, Refused::kGenerationAndEncryption,
     "3DES may only decrypt since 2024 (SP 800-131A); use AES"},
});
constexpr TypeRow kAllowed{KeyType::kAes, Refused::kNothing, ""};
constexpr TypeRow kMlDsaOff{KeyType::kMlDsa44, Refused::kEverything,
                            "ML-DSA is switched off for this cluster; use ECDSA"};

const TypeRow& RowFor(const ModeRules& rules, KeyType type) {
  const bool ml_dsa = type >= KeyType::kMlDsa44 && type <= KeyType::kMlDsa87;
  if (ml_dsa && !rules.switches.ml_dsa) return kMlDsaOff;
  const auto* row = std::ranges::find(kTypes, type, &TypeRow::type);
  return row == kTypes.end() ? kAllowed : *row;
}

std::unexpected<Error> Forbidden(std::string_view what, std::string_view why) {
  return Fail(ErrorCode::kModeForbids, Cat(what, " in a cluster in FIPS mode: ", why));
}

Status AllowPkcs1(const ModeRules& rules, bool pkcs1) {
  if (rules.mode != ClusterMode::kFips || !pkcs1) return {};
  return Forbidden("RSA PKCS#1 v1.5 may not encrypt, decrypt, wrap or unwrap",
                   "SP 800-131A ended it in 2024; use OAEP, and for TLS a suite with ECDHE");
}

// SP 800-107 revision 1, table 1: collision resistance.
unsigned DigestStrength(std::size_t digest_bytes) {
  return static_cast<unsigned>(4 * digest_bytes);
}

// SP 800-57 part 1 revision 5, table 2.
unsigned CurveStrength(Curve curve) { return std::min(RowOf(curve).bits / 2, 256U); }

}  // namespace

Status AllowNewKey(const ModeRules& rules, KeyType type, Origin origin) {
  if (rules.mode != ClusterMode::kFips) return {};
  const TypeRow& row = RowFor(rules, type);
  if (row.refused == Refused::kEverything ||
      (row.refused == Refused::kGenerationAndEncryption && origin == Origin::kGenerated)) {
    return Forbidden(Cat("no key of type ", NameOf(type), " may be ",
                         origin == Origin::kGenerated ? "made" : "taken in"),
                     row.why);
  }
  return {};
}

Status AllowKeyType(const ModeRules& rules, KeyType type, Key::Use use) {
  if (rules.mode != ClusterMode::kFips) return {};
  const TypeRow& row = RowFor(rules, type);
  const bool encrypts =
      use == Key::Use::kEncrypt || use == Key::Use::kWrap || use == Key::Use::kSign;
  if (row.refused == Refused::kEverything ||
      (row.refused == Refused::kGenerationAndEncryption && encrypts)) {
    return Forbidden(Cat("a key of type ", NameOf(type), " may not do this"), row.why);
  }
  return {};
}

Status AllowSigning(const ModeRules& rules, const PublicMaterial& key,
                    const SignMechanism& mechanism, std::size_t tbs_size) {
  if (rules.mode != ClusterMode::kFips || rules.switches.ecdsa_with_weak_hash) return {};
  const auto* ec = std::get_if<EcPublic>(&key);
  if (ec == nullptr) return {};
  const bool named = mechanism.digest != Digest::kNone;
  const std::size_t digest_bytes = named ? RowOf(mechanism.digest).size : tbs_size;
  if (digest_bytes == 0) return {};
  const unsigned digest_strength = DigestStrength(digest_bytes);
  const unsigned key_strength = CurveStrength(ec->curve);
  if (digest_strength >= key_strength) return {};
  return Forbidden(Cat("ECDSA on ", RowOf(ec->curve).cli, " with ",
                       named ? RowOf(mechanism.digest).name : "such a short digest"),
                   Cat("Digest security strength (", digest_strength,
                       ") is weaker than the key security strength (", key_strength,
                       "); use a longer digest (FIPS 186-5), or make the cluster with "
                       "--enable-ecdsa-with-weak-hash-function"));
}

Status AllowRsaCipher(const ModeRules& rules, CipherMechanism::Kind kind) {
  return AllowPkcs1(rules, kind == CipherMechanism::Kind::kRsaPkcs1 ||
                               kind == CipherMechanism::Kind::kRsaTlsPkcs1);
}

Status AllowWrapMethod(const ModeRules& rules, WrapMechanism::Kind kind) {
  return AllowPkcs1(rules, kind == WrapMechanism::Kind::kRsaPkcs);
}

}  // namespace hsmcore::policy
