// SPDX-License-Identifier: Apache-2.0
#ifndef HSMCORE_USERS_SETTING_H_
#define HSMCORE_USERS_SETTING_H_

#include <optional>
#include <utility>

#include "cluster/core.h"
#include "users/directory.h"

namespace hsmcore::users {

// The genuine record of a setting that an admin has signed (signed_record.h), which is at T::kPath
// and read by T::Decode; nothing where there is none. A record that is not genuine on any HSM is an
// error. The caller holds core.mutex.
template <class T>
Result<std::optional<T>> ReadSetting(cluster::Core& core) {
  // Most clusters have none, and then no admin's signature is looked at.
  HSMCORE_TRY(const auto there, core.engine->Get(T::kPath));
  if (!there) return std::nullopt;
  HSMCORE_TRY(const TrustedSigners admins, ReadTrustedSigners(core));
  std::optional<T> setting;
  const storage::Verifier genuine = [&](const storage::Entry& entry) {
    auto decoded = T::Decode(entry.value, admins);
    if (!decoded) return false;
    setting = *std::move(decoded);
    return true;
  };
  HSMCORE_TRY([[maybe_unused]] const auto entry, core.engine->Get(T::kPath, &genuine));
  return setting;
}

}  // namespace hsmcore::users

#endif  // HSMCORE_USERS_SETTING_H_
