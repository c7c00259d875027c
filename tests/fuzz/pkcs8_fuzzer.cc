// SPDX-License-Identifier: Apache-2.0
// Private key files, PEM and DER. What is taken must not crash the checks of an import.
#include <cstddef>
#include <cstdint>

#include "crypto/asymmetric_key.h"
#include "hsmcore/key_reference.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto pair = hsmcore::DecodePkcs8(hsmcore::SecretBytes::CopyOf({data, size}));
  if (pair) static_cast<void>(hsmcore::crypto::AsymmetricKey::FromPair(*pair, true));
  return 0;
}
