// SPDX-License-Identifier: Apache-2.0
#include "session/replication.h"

#include <mutex>
#include <optional>

#include "base/text.h"
#include "keys/key_store.h"
#include "keys/trusted_mark.h"
#include "policy/gate.h"
#include "session/genuine.h"
#include "users/directory.h"

namespace hsmcore::session {
namespace {

Status CheckClones(const cluster::Core& from, const cluster::Core& to) {
  if (from.file.id == to.file.id) {
    return Fail(ErrorCode::kClusterState, Cat(from.file.id, " is both source and destination"));
  }
  if (from.file.root == to.file.root && from.file.origin() == to.file.origin()) return {};
  return Fail(ErrorCode::kClusterState,
              Cat(from.file.id, " and ", to.file.id,
                  " are no clones of each other: make one with 'hsmctl cluster create ",
                  "--source-backup', or take keys out and in with 'hsmctl key wrap' and 'unwrap'"));
}

// What the source has, from whichever HSM has it unspoilt. Empty: nothing.
Result<Bytes> GenuineValue(cluster::Core& from, const std::string& path) {
  const std::lock_guard lock(from.mutex);
  HSMCORE_TRY(const storage::Verifier genuine, GenuineEntries(from));
  HSMCORE_TRY(const auto entry, from.engine->Get(path, &genuine));
  return entry ? entry->value : Bytes();
}

Status AllowBoth(policy::Operation operation, const Session& login, const Session& login_there) {
  for (const Session* each : {&login, &login_there}) {
    HSMCORE_CHECK(
        policy::Allow(operation, each->logged_in() ? std::optional(each->role()) : std::nullopt));
  }
  return {};
}

Status NeedOwnerOrAdmin(const Session& login, std::string_view owner, std::string_view where) {
  if (login.role() == Role::kAdmin || users::UserPath(login.role(), login.user()) == owner) {
    return {};
  }
  return Fail(ErrorCode::kRoleForbids,
              Cat("a key is copied to a clone by its owner or an admin, and the login at the ",
                  where, " is neither"));
}

// False: it is there already.
Result<bool> PutKey(cluster::Core& to, KeyHandle handle, const Bytes& value, const Bytes& mark) {
  const std::lock_guard lock(to.mutex);
  HSMCORE_TRY(const auto there, to.engine->Get(keys::KeyPath(handle)));
  if (!there) {
    HSMCORE_CHECK(keys::PutBack(to, handle, value, mark));
    return true;
  }
  if (there->value == value) return false;
  return Fail(ErrorCode::kClusterState,
              Cat("key ", handle.ToString(), " is in ", to.file.id,
                  " with another content: made there, or changed since in one of the two; delete "
                  "the one that is not wanted"));
}

}  // namespace

Result<bool> ReplicateKey(cluster::Core& from, const Session& login, cluster::Core& to,
                          const Session& login_there, KeyHandle handle) {
  HSMCORE_CHECK(AllowBoth(policy::Operation::kReplicateKey, login, login_there));
  HSMCORE_CHECK(CheckClones(from, to));
  const std::string path = keys::KeyPath(handle);
  HSMCORE_TRY(const Bytes value, GenuineValue(from, path));
  if (value.empty()) {
    return Fail(ErrorCode::kKeyNotFound, Cat("there is no key ", handle.ToString()));
  }
  HSMCORE_TRY(const keys::DecodedKey decoded, keys::DecodeRecord(path, value));
  HSMCORE_CHECK(NeedOwnerOrAdmin(login, decoded.record.owner, "source"));
  HSMCORE_CHECK(NeedOwnerOrAdmin(login_there, decoded.record.owner, "destination"));
  HSMCORE_TRY(const Bytes mark, GenuineValue(from, keys::TrustedPath(handle)));
  return PutKey(to, handle, value, mark);
}

Result<bool> ReplicateUser(cluster::Core& from, const Session& login, cluster::Core& to,
                           const Session& login_there, std::string_view name) {
  HSMCORE_CHECK(AllowBoth(policy::Operation::kReplicateUser, login, login_there));
  HSMCORE_CHECK(CheckClones(from, to));
  HSMCORE_TRY(const std::string normalised, users::NormalisedName(name));
  const std::string path = users::UserPath(Role::kCryptoUser, normalised);
  HSMCORE_TRY(const Bytes value, GenuineValue(from, path));
  if (value.empty()) {
    return Fail(ErrorCode::kUserNotFound,
                Cat("the cluster has no crypto-user '", normalised, "'; see 'hsmctl user list'"));
  }
  const std::lock_guard lock(to.mutex);
  return users::PutUser(to, path, value);
}

}  // namespace hsmcore::session
