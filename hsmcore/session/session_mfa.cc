// SPDX-License-Identifier: Apache-2.0
// The part of a session that is about the keys by which its user signs tokens, and his MFA.
#include <algorithm>
#include <mutex>

#include "base/text.h"
#include "session/session_impl.h"
#include "users/authentication.h"
#include "users/registration.h"

namespace hsmcore::session {
namespace {

// Between the look at the password and the change another process may have come.
Status CheckUnchanged(const users::UserRecord& user, ByteView sealed_before) {
  if (user.password && std::ranges::equal(user.password->sealed, sealed_before)) return {};
  return Fail(ErrorCode::kStorageConflict, "the password was changed meanwhile; log in anew");
}

}  // namespace

Result<SignableToken> SessionImpl::NewRegistration() {
  HSMCORE_CHECK(Allow(policy::Operation::kChangeOwnCredentials));
  const std::lock_guard lock(core_->mutex);
  return users::NewRegistration(*core_, login_->role, login_->user);
}

Result<SignableToken> SessionImpl::NewRegistrationFor(std::string_view name, Role role) {
  HSMCORE_CHECK(Allow(policy::Operation::kResetPassword));
  HSMCORE_TRY(const std::string normalised, users::NormalisedName(name));
  const std::lock_guard lock(core_->mutex);
  HSMCORE_CHECK(users::GetUser(*core_, role, normalised));
  return users::NewRegistration(*core_, role, normalised);
}

Status SessionImpl::RegisterTokenKey(ByteView public_key, const SignableToken& signed_token) {
  HSMCORE_CHECK(Allow(policy::Operation::kChangeOwnCredentials));
  const std::lock_guard lock(core_->mutex);
  HSMCORE_TRY(const Bytes spki, users::CheckRegistration(*core_, public_key, signed_token));
  return users::ChangeCredentials(
      *core_, Me(), [&](storage::Transaction& change, users::UserRecord& user) -> Status {
        if (user.has_mfa()) {
          return Fail(ErrorCode::kTokenKey,
                      "this key is also what the password opens with (MFA); change both with "
                      "'hsmctl user change-mfa token-sign'");
        }
        HSMCORE_CHECK(
            users::SpendRegistration(*core_, change, login_->role, login_->user, signed_token));
        user.token_key = {.spki = spki};
        return {};
      });
}

// Seals the password anew, with `second` or without, once it was seen to be right.
Result<users::UserRecord::Password> SessionImpl::Reseal(const SecretBytes& password,
                                                        const users::SecondFactor* second,
                                                        Bytes& sealed_before) {
  HSMCORE_TRY(const users::DecodedRecord user, users::GetUser(*core_, login_->role, login_->user));
  if (!user.record.password) {
    return Fail(ErrorCode::kCredentialUnknown, Cat("'", login_->user, "' has no password"));
  }
  const users::SecondFactor* before = login_->second_factor ? &*login_->second_factor : nullptr;
  if (user.record.has_mfa() &&
      (before == nullptr || before->unlock != user.record.password->unlock)) {
    return Fail(ErrorCode::kMfaRequired,
                Cat("to change how '", login_->user, "' logs in, log in with --mfa-token"));
  }
  HSMCORE_CHECK(
      users::OpenPassword(user.record, password, user.record.has_mfa() ? before : nullptr));
  sealed_before = user.record.password->sealed;
  return users::NewPassword(login_->identity, login_->path(), password, core_->config.cost, second);
}

Status SessionImpl::RegisterMfa(const SecretBytes& password, ByteView public_key,
                                const SignableToken& signed_token) {
  HSMCORE_CHECK(Allow(policy::Operation::kChangeOwnCredentials));
  const std::lock_guard lock(core_->mutex);
  HSMCORE_TRY(const Bytes spki, users::CheckRegistration(*core_, public_key, signed_token));
  const users::SecondFactor second{signed_token.data, SecretBytes::CopyOf(signed_token.signature)};
  Bytes before;
  HSMCORE_TRY(const auto sealed, Reseal(password, &second, before));
  return users::ChangeCredentials(
      *core_, Me(), [&](storage::Transaction& change, users::UserRecord& user) -> Status {
        HSMCORE_CHECK(CheckUnchanged(user, before));
        HSMCORE_CHECK(
            users::SpendRegistration(*core_, change, login_->role, login_->user, signed_token));
        user.token_key = {.spki = spki};
        user.password = sealed;
        return {};
      });
}

Status SessionImpl::DeregisterMfa(const SecretBytes& password) {
  HSMCORE_CHECK(Allow(policy::Operation::kChangeOwnCredentials));
  const std::lock_guard lock(core_->mutex);
  Bytes before;
  HSMCORE_TRY(const auto sealed, Reseal(password, nullptr, before));
  return users::ChangeCredentials(*core_, Me(),
                                  [&](storage::Transaction&, users::UserRecord& user) -> Status {
                                    HSMCORE_CHECK(CheckUnchanged(user, before));
                                    user.password = sealed;
                                    return {};
                                  });
}

}  // namespace hsmcore::session
