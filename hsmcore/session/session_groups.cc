// SPDX-License-Identifier: Apache-2.0
// The part of a session that is about groups of users, and the keys that are shared with them.
#include <mutex>

#include "base/text.h"
#include "keys/groups.h"
#include "session/session_impl.h"

namespace hsmcore::session {
Result<std::vector<GroupInfo>> SessionImpl::ListGroups() {
  HSMCORE_CHECK(Allow(policy::Operation::kListUsers));
  const std::lock_guard lock(core_->mutex);
  HSMCORE_TRY(const keys::Groups groups, keys::Groups::Read(*core_));
  std::vector<GroupInfo> list;
  for (const auto& [name, group] : groups.all()) {
    GroupInfo info{name, {}, group.created};
    for (const keys::Recipient& member : group.members)
      info.members.push_back(users::NameIn(member.user));
    list.push_back(std::move(info));
  }
  return list;
}

Status SessionImpl::CreateGroup(std::string_view name) {
  HSMCORE_CHECK(Allow(policy::Operation::kManageGroups));
  const std::lock_guard lock(core_->mutex);
  return keys::CreateGroup(*core_, Me(), name);
}

Status SessionImpl::DeleteGroup(std::string_view name) {
  HSMCORE_CHECK(Allow(policy::Operation::kManageGroups));
  HSMCORE_TRY(const std::string group, users::NormalisedName(name));
  const std::lock_guard lock(core_->mutex);
  return keys::DeleteGroup(*core_, Me(), group);
}

Status SessionImpl::AddToGroup(std::string_view name, std::string_view user) {
  HSMCORE_CHECK(Allow(policy::Operation::kManageGroups));
  HSMCORE_TRY(const std::string group, users::NormalisedName(name));
  HSMCORE_TRY(const std::string member, users::NormalisedName(user));
  const std::lock_guard lock(core_->mutex);
  HSMCORE_TRY(const users::DecodedRecord found, users::GetUser(*core_, Role::kCryptoUser, member));
  return keys::AddMember(*core_, Me(), group, {found.record.path(), found.record.identity.box_key});
}

Status SessionImpl::RemoveFromGroup(std::string_view name, std::string_view user) {
  HSMCORE_CHECK(Allow(policy::Operation::kManageGroups));
  HSMCORE_TRY(const std::string group, users::NormalisedName(name));
  HSMCORE_TRY(const std::string member, users::NormalisedName(user));
  const std::lock_guard lock(core_->mutex);
  // He may have been deleted meanwhile.
  return keys::RemoveMember(*core_, Me(), group, users::UserPath(Role::kCryptoUser, member));
}

Result<KeyInfo> SessionImpl::ShareKeyWithGroup(KeyHandle handle, std::string_view group) {
  HSMCORE_CHECK(CheckSharing(handle));
  HSMCORE_TRY(const std::string name, users::NormalisedName(group));
  const std::lock_guard lock(core_->mutex);
  HSMCORE_CHECK(RefreshMarks());
  HSMCORE_TRY(const keys::Group* found, groups_.Get(name));
  HSMCORE_TRY(const keys::KeyRecord record, keys::ShareWithGroup(*core_, Me(), handle, *found));
  return InfoOf(record, record.private_class());
}

Result<KeyInfo> SessionImpl::UnshareKeyFromGroup(KeyHandle handle, std::string_view group) {
  HSMCORE_CHECK(CheckSharing(handle));
  HSMCORE_TRY(const std::string name, users::NormalisedName(group));
  const std::lock_guard lock(core_->mutex);
  HSMCORE_CHECK(RefreshMarks());
  HSMCORE_TRY(const keys::KeyRecord record, keys::UnshareFromGroup(*core_, Me(), handle, name));
  return InfoOf(record, record.private_class());
}

}  // namespace hsmcore::session
