// SPDX-License-Identifier: Apache-2.0
// The part of a session that says who else may use one's keys.
#include <mutex>

#include "base/text.h"
#include "keys/sharing.h"
#include "session/session_impl.h"

namespace hsmcore::session {
Status SessionImpl::CheckSharing(KeyHandle handle) const {
  if (handle.IsSession()) {
    return Fail(ErrorCode::kSessionKey,
                Cat("session key ", handle.ToString(),
                    " ends with its process; only persistent keys are shared"));
  }
  return Allow(policy::Operation::kManageKeys);
}

Result<KeyInfo> SessionImpl::ShareKey(KeyHandle handle, std::string_view user) {
  HSMCORE_CHECK(CheckSharing(handle));
  HSMCORE_TRY(const std::string name, users::NormalisedName(user));
  const std::lock_guard lock(core_->mutex);
  HSMCORE_TRY(const users::DecodedRecord found, users::GetUser(*core_, Role::kCryptoUser, name));
  const keys::Recipient to{found.record.path(), found.record.identity.box_key};
  HSMCORE_CHECK(RefreshMarks());
  HSMCORE_TRY(const auto known, ReadRecord(handle));
  const keys::Grant* grant = known ? known->GrantFor(to.user, to.box_key) : nullptr;
  const bool has_it = grant != nullptr && grant->direct && to.user != known->owner &&
                      known->owner == Me().path && !known->life.purge;
  if (has_it) return InfoOf(*known, known->private_class());
  HSMCORE_TRY(const keys::KeyRecord record, keys::Share(*core_, Me(), handle, {to}));
  return InfoOf(record, record.private_class());
}

Result<KeyInfo> SessionImpl::UnshareKey(KeyHandle handle, std::string_view user) {
  HSMCORE_CHECK(CheckSharing(handle));
  HSMCORE_TRY(const std::string name, users::NormalisedName(user));
  const std::lock_guard lock(core_->mutex);
  HSMCORE_CHECK(RefreshMarks());
  // He may have been deleted meanwhile.
  HSMCORE_TRY(const keys::KeyRecord record,
              keys::Unshare(*core_, Me(), handle, {users::UserPath(Role::kCryptoUser, name)}));
  return InfoOf(record, record.private_class());
}

}  // namespace hsmcore::session
