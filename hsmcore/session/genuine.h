// SPDX-License-Identifier: Apache-2.0
#ifndef HSMCORE_SESSION_GENUINE_H_
#define HSMCORE_SESSION_GENUINE_H_

#include "cluster/core.h"
#include "storage/engine.h"

namespace hsmcore::session {

// Tells a genuine entry of any kind from an edited one, by signatures; for repairs. Entries that
// nobody signs (indexes, counters) pass. The caller holds core.mutex.
Result<storage::Verifier> GenuineEntries(cluster::Core& core);

}  // namespace hsmcore::session

#endif  // HSMCORE_SESSION_GENUINE_H_
