// SPDX-License-Identifier: Apache-2.0
#include "users/backup_policy.h"

#include "base/cbor.h"
#include "base/text.h"
#include "hsmcore/backup.h"

namespace hsmcore::users {
namespace {

constexpr std::string_view kContext = "hsm backup policy v1";
constexpr std::string_view kWhat = "the backup policy";
constexpr unsigned kVersion = 1;

}  // namespace

Bytes BackupPolicy::Encode(const vault::Identity& signing_admin) const {
  const Bytes body = cbor::Encode({{"retention-days", retention_days}, {"signer", signer}});
  return cbor::Encode({{"v", kVersion},
                       {"body", cbor::Blob(body)},
                       {"sig", cbor::Blob(signing_admin.Sign(kContext, body))}});
}

Result<BackupPolicy> BackupPolicy::Decode(ByteView record,
                                          const std::map<std::string, Bytes>& trusted) {
  HSMCORE_TRY(const cbor::Value outer, cbor::Decode(record, kWhat));
  cbor::Reader in(outer, kWhat);
  HSMCORE_CHECK(in.CheckVersion(kVersion));
  const Bytes body = in.Blob("body");
  const Bytes signature = in.Blob("sig");
  HSMCORE_CHECK(in.Finish());
  HSMCORE_TRY(const cbor::Value inner, cbor::Decode(body, kWhat));
  cbor::Reader fields(inner, kWhat);
  const std::uint64_t days = fields.Number("retention-days");
  BackupPolicy policy{static_cast<unsigned>(days), fields.Text("signer")};
  const auto signer = trusted.find(policy.signer);
  if (signer == trusted.end() ||
      !vault::VerifySignature(signer->second, kContext, body, signature)) {
    fields.Refuse("sig");
  }
  if (days > kMaxRetentionDays || !CheckRetention(policy.retention_days)) {
    fields.Refuse("retention-days");
  }
  HSMCORE_CHECK(fields.Finish());
  return policy;
}

Status CheckRetention(unsigned days) {
  if (days >= kMinRetentionDays && days <= kMaxRetentionDays) return {};
  return Fail(ErrorCode::kInvalidArgument,
              Cat("backups are kept for ", kMinRetentionDays, " to ", kMaxRetentionDays, " days"));
}

}  // namespace hsmcore::users
