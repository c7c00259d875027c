// SPDX-License-Identifier: Apache-2.0
#include "users/lifecycle.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "base/text.h"
#include "users/adoption.h"
#include "users/lockout.h"
#include "users/recovery.h"
#include "users/setting.h"
#include "users/settings.h"

namespace hsmcore::users {
namespace {

Status CheckDeletable(const cluster::Core& core, const Actor& admin, const UserRecord& user) {
  if (user.path() == admin.path) {
    return Fail(ErrorCode::kClusterState, "nobody deletes himself; another admin does");
  }
  if (user.identity.sign_key != core.file.root) return {};
  return Fail(
      ErrorCode::kClusterState,
      Cat("'", user.name, "' is the first admin, whose key the signatures of all users ",
          "begin with, and stays; to keep him out, give him another password: 'hsmctl user ",
          "change-password --username ", user.name, " --role admin'"));
}

// A user and the admin who vouches for him.
struct Vouched {
  DecodedRecord user;
  std::string voucher;  // path
};

Result<std::vector<Vouched>> ReadVouched(cluster::Core& core, storage::Transaction& change,
                                         const TrustedSigners& trusted) {
  HSMCORE_TRY(auto users, ListDecoded(core, trusted));
  std::vector<Vouched> all;
  for (DecodedRecord& user : users) {
    std::string voucher = user.record.signer;
    const auto signer = trusted.find(voucher);
    if (signer == trusted.end() || !SignedBy(user, signer->second)) {
      const std::string path = Adoption::PathOf(user.record.path());
      HSMCORE_TRY(const auto stored, change.Get(path));
      HSMCORE_TRY(Adoption adoption, Adoption::Decode(path, stored.value_or(Bytes()), trusted));
      voucher = std::move(adoption.signer);
    }
    all.push_back({std::move(user), std::move(voucher)});
  }
  return all;
}

// Nobody can vouch for himself in the place of the one who does now.
Status CheckIndependent(const std::vector<Vouched>& users, const Actor& admin,
                        const UserRecord& leaving) {
  std::string path = admin.path;
  for (std::size_t steps = 0; steps <= users.size(); ++steps) {
    const auto found = std::ranges::find_if(
        users, [&](const Vouched& each) { return each.user.record.path() == path; });
    if (found == users.end() || found->voucher == path) return {};
    path = found->voucher;
    if (path == leaving.path()) {
      return Fail(ErrorCode::kClusterState,
                  Cat("'", leaving.name, "' made you, or the admin who made you, and vouches for ",
                      "you; an admin whom he did not make deletes him, the first one at the last"));
    }
  }
  return {};
}

// One's own users, and those that one had taken over before, are the deleting admin's from now on.
Status AdoptUsers(cluster::Core& core, storage::Transaction& change, const Actor& admin,
                  const UserRecord& leaving, const TrustedSigners& trusted) {
  HSMCORE_TRY(const std::vector<Vouched> users, ReadVouched(core, change, trusted));
  HSMCORE_CHECK(CheckIndependent(users, admin, leaving));
  for (const auto& [user, voucher] : users) {
    const std::string path = user.record.path();
    if (voucher != leaving.path() || path == leaving.path()) continue;
    const Adoption adoption{path, user.identity.body, admin.path};
    change.Put(Adoption::PathOf(path), adoption.Encode(*admin.identity));
  }
  return {};
}

Status TakeOverSettings(storage::Transaction& change, const Actor& admin, const UserRecord& leaving,
                        const TrustedSigners& trusted) {
  for (const SettingRow& row : AllSettings()) {
    if (row.path.ends_with('/')) continue;  // each of those is somebody's own, as adoptions are
    const std::string path(row.path);
    HSMCORE_TRY(const auto stored, change.Get(path));
    if (!stored) continue;
    HSMCORE_TRY(auto anew,
                row.form.SignedAnew(*stored, trusted, leaving.path(), admin.path, *admin.identity));
    if (anew) change.Put(path, *std::move(anew));
  }
  return {};
}

// He may remember the recovery key; but nobody gives it to him any more.
Status TakeRecoveryAway(storage::Transaction& change, const Actor& admin, const UserRecord& leaving,
                        const TrustedSigners& trusted) {
  HSMCORE_TRY(const auto stored, change.Get(Recovery::kPath));
  if (!stored) return {};
  // Signed by this admin already where it was signed anew.
  HSMCORE_TRY(Recovery recovery, Recovery::Decode(*stored, trusted));
  recovery.sealed.erase(leaving.path());
  recovery.signer = admin.path;
  change.Put(Recovery::kPath, recovery.Encode(*admin.identity));
  return {};
}

Status RemoveUser(cluster::Core& core, storage::Transaction& change, const Actor& admin,
                  const UserRecord& leaving) {
  const std::string path = leaving.path();
  if (leaving.role == Role::kAdmin) {
    HSMCORE_TRY(const TrustedSigners trusted, ReadTrustedSigners(core));
    HSMCORE_CHECK(AdoptUsers(core, change, admin, leaving, trusted));
    HSMCORE_CHECK(TakeOverSettings(change, admin, leaving, trusted));
    HSMCORE_CHECK(TakeRecoveryAway(change, admin, leaving, trusted));
  }
  for (std::string gone : {path, Adoption::PathOf(path), LockoutPath(path)}) {
    HSMCORE_TRY(const auto there, change.Get(gone));
    if (there) change.Delete(std::move(gone));
  }
  return {};
}

}  // namespace

Result<vault::Identity> OpenEscrow(cluster::Core& core, const Actor& admin,
                                   const UserRecord& user) {
  HSMCORE_TRY(const auto recovery, ReadSetting<Recovery>(core));
  if (!recovery || !recovery->sealed.contains(admin.path)) {
    return Fail(ErrorCode::kRoleForbids,
                Cat("the recovery key of the cluster is not sealed to ", admin.path));
  }
  HSMCORE_TRY(const SecretBytes secret,
              admin.identity->OpenSealed(recovery->sealed.at(admin.path)));
  HSMCORE_TRY(const SecretBytes exported,
              vault::OpenSealedTo({recovery->public_key, secret.Clone()}, user.escrow));
  HSMCORE_TRY(vault::Identity identity, vault::Identity::Import(exported));
  if (identity.root() == core.file.root && identity.public_identity() == user.identity) {
    return identity;
  }
  return Fail(ErrorCode::kRecordDamaged, Cat("the escrow of ", user.path(), " is another's"));
}

Status ResetPassword(cluster::Core& core, const Actor& admin, Role role, std::string_view name,
                     const SecretBytes& password) {
  HSMCORE_TRY(const std::string normalised, NormalisedName(name));
  HSMCORE_TRY(const DecodedRecord user, GetUser(core, role, normalised));
  HSMCORE_TRY(const vault::Identity identity, OpenEscrow(core, admin, user.record));
  HSMCORE_TRY(const cluster::Config config, cluster::ReadConfig(core));
  const Actor self{&identity, user.record.path()};
  HSMCORE_TRY(const auto credential, NewPassword(identity, self.path, password, config.cost));
  HSMCORE_CHECK(ChangeCredentials(core, self, [&](UserRecord& record) -> Status {
    record.password = credential;
    return {};
  }));
  return ClearFailedLogins(*core.engine, self.path);
}

Status DeleteUser(cluster::Core& core, const Actor& admin, Role role, std::string_view name,
                  const std::function<Status(storage::Transaction&)>& also) {
  HSMCORE_TRY(const std::string normalised, NormalisedName(name));
  HSMCORE_TRY([[maybe_unused]] const auto revision,
              storage::Update(*core.engine, [&](storage::Transaction& change) -> Status {
                HSMCORE_TRY(const DecodedRecord user, GetUser(core, role, normalised));
                HSMCORE_CHECK(CheckDeletable(core, admin, user.record));
                HSMCORE_CHECK(also(change));
                return RemoveUser(core, change, admin, user.record);
              }));
  return {};
}

}  // namespace hsmcore::users
