// SPDX-License-Identifier: Apache-2.0
#include "keys/key_store.h"

#include <algorithm>
#include <ctime>

#include "base/cbor.h"
#include "base/text.h"
#include "keys/approval.h"
#include "keys/attribute_rules.h"
#include "keys/handle_counter.h"
#include "keys/removal.h"
#include "keys/trusted_mark.h"
#include "keys/usage.h"
#include "users/availability_policy.h"
#include "vault/sealing.h"

namespace hsmcore::keys {
namespace {

using enum QuorumService;

// CloudHSM's availability rule: a key exists once two HSMs hold it. It can be switched off for the
// cluster, and for this process.
Result<unsigned> KeyCopies(cluster::Core& core) {
  constexpr unsigned kByRule = 2;
  if (!core.key_availability_check) return 1;
  HSMCORE_TRY(const bool check, users::KeyAvailabilityCheck(core));
  return check ? kByRule : 1;
}

Status CheckLabelsOf(cluster::Core& core, const KeyRecord& record) {
  std::vector<std::string_view> labels;
  for (const auto* half : {&record.private_half, &record.public_half}) {
    if (*half) labels.emplace_back((*half)->label);
  }
  return CheckLabels(core, labels);
}

void PutIndex(storage::Transaction& change, const KeyRecord& record) {
  for (std::string& path : IndexPaths(record)) change.Put(std::move(path), Bytes());
}

Error NotFound(KeyHandle handle) {
  return {ErrorCode::kKeyNotFound, Cat("there is no key ", handle.ToString())};
}

Result<Bytes> OwnersSignKey(cluster::Core& core, const std::string& owner,
                            const users::Actor& self) {
  if (self.path == owner) return self.identity->public_identity().sign_key;
  HSMCORE_TRY(const vault::PublicIdentity identity, users::IdentityOf(core, owner));
  return identity.sign_key;
}

Result<std::vector<KeyHandle>> HandlesBelow(cluster::Core& core, std::string_view prefix) {
  std::vector<KeyHandle> handles;
  storage::ListOptions options{.after = {}, .limit = 1000, .keys_only = true};
  for (;;) {
    HSMCORE_TRY(const auto page, core.engine->List(prefix, options));
    for (const storage::Entry& entry : page) {
      if (const auto handle = HandleIn(entry.key)) handles.push_back(*handle);
    }
    if (page.size() < options.limit) return handles;
    options.after = page.back().key;
  }
}

// What a process that has the key loaded must learn of: labels and ids it need not.
bool SameUse(const std::optional<ObjectAttributes>& a, const std::optional<ObjectAttributes>& b) {
  return a.has_value() == b.has_value() && (!a || a->flags == b->flags);
}

// Was the key taken from somebody who had it?
bool GrantsWereTaken(const std::vector<Grant>& before, const std::vector<Grant>& after) {
  return !std::ranges::all_of(before, [&after](const Grant& had) {
    return std::ranges::any_of(after, [&had](const Grant& has) {
      return has.user == had.user && has.sealed == had.sealed;
    });
  });
}

// Who lost the key knows the DEK, so the others get a new one.
Status SealAnew(KeyRecord& record, const vault::Identity& owner, const PrivateMaterial& material) {
  for (Grant& grant : record.grants) {
    if (grant.user == record.owner) grant.box_key = owner.public_identity().box_key;
  }
  const SecretBytes dek = vault::RandomSecret(vault::kSealKeyBytes);
  HSMCORE_CHECK(SealGrants(record, dek, GrantsToSeal::kAll));
  return SealPrivate(record, dek, material);
}

// Opens, lets `change` edit, and seals again, because the body is what the private part is bound
// to.
Status EditAndSeal(KeyRecord& record, const users::Actor& owner,
                   const std::function<Status(KeyRecord&)>& change) {
  std::optional<SecretBytes> dek;
  std::optional<PrivateMaterial> material;
  if (record.private_half) {
    HSMCORE_TRY(dek, OpenGrant(record, owner.path, *owner.identity));
    HSMCORE_TRY(material, OpenPrivate(record, *dek));
  }
  const std::vector<Grant> grants = record.grants;
  HSMCORE_CHECK(change(record));
  ++record.version;
  if (!record.private_half) {
    record.sealed.clear();
    record.grants.clear();
    record.groups.clear();
    return {};
  }
  if (GrantsWereTaken(grants, record.grants)) return SealAnew(record, *owner.identity, *material);
  HSMCORE_CHECK(SealGrants(record, *dek, GrantsToSeal::kNew));
  return SealPrivate(record, *dek, *material);
}

}  // namespace

std::uint64_t EpochSlot(KeyHandle handle) { return handle.value / 2; }

Result<std::optional<KeyRecord>> Read(cluster::Core& core, KeyHandle handle,
                                      const users::Actor& self) {
  const std::string path = KeyPath(handle);
  HSMCORE_TRY(auto entry, core.engine->Get(path));
  if (!entry) return std::nullopt;
  auto decoded = DecodeRecord(path, entry->value);
  if (decoded) {
    const auto key = OwnersSignKey(core, decoded->record.owner, self);
    if (key && decoded->SignedBy(*key)) return std::move(decoded->record);
  }
  // This copy is damaged; another HSM's may not be. The engine must not be called from within its
  // own call, so the owners whom a genuine copy may name are looked up before.
  HSMCORE_TRY(const auto users, users::ListUsers(core));
  const storage::Verifier genuine = [&users](const storage::Entry& copy) {
    const auto key = DecodeRecord(copy.key, copy.value);
    if (!key) return false;
    const auto owner = std::ranges::find(users, key->record.owner, &users::UserRecord::path);
    return owner != users.end() && key->SignedBy(owner->identity.sign_key);
  };
  HSMCORE_TRY(entry, core.engine->Get(path, &genuine));
  if (!entry) return std::nullopt;
  HSMCORE_TRY(DecodedKey good, DecodeRecord(path, entry->value));
  return std::move(good.record);
}

Result<std::vector<KeyHandle>> Candidates(cluster::Core& core, const KeyQuery& query) {
  if (query.handle) return std::vector{query.handle->PrivateHalf()};
  if (query.label && !query.label->empty()) {
    return HandlesBelow(core, LabelIndexPrefix(*query.label));
  }
  if (query.id && !query.id->empty()) return HandlesBelow(core, IdIndexPrefix(*query.id));
  return HandlesBelow(core, "key/");
}

Status ForEach(cluster::Core& core, const std::function<void(const KeyRecord&)>& visit) {
  storage::ListOptions options{.after = {}, .limit = 500, .keys_only = false};
  for (;;) {
    HSMCORE_TRY(const auto page, core.engine->List("key/", options));
    for (const storage::Entry& entry : page) {
      if (const auto decoded = DecodeRecord(entry.key, entry.value)) visit(decoded->record);
    }
    if (page.size() < options.limit) return {};
    options.after = page.back().key;
  }
}

namespace {

// Puts a new record in: the caller has set all but its handle and what is sealed.
Status PutNew(cluster::Core& core, storage::Transaction& change, const users::Actor& owner,
              KeyRecord& record, const PrivateMaterial* material) {
  HSMCORE_CHECK(CheckLabelsOf(core, record));
  HSMCORE_TRY(const unsigned copies, KeyCopies(core));
  // A user who was deleted meanwhile must not leave a key behind that is nobody's.
  HSMCORE_TRY(const auto still_there, change.Get(owner.path));
  if (!still_there) return Fail(ErrorCode::kUserNotFound, Cat(owner.path, " was deleted"));
  HSMCORE_TRY(record.handle, TakeHandle(core, change, record.is_secret()));
  if (material != nullptr) {
    const SecretBytes dek = vault::RandomSecret(vault::kSealKeyBytes);
    HSMCORE_CHECK(SealGrants(record, dek, GrantsToSeal::kAll));
    HSMCORE_CHECK(SealPrivate(record, dek, *material));
  }
  change.Put(KeyPath(record.handle), EncodeRecord(record, *owner.identity));
  PutIndex(change, record);
  change.RequireCopies(copies);
  return {};
}

Grant OwnersGrant(const users::Actor& owner) {
  return {owner.path, {}, owner.identity->public_identity().box_key};
}

// Whatever becomes of it, it must not stop the change that it goes before.
void PurgeBefore(cluster::Core& core) {
  [[maybe_unused]] const Status purged = PurgeDue(core, std::time(nullptr));
}

}  // namespace

Result<KeyRecord> Add(cluster::Core& core, const users::Actor& owner, KeyRecord record,
                      const PrivateMaterial* material) {
  PurgeBefore(core);
  record.owner = owner.path;
  record.created = std::time(nullptr);
  if (material != nullptr) record.grants.insert(record.grants.begin(), OwnersGrant(owner));
  HSMCORE_CHECK(CheckQuorum(record));
  HSMCORE_TRY([[maybe_unused]] const auto revision,
              storage::Update(*core.engine, [&](storage::Transaction& change) -> Status {
                HSMCORE_CHECK(PutNew(core, change, owner, record, material));
                if (record.life.use_limit == 0) return {};
                constexpr bool kFresh = true;
                return KeepCount(change, owner, record, kFresh);
              }));
  return record;
}

Status DropStrangers(cluster::Core& core, KeyRecord& record) {
  std::vector<Grant> kept;
  for (Grant& grant : record.grants) {
    if (grant.user != record.owner) {
      const auto identity = users::IdentityOf(core, grant.user);
      if (!identity && identity.error().code() != ErrorCode::kUserNotFound) {
        return std::unexpected(identity.error());
      }
      if (!identity || identity->box_key != grant.box_key) continue;
    }
    kept.push_back(std::move(grant));
  }
  record.grants = std::move(kept);
  return {};
}

Result<KeyRecord> PutBack(cluster::Core& core, KeyHandle handle, ByteView value, ByteView mark) {
  const std::string path = KeyPath(handle);
  HSMCORE_TRY(DecodedKey decoded, DecodeRecord(path, value));
  const KeyRecord& record = decoded.record;
  const auto owner = users::IdentityOf(core, record.owner);
  if (!owner || !decoded.SignedBy(owner->sign_key)) {
    return Fail(ErrorCode::kClusterState,
                Cat("key ", handle.ToString(), " belongs to ", record.owner,
                    owner ? ", who is another user here" : ", who is not in this cluster"));
  }
  HSMCORE_TRY(const users::TrustedSigners admins, users::ReadTrustedSigners(core));
  const std::string mark_path = TrustedPath(handle);
  HSMCORE_TRY(const unsigned copies, KeyCopies(core));
  HSMCORE_TRY([[maybe_unused]] const auto revision,
              storage::Update(*core.engine, [&](storage::Transaction& change) -> Status {
                HSMCORE_TRY(const auto there, change.Get(path));
                if (there) {
                  return Fail(
                      ErrorCode::kClusterState,
                      Cat("key ", handle.ToString(), " is in the cluster; nothing was changed"));
                }
                HSMCORE_CHECK(CountIn(core, change, record.is_secret()));
                change.Put(path, Bytes(value.begin(), value.end()));
                PutIndex(change, record);
                if (IsGenuineMark(mark_path, mark, admins)) {
                  change.Put(mark_path, Bytes(mark.begin(), mark.end()));
                }
                change.RequireCopies(copies);
                change.MoveEpoch(EpochSlot(handle));
                return {};
              }));
  return std::move(decoded.record);
}

namespace {

// A record that was left without halves goes.
Status PutChanged(cluster::Core& core, storage::Transaction& change, const KeyRecord& record,
                  const users::Actor& owner) {
  const std::string path = KeyPath(record.handle);
  if (record.private_half || record.public_half) {
    HSMCORE_CHECK(CheckLabelsOf(core, record));
    change.Put(path, EncodeRecord(record, *owner.identity));
    PutIndex(change, record);
    return {};
  }
  return Remove(core, change, record);
}

}  // namespace

namespace {

// The record that `owner` may change.
Result<KeyRecord> OwnRecord(storage::Transaction& change, const users::Actor& owner,
                            KeyHandle handle, Deed deed) {
  const std::string path = KeyPath(handle);
  HSMCORE_TRY(const auto stored, change.Get(path));
  if (!stored) return std::unexpected(NotFound(handle));
  HSMCORE_TRY(DecodedKey decoded, DecodeRecord(path, *stored));
  KeyRecord& record = decoded.record;
  if (record.owner != owner.path) {
    return Fail(ErrorCode::kRoleForbids,
                Cat("key ", handle.ToString(), " belongs to ", record.Info({}).owner));
  }
  if (!decoded.SignedBy(owner.identity->public_identity().sign_key)) {
    return Fail(ErrorCode::kKeyDamaged,
                Cat(path, " was changed in the store; run 'hsmctl cluster sync'"));
  }
  if (record.life.purge && deed != Deed::kCancelDeletion) {
    return Fail(
        ErrorCode::kKeyNotFound,
        Cat("key ", handle.ToString(), " is deleted; until ", UtcText(*record.life.purge),
            " 'hsmctl key restore --filter key-reference=", handle.ToString(), "' brings it back"));
  }
  if (!record.life.purge && deed == Deed::kCancelDeletion) {
    return Fail(ErrorCode::kKeyNotFound, Cat("key ", handle.ToString(), " is not deleted"));
  }
  return std::move(record);
}

Status RewriteIn(cluster::Core& core, storage::Transaction& change, const users::Actor& owner,
                 KeyRecord& record, const std::function<Status(KeyRecord&)>& change_record) {
  const auto private_before = record.private_half;
  const auto public_before = record.public_half;
  const auto grants_before = record.grants;
  const KeyLife life_before = record.life;
  for (std::string& index : IndexPaths(record)) change.Delete(std::move(index));
  HSMCORE_CHECK(EditAndSeal(record, owner, change_record));
  HSMCORE_CHECK(PutChanged(core, change, record, owner));
  const bool taken = GrantsWereTaken(grants_before, record.grants);
  // The count may have been signed by one who has the key no longer.
  const bool recount = taken || record.life.use_limit != life_before.use_limit;
  if (recount && record.private_half) HSMCORE_CHECK(KeepCount(change, owner, record, false));
  if (taken || life_before != record.life || !SameUse(private_before, record.private_half) ||
      !SameUse(public_before, record.public_half)) {
    change.MoveEpoch(EpochSlot(record.handle));
  }
  return {};
}

}  // namespace

Result<KeyRecord> Rewrite(cluster::Core& core, const users::Actor& owner, KeyHandle handle,
                          const std::function<Status(KeyRecord&)>& change_record, Deed deed) {
  PurgeBefore(core);
  KeyRecord record;
  HSMCORE_TRY([[maybe_unused]] const auto revision,
              storage::Update(*core.engine, [&](storage::Transaction& change) -> Status {
                HSMCORE_TRY(record, OwnRecord(change, owner, handle, deed));
                // As the record is before the change: whoever comes in by it does not approve it.
                if (deed == Deed::kChange) {
                  HSMCORE_CHECK(SpendApproval(core, change, owner, record, kKeyManagement));
                }
                return RewriteIn(core, change, owner, record, change_record);
              }));
  if (deed == Deed::kChange) ForgetApproval(owner, record, kKeyManagement);
  return record;
}

namespace {

// The next version of `old`, to be generated: what it has in common with it.
KeyRecord VersionAfter(const KeyRecord& old, const users::Actor& owner,
                       const PublicMaterial& material) {
  KeyRecord record;
  record.created = std::time(nullptr);
  record.owner = owner.path;
  record.public_part = material;
  record.private_half = old.private_half;
  record.public_half = old.public_half;
  for (auto* half : {&record.private_half, &record.public_half}) {
    if (*half) FinishNew(**half, true);
  }
  record.life.use_limit = old.life.use_limit;
  record.life.version = old.life.version + 1;
  record.life.first = old.life.first.value != 0 ? old.life.first : old.handle;
  record.quorum = old.quorum;
  record.grants = old.grants;
  record.groups = old.groups;
  for (Grant& grant : record.grants) {
    if (grant.user == owner.path) grant = OwnersGrant(owner);
  }
  return record;
}

Status CheckNewest(storage::Transaction& change, const KeyRecord& record) {
  if (record.life.next.value == 0) return {};
  HSMCORE_TRY(const auto next, change.Get(KeyPath(record.life.next)));
  if (!next) return {};  // it was deleted
  return Fail(ErrorCode::kClusterState,
              Cat("key ", record.handle.ToString(), " has a next version, ",
                  record.life.next.ToString(), "; rotate that one"));
}

}  // namespace

Result<KeyRecord> AddVersion(cluster::Core& core, const users::Actor& owner, KeyHandle before,
                             const KeyPairMaterial& material, std::int64_t end) {
  PurgeBefore(core);
  KeyRecord record;
  KeyRecord old;
  HSMCORE_TRY([[maybe_unused]] const auto revision,
              storage::Update(*core.engine, [&](storage::Transaction& change) -> Status {
                HSMCORE_TRY(old, OwnRecord(change, owner, before, Deed::kChange));
                HSMCORE_CHECK(CheckNewest(change, old));
                HSMCORE_CHECK(SpendApproval(core, change, owner, old, kKeyManagement));
                record = VersionAfter(old, owner, material.public_part);
                HSMCORE_CHECK(DropStrangers(core, record));
                HSMCORE_CHECK(CheckEnoughUsers(record));
                HSMCORE_CHECK(PutNew(core, change, owner, record, &material.private_part));
                constexpr bool kFresh = true;
                HSMCORE_CHECK(KeepCount(change, owner, record, kFresh));
                return RewriteIn(core, change, owner, old, [&](KeyRecord& version) -> Status {
                  version.life.next = record.handle;
                  version.life.end = std::min(version.life.end.value_or(end), end);
                  return {};
                });
              }));
  ForgetApproval(owner, old, kKeyManagement);
  return record;
}

}  // namespace hsmcore::keys
