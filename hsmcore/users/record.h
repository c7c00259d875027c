// SPDX-License-Identifier: Apache-2.0
#ifndef HSMCORE_USERS_RECORD_H_
#define HSMCORE_USERS_RECORD_H_

#include <optional>
#include <string>
#include <vector>

#include "hsmcore/credential.h"
#include "hsmcore/types.h"
#include "vault/identity.h"
#include "vault/password.h"

namespace hsmcore::users {

// A user as stored under UserPath. Two signed parts: the identity, by the admin who made the user,
// changes only with the recovery key (escrow.h); the credentials, by the user himself, change with
// his passwords. Format: docs/storage.md.
struct UserRecord {
  struct Password {
    vault::PasswordHash hash;
    Bytes sealed;  // the identity's secret, sealed under the hashed password
    Bytes unlock;  // not empty: and under the signature over this text (mfa.h)
  };
  struct Machine {
    Bytes id;
    Bytes sealed;  // the same under the machine credential
  };

  struct TokenKey {
    Bytes spki;  // of the key by which he signs tokens (token_key.h)
  };

  // Signed by `signer`:
  std::string name;
  Role role = Role::kCryptoUser;
  vault::PublicIdentity identity;
  std::int64_t created = 0;
  std::string signer;  // path of the admin; its own path for the first admin
  Bytes escrow;        // the identity's secret, sealed to the cluster's recovery key
  // Signed by the user:
  std::optional<Password> password;
  std::vector<Machine> machines;
  std::optional<TokenKey> token_key;

  bool has_mfa() const { return password && !password->unlock.empty() && token_key; }
  std::string path() const;
};

std::string UserPath(Role role, std::string_view name);

// Lower case; kUserName when it has other than 1..31 letters, digits and underscores.
Result<std::string> NormalisedName(std::string_view name);

// The identity part with its signature. Made once, carried along unchanged afterwards.
struct SignedIdentity {
  Bytes body;
  Bytes signature;
};
SignedIdentity SignIdentity(const UserRecord& record, const vault::Identity& signer);

// The whole record, credentials signed by `self`.
Bytes EncodeRecord(const UserRecord& record, const SignedIdentity& identity,
                   const vault::Identity& self);

struct DecodedRecord {
  UserRecord record;
  SignedIdentity identity;
};
// Checks form and the user's own signature, not the signer's (see Directory). kRecordDamaged.
Result<DecodedRecord> DecodeRecord(std::string_view path, ByteView bytes);
bool SignedBy(const DecodedRecord& decoded, ByteView sign_key);

// The identity's secret under a credential, bound to this user and this kind of credential.
Result<Bytes> SealIdentity(const vault::Identity& identity, const SecretBytes& key,
                           std::string_view path, std::string_view kind);
Result<vault::Identity> OpenIdentity(ByteView sealed, const SecretBytes& key, std::string_view path,
                                     std::string_view kind);
inline constexpr std::string_view kPasswordKind = "password";
inline constexpr std::string_view kPasswordAndTokenKind = "password and token";
inline constexpr std::string_view kMachineKind = "machine";

}  // namespace hsmcore::users

#endif  // HSMCORE_USERS_RECORD_H_
