// SPDX-License-Identifier: Apache-2.0
#ifndef HSMCORE_SESSION_AUDITED_SESSION_H_
#define HSMCORE_SESSION_AUDITED_SESSION_H_

#include <memory>
#include <string>
#include <vector>

#include "audit/log.h"
#include "session/session_impl.h"

namespace hsmcore::session {

// A login whose changes, and attempts at changes, are in the audit log under its name. The records
// of changes come with the commits (audit/log.h); this says what they are, and adds those of what
// was refused and of what changes files only.
class AuditedSession final : public Session {
 public:
  AuditedSession(std::shared_ptr<cluster::Core> core, std::shared_ptr<SessionImpl> session)
      : core_(std::move(core)), session_(std::move(session)) {}

  audit::Actor actor() const { return session_->Me().who(); }

  const std::string& cluster_id() const override { return session_->cluster_id(); }
  bool logged_in() const override { return session_->logged_in(); }
  const std::string& user() const override { return session_->user(); }
  Role role() const override { return session_->role(); }

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
  Result<std::vector<QuorumValue>> QuorumValues() override { return session_->QuorumValues(); }
  Status SetQuorumValue(QuorumService service, unsigned value,
                        const QuorumToken* approval) override;
  Result<QuorumToken> NewQuorumToken(QuorumService service) override;
  Result<QuorumToken> NewKeyToken(QuorumService service, KeyHandle key) override;
  void PresentApproval(QuorumToken token) override { session_->PresentApproval(std::move(token)); }
  Result<QuorumToken> ApproveToken(const QuorumToken& token) override;
  Result<std::vector<LiveToken>> QuorumTokens() override { return session_->QuorumTokens(); }
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

  // For what is no call of a session.
  void NoteRefused(audit::Entry entry, ErrorCode code) const;

 private:
  // Does it with a scope of that entry; a refusal is noted.
  template <class Call>
  auto Audit(audit::Entry entry, const Call& call) -> decltype(call());
  // The same for what commits nothing: done, it is noted.
  template <class Call>
  auto Noted(audit::Entry entry, const Call& call) -> decltype(call());
  Status Note(audit::Entry entry, ErrorCode result) const;
  Result<KeyPtr> NoteForbidden(const KeyQuery& query, Result<KeyPtr> key);

  const std::shared_ptr<cluster::Core> core_;
  const std::shared_ptr<SessionImpl> session_;
};

// Who acts in a session; nobody without a login.
audit::Actor ActorOf(const Session& session);

}  // namespace hsmcore::session

#endif  // HSMCORE_SESSION_AUDITED_SESSION_H_
