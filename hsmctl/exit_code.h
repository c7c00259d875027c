// SPDX-License-Identifier: Apache-2.0
#ifndef HSMCTL_EXIT_CODE_H_
#define HSMCTL_EXIT_CODE_H_

#include "hsmcore/error.h"

namespace hsmctl {

// What the process ends with, and the "error_code" of the JSON output. Part of the interface.
enum ExitCode : int {
  kOk = 0,
  kFailure = 1,    // none of the others
  kUsage = 2,      // the command line, or a value on it
  kLogin = 3,      // who is asking: password, user, PIN
  kNoOneKey = 4,   // no key matches, or more than one
  kPolicy = 5,     // an attribute, a role or a quota forbids it
  kStorage = 6,    // the home or the HSMs
  kUnhealthy = 7,  // the doctor found a problem
};

ExitCode ExitCodeOf(hsmcore::ErrorCode code);

}  // namespace hsmctl

#endif  // HSMCTL_EXIT_CODE_H_
