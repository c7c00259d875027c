// SPDX-License-Identifier: Apache-2.0
#include "users/mfa.h"

#include <ctime>
#include <string>

#include "base/text.h"
#include "base/values.h"
#include "users/challenge.h"
#include "users/token_key.h"
#include "vault/sealing.h"

namespace hsmcore::users {
namespace {

constexpr std::string_view kContext = "hsm password and token v1";
constexpr std::size_t kPlaceBytes = 8;
constexpr std::size_t kMostLive = 16;

// Several logins may be under way at once, so each has a place of its own.
std::string PurposePrefix(const UserRecord& user) {
  return Cat("mfa/", NameOf(user.role), "/", user.name, "/");
}

SignableToken TokenOf(Bytes text) {
  Bytes token = vault::Sha256(text);
  return {std::move(text), std::move(token), {}};
}

// Who made tokens and never used them must not fill the store.
Status SweepExpired(cluster::Core& core, const UserRecord& user, std::int64_t now) {
  const std::string prefix = PurposePrefix(user);
  HSMCORE_TRY(const auto live, LiveChallenges(core, prefix, now));
  if (live.size() >= kMostLive) {
    return Fail(ErrorCode::kTokenRefused,
                Cat("'", user.name, "' has ", live.size(), " tokens that are not used; use one of ",
                    "them, or wait until they expire"));
  }
  HSMCORE_TRY([[maybe_unused]] const auto revision,
              storage::Update(*core.engine, [&](storage::Transaction& change) -> Status {
                return DeleteExpired(core, change, prefix, now);
              }));
  return {};
}

}  // namespace

SecretBytes PasswordKey(SecretBytes hashed, const SecondFactor* second) {
  if (second == nullptr) return hashed;
  return vault::MixKey(hashed, kContext, second->signature.Read(SecretAccess{"open with MFA"}));
}

std::string_view KindOf(const SecondFactor* second) {
  return second == nullptr ? kPasswordKind : kPasswordAndTokenKind;
}

Result<std::vector<SignableToken>> NewMfaTokens(cluster::Core& core, const UserRecord& user) {
  if (!user.has_mfa()) {
    return Fail(ErrorCode::kTokenRefused,
                Cat("'", user.name, "' logs in without a token; 'hsmctl user change-mfa ",
                    "token-sign' changes that"));
  }
  const std::int64_t now = std::time(nullptr);
  HSMCORE_CHECK(SweepExpired(core, user, now));
  const std::string purpose = Cat(PurposePrefix(user), ToHex(vault::RandomBytes(kPlaceBytes)));
  HSMCORE_TRY(Bytes fresh, NewChallenge(core, purpose, user.role, user.name, now, false));
  std::vector<SignableToken> tokens;
  tokens.push_back(TokenOf(std::move(fresh)));
  tokens.push_back(TokenOf(user.password->unlock));
  return tokens;
}

Result<SecondFactor> CheckMfaTokens(const cluster::Core& core, const UserRecord& user,
                                    const std::vector<SignableToken>& tokens) {
  if (!user.has_mfa()) {
    return Fail(ErrorCode::kTokenRefused, Cat("'", user.name, "' logs in without a token"));
  }
  if (tokens.size() != 2 || tokens[1].data != user.password->unlock) {
    return Fail(ErrorCode::kTokenRefused, Cat("the tokens are not those of '", user.name,
                                              "' for a login; make new ones with ",
                                              "'hsmctl user mfa-token' and have them signed"));
  }
  for (const SignableToken& token : tokens) {
    HSMCORE_TRY(const bool good, IsSignedToken(user.token_key->spki, vault::Sha256(token.data),
                                               token.signature, core.config.mode));
    if (!good) {
      return Fail(ErrorCode::kTokenRefused,
                  Cat("a signature is not one by the key that '", user.name, "' has registered"));
    }
  }
  return SecondFactor{tokens[1].data, SecretBytes::CopyOf(tokens[1].signature)};
}

Status SpendMfaToken(cluster::Core& core, const UserRecord& user, const SignableToken& token) {
  HSMCORE_TRY(Challenge expected, Challenge::Decode(token.data));
  if (!expected.purpose.starts_with(PurposePrefix(user))) expected.purpose = PurposePrefix(user);
  expected.cluster = core.file.id;
  expected.role = user.role;
  expected.name = user.name;
  HSMCORE_TRY([[maybe_unused]] const auto revision,
              storage::Update(*core.engine, [&](storage::Transaction& change) {
                return SpendChallenge(change, token.data, expected, std::time(nullptr));
              }));
  return {};
}

}  // namespace hsmcore::users
