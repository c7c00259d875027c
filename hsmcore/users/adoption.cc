// SPDX-License-Identifier: Apache-2.0
#include "users/adoption.h"

#include "base/text.h"

namespace hsmcore::users {

std::string Adoption::PathOf(std::string_view user_path) { return Cat(kPrefix, user_path); }

Bytes Adoption::Encode(const vault::Identity& signing_admin) const {
  return kForm.Encode({{"user", user}, {"identity", cbor::Blob(identity)}}, signer, signing_admin);
}

Result<Adoption> Adoption::Decode(std::string_view path, ByteView record,
                                  const std::map<std::string, Bytes>& trusted) {
  Adoption adoption;
  HSMCORE_CHECK(kForm.Decode(record, trusted, [&](cbor::Reader& fields) {
    adoption.user = fields.Text("user");
    adoption.identity = fields.Blob("identity");
    adoption.signer = fields.Text("signer");
    if (PathOf(adoption.user) != path) fields.Refuse("user");
  }));
  return adoption;
}

}  // namespace hsmcore::users
