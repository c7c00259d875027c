// SPDX-License-Identifier: Apache-2.0
#include "keys/groups.h"

#include <algorithm>
#include <ctime>
#include <functional>
#include <optional>
#include <utility>

#include "base/text.h"
#include "keys/approval.h"
#include "storage/generation_map.h"
#include "users/signed_record.h"

namespace hsmcore::keys {
namespace {

constexpr users::SignedRecord kRecord{"hsm user group v1", "a group of users"};

using users::NameIn;

Error NoSuchGroup(std::string_view name) {
  return {ErrorCode::kGroupNotFound,
          Cat("the cluster has no group '", name, "'; see 'hsmctl group list'")};
}

// The keys that are shared with a group.
Result<std::vector<std::uint64_t>> EpochsOf(cluster::Core& core, std::string_view name) {
  std::vector<std::uint64_t> epochs;
  storage::ListOptions options{.after = {}, .limit = 1000, .keys_only = true};
  for (;;) {
    HSMCORE_TRY(const auto page, core.engine->List(SharedIndexPrefix(name), options));
    for (const storage::Entry& entry : page) {
      if (const auto handle = HandleIn(entry.key)) epochs.push_back(EpochSlot(*handle));
    }
    if (page.size() < options.limit) return epochs;
    options.after = page.back().key;
  }
}

// Does a change end somebody's use of keys? Then those who have them loaded must look again.
enum class Effect : std::uint8_t { kGives, kTakes };

// Changes a group, and moves the epochs of its keys. With more of them than one commit can move,
// the same group is written several times: a crash in between leaves the rest to the same command.
Status Change(cluster::Core& core, const users::Actor& admin, std::string_view name, Effect effect,
              const std::function<Status(std::optional<Group>&)>& change_group) {
  HSMCORE_TRY(const users::TrustedSigners admins, users::ReadTrustedSigners(core));
  std::vector<std::uint64_t> epochs;
  if (effect == Effect::kTakes) {
    HSMCORE_TRY(epochs, EpochsOf(core, name));
  }
  const std::string path = GroupPath(name);
  std::optional<Group> group;
  const auto commit = [&](std::size_t first, std::size_t end) {
    return storage::Update(*core.engine, [&](storage::Transaction& change) -> Status {
      if (first == 0) {
        group.reset();
        HSMCORE_TRY(const auto stored, change.Get(path));
        if (stored) {
          HSMCORE_TRY(group, Group::Decode(path, *stored, admins));
        }
        HSMCORE_CHECK(change_group(group));
      }
      if (group) {
        group->signer = admin.path;
        change.Put(path, group->Encode(*admin.identity));
      } else {
        change.Delete(path);
      }
      for (std::size_t i = first; i < end; ++i) change.MoveEpoch(epochs[i]);
      return {};
    });
  };
  std::size_t done = 0;
  do {
    const std::size_t end = std::min(epochs.size(), done + storage::GenerationMap::kMaxMoved);
    HSMCORE_TRY([[maybe_unused]] const auto revision, commit(done, end));
    done = end;
  } while (done < epochs.size());
  return {};
}

bool Contains(const std::vector<std::string>& names, std::string_view name) {
  return std::ranges::find(names, name) != names.end();
}

// Takes the group from those grants that `leaves` is true for, and those that were nothing else.
void LeaveGroup(KeyRecord& record, const std::string& name,
                const std::function<bool(const Grant&)>& leaves) {
  for (Grant& grant : record.grants) {
    if (leaves(grant)) std::erase(grant.groups, name);
  }
  std::erase_if(record.grants,
                [](const Grant& grant) { return !grant.direct && grant.groups.empty(); });
}

void GiveThrough(KeyRecord& record, const Recipient& member, const std::string& group) {
  if (record.GrantFor(member.user, member.box_key) == nullptr) {
    std::erase_if(record.grants, [&](const Grant& grant) { return grant.user == member.user; });
    record.grants.push_back({member.user, {}, member.box_key, false, {}});
  }
  const auto grant = std::ranges::find(record.grants, member.user, &Grant::user);
  if (!Contains(grant->groups, group)) grant->groups.push_back(group);
}

}  // namespace

std::string GroupPath(std::string_view name) { return Cat(kGroupPrefix, name); }

bool Group::Has(std::string_view user, ByteView box_key) const {
  return std::ranges::any_of(members, [&](const Recipient& member) {
    return member.user == user && std::ranges::equal(member.box_key, box_key);
  });
}

Bytes Group::Encode(const vault::Identity& admin) const {
  cbor::Value list = cbor::Value::array();
  for (const Recipient& member : members) {
    list.push_back({{"user", member.user}, {"box", cbor::Blob(member.box_key)}});
  }
  return kRecord.Encode({{"name", name}, {"created", created}, {"members", std::move(list)}},
                        signer, admin);
}

Result<Group> Group::Decode(std::string_view path, ByteView record,
                            const users::TrustedSigners& admins) {
  Group group;
  HSMCORE_CHECK(kRecord.Decode(record, admins, [&](cbor::Reader& fields) {
    group.name = fields.Text("name");
    group.created = fields.Signed("created");
    group.signer = fields.Text("signer");
    for (const cbor::Value& item : fields.List("members")) {
      cbor::Reader member(item, path);
      group.members.push_back({member.Text("user"), member.Blob("box")});
      if (!member.Finish()) fields.Refuse("members");
    }
    if (GroupPath(group.name) != path) fields.Refuse("name");
  }));
  return group;
}

Result<Groups> Groups::Read(cluster::Core& core) {
  Groups groups;
  storage::ListOptions options{.after = {}, .limit = 1000, .keys_only = true};
  std::optional<users::TrustedSigners> admins;
  for (;;) {
    HSMCORE_TRY(const auto page, core.engine->List(kGroupPrefix, options));
    if (!page.empty() && !admins) {
      HSMCORE_TRY(admins, users::ReadTrustedSigners(core));
    }
    for (const storage::Entry& entry : page) {
      std::optional<Group> group;
      const storage::Verifier genuine = [&](const storage::Entry& copy) {
        auto decoded = Group::Decode(copy.key, copy.value, *admins);
        if (!decoded) return false;
        group = *std::move(decoded);
        return true;
      };
      // One that no HSM holds in a genuine form is none.
      const auto found = core.engine->Get(entry.key, &genuine);
      if (!found || !group) continue;
      const std::string name = group->name;
      groups.groups_[name] = *std::move(group);
    }
    if (page.size() < options.limit) return groups;
    options.after = page.back().key;
  }
}

Result<const Group*> Groups::Get(std::string_view name) const {
  const auto group = groups_.find(std::string(name));
  if (group == groups_.end()) return std::unexpected(NoSuchGroup(name));
  return &group->second;
}

bool Groups::Hold(const Grant& grant) const {
  if (grant.direct) return true;
  return std::ranges::any_of(grant.groups, [&](const std::string& name) {
    const auto group = groups_.find(name);
    return group != groups_.end() && group->second.Has(grant.user, grant.box_key);
  });
}

std::vector<SharedGroup> Groups::CoverageOf(const KeyRecord& record) const {
  std::vector<SharedGroup> coverage;
  for (const std::string& name : record.groups) {
    SharedGroup shared{name, {}, {}};
    const auto group = groups_.find(name);
    const Group none;
    const Group& now = group == groups_.end() ? none : group->second;
    for (const Recipient& member : now.members) {
      const bool has_it = record.GrantFor(member.user, member.box_key) != nullptr;
      if (!has_it) shared.missing.push_back(NameIn(member.user));
    }
    for (const Grant& grant : record.grants) {
      if (!Contains(grant.groups, name) || now.Has(grant.user, grant.box_key)) continue;
      shared.former.push_back(NameIn(grant.user));
    }
    coverage.push_back(std::move(shared));
  }
  return coverage;
}

Status CreateGroup(cluster::Core& core, const users::Actor& admin, std::string_view name) {
  HSMCORE_TRY(const std::string normalised, users::NormalisedName(name));
  return Change(
      core, admin, normalised, Effect::kGives, [&](std::optional<Group>& group) -> Status {
        if (group) {
          return Fail(ErrorCode::kGroupExists, Cat("the cluster has a group '", normalised, "'"));
        }
        group = Group{normalised, std::time(nullptr), {}, {}};
        return {};
      });
}

Status DeleteGroup(cluster::Core& core, const users::Actor& admin, std::string_view name) {
  return Change(core, admin, name, Effect::kTakes, [&](std::optional<Group>& group) -> Status {
    if (!group) return std::unexpected(NoSuchGroup(name));
    group.reset();
    return {};
  });
}

Status AddMember(cluster::Core& core, const users::Actor& admin, std::string_view name,
                 const Recipient& user) {
  return Change(core, admin, name, Effect::kGives, [&](std::optional<Group>& group) -> Status {
    if (!group) return std::unexpected(NoSuchGroup(name));
    // In place of another of that name, who is gone.
    std::erase_if(group->members,
                  [&](const Recipient& member) { return member.user == user.user; });
    group->members.push_back(user);
    return {};
  });
}

Status RemoveMember(cluster::Core& core, const users::Actor& admin, std::string_view name,
                    const std::string& user) {
  return Change(core, admin, name, Effect::kTakes, [&](std::optional<Group>& group) -> Status {
    if (!group) return std::unexpected(NoSuchGroup(name));
    const auto is_he = [&](const Recipient& member) { return member.user == user; };
    if (std::erase_if(group->members, is_he) != 0) return {};
    return Fail(ErrorCode::kUserNotFound,
                Cat("'", NameIn(user), "' is not in the group '", name, "'"));
  });
}

Status SignGroupsAnew(cluster::Core& core, storage::Transaction& change, std::string_view before,
                      const users::Actor& admin) {
  HSMCORE_TRY(const Groups groups, Groups::Read(core));
  for (const auto& [name, group] : groups.all()) {
    if (group.signer != before) continue;
    Group anew = group;
    anew.signer = admin.path;
    change.Put(GroupPath(name), anew.Encode(*admin.identity));
  }
  return {};
}

Result<KeyRecord> ShareWithGroup(cluster::Core& core, const users::Actor& owner, KeyHandle handle,
                                 const Group& group) {
  return Rewrite(core, owner, handle, [&](KeyRecord& record) -> Status {
    HSMCORE_CHECK(CheckShareable(record));
    if (!Contains(record.groups, group.name)) record.groups.push_back(group.name);
    LeaveGroup(record, group.name,
               [&](const Grant& grant) { return !group.Has(grant.user, grant.box_key); });
    for (const Recipient& member : group.members) {
      if (member.user != record.owner) GiveThrough(record, member, group.name);
    }
    return DropStrangers(core, record);
  });
}

Result<KeyRecord> UnshareFromGroup(cluster::Core& core, const users::Actor& owner, KeyHandle handle,
                                   const std::string& group) {
  return Rewrite(core, owner, handle, [&](KeyRecord& record) -> Status {
    HSMCORE_CHECK(CheckShareable(record));
    if (std::erase(record.groups, group) == 0) {
      return Fail(ErrorCode::kKeyNotShared,
                  Cat("key ", handle.ToString(), " is not shared with the group '", group, "'"));
    }
    LeaveGroup(record, group, [](const Grant&) { return true; });
    HSMCORE_CHECK(DropStrangers(core, record));
    return CheckEnoughUsers(record);
  });
}

}  // namespace hsmcore::keys
