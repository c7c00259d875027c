// SPDX-License-Identifier: Apache-2.0
#include "storage/contract.h"

#include <algorithm>
#include <set>

#include "base/text.h"

namespace hsmcore::storage {
namespace {

Status CheckKey(const std::string& key) {
  if (!key.empty() && key.size() <= kMaxKeyBytes) return {};
  return Fail(ErrorCode::kInvalidArgument,
              Cat("a storage key has 1 to ", kMaxKeyBytes, " bytes, not ", key.size()));
}

Status CheckMutation(const Mutation& mutation) {
  HSMCORE_CHECK(CheckKey(mutation.key));
  if (!mutation.value || mutation.value->size() <= kMaxValueBytes) return {};
  return Fail(ErrorCode::kInvalidArgument,
              Cat("the value of '", mutation.key, "' has ", mutation.value->size(),
                  " bytes; at most ", kMaxValueBytes, " can be stored"));
}

}  // namespace

KeyRange KeyRange::Of(std::string_view prefix, std::string_view after) {
  KeyRange range;
  range.low = prefix;
  if (!after.empty() && after >= prefix) range.low.assign(after).push_back('\0');
  range.high = prefix;
  while (!range.high.empty() && range.high.back() == '\xff') range.high.pop_back();
  if (range.high.empty()) {
    range.high.assign(kMaxKeyBytes + 1, '\xff');  // above every key
  } else {
    range.high.back() = static_cast<char>(static_cast<unsigned char>(range.high.back()) + 1);
  }
  return range;
}

Status CheckBatch(const Batch& batch) {
  if (batch.mutations.empty()) {
    return Fail(ErrorCode::kInvalidArgument, "a commit must write something");
  }
  for (const Precondition& precondition : batch.preconditions) {
    HSMCORE_CHECK(CheckKey(precondition.key));
  }
  std::set<std::string_view> written;
  for (const Mutation& mutation : batch.mutations) {
    HSMCORE_CHECK(CheckMutation(mutation));
    if (!written.insert(mutation.key).second) {
      return Fail(ErrorCode::kInvalidArgument,
                  Cat("a commit writes '", mutation.key, "' more than once"));
    }
  }
  return {};
}

std::unexpected<Error> Conflict(const Precondition& wanted, std::uint64_t found) {
  return Fail(ErrorCode::kStorageConflict,
              Cat("'", wanted.key, "' is at revision ", found, ", not ", wanted.revision));
}

}  // namespace hsmcore::storage
