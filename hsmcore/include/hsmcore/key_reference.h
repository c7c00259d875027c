// SPDX-License-Identifier: Apache-2.0
#ifndef HSMCORE_KEY_REFERENCE_H_
#define HSMCORE_KEY_REFERENCE_H_

#include <optional>
#include <string>

#include "hsmcore/types.h"

namespace hsmcore {

// The file that stands for a private key in programs that take a file. It holds no secret.
//   SEQUENCE { version INTEGER (1), uri UTF8String, publicKey SubjectPublicKeyInfo OPTIONAL }
// in PEM under the label below.
struct KeyReference {
  std::string uri;
  Bytes spki;  // empty: not there

  static constexpr const char* kPemLabel = "HSM KEY REFERENCE";

  Result<Bytes> ToDer() const;
  Result<std::string> ToPem() const;
  // Errors: kReference, also for trailing bytes, a newer version and a URI over 4096 bytes.
  static Result<KeyReference> FromDer(ByteView der);
};

// SubjectPublicKeyInfo (RFC 5280 4.1.2.7) of a public key and back. kKeyImport: not a valid key of
// a supported type. EC keys have named curves only.
Result<Bytes> EncodeSpki(const PublicMaterial& material);
Result<PublicMaterial> DecodeSpki(ByteView der);

// PKCS#8 (RFC 5208, RFC 5958) of a private key, unencrypted, as DER or PEM. kKeyImport.
Result<KeyPairMaterial> DecodePkcs8(const SecretBytes& der_or_pem);
// A raw private key with the public half that belongs to it. kKeyImport: lengths that do not fit
// the type, or `claimed` (empty: none) is another public key. kNotSupported: the OpenSSL that runs
// does not have the algorithm.
Result<KeyPairMaterial> CompleteRawPair(KeyType type, RawPrivate material, ByteView claimed);
// Public key, as PEM or DER SubjectPublicKeyInfo. kKeyImport.
Result<PublicMaterial> DecodePublicKeyFile(ByteView der_or_pem);
// PEM ("PUBLIC KEY") of a DER SubjectPublicKeyInfo.
Result<std::string> EncodePublicKeyPem(ByteView spki);

}  // namespace hsmcore

#endif  // HSMCORE_KEY_REFERENCE_H_
