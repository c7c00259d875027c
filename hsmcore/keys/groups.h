// SPDX-License-Identifier: Apache-2.0
#ifndef HSMCORE_KEYS_GROUPS_H_
#define HSMCORE_KEYS_GROUPS_H_

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "keys/record.h"
#include "keys/sharing.h"
#include "users/directory.h"

// Named lists of crypto users that keys are shared with. An admin signs who is in a group; the
// owner of a key seals it to the members, since nobody else can. So a right through a group takes
// both: the owner's grant, and a place in the group now. Format: docs/storage.md. The caller holds
// core.mutex.
namespace hsmcore::keys {

constexpr std::string_view kGroupPrefix = "group/";
std::string GroupPath(std::string_view name);

struct Group {
  std::string name;
  std::int64_t created = 0;
  std::vector<Recipient> members;
  std::string signer;  // path

  bool Has(std::string_view user, ByteView box_key) const;
  Bytes Encode(const vault::Identity& admin) const;
  // kRecordDamaged. The signature is checked with the key that `admins` has for the signer.
  static Result<Group> Decode(std::string_view path, ByteView record,
                              const users::TrustedSigners& admins);
  friend bool operator==(const Group&, const Group&) = default;
};

// The genuine groups of the cluster, by name.
class Groups {
 public:
  static Result<Groups> Read(cluster::Core& core);

  const std::map<std::string, Group>& all() const { return groups_; }
  // kGroupNotFound.
  Result<const Group*> Get(std::string_view name) const;
  // Does the grant still give a right: one of its own, or that of a group with the user in it?
  bool Hold(const Grant& grant) const;
  // Of the groups that a key is shared with: who has it not yet, and who has left.
  std::vector<SharedGroup> CoverageOf(const KeyRecord& record) const;
  friend bool operator==(const Groups&, const Groups&) = default;

 private:
  std::map<std::string, Group> groups_;
};

// kGroupExists, kUserName.
Status CreateGroup(cluster::Core& core, const users::Actor& admin, std::string_view name);
// What ends a use moves the epochs of the keys that are shared with the group. kGroupNotFound.
Status DeleteGroup(cluster::Core& core, const users::Actor& admin, std::string_view name);
Status AddMember(cluster::Core& core, const users::Actor& admin, std::string_view name,
                 const Recipient& user);
// kUserNotFound: he is not in it.
Status RemoveMember(cluster::Core& core, const users::Actor& admin, std::string_view name,
                    const std::string& user);

// The genuine groups that the admin `before` has signed, who is deleted in this commit, are signed
// by `admin`.
Status SignGroupsAnew(cluster::Core& core, storage::Transaction& change, std::string_view before,
                      const users::Actor& admin);

// Gives the key to those of the group who do not have it, and takes it from those who had it
// through the group and have left: done again it brings the key up to date. Errors as Share's.
Result<KeyRecord> ShareWithGroup(cluster::Core& core, const users::Actor& owner, KeyHandle handle,
                                 const Group& group);
// Takes it from all who have it through this group only. kKeyNotShared.
Result<KeyRecord> UnshareFromGroup(cluster::Core& core, const users::Actor& owner, KeyHandle handle,
                                   const std::string& group);

}  // namespace hsmcore::keys

#endif  // HSMCORE_KEYS_GROUPS_H_
