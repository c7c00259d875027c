// SPDX-License-Identifier: Apache-2.0
#include "session/held_key.h"

#include <unistd.h>

#include <algorithm>
#include <mutex>

#include "base/text.h"
#include "hsmcore/key_reference.h"
#include "keys/approval.h"
#include "keys/groups.h"
#include "keys/key_store.h"
#include "keys/material.h"
#include "keys/usage.h"
#include "session/counted_streams.h"

namespace hsmcore::session {
namespace {

std::uint32_t FlagBits(const std::optional<KeyInfo>& info) {
  return info ? info->attributes.flags.bits() : 0;
}

std::optional<AttributeFlags> Flags(bool there, const std::atomic<std::uint32_t>& bits) {
  if (!there) return std::nullopt;
  return AttributeFlags::FromBits(bits.load(std::memory_order_relaxed));
}

KeyHandle HandleOf(const HeldKey::Parts& parts) {
  if (parts.private_info) return parts.private_info->handle;
  return parts.public_info ? parts.public_info->handle : KeyHandle();
}

}  // namespace

Result<std::shared_ptr<const HeldKey>> HeldKey::Make(Parts parts, const PrivateMaterial* material) {
  HSMCORE_TRY(const crypto::LibraryKind kind, crypto::KindFor(parts.rules.mode));
  if (const auto* facts = std::get_if<SecretFacts>(&parts.public_part)) {
    HSMCORE_TRY(parts.secret,
                crypto::SecretKey::From(facts->type, std::get<SecretValue>(*material).value, kind));
    return std::make_shared<const HeldKey>(std::move(parts));
  }
  if (parts.ready != nullptr) {
    // Made together with the key.
  } else if (material != nullptr) {
    constexpr bool kNoCheck = false;  // that was done when the key was made
    const KeyPairMaterial pair{parts.public_part, keys::CloneOf(*material)};
    HSMCORE_TRY(parts.ready, crypto::AsymmetricKey::FromPair(pair, kNoCheck, kind));
  } else {
    HSMCORE_TRY(parts.ready, crypto::AsymmetricKey::FromPublic(parts.public_part, kind));
  }
  HSMCORE_TRY(parts.spki, EncodeSpki(parts.public_part));
  return std::make_shared<const HeldKey>(std::move(parts));
}

HeldKey::HeldKey(Parts parts)
    : parts_(std::move(parts)),
      handle_(HandleOf(parts_)),
      answers_(std::uint64_t{parts_.epoch} << kEpochShift),
      private_flags_(FlagBits(parts_.private_info)),
      public_flags_(FlagBits(parts_.public_info)) {
  if (const KeyInfo* info = private_info() != nullptr ? private_info() : public_info()) {
    RememberLife(info->life);
  }
}

void HeldKey::RememberLife(const KeyLife& life) const {
  enabled_.store(life.enabled, std::memory_order_relaxed);
  start_.store(life.start.value_or(kNoTime), std::memory_order_relaxed);
  end_.store(life.end.value_or(kNoTime), std::memory_order_relaxed);
  next_.store(life.next.value, std::memory_order_relaxed);
  use_limit_.store(life.use_limit, std::memory_order_relaxed);
}

KeyLife HeldKey::Life() const {
  KeyLife life;
  life.enabled = enabled_.load(std::memory_order_relaxed);
  const std::int64_t start = start_.load(std::memory_order_relaxed);
  const std::int64_t end = end_.load(std::memory_order_relaxed);
  if (start != kNoTime) life.start = start;
  if (end != kNoTime) life.end = end;
  life.next.value = next_.load(std::memory_order_relaxed);
  return life;
}

const KeyInfo* HeldKey::private_info() const {
  return parts_.private_info ? &*parts_.private_info : nullptr;
}
const KeyInfo* HeldKey::public_info() const {
  return parts_.public_info ? &*parts_.public_info : nullptr;
}

std::size_t HeldKey::max_signature_size() const {
  return parts_.ready != nullptr ? parts_.ready->max_signature_size() : 0;
}
unsigned HeldKey::security_bits() const {
  return parts_.ready != nullptr ? parts_.ready->security_bits() : BitsOf(parts_.public_part);
}

bool HeldKey::IsZeroized() const {
  const cluster::Core* const core = parts_.core ? parts_.core.get() : parts_.made_in.get();
  return core != nullptr && core->generations->closed();
}

bool HeldKey::IsUnchanged(std::uint64_t answers) const {
  if (IsZeroized()) return false;
  if (parts_.core == nullptr) return !deleted_.load(std::memory_order_acquire);
  return parts_.core->generations->Epoch(keys::EpochSlot(handle_)) == answers >> kEpochShift;
}

Status HeldKey::CheckUse(Use use) const {
  const std::uint64_t answers = answers_.load(std::memory_order_acquire);
  if ((answers & Bit(use)) != 0 && IsUnchanged(answers)) return {};
  return AskGate(use);
}

Status HeldKey::CheckThere() const {
  if (IsUnchanged(answers_.load(std::memory_order_acquire))) return {};
  if (IsZeroized()) {
    return Fail(ErrorCode::kKeyGone,
                Cat("key ", handle_.ToString(), " went with its cluster, which was zeroized"));
  }
  if (parts_.core != nullptr) return LookAgain();
  return Fail(ErrorCode::kKeyGone, Cat("session key ", handle_.ToString(), " was deleted"));
}

Status HeldKey::AskGate(Use use) const {
  HSMCORE_CHECK(CheckThere());
  std::uint64_t answers = answers_.load(std::memory_order_acquire);  // before the flags
  HSMCORE_CHECK(policy::AllowKeyType(parts_.rules, type(), use));
  HSMCORE_CHECK(policy::AllowUse(
      use, {handle_, Flags(parts_.private_info.has_value(), private_flags_),
            Flags(parts_.public_info.has_value(), public_flags_), is_secret(), is_shared()}));
  if (parts_.private_info) {
    HSMCORE_CHECK(policy::AllowByQuorum(use, *parts_.private_info));
  }
  const KeyLife life = Life();
  HSMCORE_CHECK(policy::AllowState(use, handle_, life));
  // What the clock decides is asked each time.
  if (life.start || life.end) return {};
  // Not when the epoch has moved on meanwhile: then the next use asks anew. Another use's bit may
  // get lost, which costs no more than that either.
  answers_.compare_exchange_strong(answers, answers | Bit(use), std::memory_order_acq_rel);
  return {};
}

// Somebody changed or deleted the key, here or in another process.
Status HeldKey::LookAgain() const {
  const std::lock_guard lock(parts_.core->mutex);
  const std::uint32_t epoch = parts_.core->generations->Epoch(keys::EpochSlot(handle_));
  const auto record = keys::Read(*parts_.core, handle_, users::Actor());
  if (!record) {
    return Fail(ErrorCode::kKeyGone,
                Cat("key ", handle_.ToString(), " was changed since it was loaded, and cannot be ",
                    "read again (", record.error().Message(), "); restart the program"));
  }
  if (!*record || (*record)->life.purge || (parts_.private_info && !(*record)->private_half) ||
      (parts_.public_info && !(*record)->public_half)) {
    return Fail(ErrorCode::kKeyGone, Cat("key ", handle_.ToString(), " was deleted"));
  }
  HSMCORE_CHECK(CheckRecord(**record));
  if (parts_.private_info) {
    private_flags_.store((*record)->private_half->flags.bits(), std::memory_order_relaxed);
  }
  if (parts_.public_info) {
    public_flags_.store((*record)->public_half->flags.bits(), std::memory_order_relaxed);
  }
  RememberLife((*record)->life);
  // An odd epoch is a commit under way: look again next time too.
  if (epoch % 2 == 0) {
    answers_.store(std::uint64_t{epoch} << kEpochShift, std::memory_order_release);
  }
  return {};
}

Status HeldKey::CheckRecord(const keys::KeyRecord& record) const {
  // The words of another owner are not about this key, even when he signs them in its place.
  const bool other_quorum = parts_.private_info && parts_.private_info->quorum != record.quorum;
  if (record.owner != parts_.owner || record.public_part != parts_.public_part || other_quorum) {
    return Fail(ErrorCode::kKeyGone, Cat("key ", handle_.ToString(),
                                         " was replaced since it was loaded; load it again"));
  }
  if (!parts_.private_info) return {};
  const keys::Grant* grant = record.GrantFor(parts_.login->path(), parts_.login->box_key());
  if (grant != nullptr) {
    if (grant->direct) return {};
    HSMCORE_TRY(const keys::Groups groups, keys::Groups::Read(*parts_.core));
    if (groups.Hold(*grant)) return {};
  }
  return Fail(ErrorCode::kRoleForbids,
              Cat("key ", handle_.ToString(), " is no longer shared with you; ask its owner, ",
                  parts_.private_info->owner));
}

bool HeldKey::TakeReserved() const {
  if (reserved_by_.load(std::memory_order_acquire) != getpid()) return false;
  std::uint64_t left = reserved_.load(std::memory_order_relaxed);
  while (left != 0) {
    if (reserved_.compare_exchange_weak(left, left - 1, std::memory_order_relaxed)) return true;
  }
  return false;
}

// A program that uses a key once takes one use; one that goes on reserves twice as many each time,
// so that few of its uses wait for the store.
Status HeldKey::CountLimitedUse() const {
  constexpr std::uint64_t kMostReserved = 1024;
  if (TakeReserved()) return {};
  const std::lock_guard lock(parts_.core->mutex);
  if (TakeReserved()) return {};  // another thread has reserved meanwhile
  if (reserved_by_.load(std::memory_order_relaxed) != getpid()) reserve_next_ = 1;
  HSMCORE_TRY(
      const std::uint64_t reserved,
      keys::ReserveUses(*parts_.core, parts_.login->actor(nullptr), handle_, reserve_next_));
  reserve_next_ = std::min(2 * reserve_next_, kMostReserved);
  reserved_.store(reserved - 1, std::memory_order_relaxed);
  reserved_by_.store(getpid(), std::memory_order_release);
  return {};
}

// As the store has the key now.
Status HeldKey::WithApproval(
    const std::function<Status(const users::Actor&, const keys::KeyRecord&)>& call) const {
  const std::lock_guard lock(parts_.core->mutex);
  const users::Actor me = parts_.login->actor(parts_.approvals.get());
  HSMCORE_TRY(const auto record, keys::Read(*parts_.core, handle_, me));
  if (!record) return Fail(ErrorCode::kKeyGone, Cat("key ", handle_.ToString(), " was deleted"));
  return call(me, *record);
}

// Looked at before the use is counted, and spent after it.
Status HeldKey::CountApprovedUse() const {
  constexpr auto kService = QuorumService::kKeyUsage;
  HSMCORE_CHECK(WithApproval([&](const users::Actor& me, const keys::KeyRecord& record) {
    return keys::CheckApproval(*parts_.core, me, record, kService);
  }));
  HSMCORE_CHECK(CountUse());
  return WithApproval([&](const users::Actor& me, const keys::KeyRecord& record) {
    audit::Entry entry = audit::Named(AuditEvent::kKeyUse, policy::NameOf(Use::kSign));
    entry.keys.push_back(record.handle);
    const audit::Scope scope(me.who(), std::move(entry));
    return keys::TakeApproval(*parts_.core, me, record, kService);
  });
}

Result<std::unique_ptr<SignatureStream>> HeldKey::Counted(
    Result<std::unique_ptr<SignatureStream>> stream) const {
  if (!stream || !is_counted()) return stream;
  return CountedSignature(shared_from_this(), *std::move(stream));
}

Result<std::unique_ptr<CipherStream>> HeldKey::Counted(
    Result<std::unique_ptr<CipherStream>> stream) const {
  if (!stream || use_limit_.load(std::memory_order_relaxed) == 0) return stream;
  return CountedCipher(shared_from_this(), *std::move(stream));
}

Status HeldKey::CheckPairUse(Use use) const {
  if (parts_.ready != nullptr) {
    HSMCORE_CHECK(CheckUse(use));
    return Record(use);
  }
  return Fail(ErrorCode::kKeyTypeMismatch,
              Cat("key ", handle_.ToString(), " is a secret key; this operation needs a key pair"));
}

Status HeldKey::CheckSigning(const SignMechanism& mechanism, std::size_t tbs_size) const {
  HSMCORE_CHECK(CheckPairUse(Use::kSign));
  return policy::AllowSigning(parts_.rules, parts_.public_part, mechanism, tbs_size);
}

Status HeldKey::CheckCipher(Use use, const CipherMechanism& mechanism) const {
  HSMCORE_CHECK(CheckPairUse(use));
  return policy::AllowRsaCipher(parts_.rules, mechanism.kind);
}

Result<std::unique_ptr<SignatureStream>> HeldKey::NewSigner(const SignMechanism& mechanism) const {
  HSMCORE_CHECK(CheckSigning(mechanism, 0));
  return Counted(parts_.ready->NewSigner(parts_.ready, mechanism));
}

Result<std::unique_ptr<SignatureStream>> HeldKey::NewVerifier(
    const SignMechanism& mechanism) const {
  HSMCORE_CHECK(CheckPairUse(Use::kVerify));
  return parts_.ready->NewVerifier(parts_.ready, mechanism);
}

Result<std::size_t> HeldKey::Sign(const SignMechanism& mechanism, ByteView tbs,
                                  std::span<std::uint8_t> out) const {
  HSMCORE_CHECK(CheckSigning(mechanism, tbs.size()));
  HSMCORE_CHECK(CountSigning());
  return parts_.ready->Sign(mechanism, tbs, out);
}

Result<bool> HeldKey::Verify(const SignMechanism& mechanism, ByteView tbs,
                             ByteView signature) const {
  HSMCORE_CHECK(CheckPairUse(Use::kVerify));
  return parts_.ready->Verify(mechanism, tbs, signature);
}

Result<std::size_t> HeldKey::VerifyRecover(const SignMechanism& mechanism, ByteView signature,
                                           std::span<std::uint8_t> out) const {
  HSMCORE_CHECK(CheckPairUse(Use::kVerify));
  return parts_.ready->VerifyRecover(mechanism, signature, out);
}

Result<std::size_t> HeldKey::Encrypt(const CipherMechanism& mechanism, ByteView plain,
                                     std::span<std::uint8_t> out) const {
  HSMCORE_CHECK(CheckCipher(Use::kEncrypt, mechanism));
  return parts_.ready->Encrypt(mechanism, plain, out);
}

Result<std::size_t> HeldKey::Decrypt(const CipherMechanism& mechanism, ByteView cipher,
                                     std::span<std::uint8_t> out) const {
  HSMCORE_CHECK(CheckCipher(Use::kDecrypt, mechanism));
  HSMCORE_CHECK(CountUse());
  return parts_.ready->Decrypt(mechanism, cipher, out);
}

Result<SecretBytes> HeldKey::Agree(const AgreeMechanism& mechanism,
                                   const PublicMaterial& peer) const {
  HSMCORE_CHECK(CheckPairUse(Use::kDerive));
  HSMCORE_CHECK(CountUse());
  return parts_.ready->Agree(mechanism, peer);
}

Result<SecretBytes> HeldKey::Agree(const AgreeMechanism& mechanism, const Key& peer) const {
  HSMCORE_CHECK(CheckPairUse(Use::kDerive));
  HSMCORE_CHECK(CountUse());
  // NOLINTNEXTLINE(cppcoreguidelines-pro-type-static-cast-downcast): there is no other kind
  const auto& other = static_cast<const HeldKey&>(peer);
  if (other.parts_.ready == nullptr) {
    return Fail(ErrorCode::kKeyTypeMismatch, "the peer of a key agreement is no secret key");
  }
  return parts_.ready->Agree(mechanism, *other.parts_.ready);
}

Result<Encapsulated> HeldKey::Encapsulate(const KemMechanism& mechanism) const {
  HSMCORE_CHECK(CheckPairUse(Use::kEncapsulate));
  return parts_.ready->Encapsulate(mechanism);
}

Result<SecretBytes> HeldKey::Decapsulate(const KemMechanism& mechanism, ByteView ciphertext) const {
  HSMCORE_CHECK(CheckPairUse(Use::kDecapsulate));
  HSMCORE_CHECK(CountUse());
  return parts_.ready->Decapsulate(mechanism, ciphertext);
}

Status HeldKey::CheckSecretUse(Use use) const {
  if (parts_.secret != nullptr) {
    HSMCORE_CHECK(CheckUse(use));
    return Record(use);
  }
  return Fail(ErrorCode::kKeyTypeMismatch, Cat("key ", handle_.ToString(), " is of type ",
                                               NameOf(type()), "; a secret key is needed"));
}

Result<std::unique_ptr<CipherStream>> HeldKey::NewCipher(const SymmetricMechanism& mechanism,
                                                         Direction direction) const {
  HSMCORE_CHECK(CheckSecretUse(direction == Direction::kEncrypt ? Use::kEncrypt : Use::kDecrypt));
  HSMCORE_CHECK(CountUse());
  return Counted(crypto::NewCipherStream(parts_.secret, mechanism, direction));
}

Result<std::unique_ptr<SignatureStream>> HeldKey::NewMac(const MacMechanism& mechanism) const {
  HSMCORE_CHECK(CheckSecretUse(Use::kSign));
  return Counted(crypto::NewMacStream(parts_.secret, mechanism, crypto::Operation::kSign));
}

Result<std::unique_ptr<SignatureStream>> HeldKey::NewMacVerifier(
    const MacMechanism& mechanism) const {
  HSMCORE_CHECK(CheckSecretUse(Use::kVerify));
  return Counted(crypto::NewMacStream(parts_.secret, mechanism, crypto::Operation::kVerify));
}

Result<SecretBytes> HeldKey::Derive(const KdfMechanism& mechanism, std::size_t bytes) const {
  HSMCORE_CHECK(CheckSecretUse(Use::kDerive));
  HSMCORE_CHECK(CountUse());
  return crypto::DeriveBytes(*parts_.secret, mechanism, bytes);
}

Result<ByteView> HeldKey::GivenValue() const {
  if (parts_.secret == nullptr) {
    return Fail(ErrorCode::kKeyTypeMismatch, Cat("key ", handle().ToString(), " is no secret key"));
  }
  HSMCORE_CHECK(CheckThere());
  HSMCORE_CHECK(policy::AllowGivenValue(*parts_.private_info, is_token()));
  return parts_.secret->value().Read(SecretAccess{"give a program its own key back"});
}

}  // namespace hsmcore::session

namespace hsmcore {

Result<std::shared_ptr<const Key>> Key::FromPublic(PublicMaterial material,
                                                   const ModeRules& rules) {
  session::HeldKey::Parts parts;
  parts.rules = rules;
  // A key that may do nothing in this mode can still be looked at.
  const bool works = policy::AllowKeyType(rules, TypeOf(material), Use::kVerify).has_value();
  HSMCORE_TRY(const crypto::LibraryKind kind,
              crypto::KindFor(works ? rules.mode : ClusterMode::kNonFips));
  HSMCORE_TRY(parts.ready, crypto::AsymmetricKey::FromPublic(material, kind));
  HSMCORE_TRY(parts.spki, EncodeSpki(material));
  parts.public_part = std::move(material);
  return std::make_shared<const session::HeldKey>(std::move(parts));
}

}  // namespace hsmcore
