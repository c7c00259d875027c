// SPDX-License-Identifier: Apache-2.0
#include "session/genuine.h"

#include <map>

#include "keys/record.h"
#include "keys/trusted_mark.h"
#include "users/availability_policy.h"
#include "users/backup_policy.h"
#include "users/directory.h"
#include "users/recovery.h"
#include "users/type_policy.h"

namespace hsmcore::session {

Result<storage::Verifier> GenuineEntries(cluster::Core& core) {
  HSMCORE_TRY(const users::TrustedSigners admins, users::ReadTrustedSigners(core));
  HSMCORE_TRY(const auto records, users::ListUsers(core));
  std::map<std::string, Bytes> owners;
  for (const auto& user : records) owners[user.path()] = user.identity.sign_key;
  return storage::Verifier([admins, owners, file = core.file](const storage::Entry& entry) {
    if (entry.key.starts_with("key/")) {
      const auto key = keys::DecodeRecord(entry.key, entry.value);
      const auto owner = key ? owners.find(key->record.owner) : owners.end();
      return owner != owners.end() && key->SignedBy(owner->second);
    }
    if (entry.key.starts_with("user/")) {
      const auto user = users::DecodeRecord(entry.key, entry.value);
      const auto signer = user ? admins.find(user->record.signer) : admins.end();
      return signer != admins.end() && users::SignedBy(*user, signer->second);
    }
    if (entry.key.starts_with(keys::kTrustedPrefix)) {
      return keys::IsGenuineMark(entry.key, entry.value, admins);
    }
    if (entry.key == cluster::Config::kPath) {
      return cluster::Config::Decode(entry.value, file.root, file.origin()).has_value();
    }
    if (entry.key == users::BackupPolicy::kPath) {
      return users::BackupPolicy::Decode(entry.value, admins).has_value();
    }
    if (entry.key == users::AvailabilityPolicy::kPath) {
      return users::AvailabilityPolicy::Decode(entry.value, admins).has_value();
    }
    if (entry.key == users::TypePolicy::kPath) {
      return users::TypePolicy::Decode(entry.value, admins).has_value();
    }
    if (entry.key == users::Recovery::kPath) {
      return users::Recovery::Decode(entry.value, admins).has_value();
    }
    return true;
  });
}

}  // namespace hsmcore::session
