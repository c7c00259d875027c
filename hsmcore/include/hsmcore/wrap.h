// SPDX-License-Identifier: Apache-2.0
#ifndef HSMCORE_WRAP_H_
#define HSMCORE_WRAP_H_

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "hsmcore/key.h"
#include "hsmcore/types.h"

namespace hsmcore {

// How one key takes another out of the HSM, encrypted, and in again. What is encrypted is the value
// of a secret key, or the PKCS#8 (DER) of a private key.
struct WrapMechanism {
  enum class Kind : std::uint8_t {
    kAesGcm,          // SP 800-38D; the HSM makes the IV and returns it
    kCloudhsmAesGcm,  // the same, the 12 bytes of the IV in front
    kAesNoPad,        // RFC 3394; multiples of 8 bytes, 16 or more
    kAesZeroPad,      // RFC 5649
    kAesPkcs5Pad,     // PKCS#5 padding to 8 bytes, then RFC 3394; 8 bytes or more
    kRsaAes,          // PKCS#11 CKM_RSA_AES_KEY_WRAP: a fresh AES-256 key by OAEP, then RFC 5649
    kRsaOaep,         // RFC 8017 7.1; secret keys only
    kRsaPkcs,         // RFC 8017 7.2; secret keys only
  };
  Kind kind = Kind::kAesGcm;
  Bytes iv;                             // kAesGcm, unwrap: what Wrap returned, or another system's
  Bytes aad;                            // GCM
  unsigned tag_length = 16;             // GCM: 8, or 12 to 16 bytes
  Digest digest = Digest::kSha256;      // kRsaAes, kRsaOaep
  Digest mgf_digest = Digest::kSha256;  // kRsaAes, kRsaOaep
};

struct WrapMethodRow {
  WrapMechanism::Kind kind;
  const char* name;   // as in hsmctl key wrap NAME
  KeyType key_type;   // of the wrapping key: AES or RSA
  bool gcm;           // takes aad and tag length
  bool oaep;          // takes digests
  bool secrets_only;  // too small for private keys
};
std::span<const WrapMethodRow> AllWrapMethods();
const WrapMethodRow& RowOf(WrapMechanism::Kind kind);
std::optional<WrapMechanism::Kind> WrapMethodByName(std::string_view name);

struct WrappedKey {
  Bytes data;
  Bytes iv;  // kAesGcm: Unwrap needs it
};

// The key that is to come out of an unwrap.
struct UnwrapForm {
  KeyType type = KeyType::kAes;
  // What it may do, by the rules for new keys: {"label", "backup"}, {"decrypt", "true"}, ... Of a
  // pair it is the private half; label, id and token are the public half's too. What is not named
  // has the default of its class, or the value of the unwrapping key's unwrap-template.
  std::vector<std::pair<std::string, std::string>> attributes;
  // As in KeyTemplate. With initialisers, so that an aggregate may leave them out.
  // NOLINTBEGIN(readability-redundant-member-init)
  std::vector<std::string> share_with = {};
  KeyQuorum quorum = {};
  // NOLINTEND(readability-redundant-member-init)
};

}  // namespace hsmcore

#endif  // HSMCORE_WRAP_H_
