// SPDX-License-Identifier: Apache-2.0
#ifndef HSMCORE_CRYPTO_SPKI_H_
#define HSMCORE_CRYPTO_SPKI_H_

#include <optional>
#include <string_view>

#include "crypto/der.h"
#include "hsmcore/types.h"

namespace hsmcore::crypto {

// What an AlgorithmIdentifier says about a key, in SubjectPublicKeyInfo and in PKCS#8 alike.
struct KeyAlgorithm {
  KeyType type = KeyType::kRsa;
  Curve curve = Curve::kP256;          // EC
  std::optional<PssRestrictions> pss;  // RSA-PSS
};

// Reads the AlgorithmIdentifier that comes next. kKeyImport.
Result<KeyAlgorithm> ReadKeyAlgorithm(der::Reader& reader);

// The curve of EC parameters; these must be a name. kKeyImport.
Result<Curve> ReadCurve(der::Reader& reader);

// The AlgorithmIdentifier of a key, as DER.
Bytes EncodeKeyAlgorithm(const PublicMaterial& material);

// What subjectPublicKey holds: RSAPublicKey, the point, or the bytes of a raw key.
Bytes PublicKeyBits(const PublicMaterial& material);

}  // namespace hsmcore::crypto

#endif  // HSMCORE_CRYPTO_SPKI_H_
