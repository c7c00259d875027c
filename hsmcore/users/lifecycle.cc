// SPDX-License-Identifier: Apache-2.0
#include "users/lifecycle.h"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/text.h"
#include "users/adoption.h"
#include "users/escrow.h"
#include "users/lockout.h"
#include "users/quorum.h"
#include "users/registration.h"
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
    // As it is in this commit.
    HSMCORE_TRY(const auto stored, change.Get(path));
    HSMCORE_TRY(const DecodedRecord now, DecodeRecord(path, stored.value_or(Bytes())));
    const Adoption adoption{path, now.identity.body, admin.path};
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

// He may remember the recovery key, or a share of it, which is worth nothing from here on.
Status TakeRecoveryAway(cluster::Core& core, storage::Transaction& change, const Actor& admin,
                        const UserRecord& leaving, const QuorumToken* approval) {
  HSMCORE_TRY(const unsigned threshold, RecoveryThreshold(core));
  HSMCORE_TRY(const vault::BoxPair recovery, OpenRecovery(core, admin, approval));
  return RotateRecovery(core, change,
                        {.admin = admin,
                         .threshold = threshold,
                         .joining = {},
                         .joining_box_key = {},
                         .leaving = leaving.path()},
                        recovery);
}

// The secret of a user who is given a new password. Shares that were given for one are used up.
Result<vault::Identity> OpenForReset(cluster::Core& core, storage::Transaction& change,
                                     const Actor& admin, const UserRecord& user,
                                     const QuorumToken* approval) {
  HSMCORE_TRY(const vault::BoxPair recovery, OpenRecovery(core, admin, approval));
  HSMCORE_TRY(vault::Identity identity, OpenEscrow(core, recovery, user));
  HSMCORE_CHECK(UseUpShares(core, change, admin, approval));
  return identity;
}

Status RemoveUser(cluster::Core& core, storage::Transaction& change, const Actor& admin,
                  const UserRecord& leaving, const QuorumToken* approval) {
  const std::string path = leaving.path();
  if (leaving.role == Role::kAdmin) {
    HSMCORE_TRY(const TrustedSigners trusted, ReadTrustedSigners(core));
    HSMCORE_CHECK(CheckAdminsLeft(core, change));
    HSMCORE_CHECK(TakeRecoveryAway(core, change, admin, leaving, approval));
    HSMCORE_CHECK(AdoptUsers(core, change, admin, leaving, trusted));
    HSMCORE_CHECK(TakeOverSettings(change, admin, leaving, trusted));
  }
  for (std::string gone : {path, Adoption::PathOf(path), LockoutPath(path)}) {
    HSMCORE_TRY(const auto there, change.Get(gone));
    if (there) change.Delete(std::move(gone));
  }
  return {};
}

}  // namespace

namespace {

struct CheckedMfa {
  Bytes spki;
  SignableToken signed_token;
  SecondFactor factor;
};

Result<std::optional<CheckedMfa>> SecondFactorOf(const cluster::Core& core,
                                                 const NewTokenKey* mfa) {
  if (mfa == nullptr) return std::nullopt;
  HSMCORE_TRY(Bytes spki, CheckRegistration(core, mfa->public_key, mfa->signed_token));
  const SignableToken& token = mfa->signed_token;
  return CheckedMfa{std::move(spki), token, {token.data, SecretBytes::CopyOf(token.signature)}};
}

// What somebody logs in with from then on.
Status PutCredentials(cluster::Core& core, storage::Transaction& change,
                      const vault::Identity& identity, const std::string& path,
                      UserRecord::Password password, const std::optional<CheckedMfa>& second) {
  HSMCORE_TRY(const auto stored, change.Get(path));
  HSMCORE_TRY(DecodedRecord decoded, DecodeRecord(path, stored.value_or(Bytes())));
  UserRecord& user = decoded.record;
  user.password = std::move(password);
  if (second) {
    HSMCORE_CHECK(SpendRegistration(core, change, user.role, user.name, second->signed_token));
    user.token_key = {.spki = second->spki};
  }
  change.Put(path, EncodeRecord(user, decoded.identity, identity));
  return {};
}

}  // namespace

Status ResetPassword(cluster::Core& core, const Actor& admin, Role role, std::string_view name,
                     const NewCredentials& wanted, const QuorumToken* approval) {
  HSMCORE_TRY(const std::string normalised, NormalisedName(name));
  HSMCORE_TRY(const auto second, SecondFactorOf(core, wanted.mfa));
  HSMCORE_TRY(const cluster::Config config, cluster::ReadConfig(core));
  const std::string path = UserPath(role, normalised);
  HSMCORE_TRY([[maybe_unused]] const auto revision,
              storage::Update(*core.engine, [&](storage::Transaction& change) -> Status {
                HSMCORE_CHECK(SpendApproval(core, change, admin, QuorumService::kUser, approval));
                HSMCORE_TRY(const DecodedRecord user, GetUser(core, role, normalised));
                HSMCORE_TRY(const vault::Identity identity,
                            OpenForReset(core, change, admin, user.record, approval));
                HSMCORE_TRY(auto password, NewPassword(identity, path, wanted.password, config.cost,
                                                       second ? &second->factor : nullptr));
                return PutCredentials(core, change, identity, path, std::move(password), second);
              }));
  return ClearFailedLogins(*core.engine, path);
}

Status DeleteUser(cluster::Core& core, const Actor& admin, Role role, std::string_view name,
                  const QuorumToken* approval,
                  const std::function<Status(storage::Transaction&)>& also) {
  HSMCORE_TRY(const std::string normalised, NormalisedName(name));
  HSMCORE_TRY([[maybe_unused]] const auto revision,
              storage::Update(*core.engine, [&](storage::Transaction& change) -> Status {
                HSMCORE_TRY(const DecodedRecord user, GetUser(core, role, normalised));
                HSMCORE_CHECK(SpendApproval(core, change, admin, QuorumService::kUser, approval));
                HSMCORE_CHECK(CheckDeletable(core, admin, user.record));
                HSMCORE_CHECK(also(change));
                return RemoveUser(core, change, admin, user.record, approval);
              }));
  return {};
}

}  // namespace hsmcore::users
