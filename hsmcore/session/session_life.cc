// SPDX-License-Identifier: Apache-2.0
// The part of a session that is about the life of keys: dates, disabling, deletion that can be
// taken back, new versions.
#include <ctime>
#include <mutex>

#include "base/text.h"
#include "crypto/asymmetric_key.h"
#include "crypto/secret_key.h"
#include "keys/life.h"
#include "keys/usage.h"
#include "session/session_impl.h"

namespace hsmcore::session {
namespace {

constexpr std::int64_t kDay = std::int64_t{24} * 60 * 60;

std::uint64_t NumberOf(ByteView big_endian) {
  std::uint64_t number = 0;
  for (const std::uint8_t byte : big_endian) number = (number << 8) | byte;
  return number;
}

// What a new version is generated from.
KeySpec SpecOf(const PublicMaterial& material) {
  KeySpec spec;
  spec.type = TypeOf(material);
  if (const auto* rsa = std::get_if<RsaPublic>(&material)) {
    spec.modulus_bits = BitsOf(*rsa);
    spec.public_exponent = NumberOf(rsa->exponent);
    spec.pss = rsa->pss;
  } else if (const auto* ec = std::get_if<EcPublic>(&material)) {
    spec.curve = ec->curve;
  } else if (const auto* secret = std::get_if<SecretFacts>(&material)) {
    spec.secret_bytes = secret->length;
  }
  return spec;
}

Status CheckPersistent(KeyHandle handle) {
  if (!handle.IsSession()) return {};
  return Fail(ErrorCode::kSessionKey,
              Cat("session key ", handle.ToString(), " ends with its process, and has no dates, ",
                  "states and versions"));
}

}  // namespace

KeyInfo SessionImpl::InfoOfHalf(const keys::KeyRecord& record, KeyHandle handle) const {
  const bool public_half = handle.IsPublicHalf() || !record.private_half;
  return InfoOf(record, public_half ? KeyClass::kPublicKey : record.private_class());
}

Result<KeyInfo> SessionImpl::ChangeLife(KeyHandle handle, keys::Deed deed,
                                        const std::function<Status(keys::KeyRecord&)>& change) {
  HSMCORE_CHECK(CheckPersistent(handle));
  HSMCORE_CHECK(Allow(policy::Operation::kManageKeys));
  const std::lock_guard lock(core_->mutex);
  HSMCORE_TRY(const keys::KeyRecord record, keys::Rewrite(*core_, Me(), handle, change, deed));
  HSMCORE_CHECK(RefreshMarks());
  KeyInfo info = InfoOfHalf(record, handle);
  HSMCORE_CHECK(AddUseCount(info));
  return info;
}

Status SessionImpl::AddUseCount(KeyInfo& info) {
  if (info.life.use_limit == 0) return {};
  HSMCORE_TRY(info.use_count, keys::ShownUses(*core_, info.handle));
  return {};
}

Result<KeyInfo> SessionImpl::SetLife(KeyHandle handle, Attribute attribute,
                                     std::string_view value) {
  return ChangeLife(handle, keys::Deed::kChange, [&](keys::KeyRecord& key) -> Status {
    const auto& half = handle.IsPublicHalf() ? key.public_half : key.private_half;
    if (!half) {
      return Fail(ErrorCode::kKeyNotFound, Cat("there is no key ", handle.ToString()));
    }
    if (attribute == Attribute::kUseLimit && !key.private_half) {
      return Fail(ErrorCode::kPublicKeyOnly,
                  Cat("uses of a public key are not counted: key ", handle.ToString()));
    }
    return keys::SetLife(key.life, *half, attribute, value);
  });
}

Result<KeyInfo> SessionImpl::SetKeyEnabled(KeyHandle handle, bool enabled) {
  return ChangeLife(handle, keys::Deed::kChange, [&](keys::KeyRecord& key) -> Status {
    key.life.enabled = enabled;
    return {};
  });
}

Result<KeyInfo> SessionImpl::ScheduleDeletion(KeyHandle handle, unsigned days) {
  if (days < kMinRecoveryDays || days > kMaxRecoveryDays) {
    return Fail(ErrorCode::kInvalidArgument,
                Cat("a deletion can be taken back for ", kMinRecoveryDays, " to ", kMaxRecoveryDays,
                    " days"));
  }
  return ChangeLife(handle, keys::Deed::kDelete, [&](keys::KeyRecord& key) -> Status {
    if (key.private_half) HSMCORE_CHECK(policy::AllowDelete(key.Info(key.private_class())));
    if (key.public_half) HSMCORE_CHECK(policy::AllowDelete(key.Info(KeyClass::kPublicKey)));
    key.life.purge = std::time(nullptr) + (days * kDay);
    return {};
  });
}

Result<KeyInfo> SessionImpl::CancelDeletion(KeyHandle handle) {
  return ChangeLife(handle, keys::Deed::kCancelDeletion, [&](keys::KeyRecord& key) -> Status {
    key.life.purge.reset();
    return {};
  });
}

Result<KeyPairMaterial> SessionImpl::GenerateLike(const PublicMaterial& material) {
  const KeySpec spec = SpecOf(material);
  constexpr bool kToken = true;
  HSMCORE_CHECK(AllowNew(spec.type, policy::Origin::kGenerated, kToken));
  HSMCORE_TRY(const crypto::LibraryKind kind, Library());
  if (!IsSecret(spec.type)) return crypto::GeneratePair(spec, kind);
  HSMCORE_TRY(SecretBytes value, crypto::GenerateSecret(spec.type, spec.secret_bytes, kind));
  HSMCORE_TRY(SecretFacts facts, crypto::FactsOf(spec.type, value, kind));
  return KeyPairMaterial{std::move(facts), SecretValue{std::move(value)}};
}

Result<KeyPtr> SessionImpl::RotateKey(KeyHandle handle, std::int64_t overlap) {
  HSMCORE_CHECK(CheckPersistent(handle));
  HSMCORE_CHECK(Allow(policy::Operation::kManageKeys));
  if (overlap < 0) return Fail(ErrorCode::kInvalidArgument, "the overlap is a number of seconds");
  PublicMaterial like;
  {
    const std::lock_guard lock(core_->mutex);
    HSMCORE_TRY(const auto old, ReadRecord(handle));
    if (!old || old->life.purge) {
      return Fail(ErrorCode::kKeyNotFound, Cat("there is no key ", handle.ToString()));
    }
    if (!old->private_half) {
      return Fail(
          ErrorCode::kPublicKeyOnly,
          Cat("key ", handle.ToString(), " is a public key; its owner elsewhere rotates it"));
    }
    like = old->public_part;
  }
  HSMCORE_TRY(const KeyPairMaterial material, GenerateLike(like));
  const std::lock_guard lock(core_->mutex);
  HSMCORE_TRY(const keys::KeyRecord version,
              keys::AddVersion(*core_, Me(), handle, material, std::time(nullptr) + overlap));
  return LoadHandle(version.handle, true);
}

}  // namespace hsmcore::session
