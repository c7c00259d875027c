// SPDX-License-Identifier: Apache-2.0
#ifndef HSMCORE_KEYS_KEY_STORE_H_
#define HSMCORE_KEYS_KEY_STORE_H_

#include <functional>
#include <optional>
#include <vector>

#include "cluster/core.h"
#include "hsmcore/session.h"
#include "keys/record.h"
#include "users/directory.h"

// Key records in the cluster's store. The caller holds core.mutex for every function here.
namespace hsmcore::keys {

// The epoch that a change to this key moves (storage/generation_map.h).
std::uint64_t EpochSlot(KeyHandle handle);

// A genuine record: signed by the owner it names. Nothing when there is none; kKeyDamaged when no
// HSM holds a genuine one. `self` spares the look-up of one's own public identity.
Result<std::optional<KeyRecord>> Read(cluster::Core& core, KeyHandle handle,
                                      const users::Actor& self);

// Handles of the records that can match, by the best index there is; all of them for a query that
// names no handle, label or id.
Result<std::vector<KeyHandle>> Candidates(cluster::Core& core, const KeyQuery& query);

// Calls `visit` for every record, in order, without asking whether they are genuine: for listings.
Status ForEach(cluster::Core& core, const std::function<void(const KeyRecord&)>& visit);

// Stores a new pair, or one half of one, for `owner`; sets handle, owner, created and the owner's
// grant. What the record has of others' grants, of its life and of its quorum it keeps.
// kInvalidArgument: the quorum (approval.h).
Result<KeyRecord> Add(cluster::Core& core, const users::Actor& owner, KeyRecord record,
                      const PrivateMaterial* material);

// Stores the next version of a key, with its attributes and for those who have it; the version
// before is deactivated at `end`. kClusterState: there is a next version already; those of Rewrite.
Result<KeyRecord> AddVersion(cluster::Core& core, const users::Actor& owner, KeyHandle before,
                             const KeyPairMaterial& material, std::int64_t end);

// Changes the record of a key that `owner` owns: `change` edits the halves and the grants; a record
// left without halves is removed. A grant without `sealed` is sealed; where one was taken away, the
// key is sealed under a new DEK for those who stay, and its epoch moves. kKeyNotFound; kRoleForbids
// when the key is somebody else's. A change takes the approval that the key's quorum asks for
// (approval.h); to delete a key, and to take that back, is the owner's alone, as with CloudHSM.
enum class Deed : std::uint8_t { kChange, kDelete, kCancelDeletion };
Result<KeyRecord> Rewrite(cluster::Core& core, const users::Actor& owner, KeyHandle handle,
                          const std::function<Status(KeyRecord&)>& change,
                          Deed deed = Deed::kChange);

// Drops the grants of users who are gone, or whose name another has now.
Status DropStrangers(cluster::Core& core, KeyRecord& record);

// Puts a key back as it was in a backup of this cluster or of a clone: `value` is a genuine record,
// and `mark` the admin's word about it, or empty. kClusterState: the key is there, or its owner is
// not, or is another user of that name.
Result<KeyRecord> PutBack(cluster::Core& core, KeyHandle handle, ByteView value, ByteView mark);

}  // namespace hsmcore::keys

#endif  // HSMCORE_KEYS_KEY_STORE_H_
