// SPDX-License-Identifier: Apache-2.0
#ifndef HSMCORE_CREDENTIAL_H_
#define HSMCORE_CREDENTIAL_H_

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "hsmcore/secret_bytes.h"
#include "hsmcore/types.h"

namespace hsmcore {

// What a user is for. policy/gate.h says who may do what.
enum class Role : std::uint8_t {
  kAdmin,       // users and the cluster; no keys
  kCryptoUser,  // keys
  kAuditor,     // reads the audit log
};
std::span<const Role> AllRoles();
const char* NameOf(Role role);  // "admin", "crypto-user", "auditor"
std::optional<Role> RoleByName(std::string_view name);

// What opens a user's secret: a password, or a machine credential (its text begins with
// kMachinePrefix; passwords never do). `user` may be empty when the URI or the settings name him.
struct Credential {
  std::string user;
  SecretBytes secret;

  static constexpr std::string_view kMachinePrefix = "hsm-machine-1.";
  bool is_machine() const;

  // "user:password", or only "password" (then user is empty). kPinFormat when it is empty.
  static Result<Credential> FromPin(const SecretBytes& pin);

  // Reads a PIN file: its first line is user:password, a password, or a machine credential as
  // hsmctl wrote it. `source` is "file:/path" or a path. kPinSource: the detail has path and cause.
  static Result<Credential> FromSource(std::string_view source);
};

}  // namespace hsmcore

#endif  // HSMCORE_CREDENTIAL_H_
