// SPDX-License-Identifier: Apache-2.0
#include "users/key_use_policy.h"

namespace hsmcore::users {
namespace {

KeyUseAudit ModeIn(cbor::Reader& fields, const char* name) {
  const auto mode = KeyUseAuditByName(fields.Text(name));
  if (!mode) fields.Refuse(name);
  return mode.value_or(KeyUseAudit::kOff);
}

}  // namespace

KeyUseAudit KeyUsePolicy::For(KeyHandle handle) const {
  const auto own = keys.find(handle.PrivateHalf());
  return own == keys.end() ? all : own->second;
}

Bytes KeyUsePolicy::Encode(const vault::Identity& signing_admin) const {
  cbor::Value list = cbor::Value::array();
  for (const auto& [handle, mode] : keys) {
    list.push_back({{"key", handle.value}, {"mode", NameOf(mode)}});
  }
  return kForm.Encode({{"all", NameOf(all)}, {"keys", list}}, signer, signing_admin);
}

Result<KeyUsePolicy> KeyUsePolicy::Decode(ByteView record,
                                          const std::map<std::string, Bytes>& trusted) {
  KeyUsePolicy policy;
  HSMCORE_CHECK(kForm.Decode(record, trusted, [&](cbor::Reader& fields) {
    policy.all = ModeIn(fields, "all");
    policy.signer = fields.Text("signer");
    for (const cbor::Value& item : fields.List("keys")) {
      cbor::Reader key(item, kForm.what);
      const KeyHandle handle{key.Number("key")};
      policy.keys[handle] = ModeIn(key, "mode");
      if (!key.Finish() || policy.keys.size() > kMostKeys) fields.Refuse("keys");
    }
  }));
  return policy;
}

}  // namespace hsmcore::users
