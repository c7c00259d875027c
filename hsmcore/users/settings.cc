// SPDX-License-Identifier: Apache-2.0
#include "users/settings.h"

#include <algorithm>
#include <array>

#include "users/adoption.h"
#include "users/availability_policy.h"
#include "users/backup_policy.h"
#include "users/key_use_policy.h"
#include "users/lockout_policy.h"
#include "users/quorum_policy.h"
#include "users/recovery.h"
#include "users/type_policy.h"

namespace hsmcore::users {
namespace {

template <class T>
constexpr SettingRow RowFor() {
  return {T::kPath, T::kForm,
          [](std::string_view, ByteView record, const std::map<std::string, Bytes>& trusted) {
            return T::Decode(record, trusted).has_value();
          }};
}

constexpr auto kSettings = std::to_array<SettingRow>({
    RowFor<AvailabilityPolicy>(),
    RowFor<BackupPolicy>(),
    RowFor<KeyUsePolicy>(),
    RowFor<LockoutPolicy>(),
    RowFor<QuorumPolicy>(),
    RowFor<Recovery>(),
    RowFor<TypePolicy>(),
    {Adoption::kPrefix, Adoption::kForm,
     [](std::string_view path, ByteView record, const std::map<std::string, Bytes>& trusted) {
       return Adoption::Decode(path, record, trusted).has_value();
     }},
});

}  // namespace

std::span<const SettingRow> AllSettings() { return kSettings; }

const SettingRow* FindSetting(std::string_view path) {
  const auto* row = std::ranges::find_if(kSettings, [&](const SettingRow& each) {
    return each.path.ends_with('/') ? path.starts_with(each.path) : path == each.path;
  });
  return row == kSettings.end() ? nullptr : row;
}

}  // namespace hsmcore::users
