// SPDX-License-Identifier: Apache-2.0
#ifndef HSMCORE_AUDIT_RECORD_H_
#define HSMCORE_AUDIT_RECORD_H_

#include "hsmcore/audit.h"
#include "vault/identity.h"

namespace hsmcore::audit {

// A record with what only verification needs.
struct Stored {
  AuditRecord record;
  Bytes before;     // hash of the record before; zeros for the first one
  Bytes sign_key;   // of the user who is made
  Bytes body;       // what is signed
  Bytes signature;  // empty without a login
};

inline constexpr std::size_t kHashBytes = 32;
Bytes HashOf(ByteView stored);

// `signer` is nothing without a login.
Bytes Encode(const Stored& record, const vault::Identity* signer);
// kRecordDamaged.
Result<Stored> Decode(ByteView bytes);
bool SignedBy(const Stored& record, ByteView sign_key);

}  // namespace hsmcore::audit

#endif  // HSMCORE_AUDIT_RECORD_H_
