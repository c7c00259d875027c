// SPDX-License-Identifier: Apache-2.0
#ifndef HSMCORE_CRYPTO_AES_WRAPPING_H_
#define HSMCORE_CRYPTO_AES_WRAPPING_H_

#include "crypto/library.h"
#include "hsmcore/wrap.h"

// The AES methods of key wrapping, each with the bytes of an AES key.
namespace hsmcore::crypto {

constexpr std::size_t kGcmIvBytes = 12;

// RFC 3394 or, `padded`, RFC 5649. The first gives kCryptoFailure for what OpenSSL refuses; the
// second nothing for every input that does not open.
Result<Bytes> AesKeyWrap(const Library& library, ByteView key, bool padded, ByteView payload);
std::optional<SecretBytes> AesKeyUnwrap(const Library& library, ByteView key, bool padded,
                                        ByteView wrapped);

// AES-GCM. The tag follows the ciphertext.
Result<Bytes> GcmWrap(const Library& library, ByteView key, const WrapMechanism& mechanism,
                      ByteView iv, ByteView payload);
std::optional<SecretBytes> GcmUnwrap(const Library& library, ByteView key,
                                     const WrapMechanism& mechanism, ByteView iv, ByteView wrapped);

}  // namespace hsmcore::crypto

#endif  // HSMCORE_CRYPTO_AES_WRAPPING_H_
