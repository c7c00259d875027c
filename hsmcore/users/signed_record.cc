// SPDX-License-Identifier: Apache-2.0
#include "users/signed_record.h"

namespace hsmcore::users {
namespace {

constexpr unsigned kVersion = 1;

}  // namespace

Bytes SignedRecord::Encode(cbor::Value fields, const std::string& signer,
                           const vault::Identity& admin) const {
  fields["signer"] = signer;
  const Bytes body = cbor::Encode(fields);
  return cbor::Encode({{"v", kVersion},
                       {"body", cbor::Blob(body)},
                       {"sig", cbor::Blob(admin.Sign(context, body))}});
}

Status SignedRecord::Decode(ByteView record, const std::map<std::string, Bytes>& trusted,
                            const std::function<void(cbor::Reader&)>& read) const {
  HSMCORE_TRY(const cbor::Value outer, cbor::Decode(record, what));
  cbor::Reader in(outer, what);
  HSMCORE_CHECK(in.CheckVersion(kVersion));
  const Bytes body = in.Blob("body");
  const Bytes signature = in.Blob("sig");
  HSMCORE_CHECK(in.Finish());
  HSMCORE_TRY(const cbor::Value inner, cbor::Decode(body, what));
  cbor::Reader fields(inner, what);
  const auto signer = trusted.find(fields.Text("signer"));
  if (signer == trusted.end() ||
      !vault::VerifySignature(signer->second, context, body, signature)) {
    fields.Refuse("sig");
  }
  read(fields);
  return fields.Finish();
}

}  // namespace hsmcore::users
