// SPDX-License-Identifier: Apache-2.0
#include "hsmcore/settings.h"

#include <unistd.h>

#include <cstdlib>

#include "base/files.h"
#include "base/text.h"

namespace hsmcore {

Result<bool> YesOrNo(std::string_view name, std::string_view value) {
  if (value == "yes" || value == "no") return value == "yes";
  return Fail(ErrorCode::kSetting,
              Cat(name, " is '", value.substr(0, 40), "'; it takes yes or no"));
}

Result<bool> KeyAvailabilityCheckDisabled() {
  constexpr const char* kName = "HSM_DISABLE_KEY_AVAILABILITY_CHECK";
  const std::optional<std::string> value = Environment(kName);
  return value ? YesOrNo(kName, *value) : false;
}

std::optional<std::string> Environment(const char* name) {
  const char* value = secure_getenv(name);
  if (value == nullptr || *value == '\0') return std::nullopt;
  return value;
}

std::filesystem::path DefaultHome() {
  if (const auto home = Environment("HSM_HOME")) return *home;
  if (geteuid() == 0) return "/var/lib/hsm";
  if (const auto data = Environment("XDG_DATA_HOME")) return std::filesystem::path(*data) / "hsm";
  const auto user_home = Environment("HOME");
  return std::filesystem::path(user_home.value_or("/")) / ".local/share/hsm";
}

Result<std::optional<Credential>> CredentialFromEnvironment() {
  const char* pin = secure_getenv("HSM_PIN");
  if (pin == nullptr || *pin == '\0') return std::nullopt;
  HSMCORE_TRY(Credential credential,
              Credential::FromPin(SecretBytes::CopyOf(std::string_view(pin))));
  return std::optional(std::move(credential));
}

std::span<const Role> AllRoles() {
  static constexpr Role kRoles[] = {Role::kAdmin, Role::kCryptoUser, Role::kAuditor};
  return kRoles;
}

const char* NameOf(Role role) {
  static constexpr const char* kNames[] = {"admin", "crypto-user", "auditor"};
  return kNames[static_cast<std::size_t>(role)];
}

std::optional<Role> RoleByName(std::string_view name) {
  for (const Role role : AllRoles()) {
    if (name == NameOf(role)) return role;
  }
  return std::nullopt;
}

bool Credential::is_machine() const {
  return secret.ReadText(SecretAccess{"tell a machine credential from a password"})
      .starts_with(kMachinePrefix);
}

Result<Credential> Credential::FromPin(const SecretBytes& pin) {
  const std::string_view text = pin.ReadText(SecretAccess{"split a PIN into user and password"});
  const std::size_t colon = text.find(':');
  Credential credential;
  if (colon != std::string_view::npos) credential.user = text.substr(0, colon);
  credential.secret =
      SecretBytes::CopyOf(text.substr(colon == std::string_view::npos ? 0 : colon + 1));
  if (credential.secret.empty() || colon == 0) {
    return Fail(ErrorCode::kPinFormat, "a PIN is user:password, or the password alone");
  }
  return credential;
}

Result<Credential> Credential::FromSource(std::string_view source) {
  constexpr std::size_t kMaxPinFile = 4096;
  std::string path(source);
  if (path.starts_with("file://")) {
    path.erase(0, 7);
  } else if (path.starts_with("file:")) {
    path.erase(0, 5);
  }
  if (path.empty() || path.front() != '/') {
    return Fail(ErrorCode::kPinSource,
                Cat("'", source, "': a PIN source is file: and an absolute path"));
  }
  auto content = ReadSecretFile(path, kMaxPinFile);
  if (!content) return Fail(ErrorCode::kPinSource, content.error().detail());
  const std::string_view text = content->ReadText(SecretAccess{"find the end of the first line"});
  content->Truncate(std::min(text.size(), text.find_first_of("\r\n")));
  auto credential = FromPin(*content);
  if (!credential) return Fail(ErrorCode::kPinSource, Cat(path, ": ", credential.error().detail()));
  return credential;
}

}  // namespace hsmcore
