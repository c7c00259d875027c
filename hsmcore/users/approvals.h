// SPDX-License-Identifier: Apache-2.0
#ifndef HSMCORE_USERS_APPROVALS_H_
#define HSMCORE_USERS_APPROVALS_H_

#include <deque>

#include "hsmcore/quorum.h"
#include "hsmcore/types.h"

namespace hsmcore::users {

// The signed tokens for keys that a session was given, until what they are for is done. Guarded by
// the core's mutex.
class Approvals {
 public:
  // In place of an earlier copy of the same token. Of too many, the oldest is dropped.
  void Present(QuorumToken token);
  // The oldest one for that; nullptr: there is none.
  const QuorumToken* Find(QuorumService service, KeyHandle key) const;
  void Forget(const QuorumToken& token);

 private:
  std::deque<QuorumToken> tokens_;
};

}  // namespace hsmcore::users

#endif  // HSMCORE_USERS_APPROVALS_H_
