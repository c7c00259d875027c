// SPDX-License-Identifier: Apache-2.0
// Key URIs. What is taken must come back from its own text, apart from the PIN.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "hsmcore/key_uri.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto uri = hsmcore::KeyUri::Parse({reinterpret_cast<const char*>(data), size});
  if (!uri) return 0;
  const auto again = hsmcore::KeyUri::Parse(uri->ToString());
  if (!again || again->object != uri->object || again->id != uri->id ||
      again->handle != uri->handle || again->pin_source != uri->pin_source) {
    std::abort();
  }
  return 0;
}
