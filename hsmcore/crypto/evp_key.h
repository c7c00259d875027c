// SPDX-License-Identifier: Apache-2.0
#ifndef HSMCORE_CRYPTO_EVP_KEY_H_
#define HSMCORE_CRYPTO_EVP_KEY_H_

#include <memory>
#include <optional>

#include "crypto/asymmetric_key.h"
#include "crypto/library.h"
#include "crypto/openssl_ptr.h"
#include "crypto/pattern_cache.h"
#include "crypto/spare_context.h"

namespace hsmcore::crypto {

// The one kind of AsymmetricKey: an EVP_PKEY and its patterns.
class EvpKey final : public AsymmetricKey {
 public:
  EvpKey(LibraryPtr library, PkeyPtr pkey, const PublicMaterial& public_part, bool has_private);

  std::size_t max_signature_size() const override { return max_output_; }
  unsigned security_bits() const override { return security_bits_; }

  Result<std::unique_ptr<SignatureStream>> NewSigner(std::shared_ptr<const AsymmetricKey> self,
                                                     const SignMechanism& mechanism) const override;
  Result<std::unique_ptr<SignatureStream>> NewVerifier(
      std::shared_ptr<const AsymmetricKey> self, const SignMechanism& mechanism) const override;
  Result<std::size_t> Sign(const SignMechanism& mechanism, ByteView tbs,
                           std::span<std::uint8_t> out) const override;
  Result<bool> Verify(const SignMechanism& mechanism, ByteView tbs,
                      ByteView signature) const override;
  Result<std::size_t> VerifyRecover(const SignMechanism& mechanism, ByteView signature,
                                    std::span<std::uint8_t> out) const override;
  Result<std::size_t> Encrypt(const CipherMechanism& mechanism, ByteView plain,
                              std::span<std::uint8_t> out) const override;
  Result<std::size_t> Decrypt(const CipherMechanism& mechanism, ByteView cipher,
                              std::span<std::uint8_t> out) const override;
  using AsymmetricKey::Agree;
  Result<SecretBytes> Agree(const AgreeMechanism& mechanism,
                            const AsymmetricKey& peer) const override;
  Result<Encapsulated> Encapsulate(const KemMechanism& mechanism) const override;
  Result<SecretBytes> Decapsulate(const KemMechanism& mechanism,
                                  ByteView ciphertext) const override;

  const Library& library() const override { return *library_; }

  // One signature or verification with `context`, which SignatureContext made for it.
  Result<std::size_t> SignWith(EVP_PKEY_CTX* context, ByteView tbs,
                               std::span<std::uint8_t> out) const;
  bool VerifyWith(EVP_PKEY_CTX* context, ByteView tbs, ByteView signature) const;

  // A context of the caller's own, ready for `operation`; not for whole messages. kMechanism,
  // kDigest, kKeyTypeMismatch, kPublicKeyOnly.
  Result<PkeyCtxPtr> SignatureContext(Operation operation, const SignMechanism& mechanism) const;

 private:
  Status CheckSignMechanism(Operation operation, const SignMechanism& mechanism) const;
  Status CheckMessageOptions(const SignMechanism& mechanism, const char* name) const;
  Status CheckEddsa(const SignMechanism& mechanism) const;
  Status CheckTbs(const SignMechanism& mechanism, ByteView tbs) const;
  Status CheckRoom(std::span<std::uint8_t> out, std::size_t needed) const;
  Result<std::unique_ptr<SignatureStream>> NewStream(std::shared_ptr<const AsymmetricKey> self,
                                                     Operation operation,
                                                     const SignMechanism& mechanism) const;
  int PssSaltLength(Operation operation, const SignMechanism& mechanism) const;
  Status SetUpSignature(EVP_PKEY_CTX* context, Operation operation,
                        const SignMechanism& mechanism) const;
  Result<MdCtxPtr> MessageContext(Operation operation, const SignMechanism& mechanism) const;
  Result<MdCtxPtr> NewMessageContext(Operation operation, const SignMechanism& mechanism) const;
  Result<PkeyCtxPtr> PrehashContext(Operation operation, const SignMechanism& mechanism) const;
  Result<std::size_t> SignMessage(const SignMechanism& mechanism, ByteView message,
                                  std::span<std::uint8_t> out) const;
  Result<bool> VerifyMessage(const SignMechanism& mechanism, ByteView message,
                             ByteView signature) const;

  Status CheckCipherMechanism(Operation operation, const CipherMechanism& mechanism) const;
  Result<PkeyCtxPtr> CipherContext(Operation operation, const CipherMechanism& mechanism) const;
  Status CheckPlain(const CipherMechanism& mechanism, ByteView plain) const;

  Status CheckAgreement(const AgreeMechanism& mechanism, const EvpKey& peer) const;
  Result<PkeyCtxPtr> AgreementContext() const;
  Status CheckKem(Operation operation, const KemMechanism& mechanism) const;
  Result<PkeyCtxPtr> KemContext(Operation operation, const KemMechanism& mechanism) const;
  SpareContext& SpareFor(Operation operation) const {
    return operation == Operation::kEncapsulate ? spare_encapsulation_ : spare_decapsulation_;
  }

  // A copy of the pattern for `key`; nullptr: there is none.
  PkeyCtxPtr CopyPattern(const PatternKey& key) const;
  PkeyCtxPtr NewContext() const;
  // Keeps a copy of `context` as the pattern for `key`. What OpenSSL cannot copy is made anew at
  // each operation.
  void KeepPattern(const PatternKey& key, const EVP_PKEY_CTX* context) const;

  const LibraryPtr library_;  // outlives everything below
  const PkeyPtr pkey_;
  const KeyType type_;
  const std::optional<Curve> curve_;
  const unsigned bits_;
  const bool has_private_;
  const std::size_t max_output_;
  const unsigned security_bits_;
  mutable PatternCache patterns_;
  mutable SpareContext spare_encapsulation_;
  mutable SpareContext spare_decapsulation_;
};

}  // namespace hsmcore::crypto

#endif  // HSMCORE_CRYPTO_EVP_KEY_H_
