// SPDX-License-Identifier: Apache-2.0
#ifndef HSMCORE_STORAGE_CONTRACT_H_
#define HSMCORE_STORAGE_CONTRACT_H_

#include <string>
#include <string_view>

#include "storage/engine.h"

// The parts of the storage contract that are the same for every engine.
namespace hsmcore::storage {

// The keys with low <= key < high.
struct KeyRange {
  std::string low;
  std::string high;

  // The keys that begin with `prefix` and come after `after`.
  static KeyRange Of(std::string_view prefix, std::string_view after);
};

// Keys and values within their bounds, something to write, no key written twice.
Status CheckBatch(const Batch& batch);

// The error for a precondition that does not hold.
std::unexpected<Error> Conflict(const Precondition& wanted, std::uint64_t found);

}  // namespace hsmcore::storage

#endif  // HSMCORE_STORAGE_CONTRACT_H_
