// SPDX-License-Identifier: Apache-2.0
#include "users/recovery.h"

#include "base/cbor.h"
#include "hsmcore/quorum.h"

namespace hsmcore::users {

Bytes Recovery::Encode(const vault::Identity& signing_admin) const {
  cbor::Value shares = cbor::Value::object();
  for (const auto& [path, share] : sealed) shares[path] = cbor::Blob(share);
  cbor::Value fields = {{"public", cbor::Blob(public_key)}, {"sealed", shares}};
  if (threshold > 1) fields["threshold"] = threshold;
  return kForm.Encode(std::move(fields), signer, signing_admin);
}

Result<Bytes> Recovery::PublicKeyIn(ByteView record) {
  HSMCORE_TRY(const cbor::Value outer, cbor::Decode(record, kForm.what));
  cbor::Reader in(outer, kForm.what);
  const Bytes body = in.Blob("body");
  HSMCORE_CHECK(in.Finish());
  HSMCORE_TRY(const cbor::Value inner, cbor::Decode(body, kForm.what));
  cbor::Reader fields(inner, kForm.what);
  Bytes key = fields.Blob("public");
  HSMCORE_CHECK(fields.Finish());
  return key;
}

Result<Recovery> Recovery::Decode(ByteView record, const std::map<std::string, Bytes>& trusted) {
  Recovery recovery;
  HSMCORE_CHECK(kForm.Decode(record, trusted, [&](cbor::Reader& fields) {
    recovery.public_key = fields.Blob("public");
    recovery.signer = fields.Text("signer");
    if (fields.Has("threshold")) {
      const std::uint64_t threshold = fields.Number("threshold");
      recovery.threshold = static_cast<unsigned>(threshold);
      if (threshold < 2 || threshold > kMaxQuorum) fields.Refuse("threshold");
    }
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
