// SPDX-License-Identifier: Apache-2.0
#include "users/type_policy.h"

#include <optional>

#include "users/setting.h"

namespace hsmcore::users {

Bytes TypePolicy::Encode(const vault::Identity& signing_admin) const {
  return kForm.Encode({{"hsm-type", type}}, signer, signing_admin);
}

Result<TypePolicy> TypePolicy::Decode(ByteView record,
                                      const std::map<std::string, Bytes>& trusted) {
  TypePolicy policy;
  HSMCORE_CHECK(kForm.Decode(record, trusted, [&](cbor::Reader& fields) {
    policy.type = fields.Text("hsm-type");
    policy.signer = fields.Text("signer");
  }));
  return policy;
}

Result<std::string> HsmTypeOf(cluster::Core& core) {
  HSMCORE_TRY(const auto there, core.engine->Get(TypePolicy::kPath));
  if (!there) return core.config.type;
  // Every new key asks for it, and the same record needs no second look at the admins' signatures.
  if (there->value == core.known_type.record) return core.known_type.type;
  HSMCORE_TRY(const auto policy, ReadSetting<TypePolicy>(core));
  if (!policy) return core.config.type;
  core.known_type = {there->value, policy->type};
  return policy->type;
}

Result<const HsmTypeRow*> QuotasOf(cluster::Core& core) {
  HSMCORE_TRY(const std::string type, HsmTypeOf(core));
  return FindHsmType(type);
}

}  // namespace hsmcore::users
