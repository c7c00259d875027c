// SPDX-License-Identifier: Apache-2.0
#include "keys/sharing.h"

#include <algorithm>

#include "base/text.h"
#include "keys/approval.h"

namespace hsmcore::keys {
namespace {

using users::NameIn;

Status CheckNotOwner(const KeyRecord& record, std::string_view path) {
  if (path != record.owner) return {};
  return Fail(ErrorCode::kInvalidArgument,
              Cat("'", NameIn(path), "' is the owner of key ", record.handle.ToString()));
}

// By name, whether or not he has it through a group.
void Give(KeyRecord& record, const Recipient& to) {
  if (record.GrantFor(to.user, to.box_key) == nullptr) {
    // There may be one for another of that name.
    std::erase_if(record.grants, [&](const Grant& grant) { return grant.user == to.user; });
    record.grants.push_back({to.user, {}, to.box_key});
  }
  std::ranges::find(record.grants, to.user, &Grant::user)->direct = true;
}

Status Take(KeyRecord& record, const std::string& path) {
  HSMCORE_CHECK(CheckNotOwner(record, path));
  const auto grant = std::ranges::find(record.grants, path, &Grant::user);
  const bool there = grant != record.grants.end();
  if (!there || !grant->direct) {
    return Fail(
        ErrorCode::kKeyNotShared,
        Cat("key ", record.handle.ToString(), " is not shared with '", NameIn(path), "'",
            there ? " by name, but through the group " : "", there ? grant->groups.front() : ""));
  }
  grant->direct = false;
  if (grant->groups.empty()) record.grants.erase(grant);
  return {};
}

}  // namespace

Status CheckShareable(const KeyRecord& record) {
  if (record.private_half) return {};
  return Fail(ErrorCode::kPublicKeyOnly,
              Cat("key ", record.handle.PublicHalf().ToString(),
                  " is a public key, which everybody sees; nothing has to be shared"));
}

Result<KeyRecord> Share(cluster::Core& core, const users::Actor& owner, KeyHandle handle,
                        const std::vector<Recipient>& recipients) {
  return Rewrite(core, owner, handle, [&](KeyRecord& record) -> Status {
    HSMCORE_CHECK(CheckShareable(record));
    for (const Recipient& to : recipients) {
      HSMCORE_CHECK(CheckNotOwner(record, to.user));
      Give(record, to);
    }
    return DropStrangers(core, record);
  });
}

Result<KeyRecord> Unshare(cluster::Core& core, const users::Actor& owner, KeyHandle handle,
                          const std::vector<std::string>& paths) {
  return Rewrite(core, owner, handle, [&](KeyRecord& record) -> Status {
    HSMCORE_CHECK(CheckShareable(record));
    for (const std::string& path : paths) HSMCORE_CHECK(Take(record, path));
    HSMCORE_CHECK(DropStrangers(core, record));
    return CheckEnoughUsers(record);
  });
}

}  // namespace hsmcore::keys
