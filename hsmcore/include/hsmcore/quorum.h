// SPDX-License-Identifier: Apache-2.0
#ifndef HSMCORE_QUORUM_H_
#define HSMCORE_QUORUM_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "hsmcore/credential.h"
#include "hsmcore/types.h"

// Quorum m of n, as CloudHSM has it: with a value of two or more for a service, what the service
// guards takes a token that so many admins have approved. What an approver signs and how is in
// docs/quorum.md.
namespace hsmcore {

enum class QuorumService : std::uint8_t {
  kUser,     // create and delete users, change another's password or MFA
  kQuorum,   // change a quorum value
  kCluster,  // change the settings of the cluster
};
inline constexpr std::size_t kQuorumServices = 3;
const char* NameOf(QuorumService service);  // "user", ...
std::optional<QuorumService> QuorumServiceByName(std::string_view name);

inline constexpr unsigned kNoQuorum = 1;
inline constexpr unsigned kMaxQuorum = 8;
// A token lives so long; seconds.
inline constexpr std::int64_t kTokenLifetime = 600;

// How many approvals a service takes; kNoQuorum: none.
struct QuorumValue {
  QuorumService service = QuorumService::kUser;
  unsigned value = kNoQuorum;
};

// One user's approval of a token.
struct QuorumApproval {
  std::string username;
  Role role = Role::kAdmin;
  Bytes signature;  // over the token, with the key that he has registered
  // Set: he has logged in to approve (Session::ApproveToken), and `signature` is his record's key's
  // over the text and the share.
  bool by_login = false;
  Bytes share;  // by_login: his share of the recovery key, sealed to who made the token; or empty
};

// Made by who wants something done, approved by others, spent by what it was made for.
struct QuorumToken {
  QuorumService service = QuorumService::kUser;
  Bytes approval_data;  // says for whom, for what, in which cluster and until when, as text
  std::vector<QuorumApproval> signatures;

  // What is signed: SHA-256 of approval_data.
  Bytes token() const;
};

// A token that can be spent still.
struct LiveToken {
  QuorumService service = QuorumService::kUser;
  std::string username;  // who made it
  Role role = Role::kAdmin;
  std::int64_t expires = 0;  // seconds since 1970
};

// Something to sign once, to show that one has the private key. `data` is to `token` as in
// QuorumToken.
struct SignableToken {
  Bytes data;
  Bytes token;
  Bytes signature;  // empty until it is signed
};

}  // namespace hsmcore

#endif  // HSMCORE_QUORUM_H_
