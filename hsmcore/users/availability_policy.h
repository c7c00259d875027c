// SPDX-License-Identifier: Apache-2.0
#ifndef HSMCORE_USERS_AVAILABILITY_POLICY_H_
#define HSMCORE_USERS_AVAILABILITY_POLICY_H_

#include <map>
#include <string>

#include "cluster/core.h"
#include "hsmcore/types.h"
#include "users/signed_record.h"
#include "vault/identity.h"

namespace hsmcore::users {

// The record cluster/availability-policy: whether a new key needs two HSMs. Without one it does.
// Signed by the admin who wrote it.
struct AvailabilityPolicy {
  static constexpr const char* kPath = "cluster/availability-policy";
  static constexpr SignedRecord kForm{"hsm availability policy v1", "the availability policy"};

  bool check = true;
  std::string signer;

  Bytes Encode(const vault::Identity& signing_admin) const;
  // kRecordDamaged.
  static Result<AvailabilityPolicy> Decode(ByteView record,
                                           const std::map<std::string, Bytes>& trusted);
};

// The cluster's setting. The caller holds core.mutex. A record that is not genuine is an error.
Result<bool> KeyAvailabilityCheck(cluster::Core& core);

}  // namespace hsmcore::users

#endif  // HSMCORE_USERS_AVAILABILITY_POLICY_H_
