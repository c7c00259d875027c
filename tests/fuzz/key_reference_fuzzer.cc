// SPDX-License-Identifier: Apache-2.0
// Key reference files. What is taken must come back from its own encoding.
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "hsmcore/key_reference.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto reference = hsmcore::KeyReference::FromDer({data, size});
  if (!reference) return 0;
  const auto der = reference->ToDer();
  if (!der || *der != hsmcore::Bytes(data, data + size)) std::abort();
  static_cast<void>(hsmcore::DecodeSpki(reference->spki));
  return 0;
}
