// SPDX-License-Identifier: Apache-2.0
#ifndef HSMCORE_USERS_CHALLENGE_H_
#define HSMCORE_USERS_CHALLENGE_H_

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "cluster/core.h"
#include "hsmcore/credential.h"
#include "hsmcore/types.h"
#include "storage/engine.h"

// Texts that users sign, each good for one thing, once, for a short time. The store has an entry
// for each that is not spent, which nobody signs: what it says is what was signed, so an edited one
// fits no signature. Who can write the store can bring a spent one back, as he can bring back any
// other entry.
namespace hsmcore::users {

inline constexpr std::string_view kTokenPrefix = "token/";

struct Challenge {
  // What for; also the place of the entry below kTokenPrefix. One that is for a user only ends with
  // his path.
  std::string purpose;
  std::string cluster;
  Role role = Role::kAdmin;
  std::string name;          // who made it, and may spend it
  std::int64_t expires = 0;  // seconds since 1970
  Bytes nonce;

  // For people to read before they sign.
  Bytes Encode() const;
  // kTokenRefused: not of the form that Encode gives, to the byte.
  static Result<Challenge> Decode(ByteView text);
};

// Puts a new one into the store and returns its text. What is there for this purpose is replaced
// when it has expired, or `replace` says so; otherwise kTokenRefused. `also` is done in the same
// commit. The caller holds core.mutex.
Result<Bytes> NewChallenge(cluster::Core& core, const std::string& purpose, Role role,
                           const std::string& name, std::int64_t now, bool replace,
                           const std::function<Status(storage::Transaction&)>& also = {});

// Ends the life of one in the commit of what it was for. kTokenRefused: spent, deleted, expired, of
// another cluster, for another purpose or user; the detail begins with `what`.
Status SpendChallenge(storage::Transaction& change, ByteView text, const Challenge& expected,
                      std::int64_t now);

// Deletes the others below `purpose_prefix`.
Status DeleteExpired(cluster::Core& core, storage::Transaction& change,
                     std::string_view purpose_prefix, std::int64_t now);

// Those that have not expired.
Result<std::vector<Challenge>> LiveChallenges(cluster::Core& core, std::string_view purpose_prefix,
                                              std::int64_t now);

}  // namespace hsmcore::users

#endif  // HSMCORE_USERS_CHALLENGE_H_
