// SPDX-License-Identifier: Apache-2.0
#ifndef HSMCORE_POLICY_GATE_H_
#define HSMCORE_POLICY_GATE_H_

#include <array>
#include <cstdint>
#include <optional>
#include <span>

#include "hsmcore/credential.h"
#include "hsmcore/key.h"

// The one gate: may this be done, with this key, by this user? Every operation passes here before
// anything else happens.
namespace hsmcore::policy {

// Management operations (CloudHSM's permission table, with the auditor besides).
enum class Operation : std::uint8_t {
  kDescribeCluster,
  kSyncCluster,
  kActivateCluster,
  kListUsers,
  kCreateUser,
  kDeleteUser,
  kUnlockUser,
  kManageGroups,
  kResetPassword,  // somebody else's
  kChangeOwnCredentials,
  kListPublicKeys,
  kListAllKeys,     // of every owner, with attributes
  kManageKeys,      // make, import, delete, change persistent keys
  kMakeSessionKey,  // a key that lives and dies in this process
  kLoadPrivateKey,  // or a secret key
  kSetTrusted,
  kReplicateKey,  // a crypto user's own keys only
  kReplicateUser,
  kModifyCluster,
  kZeroize,        // destroy the cluster's key material
  kManageBackups,  // read, copy and delete them, bring keys back
  kReadAuditLog,
  kRotateAuditLog,
  kListQuorum,     // values and tokens
  kManageQuorum,   // set values, make, approve and delete tokens
  kApproveKeyUse,  // make and approve tokens for keys
};

// Who asks. An unactivated admin is whoever may write to the home of a cluster that has no users
// yet.
enum class Asker : std::uint8_t { kUnactivatedAdmin, kAdmin, kCryptoUser, kAuditor, kNobody };
inline constexpr std::size_t kAskers = 5;
const char* NameOf(Asker asker);  // "unactivated-admin", ..., "no login"

struct OperationRow {
  Operation operation;
  const char* name;                   // after "to " and "may not "
  std::array<bool, kAskers> allowed;  // by Asker
};
// The one table of who may do what.
std::span<const OperationRow> AllOperations();

// kRoleForbids, kLoginRequired.
Status Allow(Operation operation, Asker asker);
// `role` is nothing without a login.
Status Allow(Operation operation, std::optional<Role> role);

// The flags of the halves that are there. A public key that is not held in the HSM has neither.
struct UsableKey {
  KeyHandle handle;
  std::optional<AttributeFlags> private_half;
  std::optional<AttributeFlags> public_half;
  bool secret = false;  // a secret key: private_half has its flags
  bool shared = false;  // by its owner, with the user who asks
};

const char* NameOf(Key::Use use);  // "sign"

// Does the key's quorum leave room for the use? Whether there is an approval is asked where it is
// spent. kQuorumRequired.
Status AllowByQuorum(Key::Use use, const KeyInfo& info);

// kAttributeForbids names the attribute; kPublicKeyOnly: the private half is not there;
// kRoleForbids: only the owner does this with a private half or a secret key.
Status AllowUse(Key::Use use, const UsableKey& key);

// The state of the key as the time is (kKeyInactive): a deactivated one deals with what is there
// already, it verifies, decrypts, unwraps and decapsulates; the detail says what ended it.
Status AllowState(Key::Use use, KeyHandle handle, const KeyLife& life);

// May `payload` leave the HSM, encrypted by `wrapping`, for the user of that name? Both as the
// store has them now. kRoleForbids: only the owner takes a key out. kAttributeForbids names the
// attribute: `extractable`, `wrap-with-trusted` without a trusted wrapping key, what the wrapping
// key's `wrap-template` asks for; kKeyTypeMismatch: a public key; kKeyInactive: disabled.
Status AllowWrap(const KeyInfo& payload, const KeyInfo& wrapping, std::string_view user);

// May a program have the bytes of a secret key? Only those that it gave itself, for a session key,
// and while the key is extractable. kSecretKeyHeld.
Status AllowGivenValue(const KeyInfo& info, bool token);

// kAttributeForbids, when `destroyable` is false.
Status AllowDelete(const KeyInfo& info);

}  // namespace hsmcore::policy

#endif  // HSMCORE_POLICY_GATE_H_
