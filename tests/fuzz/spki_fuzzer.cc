// SPDX-License-Identifier: Apache-2.0
// Public key files, PEM and DER. What is taken must come back from its own encoding.
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "crypto/asymmetric_key.h"
#include "hsmcore/key_reference.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto material = hsmcore::DecodePublicKeyFile({data, size});
  if (!material) return 0;
  const auto spki = hsmcore::EncodeSpki(*material);
  if (!spki || hsmcore::DecodeSpki(*spki).value() != *material) std::abort();
  static_cast<void>(hsmcore::crypto::AsymmetricKey::FromPublic(*material));
  return 0;
}
