// SPDX-License-Identifier: Apache-2.0
#ifndef HSMCORE_USERS_LOCKOUT_POLICY_H_
#define HSMCORE_USERS_LOCKOUT_POLICY_H_

#include <map>
#include <string>

#include "cluster/core.h"
#include "hsmcore/types.h"
#include "users/signed_record.h"
#include "vault/identity.h"

namespace hsmcore::users {

// The record cluster/lockout-policy: after how long a locked user is free again by himself. Without
// one he never is, as with CloudHSM. Signed by the admin who wrote it.
struct LockoutPolicy {
  static constexpr const char* kPath = "cluster/lockout-policy";
  static constexpr SignedRecord kForm{"hsm lockout policy v1", "the lockout policy"};

  unsigned unlock_after_minutes = 0;  // 0: never
  std::string signer;

  Bytes Encode(const vault::Identity& signing_admin) const;
  // kRecordDamaged.
  static Result<LockoutPolicy> Decode(ByteView record, const std::map<std::string, Bytes>& trusted);
};

// The cluster's setting. The caller holds core.mutex. A record that is not genuine is an error.
Result<unsigned> UnlockAfterMinutes(cluster::Core& core);

}  // namespace hsmcore::users

#endif  // HSMCORE_USERS_LOCKOUT_POLICY_H_
