// SPDX-License-Identifier: Apache-2.0
#include "users/availability_policy.h"

#include "users/setting.h"

namespace hsmcore::users {

Bytes AvailabilityPolicy::Encode(const vault::Identity& signing_admin) const {
  return kForm.Encode({{"key-availability-check", check}}, signer, signing_admin);
}

Result<AvailabilityPolicy> AvailabilityPolicy::Decode(ByteView record,
                                                      const std::map<std::string, Bytes>& trusted) {
  AvailabilityPolicy policy;
  HSMCORE_CHECK(kForm.Decode(record, trusted, [&](cbor::Reader& fields) {
    policy.check = fields.Flag("key-availability-check");
    policy.signer = fields.Text("signer");
  }));
  return policy;
}

Result<bool> KeyAvailabilityCheck(cluster::Core& core) {
  HSMCORE_TRY(const auto policy, ReadSetting<AvailabilityPolicy>(core));
  return !policy || policy->check;
}

}  // namespace hsmcore::users
