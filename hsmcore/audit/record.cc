// SPDX-License-Identifier: Apache-2.0
#include "audit/record.h"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "base/cbor.h"
#include "vault/sealing.h"

namespace hsmcore::audit {
namespace {

constexpr std::string_view kContext = "hsm audit record v1";
constexpr std::string_view kWhat = "the audit record";
constexpr unsigned kVersion = 1;

Bytes EncodeBody(const Stored& stored) {
  const AuditRecord& record = stored.record;
  cbor::Value body = {{"seq", record.sequence},    {"time", record.time},
                      {"reboots", record.reboots}, {"event", NameOf(record.event)},
                      {"actor", record.actor},     {"result", static_cast<unsigned>(record.result)},
                      {"pid", record.process},     {"uid", record.uid},
                      {"program", record.program}, {"before", cbor::Blob(stored.before)}};
  if (!record.user.empty()) body["user"] = record.user;
  if (!record.keys.empty()) {
    cbor::Value keys = cbor::Value::array();
    for (const KeyHandle handle : record.keys) keys.push_back(handle.value);
    body["keys"] = std::move(keys);
  }
  if (!record.detail.empty()) body["detail"] = record.detail;
  if (!stored.sign_key.empty()) body["sign-key"] = cbor::Blob(stored.sign_key);
  return cbor::Encode(body);
}

// 0, or the number of an error that there is.
std::optional<ErrorCode> CodeOf(std::uint64_t number) {
  if (number == 0) return ErrorCode();
  const auto known = std::ranges::find(AllErrors(), number, [](const ErrorText& error) {
    return static_cast<std::uint64_t>(error.code);
  });
  return known == AllErrors().end() ? std::nullopt : std::optional(known->code);
}

Status DecodeBody(Stored& stored) {
  HSMCORE_TRY(const cbor::Value body, cbor::Decode(stored.body, kWhat));
  cbor::Reader in(body, kWhat);
  AuditRecord& record = stored.record;
  record.sequence = in.Number("seq");
  record.time = in.Signed("time");
  record.reboots = in.Number("reboots");
  const auto event = AuditEventByName(in.Text("event"));
  if (!event) in.Refuse("event");
  record.event = event.value_or(AuditEvent::kChange);
  record.actor = in.Text("actor");
  const auto result = CodeOf(in.Number("result"));
  if (!result) in.Refuse("result");
  record.result = result.value_or(ErrorCode());
  record.process = in.Number("pid");
  record.uid = in.Number("uid");
  record.program = in.Text("program");
  stored.before = in.Blob("before");
  if (in.Has("user")) record.user = in.Text("user");
  if (in.Has("keys")) {
    for (const cbor::Value& key : in.List("keys")) {
      if (!key.is_number_unsigned()) in.Refuse("keys");
      record.keys.push_back({key.is_number_unsigned() ? key.get<std::uint64_t>() : 0});
    }
  }
  if (in.Has("detail")) record.detail = in.Text("detail");
  if (in.Has("sign-key")) stored.sign_key = in.Blob("sign-key");
  if (stored.before.size() != kHashBytes) in.Refuse("before");
  return in.Finish();
}

}  // namespace

Bytes HashOf(ByteView stored) { return vault::Hash(stored); }

Bytes Encode(const Stored& record, const vault::Identity* signer) {
  const Bytes body = EncodeBody(record);
  cbor::Value stored = {{"v", kVersion}, {"body", cbor::Blob(body)}};
  if (signer != nullptr) stored["sig"] = cbor::Blob(signer->Sign(kContext, body));
  return cbor::Encode(stored);
}

Result<Stored> Decode(ByteView bytes) {
  HSMCORE_TRY(const cbor::Value value, cbor::Decode(bytes, kWhat));
  cbor::Reader in(value, kWhat);
  HSMCORE_CHECK(in.CheckVersion(kVersion));
  Stored stored;
  stored.body = in.Blob("body");
  if (in.Has("sig")) stored.signature = in.Blob("sig");
  HSMCORE_CHECK(in.Finish());
  HSMCORE_CHECK(DecodeBody(stored));
  stored.record.hash = HashOf(bytes);
  stored.record.signed_by_actor = !stored.signature.empty();
  stored.record.stored.assign(bytes.begin(), bytes.end());
  return stored;
}

bool SignedBy(const Stored& record, ByteView sign_key) {
  return vault::VerifySignature(sign_key, kContext, record.body, record.signature);
}

}  // namespace hsmcore::audit

namespace hsmcore {
namespace {

using enum AuditEvent;

constexpr auto kEvents = std::to_array<AuditEventRow>({
    {kClusterCreate, "cluster-create", "CN_INIT_TOKEN"},
    {kClusterRestore, "cluster-restore", "CN_RESTORE_BEGIN"},
    {kClusterModify, "cluster-modify", ""},
    {kClusterSync, "cluster-sync", ""},
    {kClusterZeroize, "cluster-zeroize", ""},
    {kHsmCreate, "hsm-create", "CN_RESTORE_BEGIN"},
    {kHsmDelete, "hsm-delete", ""},
    {kHsmStop, "hsm-stop", ""},
    {kHsmStart, "hsm-start", ""},
    {kBackupCreate, "backup-create", "CN_BACKUP_BEGIN"},
    {kBackupCopy, "backup-copy", ""},
    {kBackupDelete, "backup-delete", ""},
    {kBackupRestoreDeleted, "backup-restore-deleted", ""},
    {kBackupRestoreKey, "backup-restore-key", "CN_RESTORE_BEGIN"},
    {kLogin, "login", "CN_LOGIN"},
    {kUserCreate, "user-create", "CN_CREATE_USER"},
    {kUserDelete, "user-delete", "CN_DELETE_USER"},
    {kUserUnlock, "user-unlock", ""},
    {kUserResetPassword, "user-reset-password", "CN_CHANGE_PSWD"},
    {kUserChangePassword, "user-change-password", "CN_CHANGE_PSWD"},
    {kMachineCredentialCreate, "machine-credential-create", ""},
    {kMachineCredentialDelete, "machine-credential-delete", ""},
    {kUserReplicate, "user-replicate", "CN_CREATE_USER"},
    {kUserChangeMfa, "user-change-mfa", ""},
    {kUserChangeQuorum, "user-change-quorum", ""},
    {kMfaToken, "mfa-token", ""},
    {kQuorumSetValue, "quorum-set-value", "CN_SET_M_VALUE"},
    {kQuorumToken, "quorum-token", "CN_GET_TOKEN"},
    {kQuorumApproval, "quorum-approval", "CN_APPROVE_TOKEN"},
    {kGroupModify, "group-modify", ""},
    {kKeyGenerate, "key-generate", "CN_GENERATE_KEY"},
    {kKeyImport, "key-import", "CN_CREATE_OBJECT"},
    {kKeyDerive, "key-derive", "CN_DERIVE_KEY"},
    {kKeyWrap, "key-wrap", "CN_WRAP_KEY"},
    {kKeyUnwrap, "key-unwrap", "CN_UNWRAP_KEY"},
    {kKeyModify, "key-modify", "CN_MODIFY_OBJECT"},
    {kKeySetTrusted, "key-set-trusted", "CN_MODIFY_OBJECT"},
    {kKeyTransfer, "key-transfer", ""},
    {kKeyDelete, "key-delete", "CN_TOMBSTONE_OBJECT"},
    {kKeyReplicate, "key-replicate", "CN_INSERT_MASKED_OBJECT_USER"},
    {kKeyShare, "key-share", "CN_SHARE_OBJECT"},
    {kKeyUnshare, "key-unshare", "CN_SHARE_OBJECT"},
    {kKeyRestore, "key-restore", ""},
    {kKeyRotate, "key-rotate", "CN_GENERATE_KEY"},
    {kKeyUse, "key-use", ""},
    {kChange, "change", ""},
    {kAuditCheckpoint, "audit-checkpoint", ""},
    {kAuditRotate, "audit-rotate", ""},
});

constexpr bool InEnumOrder() {
  for (std::size_t i = 0; i < kEvents.size(); ++i) {
    if (static_cast<std::size_t>(kEvents[i].event) != i) return false;
  }
  return true;
}
static_assert(InEnumOrder(), "the table is indexed by its enum");

}  // namespace

std::span<const AuditEventRow> AllAuditEvents() { return kEvents; }
const char* NameOf(AuditEvent event) { return kEvents[static_cast<std::size_t>(event)].name; }

std::optional<AuditEvent> AuditEventByName(std::string_view name) {
  const auto* row = std::ranges::find(kEvents, name, &AuditEventRow::name);
  return row == kEvents.end() ? std::nullopt : std::optional(row->event);
}

const char* NameOf(KeyUseAudit mode) {
  static constexpr const char* kNames[] = {"off", "buffered", "strict"};
  return kNames[static_cast<std::size_t>(mode)];
}

std::optional<KeyUseAudit> KeyUseAuditByName(std::string_view name) {
  for (const KeyUseAudit mode : {KeyUseAudit::kOff, KeyUseAudit::kBuffered, KeyUseAudit::kStrict}) {
    if (name == NameOf(mode)) return mode;
  }
  return std::nullopt;
}

Result<AuditRecord> DecodeAuditRecord(ByteView stored) {
  HSMCORE_TRY(audit::Stored decoded, audit::Decode(stored));
  return std::move(decoded.record);
}

}  // namespace hsmcore
