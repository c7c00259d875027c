// SPDX-License-Identifier: Apache-2.0
#ifndef HSMCORE_USERS_ADOPTION_H_
#define HSMCORE_USERS_ADOPTION_H_

#include <map>
#include <string>
#include <string_view>

#include "hsmcore/types.h"
#include "users/signed_record.h"
#include "vault/identity.h"

namespace hsmcore::users {

// The record cluster/adopted/<user's path>: the word of an admin for a user whose own admin was
// deleted. The user's identity part stays as it is, because the user has signed it with his
// credentials.
struct Adoption {
  static constexpr std::string_view kPrefix = "cluster/adopted/";
  static constexpr SignedRecord kForm{"hsm adoption v1", "the adoption of a user"};

  std::string user;  // path
  Bytes identity;    // the identity part of his record, which is what is vouched for
  std::string signer;

  static std::string PathOf(std::string_view user_path);
  Bytes Encode(const vault::Identity& signing_admin) const;
  // kRecordDamaged. The signature is checked with the key that `trusted` has for the signer.
  static Result<Adoption> Decode(std::string_view path, ByteView record,
                                 const std::map<std::string, Bytes>& trusted);
};

}  // namespace hsmcore::users

#endif  // HSMCORE_USERS_ADOPTION_H_
