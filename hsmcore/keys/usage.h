// SPDX-License-Identifier: Apache-2.0
#ifndef HSMCORE_KEYS_USAGE_H_
#define HSMCORE_KEYS_USAGE_H_

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "keys/record.h"
#include "storage/engine.h"
#include "users/directory.h"

// How often a key with a use-limit was used, in an entry of its own beside the record: those count,
// too, who share the key and cannot write its owner's record. Who reserves uses signs the new
// count; it holds as long as he has the key. Format: docs/storage.md. The caller holds core.mutex.
namespace hsmcore::keys {

constexpr std::string_view kUsesPrefix = "uses/";
std::string UsesPath(KeyHandle handle);

// Whether one of these users (paths and signing keys) has signed the entry.
bool IsGenuineCount(std::string_view path, ByteView value,
                    const std::map<std::string, Bytes>& users);

// What the entry says, genuine or not, for listings; nothing: there is none.
Result<std::optional<std::uint64_t>> ShownUses(cluster::Core& core, KeyHandle handle);

// Reserves `wanted` uses of a key for `user`, or fewer where few are left, durably; returns how
// many. A crash loses what was reserved and not used: at most an eighth of what was left.
// kKeyUsedUp; kKeyDamaged: the count is missing or not genuine; kKeyGone.
Result<std::uint64_t> ReserveUses(cluster::Core& core, const users::Actor& user, KeyHandle handle,
                                  std::uint64_t wanted);

// Puts the count of a record with a use-limit under its owner's signature, in the commit that
// changes the record: from 0 where there is none, or where `fresh`. Without a use-limit the entry
// goes.
Status KeepCount(storage::Transaction& change, const users::Actor& owner, const KeyRecord& record,
                 bool fresh);

}  // namespace hsmcore::keys

#endif  // HSMCORE_KEYS_USAGE_H_
