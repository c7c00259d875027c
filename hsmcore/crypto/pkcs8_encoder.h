// SPDX-License-Identifier: Apache-2.0
#ifndef HSMCORE_CRYPTO_PKCS8_ENCODER_H_
#define HSMCORE_CRYPTO_PKCS8_ENCODER_H_

#include "hsmcore/types.h"

namespace hsmcore::crypto {

// The PrivateKeyInfo (RFC 5208) of a private key as DER: what DecodePkcs8 and OpenSSL read. Where a
// type has a seed and the key has it, seed and key are both there. No copy of the secret stays
// behind. kKeyTypeMismatch: a secret key, which has no such form.
Result<SecretBytes> EncodePkcs8(const PublicMaterial& public_part,
                                const PrivateMaterial& private_part);

}  // namespace hsmcore::crypto

#endif  // HSMCORE_CRYPTO_PKCS8_ENCODER_H_
