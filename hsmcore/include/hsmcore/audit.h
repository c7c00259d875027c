// SPDX-License-Identifier: Apache-2.0
#ifndef HSMCORE_AUDIT_H_
#define HSMCORE_AUDIT_H_

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "hsmcore/key.h"
#include "hsmcore/types.h"

// The audit log: every change of a cluster, by the same commit as the change, and every attempt
// that was refused. docs/audit.md has the format and what it proves.
namespace hsmcore {

enum class AuditEvent : std::uint8_t {
  kClusterCreate,
  kClusterRestore,  // from a backup
  kClusterModify,
  kClusterSync,
  kClusterZeroize,  // was refused; what is done leaves no log
  kHsmCreate,
  kHsmDelete,
  kHsmStop,
  kHsmStart,
  kBackupCreate,
  kBackupCopy,
  kBackupDelete,
  kBackupRestoreDeleted,
  kBackupRestoreKey,
  kLogin,
  kUserCreate,
  kUserDelete,
  kUserUnlock,
  kUserResetPassword,
  kUserChangePassword,
  kMachineCredentialCreate,
  kMachineCredentialDelete,
  kUserReplicate,
  kUserChangeMfa,
  kUserChangeQuorum,  // the key that he signs tokens with
  kMfaToken,          // is made; its use is a login
  kQuorumSetValue,
  kQuorumToken,  // is made, deleted; its use is in the record of what it approved
  kQuorumApproval,
  kGroupModify,
  kKeyGenerate,
  kKeyImport,
  kKeyDerive,
  kKeyWrap,
  kKeyUnwrap,
  kKeyModify,
  kKeySetTrusted,
  kKeyTransfer,
  kKeyDelete,
  kKeyReplicate,
  kKeyShare,
  kKeyUnshare,
  kKeyRestore,
  kKeyRotate,
  kKeyUse,
  kChange,  // what nobody has given a name
  kAuditCheckpoint,
  kAuditRotate,
};

struct AuditEventRow {
  AuditEvent event;
  const char* name;    // "user-create"
  const char* opcode;  // CloudHSM's, "CN_CREATE_USER"; empty: it has none
};
std::span<const AuditEventRow> AllAuditEvents();
const char* NameOf(AuditEvent event);
std::optional<AuditEvent> AuditEventByName(std::string_view name);

// Whether the log tells of the use of keys: not at all; of their number, together, up to 10,000
// uses or a minute after; of each, before it happens, or it does not happen.
enum class KeyUseAudit : std::uint8_t { kOff, kBuffered, kStrict };
const char* NameOf(KeyUseAudit mode);  // "off", "buffered", "strict"
std::optional<KeyUseAudit> KeyUseAuditByName(std::string_view name);

struct AuditRecord {
  std::uint64_t sequence = 0;  // from 1 on, without gaps
  std::int64_t time = 0;       // microseconds since 1970, by the clock of the machine
  std::uint64_t reboots = 0;   // how often the machine was started since the log began
  AuditEvent event = AuditEvent::kClusterCreate;
  // Who: "user/admin/NAME"; empty without a login. His signature is in the record.
  std::string actor;
  std::string user;                // whom it is about; empty: nobody
  std::vector<KeyHandle> keys;     // which keys: the handles of private halves
  std::string detail;              // a setting, an HSM, a backup, what was not allowed
  ErrorCode result = ErrorCode();  // 0: it was done
  std::uint64_t process = 0;       // process id
  std::uint64_t uid = 0;           // of the process, effective
  std::string program;             // its name, as the kernel has it
  // What a later record and a checkpoint refer to.
  Bytes hash;
  bool signed_by_actor = false;
  // CBOR: the record as stored, for verification elsewhere.
  Bytes stored;
};

struct AuditQuery {
  std::uint64_t after = 0;            // records with a greater sequence number
  std::optional<std::int64_t> since;  // microseconds since 1970
  std::optional<std::string> user;    // who did it or whom it is about: a name
  std::optional<KeyHandle> key;       // either half
};

// A record of a chain that somebody keeps elsewhere: a log without it, or with another hash in its
// place, was tampered with.
struct AuditCheckpoint {
  std::uint64_t sequence = 0;
  Bytes hash;
};

struct AuditReport {
  std::uint64_t first = 0;  // sequence numbers of what was looked at; 0: nothing
  std::uint64_t last = 0;
  std::uint64_t signed_records = 0;
  Bytes hash;                         // of the last one
  std::vector<std::string> problems;  // empty: the log is whole
  // Who signed, and nobody vouches for: in a log whose beginning is elsewhere.
  std::vector<std::string> unknown_signers;
};

// Checks a log from its records alone, as they come: order, hashes, signatures. `root` is the
// public key of the first admin (hsmctl cluster describe), which everything begins with.
class AuditVerifier {
 public:
  explicit AuditVerifier(ByteView root);
  ~AuditVerifier();
  AuditVerifier(const AuditVerifier&) = delete;
  AuditVerifier& operator=(const AuditVerifier&) = delete;

  // Must be in the log.
  void Expect(const AuditCheckpoint& checkpoint);
  // Users who are known from elsewhere (a log that was rotated): path, Ed25519 public key.
  void Know(std::string path, Bytes sign_key);
  // The log begins with this record, whatever went before.
  void BeginWith(ByteView stored);
  void Add(ByteView stored);
  // A part of the chain that was not added: the next record follows on this one.
  void ContinueAfter(const AuditCheckpoint& last);
  AuditReport Finish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// kRecordDamaged.
Result<AuditRecord> DecodeAuditRecord(ByteView stored);

}  // namespace hsmcore

#endif  // HSMCORE_AUDIT_H_
