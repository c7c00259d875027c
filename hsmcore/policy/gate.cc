// SPDX-License-Identifier: Apache-2.0
#include "policy/gate.h"

#include <array>

#include "base/text.h"

namespace hsmcore::policy {
namespace {

struct OperationRow {
  Operation operation;
  const char* name;
  bool admin;
  bool crypto_user;
  bool no_login;
};

constexpr auto kOperations = std::to_array<OperationRow>({
    {Operation::kListUsers, "list users", true, true, true},
    {Operation::kCreateUser, "create users", true, false, false},
    {Operation::kUnlockUser, "unlock users", true, false, false},
    {Operation::kChangeOwnCredentials, "change one's own credentials", true, true, false},
    {Operation::kManageKeys, "manage keys", false, true, false},
    {Operation::kMakeSessionKey, "make session keys", false, true, true},
    {Operation::kLoadPrivateKey, "use private and secret keys", false, true, false},
    {Operation::kListAllKeys, "list the keys of all users", true, false, false},
    {Operation::kSetTrusted, "set 'trusted'", true, false, false},
    {Operation::kModifyCluster, "change the settings of the cluster", true, false, false},
    {Operation::kManageBackups, "manage backups", true, false, false},
});

struct UseRow {
  Key::Use use;
  const char* verb;
  Attribute attribute;
  bool needs_private;
};

constexpr auto kUses = std::to_array<UseRow>({
    {Key::Use::kSign, "sign", Attribute::kSign, true},
    {Key::Use::kVerify, "verify", Attribute::kVerify, false},
    {Key::Use::kEncrypt, "encrypt", Attribute::kEncrypt, false},
    {Key::Use::kDecrypt, "decrypt", Attribute::kDecrypt, true},
    {Key::Use::kDerive, "derive", Attribute::kDerive, true},
    {Key::Use::kWrap, "wrap", Attribute::kWrap, false},
    {Key::Use::kUnwrap, "unwrap", Attribute::kUnwrap, true},
    // A KEM ends where an agreement does, in a secret that two sides share.
    {Key::Use::kEncapsulate, "encapsulate", Attribute::kDerive, false},
    {Key::Use::kDecapsulate, "decapsulate", Attribute::kDerive, true},
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

Status Allow(Operation operation, std::optional<Role> role) {
  const OperationRow& row = kOperations[static_cast<std::size_t>(operation)];
  if (!role) {
    if (row.no_login) return {};
    return Fail(ErrorCode::kLoginRequired,
                Cat("to ", row.name, ", log in as ", row.crypto_user ? "a crypto user" : "an admin",
                    ": set HSM_PIN=user:password, or name a pin-source"));
  }
  if (*role == Role::kAdmin ? row.admin : row.crypto_user) return {};
  return Fail(ErrorCode::kRoleForbids,
              Cat("a user with the role ", NameOf(*role), " may not ", row.name, "; log in as ",
                  row.crypto_user ? "a crypto user" : "an admin"));
}

Status AllowUse(Key::Use use, const UsableKey& key) {
  const UseRow& row = kUses[static_cast<std::size_t>(use)];
  if (row.needs_private || key.secret) {
    if (!key.private_half) {
      return Fail(ErrorCode::kPublicKeyOnly,
                  Cat("to ", row.verb, ", load the private key with a login"));
    }
    if (key.private_half->Has(row.attribute)) return {};
    return std::unexpected(Forbidden(row, key.handle.PrivateHalf()));
  }
  // Without a public object there is no attribute to ask, and nothing secret to protect.
  if (!key.public_half || key.public_half->Has(row.attribute)) return {};
  return std::unexpected(Forbidden(row, key.handle.PublicHalf()));
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
