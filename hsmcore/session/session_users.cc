// SPDX-License-Identifier: Apache-2.0
// The half of a session that is about users and their credentials.
#include <algorithm>
#include <ctime>
#include <mutex>

#include "base/text.h"
#include "session/session_impl.h"
#include "session/user_deletion.h"
#include "users/change_setting.h"
#include "users/lifecycle.h"
#include "users/lockout.h"
#include "users/lockout_policy.h"
#include "vault/machine_secret.h"

namespace hsmcore::session {
namespace {

constexpr std::size_t kMaxMachineCredentials = 16;

}  // namespace

Result<std::vector<UserInfo>> SessionImpl::ListUsers() {
  HSMCORE_CHECK(Allow(policy::Operation::kListUsers));
  const std::lock_guard lock(core_->mutex);
  HSMCORE_TRY(const auto records, users::ListUsers(*core_));
  HSMCORE_TRY(const unsigned unlock_after, users::UnlockAfterMinutes(*core_));
  std::vector<UserInfo> list;
  for (const users::UserRecord& record : records) {
    HSMCORE_TRY(const users::FailedLogins failed,
                users::ReadFailedLogins(*core_->engine, record.path()));
    list.push_back({record.name, record.role, failed.Locked(std::time(nullptr), unlock_after),
                    failed.count, record.created, record.machines.size(),
                    record.token_key.has_value(), record.has_mfa()});
  }
  return list;
}

Status SessionImpl::CreateUser(std::string_view name, Role role, const SecretBytes& password,
                               const QuorumToken* approval) {
  HSMCORE_CHECK(Allow(policy::Operation::kCreateUser));
  const std::lock_guard lock(core_->mutex);
  return users::CreateUser(*core_, Me(), role, name, password, approval);
}

Status SessionImpl::DeleteUser(std::string_view name, Role role, const DeleteUserOptions& wanted) {
  HSMCORE_CHECK(Allow(policy::Operation::kDeleteUser));
  const std::lock_guard lock(core_->mutex);
  return session::DeleteUser(*core_, Me(), role, name, wanted);
}

Status SessionImpl::ResetPassword(std::string_view name, Role role, const SecretBytes& password,
                                  const NewTokenKey* mfa, const QuorumToken* approval) {
  HSMCORE_CHECK(Allow(policy::Operation::kResetPassword));
  const std::lock_guard lock(core_->mutex);
  return users::ResetPassword(*core_, Me(), role, name, {password, mfa}, approval);
}

Status SessionImpl::SetUnlockAfter(unsigned minutes, const QuorumToken* approval) {
  HSMCORE_CHECK(Allow(policy::Operation::kModifyCluster));
  if (minutes > kMaxUnlockMinutes) {
    return Fail(ErrorCode::kInvalidArgument, Cat("a locked user is free again after at most ",
                                                 kMaxUnlockMinutes, " minutes, or never (0)"));
  }
  const std::lock_guard lock(core_->mutex);
  return users::ChangeSetting(*core_, Me(), approval, &users::LockoutPolicy::unlock_after_minutes,
                              minutes);
}

Status SessionImpl::UnlockUser(std::string_view name, Role role) {
  HSMCORE_CHECK(Allow(policy::Operation::kUnlockUser));
  const std::lock_guard lock(core_->mutex);
  HSMCORE_TRY(const std::string normalised, users::NormalisedName(name));
  HSMCORE_TRY(const users::DecodedRecord user, users::GetUser(*core_, role, normalised));
  return users::ClearFailedLogins(*core_->engine, user.record.path());
}

Status SessionImpl::ChangePassword(const SecretBytes& new_password) {
  HSMCORE_CHECK(Allow(policy::Operation::kChangeOwnCredentials));
  const std::lock_guard lock(core_->mutex);
  HSMCORE_TRY(const cluster::Config config, cluster::ReadConfig(*core_));
  const users::Actor me = Me();
  const users::SecondFactor* second = login_->second_factor ? &*login_->second_factor : nullptr;
  HSMCORE_TRY(const auto password,
              users::NewPassword(*me.identity, me.path, new_password, config.cost, second));
  HSMCORE_CHECK(users::ChangeCredentials(*core_, me, [&](users::UserRecord& user) -> Status {
    if (user.has_mfa() && user.password->unlock != password.unlock) {
      return Fail(ErrorCode::kMfaRequired, Cat("the password of '", user.name,
                                               "' opens together with a signed token (MFA), ",
                                               "and so does its change: log in with --mfa-token"));
    }
    user.password = password;
    return {};
  }));
  return users::ClearFailedLogins(*core_->engine, me.path);
}

Result<SecretBytes> SessionImpl::CreateMachineCredential() {
  HSMCORE_CHECK(Allow(policy::Operation::kChangeOwnCredentials));
  const vault::MachineSecret machine = vault::MachineSecret::New();
  const std::lock_guard lock(core_->mutex);
  const users::Actor me = Me();
  HSMCORE_TRY(const Bytes sealed,
              users::SealIdentity(*me.identity, machine.SealKey(), me.path, users::kMachineKind));
  HSMCORE_CHECK(users::ChangeCredentials(*core_, me, [&](users::UserRecord& user) -> Status {
    if (user.machines.size() >= kMaxMachineCredentials) {
      return Fail(ErrorCode::kQuotaExceeded,
                  Cat("'", user.name, "' has ", user.machines.size(),
                      " machine credentials, which is the most; take them back with 'hsmctl user "
                      "delete-machine-credentials'"));
    }
    user.machines.push_back({machine.id, sealed});
    return {};
  }));
  const SecretBytes text = machine.ToText();
  SecretBytes pin(user_.size() + 1 + text.size());
  const auto out = pin.Write(SecretAccess{"hand a machine credential to its owner"});
  std::ranges::copy(Cat(user_, ":"), out.begin());
  std::ranges::copy(text.Read(SecretAccess{"hand a machine credential to its owner"}),
                    out.subspan(user_.size() + 1).begin());
  return pin;
}

Status SessionImpl::DeleteMachineCredentials() {
  HSMCORE_CHECK(Allow(policy::Operation::kChangeOwnCredentials));
  const std::lock_guard lock(core_->mutex);
  return users::ChangeCredentials(*core_, Me(), [](users::UserRecord& user) -> Status {
    if (!user.password) {
      return Fail(ErrorCode::kPasswordPolicy,
                  "there is no password besides; nothing could open the keys any more");
    }
    user.machines.clear();
    return {};
  });
}

}  // namespace hsmcore::session
