// SPDX-License-Identifier: Apache-2.0
#ifndef HSMCTL_PASSWORD_H_
#define HSMCTL_PASSWORD_H_

#include <optional>
#include <string>

#include "hsmcore/error.h"
#include "hsmcore/secret_bytes.h"

namespace hsmctl {

// Asks on the terminal with echo off; standard input and output stay untouched. The terminal is
// put back on every way out, a signal included. kLoginRequired: no terminal, or no answer.
hsmcore::Result<hsmcore::SecretBytes> AskPassword(const std::string& question);

// The new password of `user`: from `source` (file:PATH), else from HSM_NEW_PASSWORD, else asked
// twice. Errors: kPinSource, kPasswordPolicy, and AskPassword's.
hsmcore::Result<hsmcore::SecretBytes> NewPassword(const std::optional<std::string>& source,
                                                  const std::string& user);

}  // namespace hsmctl

#endif  // HSMCTL_PASSWORD_H_
