// SPDX-License-Identifier: Apache-2.0
#ifndef HSMCORE_USERS_RECOVERY_H_
#define HSMCORE_USERS_RECOVERY_H_

#include <map>
#include <string>

#include "hsmcore/types.h"
#include "users/signed_record.h"
#include "vault/identity.h"

namespace hsmcore::users {

// The record cluster/recovery: the cluster's recovery key. Every user's secret is sealed to it (the
// escrow by which an admin can reset a lost password), and its own secret is sealed to each admin:
// whole, or in shares of which a quorum of admins is needed (escrow.h). Signed by the admin who
// wrote it last.
struct Recovery {
  static constexpr const char* kPath = "cluster/recovery";
  static constexpr SignedRecord kForm{"hsm recovery key v1", "the recovery record"};

  Bytes public_key;
  unsigned threshold = 1;  // so many admins are needed; with one, each has the whole secret
  std::map<std::string, Bytes> sealed;  // admin's path -> secret key, or his share, sealed to him
  std::string signer;

  Bytes Encode(const vault::Identity& signing_admin) const;
  // The public key alone, whoever has signed the record. kRecordDamaged.
  static Result<Bytes> PublicKeyIn(ByteView record);
  // kRecordDamaged. The signature is checked with the key that `trusted` has for the signer.
  static Result<Recovery> Decode(ByteView record, const std::map<std::string, Bytes>& trusted);
};

}  // namespace hsmcore::users

#endif  // HSMCORE_USERS_RECOVERY_H_
