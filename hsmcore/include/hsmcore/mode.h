// SPDX-License-Identifier: Apache-2.0
#ifndef HSMCORE_MODE_H_
#define HSMCORE_MODE_H_

#include <cstdint>
#include <string>

namespace hsmcore {

enum class ClusterMode : std::uint8_t { kFips, kNonFips };
const char* NameOf(ClusterMode mode);  // "FIPS", "NON_FIPS"

// What a cluster in FIPS mode can be told when it is made.
struct ModeSwitches {
  bool ml_dsa = true;                 // FIPS 204; CloudHSM allows it since September 2026
  bool ecdsa_with_weak_hash = false;  // sign with a digest weaker than the key
  friend bool operator==(const ModeSwitches&, const ModeSwitches&) = default;
};

// What the mode of a cluster is made of; it never changes.
struct ModeRules {
  ClusterMode mode = ClusterMode::kNonFips;
  ModeSwitches switches;
  friend bool operator==(const ModeRules&, const ModeRules&) = default;
};

// OpenSSL's FIPS module, in which the keys of a cluster in FIPS mode work where it is installed:
// the file fips.so in OpenSSL's modules directory, or what HSM_FIPS_MODULE names, with the
// configuration that `openssl fipsinstall` writes: fipsmodule.cnf in OpenSSL's directory, or what
// HSM_FIPS_CONFIG names. Which it is, is settled once for a process.
struct FipsModule {
  std::string name;  // "OpenSSL FIPS Provider 3.5.4"; empty: none is installed, or `problem` is set
  std::string problem;  // why the one that is installed cannot be used, and what to do

  bool policy_only() const { return name.empty() && problem.empty(); }
  // "OpenSSL FIPS Provider 3.5.4", "policy only", "cannot be used".
  std::string Summary() const;
};

// Loads the module, where there is one, which runs its self-tests.
FipsModule FindFipsModule();

}  // namespace hsmcore

#endif  // HSMCORE_MODE_H_
