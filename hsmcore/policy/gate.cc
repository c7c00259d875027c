// SPDX-License-Identifier: Apache-2.0
#include "policy/gate.h"

#include <array>

#include "base/text.h"

namespace hsmcore::policy {
namespace {

constexpr bool kYes = true;
constexpr bool kNo = false;

constexpr auto kOperations = std::to_array<OperationRow>({
    // unactivated admin, admin, crypto user, auditor, no login
    {Operation::kDescribeCluster, "describe the cluster", {kYes, kYes, kYes, kYes, kYes}},
    {Operation::kSyncCluster, "bring the HSMs together", {kNo, kYes, kYes, kYes, kYes}},
    {Operation::kActivateCluster, "activate the cluster", {kYes, kNo, kNo, kNo, kNo}},
    {Operation::kListUsers, "list users", {kYes, kYes, kYes, kYes, kYes}},
    {Operation::kCreateUser, "create users", {kNo, kYes, kNo, kNo, kNo}},
    {Operation::kDeleteUser, "delete users", {kNo, kYes, kNo, kNo, kNo}},
    {Operation::kUnlockUser, "unlock users", {kNo, kYes, kNo, kNo, kNo}},
    {Operation::kManageGroups, "manage groups of users", {kNo, kYes, kNo, kNo, kNo}},
    {Operation::kResetPassword, "change another user's password", {kNo, kYes, kNo, kNo, kNo}},
    {Operation::kChangeOwnCredentials,
     "change one's own credentials",
     {kNo, kYes, kYes, kYes, kNo}},
    {Operation::kListPublicKeys, "list public keys", {kNo, kYes, kYes, kYes, kYes}},
    {Operation::kListAllKeys, "list the keys of all users", {kNo, kYes, kNo, kNo, kNo}},
    {Operation::kManageKeys, "manage keys", {kNo, kNo, kYes, kNo, kNo}},
    {Operation::kMakeSessionKey, "make session keys", {kNo, kNo, kYes, kNo, kYes}},
    {Operation::kLoadPrivateKey, "use private and secret keys", {kNo, kNo, kYes, kNo, kNo}},
    {Operation::kSetTrusted, "set 'trusted'", {kNo, kYes, kNo, kNo, kNo}},
    {Operation::kReplicateKey, "copy keys to a clone", {kNo, kYes, kYes, kNo, kNo}},
    {Operation::kReplicateUser, "copy users to a clone", {kNo, kYes, kNo, kNo, kNo}},
    {Operation::kModifyCluster, "change the settings of the cluster", {kNo, kYes, kNo, kNo, kNo}},
    {Operation::kZeroize, "zeroize the cluster", {kNo, kYes, kNo, kNo, kNo}},
    {Operation::kManageBackups, "manage backups", {kNo, kYes, kNo, kNo, kNo}},
    {Operation::kReadAuditLog, "read the audit log", {kNo, kYes, kNo, kYes, kNo}},
    {Operation::kRotateAuditLog, "rotate the audit log", {kNo, kYes, kNo, kNo, kNo}},
    {Operation::kListQuorum, "list quorum values and tokens", {kNo, kYes, kYes, kYes, kYes}},
    {Operation::kManageQuorum, "manage quorum values and tokens", {kNo, kYes, kNo, kNo, kNo}},
    {Operation::kApproveKeyUse, "make and approve tokens for keys", {kNo, kNo, kYes, kNo, kNo}},
});

bool Allows(const OperationRow& row, Asker asker) {
  return row.allowed[static_cast<std::size_t>(asker)];
}

// Whom to log in as, for what `row` says.
const char* WhoMay(const OperationRow& row) {
  if (Allows(row, Asker::kCryptoUser)) return "a crypto user";
  return Allows(row, Asker::kAdmin) ? "an admin" : "an auditor";
}

Asker AskerWith(std::optional<Role> role) {
  if (!role) return Asker::kNobody;
  switch (*role) {
    case Role::kAdmin:
      return Asker::kAdmin;
    case Role::kCryptoUser:
      return Asker::kCryptoUser;
    case Role::kAuditor:
      return Asker::kAuditor;
  }
  return Asker::kNobody;
}

struct UseRow {
  Key::Use use;
  const char* verb;
  Attribute attribute;
  bool needs_private;
  bool shared;    // may those do it with whom the key is shared?
  bool protects;  // makes something new, rather than deals with what was made (SP 800-57)
  // Can it be approved, or does it need no approval, where a key has a quorum for its use? Wrapping
  // and unwrapping are guarded as management of keys.
  bool by_quorum;
};

constexpr auto kUses = std::to_array<UseRow>({
    {Key::Use::kSign, "sign", Attribute::kSign, true, true, true, true},
    {Key::Use::kVerify, "verify", Attribute::kVerify, false, true, false, true},
    {Key::Use::kEncrypt, "encrypt", Attribute::kEncrypt, false, true, true, false},
    {Key::Use::kDecrypt, "decrypt", Attribute::kDecrypt, true, true, false, false},
    {Key::Use::kDerive, "derive", Attribute::kDerive, true, false, true, false},
    {Key::Use::kWrap, "wrap", Attribute::kWrap, false, true, true, true},
    {Key::Use::kUnwrap, "unwrap", Attribute::kUnwrap, true, true, false, true},
    // A KEM ends where an agreement does, in a secret that two sides share.
    {Key::Use::kEncapsulate, "encapsulate", Attribute::kDerive, false, true, true, true},
    {Key::Use::kDecapsulate, "decapsulate", Attribute::kDerive, true, false, false, false},
});

constexpr bool InEnumOrder() {
  for (std::size_t i = 0; i < kOperations.size(); ++i) {
    if (static_cast<std::size_t>(kOperations[i].operation) != i) return false;
  }
  for (std::size_t i = 0; i < kUses.size(); ++i) {
    if (static_cast<std::size_t>(kUses[i].use) != i) return false;
  }
  return true;
}
static_assert(InEnumOrder(), "the tables are indexed by their enums");

Error Forbidden(const UseRow& row, KeyHandle handle) {
  return {ErrorCode::kAttributeForbids,
          Cat("key ", handle.ToString(), " may not ", row.verb, ": its attribute '",
              RowOf(row.attribute).name, "' is false; the owner can set it with 'hsmctl key ",
              "set-attribute --filter key-reference=", handle.ToString(), " --name ",
              RowOf(row.attribute).name, " --value true'")};
}

}  // namespace

const char* NameOf(Asker asker) {
  static constexpr const char* kNames[kAskers] = {"unactivated-admin", "admin", "crypto-user",
                                                  "auditor", "no login"};
  return kNames[static_cast<std::size_t>(asker)];
}

const char* NameOf(Key::Use use) { return kUses[static_cast<std::size_t>(use)].verb; }

std::span<const OperationRow> AllOperations() { return kOperations; }

Status Allow(Operation operation, Asker asker) {
  const OperationRow& row = kOperations[static_cast<std::size_t>(operation)];
  if (Allows(row, asker)) return {};
  if (asker == Asker::kNobody) {
    return Fail(ErrorCode::kLoginRequired,
                Cat("to ", row.name, ", log in as ", WhoMay(row),
                    ": set HSM_PIN=user:password, or name a pin-source"));
  }
  return Fail(ErrorCode::kRoleForbids, Cat("a user with the role ", NameOf(asker), " may not ",
                                           row.name, "; log in as ", WhoMay(row)));
}

Status Allow(Operation operation, std::optional<Role> role) {
  return Allow(operation, AskerWith(role));
}

Status AllowUse(Key::Use use, const UsableKey& key) {
  const UseRow& row = kUses[static_cast<std::size_t>(use)];
  if (row.needs_private || key.secret) {
    if (!key.private_half) {
      return Fail(ErrorCode::kPublicKeyOnly,
                  Cat("to ", row.verb, ", load the private key with a login"));
    }
    if (key.shared && !row.shared) {
      return Fail(ErrorCode::kRoleForbids,
                  Cat("key ", key.handle.PrivateHalf().ToString(),
                      " is shared with you; only its owner may ", row.verb, " with it"));
    }
    if (key.private_half->Has(row.attribute)) return {};
    return std::unexpected(Forbidden(row, key.handle.PrivateHalf()));
  }
  // Without a public object there is no attribute to ask, and nothing secret to protect.
  if (!key.public_half || key.public_half->Has(row.attribute)) return {};
  return std::unexpected(Forbidden(row, key.handle.PublicHalf()));
}

Status AllowByQuorum(Key::Use use, const KeyInfo& info) {
  const UseRow& row = kUses[static_cast<std::size_t>(use)];
  const bool public_use = !row.needs_private && info.klass != KeyClass::kSecretKey;
  if (info.quorum.use == 0 || row.by_quorum || public_use) return {};
  return Fail(ErrorCode::kQuorumRequired,
              Cat("key ", info.handle.ToString(), " may not ", row.verb, ": it signs, with the ",
                  "approval of ", info.quorum.use,
                  " of its users (use-key-quorum-value), and does ", "nothing else"));
}

Status AllowState(Key::Use use, KeyHandle handle, const KeyLife& life) {
  const UseRow& row = kUses[static_cast<std::size_t>(use)];
  const std::string name = Cat("key ", handle.ToString());
  switch (StateOf(life)) {
    case KeyState::kActive:
      return {};
    case KeyState::kPreActivation:
      return Fail(ErrorCode::kKeyInactive, Cat(name, " may not ", row.verb,
                                               " yet: its 'start-date' is ", UtcText(*life.start)));
    case KeyState::kDeactivated:
      if (!row.protects) return {};
      return Fail(
          ErrorCode::kKeyInactive,
          Cat(name, " may no longer ", row.verb, ": its 'end-date' was ", UtcText(*life.end),
              life.next.value != 0 ? "; its next version is " : "; 'hsmctl key rotate'",
              life.next.value != 0 ? life.next.ToString() : " makes the next version"));
    case KeyState::kDisabled:
      return Fail(ErrorCode::kKeyInactive,
                  Cat(name, " is disabled; its owner enables it with 'hsmctl key enable --filter ",
                      "key-reference=", handle.ToString(), "'"));
    case KeyState::kPendingDeletion:
      break;
  }
  return Fail(ErrorCode::kKeyGone, Cat(name, " was deleted"));
}

Status AllowWrap(const KeyInfo& payload, const KeyInfo& wrapping, std::string_view user) {
  const std::string name = Cat("key ", payload.handle.ToString());
  if (payload.klass == KeyClass::kPublicKey) {
    return Fail(ErrorCode::kKeyTypeMismatch,
                Cat(name,
                    " is a public key, which needs no wrapping; 'hsmctl key generate-file "
                    "--encoding pem' writes it"));
  }
  if (payload.owner != user) {
    return Fail(ErrorCode::kRoleForbids,
                Cat(name, " belongs to ", payload.owner, ", who alone may wrap it"));
  }
  if (!payload.life.enabled) {
    return Fail(ErrorCode::kKeyInactive, Cat(name, " is disabled, and does not leave the HSM"));
  }
  if (!payload.attributes.flags.Has(Attribute::kExtractable)) {
    return Fail(ErrorCode::kAttributeForbids,
                Cat(name, " may not be wrapped: its attribute 'extractable' is false, for good"));
  }
  if (payload.attributes.flags.Has(Attribute::kWrapWithTrusted) &&
      !wrapping.attributes.flags.Has(Attribute::kTrusted)) {
    return Fail(ErrorCode::kAttributeForbids,
                Cat(name,
                    " may be wrapped by a trusted key only, because its attribute "
                    "'wrap-with-trusted' is true; key ",
                    wrapping.handle.ToString(), " has no admin's mark 'trusted'"));
  }
  for (const auto& [attribute, value] : wrapping.attributes.wrap_template) {
    if (AttributeText(payload, attribute) == value) continue;
    return Fail(ErrorCode::kAttributeForbids,
                Cat(name, " may not be wrapped by key ", wrapping.handle.ToString(),
                    ", whose attribute 'wrap-template' takes keys with ", RowOf(attribute).name,
                    "=", value, " only"));
  }
  return {};
}

Status AllowGivenValue(const KeyInfo& info, bool token) {
  const AttributeFlags& flags = info.attributes.flags;
  if (!token && !flags.Has(Attribute::kLocal) && flags.Has(Attribute::kExtractable)) return {};
  return Fail(ErrorCode::kSecretKeyHeld,
              Cat("the bytes of key ", info.handle.ToString(),
                  " do not leave the HSM; use it with ciphers, MACs and KDFs of this provider, "
                  "fetched with provider=hsm, that take held keys"));
}

Status AllowDelete(const KeyInfo& info) {
  if (info.attributes.flags.Has(Attribute::kDestroyable)) return {};
  return Fail(ErrorCode::kAttributeForbids,
              Cat("key ", info.handle.ToString(),
                  " may not be deleted: its attribute 'destroyable' is false"));
}

}  // namespace hsmcore::policy
