// SPDX-License-Identifier: Apache-2.0
#ifndef HSMCORE_USERS_SETTINGS_H_
#define HSMCORE_USERS_SETTINGS_H_

#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "hsmcore/types.h"
#include "users/signed_record.h"

namespace hsmcore::users {

// A kind of record below cluster/ that an admin signs (signed_record.h). A new kind needs a row,
// and is then known to repair, backups and the deletion of admins.
struct SettingRow {
  std::string_view path;  // whole, or all that begin with it where it ends with '/'
  SignedRecord form;
  bool (*genuine)(std::string_view path, ByteView record,
                  const std::map<std::string, Bytes>& trusted);
};
std::span<const SettingRow> AllSettings();

// Nothing: `path` is not that of a setting.
const SettingRow* FindSetting(std::string_view path);

}  // namespace hsmcore::users

#endif  // HSMCORE_USERS_SETTINGS_H_
