// SPDX-License-Identifier: Apache-2.0
#include "progress.h"

#include <unistd.h>

#include <iostream>
#include <string>

namespace hsmctl {

hsmcore::Progress ProgressBar(const std::string& what) {
  if (isatty(STDERR_FILENO) == 0) return {};
  return [what, shown = 101U](std::uint64_t done, std::uint64_t all) mutable {
    constexpr unsigned kWidth = 40;
    const unsigned percent = all == 0 ? 100 : static_cast<unsigned>(done * 100 / all);
    if (percent == shown) return;
    shown = percent;
    const unsigned filled = percent * kWidth / 100;
    const std::string number = std::to_string(percent);
    std::cerr << '\r' << what << " [" << std::string(filled, '#')
              << std::string(kWidth - filled, ' ') << "] " << std::string(3 - number.size(), ' ')
              << number << " %" << (percent == 100 ? "\n" : "") << std::flush;
  };
}

}  // namespace hsmctl
