// SPDX-License-Identifier: Apache-2.0
#include "users/registration.h"

#include <ctime>
#include <utility>

#include "base/text.h"
#include "users/challenge.h"
#include "users/token_key.h"
#include "vault/sealing.h"

namespace hsmcore::users {
namespace {

std::string PurposeOf(Role role, const std::string& name) {
  return Cat("registration/", NameOf(role), "/", name);
}

}  // namespace

Result<SignableToken> NewRegistration(cluster::Core& core, Role role, const std::string& name) {
  constexpr bool kReplace = true;
  HSMCORE_TRY(Bytes text,
              NewChallenge(core, PurposeOf(role, name), role, name, std::time(nullptr), kReplace));
  Bytes token = vault::Sha256(text);
  return SignableToken{std::move(text), std::move(token), {}};
}

Result<Bytes> CheckRegistration(const cluster::Core& core, ByteView public_key,
                                const SignableToken& signed_token) {
  const ClusterMode mode = core.config.mode;
  HSMCORE_TRY(Bytes spki, ReadTokenKey(public_key, mode));
  HSMCORE_TRY(const bool good,
              IsSignedToken(spki, vault::Sha256(signed_token.data), signed_token.signature, mode));
  if (good) return spki;
  return Fail(ErrorCode::kTokenRefused,
              "the signature over the token is not one by the private key of this public key");
}

Status SpendRegistration(const cluster::Core& core, storage::Transaction& change, Role role,
                         const std::string& name, const SignableToken& signed_token) {
  const Challenge expected{.purpose = PurposeOf(role, name),
                           .cluster = core.file.id,
                           .role = role,
                           .name = name,
                           .expires = 0,
                           .nonce = {}};
  return SpendChallenge(change, signed_token.data, expected, std::time(nullptr));
}

}  // namespace hsmcore::users
