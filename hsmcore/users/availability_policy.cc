// SPDX-License-Identifier: Apache-2.0
#include "users/availability_policy.h"

#include <optional>

#include "users/directory.h"
#include "users/signed_record.h"

namespace hsmcore::users {
namespace {

constexpr SignedRecord kRecord{"hsm availability policy v1", "the availability policy"};

}  // namespace

Bytes AvailabilityPolicy::Encode(const vault::Identity& signing_admin) const {
  return kRecord.Encode({{"key-availability-check", check}}, signer, signing_admin);
}

Result<AvailabilityPolicy> AvailabilityPolicy::Decode(ByteView record,
                                                      const std::map<std::string, Bytes>& trusted) {
  AvailabilityPolicy policy;
  HSMCORE_CHECK(kRecord.Decode(record, trusted, [&](cbor::Reader& fields) {
    policy.check = fields.Flag("key-availability-check");
    policy.signer = fields.Text("signer");
  }));
  return policy;
}

Result<bool> KeyAvailabilityCheck(cluster::Core& core) {
  // Most clusters have none, and then no admin's signature is looked at.
  HSMCORE_TRY(const auto there, core.engine->Get(AvailabilityPolicy::kPath));
  if (!there) return true;
  HSMCORE_TRY(const TrustedSigners admins, ReadTrustedSigners(core));
  std::optional<AvailabilityPolicy> policy;
  const storage::Verifier genuine = [&](const storage::Entry& entry) {
    auto decoded = AvailabilityPolicy::Decode(entry.value, admins);
    if (!decoded) return false;
    policy = *std::move(decoded);
    return true;
  };
  HSMCORE_TRY(const auto entry, core.engine->Get(AvailabilityPolicy::kPath, &genuine));
  return !entry || policy->check;
}

}  // namespace hsmcore::users
