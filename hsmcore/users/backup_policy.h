// SPDX-License-Identifier: Apache-2.0
#ifndef HSMCORE_USERS_BACKUP_POLICY_H_
#define HSMCORE_USERS_BACKUP_POLICY_H_

#include <map>
#include <string>

#include "hsmcore/backup.h"
#include "hsmcore/types.h"
#include "users/signed_record.h"
#include "vault/identity.h"

namespace hsmcore::users {

// The record cluster/backup-policy: how long backups are kept, and whether the daily one is made.
// Without one, the default. Signed by the admin who wrote it, so that nobody else makes backups
// vanish.
struct BackupPolicy {
  static constexpr const char* kPath = "cluster/backup-policy";
  static constexpr SignedRecord kForm{"hsm backup policy v1", "the backup policy"};

  unsigned retention_days = kDefaultRetentionDays;
  bool automatic = true;
  std::string signer;

  Bytes Encode(const vault::Identity& signing_admin) const;
  // kRecordDamaged. The signature is checked with the key that `trusted` has for the signer.
  static Result<BackupPolicy> Decode(ByteView record, const std::map<std::string, Bytes>& trusted);
};

// kInvalidArgument outside of what CloudHSM allows.
Status CheckRetention(unsigned days);

}  // namespace hsmcore::users

#endif  // HSMCORE_USERS_BACKUP_POLICY_H_
