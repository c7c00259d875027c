// SPDX-License-Identifier: Apache-2.0
#include "session/audited_session.h"

#include <mutex>
#include <tuple>
#include <utility>

#include "base/text.h"
#include "hsmcore/backup.h"
#include "hsmcore/key_uri.h"

namespace hsmcore::session {
namespace {

using audit::Named;
using enum AuditEvent;

audit::Entry OfUser(AuditEvent event, Role role, std::string_view name) {
  const auto normalised = users::NormalisedName(name);
  return audit::About(event, normalised ? users::UserPath(role, *normalised) : std::string());
}

audit::Entry OfKeys(AuditEvent event, std::vector<KeyHandle> keys, std::string detail = {}) {
  audit::Entry entry = Named(event, std::move(detail));
  for (const KeyHandle handle : keys) entry.keys.push_back(handle.PrivateHalf());
  return entry;
}

KeyHandle HandleOf(const Key& key) {
  const KeyInfo* info = key.private_info() != nullptr ? key.private_info() : key.public_info();
  return info != nullptr ? info->handle : KeyHandle();
}

}  // namespace

audit::Actor ActorOf(const Session& session) {
  const auto* audited = dynamic_cast<const AuditedSession*>(&session);
  return audited != nullptr ? audited->actor() : audit::Actor();
}

// A store that cannot be written lets nothing through that is refused.
Status AuditedSession::Note(audit::Entry entry, ErrorCode result) const {
  entry.result = result;
  const std::lock_guard lock(core_->mutex);
  const Status noted = audit::Note(*core_->engine, actor(), entry);
  return result == ErrorCode() ? noted : Status();
}

template <class Call>
auto AuditedSession::Audit(audit::Entry entry, const Call& call) -> decltype(call()) {
  const audit::Scope scope(actor(), entry);
  auto done = call();
  if (!done && audit::IsRefusal(done.error().code())) {
    HSMCORE_CHECK(Note(std::move(entry), done.error().code()));
  }
  return done;
}

template <class Call>
auto AuditedSession::Noted(audit::Entry entry, const Call& call) -> decltype(call()) {
  auto done = Audit(entry, call);
  if (done) HSMCORE_CHECK(Note(std::move(entry), ErrorCode()));
  return done;
}

// ---- Keys ---------------------------------------------------------------------------------------

Result<std::vector<KeyInfo>> AuditedSession::Find(const KeyQuery& query) {
  return session_->Find(query);
}

// Looking for a key that there is not is no attempt at anything.
Result<KeyPtr> AuditedSession::NoteForbidden(const KeyQuery& query, Result<KeyPtr> key) {
  if (!key && key.error().code() == ErrorCode::kRoleForbids) {
    HSMCORE_CHECK(Note(Named(kKeyUse, query.ToString()), key.error().code()));
  }
  return key;
}

Result<KeyPtr> AuditedSession::Load(const KeyQuery& query, bool want_private) {
  return NoteForbidden(query, session_->Load(query, want_private));
}

Result<KeyPtr> AuditedSession::LoadSecret(const KeyQuery& query) {
  return NoteForbidden(query, session_->LoadSecret(query));
}

Result<KeyPtr> AuditedSession::Generate(const KeySpec& spec, const KeyTemplate& form) {
  return Audit(Named(kKeyGenerate, form.private_half.label),
               [&] { return session_->Generate(spec, form); });
}

Result<KeyPtr> AuditedSession::ImportPair(const KeyPairMaterial& material,
                                          const KeyTemplate& form) {
  return Audit(Named(kKeyImport, form.private_half.label),
               [&] { return session_->ImportPair(material, form); });
}

Result<KeyPtr> AuditedSession::ImportSecret(KeyType type, const SecretBytes& value,
                                            const KeyTemplate& form) {
  return Audit(Named(kKeyImport, form.private_half.label),
               [&] { return session_->ImportSecret(type, value, form); });
}

Result<KeyPtr> AuditedSession::Derive(const Key& key, const KdfMechanism& mechanism,
                                      const KeySpec& spec, const ObjectAttributes& form) {
  return Audit(OfKeys(kKeyDerive, {HandleOf(key)}, form.label),
               [&] { return session_->Derive(key, mechanism, spec, form); });
}

Result<KeyPtr> AuditedSession::Agree(const Key& key, const AgreeMechanism& mechanism,
                                     const Key& peer, const KeySpec& spec,
                                     const ObjectAttributes& form) {
  return Audit(OfKeys(kKeyDerive, {HandleOf(key)}, form.label),
               [&] { return session_->Agree(key, mechanism, peer, spec, form); });
}

Result<EncapsulatedKey> AuditedSession::Encapsulate(const Key& key, const KemMechanism& mechanism,
                                                    const KeySpec& spec,
                                                    const ObjectAttributes& form) {
  return Audit(OfKeys(kKeyDerive, {HandleOf(key)}, form.label),
               [&] { return session_->Encapsulate(key, mechanism, spec, form); });
}

Result<KeyPtr> AuditedSession::Decapsulate(const Key& key, const KemMechanism& mechanism,
                                           ByteView ciphertext, const KeySpec& spec,
                                           const ObjectAttributes& form) {
  return Audit(OfKeys(kKeyDerive, {HandleOf(key)}, form.label),
               [&] { return session_->Decapsulate(key, mechanism, ciphertext, spec, form); });
}

Result<KeyInfo> AuditedSession::ImportPublic(const PublicMaterial& material,
                                             const ObjectAttributes& form) {
  return Audit(Named(kKeyImport, form.label),
               [&] { return session_->ImportPublic(material, form); });
}

Status AuditedSession::Delete(KeyHandle handle, bool whole_pair) {
  return Audit(OfKeys(kKeyDelete, {handle}), [&] { return session_->Delete(handle, whole_pair); });
}

Result<KeyInfo> AuditedSession::SetAttribute(KeyHandle handle, std::string_view name,
                                             std::string_view value) {
  const bool mark = name == RowOf(Attribute::kTrusted).name;
  return Audit(OfKeys(mark ? kKeySetTrusted : kKeyModify, {handle}, Cat(name, "=", value)),
               [&] { return session_->SetAttribute(handle, name, value); });
}

Result<KeyInfo> AuditedSession::SetKeyEnabled(KeyHandle handle, bool enabled) {
  return Audit(OfKeys(kKeyModify, {handle}, enabled ? "enabled" : "disabled"),
               [&] { return session_->SetKeyEnabled(handle, enabled); });
}

Result<KeyInfo> AuditedSession::ScheduleDeletion(KeyHandle handle, unsigned days) {
  return Audit(OfKeys(kKeyDelete, {handle}, Cat("in ", days, " days")),
               [&] { return session_->ScheduleDeletion(handle, days); });
}

Result<KeyInfo> AuditedSession::CancelDeletion(KeyHandle handle) {
  return Audit(OfKeys(kKeyRestore, {handle}), [&] { return session_->CancelDeletion(handle); });
}

Result<KeyPtr> AuditedSession::RotateKey(KeyHandle handle, std::int64_t overlap) {
  return Audit(OfKeys(kKeyRotate, {handle}), [&] { return session_->RotateKey(handle, overlap); });
}

Result<KeyInfo> AuditedSession::ShareKey(KeyHandle handle, std::string_view user) {
  audit::Entry entry = OfUser(kKeyShare, Role::kCryptoUser, user);
  entry.keys = {handle.PrivateHalf()};
  return Audit(std::move(entry), [&] { return session_->ShareKey(handle, user); });
}

Result<KeyInfo> AuditedSession::UnshareKey(KeyHandle handle, std::string_view user) {
  audit::Entry entry = OfUser(kKeyUnshare, Role::kCryptoUser, user);
  entry.keys = {handle.PrivateHalf()};
  return Audit(std::move(entry), [&] { return session_->UnshareKey(handle, user); });
}

Result<KeyInfo> AuditedSession::ShareKeyWithGroup(KeyHandle handle, std::string_view group) {
  return Audit(OfKeys(kKeyShare, {handle}, Cat("group ", group)),
               [&] { return session_->ShareKeyWithGroup(handle, group); });
}

Result<KeyInfo> AuditedSession::UnshareKeyFromGroup(KeyHandle handle, std::string_view group) {
  return Audit(OfKeys(kKeyUnshare, {handle}, Cat("group ", group)),
               [&] { return session_->UnshareKeyFromGroup(handle, group); });
}

// Nothing leaves the HSM without a record, unless both keys are of this process alone.
Result<WrappedKey> AuditedSession::Wrap(const Key& wrapping, const Key& payload,
                                        const WrapMechanism& mechanism) {
  audit::Entry entry =
      OfKeys(kKeyWrap, {HandleOf(payload), HandleOf(wrapping)}, RowOf(mechanism.kind).name);
  const auto wrap = [&] { return session_->Wrap(wrapping, payload, mechanism); };
  if (!payload.is_token()) return Audit(std::move(entry), wrap);
  return Noted(std::move(entry), wrap);
}

Result<KeyPtr> AuditedSession::Unwrap(const Key& unwrapping, const WrapMechanism& mechanism,
                                      ByteView wrapped, const UnwrapForm& form) {
  return Audit(OfKeys(kKeyUnwrap, {HandleOf(unwrapping)}, RowOf(mechanism.kind).name),
               [&] { return session_->Unwrap(unwrapping, mechanism, wrapped, form); });
}

Result<KeyUri> AuditedSession::ReferenceUri(const Key& key) { return session_->ReferenceUri(key); }

// ---- Users --------------------------------------------------------------------------------------

Result<std::vector<UserInfo>> AuditedSession::ListUsers() { return session_->ListUsers(); }

Status AuditedSession::CreateUser(std::string_view name, Role role, const SecretBytes& password,
                                  const QuorumToken* approval) {
  return Audit(OfUser(kUserCreate, role, name),
               [&] { return session_->CreateUser(name, role, password, approval); });
}

Status AuditedSession::DeleteUser(std::string_view name, Role role,
                                  const DeleteUserOptions& wanted) {
  audit::Entry entry = OfUser(kUserDelete, role, name);
  if (!wanted.transfer_keys_to.empty()) entry.detail = Cat("keys to ", wanted.transfer_keys_to);
  return Audit(std::move(entry), [&] { return session_->DeleteUser(name, role, wanted); });
}

Status AuditedSession::ResetPassword(std::string_view name, Role role, const SecretBytes& password,
                                     const NewTokenKey* mfa, const QuorumToken* approval) {
  audit::Entry entry = OfUser(kUserResetPassword, role, name);
  if (mfa != nullptr) entry.detail = "with mfa";
  return Audit(std::move(entry),
               [&] { return session_->ResetPassword(name, role, password, mfa, approval); });
}

Status AuditedSession::UnlockUser(std::string_view name, Role role) {
  return Audit(OfUser(kUserUnlock, role, name), [&] { return session_->UnlockUser(name, role); });
}

Status AuditedSession::ChangePassword(const SecretBytes& new_password) {
  return Audit(OfUser(kUserChangePassword, role(), user()),
               [&] { return session_->ChangePassword(new_password); });
}

Result<SecretBytes> AuditedSession::CreateMachineCredential() {
  return Audit(OfUser(kMachineCredentialCreate, role(), user()),
               [&] { return session_->CreateMachineCredential(); });
}

Status AuditedSession::DeleteMachineCredentials() {
  return Audit(OfUser(kMachineCredentialDelete, role(), user()),
               [&] { return session_->DeleteMachineCredentials(); });
}

// ---- Tokens and quorums -------------------------------------------------------------------------

Result<SignableToken> AuditedSession::NewRegistration() {
  return Audit(OfUser(kUserChangeQuorum, role(), user()),
               [&] { return session_->NewRegistration(); });
}

Result<SignableToken> AuditedSession::NewRegistrationFor(std::string_view name, Role role) {
  return Audit(OfUser(kUserChangeMfa, role, name),
               [&] { return session_->NewRegistrationFor(name, role); });
}

Status AuditedSession::RegisterTokenKey(ByteView public_key, const SignableToken& signed_token) {
  return Audit(OfUser(kUserChangeQuorum, role(), user()),
               [&] { return session_->RegisterTokenKey(public_key, signed_token); });
}

Status AuditedSession::RegisterMfa(const SecretBytes& password, ByteView public_key,
                                   const SignableToken& signed_token) {
  audit::Entry entry = OfUser(kUserChangeMfa, role(), user());
  entry.detail = "register";
  return Audit(std::move(entry),
               [&] { return session_->RegisterMfa(password, public_key, signed_token); });
}

Status AuditedSession::DeregisterMfa(const SecretBytes& password) {
  audit::Entry entry = OfUser(kUserChangeMfa, role(), user());
  entry.detail = "deregister";
  return Audit(std::move(entry), [&] { return session_->DeregisterMfa(password); });
}

Status AuditedSession::SetQuorumValue(QuorumService service, unsigned value,
                                      const QuorumToken* approval) {
  return Audit(Named(kQuorumSetValue, Cat(NameOf(service), "=", value)),
               [&] { return session_->SetQuorumValue(service, value, approval); });
}

Result<QuorumToken> AuditedSession::NewQuorumToken(QuorumService service) {
  return Audit(Named(kQuorumToken, Cat("generate ", NameOf(service))),
               [&] { return session_->NewQuorumToken(service); });
}

Result<QuorumToken> AuditedSession::NewKeyToken(QuorumService service, KeyHandle key) {
  return Audit(OfKeys(kQuorumToken, {key}, Cat("generate ", NameOf(service))),
               [&] { return session_->NewKeyToken(service, key); });
}

// It changes nothing in the store, and hands a share over.
Result<QuorumToken> AuditedSession::ApproveToken(const QuorumToken& token) {
  audit::Entry entry = Named(kQuorumApproval, NameOf(token.service));
  if (token.key) entry.keys.push_back(*token.key);
  return Noted(std::move(entry), [&] { return session_->ApproveToken(token); });
}

Result<std::size_t> AuditedSession::DeleteQuorumTokens(bool of_all) {
  return Audit(Named(kQuorumToken, of_all ? "delete all" : "delete"),
               [&] { return session_->DeleteQuorumTokens(of_all); });
}

// ---- Groups -------------------------------------------------------------------------------------

Result<std::vector<GroupInfo>> AuditedSession::ListGroups() { return session_->ListGroups(); }

Status AuditedSession::CreateGroup(std::string_view name) {
  return Audit(Named(kGroupModify, Cat("create ", name)),
               [&] { return session_->CreateGroup(name); });
}

Status AuditedSession::DeleteGroup(std::string_view name) {
  return Audit(Named(kGroupModify, Cat("delete ", name)),
               [&] { return session_->DeleteGroup(name); });
}

Status AuditedSession::RemoveFromGroup(std::string_view name, std::string_view user) {
  audit::Entry entry = OfUser(kGroupModify, Role::kCryptoUser, user);
  entry.detail = Cat("remove from ", name);
  return Audit(std::move(entry), [&] { return session_->RemoveFromGroup(name, user); });
}

Status AuditedSession::AddToGroup(std::string_view name, std::string_view user) {
  audit::Entry entry = OfUser(kGroupModify, Role::kCryptoUser, user);
  entry.detail = Cat("add to ", name);
  return Audit(std::move(entry), [&] { return session_->AddToGroup(name, user); });
}

// ---- Backups and settings -----------------------------------------------------------------------

Result<BackupContent> AuditedSession::ReadBackup(const std::filesystem::path& file,
                                                 const Progress& progress) {
  return session_->ReadBackup(file, progress);
}

Result<KeyInfo> AuditedSession::RestoreKey(const std::filesystem::path& file, KeyHandle handle,
                                           const Progress& progress) {
  return Audit(OfKeys(kBackupRestoreKey, {handle}, file.filename().native()),
               [&] { return session_->RestoreKey(file, handle, progress); });
}

Result<BackupInfo> AuditedSession::CopyBackup(std::string_view id,
                                              const std::filesystem::path& to) {
  return Noted(Named(kBackupCopy, std::string(id)), [&] { return session_->CopyBackup(id, to); });
}

Result<BackupInfo> AuditedSession::DeleteBackup(std::string_view id) {
  return Noted(Named(kBackupDelete, std::string(id)), [&] { return session_->DeleteBackup(id); });
}

Result<BackupInfo> AuditedSession::RestoreDeletedBackup(std::string_view id) {
  return Noted(Named(kBackupRestoreDeleted, std::string(id)),
               [&] { return session_->RestoreDeletedBackup(id); });
}

Status AuditedSession::SetBackupRetention(unsigned days, const QuorumToken* approval) {
  return Audit(Named(kClusterModify, Cat("backup-retention-days=", days)),
               [&] { return session_->SetBackupRetention(days, approval); });
}

Status AuditedSession::SetAutomaticBackups(bool automatic, const QuorumToken* approval) {
  return Audit(Named(kClusterModify, Cat("automatic-backups=", automatic ? "true" : "false")),
               [&] { return session_->SetAutomaticBackups(automatic, approval); });
}

Status AuditedSession::SetKeyAvailabilityCheck(bool check, const QuorumToken* approval) {
  return Audit(Named(kClusterModify, Cat("key-availability-check=", check ? "true" : "false")),
               [&] { return session_->SetKeyAvailabilityCheck(check, approval); });
}

Status AuditedSession::SetUnlockAfter(unsigned minutes, const QuorumToken* approval) {
  return Audit(Named(kClusterModify, Cat("unlock-after-minutes=", minutes)),
               [&] { return session_->SetUnlockAfter(minutes, approval); });
}

Result<TypeChangeReport> AuditedSession::ChangeType(const TypeChangeOptions& wanted,
                                                    const Progress& progress,
                                                    const QuorumToken* approval) {
  return Audit(Named(kClusterModify, Cat("hsm-type=", wanted.type)),
               [&] { return session_->ChangeType(wanted, progress, approval); });
}

// ---- The log itself -----------------------------------------------------------------------------

Status AuditedSession::ReadAudit(const AuditQuery& query,
                                 const std::function<void(const AuditRecord&)>& visit) {
  return session_->ReadAudit(query, visit);
}

Result<AuditReport> AuditedSession::VerifyAudit(std::span<const AuditCheckpoint> checkpoints) {
  return session_->VerifyAudit(checkpoints);
}

Result<AuditRecord> AuditedSession::CreateAuditCheckpoint() {
  return Audit(Named(kAuditCheckpoint), [&] { return session_->CreateAuditCheckpoint(); });
}

Status AuditedSession::SetKeyUseAudit(KeyUseAudit mode, const std::vector<KeyHandle>& keys,
                                      const QuorumToken* approval) {
  return Audit(OfKeys(kClusterModify, keys, Cat("key-use-audit=", NameOf(mode))),
               [&] { return session_->SetKeyUseAudit(mode, keys, approval); });
}

Status AuditedSession::RotateAudit(std::uint64_t last, const QuorumToken* approval) {
  return Noted(Named(kAuditRotate, Cat("up to ", last)),
               [&] { return session_->RotateAudit(last, approval); });
}

void AuditedSession::NoteRefused(audit::Entry entry, ErrorCode code) const {
  std::ignore = Note(std::move(entry), code);
}

}  // namespace hsmcore::session
