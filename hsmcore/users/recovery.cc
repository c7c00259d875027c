// SPDX-License-Identifier: Apache-2.0
#include "users/recovery.h"

#include "base/cbor.h"

namespace hsmcore::users {

Bytes Recovery::Encode(const vault::Identity& signing_admin) const {
  cbor::Value shares = cbor::Value::object();
  for (const auto& [path, share] : sealed) shares[path] = cbor::Blob(share);
  return kForm.Encode({{"public", cbor::Blob(public_key)}, {"sealed", shares}}, signer,
                      signing_admin);
}

Result<Recovery> Recovery::Decode(ByteView record, const std::map<std::string, Bytes>& trusted) {
  Recovery recovery;
  HSMCORE_CHECK(kForm.Decode(record, trusted, [&](cbor::Reader& fields) {
    recovery.public_key = fields.Blob("public");
    recovery.signer = fields.Text("signer");
    for (const auto& [path, share] : fields.Map("sealed").items()) {
      if (!share.is_binary())
        fields.Refuse("sealed");
      else
        recovery.sealed[path] = share.get_binary();
    }
  }));
  return recovery;
}

}  // namespace hsmcore::users
