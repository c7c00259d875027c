// SPDX-License-Identifier: Apache-2.0
#ifndef HSMCORE_USERS_SIGNED_RECORD_H_
#define HSMCORE_USERS_SIGNED_RECORD_H_

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "base/cbor.h"
#include "hsmcore/types.h"
#include "vault/identity.h"

namespace hsmcore::users {

// A setting of the cluster that an admin has written: a map of fields with his path in "signer",
// and his signature.
struct SignedRecord {
  std::string_view context;  // of the signature; one for each kind of record
  std::string_view what;     // names the record in errors

  // `fields` without "signer".
  Bytes Encode(cbor::Value fields, const std::string& signer, const vault::Identity& admin) const;
  // Hands the fields to `read` once the signature is checked with the key that `trusted` has for
  // the signer. kRecordDamaged.
  Status Decode(ByteView record, const std::map<std::string, Bytes>& trusted,
                const std::function<void(cbor::Reader&)>& read) const;
  // A genuine record of `before`, signed by another admin; nothing where `before` is not the
  // signer.
  Result<std::optional<Bytes>> SignedAnew(ByteView record,
                                          const std::map<std::string, Bytes>& trusted,
                                          std::string_view before, const std::string& signer,
                                          const vault::Identity& admin) const;
};

}  // namespace hsmcore::users

#endif  // HSMCORE_USERS_SIGNED_RECORD_H_
