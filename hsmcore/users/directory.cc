// SPDX-License-Identifier: Apache-2.0
#include "users/directory.h"

#include <algorithm>
#include <ctime>

#include "base/text.h"
#include "hsmcore/hsm_type.h"
#include "users/adoption.h"
#include "users/escrow.h"
#include "users/quorum.h"
#include "users/recovery.h"
#include "users/type_policy.h"

namespace hsmcore::users {
namespace {

constexpr std::string_view kPrefix = "user/";

bool IsGenuine(const DecodedRecord& decoded, const TrustedSigners& trusted) {
  const auto signer = trusted.find(decoded.record.signer);
  return signer != trusted.end() && SignedBy(decoded, signer->second);
}

// The first admin's record is signed by itself, and trusted because it has the root's key.
bool IsRoot(const DecodedRecord& decoded, ByteView root) {
  return decoded.record.signer == decoded.record.path() &&
         std::ranges::equal(decoded.record.identity.sign_key, root) && SignedBy(decoded, root);
}

// Reads the record of a user whom `trusts` accepts; nothing when there is no such user. What the
// engine's verifier has decoded and checked is kept, since signatures are dear.
Result<std::optional<DecodedRecord>> ReadUser(
    cluster::Core& core, const std::string& path,
    const std::function<bool(const DecodedRecord&)>& trusts) {
  std::optional<DecodedRecord> genuine;
  const storage::Verifier verifier = [&](const storage::Entry& entry) {
    auto decoded = DecodeRecord(entry.key, entry.value);
    if (!decoded || !trusts(*decoded)) return false;
    genuine = *std::move(decoded);
    return true;
  };
  HSMCORE_TRY(const auto entry, core.engine->Get(path, &verifier));
  if (!entry) return std::nullopt;
  return genuine;
}

Result<std::vector<std::string>> Paths(cluster::Core& core, std::string_view prefix) {
  std::vector<std::string> paths;
  storage::ListOptions options{.after = {}, .limit = 1000, .keys_only = true};
  for (;;) {
    HSMCORE_TRY(const auto page, core.engine->List(prefix, options));
    for (const storage::Entry& entry : page) paths.push_back(entry.key);
    if (page.size() < options.limit) return paths;
    options.after = paths.back();
  }
}

// Whose own admin was deleted.
Result<std::optional<Adoption>> FindAdoption(cluster::Core& core, const std::string& user,
                                             const TrustedSigners& trusted) {
  const std::string path = Adoption::PathOf(user);
  std::optional<Adoption> adoption;
  const storage::Verifier genuine = [&](const storage::Entry& entry) {
    auto decoded = Adoption::Decode(entry.key, entry.value, trusted);
    if (!decoded) return false;
    adoption = *std::move(decoded);
    return true;
  };
  HSMCORE_TRY([[maybe_unused]] const auto entry, core.engine->Get(path, &genuine));
  return adoption;
}

// `trusts`, or one of the `trusted` has adopted him. Adoptions are rare, and looked for last.
Result<std::optional<DecodedRecord>> ReadOrAdopted(
    cluster::Core& core, const std::string& path, const TrustedSigners& trusted,
    const std::function<bool(const DecodedRecord&)>& trusts) {
  auto found = ReadUser(core, path, trusts);
  if (found || found.error().code() != ErrorCode::kHomeDamaged) return found;
  const auto adoption = FindAdoption(core, path, trusted);
  if (!adoption || !*adoption) return found;
  return ReadUser(core, path, [&](const DecodedRecord& decoded) {
    return decoded.identity.body == (*adoption)->identity;
  });
}

Result<std::optional<DecodedRecord>> FindByPath(cluster::Core& core, const std::string& path,
                                                const TrustedSigners& trusted) {
  return ReadOrAdopted(core, path, trusted,
                       [&](const DecodedRecord& decoded) { return IsGenuine(decoded, trusted); });
}

// Signs and seals a new user; `admin` is the identity itself for the first admin.
Result<Bytes> NewRecord(UserRecord record, const vault::Identity& identity,
                        const vault::Identity& admin, ByteView recovery_key) {
  record.identity = identity.public_identity();
  record.created = std::time(nullptr);
  HSMCORE_TRY(record.escrow, vault::SealTo(recovery_key, identity.Export()));
  return EncodeRecord(record, SignIdentity(record, admin), identity);
}

// A new admin gets the recovery key from the one who makes him.
Status ShareRecovery(Recovery& recovery, const Actor& admin, const std::string& path,
                     const vault::Identity& identity) {
  HSMCORE_TRY(const SecretBytes secret, admin.identity->OpenSealed(recovery.sealed[admin.path]));
  HSMCORE_TRY(recovery.sealed[path], vault::SealTo(identity.public_identity().box_key, secret));
  recovery.signer = admin.path;
  return {};
}

// A recovery key in shares is split anew, where they are, for one admin more.
Status ShareAnew(cluster::Core& core, storage::Transaction& change, const UserRecord& record,
                 const vault::Identity& identity, const Actor& admin, const QuorumToken* approval) {
  HSMCORE_TRY(const unsigned threshold, RecoveryThreshold(core));
  if (record.role != Role::kAdmin || threshold <= 1) return {};
  HSMCORE_TRY(const vault::BoxPair recovery, OpenRecovery(core, admin, approval));
  return RotateRecovery(core, change,
                        {.admin = admin,
                         .threshold = threshold,
                         .joining = record.path(),
                         .joining_box_key = identity.public_identity().box_key,
                         .leaving = {}},
                        recovery);
}

// Exact, because the writer lock is held.
Status CheckRoom(cluster::Core& core) {
  HSMCORE_TRY(const HsmTypeRow* type, QuotasOf(core));
  if (type == nullptr || type->users == 0) return {};
  HSMCORE_TRY(const std::uint64_t used, core.engine->Count(kPrefix));
  if (used < type->users) return {};
  return Fail(ErrorCode::kQuotaExceeded,
              Cat("the cluster has ", used, " of the ", type->users, " users that HSMs of type ",
                  type->name, " hold; for more, change the type: 'hsmctl cluster modify --type'"));
}

// Whoever checks the audit log knows his signatures from then on.
void TellOfUser(const std::string& path, const Bytes& sign_key) {
  audit::Scope* const scope = audit::Scope::Current();
  if (scope == nullptr) return;
  scope->entry().user = path;
  scope->entry().sign_key = sign_key;
}

Status PutNewUser(cluster::Core& core, storage::Transaction& change, const UserRecord& record,
                  const vault::Identity& identity, const Actor& admin,
                  const TrustedSigners& trusted) {
  const std::string path = record.path();
  HSMCORE_TRY(const auto existing, change.Get(path));
  if (existing) {
    return Fail(ErrorCode::kUserExists,
                Cat("the cluster has a ", NameOf(record.role), " '", record.name, "'"));
  }
  HSMCORE_CHECK(CheckRoom(core));
  HSMCORE_TRY(const auto stored, change.Get(Recovery::kPath));
  HSMCORE_TRY(Recovery recovery, Recovery::Decode(stored.value_or(Bytes()), trusted));
  HSMCORE_TRY(Bytes user, NewRecord(record, identity, *admin.identity, recovery.public_key));
  change.Put(path, std::move(user));
  // In shares it was made anew before, with one for him.
  if (record.role != Role::kAdmin || recovery.threshold > 1) return {};
  HSMCORE_CHECK(ShareRecovery(recovery, admin, path, identity));
  change.Put(Recovery::kPath, recovery.Encode(*admin.identity));
  return {};
}

}  // namespace

Result<TrustedSigners> ReadTrustedSigners(cluster::Core& core) {
  HSMCORE_TRY(const auto admins, Paths(core, UserPath(Role::kAdmin, "")));
  TrustedSigners trusted;
  // Each round trusts those whose signer the rounds before trusted.
  for (std::size_t known = SIZE_MAX; known != trusted.size();) {
    known = trusted.size();
    for (const std::string& path : admins) {
      if (trusted.contains(path)) continue;
      const auto admin = ReadOrAdopted(core, path, trusted, [&](const DecodedRecord& decoded) {
        return IsRoot(decoded, core.file.root) || IsGenuine(decoded, trusted);
      });
      if (admin && *admin) trusted[path] = (*admin)->record.identity.sign_key;
    }
  }
  return trusted;
}

Result<std::optional<DecodedRecord>> FindUser(cluster::Core& core, Role role,
                                              std::string_view name) {
  HSMCORE_TRY(const TrustedSigners trusted, ReadTrustedSigners(core));
  return FindByPath(core, UserPath(role, name), trusted);
}

Result<DecodedRecord> GetUser(cluster::Core& core, Role role, std::string_view name) {
  HSMCORE_TRY(auto user, FindUser(core, role, name));
  if (!user) {
    return Fail(ErrorCode::kUserNotFound,
                Cat("the cluster has no ", NameOf(role), " '", name, "'; see 'hsmctl user list'"));
  }
  return *std::move(user);
}

Result<vault::PublicIdentity> IdentityOf(cluster::Core& core, const std::string& path) {
  HSMCORE_TRY(const TrustedSigners trusted, ReadTrustedSigners(core));
  HSMCORE_TRY(const auto user, FindByPath(core, path, trusted));
  if (!user) return Fail(ErrorCode::kUserNotFound, Cat("the cluster has no ", path));
  return user->record.identity;
}

std::string NameIn(std::string_view path) { return std::string(path.substr(path.rfind('/') + 1)); }

Role RoleIn(std::string_view path) {
  path = path.substr(0, path.rfind('/'));
  return RoleByName(path.substr(path.rfind('/') + 1)).value_or(Role::kCryptoUser);
}

Result<std::vector<DecodedRecord>> ListDecoded(cluster::Core& core, const TrustedSigners& trusted) {
  HSMCORE_TRY(const auto paths, Paths(core, kPrefix));
  std::vector<DecodedRecord> users;
  for (const std::string& path : paths) {
    HSMCORE_TRY(auto user, FindByPath(core, path, trusted));
    if (user) users.push_back(*std::move(user));
  }
  return users;
}

Result<std::vector<UserRecord>> ListUsers(cluster::Core& core) {
  HSMCORE_TRY(const TrustedSigners trusted, ReadTrustedSigners(core));
  HSMCORE_TRY(auto decoded, ListDecoded(core, trusted));
  std::vector<UserRecord> users;
  users.reserve(decoded.size());
  for (DecodedRecord& user : decoded) users.push_back(std::move(user.record));
  return users;
}

Result<std::vector<std::string>> NamesOf(cluster::Core& core, Role role) {
  HSMCORE_TRY(auto names, Paths(core, UserPath(role, "")));
  for (std::string& name : names) name = NameIn(name);
  return names;
}

Result<UserRecord::Password> NewPassword(const vault::Identity& identity, std::string_view path,
                                         const SecretBytes& password, PasswordCost cost,
                                         const SecondFactor* second) {
  HSMCORE_CHECK(vault::CheckPassword(password));
  UserRecord::Password credential{vault::NewPasswordHash(cost), {}, {}};
  if (second != nullptr) credential.unlock = second->unlock;
  HSMCORE_TRY(SecretBytes hashed, vault::KeyFromPassword(password, credential.hash));
  HSMCORE_TRY(credential.sealed,
              SealIdentity(identity, PasswordKey(std::move(hashed), second), path, KindOf(second)));
  return credential;
}

Status CreateFirstAdmin(cluster::Core& core, const vault::Identity& identity, std::string_view name,
                        const SecretBytes& password, const cluster::Config& config) {
  UserRecord record;
  HSMCORE_TRY(record.name, NormalisedName(name));
  record.role = Role::kAdmin;
  record.signer = record.path();
  const std::string path = record.path();
  HSMCORE_TRY(record.password, NewPassword(identity, path, password, config.cost));
  const vault::BoxPair recovery_pair = vault::BoxPair::New();
  Recovery recovery{recovery_pair.public_key, 1, {}, path};
  HSMCORE_TRY(recovery.sealed[path],
              vault::SealTo(identity.public_identity().box_key, recovery_pair.secret_key));
  HSMCORE_TRY(const Bytes user, NewRecord(record, identity, identity, recovery.public_key));
  audit::Entry entry = audit::About(AuditEvent::kClusterCreate, path);
  entry.detail = Cat(config.id, " ", config.type);
  entry.sign_key = identity.public_identity().sign_key;
  const audit::Scope scope({&identity, path}, std::move(entry));
  HSMCORE_TRY([[maybe_unused]] const auto revision,
              storage::Update(*core.engine, [&](storage::Transaction& change) -> Status {
                change.Put(cluster::Config::kPath, config.Encode(identity));
                change.Put(Recovery::kPath, recovery.Encode(identity));
                change.Put(path, user);
                return {};
              }));
  return {};
}

Status CreateUser(cluster::Core& core, const Actor& admin, Role role, std::string_view name,
                  const SecretBytes& password, const QuorumToken* approval) {
  UserRecord record;
  HSMCORE_TRY(record.name, NormalisedName(name));
  record.role = role;
  record.signer = admin.path;
  HSMCORE_TRY(const cluster::Config config, cluster::ReadConfig(core));
  HSMCORE_TRY(const TrustedSigners trusted, ReadTrustedSigners(core));
  HSMCORE_TRY(const vault::Identity identity, vault::Identity::New(core.file.root));
  HSMCORE_TRY(record.password, NewPassword(identity, record.path(), password, config.cost));
  TellOfUser(record.path(), identity.public_identity().sign_key);
  HSMCORE_TRY([[maybe_unused]] const auto revision,
              storage::Update(*core.engine, [&](storage::Transaction& change) -> Status {
                HSMCORE_CHECK(SpendApproval(core, change, admin, QuorumService::kUser, approval));
                HSMCORE_CHECK(ShareAnew(core, change, record, identity, admin, approval));
                return PutNewUser(core, change, record, identity, admin, trusted);
              }));
  return {};
}

Result<bool> PutUser(cluster::Core& core, const std::string& path, ByteView value) {
  HSMCORE_TRY(const DecodedRecord decoded, DecodeRecord(path, value));
  HSMCORE_TRY(const TrustedSigners trusted, ReadTrustedSigners(core));
  if (!IsGenuine(decoded, trusted)) {
    return Fail(ErrorCode::kClusterState,
                Cat(path, " was made by ", decoded.record.signer, ", who is not in ", core.file.id,
                    "; make the user anew there, and wrap his keys over"));
  }
  bool put = false;
  TellOfUser(path, decoded.record.identity.sign_key);
  HSMCORE_TRY([[maybe_unused]] const auto revision,
              storage::Update(*core.engine, [&](storage::Transaction& change) -> Status {
                put = false;
                HSMCORE_TRY(const auto there, change.Get(path));
                if (!there) {
                  HSMCORE_CHECK(CheckRoom(core));
                  change.Put(path, Bytes(value.begin(), value.end()));
                  put = true;
                  return {};
                }
                const auto known = DecodeRecord(path, *there);
                if (known && known->record.identity == decoded.record.identity) return {};
                return Fail(ErrorCode::kUserExists,
                            Cat(core.file.id, " has another user ", decoded.record.name));
              }));
  return put;
}

Status ChangeCredentials(cluster::Core& core, const Actor& self,
                         const std::function<Status(UserRecord&)>& change_record) {
  return ChangeCredentials(
      core, self, [&](storage::Transaction&, UserRecord& record) { return change_record(record); });
}

Status ChangeCredentials(
    cluster::Core& core, const Actor& self,
    const std::function<Status(storage::Transaction&, UserRecord&)>& change_record) {
  HSMCORE_TRY([[maybe_unused]] const auto revision,
              storage::Update(*core.engine, [&](storage::Transaction& change) -> Status {
                HSMCORE_TRY(const auto stored, change.Get(self.path));
                if (!stored) {
                  return Fail(ErrorCode::kUserNotFound, Cat(self.path, " was deleted"));
                }
                HSMCORE_TRY(DecodedRecord decoded, DecodeRecord(self.path, *stored));
                if (decoded.record.identity != self.identity->public_identity()) {
                  return Fail(ErrorCode::kRecordDamaged, Cat(self.path, " was replaced"));
                }
                HSMCORE_CHECK(change_record(change, decoded.record));
                change.Put(self.path,
                           EncodeRecord(decoded.record, decoded.identity, *self.identity));
                return {};
              }));
  return {};
}

}  // namespace hsmcore::users
