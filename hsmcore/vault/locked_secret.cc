// SPDX-License-Identifier: Apache-2.0
#include "vault/locked_secret.h"

#include <sodium.h>

#include <algorithm>

#include "base/secret_heap.h"

namespace hsmcore::vault {

Result<LockedSecret> LockedSecret::CopyOf(ByteView bytes) {
  auto* data = static_cast<std::uint8_t*>(sodium_malloc(bytes.size()));
  if (data == nullptr) return Fail(ErrorCode::kOutOfMemory, "no memory for a login's secret");
  // It has tried, and does not say with what success.
  if (sodium_mlock(data, bytes.size()) != 0) NoteUnlockedSecret();
  std::ranges::copy(bytes, data);
  sodium_mprotect_readonly(data);
  return LockedSecret(data, bytes.size());
}

void LockedSecret::Free::operator()(std::uint8_t* data) const noexcept { sodium_free(data); }

}  // namespace hsmcore::vault
