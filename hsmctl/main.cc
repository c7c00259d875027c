// SPDX-License-Identifier: Apache-2.0
#include <sys/prctl.h>

#include <csignal>
#include <exception>

#include "app.h"
#include "output.h"

int main(int argc, char** argv) {
  // No core file of this process, whatever the limit is, and no look into its memory by others.
  prctl(PR_SET_DUMPABLE, 0);
  // A reader that went away is an error of the write, to be reported like any other.
  static_cast<void>(std::signal(SIGPIPE, SIG_IGN));
  try {
    return hsmctl::RunHsmctl(argc, argv);
  } catch (const std::exception& error) {
    return hsmctl::PrintFailure(hsmctl::kFailure, error.what(), hsmctl::OutputFormat::kTable);
  }
}
