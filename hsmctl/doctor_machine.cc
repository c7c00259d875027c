// SPDX-License-Identifier: Apache-2.0
// The doctor's checks of the machine: limits, swap, the kernel's settings, versions.
#include <sys/mman.h>
#include <sys/resource.h>

#include <array>
#include <fstream>
#include <optional>
#include <string>
#include <string_view>

#include "doctor.h"

namespace hsmctl {
namespace {

namespace fs = std::filesystem;

// ---- Limits -------------------------------------------------------------------------------------

// A login keeps one page locked, and libsodium rounds up; this is room for some 16 logins.
constexpr rlim_t kEnoughLocked = 65'536;

std::string LimitText(rlim_t limit) {
  return limit == RLIM_INFINITY ? "unlimited" : std::to_string(limit);
}

rlim_t SoftLimit(__rlimit_resource resource) {
  rlimit limit{};
  return getrlimit(resource, &limit) == 0 ? limit.rlim_cur : 0;
}

// The limit does not count for root, so it is tried.
bool CanLock(std::size_t bytes) {
  void* const block =
      mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (block == MAP_FAILED) return false;
  const bool locked = mlock(block, bytes) == 0;
  munmap(block, bytes);
  return locked;
}

Finding LockedMemory(const Patient&) {
  const std::string limit = LimitText(SoftLimit(RLIMIT_MEMLOCK)) + " bytes";
  if (CanLock(kEnoughLocked)) return {.health = Health::kOk, .found = limit, .mend = {}};
  return {.health = Health::kWarning,
          .found = "not more than " + limit + " can be locked: secrets may be swapped out",
          .mend =
              "raise the limit: 'ulimit -l 64', LimitMEMLOCK=64K of the service, or memlock in "
              "limits.conf"};
}

std::optional<std::string> ReadLine(const Patient& patient, const char* path) {
  std::ifstream file(patient.root / path);
  std::string line;
  if (!std::getline(file, line)) return std::nullopt;
  return line;
}

Finding CoreDumps(const Patient&) {
  const rlim_t limit = SoftLimit(RLIMIT_CORE);
  if (limit == 0) return {.health = Health::kOk, .found = "off for this shell", .mend = {}};
  return {.health = Health::kWarning,
          .found = "up to " + LimitText(limit) + " bytes: keys in use may be in a core file",
          .mend = "'ulimit -c 0', LimitCORE=0 of the service, or core in limits.conf"};
}

// A program that takes core dumps gets them whatever the limit says (core(5)).
Finding CorePattern(const Patient& patient) {
  const auto pattern = ReadLine(patient, "proc/sys/kernel/core_pattern");
  if (!pattern) return {.health = Health::kWarning, .found = "cannot be read", .mend = {}};
  if (!pattern->starts_with('|')) {
    return {.health = Health::kOk, .found = "the limit decides (" + *pattern + ")", .mend = {}};
  }
  return {.health = Health::kWarning,
          .found = "core dumps go to a program whatever the limit is: " + pattern->substr(1),
          .mend = "sysctl kernel.core_pattern=core, or Storage=none in coredump.conf"};
}

Finding OpenFiles(const Patient& patient) {
  // Each HSM that is read and written: the store, its log and its index, twice.
  constexpr rlim_t kForAnHsm = 6;
  constexpr rlim_t kForTheRest = 64;
  const std::size_t hsms = patient.cluster ? patient.cluster->hsms.size() : 0;
  const rlim_t needed = kForTheRest + (kForAnHsm * hsms);
  const rlim_t limit = SoftLimit(RLIMIT_NOFILE);
  if (limit >= needed) return {.health = Health::kOk, .found = LimitText(limit), .mend = {}};
  return {.health = Health::kProblem,
          .found = LimitText(limit) + ", and a cluster of " + std::to_string(hsms) +
                   " HSMs may need " + std::to_string(needed),
          .mend = "'ulimit -n 1024', or LimitNOFILE=1024 of the service"};
}

// ---- The kernel ---------------------------------------------------------------------------------

// Memory that is swapped out stays in it, or is encrypted by a key that ends with the machine's run
// or is asked for at its start.
bool IsSafeSwap(const Patient& patient, const std::string& device) {
  std::error_code problem;
  const fs::path real = fs::canonical(device, problem);
  const std::string name = (problem ? fs::path(device) : real).filename().string();
  if (name.starts_with("zram")) {
    const auto backing = ReadLine(patient, ("sys/block/" + name + "/backing_dev").c_str());
    return !backing || *backing == "none";
  }
  const auto uuid = ReadLine(patient, ("sys/block/" + name + "/dm/uuid").c_str());
  return uuid && uuid->starts_with("CRYPT-");
}

Finding Swap(const Patient& patient) {
  std::ifstream table(patient.root / "proc/swaps");
  std::string line;
  if (!std::getline(table, line)) {
    return {.health = Health::kWarning, .found = "/proc/swaps cannot be read", .mend = {}};
  }
  std::string safe;
  std::string open;
  while (std::getline(table, line)) {
    const std::string device = line.substr(0, line.find_first_of(" \t"));
    std::string& names = IsSafeSwap(patient, device) ? safe : open;
    names += (names.empty() ? "" : ", ") + device;
  }
  if (!open.empty()) {
    return {.health = Health::kWarning,
            .found = "memory is swapped out to " + open + ", not encrypted as far as can be seen",
            .mend = "encrypt it (crypttab, option swap), or swapoff -a"};
  }
  return {.health = Health::kOk,
          .found = safe.empty() ? "none" : "encrypted or in memory: " + safe,
          .mend = {}};
}

Finding PtraceScope(const Patient& patient) {
  const auto scope = ReadLine(patient, "proc/sys/kernel/yama/ptrace_scope");
  const char* mend = "sysctl kernel.yama.ptrace_scope=1";
  if (scope && !scope->starts_with('0')) {
    return {.health = Health::kOk, .found = *scope, .mend = {}};
  }
  return {.health = Health::kWarning,
          .found = std::string(scope ? "0" : "the kernel has no Yama") +
                   ": a process of the same user reads the memory of others",
          .mend = scope ? mend : "a kernel with Yama, then sysctl kernel.yama.ptrace_scope=1"};
}

// ---- Versions -----------------------------------------------------------------------------------

Finding Hsmctl(const Patient&) {
  return {.health = Health::kOk, .found = "hsmctl " HSM_VERSION, .mend = {}};
}

template <std::size_t kIndex>
Finding Library(const Patient&) {
  const hsmcore::LinkedLibrary library = hsmcore::LinkedLibraries().at(kIndex);
  if (library.good) return {.health = Health::kOk, .found = library.version, .mend = {}};
  return {.health = Health::kProblem,
          .found = library.version + ", and " + library.needed + " is the oldest that will do",
          .mend = std::string("upgrade ") + library.name};
}

Finding FipsModule(const Patient& patient) {
  if (!patient.cluster || patient.cluster->mode != hsmcore::ClusterMode::kFips) {
    return {.health = Health::kOk, .found = "not asked for", .mend = {}};
  }
  const hsmcore::FipsModule& module = patient.cluster->fips_module;
  if (!module.problem.empty()) {
    return {.health = Health::kProblem,
            .found = module.problem,
            .mend = "openssl fipsinstall (docs/configuration.md)"};
  }
  if (!module.policy_only()) return {.health = Health::kOk, .found = module.name, .mend = {}};
  return {.health = Health::kWarning,
          .found = "there is none: the algorithms are not a validated module's",
          .mend = "install OpenSSL's FIPS module (docs/configuration.md)"};
}

constexpr auto kChecks = std::to_array<Check>({
    {"locked memory", LockedMemory},
    {"core dumps", CoreDumps},
    {"core pattern", CorePattern},
    {"open files", OpenFiles},
    {"swap", Swap},
    {"ptrace scope", PtraceScope},
    {"hsmctl", Hsmctl},
    {"SQLite", Library<0>},
    {"libsodium", Library<1>},
    {"OpenSSL", Library<2>},
    {"FIPS module", FipsModule},
});

}  // namespace

std::span<const Check> MachineChecks() { return kChecks; }

}  // namespace hsmctl
