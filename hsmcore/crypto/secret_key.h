// SPDX-License-Identifier: Apache-2.0
#ifndef HSMCORE_CRYPTO_SECRET_KEY_H_
#define HSMCORE_CRYPTO_SECRET_KEY_H_

#include <cstddef>
#include <memory>

#include "crypto/library.h"
#include "hsmcore/types.h"

namespace hsmcore::crypto {

// A secret key in the private library context: immutable, shared by threads. This layer knows no
// policy: session/ asks the gate before it calls here.
class SecretKey {
 public:
  // kKeySize, kKeyImport as FactsOf.
  static Result<std::shared_ptr<const SecretKey>> From(KeyType type, const SecretBytes& value,
                                                       LibraryKind kind = LibraryKind::kDefault);

  SecretKey(LibraryPtr library, KeyType type, SecretBytes value)
      : library_(std::move(library)), type_(type), value_(std::move(value)) {}

  const Library& library() const { return *library_; }
  KeyType type() const { return type_; }
  const SecretBytes& value() const { return value_; }

 private:
  const LibraryPtr library_;
  const KeyType type_;
  const SecretBytes value_;
};

// How long a key of `type` is when `bytes` are asked for; 0: as long as the type allows
// (generic-secret: 32). kKeySize: the detail says which lengths there are.
Result<std::size_t> SecretLength(KeyType type, std::size_t bytes);

// Random bytes for a key of `type`, as long as SecretLength says; 3DES keys have odd parity.
// kKeySize.
Result<SecretBytes> GenerateSecret(KeyType type, std::size_t wanted,
                                   LibraryKind kind = LibraryKind::kDefault);

// Length, check value (PKCS#11 CKA_CHECK_VALUE: three bytes of a block of zeros, encrypted), and
// the commitment to an AES key. kKeySize; kKeyImport: a 3DES key whose parts are equal (SP 800-67
// section 3.2). The check value of a 3DES key is OpenSSL's default provider's, whatever the kind:
// it is an encryption, which the FIPS module may not do, and protects nothing.
Result<SecretFacts> FactsOf(KeyType type, const SecretBytes& value,
                            LibraryKind kind = LibraryKind::kDefault);

}  // namespace hsmcore::crypto

#endif  // HSMCORE_CRYPTO_SECRET_KEY_H_
