// SPDX-License-Identifier: Apache-2.0
#include "users/backup_policy.h"

#include "base/text.h"

namespace hsmcore::users {

Bytes BackupPolicy::Encode(const vault::Identity& signing_admin) const {
  return kForm.Encode({{"retention-days", retention_days}, {"automatic", automatic}}, signer,
                      signing_admin);
}

Result<BackupPolicy> BackupPolicy::Decode(ByteView record,
                                          const std::map<std::string, Bytes>& trusted) {
  BackupPolicy policy;
  HSMCORE_CHECK(kForm.Decode(record, trusted, [&](cbor::Reader& fields) {
    const std::uint64_t days = fields.Number("retention-days");
    policy.retention_days = static_cast<unsigned>(days);
    // Not there in records of before it could be switched off.
    if (fields.Has("automatic")) policy.automatic = fields.Flag("automatic");
    policy.signer = fields.Text("signer");
    if (days > kMaxRetentionDays || !CheckRetention(policy.retention_days)) {
      fields.Refuse("retention-days");
    }
  }));
  return policy;
}

Status CheckRetention(unsigned days) {
  if (days >= kMinRetentionDays && days <= kMaxRetentionDays) return {};
  return Fail(ErrorCode::kInvalidArgument,
              Cat("backups are kept for ", kMinRetentionDays, " to ", kMaxRetentionDays, " days"));
}

}  // namespace hsmcore::users
