// SPDX-License-Identifier: Apache-2.0
#ifndef HSMCORE_KEYS_HANDLE_COUNTER_H_
#define HSMCORE_KEYS_HANDLE_COUNTER_H_

#include <cstdint>
#include <span>
#include <string_view>

#include "cluster/core.h"
#include "hsmcore/key.h"
#include "storage/engine.h"

// The entry cluster/handles: the next key's handle, and how many keys there are, for the quotas. It
// changes in the same commit as the keys. Nobody signs it, so it is a hint where to look for a free
// place, and what counts for the quotas until the next 'cluster sync' counts anew. The caller holds
// core.mutex.
namespace hsmcore::keys {

inline constexpr std::string_view kHandlesPath = "cluster/handles";

struct KeyCounts {
  std::uint64_t pairs = 0;  // pairs, and halves of one
  std::uint64_t secrets = 0;
  friend bool operator==(const KeyCounts&, const KeyCounts&) = default;
};

Result<KeyCounts> ReadCounts(cluster::Core& core);

// The handle of a new key, which counts from then on. kQuotaExceeded: the detail names the quota,
// how many keys there are, and what to do. kHomeDamaged: the counter is out of range.
Result<KeyHandle> TakeHandle(cluster::Core& core, storage::Transaction& change, bool secret);
// A key that comes back to its own handle.
Status CountIn(cluster::Core& core, storage::Transaction& change, bool secret);
Status CountOut(cluster::Core& core, storage::Transaction& change, bool secret);

// Counts anew, and puts the counter right where it is wrong.
Status Recount(cluster::Core& core);

// kQuotaExceeded: one of the labels is longer than the type of the cluster's HSMs allows.
Status CheckLabels(cluster::Core& core, std::span<const std::string_view> labels);

}  // namespace hsmcore::keys

#endif  // HSMCORE_KEYS_HANDLE_COUNTER_H_
