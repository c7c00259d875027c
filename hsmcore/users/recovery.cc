// SPDX-License-Identifier: Apache-2.0
#include "users/recovery.h"

#include "base/cbor.h"

namespace hsmcore::users {
namespace {

constexpr std::string_view kContext = "hsm recovery key v1";
constexpr std::string_view kWhat = "the recovery record";
constexpr unsigned kVersion = 1;

}  // namespace

Bytes Recovery::Encode(const vault::Identity& signing_admin) const {
  cbor::Value shares = cbor::Value::object();
  for (const auto& [path, share] : sealed) shares[path] = cbor::Blob(share);
  const Bytes body =
      cbor::Encode({{"public", cbor::Blob(public_key)}, {"sealed", shares}, {"signer", signer}});
  return cbor::Encode({{"v", kVersion},
                       {"body", cbor::Blob(body)},
                       {"sig", cbor::Blob(signing_admin.Sign(kContext, body))}});
}

Result<Recovery> Recovery::Decode(ByteView record, const std::map<std::string, Bytes>& trusted) {
  HSMCORE_TRY(const cbor::Value outer, cbor::Decode(record, kWhat));
  cbor::Reader in(outer, kWhat);
  HSMCORE_CHECK(in.CheckVersion(kVersion));
  const Bytes body = in.Blob("body");
  const Bytes signature = in.Blob("sig");
  HSMCORE_CHECK(in.Finish());
  HSMCORE_TRY(const cbor::Value inner, cbor::Decode(body, kWhat));
  cbor::Reader fields(inner, kWhat);
  Recovery recovery;
  recovery.public_key = fields.Blob("public");
  recovery.signer = fields.Text("signer");
  for (const auto& [path, share] : fields.Map("sealed").items()) {
    if (!share.is_binary())
      fields.Refuse("sealed");
    else
      recovery.sealed[path] = share.get_binary();
  }
  const auto signer = trusted.find(recovery.signer);
  if (signer == trusted.end() ||
      !vault::VerifySignature(signer->second, kContext, body, signature)) {
    fields.Refuse("sig");
  }
  HSMCORE_CHECK(fields.Finish());
  return recovery;
}

}  // namespace hsmcore::users
