// SPDX-License-Identifier: Apache-2.0
#ifndef HSMCORE_CLUSTER_H_
#define HSMCORE_CLUSTER_H_

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "hsmcore/credential.h"
#include "hsmcore/mode.h"
#include "hsmcore/session.h"
#include "hsmcore/types.h"

namespace hsmcore {

// How much work a password guess costs: libsodium's Argon2id presets. kLow is for test stands.
enum class PasswordCost : std::uint8_t { kLow, kInteractive, kModerate, kSensitive };
std::optional<PasswordCost> PasswordCostByName(std::string_view name);

struct ClusterOptions {
  std::filesystem::path home;
  unsigned hsms = 3;  // 1..28
  std::vector<std::filesystem::path>
      hsm_paths;                             // absolute, one for each HSM; empty: below the home
  ClusterMode mode = ClusterMode::kNonFips;  // never changes
  ModeSwitches switches;
  std::string type = "hsm2m.medium";
  std::string admin = "admin";
  SecretBytes admin_password;
  PasswordCost cost = PasswordCost::kInteractive;
};

struct HsmDescription {
  std::string id;
  std::string zone;
  std::string state;    // ACTIVE, or DEGRADED with `problem` set
  std::string problem;  // what is wrong and what to do; empty when nothing is
  std::filesystem::path path;
  std::uint64_t revision = 0;
  std::uint64_t keys = 0;
  std::uint64_t users = 0;
};

struct ClusterDescription {
  std::string id;
  std::string type;
  ClusterMode mode = ClusterMode::kNonFips;
  ModeSwitches switches;
  FipsModule fips_module;  // in FIPS mode
  std::string state;       // ACTIVE, DEGRADED
  std::int64_t created = 0;
  std::uint64_t revision = 0;
  std::filesystem::path home;
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
  // from), kRecordDamaged.
  virtual Result<std::shared_ptr<Session>> Login(const Credential& credential, Role role) = 0;

  // A session without login: public keys, listing of users, description.
  virtual std::shared_ptr<Session> Anonymous() = 0;

  // The one crypto user of the cluster, when there is exactly one.
  virtual Result<std::optional<std::string>> OnlyCryptoUser() = 0;

  // Reads every HSM; `verify` also compares their contents record by record.
  virtual Result<ClusterDescription> Describe(bool verify) = 0;

  // Repairs every HSM that is out of sync, damaged or empty from the most advanced one, and
  // finishes what a crash left half-done. Returns the ids of the HSMs repaired.
  virtual Result<std::vector<std::string>> Sync() = 0;
};

using ClusterPtr = std::shared_ptr<Cluster>;

}  // namespace hsmcore

#endif  // HSMCORE_CLUSTER_H_
