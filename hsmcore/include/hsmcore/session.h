// SPDX-License-Identifier: Apache-2.0
#ifndef HSMCORE_SESSION_H_
#define HSMCORE_SESSION_H_

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "hsmcore/attributes.h"
#include "hsmcore/audit.h"
#include "hsmcore/credential.h"
#include "hsmcore/key.h"
#include "hsmcore/key_uri.h"
#include "hsmcore/progress.h"
#include "hsmcore/quorum.h"
#include "hsmcore/type_change.h"
#include "hsmcore/types.h"
#include "hsmcore/wrap.h"

namespace hsmcore {

struct KeyUri;
struct BackupInfo;
struct BackupContent;

// Which keys; everything that is set must match. An empty query matches all.
struct KeyQuery {
  std::optional<KeyHandle> handle;
  std::optional<std::string> label;
  std::optional<Bytes> id;
  std::optional<KeyClass> klass;
  // Any attribute by name and text, as in hsmctl's --filter attr.NAME=VALUE.
  std::vector<std::pair<Attribute, std::string>> attributes;
  // Keys that were deleted and can be restored; without it, the others.
  bool deleted = false;

  static KeyQuery ByHandle(KeyHandle handle);
  static KeyQuery FromUri(const KeyUri& uri);
  std::string ToString() const;  // for error texts
};

// How a new key looks. A pair has both halves; without a label and without an id in the private
// half (public half for an imported public key) it still may be persistent: token decides.
// A secret key has its attributes as private_half; Secret() gives the defaults.
struct KeyTemplate {
  ObjectAttributes private_half = DefaultAttributes(KeyClass::kPrivateKey);
  ObjectAttributes public_half = DefaultAttributes(KeyClass::kPublicKey);
  // Of a persistent private or secret key. With initialisers, so that an aggregate may leave them
  // out.
  // NOLINTBEGIN(readability-redundant-member-init)
  KeyLife life = {};                         // its start, end and use_limit
  std::vector<std::string> share_with = {};  // crypto users, by name
  KeyQuorum quorum = {};                     // at most as many as they are, and the owner
  // NOLINTEND(readability-redundant-member-init)

  static KeyTemplate Secret() { return {DefaultAttributes(KeyClass::kSecretKey), {}}; }
};

// ApplyAtCreation for a half of a new key, and for the attributes of its life.
Status ApplyAtCreation(KeyTemplate& form, KeyClass klass, std::string_view name,
                       std::string_view value);

// What Session::Encapsulate makes: the ciphertext is for the owner of the public key, who gets the
// same secret out of it.
struct EncapsulatedKey {
  Bytes ciphertext;
  KeyPtr key;
};

struct UserInfo {
  std::string name;
  Role role = Role::kCryptoUser;
  bool locked = false;
  unsigned failed_logins = 0;
  std::int64_t created = 0;
  std::size_t machine_credentials = 0;
  bool signs_tokens = false;  // he has registered a key for that
  bool mfa = false;           // his password opens only with a signed token
};

inline constexpr unsigned kMaxUnlockMinutes = 7 * 24 * 60;

// What becomes of the keys of a crypto user who is deleted.
struct DeleteUserOptions {
  std::string transfer_keys_to;  // a crypto user; empty: he must not own any
  // The consent of the user who is deleted. A transfer needs it, or a quorum for users, whose
  // approvals then stand for it.
  std::optional<Credential> owner;
  const QuorumToken* approval = nullptr;  // guarded by QuorumService::kUser
};

// Crypto users that keys are shared with together.
struct GroupInfo {
  std::string name;
  std::vector<std::string> members;
  std::int64_t created = 0;
};

// Who is asking: the only door to keys and users. Safe for any number of threads at once; calls
// that change the cluster are serialised. Stays usable after fork().
//
// Errors that all calls share: kRoleForbids, kLoginRequired, kStorage*, kNoHsmInService,
// kKeyAvailability, kRecordDamaged.
class Session {
 public:
  virtual ~Session() = default;

  virtual const std::string& cluster_id() const = 0;
  virtual bool logged_in() const = 0;
  virtual const std::string& user() const = 0;  // empty without login
  virtual Role role() const = 0;

  // ---- Keys ----

  // The objects that match and that this session may see: a crypto user's own and shared keys and
  // every public key; without login, public keys; an admin sees handle and label of all.
  // Ordered by handle.
  virtual Result<std::vector<KeyInfo>> Find(const KeyQuery& query) = 0;

  // The one key that matches, ready to be used. A pair whose two halves both match is one key; of
  // the versions of a key it is the newest that is active. One's own key stands before those that
  // others share.
  // `want_private` false gives a key with its public half only, and needs no login.
  // Errors: kKeyNotFound, kKeyAmbiguous (the detail lists the handles), kKeyDamaged.
  virtual Result<KeyPtr> Load(const KeyQuery& query, bool want_private) = 0;
  // The one secret key that matches; as Load otherwise.
  virtual Result<KeyPtr> LoadSecret(const KeyQuery& query) = 0;

  // Generates a pair or, by the type, a secret key. token in the template's private half:
  // persistent, acknowledged when it is durable, and needs a crypto user; otherwise it lives in
  // this process. Errors: kKeySize, kAttributeValue, kQuotaExceeded; kUserNotFound: of those it is
  // shared with; kInvalidArgument: fewer users than its quorum; kSessionKey: shared or with a life.
  virtual Result<KeyPtr> Generate(const KeySpec& spec, const KeyTemplate& form) = 0;

  // Takes in a key from outside: local and never-extractable are false. kKeyImport when the halves
  // disagree or the key is not valid.
  virtual Result<KeyPtr> ImportPair(const KeyPairMaterial& material, const KeyTemplate& form) = 0;
  // A secret key. kKeySize: its length does not fit the type; kKeyImport: a 3DES key whose parts
  // are equal.
  virtual Result<KeyPtr> ImportSecret(KeyType type, const SecretBytes& value,
                                      const KeyTemplate& form) = 0;
  Result<KeyPtr> ImportSecret(KeyType type, const SecretBytes& value,
                              const ObjectAttributes& form) {
    return ImportSecret(type, value, KeyTemplate{form, {}});
  }
  // A new secret key from a held one (Key::Derive), which never leaves the HSM. spec.secret_bytes
  // says how long; 0: as Generate. As a key from outside, it is not local and not
  // never-extractable.
  virtual Result<KeyPtr> Derive(const Key& key, const KdfMechanism& mechanism, const KeySpec& spec,
                                const ObjectAttributes& form) = 0;
  // The same from an agreement (Key::Agree), as PKCS#11's C_DeriveKey does it. With the X9.63 KDF
  // the key is as long as `spec` says, and mechanism.x963_length is not looked at. Without a KDF it
  // is made of the last spec.secret_bytes bytes of the shared secret; 0: a generic-secret is all of
  // it, other types are as long as Generate makes them. kKeySize: the secret is shorter.
  virtual Result<KeyPtr> Agree(const Key& key, const AgreeMechanism& mechanism, const Key& peer,
                               const KeySpec& spec, const ObjectAttributes& form) = 0;
  // A new secret key that is a KEM's shared secret, whole: kKeySize, where the type or
  // spec.secret_bytes has another length. Nothing is made when an error is returned.
  virtual Result<EncapsulatedKey> Encapsulate(const Key& key, const KemMechanism& mechanism,
                                              const KeySpec& spec,
                                              const ObjectAttributes& form) = 0;
  virtual Result<KeyPtr> Decapsulate(const Key& key, const KemMechanism& mechanism,
                                     ByteView ciphertext, const KeySpec& spec,
                                     const ObjectAttributes& form) = 0;
  virtual Result<KeyInfo> ImportPublic(const PublicMaterial& material,
                                       const ObjectAttributes& form) = 0;

  // Deletes one object, or with `whole_pair` both halves. Final. kAttributeForbids without
  // destroyable.
  virtual Status Delete(KeyHandle handle, bool whole_pair) = 0;

  // Changes one attribute of one object, by the rules of the attribute table.
  virtual Result<KeyInfo> SetAttribute(KeyHandle handle, std::string_view name,
                                       std::string_view value) = 0;

  // ---- The life of one's own keys (hsmcore/key_life.h) ----
  // Each counts at the next use in every process that has the key loaded. kKeyNotFound,
  // kRoleForbids, kSessionKey.

  virtual Result<KeyInfo> SetKeyEnabled(KeyHandle handle, bool enabled) = 0;
  // Deletes a key, both halves of a pair, so that it can be restored for that many days,
  // kMinRecoveryDays to kMaxRecoveryDays; afterwards the next change of any key removes it for
  // good. kInvalidArgument, kAttributeForbids without destroyable.
  virtual Result<KeyInfo> ScheduleDeletion(KeyHandle handle, unsigned days) = 0;
  virtual Result<KeyInfo> CancelDeletion(KeyHandle handle) = 0;
  // A new key of the same type with the same attributes, for the same users: the next version. The
  // one before signs and encrypts for `overlap` more seconds. kClusterState: it has a next version
  // already; kPublicKeyOnly, and those of Generate.
  virtual Result<KeyPtr> RotateKey(KeyHandle handle, std::int64_t overlap) = 0;

  // Lets another crypto user encrypt, decrypt, sign, verify, wrap and unwrap with a private or
  // secret key of one's own. Deriving from it, wrapping it, changing, sharing and deleting it stay
  // the owner's. Done twice it changes nothing. kUserNotFound; kRoleForbids: somebody else's key;
  // kInvalidArgument: the owner; kPublicKeyOnly: no private half; kSessionKey.
  virtual Result<KeyInfo> ShareKey(KeyHandle handle, std::string_view user) = 0;
  // Takes that back, at the next use in every process that has the key loaded for that user; for
  // the others it is sealed under a new key. kKeyNotShared.
  virtual Result<KeyInfo> UnshareKey(KeyHandle handle, std::string_view user) = 0;

  // The same for the members of a group. A member uses the key while he is in the group. Who comes
  // later gets it when the owner shares it again, because only he can seal it to somebody; that
  // also seals it anew where somebody has left. KeyInfo::groups tells both. kGroupNotFound.
  virtual Result<KeyInfo> ShareKeyWithGroup(KeyHandle handle, std::string_view group) = 0;
  virtual Result<KeyInfo> UnshareKeyFromGroup(KeyHandle handle, std::string_view group) = 0;

  // Takes a key of one's own out, encrypted by another key. The payload must be `extractable`; the
  // wrapping key must be held, and may `wrap`; of a pair, the public half does it. Both are asked
  // for as the store has them now. Errors: kAttributeForbids (the detail names the attribute),
  // kRoleForbids, kKeyTypeMismatch, kDataLength, kMechanism, kDigest, kKeyGone.
  virtual Result<WrappedKey> Wrap(const Key& wrapping, const Key& payload,
                                  const WrapMechanism& mechanism) = 0;
  // Takes in a key that was wrapped, here or elsewhere: local and never-extractable are false.
  // kDecryption is the one answer to bytes that do not open. For bytes that open and are no key of
  // the type: kKeyImport, kKeySize. kAttributeForbids: `form` contradicts the unwrap-template.
  virtual Result<KeyPtr> Unwrap(const Key& unwrapping, const WrapMechanism& mechanism,
                                ByteView wrapped, const UnwrapForm& form) = 0;

  // The URI that a reference file for this key holds, without `cluster`; kSessionKey when there is
  // none.
  virtual Result<KeyUri> ReferenceUri(const Key& key) = 0;

  // ---- Users ----

  virtual Result<std::vector<UserInfo>> ListUsers() = 0;
  // Admin only. kUserExists, kUserName, kPasswordPolicy. Guarded by QuorumService::kUser: what is
  // guarded takes an approval where a quorum is set, and then kQuorumRequired, kTokenRefused.
  virtual Status CreateUser(std::string_view name, Role role, const SecretBytes& password,
                            const QuorumToken* approval) = 0;
  Status CreateUser(std::string_view name, Role role, const SecretBytes& password) {
    return CreateUser(name, role, password, nullptr);
  }
  // Admin only. Refused while the user owns keys (kClusterState), unless `wanted` says who gets
  // them: then they go over, under the same handles, with their shares and marks, and the user
  // after the last one. What is cut short goes on when it is repeated. What an admin has signed is
  // signed anew. kClusterState: the first admin, or oneself; kUserNotFound; those of the owner's
  // login.
  virtual Status DeleteUser(std::string_view name, Role role, const DeleteUserOptions& wanted) = 0;
  // Admin only: a new password for somebody else, out of the escrow that was made with him. His
  // keys and machine credentials stay, and he is no longer locked. He has MFA with the key in `mfa`
  // (NewRegistrationFor), and with nullptr none. Guarded by QuorumService::kUser, and the approvals
  // are given with ApproveToken. kUserNotFound, kPasswordPolicy; those of RegisterTokenKey.
  virtual Status ResetPassword(std::string_view name, Role role, const SecretBytes& password,
                               const NewTokenKey* mfa, const QuorumToken* approval) = 0;
  Status ResetPassword(std::string_view name, Role role, const SecretBytes& password,
                       const QuorumToken* approval) {
    return ResetPassword(name, role, password, nullptr, approval);
  }
  Status ResetPassword(std::string_view name, Role role, const SecretBytes& password) {
    return ResetPassword(name, role, password, nullptr, nullptr);
  }
  // Admin only: forgets the wrong passwords that locked a user. kUserNotFound.
  virtual Status UnlockUser(std::string_view name, Role role) = 0;
  // One's own password. Keys and machine credentials stay. kPasswordPolicy.
  virtual Status ChangePassword(const SecretBytes& new_password) = 0;
  // Makes a machine credential for oneself and returns it in the form user:secret. kept by nobody
  // else: what is lost is made anew.
  virtual Result<SecretBytes> CreateMachineCredential() = 0;
  // Takes back one's machine credentials, all of them.
  virtual Status DeleteMachineCredentials() = 0;

  // ---- Quorum and the signing of tokens (hsmcore/quorum.h) ----

  // A token for oneself to sign, and the key that has signed it: with it one approves from here on.
  // A registered key is replaced. `public_key`: PEM or DER. kTokenKey, kModeForbids, kTokenRefused.
  virtual Result<SignableToken> NewRegistration() = 0;
  // The same for somebody else to sign, whose MFA an admin changes (ResetPassword). kUserNotFound.
  virtual Result<SignableToken> NewRegistrationFor(std::string_view name, Role role) = 0;
  virtual Status RegisterTokenKey(ByteView public_key, const SignableToken& signed_token) = 0;

  // From here on one's password takes a signature by that key at each login
  // (Cluster::NewMfaTokens). `password` is one's own; machine credentials stay as they are.
  // kPasswordWrong; the errors of RegisterTokenKey.
  virtual Status RegisterMfa(const SecretBytes& password, ByteView public_key,
                             const SignableToken& signed_token) = 0;
  // The password alone opens again. The key stays registered. kPasswordWrong.
  virtual Status DeregisterMfa(const SecretBytes& password) = 0;

  // In the order of the services. Needs no login.
  virtual Result<std::vector<QuorumValue>> QuorumValues() = 0;
  // Admin only. Takes as many approvals as the value in force, or that of the service `quorum`
  // where it is greater. kInvalidArgument: not kNoQuorum to kMaxQuorum, or more than there are
  // admins.
  virtual Status SetQuorumValue(QuorumService service, unsigned value,
                                const QuorumToken* approval) = 0;
  // A token without signatures, which this admin alone can spend. kTokenRefused: there is a live
  // one for the service.
  virtual Result<QuorumToken> NewQuorumToken(QuorumService service) = 0;
  // The same of a crypto user for a key that he may use. There can be several.
  virtual Result<QuorumToken> NewKeyToken(QuorumService service, KeyHandle key) = 0;
  // Gives the session the signed token for a key: what the key's quorum guards finds it, and spends
  // it when it is done. A session keeps several, and uses the oldest first. Not looked at before.
  virtual void PresentApproval(QuorumToken token) = 0;
  // The token with one's own approval, and with one's share of the recovery key where it is split:
  // what a reset of a password needs, and no signature by openssl gives. An admin, or for a key a
  // crypto user who may use it. kTokenRefused.
  virtual Result<QuorumToken> ApproveToken(const QuorumToken& token) = 0;
  // Needs no login.
  virtual Result<std::vector<LiveToken>> QuorumTokens() = 0;
  // Admin only: one's own, or with `of_all` those of all admins too; how many.
  virtual Result<std::size_t> DeleteQuorumTokens(bool of_all) = 0;
  // ---- Groups of crypto users; only an admin changes them ----
  // Names follow the rule of users' names. kGroupNotFound, kGroupExists, kUserName, kUserNotFound.

  virtual Result<std::vector<GroupInfo>> ListGroups() = 0;
  virtual Status CreateGroup(std::string_view name) = 0;
  // These two end the use of the keys that are shared with the group, at the next use.
  virtual Status DeleteGroup(std::string_view name) = 0;
  virtual Status RemoveFromGroup(std::string_view name, std::string_view user) = 0;
  virtual Status AddToGroup(std::string_view name, std::string_view user) = 0;

  // ---- Backups (hsmcore/backup.h), admin only ----
  // Errors: kBackupNotFound, kBackupDamaged (cut short, changed, of another cluster's admins),
  // kBackupState, those of FileError. The settings are guarded by QuorumService::kCluster.

  // Opens a backup, reads it to the end and checks every entry, and says what is inside.
  virtual Result<BackupContent> ReadBackup(const std::filesystem::path& file,
                                           const Progress& progress) = 0;
  // Brings one key back as it was, under the same handle, with both halves and the mark `trusted`.
  // kBackupState: the backup is of another cluster that is no clone. kClusterState: the key is
  // there, or its owner is not. kKeyNotFound: the backup has no such key.
  virtual Result<KeyInfo> RestoreKey(const std::filesystem::path& file, KeyHandle handle,
                                     const Progress& progress) = 0;
  // To another directory, under the same id; durable when it returns. kBackupState: it is there.
  virtual Result<BackupInfo> CopyBackup(std::string_view id, const std::filesystem::path& to) = 0;
  // Gone after kUndoDays; until then it can be brought back. kBackupState: the newest one stays.
  virtual Result<BackupInfo> DeleteBackup(std::string_view id) = 0;
  virtual Result<BackupInfo> RestoreDeletedBackup(std::string_view id) = 0;
  // How long backups are kept: kMinRetentionDays to kMaxRetentionDays. kInvalidArgument.
  virtual Status SetBackupRetention(unsigned days, const QuorumToken* approval) = 0;
  Status SetBackupRetention(unsigned days) { return SetBackupRetention(days, nullptr); }
  // Whether Cluster::CreateDailyBackup makes any, as it does unless changed.
  virtual Status SetAutomaticBackups(bool automatic, const QuorumToken* approval) = 0;
  Status SetAutomaticBackups(bool automatic) { return SetAutomaticBackups(automatic, nullptr); }
  // Whether a new persistent key needs two HSMs in the whole cluster; takes an admin. Without it a
  // key may be on one disk only until the next backup.
  virtual Status SetKeyAvailabilityCheck(bool check, const QuorumToken* approval) = 0;
  Status SetKeyAvailabilityCheck(bool check) { return SetKeyAvailabilityCheck(check, nullptr); }
  // After how many minutes a locked user is free again by himself; 0, which it is unless changed:
  // never. At most kMaxUnlockMinutes; kInvalidArgument. Takes an admin.
  virtual Status SetUnlockAfter(unsigned minutes, const QuorumToken* approval) = 0;
  Status SetUnlockAfter(unsigned minutes) { return SetUnlockAfter(minutes, nullptr); }
  // Changes the type of the HSMs, one HSM at a time with a backup before each, in limited-write
  // mode; or takes the last change back. What was cut short is finished by the same call. Takes an
  // admin. kInvalidArgument: no such type, or not one to change to; kClusterState: not in this
  // state, too late to go back, or keys and users would be lost that `wanted` does not accept: the
  // detail names them; kQuotaExceeded: what was made since does not fit; those of ReadBackup.
  virtual Result<TypeChangeReport> ChangeType(const TypeChangeOptions& wanted,
                                              const Progress& progress,
                                              const QuorumToken* approval) = 0;
  Result<TypeChangeReport> ChangeType(const TypeChangeOptions& wanted, const Progress& progress) {
    return ChangeType(wanted, progress, nullptr);
  }

  // ---- The audit log (hsmcore/audit.h), for admins and auditors ----

  // The records that match, oldest first. What is no record is passed over: VerifyAudit finds it.
  virtual Status ReadAudit(const AuditQuery& query,
                           const std::function<void(const AuditRecord&)>& visit) = 0;
  // Checks the log as it is in the store: every record, that none is missing, that nothing was
  // changed after the newest one, and that it holds the checkpoints. The report has what was found.
  virtual Result<AuditReport> VerifyAudit(std::span<const AuditCheckpoint> checkpoints) = 0;
  // Adds a record that is signed by this user and says nothing but that it is there: kept
  // elsewhere, it is the proof that the log went so far.
  virtual Result<AuditRecord> CreateAuditCheckpoint() = 0;
  // Takes the records up to `last` out of the store, the newest one excepted. Whoever calls has
  // them, durable. Takes an admin. Guarded by QuorumService::kCluster.
  virtual Status RotateAudit(std::uint64_t last, const QuorumToken* approval) = 0;
  Status RotateAudit(std::uint64_t last) { return RotateAudit(last, nullptr); }
  // Whether the log tells of the use of these keys, by any of their handles, or, without any, of
  // all that have no setting of their own. Counts from the next time that a key is loaded. Takes an
  // admin. kKeyNotFound, kQuotaExceeded. Guarded by QuorumService::kCluster.
  virtual Status SetKeyUseAudit(KeyUseAudit mode, const std::vector<KeyHandle>& keys,
                                const QuorumToken* approval) = 0;
  Status SetKeyUseAudit(KeyUseAudit mode, const std::vector<KeyHandle>& keys) {
    return SetKeyUseAudit(mode, keys, nullptr);
  }
};

}  // namespace hsmcore

#endif  // HSMCORE_SESSION_H_
