// SPDX-License-Identifier: Apache-2.0
#ifndef HSMCORE_BASE_TEXT_H_
#define HSMCORE_BASE_TEXT_H_

#include <concepts>
#include <string>
#include <string_view>

namespace hsmcore {

namespace text_internal {
inline void Append(std::string& out, std::string_view part) { out += part; }
inline void Append(std::string& out, char part) { out += part; }
template <std::integral T>
void Append(std::string& out, T part) {
  out += std::to_string(part);
}
}  // namespace text_internal

// Joins texts, characters and whole numbers.
template <class... Parts>
std::string Cat(const Parts&... parts) {
  std::string out;
  (text_internal::Append(out, parts), ...);
  return out;
}

}  // namespace hsmcore

#endif  // HSMCORE_BASE_TEXT_H_
