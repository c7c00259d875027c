// SPDX-License-Identifier: Apache-2.0
// Wrapped keys: the first byte chooses a method, the rest is what somebody sent. The key is known
// (bytes of zero), so that the corpus holds some that open.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>

#include "crypto/wrapping.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using hsmcore::KeyType;
  static const auto key =
      hsmcore::crypto::SecretKey::From(KeyType::kAes, hsmcore::SecretBytes(32)).value();
  if (size == 0) return 0;
  constexpr std::size_t kAesMethods = 5;
  hsmcore::WrapMechanism mechanism;
  mechanism.kind = hsmcore::AllWrapMethods()[data[0] % kAesMethods].kind;
  mechanism.iv = hsmcore::Bytes(12);
  const auto payload = hsmcore::crypto::Unwrap({.secret = key.get(), .type = KeyType::kAes},
                                               mechanism, {data + 1, size - 1});
  if (payload && payload->empty()) std::abort();
  return 0;
}
