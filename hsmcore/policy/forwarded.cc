// SPDX-License-Identifier: Apache-2.0
#include "policy/forwarded.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <memory>

#include "base/text.h"
#include "crypto/self_test.h"
#include "policy/mode.h"

namespace hsmcore::policy {
namespace {

using crypto::ForwardedKind;

// OpenSSL's main names. One that ends in '*' stands for all that begin so.
struct ApprovedRow {
  ForwardedKind kind;
  const char* name;
};

// SP 800-140C revision 2 (approved security functions) and SP 800-140D revision 2 (approved
// establishment of keys) list the documents; SP 800-131A revision 2 what of them is over.
constexpr auto kApproved = std::to_array<ApprovedRow>({
    // FIPS 180-4, FIPS 202. SHA-1 stays for what is no signature (SP 800-131A section 9).
    {ForwardedKind::kDigest, "SHA1"},
    {ForwardedKind::kDigest, "SHA2-224"},
    {ForwardedKind::kDigest, "SHA2-256"},
    {ForwardedKind::kDigest, "SHA2-256/192"},
    {ForwardedKind::kDigest, "SHA2-384"},
    {ForwardedKind::kDigest, "SHA2-512"},
    {ForwardedKind::kDigest, "SHA2-512/224"},
    {ForwardedKind::kDigest, "SHA2-512/256"},
    {ForwardedKind::kDigest, "SHA3-*"},
    {ForwardedKind::kDigest, "SHAKE-*"},
    {ForwardedKind::kDigest, "KECCAK-KMAC-*"},  // SP 800-185: what KMAC is made of
    // FIPS 197 in the modes of SP 800-38A and its addendum (ciphertext stealing).
    {ForwardedKind::kCipher, "AES-*-ECB"},
    {ForwardedKind::kCipher, "AES-*-CBC"},
    {ForwardedKind::kCipher, "AES-*-CBC-CTS"},
    {ForwardedKind::kCipher, "AES-*-OFB"},
    {ForwardedKind::kCipher, "AES-*-CFB"},
    {ForwardedKind::kCipher, "AES-*-CFB1"},
    {ForwardedKind::kCipher, "AES-*-CFB8"},
    {ForwardedKind::kCipher, "AES-*-CTR"},
    // SP 800-38C, 38D, 38E, 38F (with the inverse cipher: its section 5.1).
    {ForwardedKind::kCipher, "AES-*-CCM"},
    {ForwardedKind::kCipher, "AES-*-GCM"},
    {ForwardedKind::kCipher, "AES-*-XTS"},
    {ForwardedKind::kCipher, "AES-*-WRAP"},
    {ForwardedKind::kCipher, "AES-*-WRAP-INV"},
    {ForwardedKind::kCipher, "AES-*-WRAP-PAD"},
    {ForwardedKind::kCipher, "AES-*-WRAP-PAD-INV"},
    // AES-CBC and HMAC, which TLS 1.2 puts together (RFC 5246).
    {ForwardedKind::kCipher, "AES-*-CBC-HMAC-SHA1"},
    {ForwardedKind::kCipher, "AES-*-CBC-HMAC-SHA256"},
    {ForwardedKind::kCipher, "AES-*-CBC-HMAC-SHA*-ETM"},
    // SP 800-67; decryption only since 2024 (SP 800-131A section 2), see AllowForwardedEncryption.
    {ForwardedKind::kCipher, "DES-EDE3-ECB"},
    {ForwardedKind::kCipher, "DES-EDE3-CBC"},
    // FIPS 198-1; SP 800-38B, 38D, SP 800-185.
    {ForwardedKind::kMac, "HMAC"},
    {ForwardedKind::kMac, "CMAC"},
    {ForwardedKind::kMac, "GMAC"},
    {ForwardedKind::kMac, "KMAC-*"},
    // SP 800-56C revision 2, SP 800-108, SP 800-132, SP 800-135 (TLS 1.2, SSH, X9.42, X9.63), and
    // RFC 8446 section 7.1.
    {ForwardedKind::kKdf, "HKDF"},
    {ForwardedKind::kKdf, "HKDF-SHA*"},
    {ForwardedKind::kKdf, "SSKDF"},
    {ForwardedKind::kKdf, "KBKDF"},
    {ForwardedKind::kKdf, "PBKDF2"},
    {ForwardedKind::kKdf, "TLS1-PRF"},
    {ForwardedKind::kKdf, "SSHKDF"},
    {ForwardedKind::kKdf, "X942KDF-ASN1"},
    {ForwardedKind::kKdf, "X963KDF"},
    {ForwardedKind::kKdf, "TLS13-KDF"},
    // SP 800-90A revision 1, and what seeds it. TEST-RAND gives what it is told to: not for keys.
    {ForwardedKind::kRandom, "CTR-DRBG"},
    {ForwardedKind::kRandom, "HASH-DRBG"},
    {ForwardedKind::kRandom, "HMAC-DRBG"},
    {ForwardedKind::kRandom, "SEED-SRC"},
    {ForwardedKind::kRandom, "JITTER"},
    // EVP_PKEY's view of the above.
    {ForwardedKind::kKeyType, "HMAC"},
    {ForwardedKind::kKeyType, "CMAC"},
    {ForwardedKind::kKeyType, "HKDF"},
    {ForwardedKind::kKeyType, "TLS1-PRF"},
    // SP 800-56A revision 3: finite-field agreement, for TLS in the groups of RFC 7919.
    {ForwardedKind::kKeyType, "DH"},
    {ForwardedKind::kKeyType, "DHX"},
    // FIPS 203 first, and then any other secret (SP 800-56C revision 2 section 2).
    {ForwardedKind::kKeyType, "SecP256r1MLKEM768"},
    {ForwardedKind::kKeyType, "SecP384r1MLKEM1024"},
    {ForwardedKind::kKeyType, "X25519MLKEM768"},
});

bool SameCharacter(char a, char b) {
  return std::toupper(static_cast<unsigned char>(a)) == std::toupper(static_cast<unsigned char>(b));
}

// A '*' stands for one character or more, up to the next one of the pattern: AES-*-CBC is
// AES-128-CBC and not AES-128-SIV-CBC.
bool Fits(std::string_view pattern, std::string_view name) {
  while (!pattern.empty() && pattern.front() != '*') {
    if (name.empty() || !SameCharacter(pattern.front(), name.front())) return false;
    pattern.remove_prefix(1);
    name.remove_prefix(1);
  }
  if (pattern.empty()) return name.empty();
  if (pattern.size() == 1) return !name.empty();
  const std::string_view rest = pattern.substr(1);
  const std::size_t run = std::min(name.find(rest.front()), name.size());
  return run > 0 && Fits(rest, name.substr(run));
}

std::string_view FirstOf(std::string_view names) { return names.substr(0, names.find(':')); }

class ModePolicy final : public crypto::ForwardingPolicy {
 public:
  explicit ModePolicy(const ModeRules& rules) : rules_(rules) {}

  bool Restricts() const override { return rules_.mode == ClusterMode::kFips; }
  bool Approves(ForwardedKind kind, std::string_view names) const override {
    return ApprovesForwarded(rules_, kind, names);
  }
  Status AllowEncryption(std::string_view names) const override {
    return AllowForwardedEncryption(rules_, names);
  }
  bool Approves(KeyType type) const override {
    return AllowNewKey(rules_, type, Origin::kFromOutside).has_value();
  }
  bool Approves(Curve curve) const override { return ApprovesCurve(rules_, curve); }

 private:
  const ModeRules rules_;
};

}  // namespace

bool ApprovesForwarded(const ModeRules& rules, ForwardedKind kind, std::string_view names) {
  if (rules.mode != ClusterMode::kFips) return true;
  const std::string_view name = FirstOf(names);
  return std::ranges::any_of(
      kApproved, [&](const ApprovedRow& row) { return row.kind == kind && Fits(row.name, name); });
}

Status AllowForwardedEncryption(const ModeRules& rules, std::string_view names) {
  const std::string_view name = FirstOf(names);
  if (!Fits("DES-EDE*", name)) return {};
  if (const Status allowed = AllowKeyType(rules, KeyType::kDes3, Key::Use::kEncrypt)) return {};
  return Fail(ErrorCode::kModeForbids,
              Cat(name, " may not encrypt in a cluster in FIPS mode: 3DES may only decrypt since ",
                  "2024 (SP 800-131A); use AES"));
}

// SP 800-56A revision 3 appendix D with SP 800-186: secp256k1 is for block chains only.
bool ApprovesCurve(const ModeRules& rules, Curve curve) {
  return rules.mode != ClusterMode::kFips || curve != Curve::kSecp256k1;
}

}  // namespace hsmcore::policy

namespace hsmcore {

Result<ForwardingPtr> Forwarding::Open(const ModeRules& rules) {
  HSMCORE_TRY(const crypto::LibraryKind kind, crypto::KindFor(rules.mode));
  return crypto::OpenForwarding(kind, std::make_unique<policy::ModePolicy>(rules));
}

Status SelfTest(ClusterMode mode) {
  HSMCORE_TRY(const crypto::LibraryKind kind, crypto::KindFor(mode));
  return crypto::RunSelfTests(kind);
}

}  // namespace hsmcore
