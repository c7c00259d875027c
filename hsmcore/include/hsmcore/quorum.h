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
// guards takes a token that so many admins have approved. A key can have values of its own: then it
// takes the approval of so many of those who may use it. What an approver signs and how is in
// docs/quorum.md.
namespace hsmcore {

enum class QuorumService : std::uint8_t {
  kUser,     // create and delete users, change another's password or MFA
  kQuorum,   // change a quorum value
  kCluster,  // change the settings of the cluster, take records out of its audit log
  kLastOfAdmins = kCluster,
  // Of one key (KeyQuorum):
  kKeyManagement,  // change it, share it, wrap it, wrap and unwrap by it
  kKeyUsage,       // sign with it
};
// Those whose values are the cluster's.
inline constexpr std::size_t kAdminServices = 3;
const char* NameOf(QuorumService service);  // "user", ..., "key-management", "key-usage"
std::optional<QuorumService> QuorumServiceByName(std::string_view name);
constexpr bool IsOfKeys(QuorumService service) { return service > QuorumService::kLastOfAdmins; }

inline constexpr unsigned kNoQuorum = 1;
inline constexpr unsigned kMaxQuorum = 8;
// A token lives so long; seconds.
inline constexpr std::int64_t kTokenLifetime = 600;
// So many tokens for keys can be alive at once, of all keys together.
inline constexpr std::size_t kMaxKeyTokens = 1024;

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
  std::optional<KeyHandle> key;  // of the private half, where the service is of keys
  Bytes approval_data;  // says for whom, for what, in which cluster and until when, as text
  std::vector<QuorumApproval> signatures;

  // In CloudHSM's form, a JSON object: {"version", "service", "key_reference", "approval_data",
  // "token", "signatures": [{"username", "role", "signature"}]}. kInvalidArgument: another form;
  // the detail names the field, and begins with `what`.
  std::string ToJson() const;
  static Result<QuorumToken> FromJson(std::string_view text, std::string_view what);
  // Adds the signatures of another copy of the same token. kInvalidArgument: it is another one.
  Status Merge(QuorumToken copy, std::string_view what);

  // What is signed: SHA-256 of approval_data.
  Bytes token() const;
};

// What HSM_APPROVAL names: token files, ':' between them; copies of one token with the signatures
// of several become one. For programs that have no option for it. kFileAccess; kInvalidArgument: no
// token file. Nothing in a set-uid program.
Result<std::vector<QuorumToken>> ApprovalsFromEnvironment();

// A token that can be spent still.
struct LiveToken {
  QuorumService service = QuorumService::kUser;
  std::optional<KeyHandle> key;
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

// Their file in CloudHSM's form: {"version", "tokens": [{"approval_data", "unsigned", "signed"}]}.
// Reading wants `count` of them, signed. kInvalidArgument as QuorumToken::FromJson.
std::string ToJson(const std::vector<SignableToken>& tokens);
Result<std::vector<SignableToken>> SignableTokensFromJson(std::string_view text,
                                                          std::string_view what, std::size_t count);

// The key by which a user signs tokens, PEM or DER, and a token that it has signed.
struct NewTokenKey {
  Bytes public_key;
  SignableToken signed_token;
};

}  // namespace hsmcore

#endif  // HSMCORE_QUORUM_H_
