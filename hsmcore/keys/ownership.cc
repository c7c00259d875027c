// SPDX-License-Identifier: Apache-2.0
#include "keys/ownership.h"

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "audit/log.h"
#include "base/text.h"
#include "keys/key_store.h"
#include "keys/record.h"
#include "keys/trusted_mark.h"
#include "vault/sealing.h"

namespace hsmcore::keys {
namespace {

// The users who had one before, without the giver, to be sealed anew. A user who is gone gets none.
std::vector<Grant> GrantsFor(cluster::Core& core, const KeyRecord& record, const Handover& who) {
  std::vector<Grant> grants = {{who.to.path, {}, who.to.identity->public_identity().box_key}};
  for (const Grant& grant : record.grants) {
    if (grant.user == who.from.path || grant.user == who.to.path) continue;
    const auto identity = users::IdentityOf(core, grant.user);
    if (!identity || identity->box_key != grant.box_key) continue;
    grants.push_back(grant);
    grants.back().sealed.clear();
  }
  return grants;
}

// Nothing: it is not, or no longer, the giver's.
Result<std::optional<KeyRecord>> ReadGivers(storage::Transaction& change, const Handover& who,
                                            KeyHandle handle) {
  const std::string path = KeyPath(handle);
  HSMCORE_TRY(const auto stored, change.Get(path));
  if (!stored) return std::nullopt;
  HSMCORE_TRY(DecodedKey decoded, DecodeRecord(path, *stored));
  if (decoded.record.owner != who.from.path) return std::nullopt;
  if (decoded.SignedBy(who.from.identity->public_identity().sign_key)) {
    return std::move(decoded.record);
  }
  return Fail(ErrorCode::kKeyDamaged,
              Cat(path, " was changed in the store; run 'hsmctl cluster sync'"));
}

// The private part is bound to the record that names the owner.
Status ChangeOwner(cluster::Core& core, KeyRecord& record, const Handover& who) {
  std::optional<PrivateMaterial> material;
  if (record.private_half) {
    HSMCORE_TRY(const SecretBytes dek, OpenGrant(record, who.from.path, *who.from.identity));
    HSMCORE_TRY(material, OpenPrivate(record, dek));
  }
  record.owner = who.to.path;
  ++record.version;
  if (!material) return {};
  const SecretBytes dek = vault::RandomSecret(vault::kSealKeyBytes);
  record.grants = GrantsFor(core, record, who);
  HSMCORE_CHECK(SealGrants(record, dek, GrantsToSeal::kAll));
  return SealPrivate(record, dek, *material);
}

Status HandOverOne(cluster::Core& core, storage::Transaction& change, const Handover& who,
                   KeyHandle handle) {
  HSMCORE_TRY(auto record, ReadGivers(change, who, handle));
  if (!record) return {};
  HSMCORE_TRY(const bool trusted, IsMarked(core, change, *record));
  HSMCORE_CHECK(ChangeOwner(core, *record, who));
  change.Put(KeyPath(handle), EncodeRecord(*record, *who.to.identity));
  if (trusted) change.Put(TrustedPath(record->handle), EncodeMark(who.admin, *record));
  change.MoveEpoch(EpochSlot(record->handle));
  return {};
}

}  // namespace

Status HandOver(cluster::Core& core, const Handover& who, std::span<const KeyHandle> handles) {
  audit::Entry entry = audit::About(AuditEvent::kKeyTransfer, who.to.path);
  entry.detail = Cat("from ", who.from.path);
  const audit::Scope scope(std::move(entry));
  HSMCORE_TRY([[maybe_unused]] const auto revision,
              storage::Update(*core.engine, [&](storage::Transaction& change) -> Status {
                for (const KeyHandle handle : handles) {
                  HSMCORE_CHECK(HandOverOne(core, change, who, handle));
                }
                return {};
              }));
  return {};
}

}  // namespace hsmcore::keys
