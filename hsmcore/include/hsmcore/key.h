// SPDX-License-Identifier: Apache-2.0
#ifndef HSMCORE_KEY_H_
#define HSMCORE_KEY_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "hsmcore/attributes.h"
#include "hsmcore/key_life.h"
#include "hsmcore/mechanism.h"
#include "hsmcore/mode.h"
#include "hsmcore/symmetric.h"
#include "hsmcore/types.h"

namespace hsmcore {

// A group of users that a key is shared with (hsmcore/session.h).
struct SharedGroup {
  std::string name;
  std::vector<std::string> missing;  // members whom the owner has not sealed the key to yet
  std::vector<std::string> former;   // who may use it no longer, until he seals it anew still in it
};

// How many of the users of a key (its owner and those it is shared with) must approve what is done
// with its private half or secret value. Set when the key is made, for good. 0: no approval.
// CloudHSM's manage-key-quorum-value and use-key-quorum-value; hsmcore/quorum.h.
struct KeyQuorum {
  unsigned manage = 0;  // to change it, to share it, to wrap it, to wrap and unwrap by it
  unsigned use = 0;     // to sign; nothing else is done with it then
  bool any() const { return manage != 0 || use != 0; }
  friend bool operator==(const KeyQuorum&, const KeyQuorum&) = default;
};

// What may be told about one key object (one half of a pair, or a secret key).
struct KeyInfo {
  KeyHandle handle;
  KeyClass klass = KeyClass::kPrivateKey;
  ObjectAttributes attributes;
  PublicMaterial public_part;
  std::string owner;  // empty for a session key made without a login
  std::vector<std::string> shared_users;
  std::int64_t created = 0;  // seconds since the epoch
  bool pair = false;         // the other half is an object too
  // With initialisers, so that an aggregate may leave them out.
  // NOLINTBEGIN(readability-redundant-member-init)
  KeyLife life = {};
  // Uses of a key with a use-limit that all processes together have had or have reserved.
  std::optional<std::uint64_t> use_count = {};
  std::vector<SharedGroup> groups = {};
  KeyQuorum quorum = {};
  // NOLINTEND(readability-redundant-member-init)

  KeyType type() const { return TypeOf(public_part); }
};

// The value of any attribute as text, as hsmctl prints it; empty when the key has no such
// attribute.
std::string AttributeText(const KeyInfo& info, Attribute attribute);

// Of several versions of one key leaves the newest that is active, or where none is, the newest.
void KeepNewest(std::vector<KeyInfo>& found, std::int64_t now);

// One stage of a signature over a message that arrives in pieces. Not for two threads at once.
// Made by Key::NewSigner and Key::NewVerifier; keeps its key alive.
class SignatureStream {
 public:
  virtual ~SignatureStream() = default;
  virtual Status Update(ByteView data) = 0;
  // Ends the stream. Writes at most out.size() bytes and returns how many. kBufferTooSmall leaves
  // the stream usable.
  virtual Result<std::size_t> Sign(std::span<std::uint8_t> out) = 0;
  // Ends the stream. False: the signature is not valid.
  virtual Result<bool> Verify(ByteView signature) = 0;
  virtual Result<std::unique_ptr<SignatureStream>> Clone() const = 0;
};

// What the sender of a KEM makes: the ciphertext is for the owner of the key.
struct Encapsulated {
  Bytes ciphertext;
  SecretBytes secret;
};

// Whether the OpenSSL that runs has keys of this type; every answer stays for the process.
bool IsAvailable(KeyType type);
// Whether it has a signature algorithm of this name: "ED25519ph".
bool HasSignature(std::string_view name);
// Whether it has Ed25519ctx, Ed25519ph, Ed448ph, and Ed448's context strings: OpenSSL 3.2.
bool HasEddsaInstances();

// A key that is ready to be used: held in the HSM, or the public key of somebody else.
// Immutable after it was made and safe for any number of threads at once; no operation takes a
// lock, does I/O or waits, unless the key has a use-limit or a quorum for its use. It stays usable
// after fork() without any file. A key with a use-limit counts each operation with its private half
// or secret value, of a cipher its beginning: it reserves uses in the store, a few at first and
// more at once later, each process its own.
//
// Every operation asks the policy gate first. Errors that all of them share:
//   kAttributeForbids   the detail names the attribute that stood in the way
//   kKeyGone            deleted or changed since it was loaded: load it again
//   kKeyInactive        disabled, or not within its dates
//   kKeyUsedUp          its use-limit is reached; with a use-limit also the errors of the store
//   kQuorumRequired     an approval is missing (Session::PresentApproval), or none is for this
//   kTokenRefused       the approval does not count
//   kRoleForbids        shared: the owner alone does this, or shares it no longer
//   kPublicKeyOnly      the operation needs the private half
//   kKeyTypeMismatch    the mechanism is for another key type
//   kMechanism, kDigest, kDataLength   parameters or data that do not fit
class Key {
 public:
  virtual ~Key() = default;

  // A public key that is not held in the HSM; it may verify, encrypt, and be the peer of an
  // agreement, as far as the mode allows. kKeyImport: not a valid key. kFipsModule, kSetting.
  static Result<std::shared_ptr<const Key>> FromPublic(PublicMaterial material,
                                                       const ModeRules& rules = {});

  virtual bool has_private() const = 0;  // true for a secret key
  bool is_secret() const { return std::holds_alternative<SecretFacts>(public_part()); }
  virtual bool is_token() const = 0;  // persistent, or a session key
  virtual bool is_held() const = 0;   // false: made by FromPublic
  virtual const PublicMaterial& public_part() const = 0;
  KeyType type() const { return TypeOf(public_part()); }

  // The half that is there; both for a pair.
  virtual const KeyInfo* private_info() const = 0;  // nullptr: no private half; a secret key's own
  virtual const KeyInfo* public_info() const = 0;   // nullptr: no public object (public_part() is)

  // DER SubjectPublicKeyInfo, named curves; empty for a secret key
  virtual const Bytes& spki() const = 0;
  // 0 for a secret key; of keys that do not sign, the length of a shared secret (X25519, X448) or
  // of a ciphertext (ML-KEM).
  virtual std::size_t max_signature_size() const = 0;
  virtual unsigned security_bits() const = 0;  // SP 800-57 part 1 table 2

  // kNone digest is an error here except for EdDSA, ML-DSA and SLH-DSA (which buffer the message).
  virtual Result<std::unique_ptr<SignatureStream>> NewSigner(const SignMechanism&) const = 0;
  virtual Result<std::unique_ptr<SignatureStream>> NewVerifier(const SignMechanism&) const = 0;

  // `tbs` is the digest, or for EdDSA, ML-DSA, SLH-DSA and raw RSA the message. Returns the bytes
  // written.
  virtual Result<std::size_t> Sign(const SignMechanism&, ByteView tbs,
                                   std::span<std::uint8_t> out) const = 0;
  virtual Result<bool> Verify(const SignMechanism&, ByteView tbs, ByteView signature) const = 0;
  // PKCS#1 v1.5, X9.31 or raw: what the signature holds.
  virtual Result<std::size_t> VerifyRecover(const SignMechanism&, ByteView signature,
                                            std::span<std::uint8_t> out) const = 0;

  virtual Result<std::size_t> Encrypt(const CipherMechanism&, ByteView plain,
                                      std::span<std::uint8_t> out) const = 0;
  // kDecryption for every failure that depends on the secret; the caller learns no more.
  virtual Result<std::size_t> Decrypt(const CipherMechanism&, ByteView cipher,
                                      std::span<std::uint8_t> out) const = 0;

  // kKeyImport: the peer's key is not on the curve, or of small order (X25519, X448).
  virtual Result<SecretBytes> Agree(const AgreeMechanism&, const PublicMaterial& peer) const = 0;
  // With the public half of a key that is ready, which saves making it.
  virtual Result<SecretBytes> Agree(const AgreeMechanism&, const Key& peer) const = 0;

  virtual Result<Encapsulated> Encapsulate(const KemMechanism&) const = 0;
  // kDataLength: not the length of a ciphertext; kDecryption: not made for this key (RSASVE).
  virtual Result<SecretBytes> Decapsulate(const KemMechanism&, ByteView ciphertext) const = 0;

  // ---- Secret keys ----

  // Errors besides the shared ones: kDataLength for the nonce or the tag, kMechanism where the HSM
  // makes the nonces, kNotSupported where OpenSSL lacks the algorithm.
  virtual Result<std::unique_ptr<CipherStream>> NewCipher(const SymmetricMechanism&,
                                                          Direction) const = 0;
  virtual Result<std::unique_ptr<SignatureStream>> NewMac(const MacMechanism&) const = 0;
  virtual Result<std::unique_ptr<SignatureStream>> NewMacVerifier(const MacMechanism&) const = 0;
  // The derived bytes go to the caller; Session::Derive makes a held key of them.
  virtual Result<SecretBytes> Derive(const KdfMechanism&, std::size_t bytes) const = 0;
  // The bytes of a session key that the program gave itself (Session::ImportSecret) and that is
  // extractable: it gets back what it had. Valid as long as the key. kSecretKeyHeld: any other.
  virtual Result<ByteView> GivenValue() const = 0;

  // Would the gate allow it? For EVP's *_init calls, so that the error comes early. A secret key
  // is asked for each of them; of a pair, the half that does it.
  enum class Use : std::uint8_t {
    kSign,
    kVerify,
    kEncrypt,
    kDecrypt,
    kDerive,
    kWrap,
    kUnwrap,
    kEncapsulate,
    kDecapsulate,
  };
  virtual Status CheckUse(Use use) const = 0;
};

using KeyPtr = std::shared_ptr<const Key>;

}  // namespace hsmcore

#endif  // HSMCORE_KEY_H_
