// SPDX-License-Identifier: Apache-2.0
#include "policy/forwarded.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace hsmcore::policy {
namespace {

using crypto::ForwardedKind;

constexpr ModeRules kFips{ClusterMode::kFips, {}};
constexpr ModeRules kNonFips{ClusterMode::kNonFips, {}};

struct Case {
  ForwardedKind kind;
  std::vector<const char*> approved;  // as OpenSSL 3.0 to 3.6 have the names
  std::vector<const char*> refused;
};

const Case kCases[] = {
    {ForwardedKind::kDigest,
     {"SHA1:SHA-1:SSL3-SHA1:1.3.14.3.2.26", "SHA2-224:SHA-224", "SHA2-256",
      "SHA2-256/192:SHA-256/192", "SHA2-384", "SHA2-512", "SHA2-512/224", "SHA2-512/256",
      "SHA3-224", "SHA3-256", "SHA3-384", "SHA3-512", "SHAKE-128:SHAKE128", "SHAKE-256",
      "KECCAK-KMAC-128", "KECCAK-KMAC-256"},
     {"MD5", "MD5-SHA1", "RIPEMD-160:RIPEMD160", "SM3", "BLAKE2B-512", "BLAKE2S-256", "NULL",
      "KECCAK-256", "SHA2-256X", "", "SHA3-"}},
    {ForwardedKind::kCipher,
     {"AES-128-ECB",
      "AES-192-CBC:AES192",
      "AES-256-CBC-CTS",
      "AES-128-OFB",
      "AES-128-CFB",
      "AES-192-CFB1",
      "AES-256-CFB8",
      "AES-256-CTR",
      "AES-128-XTS",
      "AES-256-GCM:id-aes256-GCM",
      "AES-256-CCM",
      "AES-128-WRAP:id-aes128-wrap",
      "AES-192-WRAP-PAD",
      "AES-256-WRAP-INV",
      "AES-256-WRAP-PAD-INV",
      "AES-128-CBC-HMAC-SHA1",
      "AES-256-CBC-HMAC-SHA256",
      "AES-256-CBC-HMAC-SHA512-ETM",
      "DES-EDE3-ECB:DES-EDE3",
      "DES-EDE3-CBC:DES3",
      "aes-128-cbc"},
     {"NULL", "AES-128-OCB", "AES-128-SIV", "AES-256-GCM-SIV", "AES--CBC", "ARIA-128-GCM",
      "CAMELLIA-256-CBC", "SM4-CBC", "ChaCha20", "ChaCha20-Poly1305", "DES-EDE-CBC", "DES3-WRAP",
      "DES-EDE3-CFB", "DES-EDE3-OFB", "AES-128-CBC-HMAC-MD5"}},
    {ForwardedKind::kMac,
     {"HMAC", "CMAC", "GMAC:1.0.9797.3.4", "KMAC-128:KMAC128", "KMAC-256"},
     {"SIPHASH", "POLY1305", "BLAKE2BMAC", "BLAKE2SMAC"}},
    {ForwardedKind::kKdf,
     {"HKDF", "HKDF-SHA256", "TLS13-KDF", "SSKDF", "PBKDF2", "SSHKDF", "X963KDF:X942KDF-CONCAT",
      "X942KDF-ASN1:X942KDF", "TLS1-PRF", "KBKDF"},
     {"PKCS12KDF", "SCRYPT:id-scrypt", "KRB5KDF", "HMAC-DRBG-KDF", "ARGON2ID", "PBKDF1", "PVKKDF"}},
    {ForwardedKind::kRandom,
     {"CTR-DRBG", "HASH-DRBG", "HMAC-DRBG", "SEED-SRC", "JITTER"},
     {"TEST-RAND", "CRNG-TEST"}},
    {ForwardedKind::kKeyType,
     {"HMAC", "CMAC", "HKDF", "TLS1-PRF", "DH:dhKeyAgreement", "DHX", "X25519MLKEM768",
      "SecP256r1MLKEM768", "SecP384r1MLKEM1024"},
     {"SIPHASH", "POLY1305", "SCRYPT", "X25519", "X448", "X448MLKEM1024", "SM2", "DSA"}},
};

TEST(ForwardedPolicy, FipsHasWhatIsApprovedAndNothingElse) {
  for (const Case& row : kCases) {
    for (const char* name : row.approved)
      EXPECT_TRUE(ApprovesForwarded(kFips, row.kind, name)) << name;
    for (const char* name : row.refused)
      EXPECT_FALSE(ApprovesForwarded(kFips, row.kind, name)) << name;
  }
}

TEST(ForwardedPolicy, NonFipsHasEverything) {
  for (const Case& row : kCases) {
    for (const char* name : row.refused) EXPECT_TRUE(ApprovesForwarded(kNonFips, row.kind, name));
  }
}

// SP 800-131A revision 2 section 2.
TEST(ForwardedPolicy, TripleDesMayOnlyDecrypt) {
  for (const char* name : {"DES-EDE3-CBC:DES3", "DES-EDE3-ECB"}) {
    const Status refused = AllowForwardedEncryption(kFips, name);
    ASSERT_FALSE(refused) << name;
    EXPECT_EQ(refused.error().code(), ErrorCode::kModeForbids);
    EXPECT_NE(refused.error().detail().find("use AES"), std::string::npos);
    EXPECT_TRUE(AllowForwardedEncryption(kNonFips, name));
  }
  EXPECT_TRUE(AllowForwardedEncryption(kFips, "AES-128-CBC"));
}

TEST(ForwardedPolicy, TlsHasTheCurvesOfSp800_186) {
  for (const CurveRow& row : AllCurves()) {
    EXPECT_EQ(ApprovesCurve(kFips, row.curve), row.curve != Curve::kSecp256k1) << row.name;
    EXPECT_TRUE(ApprovesCurve(kNonFips, row.curve));
  }
}

}  // namespace
}  // namespace hsmcore::policy
