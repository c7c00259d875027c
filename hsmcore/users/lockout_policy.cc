// SPDX-License-Identifier: Apache-2.0
#include "users/lockout_policy.h"

#include "hsmcore/session.h"
#include "users/setting.h"

namespace hsmcore::users {

Bytes LockoutPolicy::Encode(const vault::Identity& signing_admin) const {
  return kForm.Encode({{"unlock-after-minutes", unlock_after_minutes}}, signer, signing_admin);
}

Result<LockoutPolicy> LockoutPolicy::Decode(ByteView record,
                                            const std::map<std::string, Bytes>& trusted) {
  LockoutPolicy policy;
  HSMCORE_CHECK(kForm.Decode(record, trusted, [&](cbor::Reader& fields) {
    const std::uint64_t minutes = fields.Number("unlock-after-minutes");
    policy.unlock_after_minutes = static_cast<unsigned>(minutes);
    policy.signer = fields.Text("signer");
    if (minutes > kMaxUnlockMinutes) fields.Refuse("unlock-after-minutes");
  }));
  return policy;
}

Result<unsigned> UnlockAfterMinutes(cluster::Core& core) {
  HSMCORE_TRY(const auto policy, ReadSetting<LockoutPolicy>(core));
  return policy ? policy->unlock_after_minutes : 0;
}

}  // namespace hsmcore::users
