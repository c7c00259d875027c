// SPDX-License-Identifier: Apache-2.0
#include "progress.h"

#include <unistd.h>

#include <cstdio>

namespace hsmctl {

hsmcore::Progress ProgressBar(const std::string& what) {
  if (isatty(STDERR_FILENO) == 0) return {};
  return [what, shown = 101U](std::uint64_t done, std::uint64_t all) mutable {
    constexpr unsigned kWidth = 40;
    const unsigned percent = all == 0 ? 100 : static_cast<unsigned>(done * 100 / all);
    if (percent == shown) return;
    shown = percent;
    const unsigned filled = percent * kWidth / 100;
    std::fprintf(stderr, "\r%s [%s%s] %3u %%%s", what.c_str(), std::string(filled, '#').c_str(),
                 std::string(kWidth - filled, ' ').c_str(), percent, percent == 100 ? "\n" : "");
    std::fflush(stderr);
  };
}

}  // namespace hsmctl
