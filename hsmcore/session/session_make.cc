// SPDX-License-Identifier: Apache-2.0
// The part of a session that makes new keys: generated, imported, derived, agreed on.
#include <algorithm>
#include <atomic>
#include <mutex>
#include <utility>

#include "base/text.h"
#include "keys/attribute_rules.h"
#include "keys/life.h"
#include "keys/material.h"
#include "session/session_impl.h"

namespace hsmcore::session {
namespace {

KeyHandle NextSessionHandle() {
  constexpr std::uint64_t kSessionBit = std::uint64_t{1} << 63;
  static constinit std::atomic<std::uint64_t> next = 1;
  return {kSessionBit | (2 * next.fetch_add(1, std::memory_order_relaxed))};
}

// Neither FIPS 203 nor SP 800-56B makes a shorter key of a KEM's secret than by a KDF.
Status CheckKemLength(const KeySpec& spec, std::size_t secret_bytes) {
  const std::size_t wanted = spec.secret_bytes == 0 ? secret_bytes : spec.secret_bytes;
  if (wanted != secret_bytes || !crypto::SecretLength(spec.type, wanted)) {
    return Fail(ErrorCode::kKeySize,
                Cat("this KEM's secret has ", secret_bytes, " bytes, which no such key of type ",
                    NameOf(spec.type), " has; keep it as a generic-secret and derive from that"));
  }
  return {};
}

}  // namespace

Result<KeyPtr> SessionImpl::MakeTokenKey(const KeyPairMaterial& material, const KeyTemplate& form) {
  keys::KeyRecord record;
  record.public_part = material.public_part;
  record.private_half = form.private_half;
  if (!record.is_secret()) record.public_half = form.public_half;
  const std::lock_guard lock(core_->mutex);
  HSMCORE_CHECK(Tie(record, form));
  HSMCORE_TRY(record, keys::Add(*core_, Me(), std::move(record), &material.private_part));
  return LoadHandle(record.handle, true);
}

Status SessionImpl::Tie(keys::KeyRecord& record, const KeyTemplate& form) {
  record.life.start = form.life.start;
  record.life.end = form.life.end;
  record.life.use_limit = form.life.use_limit;
  record.quorum = form.quorum;
  for (const std::string& user : form.share_with) {
    HSMCORE_TRY(const std::string name, users::NormalisedName(user));
    HSMCORE_TRY(const users::DecodedRecord found, users::GetUser(*core_, Role::kCryptoUser, name));
    const std::string path = found.record.path();
    if (path == Me().path) {
      return Fail(ErrorCode::kInvalidArgument,
                  Cat("'", name, "' makes the key, and need not share it with himself"));
    }
    const bool twice =
        std::ranges::find(record.grants, path, &keys::Grant::user) != record.grants.end();
    if (!twice) record.grants.push_back({path, {}, found.record.identity.box_key});
  }
  return {};
}

Result<KeyPtr> SessionImpl::MakeSessionKey(const KeyPairMaterial& material, const KeyTemplate& form,
                                           ReadyKey ready) {
  if (!form.share_with.empty() || form.quorum.any() || form.life != KeyLife()) {
    return Fail(ErrorCode::kSessionKey,
                "a session key ends with its process; only a persistent key is shared, and has "
                "dates, a use-limit or quorum values");
  }
  HeldKey::Parts parts;
  parts.ready = std::move(ready);
  parts.public_part = material.public_part;
  parts.material = keys::CloneOf(material.private_part);
  parts.rules = Rules();
  parts.made_in = core_;
  const KeyHandle handle = NextSessionHandle();
  const bool pair = !std::holds_alternative<SecretFacts>(material.public_part);
  parts.private_info = {.handle = handle,
                        .klass = pair ? KeyClass::kPrivateKey : KeyClass::kSecretKey,
                        .attributes = form.private_half,
                        .public_part = material.public_part,
                        .owner = user_,
                        .shared_users = {},
                        .created = 0,
                        .pair = pair};
  if (pair) {
    parts.public_info = parts.private_info;
    parts.public_info->handle = handle.PublicHalf();
    parts.public_info->klass = KeyClass::kPublicKey;
    parts.public_info->attributes = form.public_half;
  }
  HSMCORE_TRY(std::shared_ptr<const HeldKey> held,
              HeldKey::Make(std::move(parts), &material.private_part));
  const std::lock_guard lock(core_->mutex);
  RememberSessionKey(held);
  return held;
}

Result<KeyPtr> SessionImpl::Make(const KeyPairMaterial& material, KeyTemplate form, bool local,
                                 ReadyKey ready) {
  HSMCORE_CHECK(CheckNames(form.private_half));
  HSMCORE_CHECK(CheckNames(form.public_half));
  const bool token = form.private_half.flags.Has(Attribute::kToken);
  form.public_half.flags.Set(Attribute::kToken, token);
  keys::FinishNew(form.private_half, local);
  keys::FinishNew(form.public_half, local);
  return token ? MakeTokenKey(material, form) : MakeSessionKey(material, form, std::move(ready));
}

Result<KeyPtr> SessionImpl::Generate(const KeySpec& spec, const KeyTemplate& form) {
  const bool token = form.private_half.flags.Has(Attribute::kToken);
  HSMCORE_CHECK(AllowNew(spec.type, policy::Origin::kGenerated, token));
  HSMCORE_TRY(const crypto::LibraryKind kind, Library());
  if (IsSecret(spec.type)) {
    HSMCORE_TRY(SecretBytes value, crypto::GenerateSecret(spec.type, spec.secret_bytes, kind));
    HSMCORE_TRY(SecretFacts facts, crypto::FactsOf(spec.type, value, kind));
    return Make({std::move(facts), SecretValue{std::move(value)}}, form, true, nullptr);
  }
  HSMCORE_TRY(crypto::ReadyPair made, crypto::GenerateReadyPair(spec, kind));
  return Make(made.material, form, true, std::move(made.ready));
}

Result<KeyPtr> SessionImpl::ImportPair(const KeyPairMaterial& material, const KeyTemplate& form) {
  const bool token = form.private_half.flags.Has(Attribute::kToken);
  HSMCORE_CHECK(AllowNew(TypeOf(material.public_part), policy::Origin::kFromOutside, token));
  HSMCORE_TRY(const crypto::LibraryKind kind, Library());
  HSMCORE_TRY(ReadyKey ready, crypto::AsymmetricKey::FromPair(material, true, kind));
  return Make(material, form, false, std::move(ready));
}

Status SessionImpl::AllowSecret(KeyType type, const ObjectAttributes& form) const {
  HSMCORE_CHECK(CheckNames(form));
  return AllowNew(type, policy::Origin::kFromOutside, form.flags.Has(Attribute::kToken));
}

Result<KeyPtr> SessionImpl::KeepSecret(KeyType type, SecretBytes value, const KeyTemplate& form) {
  HSMCORE_TRY(const crypto::LibraryKind kind, Library());
  HSMCORE_TRY(SecretFacts facts, crypto::FactsOf(type, value, kind));
  return Make({std::move(facts), SecretValue{std::move(value)}}, form, false, nullptr);
}

Result<KeyPtr> SessionImpl::ImportSecret(KeyType type, const SecretBytes& value,
                                         const KeyTemplate& form) {
  HSMCORE_CHECK(AllowSecret(type, form.private_half));
  return KeepSecret(type, value.Clone(), form);
}

Result<KeyPtr> SessionImpl::Derive(const Key& key, const KdfMechanism& mechanism,
                                   const KeySpec& spec, const ObjectAttributes& form) {
  HSMCORE_CHECK(AllowSecret(spec.type, form));
  HSMCORE_TRY(const std::size_t bytes, crypto::SecretLength(spec.type, spec.secret_bytes));
  HSMCORE_TRY(SecretBytes value, key.Derive(mechanism, bytes));
  return KeepSecret(spec.type, std::move(value), {form, {}});
}

Result<KeyPtr> SessionImpl::Agree(const Key& key, const AgreeMechanism& mechanism, const Key& peer,
                                  const KeySpec& spec, const ObjectAttributes& form) {
  HSMCORE_CHECK(AllowSecret(spec.type, form));
  HSMCORE_TRY(const std::size_t bytes, crypto::SecretLength(spec.type, spec.secret_bytes));
  AgreeMechanism agreement = mechanism;
  agreement.x963_length = bytes;
  HSMCORE_TRY(SecretBytes value, key.Agree(agreement, peer));
  const bool whole = spec.type == KeyType::kGenericSecret && spec.secret_bytes == 0;
  if (!mechanism.x963_digest && !whole) {
    if (value.size() < bytes) {
      return Fail(ErrorCode::kKeySize,
                  Cat("the shared secret has ", value.size(), " bytes, too few for ", bytes,
                      "; ask for a shorter key, or for the X9.63 KDF"));
    }
    value.TruncateToLast(bytes);
  }
  return KeepSecret(spec.type, std::move(value), {form, {}});
}

Result<EncapsulatedKey> SessionImpl::Encapsulate(const Key& key, const KemMechanism& mechanism,
                                                 const KeySpec& spec,
                                                 const ObjectAttributes& form) {
  HSMCORE_CHECK(AllowSecret(spec.type, form));
  HSMCORE_TRY(Encapsulated made, key.Encapsulate(mechanism));
  HSMCORE_CHECK(CheckKemLength(spec, made.secret.size()));
  HSMCORE_TRY(KeyPtr kept, KeepSecret(spec.type, std::move(made.secret), {form, {}}));
  return EncapsulatedKey{std::move(made.ciphertext), std::move(kept)};
}

Result<KeyPtr> SessionImpl::Decapsulate(const Key& key, const KemMechanism& mechanism,
                                        ByteView ciphertext, const KeySpec& spec,
                                        const ObjectAttributes& form) {
  HSMCORE_CHECK(AllowSecret(spec.type, form));
  HSMCORE_TRY(SecretBytes value, key.Decapsulate(mechanism, ciphertext));
  HSMCORE_CHECK(CheckKemLength(spec, value.size()));
  return KeepSecret(spec.type, std::move(value), {form, {}});
}

Result<KeyInfo> SessionImpl::ImportPublic(const PublicMaterial& material,
                                          const ObjectAttributes& form) {
  constexpr bool kPersistent = true;
  HSMCORE_CHECK(AllowNew(TypeOf(material), policy::Origin::kFromOutside, kPersistent));
  HSMCORE_CHECK(CheckNames(form));
  HSMCORE_TRY(const crypto::LibraryKind kind, Library());
  HSMCORE_CHECK(crypto::AsymmetricKey::FromPublic(material, kind));
  keys::KeyRecord record;
  record.public_part = material;
  record.public_half = form;
  record.public_half->flags.Set(Attribute::kToken, true);
  keys::FinishNew(*record.public_half, false);
  const std::lock_guard lock(core_->mutex);
  HSMCORE_TRY(record, keys::Add(*core_, Me(), std::move(record), nullptr));
  return record.Info(KeyClass::kPublicKey);
}

}  // namespace hsmcore::session

namespace hsmcore {

Status ApplyAtCreation(KeyTemplate& form, KeyClass klass, std::string_view name,
                       std::string_view value) {
  const auto attribute = AttributeByName(name);
  if (attribute && keys::IsOfLife(*attribute) && klass != KeyClass::kPublicKey) {
    return keys::SetNewLife(form.life, *attribute, value);
  }
  ObjectAttributes& half = klass == KeyClass::kPublicKey ? form.public_half : form.private_half;
  return ApplyAtCreation(half, klass, name, value);
}

}  // namespace hsmcore
