// SPDX-License-Identifier: Apache-2.0
#include "session/user_deletion.h"

#include <algorithm>
#include <span>
#include <string>
#include <vector>

#include "base/text.h"
#include "keys/groups.h"
#include "keys/key_store.h"
#include "keys/ownership.h"
#include "keys/trusted_mark.h"
#include "users/authentication.h"
#include "users/escrow.h"
#include "users/lifecycle.h"
#include "users/quorum.h"

namespace hsmcore::session {
namespace {

// Each is sealed anew, and all epochs of a commit move at once.
constexpr std::size_t kKeysPerCommit = 100;

Result<std::vector<KeyHandle>> KeysOf(cluster::Core& core, std::string_view owner) {
  std::vector<KeyHandle> handles;
  HSMCORE_CHECK(keys::ForEach(core, [&](const keys::KeyRecord& record) {
    if (record.owner == owner) handles.push_back(record.handle);
  }));
  return handles;
}

Status CheckOwnsNone(cluster::Core& core, const std::string& path, std::string_view name) {
  HSMCORE_TRY(const std::vector<KeyHandle> owned, KeysOf(core, path));
  if (owned.empty()) return {};
  return Fail(ErrorCode::kClusterState,
              Cat("'", name, "' owns ", owned.size(), owned.size() == 1 ? " key" : " keys", " (",
                  owned.front().ToString(), owned.size() == 1 ? "" : ", ...",
                  "); delete them, or hand them over with --transfer-keys-to and the owner's ",
                  "consent (--owner-pin-source) or a quorum's"));
}

// Who is deleted, by his own consent, or by that of the quorum for users. Where there is no quorum,
// an admin alone does not speak for him.
Result<vault::Identity> OwnersIdentity(cluster::Core& core, std::string_view name,
                                       const DeleteUserOptions& wanted,
                                       const vault::BoxPair& recovery) {
  if (wanted.owner) {
    HSMCORE_TRY(users::Authenticated owner,
                users::Authenticate(core, Role::kCryptoUser, name, *wanted.owner, {}));
    return std::move(owner.identity);
  }
  HSMCORE_TRY(const users::DecodedRecord owner, users::GetUser(core, Role::kCryptoUser, name));
  return users::OpenEscrow(core, recovery, owner.record);
}

Status CheckConsent(cluster::Core& core, std::string_view name, const DeleteUserOptions& wanted) {
  HSMCORE_TRY(const unsigned threshold, users::RecoveryThreshold(core));
  if (wanted.owner || threshold > kNoQuorum) return {};
  return Fail(ErrorCode::kLoginRequired,
              Cat("the keys of '", name, "' are handed over with his consent: his password or ",
                  "machine credential (--owner-pin-source); or with that of a quorum, where one ",
                  "is set for the service 'user'"));
}

Status TransferKeys(cluster::Core& core, const users::Actor& admin, std::string_view name,
                    const DeleteUserOptions& wanted) {
  HSMCORE_CHECK(CheckConsent(core, name, wanted));
  HSMCORE_TRY(const std::string to, users::NormalisedName(wanted.transfer_keys_to));
  if (to == name) {
    return Fail(ErrorCode::kInvalidArgument, "the keys go to another user than the one deleted");
  }
  HSMCORE_TRY(const users::DecodedRecord receiver, users::GetUser(core, Role::kCryptoUser, to));
  HSMCORE_CHECK(users::CheckApproval(core, admin, QuorumService::kUser, wanted.approval));
  HSMCORE_TRY(const vault::BoxPair recovery, users::OpenRecovery(core, admin, wanted.approval));
  HSMCORE_TRY(const vault::Identity before, OwnersIdentity(core, name, wanted, recovery));
  HSMCORE_TRY(const vault::Identity after, users::OpenEscrow(core, recovery, receiver.record));
  const keys::Handover handover{.admin = admin,
                                .from = {&before, users::UserPath(Role::kCryptoUser, name)},
                                .to = {&after, receiver.record.path()}};
  HSMCORE_TRY(const std::vector<KeyHandle> owned, KeysOf(core, handover.from.path));
  for (std::span<const KeyHandle> left = owned; !left.empty();) {
    const auto some = left.first(std::min(left.size(), kKeysPerCommit));
    HSMCORE_CHECK(keys::HandOver(core, handover, some));
    left = left.subspan(some.size());
  }
  return {};
}

}  // namespace

Status DeleteUser(cluster::Core& core, const users::Actor& admin, Role role, std::string_view name,
                  const DeleteUserOptions& wanted) {
  HSMCORE_TRY(const std::string normalised, users::NormalisedName(name));
  const std::string path = users::UserPath(role, normalised);
  if (!wanted.transfer_keys_to.empty()) {
    if (role != Role::kCryptoUser) {
      return Fail(ErrorCode::kInvalidArgument, "only crypto users have keys to hand over");
    }
    HSMCORE_CHECK(TransferKeys(core, admin, normalised, wanted));
  }
  const bool used_recovery = !wanted.transfer_keys_to.empty();
  return users::DeleteUser(
      core, admin, role, normalised, wanted.approval, [&](storage::Transaction& change) -> Status {
        HSMCORE_CHECK(CheckOwnsNone(core, path, normalised));
        if (used_recovery) HSMCORE_CHECK(users::UseUpShares(core, change, admin, wanted.approval));
        HSMCORE_CHECK(keys::SignMarksAnew(core, change, path, admin));
        return keys::SignGroupsAnew(core, change, path, admin);
      });
}

}  // namespace hsmcore::session
