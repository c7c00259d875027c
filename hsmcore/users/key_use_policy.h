// SPDX-License-Identifier: Apache-2.0
#ifndef HSMCORE_USERS_KEY_USE_POLICY_H_
#define HSMCORE_USERS_KEY_USE_POLICY_H_

#include <map>
#include <string>

#include "cluster/core.h"
#include "hsmcore/audit.h"
#include "hsmcore/types.h"
#include "users/signed_record.h"
#include "vault/identity.h"

namespace hsmcore::users {

// The record cluster/key-use-policy: whether the audit log tells of the use of keys. Without one it
// does not, as with CloudHSM. Signed by the admin who wrote it.
struct KeyUsePolicy {
  static constexpr const char* kPath = "cluster/key-use-policy";
  static constexpr SignedRecord kForm{"hsm key use policy v1", "the key use policy"};
  static constexpr std::size_t kMostKeys = 10'000;

  KeyUseAudit all = KeyUseAudit::kOff;
  std::map<KeyHandle, KeyUseAudit> keys;  // private halves that are not as all are
  std::string signer;

  KeyUseAudit For(KeyHandle handle) const;
  friend bool operator==(const KeyUsePolicy&, const KeyUsePolicy&) = default;

  Bytes Encode(const vault::Identity& signing_admin) const;
  // kRecordDamaged.
  static Result<KeyUsePolicy> Decode(ByteView record, const std::map<std::string, Bytes>& trusted);
};

}  // namespace hsmcore::users

#endif  // HSMCORE_USERS_KEY_USE_POLICY_H_
