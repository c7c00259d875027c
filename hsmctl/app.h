// SPDX-License-Identifier: Apache-2.0
#ifndef HSMCTL_APP_H_
#define HSMCTL_APP_H_

#include "exit_code.h"

namespace hsmctl {

// Reads the command line, runs the command, prints the outcome.
ExitCode RunHsmctl(int argc, char** argv);

}  // namespace hsmctl

#endif  // HSMCTL_APP_H_
