// SPDX-License-Identifier: Apache-2.0
#ifndef HSMCORE_CRYPTO_KEY_MATERIAL_H_
#define HSMCORE_CRYPTO_KEY_MATERIAL_H_

#include <openssl/evp.h>

#include "crypto/library.h"
#include "crypto/openssl_ptr.h"
#include "hsmcore/types.h"

namespace hsmcore::crypto {

constexpr unsigned kMinPublicRsaBits = 1024;
constexpr unsigned kMaxPublicRsaBits = 16384;

// RSA-PSS keys are restricted to digests that RFC 4055 and OpenSSL have identifiers for.
bool IsPssRestrictionDigest(Digest digest);

// The cheap checks: sizes, forms, parities. A point is checked when its key is made. kKeyImport.
Status CheckPublic(const PublicMaterial& material);

// kNotSupported: the OpenSSL that runs, or its FIPS module, does not have the algorithm of this key
// type.
Error NoAlgorithm(const Library& library, KeyType type);

// Sizes that a held key may have; the detail of kKeySize lists them.
Status CheckRsaPairSize(unsigned modulus_bits);

// OpenSSL's key from its components, and back. The first gives kKeyImport for what OpenSSL refuses.
Result<PkeyPtr> MakePublicKey(const Library& library, const PublicMaterial& material);
Result<PkeyPtr> MakePrivateKey(const Library& library, const KeyPairMaterial& material);
Result<KeyPairMaterial> ReadPair(const Library& library, EVP_PKEY* key, const KeySpec& spec);

// What belongs to a private key alone. kKeyImport: it is out of range.
Result<EcPublic> EcPublicOf(const Library& library, Curve curve, const SecretBytes& scalar);
// kNotSupported: the OpenSSL that runs does not have the algorithm.
Result<RawPublic> RawPublicOf(const Library& library, KeyType type, const RawPrivate& material);

// The uncompressed form of a point that may be compressed. kKeyImport: not on the curve.
Result<Bytes> UncompressedPoint(const Library& library, Curve curve, ByteView encoded);

}  // namespace hsmcore::crypto

#endif  // HSMCORE_CRYPTO_KEY_MATERIAL_H_
