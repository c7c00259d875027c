// SPDX-License-Identifier: Apache-2.0
#include <csignal>
#include <cstdio>
#include <exception>

#include "app.h"

int main(int argc, char** argv) {
  // A reader that went away is an error of the write, to be reported like any other.
  std::signal(SIGPIPE, SIG_IGN);
  try {
    return hsmctl::RunHsmctl(argc, argv);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "hsmctl: %s\n", error.what());
    return hsmctl::kFailure;
  }
}
