// SPDX-License-Identifier: Apache-2.0
#include <ctime>
#include <map>
#include <mutex>
#include <new>
#include <utility>

#include "base/fork_guard.h"
#include "base/text.h"
#include "cluster/backup_catalog.h"
#include "cluster/core.h"
#include "hsmcore/cluster.h"
#include "hsmcore/hsm_type.h"
#include "keys/handle_counter.h"
#include "keys/removal.h"
#include "session/audited_session.h"
#include "session/cluster_backup.h"
#include "session/cluster_hsm.h"
#include "session/genuine.h"
#include "session/replication.h"
#include "session/session_impl.h"
#include "users/authentication.h"
#include "users/availability_policy.h"
#include "users/lockout.h"
#include "users/type_policy.h"
#include "vault/sealing.h"

namespace hsmcore {
namespace {

using session::SessionImpl;

class ClusterImpl;

// The clusters that are open in this process. Never destroyed, and without memory of its own, so
// that nothing of it is left to do when the module is unloaded.
struct Registry {
  ForkMutex mutex;
  ClusterImpl* first = nullptr;
};

Registry& TheRegistry() {
  alignas(Registry) static std::byte storage[sizeof(Registry)];
  static auto* const registry = new (storage) Registry;
  return *registry;
}

std::string Joined(const std::vector<std::string>& names) {
  std::string all;
  for (const std::string& name : names) all += Cat(all.empty() ? "" : " ", name);
  return all;
}

class ClusterImpl final : public Cluster {
 public:
  explicit ClusterImpl(std::shared_ptr<cluster::Core> core)
      : core_(std::move(core)),
        anonymous_(std::make_shared<SessionImpl>(core_, nullptr)),
        tag_key_(vault::RandomSecret(vault::kSealKeyBytes)) {}
  ~ClusterImpl() override;

  const std::string& id() const override { return core_->file.id; }
  const std::filesystem::path& home() const override { return core_->home; }
  ModeRules rules() const override { return core_->config.rules(); }
  Result<std::shared_ptr<Session>> Login(const Credential& credential, Role role) override;
  Result<std::vector<SignableToken>> NewMfaTokens(std::string_view user, Role role) override;
  Result<std::shared_ptr<Session>> Login(const Credential& credential, Role role,
                                         const std::vector<SignableToken>& signed_tokens) override;
  std::shared_ptr<Session> Anonymous() override { return anonymous_; }
  Result<std::optional<std::string>> OnlyCryptoUser() override;
  void DisableKeyAvailabilityCheck() override { core_->key_availability_check = false; }
  Result<ClusterDescription> Describe(bool verify) override;
  Result<std::vector<std::string>> Sync() override;
  Result<HsmDescription> CreateHsm(const HsmOptions& options) override;
  Status DeleteHsm(std::string_view id, bool also_last) override;
  Result<HsmDescription> StopHsm(std::string_view id) override;
  Result<HsmDescription> StartHsm(std::string_view id) override;
  Result<BackupInfo> CreateBackup(const Progress& progress) override;
  Result<std::optional<BackupInfo>> CreateBackupIfDue() override;
  Result<std::optional<BackupInfo>> CreateDailyBackup(std::uint64_t most_keys) override;
  Result<std::vector<BackupInfo>> ListBackups() override;
  Result<BackupInfo> DescribeBackup(std::string_view id) override;
  Result<unsigned> BackupRetention() override;
  Result<bool> AutomaticBackups() override;
  Result<bool> ReplicateKey(KeyHandle handle, const Session& login, Cluster& to,
                            const Session& login_there) override;
  Result<bool> ReplicateUser(std::string_view name, const Session& login, Cluster& to,
                             const Session& login_there) override;

  // Joins the registry; its mutex is held.
  static std::shared_ptr<ClusterImpl> Opened(const std::filesystem::path& home,
                                             std::string_view id);
  static void Join(const std::shared_ptr<ClusterImpl>& cluster);

 private:
  // A login that need not hash the same password again.
  struct KnownLogin {
    Bytes tag;
    std::shared_ptr<Session> session;
    std::uint64_t record_revision = 0;
  };

  // Of what changes files, after it was done: where the log cannot be written, it is done all the
  // same.
  void NoteDone(const audit::Entry& entry) {
    [[maybe_unused]] const Status noted = audit::Note(*core_->engine, {}, entry);
  }

  std::shared_ptr<Session> Audited(session::Login login) const {
    return std::make_shared<session::AuditedSession>(
        core_, std::make_shared<SessionImpl>(
                   core_, std::make_shared<const session::Login>(std::move(login))));
  }
  Result<std::string> UserFor(const Credential& credential, Role role);
  Result<std::uint64_t> RecordRevision(const std::string& path);

  const std::shared_ptr<cluster::Core> core_;
  const std::shared_ptr<Session> anonymous_;
  const SecretBytes tag_key_;
  std::map<std::string, KnownLogin> logins_;  // guarded by core_->mutex

  ClusterImpl* next_ = nullptr;
  std::weak_ptr<ClusterImpl> self_;
};

ClusterImpl::~ClusterImpl() {
  Registry& registry = TheRegistry();
  const std::lock_guard lock(registry.mutex);
  ClusterImpl** link = &registry.first;
  while (*link != nullptr && *link != this) link = &(*link)->next_;
  if (*link != nullptr) *link = next_;
}

std::shared_ptr<ClusterImpl> ClusterImpl::Opened(const std::filesystem::path& home,
                                                 std::string_view id) {
  for (ClusterImpl* open = TheRegistry().first; open != nullptr; open = open->next_) {
    if (open->home() == home && open->id() == id) {
      if (auto cluster = open->self_.lock()) return cluster;
    }
  }
  return nullptr;
}

void ClusterImpl::Join(const std::shared_ptr<ClusterImpl>& cluster) {
  cluster->self_ = cluster;
  cluster->next_ = TheRegistry().first;
  TheRegistry().first = cluster.get();
}

Result<std::string> ClusterImpl::UserFor(const Credential& credential, Role role) {
  if (!credential.user.empty()) return users::NormalisedName(credential.user);
  HSMCORE_TRY(const auto names, users::NamesOf(*core_, role));
  if (names.size() == 1) return names.front();
  return Fail(ErrorCode::kLoginRequired,
              Cat("the cluster has ", names.size(), " users with the role ", NameOf(role),
                  "; say which: user= in the URI, HSM_PIN=user:password, or 'user' in the "
                  "configuration"));
}

Result<std::uint64_t> ClusterImpl::RecordRevision(const std::string& path) {
  HSMCORE_TRY(const auto entry, core_->engine->Get(path));
  return entry ? entry->revision : 0;
}

Result<std::shared_ptr<Session>> ClusterImpl::Login(const Credential& credential, Role role) {
  // Goes after the mutex is free: its log of uses writes what is left (key_use_log.h).
  std::shared_ptr<Session> before;
  const std::lock_guard lock(core_->mutex);
  HSMCORE_TRY(const std::string user, UserFor(credential, role));
  const std::string path = users::UserPath(role, user);
  const Bytes tag =
      vault::KeyedTag(tag_key_, credential.secret.Read(SecretAccess{"recognise a login"}));
  HSMCORE_TRY(const std::uint64_t revision, RecordRevision(path));
  HSMCORE_TRY(const users::FailedLogins failed, users::ReadFailedLogins(*core_->engine, path));
  const auto known = logins_.find(path);
  if (known != logins_.end() && known->second.record_revision == revision && failed.count == 0 &&
      vault::EqualConstantTime(known->second.tag, tag)) {
    return known->second.session;
  }
  HSMCORE_TRY(users::Authenticated opened, users::Authenticate(*core_, role, user, credential, {}));
  auto session = Audited({std::move(opened.identity), user, role, std::nullopt});
  KnownLogin& login = logins_[path];
  before = std::exchange(login.session, session);
  login.tag = tag;
  login.record_revision = revision;
  return session;
}

Result<std::vector<SignableToken>> ClusterImpl::NewMfaTokens(std::string_view user, Role role) {
  const std::lock_guard lock(core_->mutex);
  HSMCORE_TRY(const std::string name, users::NormalisedName(user));
  HSMCORE_TRY(const users::DecodedRecord found, users::GetUser(*core_, role, name));
  audit::Entry entry = audit::Named(AuditEvent::kMfaToken, {});
  entry.user = found.record.path();
  const audit::Scope scope({}, std::move(entry));
  return users::NewMfaTokens(*core_, found.record);
}

// Not kept among the known logins, which a password alone would open.
Result<std::shared_ptr<Session>> ClusterImpl::Login(
    const Credential& credential, Role role, const std::vector<SignableToken>& signed_tokens) {
  const std::lock_guard lock(core_->mutex);
  HSMCORE_TRY(const std::string user, UserFor(credential, role));
  HSMCORE_TRY(users::Authenticated opened,
              users::Authenticate(*core_, role, user, credential, signed_tokens));
  return Audited({std::move(opened.identity), user, role, std::move(opened.second_factor)});
}

Result<std::optional<std::string>> ClusterImpl::OnlyCryptoUser() {
  const std::lock_guard lock(core_->mutex);
  HSMCORE_TRY(const auto names, users::NamesOf(*core_, Role::kCryptoUser));
  return names.size() == 1 ? std::optional(names.front()) : std::nullopt;
}

Result<ClusterDescription> ClusterImpl::Describe(bool verify) {
  const std::lock_guard lock(core_->mutex);
  HSMCORE_TRY(const std::string type, users::HsmTypeOf(*core_));
  HSMCORE_TRY(ClusterDescription description, cluster::Describe(*core_, type, verify));
  HSMCORE_TRY(const keys::KeyCounts counts, keys::ReadCounts(*core_));
  HSMCORE_TRY(description.users, core_->engine->Count("user/"));
  HSMCORE_TRY(description.key_availability_check, users::KeyAvailabilityCheck(*core_));
  // What is wrong with the directory is said where a backup is made.
  const auto newest = cluster::FindNewestOwn(cluster::BackupDirectory(core_->home));
  if (newest && *newest) {
    description.newest_backup = (*newest)->id;
    description.newest_backup_created = (*newest)->created;
  }
  description.asymmetric_keys = counts.pairs;
  description.keys = counts.pairs + counts.secrets;
  return description;
}

Result<std::vector<std::string>> ClusterImpl::Sync() {
  const std::lock_guard lock(core_->mutex);
  HSMCORE_TRY(const storage::Verifier genuine, session::GenuineEntries(*core_));
  auto repaired = core_->engine->Repair(&genuine);
  if (!repaired) return repaired;
  const audit::Scope scope({}, audit::Named(AuditEvent::kClusterSync, Joined(*repaired)));
  HSMCORE_CHECK(keys::Recount(*core_));
  if (!repaired->empty()) NoteDone(scope.entry());
  // Of no weight here: the next change of a key does it too.
  [[maybe_unused]] const Status purged = keys::PurgeDue(*core_, std::time(nullptr));
  return repaired;
}

Result<HsmDescription> ClusterImpl::CreateHsm(const HsmOptions& options) {
  const std::lock_guard lock(core_->mutex);
  auto done = session::CreateHsm(*core_, options);
  if (done) NoteDone(audit::Named(AuditEvent::kHsmCreate, done->id));
  return done;
}

Status ClusterImpl::DeleteHsm(std::string_view id, bool also_last) {
  const std::lock_guard lock(core_->mutex);
  const Status done = session::DeleteHsm(*core_, id, also_last);
  if (done) NoteDone(audit::Named(AuditEvent::kHsmDelete, std::string(id)));
  return done;
}

Result<HsmDescription> ClusterImpl::StopHsm(std::string_view id) {
  const std::lock_guard lock(core_->mutex);
  auto done = session::StopHsm(*core_, id);
  if (done) NoteDone(audit::Named(AuditEvent::kHsmStop, done->id));
  return done;
}

Result<HsmDescription> ClusterImpl::StartHsm(std::string_view id) {
  const std::lock_guard lock(core_->mutex);
  auto done = session::StartHsm(*core_, id);
  if (done) NoteDone(audit::Named(AuditEvent::kHsmStart, done->id));
  return done;
}

Result<BackupInfo> ClusterImpl::CreateBackup(const Progress& progress) {
  const std::lock_guard lock(core_->mutex);
  return session::CreateBackup(*core_, progress);
}

Result<std::optional<BackupInfo>> ClusterImpl::CreateBackupIfDue() {
  const std::lock_guard lock(core_->mutex);
  return session::CreateBackupIfDue(*core_);
}

Result<std::optional<BackupInfo>> ClusterImpl::CreateDailyBackup(std::uint64_t most_keys) {
  const std::lock_guard lock(core_->mutex);
  return session::CreateDailyBackup(*core_, most_keys, std::time(nullptr));
}

Result<std::vector<BackupInfo>> ClusterImpl::ListBackups() {
  return cluster::ListBackups(cluster::BackupDirectory(core_->home), std::time(nullptr));
}

Result<BackupInfo> ClusterImpl::DescribeBackup(std::string_view id) {
  return cluster::FindBackup(cluster::BackupDirectory(core_->home), id, std::time(nullptr));
}

Result<unsigned> ClusterImpl::BackupRetention() {
  const std::lock_guard lock(core_->mutex);
  return session::BackupRetention(*core_);
}

Result<bool> ClusterImpl::AutomaticBackups() {
  const std::lock_guard lock(core_->mutex);
  return session::AutomaticBackups(*core_);
}

// NOLINTBEGIN(cppcoreguidelines-pro-type-static-cast-downcast): there is no other kind of Cluster
Result<bool> ClusterImpl::ReplicateKey(KeyHandle handle, const Session& login, Cluster& to,
                                       const Session& login_there) {
  audit::Entry entry = audit::Named(AuditEvent::kKeyReplicate, Cat("from ", id()));
  const audit::Scope scope(session::ActorOf(login_there), std::move(entry));
  return session::ReplicateKey(*core_, login, *static_cast<ClusterImpl&>(to).core_, login_there,
                               handle);
}

Result<bool> ClusterImpl::ReplicateUser(std::string_view name, const Session& login, Cluster& to,
                                        const Session& login_there) {
  audit::Entry entry = audit::Named(AuditEvent::kUserReplicate, Cat("from ", id()));
  const audit::Scope scope(session::ActorOf(login_there), std::move(entry));
  return session::ReplicateUser(*core_, login, *static_cast<ClusterImpl&>(to).core_, login_there,
                                name);
}
// NOLINTEND(cppcoreguidelines-pro-type-static-cast-downcast)

}  // namespace

Status Cluster::RestoreGeneration(const std::filesystem::path& home) {
  HSMCORE_TRY(const cluster::ClusterFile file, cluster::ReadClusterFile(home));
  return cluster::RestoreGeneration(home, file);
}

Result<ModeRules> Cluster::RulesAt(const std::filesystem::path& home) {
  const auto file = cluster::ReadClusterFile(home);
  if (!file) {
    if (file.error().code() == ErrorCode::kHomeNotFound) return ModeRules();
    return std::unexpected(file.error());
  }
  if (file->rules) return *file->rules;
  return Fail(ErrorCode::kHomeDamaged,
              Cat("cluster.json of ", home.native(), " tells no mode (FIPS, NON_FIPS); 'hsmctl ",
                  "cluster sync' writes the one that was signed when the cluster was made"));
}

Result<bool> Cluster::RestoreMode(const std::filesystem::path& home) {
  HSMCORE_TRY(cluster::ClusterFile file, cluster::ReadClusterFile(home));
  HSMCORE_TRY(const auto core, cluster::OpenCore(home, file));
  const std::lock_guard use(core->mutex);
  HSMCORE_TRY(const cluster::Config config, cluster::ReadConfig(*core));
  if (file.rules == config.rules()) return false;
  HSMCORE_TRY([[maybe_unused]] const auto writer, core->engine->LockForUpdate());
  HSMCORE_TRY(file, cluster::ReadClusterFile(home));
  file.rules = config.rules();
  HSMCORE_CHECK(cluster::Rewrite(home, file));
  return true;
}

Result<std::shared_ptr<Cluster>> Cluster::Open(const std::filesystem::path& home) {
  std::error_code problem;
  const std::filesystem::path canonical = std::filesystem::weakly_canonical(home, problem);
  const std::filesystem::path& place = problem ? home : canonical;
  const std::lock_guard lock(TheRegistry().mutex);
  HSMCORE_TRY(cluster::ClusterFile file, cluster::ReadClusterFile(place));
  HSMCORE_CHECK(CheckMove(file.state, ClusterAction::kUse));
  if (auto open = ClusterImpl::Opened(place, file.id)) {
    HSMCORE_CHECK(cluster::CheckRules(place, file, open->rules()));
    return open;
  }
  HSMCORE_TRY(auto core, cluster::OpenCore(place, std::move(file)));
  {
    // A damaged or newer store is reported here, not at the first key.
    const std::lock_guard use(core->mutex);
    HSMCORE_TRY(core->config, cluster::ReadConfig(*core));
  }
  HSMCORE_CHECK(cluster::CheckRules(place, core->file, core->config.rules()));
  auto opened = std::make_shared<ClusterImpl>(std::move(core));
  ClusterImpl::Join(opened);
  return opened;
}

}  // namespace hsmcore
