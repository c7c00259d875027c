// SPDX-License-Identifier: Apache-2.0
#ifndef HSMCORE_SETTINGS_H_
#define HSMCORE_SETTINGS_H_

#include <filesystem>
#include <optional>
#include <string>

#include "hsmcore/credential.h"
#include "hsmcore/types.h"

namespace hsmcore {

// Where the cluster is when nothing names it: HSM_HOME, else /var/lib/hsm for root, else
// $XDG_DATA_HOME/hsm, else $HOME/.local/share/hsm. The environment is not read in a set-uid
// program.
std::filesystem::path DefaultHome();

// HSM_PIN=user:password, where it is set. kPinFormat.
Result<std::optional<Credential>> CredentialFromEnvironment();

// HSM_DISABLE_KEY_AVAILABILITY_CHECK=yes (or no). kSetting: another word.
Result<bool> KeyAvailabilityCheckDisabled();
// "yes" or "no" as a setting called `name` has it. kSetting.
Result<bool> YesOrNo(std::string_view name, std::string_view value);

// A variable of the environment, or nothing; nothing too in a set-uid program.
std::optional<std::string> Environment(const char* name);

}  // namespace hsmcore

#endif  // HSMCORE_SETTINGS_H_
