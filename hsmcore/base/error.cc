// SPDX-License-Identifier: Apache-2.0
#include "hsmcore/error.h"

#include <algorithm>
#include <array>

namespace hsmcore {
namespace {

constexpr auto kErrors = std::to_array<ErrorText>({
#define HSMCORE_ERROR(name, number, text) {ErrorCode::name, text},
#include "hsmcore/error_codes.def"
#undef HSMCORE_ERROR
});

constexpr bool StrictlyAscendingReasonCodes() {
  int last = 0;
  for (const ErrorText& row : kErrors) {
    const int number = static_cast<int>(row.code);
    if (number <= last || number > 4095) return false;
    last = number;
  }
  return true;
}
static_assert(StrictlyAscendingReasonCodes(), "reason codes are unique, ascending and 1..4095");

}  // namespace

std::span<const ErrorText> AllErrors() { return kErrors; }

const char* TextOf(ErrorCode code) {
  const auto* row = std::ranges::lower_bound(kErrors, code, {}, &ErrorText::code);
  return row != kErrors.end() && row->code == code ? row->text : "unknown error";
}

std::string Error::Message() const {
  std::string text = TextOf(code_);
  if (!detail_.empty()) text.append(": ").append(detail_);
  return text;
}

}  // namespace hsmcore
