// SPDX-License-Identifier: Apache-2.0
#ifndef HSMCTL_DOCTOR_H_
#define HSMCTL_DOCTOR_H_

#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "hsmcore/cluster.h"
#include "hsmcore/inspection.h"

// What `hsmctl doctor` looks at. Each check is a row of a table; none of them changes anything.
namespace hsmctl {

enum class Health : std::uint8_t { kOk, kWarning, kProblem };

struct Finding {
  Health health = Health::kOk;
  // A line for each thing that is wrong.
  std::string found;
  std::string mend;  // empty: nothing is to be done
};

// What was read before the checks.
struct Patient {
  std::filesystem::path root;  // of the machine's /proc and /sys; "/" but for tests
  std::filesystem::path home;  // empty: it cannot be told
  std::string home_problem;    // why
  std::vector<hsmcore::HomeFile> files;
  hsmcore::Result<hsmcore::ClusterDescription> cluster;
  std::optional<std::string> pin_source;  // of the command line
};

struct Check {
  const char* name;
  Finding (*look)(const Patient& patient);
};

std::span<const Check> FileChecks();     // the home, credentials, the module, the clock
std::span<const Check> MachineChecks();  // limits, swap, the kernel's settings, versions

// The worse of two, and the lines of both.
void Add(Finding& finding, Finding more);

}  // namespace hsmctl

#endif  // HSMCTL_DOCTOR_H_
