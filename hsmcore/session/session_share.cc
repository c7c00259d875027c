// SPDX-License-Identifier: Apache-2.0
// The part of a session that says who else may use one's keys.
#include <mutex>

#include "base/text.h"
#include "keys/sharing.h"
#include "session/session_impl.h"

namespace hsmcore::session {
namespace {

Status CheckPersistent(KeyHandle handle) {
  if (!handle.IsSession()) return {};
  return Fail(ErrorCode::kSessionKey,
              Cat("session key ", handle.ToString(),
                  " ends with its process; only persistent keys ", "are shared"));
}

}  // namespace

Result<KeyInfo> SessionImpl::ShareKey(KeyHandle handle, std::string_view user) {
  HSMCORE_CHECK(CheckPersistent(handle));
  HSMCORE_CHECK(Allow(policy::Operation::kManageKeys));
  HSMCORE_TRY(const std::string name, users::NormalisedName(user));
  const std::lock_guard lock(core_->mutex);
  HSMCORE_TRY(const users::DecodedRecord found, users::GetUser(*core_, Role::kCryptoUser, name));
  const keys::Recipient to{found.record.path(), found.record.identity.box_key};
  HSMCORE_CHECK(RefreshMarks());
  HSMCORE_TRY(const auto known, ReadRecord(handle));
  const bool has_it = known && !known->life.purge && known->owner == Me().path &&
                      to.user != known->owner && known->GrantFor(to.user, to.box_key) != nullptr;
  if (has_it) return InfoOf(*known, known->private_class());
  HSMCORE_TRY(const keys::KeyRecord record, keys::Share(*core_, Me(), handle, {to}));
  return InfoOf(record, record.private_class());
}

Result<KeyInfo> SessionImpl::UnshareKey(KeyHandle handle, std::string_view user) {
  HSMCORE_CHECK(CheckPersistent(handle));
  HSMCORE_CHECK(Allow(policy::Operation::kManageKeys));
  HSMCORE_TRY(const std::string name, users::NormalisedName(user));
  const std::lock_guard lock(core_->mutex);
  HSMCORE_CHECK(RefreshMarks());
  // He may have been deleted meanwhile.
  HSMCORE_TRY(const keys::KeyRecord record,
              keys::Unshare(*core_, Me(), handle, {users::UserPath(Role::kCryptoUser, name)}));
  return InfoOf(record, record.private_class());
}

}  // namespace hsmcore::session
