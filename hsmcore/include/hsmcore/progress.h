// SPDX-License-Identifier: Apache-2.0
#ifndef HSMCORE_PROGRESS_H_
#define HSMCORE_PROGRESS_H_

#include <cstdint>
#include <functional>

namespace hsmcore {

// Called now and then by what takes long: how much is done, of how much. May be empty.
using Progress = std::function<void(std::uint64_t done, std::uint64_t all)>;

}  // namespace hsmcore

#endif  // HSMCORE_PROGRESS_H_
