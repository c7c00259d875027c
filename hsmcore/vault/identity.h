// SPDX-License-Identifier: Apache-2.0
#ifndef HSMCORE_VAULT_IDENTITY_H_
#define HSMCORE_VAULT_IDENTITY_H_

#include "hsmcore/types.h"
#include "vault/locked_secret.h"

namespace hsmcore::vault {

// Who somebody is: an X25519 key that grants are sealed to and an Ed25519 key that signs records.
struct PublicIdentity {
  Bytes box_key;   // X25519, 32 bytes
  Bytes sign_key;  // Ed25519, 32 bytes
  bool well_formed() const;
  friend bool operator==(const PublicIdentity&, const PublicIdentity&) = default;
};

// Seals to the holder of `box_key` (X25519, XSalsa20-Poly1305; the sender stays unnamed, so what
// was sealed is signed by the record around it).
Result<Bytes> SealTo(ByteView box_key, const SecretBytes& plain);

// Ed25519 over `context` and `message`; a signature for one context is none for another.
bool VerifySignature(ByteView sign_key, std::string_view context, ByteView message,
                     ByteView signature);

// The secret half, and the root of trust that its owner was born under: the sign_key of the first
// admin, by which a user notices a store whose admin was replaced.
class Identity {
 public:
  // A new identity; the root is its own sign_key when `root` is empty (the first admin).
  static Result<Identity> New(ByteView root);

  // As bytes, for sealing under a credential.
  SecretBytes Export() const;
  // kRecordDamaged.
  static Result<Identity> Import(const SecretBytes& exported);

  const PublicIdentity& public_identity() const { return public_; }
  const Bytes& root() const { return root_; }

  Bytes Sign(std::string_view context, ByteView message) const;
  // kRecordDamaged: not sealed to this identity.
  Result<SecretBytes> OpenSealed(ByteView sealed) const;

 private:
  Identity(LockedSecret secret, PublicIdentity pub, Bytes root);
  LockedSecret secret_;  // X25519 secret key, then Ed25519 secret key
  PublicIdentity public_;
  Bytes root_;
};

// A lone X25519 pair: the cluster's recovery key.
struct BoxPair {
  Bytes public_key;
  SecretBytes secret_key;
  static BoxPair New();
};
// Whether the two halves belong together.
bool IsPair(const BoxPair& pair);

// What SealTo sealed to the pair. kRecordDamaged: it is not for this pair.
Result<SecretBytes> OpenSealedTo(const BoxPair& pair, ByteView sealed);

}  // namespace hsmcore::vault

#endif  // HSMCORE_VAULT_IDENTITY_H_
