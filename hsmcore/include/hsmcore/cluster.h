// SPDX-License-Identifier: Apache-2.0
#ifndef HSMCORE_CLUSTER_H_
#define HSMCORE_CLUSTER_H_

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "hsmcore/cluster_state.h"
#include "hsmcore/credential.h"
#include "hsmcore/mode.h"
#include "hsmcore/progress.h"
#include "hsmcore/session.h"
#include "hsmcore/types.h"

namespace hsmcore {

struct BackupInfo;

// How much work a password guess costs: libsodium's Argon2id presets. kLow is for test stands.
enum class PasswordCost : std::uint8_t { kLow, kInteractive, kModerate, kSensitive };
std::optional<PasswordCost> PasswordCostByName(std::string_view name);

struct ClusterOptions {
  std::filesystem::path home;
  unsigned hsms = 3;  // 1..28
  std::vector<std::filesystem::path>
      hsm_paths;                             // absolute, one for each HSM; empty: below the home
  std::vector<std::string> zones;            // one for each HSM; empty: zone-1, zone-2, …
  ClusterMode mode = ClusterMode::kNonFips;  // never changes
  ModeSwitches switches;
  std::string type = "hsm2m.medium";  // hsm_type.h
  std::string admin = "admin";
  SecretBytes admin_password;
  PasswordCost cost = PasswordCost::kInteractive;
  unsigned retention_days = 0;  // of backups (backup.h); 0: the default
};

struct HsmDescription {
  std::string id;
  std::string zone;
  std::string type;     // differs from the cluster's while that is changed
  std::string state;    // CREATE_IN_PROGRESS, ACTIVE, DEGRADED with `problem` set, STOPPED, or
                        // MODIFY_IN_PROGRESS: it is being made anew for a change of the type
  std::string problem;  // what is wrong and what to do; empty when nothing is
  std::filesystem::path path;
  std::uint64_t revision = 0;
  std::uint64_t keys = 0;
  std::uint64_t users = 0;
  // Reads and changes of the store that it was asked for by all processes, and those of them that
  // it could not do. A hint: a crash of the machine may lose some.
  std::uint64_t operations = 0;
  std::uint64_t errors = 0;
};

// A new HSM.
struct HsmOptions {
  std::string zone;                 // empty: the first zone-N without one
  std::filesystem::path directory;  // absolute; empty: below the home
};

// A change of the HSMs' type can be taken back so long after it began.
inline constexpr unsigned kRollbackHours = 24;

// The last change of the HSMs' type (Session::ChangeType).
struct TypeChangeDescription {
  std::string from;
  std::string to;
  std::int64_t started = 0;  // seconds since 1970
  std::int64_t rollback_until = 0;
  std::string backup;           // what the cluster held when it began; empty: not made yet
  std::string rollback_backup;  // what it held when it was taken back; empty: it was not
};

// How the cluster's key material came to be destroyed (zeroize.h).
struct ZeroizationDescription {
  std::int64_t started = 0;   // seconds since 1970
  std::int64_t finished = 0;  // 0: not yet
  std::string by;             // for people: who
};

struct ClusterDescription {
  std::string id;
  Bytes root;  // Ed25519 key of the first admin; what the audit log is checked with
  std::string type;
  ClusterMode mode = ClusterMode::kNonFips;
  ModeSwitches switches;
  FipsModule fips_module;              // in FIPS mode
  std::string state;                   // a name of cluster_state.h
  bool key_availability_check = true;  // new keys need two HSMs, where there are by design
  std::int64_t created = 0;
  std::uint64_t revision = 0;
  std::filesystem::path home;
  // How much of the quotas of the type (hsm_type.h) is used; a pair is one key.
  std::uint64_t keys = 0;
  std::uint64_t asymmetric_keys = 0;
  std::uint64_t users = 0;
  std::string source_backup;  // empty: it was not made from one
  std::optional<TypeChangeDescription> type_change;
  std::optional<ZeroizationDescription> zeroization;
  // The newest that it made itself; empty and 0: there is none in the home.
  std::string newest_backup;
  std::int64_t newest_backup_created = 0;
  // PEM, where there are: the CSR before activation, the certificates from initialization on.
  std::string csr;
  std::string certificate;
  std::string trust_anchor;
  std::string owner;  // the trust anchor's subject (RFC 2253)
  // The certificate's key has signed the key of the first admin, which all in the store begins
  // with.
  bool owner_proved = false;
  std::vector<HsmDescription> hsms;
};

// A cluster on this machine. One object per home and process, shared by all who open it; safe for
// any number of threads, and across fork().
class Cluster {
 public:
  virtual ~Cluster() = default;

  // Makes a cluster with one admin. Nothing is left behind when it fails; one that a crash cut
  // short is swept away by the next Create. Errors: kHomeExists, kHomeAccess, kStorage*,
  // kPasswordPolicy, kInvalidArgument; in FIPS mode kFipsModule, kSetting.
  static Result<std::shared_ptr<Cluster>> Create(const ClusterOptions& options);

  // Makes a cluster from a backup: a clone, with the users, keys and passwords of the backup, the
  // same handles and an id of its own. `admin` is an admin of the backup and opens it. Of `options`
  // counts where the home and the HSMs are. Nothing is left behind when it fails. Errors: those of
  // Create, kBackupDamaged, kBackupNotFound, kUserNotFound, kPasswordWrong, kCredentialUnknown.
  static Result<std::shared_ptr<Cluster>> CreateFromBackup(const ClusterOptions& options,
                                                           const std::filesystem::path& backup,
                                                           const Credential& admin,
                                                           const Progress& progress);

  // Opens the cluster at `home`, or joins it where this process has it open. Reads only. Errors:
  // kHomeNotFound, kHomeAccess, kHomeDamaged (also: cluster.json tells another mode than the signed
  // configuration), kHomeNewer, kNoHsmInService.
  static Result<std::shared_ptr<Cluster>> Open(const std::filesystem::path& home);

  // What cluster.json says of the mode, without opening anything else; NON_FIPS where there is no
  // cluster. It is not signed: Open compares it with what is. Errors: kHomeAccess, kHomeDamaged,
  // kHomeNewer.
  static Result<ModeRules> RulesAt(const std::filesystem::path& home);

  // Writes the mode that was signed when the cluster was made into cluster.json, where another is
  // there. True: another was there. Errors: as Open, and kStorage*.
  static Result<bool> RestoreMode(const std::filesystem::path& home);

  // Makes the file `generation` of a home anew when it is missing or damaged, which Open reports as
  // kHomeDamaged. Programs that have keys of this home loaded must be restarted afterwards: they
  // look at the old file and would not see later changes.
  static Status RestoreGeneration(const std::filesystem::path& home);

  virtual const std::string& id() const = 0;
  virtual const std::filesystem::path& home() const = 0;
  virtual ModeRules rules() const = 0;

  // Logs in. The same user and credential again in this process costs no password hashing and
  // gives the same session. Errors: kUserNotFound, kPasswordWrong (counted towards the lockout),
  // kUserLocked, kCredentialUnknown, kLoginRequired (no user named, and more than one to choose
  // from), kRecordDamaged, kMfaRequired.
  virtual Result<std::shared_ptr<Session>> Login(const Credential& credential, Role role) = 0;

  // What a user with MFA signs to log in with his password: the first is good for one login within
  // kTokenLifetime, the second is the same each time, and its signature opens what the password
  // alone does not. Needs no login. kUserNotFound; kTokenRefused: he has no MFA, or too many that
  // are live.
  virtual Result<std::vector<SignableToken>> NewMfaTokens(std::string_view user, Role role) = 0;
  // Logs in with both of them signed; every time anew. Errors: those of Login, kTokenRefused.
  virtual Result<std::shared_ptr<Session>> Login(
      const Credential& credential, Role role, const std::vector<SignableToken>& signed_tokens) = 0;

  // A session without login: public keys, listing of users, description.
  virtual std::shared_ptr<Session> Anonymous() = 0;

  // The one crypto user of the cluster, when there is exactly one.
  virtual Result<std::optional<std::string>> OnlyCryptoUser() = 0;

  // From here on keys that this process makes need one HSM only.
  virtual void DisableKeyAvailabilityCheck() = 0;

  // Reads every HSM; `verify` also compares their contents record by record.
  virtual Result<ClusterDescription> Describe(bool verify) = 0;

  // Adds an HSM and fills it from the others while they serve. Taken back when it cannot be filled.
  // kClusterState: there are 28; kInvalidArgument: the zone or the directory; kHomeExists: the
  // directory holds a store.
  virtual Result<HsmDescription> CreateHsm(const HsmOptions& options) = 0;
  // After a backup of the cluster; the HSM's disk may be gone. kClusterState: no other HSM is in
  // service and in sync, unless `also_last`: what it held then is in the backups only.
  // kInvalidArgument: no such HSM.
  virtual Status DeleteHsm(std::string_view id, bool also_last) = 0;
  Status DeleteHsm(std::string_view id) { return DeleteHsm(id, false); }
  // Out of service on purpose, and back, which brings it up to date. Errors as above;
  // kClusterState: it is so already.
  virtual Result<HsmDescription> StopHsm(std::string_view id) = 0;
  virtual Result<HsmDescription> StartHsm(std::string_view id) = 0;

  // Makes a backup of the whole cluster in its home, that every admin of today can open. Needs no
  // login: what is in it is sealed to the admins. Writers wait meanwhile, readers do not. Removes
  // what the retention or a deletion has made old. Errors: those of FileError, kStorage*.
  virtual Result<BackupInfo> CreateBackup(const Progress& progress) = 0;
  // The same when the newest one is a day old and something has changed since; otherwise nothing.
  virtual Result<std::optional<BackupInfo>> CreateBackupIfDue() = 0;
  // The same in passing, for whoever uses the cluster: nothing, too, while another process writes,
  // where an admin has switched it off, where this object has looked within the hour, or where
  // there are more than `most_keys` keys and it would take too long (0: never). Whoever calls it
  // has other work, which an error here must not stop.
  virtual Result<std::optional<BackupInfo>> CreateDailyBackup(std::uint64_t most_keys) = 0;
  // Oldest first. Files that are no backups are passed over.
  virtual Result<std::vector<BackupInfo>> ListBackups() = 0;
  // kBackupNotFound.
  virtual Result<BackupInfo> DescribeBackup(std::string_view id) = 0;
  virtual Result<unsigned> BackupRetention() = 0;  // days
  // Whether CreateDailyBackup makes any.
  virtual Result<bool> AutomaticBackups() = 0;

  // Copies a persistent key to a clone of this cluster, under the same handle, with its attributes
  // and the mark `trusted`. `login` and `login_there` are sessions of the key's owner or of an
  // admin, here and there. False: it is there already, the same. kClusterState: no clone, another
  // key has the handle there, or the owner is not there. kQuotaExceeded, kRoleForbids,
  // kKeyNotFound.
  virtual Result<bool> ReplicateKey(KeyHandle handle, const Session& login, Cluster& to,
                                    const Session& login_there) = 0;
  // Copies a crypto user with his passwords; takes an admin on both sides. False: he is there
  // already. kClusterState, kUserExists (another one), kUserNotFound, kQuotaExceeded, kRoleForbids.
  virtual Result<bool> ReplicateUser(std::string_view name, const Session& login, Cluster& to,
                                     const Session& login_there) = 0;

  // Repairs every HSM that is out of sync, damaged or empty from the most advanced one, and
  // finishes what a crash left half-done. Returns the ids of the HSMs repaired.
  virtual Result<std::vector<std::string>> Sync() = 0;
};

using ClusterPtr = std::shared_ptr<Cluster>;

}  // namespace hsmcore

#endif  // HSMCORE_CLUSTER_H_
