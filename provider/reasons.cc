// SPDX-License-Identifier: Apache-2.0
#include "reasons.h"

#include "hsmcore/error.h"

namespace provider {
namespace {

// libcrypto takes the texts as void*, and reads them only.
constexpr void* Text(const char* text) { return const_cast<char*>(text); }

}  // namespace

const OSSL_ITEM* ReasonStrings() {
  static const OSSL_ITEM kReasons[] = {
#define HSMCORE_ERROR(name, number, text) {number, Text(text)},
#include "hsmcore/error_codes.def"
#undef HSMCORE_ERROR
      {0, nullptr},
  };
  return kReasons;
}

// An id outside this range would carry library bits, and libcrypto would refuse the provider
// without a word.
#define HSMCORE_ERROR(name, number, text) \
  static_assert((number) >= 1 && (number) <= 4095, "reason codes have 12 bits");
#include "hsmcore/error_codes.def"
#undef HSMCORE_ERROR

}  // namespace provider
