// SPDX-License-Identifier: Apache-2.0
#include "hsmcore/held_algorithm.h"

#include "crypto/held_algorithm.h"
#include "session/held_key.h"

namespace hsmcore {
namespace {

// kKeyTypeMismatch: it is no secret key.
Result<crypto::GatedKey> Gated(KeyPtr key) {
  const auto* held = dynamic_cast<const session::HeldKey*>(key.get());
  if (held == nullptr || held->secret() == nullptr) {
    return Fail(ErrorCode::kKeyTypeMismatch, "a secret key is needed here");
  }
  crypto::SecretKeyPtr secret = held->secret();
  return crypto::GatedKey{std::move(key), std::move(secret)};
}

}  // namespace

Result<std::unique_ptr<HeldCipher>> HeldCipher::New(KeyPtr key, const ossl_algorithm_st& algorithm,
                                                    GcmNonces nonces) {
  HSMCORE_TRY(crypto::GatedKey gated, Gated(std::move(key)));
  return crypto::NewHeldCipher(std::move(gated), algorithm, nonces);
}

Result<std::unique_ptr<HeldMac>> HeldMac::New(KeyPtr key, const ossl_algorithm_st& algorithm) {
  HSMCORE_TRY(crypto::GatedKey gated, Gated(std::move(key)));
  return crypto::NewHeldMac(std::move(gated), algorithm);
}

Result<std::unique_ptr<HeldKdf>> HeldKdf::New(KeyPtr key, const ossl_algorithm_st& algorithm) {
  HSMCORE_TRY(crypto::GatedKey gated, Gated(std::move(key)));
  return crypto::NewHeldKdf(std::move(gated), algorithm);
}

}  // namespace hsmcore
