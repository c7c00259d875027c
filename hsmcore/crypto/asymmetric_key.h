// SPDX-License-Identifier: Apache-2.0
#ifndef HSMCORE_CRYPTO_ASYMMETRIC_KEY_H_
#define HSMCORE_CRYPTO_ASYMMETRIC_KEY_H_

#include <cstddef>
#include <memory>
#include <span>

#include "crypto/library.h"
#include "hsmcore/key.h"
#include "hsmcore/mechanism.h"
#include "hsmcore/types.h"

namespace hsmcore::crypto {

// A ready OpenSSL key in a private library context: made once, immutable, shared by threads.
// For each mechanism in use it keeps one initialised operation context as a pattern, which an
// operation copies: no algorithm is fetched and no key rebuilt on the way of a signature.
//
// This layer knows no policy: session/ asks the gate before it calls here.
// Errors: kKeyTypeMismatch, kMechanism, kDigest, kDataLength, kBufferTooSmall, kDecryption,
// kCryptoFailure (the detail has OpenSSL's own reason; the thread's error queue is left as it was).
class AsymmetricKey {
 public:
  // Also checks the material: kKeyImport when it is no valid key, or the halves disagree.
  // `check` false skips that for material which was checked when it was sealed.
  static Result<std::shared_ptr<const AsymmetricKey>> FromPair(
      const KeyPairMaterial& material, bool check, LibraryKind kind = LibraryKind::kDefault);
  static Result<std::shared_ptr<const AsymmetricKey>> FromPublic(
      const PublicMaterial& material, LibraryKind kind = LibraryKind::kDefault);

  virtual ~AsymmetricKey() = default;

  // Where it works.
  virtual const Library& library() const = 0;

  virtual std::size_t max_signature_size() const = 0;
  virtual unsigned security_bits() const = 0;

  virtual Result<std::unique_ptr<SignatureStream>> NewSigner(
      std::shared_ptr<const AsymmetricKey> self, const SignMechanism&) const = 0;
  virtual Result<std::unique_ptr<SignatureStream>> NewVerifier(
      std::shared_ptr<const AsymmetricKey> self, const SignMechanism&) const = 0;
  virtual Result<std::size_t> Sign(const SignMechanism&, ByteView tbs,
                                   std::span<std::uint8_t> out) const = 0;
  virtual Result<bool> Verify(const SignMechanism&, ByteView tbs, ByteView signature) const = 0;
  virtual Result<std::size_t> VerifyRecover(const SignMechanism&, ByteView signature,
                                            std::span<std::uint8_t> out) const = 0;
  virtual Result<std::size_t> Encrypt(const CipherMechanism&, ByteView plain,
                                      std::span<std::uint8_t> out) const = 0;
  virtual Result<std::size_t> Decrypt(const CipherMechanism&, ByteView cipher,
                                      std::span<std::uint8_t> out) const = 0;
  virtual Result<SecretBytes> Agree(const AgreeMechanism&, const AsymmetricKey& peer) const = 0;
  Result<SecretBytes> Agree(const AgreeMechanism&, const PublicMaterial& peer) const;
  virtual Result<Encapsulated> Encapsulate(const KemMechanism&) const = 0;
  virtual Result<SecretBytes> Decapsulate(const KemMechanism&, ByteView ciphertext) const = 0;
};

// A pair, and the key that was made with it.
struct ReadyPair {
  KeyPairMaterial material;
  std::shared_ptr<const AsymmetricKey> ready;
};

// Generates a pair. kKeySize: the detail says what is supported.
Result<ReadyPair> GenerateReadyPair(const KeySpec& spec, LibraryKind kind = LibraryKind::kDefault);
Result<KeyPairMaterial> GeneratePair(const KeySpec& spec, LibraryKind kind = LibraryKind::kDefault);

// First three bytes of SHA-1 over the public key (SubjectPublicKeyInfo's key bits), CloudHSM's
// check value.
Result<Bytes> CheckValue(const PublicMaterial& material);

}  // namespace hsmcore::crypto

#endif  // HSMCORE_CRYPTO_ASYMMETRIC_KEY_H_
