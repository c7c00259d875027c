// SPDX-License-Identifier: Apache-2.0
#ifndef HSMCORE_KEYS_REMOVAL_H_
#define HSMCORE_KEYS_REMOVAL_H_

#include "cluster/core.h"
#include "keys/record.h"
#include "storage/engine.h"

// How keys leave the store for good. The caller holds core.mutex.
namespace hsmcore::keys {

// The record and what belongs to it; its index entries (IndexPaths) are the caller's.
Status Remove(cluster::Core& core, storage::Transaction& change, const KeyRecord& record);

// Removes for good what was deleted and can be restored no longer. Changes of keys do it by
// themselves.
Status PurgeDue(cluster::Core& core, std::int64_t now);

}  // namespace hsmcore::keys

#endif  // HSMCORE_KEYS_REMOVAL_H_
