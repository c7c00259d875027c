// SPDX-License-Identifier: Apache-2.0
// The doctor's checks of files: who may read and write what, and when it was written.
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <ranges>
#include <string_view>
#include <tuple>
#include <utility>

#include "context.h"
#include "doctor.h"
#include "hsmcore/cluster_list.h"
#include "hsmcore/settings.h"
#include "output.h"

namespace hsmctl {
namespace {

namespace fs = std::filesystem;
using hsmcore::HomeFile;
using hsmcore::HomeFileKind;

constexpr unsigned kOthersWrite = S_IWGRP | S_IWOTH;
constexpr unsigned kOthersRead = S_IRGRP | S_IXGRP | S_IROTH | S_IXOTH;
constexpr std::size_t kMostNamed = 3;  // files of a kind; the rest is a number

struct KindRow {
  HomeFileKind kind;
  // What it means that others may read it; that they may write it is always a problem.
  Health readable;
};
// What is sealed under a password can be guessed at by who has it.
constexpr auto kKinds = std::to_array<KindRow>({
    {HomeFileKind::kHome, Health::kWarning},
    {HomeFileKind::kClusterFile, Health::kWarning},
    {HomeFileKind::kGeneration, Health::kWarning},
    {HomeFileKind::kLock, Health::kWarning},
    {HomeFileKind::kIdentityKey, Health::kProblem},
    {HomeFileKind::kBackups, Health::kWarning},
    {HomeFileKind::kBackup, Health::kProblem},
    {HomeFileKind::kHsm, Health::kWarning},
    {HomeFileKind::kStore, Health::kProblem},
});

std::string Octal(unsigned mode) {
  std::string digits;
  for (const unsigned shift : {9U, 6U, 3U, 0U}) {
    digits += static_cast<char>('0' + ((mode >> shift) & 7U));
  }
  return digits;
}

Finding RightsOf(const fs::path& path, unsigned permissions, Health readable) {
  if ((permissions & (kOthersWrite | kOthersRead)) == 0) return {};
  const bool writable = (permissions & kOthersWrite) != 0;
  return {.health = writable ? Health::kProblem : readable,
          .found = "others may " + std::string(writable ? "write " : "read ") + path.string() +
                   " (mode " + Octal(permissions) + ")",
          .mend = "chmod go-rwx " + path.string()};
}

// Who comes as root leaves files behind that the home's own user cannot use.
Finding OwnerOf(const HomeFile& file, unsigned owner) {
  if (file.owner == owner) return {};
  return {.health = Health::kProblem,
          .found = file.path.string() + " belongs to user " + std::to_string(file.owner) +
                   ", the home to user " + std::to_string(owner),
          .mend = "chown " + std::to_string(owner) + " " + file.path.string()};
}

// SQLite makes the logs anew with the rights of the store.
fs::path WithLogs(const HomeFile& file) {
  return file.kind == HomeFileKind::kStore ? file.path.parent_path() / "store.db*" : file.path;
}

Finding LookAt(const HomeFile& file, Health readable, unsigned owner) {
  if (!file.problem.empty()) {
    return {.health = Health::kProblem,
            .found = file.problem,
            .mend =
                "mount its file system, or replace the HSM: hsmctl hsm create, hsmctl hsm "
                "delete"};
  }
  Finding finding = RightsOf(file.path, file.permissions, readable);
  if (finding.health != Health::kOk) finding.mend = "chmod go-rwx " + WithLogs(file).string();
  Add(finding, OwnerOf(file, owner));
  return finding;
}

// All files of some kinds. The worst come first, so that they are among those that are named.
Finding LookAtKinds(const Patient& patient, std::initializer_list<HomeFileKind> kinds) {
  if (patient.files.empty()) return {.health = Health::kOk, .found = "no home", .mend = {}};
  const unsigned owner = patient.files.front().owner;
  std::vector<Finding> wrong;
  std::size_t looked = 0;
  for (const HomeFile& file : patient.files) {
    if (std::ranges::find(kinds, file.kind) == kinds.end()) continue;
    ++looked;
    const Health readable = std::ranges::find(kKinds, file.kind, &KindRow::kind)->readable;
    Finding finding = LookAt(file, readable, owner);
    if (finding.health != Health::kOk) wrong.push_back(std::move(finding));
  }
  std::ranges::stable_sort(wrong, std::ranges::greater(), &Finding::health);
  Finding all;
  for (Finding& finding : wrong | std::views::take(kMostNamed)) Add(all, std::move(finding));
  if (wrong.size() > kMostNamed) {
    all.found += "\nand " + std::to_string(wrong.size() - kMostNamed) + " more";
  }
  if (wrong.empty()) all.found = std::to_string(looked) + " for their owner only";
  return all;
}

Finding HomeRights(const Patient& patient) {
  if (!patient.home_problem.empty()) {
    return {.health = Health::kProblem,
            .found = patient.home_problem,
            .mend = "correct the setting, or name the home: hsmctl --home DIR doctor"};
  }
  if (patient.files.empty()) {
    return {.health = Health::kWarning,
            .found = "there is no " + patient.home.string(),
            .mend = "hsmctl --home " + patient.home.string() + " cluster create"};
  }
  Finding finding = LookAtKinds(patient, {HomeFileKind::kHome});
  const unsigned owner = patient.files.front().owner;
  if (geteuid() != 0 && geteuid() != owner) {
    Add(finding, {.health = Health::kProblem,
                  .found = patient.home.string() + " belongs to user " + std::to_string(owner) +
                           ", not to you",
                  .mend = "run hsmctl and the programs as that user"});
  }
  if (finding.health == Health::kOk) finding.found = patient.home.string() + " is its owner's only";
  return finding;
}

// Who may write to a directory above can put another one in the place of the home.
Finding RightsAbove(const Patient& patient) {
  Finding finding;
  std::vector<fs::path> seen;
  for (const HomeFile& file : patient.files) {
    if (file.kind != HomeFileKind::kHome && file.kind != HomeFileKind::kHsm) continue;
    std::error_code problem;
    fs::path above = fs::weakly_canonical(file.path, problem).parent_path();
    for (; above.has_relative_path(); above = above.parent_path()) {
      if (std::ranges::find(seen, above) != seen.end()) break;
      seen.push_back(above);
      struct stat info{};
      if (stat(above.c_str(), &info) != 0) continue;
      const bool sticky = (info.st_mode & S_ISVTX) != 0;
      if ((info.st_mode & S_IWOTH) == 0 || sticky) continue;
      Add(finding, {.health = Health::kProblem,
                    .found = "everybody may rename what is in " + above.string(),
                    .mend = "chmod o-w " + above.string()});
    }
  }
  if (finding.health == Health::kOk) finding.found = "others cannot replace the home or an HSM";
  return finding;
}

Finding ClusterFileRights(const Patient& patient) {
  return LookAtKinds(patient, {HomeFileKind::kClusterFile, HomeFileKind::kGeneration,
                               HomeFileKind::kLock, HomeFileKind::kIdentityKey});
}
Finding HsmRights(const Patient& patient) { return LookAtKinds(patient, {HomeFileKind::kHsm}); }
Finding StoreRights(const Patient& patient) { return LookAtKinds(patient, {HomeFileKind::kStore}); }
Finding BackupRights(const Patient& patient) {
  return LookAtKinds(patient, {HomeFileKind::kBackups, HomeFileKind::kBackup});
}

Finding ClusterState(const Patient& patient) {
  if (!patient.cluster) {
    const hsmcore::Error& error = patient.cluster.error();
    const bool none = error.code() == hsmcore::ErrorCode::kHomeNotFound;
    return {
        .health = none ? Health::kWarning : Health::kProblem,
        .found = none ? "there is no cluster" : error.Message(),
        .mend = none ? "hsmctl cluster create" : "hsmctl cluster sync, where nothing else is said"};
  }
  Finding finding{.health = Health::kOk,
                  .found = patient.cluster->id + " is " + patient.cluster->state,
                  .mend = {}};
  if (patient.cluster->zeroization && patient.cluster->zeroization->finished == 0) {
    Add(finding, {.health = Health::kProblem,
                  .found = "its key material is not destroyed yet",
                  .mend = "hsmctl cluster zeroize --confirm " + patient.cluster->id});
  }
  for (const hsmcore::HsmDescription& hsm : patient.cluster->hsms) {
    if (hsm.problem.empty()) continue;
    Add(finding, {.health = Health::kWarning,
                  .found = hsm.id + ": " + hsm.problem,
                  .mend = "hsmctl cluster sync"});
  }
  return finding;
}

// ---- Credentials --------------------------------------------------------------------------------

struct NamedSource {
  std::string where;  // that names it
  std::string source;
};

Finding LookAtSource(const NamedSource& named) {
  const std::string absolute = AbsoluteSource(named.source);
  const fs::path path = absolute.substr(absolute.find(':') + 1);
  struct stat info{};
  if (stat(path.c_str(), &info) != 0) {
    return {.health = Health::kProblem,
            .found = named.where + " names " + path.string() + ": " + std::strerror(errno),
            .mend = "hsmctl user create-machine-credential --path " + path.string()};
  }
  return RightsOf(path, info.st_mode, Health::kProblem);
}

// Of openssl.cnf, where a program that uses the module finds its login.
Finding OpensslSources(std::vector<NamedSource>& sources) {
  const fs::path file = hsmcore::OpensslConfiguration();
  const auto named = hsmcore::SettingsNamed(file, "pin-source");
  if (!named) {
    return {.health = Health::kProblem,
            .found = named.error().Message(),
            .mend = "correct " + file.string()};
  }
  for (const std::string& source : *named) sources.push_back({file.string(), source});
  const auto pins = hsmcore::SettingsNamed(file, "pin");
  if (!pins || pins->empty()) return {};
  return {.health = Health::kWarning,
          .found = "a password is in " + file.string(),
          .mend = "name a file with pin-source instead"};
}

Finding Credentials(const Patient& patient) {
  std::vector<NamedSource> sources;
  if (patient.pin_source) sources.push_back({"--pin-source", *patient.pin_source});
  Finding finding;
  if (const auto list = hsmcore::ClusterList::Read()) {
    for (const hsmcore::ListedCluster& cluster : list->clusters()) {
      if (cluster.pin_source.empty()) continue;
      sources.push_back({list->file().string(), cluster.pin_source});
    }
  } else {
    Add(finding,
        {.health = Health::kProblem, .found = list.error().Message(), .mend = "correct the file"});
  }
  Add(finding, OpensslSources(sources));
  for (const NamedSource& source : sources) Add(finding, LookAtSource(source));
  if (hsmcore::Environment("HSM_PIN")) {
    Add(finding,
        {.health = Health::kWarning,
         .found = "HSM_PIN is in the environment, where every process of this user reads it",
         .mend = "use a machine credential: hsmctl user create-machine-credential"});
  }
  if (finding.health == Health::kOk) {
    finding.found = sources.empty() ? "the configuration names none"
                                    : std::to_string(sources.size()) + " for their owner only";
  }
  return finding;
}

// ---- The module and the clock -------------------------------------------------------------------

Finding Module(const Patient&) {
  const fs::path module = hsmcore::OpensslModules() / "hsm.so";
  struct stat info{};
  if (stat(module.c_str(), &info) != 0) {
    return {.health = Health::kWarning,
            .found = "hsm.so is not in " + module.parent_path().string(),
            .mend = "install it there, or name its path with 'module' in openssl.cnf"};
  }
  if ((info.st_mode & kOthersWrite) == 0) {
    return {.health = Health::kOk, .found = module.string(), .mend = {}};
  }
  return {.health = Health::kProblem,
          .found = "others may write " + module.string() + ", which programs run",
          .mend = "chmod go-w " + module.string()};
}

Finding Clock(const Patient& patient) {
  constexpr std::int64_t kSlack = 300;               // file servers have clocks of their own
  constexpr std::int64_t kEarliest = 1'767'225'600;  // 2026-01-01, before this was written
  constexpr std::int64_t kLatest = 4'102'444'800;    // 2100-01-01
  const std::int64_t now = std::time(nullptr);
  const char* mend = "set the clock: timedatectl set-ntp true";
  if (now < kEarliest || now >= kLatest) {
    return {.health = Health::kProblem, .found = "it is " + TimeText(now), .mend = mend};
  }
  std::int64_t newest = 0;
  std::string what = "nothing";
  const auto consider = [&](std::int64_t time, const std::string& name) {
    if (time > newest) std::tie(newest, what) = std::pair(time, name);
  };
  for (const HomeFile& file : patient.files) consider(file.modified, file.path.string());
  if (patient.cluster) {
    consider(patient.cluster->created, "the cluster");
    consider(patient.cluster->newest_backup_created, "the newest backup");
  }
  if (newest <= now + kSlack) {
    return {.health = Health::kOk, .found = "it is " + TimeText(now), .mend = {}};
  }
  return {.health = Health::kProblem,
          .found = "it is " + TimeText(now) + ", and " + what + " is of " + TimeText(newest),
          .mend = mend};
}

constexpr auto kChecks = std::to_array<Check>({
    {"home", HomeRights},
    {"directories above", RightsAbove},
    {"cluster files", ClusterFileRights},
    {"HSM directories", HsmRights},
    {"stores", StoreRights},
    {"backups", BackupRights},
    {"cluster", ClusterState},
    {"credentials", Credentials},
    {"module", Module},
    {"clock", Clock},
});

}  // namespace

std::span<const Check> FileChecks() { return kChecks; }

}  // namespace hsmctl
