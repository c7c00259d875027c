// SPDX-License-Identifier: Apache-2.0
// The part of a session that takes keys out and in, encrypted by other keys.
#include <algorithm>
#include <mutex>

#include "base/text.h"
#include "crypto/pkcs8_encoder.h"
#include "crypto/wrapping.h"
#include "hsmcore/key_reference.h"
#include "keys/approval.h"
#include "keys/attribute_rules.h"
#include "keys/material.h"
#include "session/session_impl.h"
#include "users/setting.h"

namespace hsmcore::session {
namespace {

Result<const HeldKey*> Held(const Key& key) {
  const auto* held = dynamic_cast<const HeldKey*>(&key);
  if (held != nullptr && held->is_held()) return held;
  return Fail(ErrorCode::kKeyTypeMismatch,
              "wrapping takes keys that are held in the HSM; import the public key first");
}

crypto::WrappingKey WrappingKeyOf(const HeldKey& key) {
  return {.pair = key.pair(), .secret = key.secret().get(), .type = key.type()};
}

Result<SecretBytes> PayloadOf(const PublicMaterial& public_part, const PrivateMaterial& material) {
  if (const auto* secret = std::get_if<SecretValue>(&material)) return secret->value.Clone();
  return crypto::EncodePkcs8(public_part, material);
}

// Is the method for this mode and this payload?
Status CheckMethod(const ModeRules& rules, WrapMechanism::Kind kind, KeyType type) {
  HSMCORE_CHECK(policy::AllowWrapMethod(rules, kind));
  if (IsSecret(type) || !RowOf(kind).secrets_only) return {};
  return Fail(ErrorCode::kKeyTypeMismatch,
              Cat(RowOf(kind).name, " is for secret keys; rsa-aes takes ", NameOf(type), " keys"));
}

// Attributes that name a key belong to both halves of a pair.
bool IsForBothHalves(std::string_view name) {
  return name == RowOf(Attribute::kLabel).name || name == RowOf(Attribute::kId).name ||
         name == RowOf(Attribute::kToken).name;
}

Status Apply(KeyTemplate& made, KeyType type, std::string_view name, std::string_view value) {
  const KeyClass klass = IsSecret(type) ? KeyClass::kSecretKey : KeyClass::kPrivateKey;
  HSMCORE_CHECK(ApplyAtCreation(made, klass, name, value));
  if (IsSecret(type) || !IsForBothHalves(name)) return {};
  return ApplyAtCreation(made.public_half, KeyClass::kPublicKey, name, value);
}

// What the caller asks for, completed by the unwrapping key's template, which it must not
// contradict.
Result<KeyTemplate> TemplateOf(const UnwrapForm& form, const KeyInfo& unwrapping) {
  KeyTemplate made;
  if (IsSecret(form.type)) made = KeyTemplate::Secret();
  made.share_with = form.share_with;
  made.quorum = form.quorum;
  for (const auto& [name, value] : form.attributes) {
    HSMCORE_CHECK(Apply(made, form.type, name, value));
  }
  for (const auto& [attribute, value] : unwrapping.attributes.unwrap_template) {
    const ObjectAttributes before = made.private_half;
    const std::string_view name = RowOf(attribute).name;
    HSMCORE_CHECK(Apply(made, form.type, name, value));
    const bool given = std::ranges::any_of(
        form.attributes, [name](const auto& assignment) { return assignment.first == name; });
    if (given && made.private_half != before) {
      return Fail(ErrorCode::kAttributeForbids,
                  Cat("what key ", unwrapping.handle.ToString(), " unwraps has ", name, "=", value,
                      ": its attribute 'unwrap-template' says so"));
    }
  }
  return made;
}

// An AES key that an admin marked is the one that he marked: its value fits the commitment, which
// is all that the mark knows of it.
Status CheckCommitment(const HeldKey& wrapping, const KeyInfo& info) {
  if (wrapping.secret() == nullptr) return {};
  HSMCORE_TRY(const SecretFacts facts, crypto::FactsOf(wrapping.type(), wrapping.secret()->value(),
                                                       wrapping.secret()->library().kind()));
  if (info.public_part == PublicMaterial(facts)) return {};
  return Fail(ErrorCode::kKeyDamaged,
              Cat("key ", info.handle.ToString(), " is not the key that was marked as trusted"));
}

// May the payload leave, encrypted by the other key? Both as the store has them now.
Status AllowOut(const KeyInfo& payload, const HeldKey& wrapping, const KeyInfo& wrapping_now,
                std::string_view user) {
  HSMCORE_CHECK(policy::AllowWrap(payload, wrapping_now, user));
  if (!payload.attributes.flags.Has(Attribute::kWrapWithTrusted)) return {};
  return CheckCommitment(wrapping, wrapping_now);
}

// What came out of PKCS#1 v1.5 is not authentic: its length would tell how the padding was.
Result<KeyPtr> WithoutTelling(Result<KeyPtr> key, WrapMechanism::Kind kind) {
  const bool tells =
      kind == WrapMechanism::Kind::kRsaPkcs && !key &&
      (key.error().code() == ErrorCode::kKeySize || key.error().code() == ErrorCode::kKeyImport);
  if (tells) return std::unexpected(crypto::NotUnwrapped());
  return key;
}

Result<KeyPairMaterial> DecodePair(const SecretBytes& plain, KeyType type) {
  HSMCORE_TRY(KeyPairMaterial material, DecodePkcs8(plain));
  if (TypeOf(material.public_part) == type) return material;
  return Fail(ErrorCode::kKeyImport,
              Cat("the wrapped key is of type ", NameOf(TypeOf(material.public_part)), ", not ",
                  NameOf(type)));
}

}  // namespace

KeyInfo SessionImpl::InfoOf(const keys::KeyRecord& record, KeyClass klass) const {
  KeyInfo info = record.Info(klass);
  const bool wraps = klass != KeyClass::kPrivateKey;
  if (wraps && marks_.Cover(record)) info.attributes.flags.Set(Attribute::kTrusted, true);
  info.groups = groups_.CoverageOf(record);
  return info;
}

// Marks and groups are few, and read together once for every change of the cluster.
Status SessionImpl::RefreshMarks() {
  const auto head = core_->generations->ReadHead();
  if (!head.busy && marks_head_ == head) return {};
  HSMCORE_TRY(keys::Marks marks, keys::Marks::Read(*core_));
  HSMCORE_TRY(keys::Groups groups, keys::Groups::Read(*core_));
  HSMCORE_TRY(auto stored, users::ReadSetting<users::KeyUsePolicy>(*core_));
  users::KeyUsePolicy key_use = std::move(stored).value_or(users::KeyUsePolicy());
  // Whose keys go by those of before.
  if (marks != marks_ || groups != groups_ || key_use != key_use_) cache_.clear();
  marks_ = std::move(marks);
  groups_ = std::move(groups);
  key_use_ = std::move(key_use);
  marks_head_ = head;
  return {};
}

Result<KeyInfo> SessionImpl::MarkTrusted(KeyHandle handle, std::string_view value) {
  HSMCORE_CHECK(Allow(policy::Operation::kSetTrusted));
  const std::lock_guard lock(core_->mutex);
  HSMCORE_CHECK(RefreshMarks());
  HSMCORE_TRY(const auto record, ReadRecord(handle));
  if (!record || record->life.purge ||
      !(handle.IsPublicHalf() ? record->public_half : record->private_half)) {
    return Fail(ErrorCode::kKeyNotFound, Cat("there is no key ", handle.ToString()));
  }
  HSMCORE_CHECK(keys::CheckMarkable(*record, handle));
  KeyInfo info =
      InfoOf(*record, handle.IsPublicHalf() ? KeyClass::kPublicKey : record->private_class());
  HSMCORE_CHECK(
      keys::Change(info.attributes, login_->role, RowOf(Attribute::kTrusted).name, value));
  HSMCORE_CHECK(
      keys::SetMark(*core_, Me(), *record, info.attributes.flags.Has(Attribute::kTrusted)));
  return info;
}

Result<SessionImpl::Fresh> SessionImpl::FreshLocked(const HeldKey& key, bool public_half,
                                                    bool with_material) {
  const KeyInfo* known = public_half ? key.public_info() : key.private_info();
  if (known == nullptr) {
    const char* half = public_half ? "public" : "private";
    return Fail(public_half ? ErrorCode::kKeyNotFound : ErrorCode::kPublicKeyOnly,
                Cat("key ", key.handle().ToString(), ": this needs its ", half, " half"));
  }
  Fresh fresh;
  if (!key.is_token()) {
    fresh.info = *known;
    if (with_material) fresh.material = keys::CloneOf(*key.material());
    return fresh;
  }
  HSMCORE_CHECK(RefreshMarks());
  HSMCORE_TRY(const auto record, ReadRecord(known->handle));
  if (!record || record->life.purge ||
      !(public_half ? record->public_half : record->private_half)) {
    return Fail(ErrorCode::kKeyGone, Cat("key ", known->handle.ToString(), " was deleted"));
  }
  fresh.info = InfoOf(*record, known->klass);
  fresh.record = *record;
  if (!with_material) return fresh;
  const users::Actor me = Me();
  HSMCORE_TRY(const SecretBytes dek, keys::OpenGrant(*record, me.path, *me.identity));
  HSMCORE_TRY(fresh.material, keys::OpenPrivate(*record, dek));
  return fresh;
}

Status SessionImpl::TakeApprovals(
    const std::vector<const std::optional<keys::KeyRecord>*>& records) {
  std::vector<const keys::KeyRecord*> guarded;
  for (const auto* record : records) {
    if (*record && (*record)->quorum.manage != 0) guarded.push_back(&**record);
  }
  if (guarded.empty()) return {};
  constexpr auto kService = QuorumService::kKeyManagement;
  const users::Actor me = Me();
  // Both keys' in one commit, so that none is spent in vain.
  HSMCORE_TRY([[maybe_unused]] const auto revision,
              storage::Update(*core_->engine, [&](storage::Transaction& change) -> Status {
                for (const keys::KeyRecord* record : guarded) {
                  HSMCORE_CHECK(keys::SpendApproval(*core_, change, me, *record, kService));
                }
                return {};
              }));
  for (const keys::KeyRecord* record : guarded) keys::ForgetApproval(me, *record, kService);
  return {};
}

Result<SessionImpl::Outgoing> SessionImpl::TakeOut(const HeldKey& outer, const HeldKey& inner) {
  const std::lock_guard lock(core_->mutex);
  HSMCORE_TRY(Fresh outer_now, FreshLocked(outer, !outer.is_secret(), false));
  HSMCORE_TRY(Fresh inner_now, FreshLocked(inner, false, true));
  HSMCORE_CHECK(AllowOut(inner_now.info, outer, outer_now.info, user_));
  Outgoing out;
  HSMCORE_TRY(out.plain, PayloadOf(inner_now.info.public_part, inner_now.material));
  out.payload = std::move(inner_now.record);
  // Anybody could wrap by a public key elsewhere.
  if (outer.is_secret()) out.wrapping = std::move(outer_now.record);
  return out;
}

Result<WrappedKey> SessionImpl::Wrap(const Key& wrapping, const Key& payload,
                                     const WrapMechanism& mechanism) {
  HSMCORE_CHECK(Allow(policy::Operation::kManageKeys));
  HSMCORE_TRY(const HeldKey* const outer, Held(wrapping));
  HSMCORE_TRY(const HeldKey* const inner, Held(payload));
  HSMCORE_CHECK(outer->CheckUse(Key::Use::kWrap));
  HSMCORE_CHECK(CheckMethod(Rules(), mechanism.kind, inner->type()));
  HSMCORE_TRY(const Outgoing out, TakeOut(*outer, *inner));
  if (outer->is_secret()) HSMCORE_CHECK(outer->CountUse());
  HSMCORE_TRY(WrappedKey wrapped, crypto::Wrap(WrappingKeyOf(*outer), mechanism, out.plain));
  // Nobody has it before it is approved, and what does not fit spends nothing.
  const std::lock_guard lock(core_->mutex);
  HSMCORE_CHECK(TakeApprovals({&out.wrapping, &out.payload}));
  return wrapped;
}

Result<KeyTemplate> SessionImpl::AllowIn(const HeldKey& outer, const UnwrapForm& form) {
  const std::lock_guard lock(core_->mutex);
  HSMCORE_TRY(const Fresh now, FreshLocked(outer, false, false));
  HSMCORE_TRY(KeyTemplate made, TemplateOf(form, now.info));
  const bool token = made.private_half.flags.Has(Attribute::kToken);
  HSMCORE_CHECK(Allow(token ? policy::Operation::kManageKeys : policy::Operation::kMakeSessionKey));
  // Before it is decrypted: whoever has an approval does not try out with it what decrypts.
  HSMCORE_CHECK(TakeApprovals({&now.record}));
  return made;
}

Result<KeyPtr> SessionImpl::Unwrap(const Key& unwrapping, const WrapMechanism& mechanism,
                                   ByteView wrapped, const UnwrapForm& form) {
  HSMCORE_TRY(const HeldKey* const outer, Held(unwrapping));
  HSMCORE_CHECK(outer->CheckUse(Key::Use::kUnwrap));
  HSMCORE_CHECK(CheckMethod(Rules(), mechanism.kind, form.type));
  HSMCORE_TRY(const KeyTemplate made, AllowIn(*outer, form));
  HSMCORE_CHECK(outer->CountUse());
  HSMCORE_TRY(const SecretBytes plain, crypto::Unwrap(WrappingKeyOf(*outer), mechanism, wrapped));
  if (IsSecret(form.type)) {
    return WithoutTelling(ImportSecret(form.type, plain, made), mechanism.kind);
  }
  HSMCORE_TRY(const KeyPairMaterial material, DecodePair(plain, form.type));
  return ImportPair(material, made);
}

}  // namespace hsmcore::session
