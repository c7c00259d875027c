// SPDX-License-Identifier: Apache-2.0
#include "session/genuine.h"

#include <map>

#include "keys/groups.h"
#include "keys/record.h"
#include "keys/trusted_mark.h"
#include "keys/usage.h"
#include "users/directory.h"
#include "users/settings.h"

namespace hsmcore::session {

Result<storage::Verifier> GenuineEntries(cluster::Core& core) {
  HSMCORE_TRY(const users::TrustedSigners admins, users::ReadTrustedSigners(core));
  HSMCORE_TRY(const auto records, users::ListDecoded(core, admins));
  struct Known {
    Bytes sign_key;
    Bytes identity;  // the identity part of his record
  };
  std::map<std::string, Known> known;
  std::map<std::string, Bytes> sign_keys;
  for (const auto& user : records) {
    known[user.record.path()] = {user.record.identity.sign_key, user.identity.body};
    sign_keys[user.record.path()] = user.record.identity.sign_key;
  }
  return storage::Verifier(
      [admins, known, sign_keys, file = core.file](const storage::Entry& entry) {
        if (entry.key.starts_with("key/")) {
          const auto key = keys::DecodeRecord(entry.key, entry.value);
          const auto owner = key ? known.find(key->record.owner) : known.end();
          return owner != known.end() && key->SignedBy(owner->second.sign_key);
        }
        if (entry.key.starts_with("user/")) {
          const auto user = users::DecodeRecord(entry.key, entry.value);
          const auto genuine = known.find(entry.key);
          return user && genuine != known.end() && user->identity.body == genuine->second.identity;
        }
        if (entry.key.starts_with(keys::kTrustedPrefix)) {
          return keys::IsGenuineMark(entry.key, entry.value, admins);
        }
        if (entry.key.starts_with(keys::kGroupPrefix)) {
          return keys::Group::Decode(entry.key, entry.value, admins).has_value();
        }
        if (entry.key.starts_with(keys::kUsesPrefix)) {
          return keys::IsGenuineCount(entry.key, entry.value, sign_keys);
        }
        if (entry.key == cluster::Config::kPath) {
          return cluster::Config::Decode(entry.value, file.root, file.origin()).has_value();
        }
        const users::SettingRow* const setting = users::FindSetting(entry.key);
        return setting == nullptr || setting->genuine(entry.key, entry.value, admins);
      });
}

}  // namespace hsmcore::session
