// SPDX-License-Identifier: Apache-2.0
#ifndef HSMCORE_STORAGE_ROW_MERGE_H_
#define HSMCORE_STORAGE_ROW_MERGE_H_

#include <functional>
#include <span>
#include <vector>

#include "storage/store.h"

namespace hsmcore::storage {

// Every store's row of one key, nullptr where it has none.
using RowVersions = std::span<const Row* const>;

// Goes through several stores side by side: calls `visit` once for each key that any of them has.
// Returns, for each store, whether it could be read to its end.
std::vector<Status> MergeRows(std::span<Store* const> stores,
                              const std::function<void(RowVersions)>& visit);

bool SameRow(const Row* a, const Row* b);

// Which of the versions is to stand, as its index. Versions that `verifier` refuses
// are out; of the others the one that most stores have, then the newest, then the first.
std::size_t GenuineVersion(RowVersions versions, const Verifier* verifier);

}  // namespace hsmcore::storage

#endif  // HSMCORE_STORAGE_ROW_MERGE_H_
