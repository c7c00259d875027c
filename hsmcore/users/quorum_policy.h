// SPDX-License-Identifier: Apache-2.0
#ifndef HSMCORE_USERS_QUORUM_POLICY_H_
#define HSMCORE_USERS_QUORUM_POLICY_H_

#include <array>
#include <map>
#include <string>

#include "cluster/core.h"
#include "hsmcore/quorum.h"
#include "hsmcore/types.h"
#include "users/signed_record.h"
#include "vault/identity.h"

namespace hsmcore::users {

// The record cluster/quorum-policy: how many approvals each service takes. Without one, none does.
// Signed by the admin who wrote it.
struct QuorumPolicy {
  static constexpr const char* kPath = "cluster/quorum-policy";
  static constexpr SignedRecord kForm{"hsm quorum policy v1", "the quorum policy"};

  std::array<unsigned, kAdminServices> values{kNoQuorum, kNoQuorum, kNoQuorum};
  std::string signer;

  unsigned& operator[](QuorumService service) { return values[static_cast<std::size_t>(service)]; }
  Bytes Encode(const vault::Identity& signing_admin) const;
  // kRecordDamaged.
  static Result<QuorumPolicy> Decode(ByteView record, const std::map<std::string, Bytes>& trusted);
};

// The cluster's values. The caller holds core.mutex. A record that is not genuine is an error.
Result<QuorumPolicy> ReadQuorumPolicy(cluster::Core& core);

}  // namespace hsmcore::users

#endif  // HSMCORE_USERS_QUORUM_POLICY_H_
