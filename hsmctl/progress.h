// SPDX-License-Identifier: Apache-2.0
#ifndef HSMCTL_PROGRESS_H_
#define HSMCTL_PROGRESS_H_

#include <string>

#include "hsmcore/progress.h"

namespace hsmctl {

// A bar on standard error while it is a terminal; elsewhere nothing.
hsmcore::Progress ProgressBar(const std::string& what);

}  // namespace hsmctl

#endif  // HSMCTL_PROGRESS_H_
