// SPDX-License-Identifier: Apache-2.0
#ifndef HSMCORE_USERS_TYPE_POLICY_H_
#define HSMCORE_USERS_TYPE_POLICY_H_

#include <map>
#include <string>

#include "cluster/core.h"
#include "hsmcore/hsm_type.h"
#include "hsmcore/types.h"
#include "users/signed_record.h"
#include "vault/identity.h"

namespace hsmcore::users {

// The record cluster/hsm-type: the type that the HSMs were changed to. Without one it is the
// configuration's. Signed by the admin who changed it.
struct TypePolicy {
  static constexpr const char* kPath = "cluster/hsm-type";
  static constexpr SignedRecord kForm{"hsm type policy v1", "the type of the HSMs"};

  std::string type;
  std::string signer;

  Bytes Encode(const vault::Identity& signing_admin) const;
  // kRecordDamaged.
  static Result<TypePolicy> Decode(ByteView record, const std::map<std::string, Bytes>& trusted);
};

// The type of the cluster's HSMs. The caller holds core.mutex. A record that is not genuine is an
// error.
Result<std::string> HsmTypeOf(cluster::Core& core);
// Its quotas; nullptr where there are none.
Result<const HsmTypeRow*> QuotasOf(cluster::Core& core);

}  // namespace hsmcore::users

#endif  // HSMCORE_USERS_TYPE_POLICY_H_
