// SPDX-License-Identifier: Apache-2.0
#include "users/signed_record.h"

#include <utility>

namespace hsmcore::users {
namespace {

constexpr unsigned kVersion = 1;

// What one of the `trusted` has signed.
Result<cbor::Value> GenuineFields(const SignedRecord& form, ByteView record,
                                  const std::map<std::string, Bytes>& trusted) {
  HSMCORE_TRY(const cbor::Value outer, cbor::Decode(record, form.what));
  cbor::Reader in(outer, form.what);
  HSMCORE_CHECK(in.CheckVersion(kVersion));
  const Bytes body = in.Blob("body");
  const Bytes signature = in.Blob("sig");
  HSMCORE_CHECK(in.Finish());
  HSMCORE_TRY(cbor::Value inner, cbor::Decode(body, form.what));
  cbor::Reader fields(inner, form.what);
  const auto signer = trusted.find(fields.Text("signer"));
  if (signer == trusted.end() ||
      !vault::VerifySignature(signer->second, form.context, body, signature)) {
    fields.Refuse("sig");
  }
  HSMCORE_CHECK(fields.Finish());
  return inner;
}

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
  HSMCORE_TRY(const cbor::Value inner, GenuineFields(*this, record, trusted));
  cbor::Reader fields(inner, what);
  read(fields);
  return fields.Finish();
}

Result<std::optional<Bytes>> SignedRecord::SignedAnew(ByteView record,
                                                      const std::map<std::string, Bytes>& trusted,
                                                      std::string_view before,
                                                      const std::string& signer,
                                                      const vault::Identity& admin) const {
  HSMCORE_TRY(cbor::Value fields, GenuineFields(*this, record, trusted));
  if (fields["signer"] != before) return std::nullopt;
  return Encode(std::move(fields), signer, admin);
}

}  // namespace hsmcore::users
