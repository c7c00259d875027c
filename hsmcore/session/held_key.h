// SPDX-License-Identifier: Apache-2.0
#ifndef HSMCORE_SESSION_HELD_KEY_H_
#define HSMCORE_SESSION_HELD_KEY_H_

#include <sys/types.h>

#include <atomic>
#include <functional>
#include <memory>
#include <optional>

#include "cluster/core.h"
#include "crypto/asymmetric_key.h"
#include "crypto/secret_key.h"
#include "crypto/symmetric.h"
#include "hsmcore/key.h"
#include "keys/record.h"
#include "policy/gate.h"
#include "policy/mode.h"
#include "session/key_use_log.h"
#include "session/login.h"
#include "users/approvals.h"

namespace hsmcore::session {

// A key with its gate. Each operation reads one word of shared memory to learn whether anybody
// changed the key; only then it looks into the store.
class HeldKey final : public Key, public std::enable_shared_from_this<HeldKey> {
 public:
  struct Parts {
    // One of the two.
    std::shared_ptr<const crypto::AsymmetricKey> ready;
    std::shared_ptr<const crypto::SecretKey> secret;
    PublicMaterial public_part;
    Bytes spki;
    std::optional<KeyInfo> private_info;
    std::optional<KeyInfo> public_info;
    ModeRules rules;  // of the cluster that holds the key
    // Persistent keys: where to look whether the key still is what it was.
    std::shared_ptr<cluster::Core> core;
    std::string owner;                   // path
    std::shared_ptr<const Login> login;  // who loaded the private half
    // What others have approved, where the key has a quorum.
    std::shared_ptr<users::Approvals> approvals;
    // Where uses are recorded; nothing: they are not.
    std::shared_ptr<KeyUseLog> use_log;
    bool strict_use_log = false;
    std::uint64_t version = 0;
    std::uint32_t epoch = 0;  // read before the record was
    // Session keys: kept so that the key can be made persistent.
    std::optional<PrivateMaterial> material;
    // Session keys: they end with the cluster that they were made in.
    std::shared_ptr<cluster::Core> made_in;
  };
  // Completes `parts` by what does the operations. `material` nullptr: only the public half.
  static Result<std::shared_ptr<const HeldKey>> Make(Parts parts, const PrivateMaterial* material);
  explicit HeldKey(Parts parts);

  bool has_private() const override { return parts_.private_info.has_value(); }
  bool is_token() const override { return parts_.core != nullptr; }
  bool is_held() const override { return parts_.private_info || parts_.public_info; }
  const PublicMaterial& public_part() const override { return parts_.public_part; }
  const KeyInfo* private_info() const override;
  const KeyInfo* public_info() const override;
  const Bytes& spki() const override { return parts_.spki; }
  std::size_t max_signature_size() const override;
  unsigned security_bits() const override;

  Result<std::unique_ptr<SignatureStream>> NewSigner(const SignMechanism&) const override;
  Result<std::unique_ptr<SignatureStream>> NewVerifier(const SignMechanism&) const override;
  Result<std::size_t> Sign(const SignMechanism&, ByteView tbs,
                           std::span<std::uint8_t> out) const override;
  Result<bool> Verify(const SignMechanism&, ByteView tbs, ByteView signature) const override;
  Result<std::size_t> VerifyRecover(const SignMechanism&, ByteView signature,
                                    std::span<std::uint8_t> out) const override;
  Result<std::size_t> Encrypt(const CipherMechanism&, ByteView plain,
                              std::span<std::uint8_t> out) const override;
  Result<std::size_t> Decrypt(const CipherMechanism&, ByteView cipher,
                              std::span<std::uint8_t> out) const override;
  Result<SecretBytes> Agree(const AgreeMechanism&, const PublicMaterial& peer) const override;
  Result<SecretBytes> Agree(const AgreeMechanism&, const Key& peer) const override;
  Result<Encapsulated> Encapsulate(const KemMechanism&) const override;
  Result<SecretBytes> Decapsulate(const KemMechanism&, ByteView ciphertext) const override;
  Result<std::unique_ptr<CipherStream>> NewCipher(const SymmetricMechanism&,
                                                  Direction) const override;
  Result<std::unique_ptr<SignatureStream>> NewMac(const MacMechanism&) const override;
  Result<std::unique_ptr<SignatureStream>> NewMacVerifier(const MacMechanism&) const override;
  Result<SecretBytes> Derive(const KdfMechanism&, std::size_t bytes) const override;
  Result<ByteView> GivenValue() const override;
  Status CheckUse(Use use) const override;

  // Counts a use of the private half or secret key that the gate has allowed, where the key has a
  // use-limit. kKeyUsedUp, and the errors of the store.
  Status CountUse() const {
    if (use_limit_.load(std::memory_order_relaxed) == 0) return {};
    return CountLimitedUse();
  }
  // The same for a signature, which may take an approval besides: it is spent. kQuorumRequired,
  // kTokenRefused.
  Status CountSigning() const { return needs_approval() ? CountApprovedUse() : CountUse(); }

  KeyHandle handle() const { return handle_; }  // the private half's where there is one
  std::uint64_t version() const { return parts_.version; }
  const std::optional<PrivateMaterial>& material() const { return parts_.material; }
  // What does the operations: one of the two.
  const crypto::AsymmetricKey* pair() const { return parts_.ready.get(); }
  const crypto::SecretKeyPtr& secret() const { return parts_.secret; }
  // A session key that was deleted: no operation works any more.
  void MarkDeleted() const { deleted_.store(true, std::memory_order_release); }

 private:
  // What the gate allowed for as long as an epoch stands: the epoch above, a bit for each use
  // below. In one word, so that an answer never outlives its epoch.
  static constexpr unsigned kEpochShift = 32;
  static constexpr std::uint64_t Bit(Use use) {
    return std::uint64_t{1} << static_cast<unsigned>(use);
  }
  static constexpr std::int64_t kNoTime = -1;
  bool IsUnchanged(std::uint64_t answers) const;
  bool IsZeroized() const;
  Status AskGate(Use use) const;
  // Somebody else's, who shares it.
  bool is_shared() const { return parts_.login && parts_.login->path() != parts_.owner; }
  // Is the key in the store still the one that was loaded, for the user who loaded it?
  Status CheckRecord(const keys::KeyRecord& record) const;
  // kKeyGone.
  Status CheckThere() const;
  Status LookAgain() const;
  // The gates for a signature and for RSA encryption.
  Status CheckSigning(const SignMechanism& mechanism, std::size_t tbs_size) const;
  Status CheckCipher(Use use, const CipherMechanism& mechanism) const;
  // A use that the gate has allowed.
  Status Record(Use use) const {
    if (parts_.use_log == nullptr) return {};
    return parts_.use_log->Count(handle_, use, parts_.strict_use_log);
  }
  // The gate for an operation of a key pair. kKeyTypeMismatch: it is a secret key.
  Status CheckPairUse(Use use) const;
  // The gate for an operation of a secret key. kKeyTypeMismatch: it is a pair.
  Status CheckSecretUse(Use use) const;

  // The life of the key as the store has it; the parts of it that the gate asks for, each on its
  // own: a use that falls into a change may see both sides of it.
  void RememberLife(const KeyLife& life) const;
  Status CountLimitedUse() const;
  bool needs_approval() const {
    return parts_.private_info && parts_.private_info->quorum.use != 0;
  }
  bool is_counted() const {
    return needs_approval() || use_limit_.load(std::memory_order_relaxed) != 0;
  }
  Status CountApprovedUse() const;
  Status WithApproval(
      const std::function<Status(const users::Actor&, const keys::KeyRecord&)>&) const;
  bool TakeReserved() const;
  Result<std::unique_ptr<SignatureStream>> Counted(
      Result<std::unique_ptr<SignatureStream>> stream) const;
  Result<std::unique_ptr<CipherStream>> Counted(Result<std::unique_ptr<CipherStream>> stream) const;
  KeyLife Life() const;

  const Parts parts_;
  const KeyHandle handle_;
  // What the gate asks, and has answered; changes when the store does.
  mutable std::atomic<std::uint64_t> answers_;
  mutable std::atomic<std::uint32_t> private_flags_;
  mutable std::atomic<std::uint32_t> public_flags_;
  mutable std::atomic<bool> enabled_ = true;
  mutable std::atomic<std::int64_t> start_ = kNoTime;
  mutable std::atomic<std::int64_t> end_ = kNoTime;
  mutable std::atomic<std::uint64_t> next_ = 0;
  mutable std::atomic<std::uint64_t> use_limit_ = 0;
  // Uses that this process has reserved. A child of fork() has none of its parent's.
  mutable std::atomic<std::uint64_t> reserved_ = 0;
  mutable std::atomic<pid_t> reserved_by_ = 0;
  mutable std::uint64_t reserve_next_ = 1;  // guarded by the core's mutex
  mutable std::atomic<bool> deleted_ = false;
};

}  // namespace hsmcore::session

#endif  // HSMCORE_SESSION_HELD_KEY_H_
