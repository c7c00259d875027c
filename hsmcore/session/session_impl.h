// SPDX-License-Identifier: Apache-2.0
#ifndef HSMCORE_SESSION_SESSION_IMPL_H_
#define HSMCORE_SESSION_SESSION_IMPL_H_

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cluster/core.h"
#include "hsmcore/session.h"
#include "keys/groups.h"
#include "keys/key_store.h"
#include "keys/trusted_mark.h"
#include "session/held_key.h"
#include "session/login.h"
#include "users/approvals.h"
#include "users/backup_policy.h"
#include "users/directory.h"
#include "users/key_use_policy.h"

namespace hsmcore::session {

class SessionImpl final : public Session {
 public:
  SessionImpl(std::shared_ptr<cluster::Core> core, std::shared_ptr<const Login> login);

  const std::string& cluster_id() const override { return core_->file.id; }
  bool logged_in() const override { return login_ != nullptr; }
  const std::string& user() const override { return user_; }
  Role role() const override { return login_ ? login_->role : Role::kCryptoUser; }

  Result<std::vector<KeyInfo>> Find(const KeyQuery& query) override;
  Result<KeyPtr> Load(const KeyQuery& query, bool want_private) override;
  Result<KeyPtr> LoadSecret(const KeyQuery& query) override;
  Result<KeyPtr> Generate(const KeySpec& spec, const KeyTemplate& form) override;
  Result<KeyPtr> ImportPair(const KeyPairMaterial& material, const KeyTemplate& form) override;
  using Session::ImportSecret;
  Result<KeyPtr> ImportSecret(KeyType type, const SecretBytes& value,
                              const KeyTemplate& form) override;
  Result<KeyPtr> Derive(const Key& key, const KdfMechanism& mechanism, const KeySpec& spec,
                        const ObjectAttributes& form) override;
  Result<KeyPtr> Agree(const Key& key, const AgreeMechanism& mechanism, const Key& peer,
                       const KeySpec& spec, const ObjectAttributes& form) override;
  Result<EncapsulatedKey> Encapsulate(const Key& key, const KemMechanism& mechanism,
                                      const KeySpec& spec, const ObjectAttributes& form) override;
  Result<KeyPtr> Decapsulate(const Key& key, const KemMechanism& mechanism, ByteView ciphertext,
                             const KeySpec& spec, const ObjectAttributes& form) override;
  Result<KeyInfo> ImportPublic(const PublicMaterial& material,
                               const ObjectAttributes& form) override;
  Status Delete(KeyHandle handle, bool whole_pair) override;
  Result<KeyInfo> SetAttribute(KeyHandle handle, std::string_view name,
                               std::string_view value) override;
  Result<KeyInfo> SetKeyEnabled(KeyHandle handle, bool enabled) override;
  Result<KeyInfo> ScheduleDeletion(KeyHandle handle, unsigned days) override;
  Result<KeyInfo> CancelDeletion(KeyHandle handle) override;
  Result<KeyPtr> RotateKey(KeyHandle handle, std::int64_t overlap) override;
  Result<KeyInfo> ShareKey(KeyHandle handle, std::string_view user) override;
  Result<KeyInfo> UnshareKey(KeyHandle handle, std::string_view user) override;
  Result<KeyInfo> ShareKeyWithGroup(KeyHandle handle, std::string_view group) override;
  Result<KeyInfo> UnshareKeyFromGroup(KeyHandle handle, std::string_view group) override;
  Result<WrappedKey> Wrap(const Key& wrapping, const Key& payload,
                          const WrapMechanism& mechanism) override;
  Result<KeyPtr> Unwrap(const Key& unwrapping, const WrapMechanism& mechanism, ByteView wrapped,
                        const UnwrapForm& form) override;
  Result<KeyUri> ReferenceUri(const Key& key) override;

  Result<std::vector<UserInfo>> ListUsers() override;
  Status CreateUser(std::string_view name, Role role, const SecretBytes& password,
                    const QuorumToken* approval) override;
  Status DeleteUser(std::string_view name, Role role, const DeleteUserOptions& wanted) override;
  using Session::ResetPassword;
  Status ResetPassword(std::string_view name, Role role, const SecretBytes& password,
                       const NewTokenKey* mfa, const QuorumToken* approval) override;
  Status UnlockUser(std::string_view name, Role role) override;
  Status ChangePassword(const SecretBytes& new_password) override;
  Result<SecretBytes> CreateMachineCredential() override;
  Status DeleteMachineCredentials() override;

  Result<SignableToken> NewRegistration() override;
  Result<SignableToken> NewRegistrationFor(std::string_view name, Role role) override;
  Status RegisterTokenKey(ByteView public_key, const SignableToken& signed_token) override;
  Status RegisterMfa(const SecretBytes& password, ByteView public_key,
                     const SignableToken& signed_token) override;
  Status DeregisterMfa(const SecretBytes& password) override;
  Result<std::vector<QuorumValue>> QuorumValues() override;
  Status SetQuorumValue(QuorumService service, unsigned value,
                        const QuorumToken* approval) override;
  Result<QuorumToken> NewQuorumToken(QuorumService service) override;
  Result<QuorumToken> NewKeyToken(QuorumService service, KeyHandle key) override;
  void PresentApproval(QuorumToken token) override;
  Result<QuorumToken> ApproveToken(const QuorumToken& token) override;
  Result<std::vector<LiveToken>> QuorumTokens() override;
  Result<std::size_t> DeleteQuorumTokens(bool of_all) override;
  Result<std::vector<GroupInfo>> ListGroups() override;
  Status CreateGroup(std::string_view name) override;
  Status DeleteGroup(std::string_view name) override;
  Status RemoveFromGroup(std::string_view name, std::string_view user) override;
  Status AddToGroup(std::string_view name, std::string_view user) override;

  Result<BackupContent> ReadBackup(const std::filesystem::path& file,
                                   const Progress& progress) override;
  Result<KeyInfo> RestoreKey(const std::filesystem::path& file, KeyHandle handle,
                             const Progress& progress) override;
  Result<BackupInfo> CopyBackup(std::string_view id, const std::filesystem::path& to) override;
  Result<BackupInfo> DeleteBackup(std::string_view id) override;
  Result<BackupInfo> RestoreDeletedBackup(std::string_view id) override;
  Status SetBackupRetention(unsigned days, const QuorumToken* approval) override;
  Status SetAutomaticBackups(bool automatic, const QuorumToken* approval) override;
  Status SetKeyAvailabilityCheck(bool check, const QuorumToken* approval) override;
  Status SetUnlockAfter(unsigned minutes, const QuorumToken* approval) override;
  Result<TypeChangeReport> ChangeType(const TypeChangeOptions& wanted, const Progress& progress,
                                      const QuorumToken* approval) override;

  Status ReadAudit(const AuditQuery& query,
                   const std::function<void(const AuditRecord&)>& visit) override;
  Result<AuditReport> VerifyAudit(std::span<const AuditCheckpoint> checkpoints) override;
  Result<AuditRecord> CreateAuditCheckpoint() override;
  using Session::RotateAudit;
  Status RotateAudit(std::uint64_t last, const QuorumToken* approval) override;
  using Session::SetKeyUseAudit;
  Status SetKeyUseAudit(KeyUseAudit mode, const std::vector<KeyHandle>& keys,
                        const QuorumToken* approval) override;

  // Who acts; nobody without a login.
  users::Actor Me() const { return login_ ? login_->actor(approvals_.get()) : users::Actor(); }

 private:
  // For what has no commit of its own that it could be spent in; core_->mutex is held.
  Status SpendForCluster(const QuorumToken* approval);
  struct Cached {
    std::shared_ptr<const HeldKey> key;
    std::uint64_t last_used = 0;
  };
  // A pair by its private half's handle, with or without the private part.
  using CacheKey = std::pair<KeyHandle, bool>;

  Result<users::UserRecord::Password> Reseal(const SecretBytes& password,
                                             const users::SecondFactor* second,
                                             Bytes& sealed_before);

  Status Allow(policy::Operation operation) const;
  // A new key: who asks, and what the mode says of the type.
  Status AllowNew(KeyType type, policy::Origin origin, bool token) const;
  ModeRules Rules() const { return core_->config.rules(); }
  // What this cluster's keys work with. kFipsModule, kSetting.
  Result<crypto::LibraryKind> Library() const { return crypto::KindFor(core_->config.mode); }

  // What may be told about a half, with the admins' marks and groups; RefreshMarks was called
  // before.
  KeyInfo InfoOf(const keys::KeyRecord& record, KeyClass klass) const;
  // The object with this handle, or the one half that a record has.
  KeyInfo InfoOfHalf(const keys::KeyRecord& record, KeyHandle handle) const;
  // The record of a key that one may use. kKeyNotFound, kRoleForbids; core_->mutex is held.
  Result<keys::KeyRecord> UsableRecord(KeyHandle handle);
  // A persistent key, and a crypto user.
  Status CheckSharing(KeyHandle handle) const;
  // RefreshMarks was called before. May the user of this session use the private half of a record?
  bool MayUse(const keys::KeyRecord& record) const;
  // The halves of a record that this session may see.
  std::vector<KeyInfo> Visible(const keys::KeyRecord& record) const;
  // These hold core_->mutex.
  // Where the use of the key is recorded, if it is; RefreshMarks was called before.
  void ChooseUseLog(KeyHandle handle, HeldKey::Parts& parts);
  // kUserNotFound: the user of this session was deleted, or is another one by now.
  Status CheckStillThere();
  Result<std::vector<KeyInfo>> FindLocked(const KeyQuery& query);
  Result<std::optional<keys::KeyRecord>> ReadRecord(KeyHandle handle);
  Status RefreshMarks();  // and groups, and the key use policy
  void ForgetDeadSessionKeys();
  void AddSessionKeys(const KeyQuery& query, std::vector<KeyInfo>& found);
  Result<KeyPtr> LoadLocked(const KeyQuery& query, bool want_private);
  Result<KeyPtr> LoadHandle(KeyHandle handle, bool want_private);
  Result<std::shared_ptr<const HeldKey>> Hold(const keys::KeyRecord& record, HeldKey::Parts parts,
                                              bool want_private);
  KeyPtr FromCache(const CacheKey& key, std::uint64_t version);
  void Remember(const CacheKey& key, const std::shared_ptr<const HeldKey>& held);
  std::shared_ptr<const HeldKey> SessionKey(KeyHandle handle);
  void RememberSessionKey(const std::shared_ptr<const HeldKey>& held);

  Result<KeyPtr> MakeTokenKey(const KeyPairMaterial& material, const KeyTemplate& form);
  // `ready`: what does the operations of the pair, where it is made already; or nullptr.
  using ReadyKey = std::shared_ptr<const crypto::AsymmetricKey>;
  Result<KeyPtr> MakeSessionKey(const KeyPairMaterial& material, const KeyTemplate& form,
                                ReadyKey ready);
  Result<KeyPtr> Make(const KeyPairMaterial& material, KeyTemplate form, bool local,
                      ReadyKey ready);
  // May a secret key with these attributes come from elsewhere than Generate?
  Status AllowSecret(KeyType type, const ObjectAttributes& form) const;
  Result<KeyPtr> KeepSecret(KeyType type, SecretBytes value, const KeyTemplate& form);
  // What a new persistent key has of its template besides its halves; core_->mutex is held.
  Status Tie(keys::KeyRecord& record, const KeyTemplate& form);
  // A key as it is now: what the store says of a persistent one.
  struct Fresh {
    KeyInfo info;
    std::optional<keys::KeyRecord> record;  // of a persistent key
    PrivateMaterial material;               // only where it was asked for
  };
  // Spends the approvals that these keys' quorums ask for where they wrap or are wrapped; nothing:
  // a session key, which has none. core_->mutex is held.
  Status TakeApprovals(const std::vector<const std::optional<keys::KeyRecord>*>& records);
  struct Outgoing {
    SecretBytes plain;
    // Whose quorums are asked.
    std::optional<keys::KeyRecord> payload;
    std::optional<keys::KeyRecord> wrapping;
  };
  // The payload in the clear, where it may leave by that key.
  Result<Outgoing> TakeOut(const HeldKey& outer, const HeldKey& inner);
  // The form of the key that comes in; an approval is spent.
  Result<KeyTemplate> AllowIn(const HeldKey& outer, const UnwrapForm& form);
  Result<Fresh> FreshLocked(const HeldKey& key, bool public_half, bool with_material);

  // Changes what both halves have in common, in a key of one's own.
  Result<KeyInfo> ChangeLife(KeyHandle handle, keys::Deed deed,
                             const std::function<Status(keys::KeyRecord&)>& change);
  Result<KeyInfo> SetLife(KeyHandle handle, Attribute attribute, std::string_view value);
  // Of a key with a use-limit; core_->mutex is held.
  Status AddUseCount(KeyInfo& info);
  // New material of the same kind.
  Result<KeyPairMaterial> GenerateLike(const PublicMaterial& material);

  Result<KeyInfo> MarkTrusted(KeyHandle handle, std::string_view value);
  Result<KeyInfo> KeepSessionKey(KeyHandle handle, std::string_view name, std::string_view value);

  const std::shared_ptr<cluster::Core> core_;
  const std::shared_ptr<const Login> login_;  // nullptr: none
  const std::string user_;
  // Guarded by core_->mutex:
  const std::shared_ptr<users::Approvals> approvals_ = std::make_shared<users::Approvals>();
  std::shared_ptr<KeyUseLog> use_log_;  // made when a key needs it
  std::map<CacheKey, Cached> cache_;
  std::map<std::string, KeyHandle> lookups_;  // answers that hold while the revision stays
  std::uint64_t lookups_revision_ = 0;
  std::uint64_t uses_ = 0;
  std::map<KeyHandle, std::weak_ptr<const HeldKey>> session_keys_;
  std::size_t session_keys_limit_ = 0;  // so many, and the dead ones are forgotten
  keys::Marks marks_;
  keys::Groups groups_;                                     // read with the marks
  users::KeyUsePolicy key_use_;                             // likewise
  std::optional<storage::GenerationMap::Head> marks_head_;  // when they were read
  std::optional<storage::GenerationMap::Head> seen_head_;   // when the user was still there
  std::optional<keys::KeyRecord> last_read_;
  storage::GenerationMap::Head last_read_head_;
};

}  // namespace hsmcore::session

#endif  // HSMCORE_SESSION_SESSION_IMPL_H_
