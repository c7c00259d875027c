// SPDX-License-Identifier: Apache-2.0
#include "vault/locked_secret.h"

#include <sodium.h>

#include <algorithm>

namespace hsmcore::vault {

Result<LockedSecret> LockedSecret::CopyOf(ByteView bytes) {
  auto* data = static_cast<std::uint8_t*>(sodium_malloc(bytes.size()));
  if (data == nullptr) return Fail(ErrorCode::kOutOfMemory, "no memory for a login's secret");
  std::ranges::copy(bytes, data);
  sodium_mprotect_readonly(data);
  return LockedSecret(data, bytes.size());
}

void LockedSecret::Free::operator()(std::uint8_t* data) const noexcept { sodium_free(data); }

}  // namespace hsmcore::vault
