// SPDX-License-Identifier: Apache-2.0
// How clusters begin and end.
#include "hsmcore/cluster_setup.h"

#include <unistd.h>

#include <algorithm>
#include <ctime>
#include <mutex>
#include <ranges>
#include <utility>

#include "base/files.h"
#include "base/text.h"
#include "cluster/backup_catalog.h"
#include "cluster/core.h"
#include "cluster/places.h"
#include "crypto/library.h"
#include "hsmcore/backup.h"
#include "hsmcore/hsm_type.h"
#include "policy/gate.h"
#include "session/backup_content.h"
#include "session/changing.h"
#include "session/cluster_backup.h"
#include "users/backup_policy.h"
#include "users/directory.h"
#include "users/record.h"
#include "vault/password.h"
#include "vault/sealing.h"

namespace hsmcore {
namespace {

namespace fs = std::filesystem;
using cluster::ClusterFile;
using cluster::HsmPlace;
using session::Changing;

constexpr std::size_t kMaxIdentityKey = 4096;

fs::path Canonical(const fs::path& home) {
  std::error_code problem;
  const fs::path canonical = fs::weakly_canonical(home, problem);
  return problem ? home : canonical;
}

Status CheckType(const ClusterOptions& options) {
  const HsmTypeRow* type = FindHsmType(options.type);
  if (type == nullptr) {
    std::string names;
    for (const HsmTypeRow& row : AllHsmTypes()) names += Cat(names.empty() ? "" : ", ", row.name);
    return Fail(ErrorCode::kInvalidArgument,
                Cat("'", options.type.substr(0, 40), "' is no type of HSM; there are ", names));
  }
  if (type->non_fips || options.mode == ClusterMode::kFips) return {};
  return Fail(ErrorCode::kInvalidArgument,
              Cat("HSMs of type ", type->name, " are in FIPS mode only: add --mode fips"));
}

Status CheckOptions(const ClusterOptions& options) {
  HSMCORE_CHECK(CheckType(options));
  if (options.retention_days != 0) HSMCORE_CHECK(users::CheckRetention(options.retention_days));
  // A FIPS module that cannot be used is found before there is a cluster that needs it.
  HSMCORE_TRY([[maybe_unused]] const auto kind, crypto::KindFor(options.mode));
  return {};
}

struct FirstAdmin {
  std::string name;
  const SecretBytes& password;
  unsigned retention_days;
};

// The records that every store begins with; the stores are empty.
Status FillStores(cluster::Core& core, const vault::Identity& identity, const FirstAdmin& admin,
                  const cluster::Config& config) {
  const std::lock_guard lock(core.mutex);
  HSMCORE_CHECK(users::CreateFirstAdmin(core, identity, admin.name, admin.password, config));
  if (admin.retention_days == 0) return {};
  HSMCORE_TRY(const std::string name, users::NormalisedName(admin.name));
  users::BackupPolicy policy;
  policy.retention_days = admin.retention_days;
  policy.signer = users::UserPath(Role::kAdmin, name);
  HSMCORE_TRY([[maybe_unused]] const auto revision,
              storage::Update(*core.engine, [&](storage::Transaction& change) -> Status {
                change.Put(users::BackupPolicy::kPath, policy.Encode(identity));
                return {};
              }));
  return {};
}

Status MakeCluster(const ClusterOptions& options, ClusterFile& file) {
  HSMCORE_TRY(const vault::Identity admin, vault::Identity::New({}));
  file.root = admin.root();
  cluster::Config config;
  config.id = file.id;
  config.type = options.type;
  config.mode = options.mode;
  config.switches = options.switches;
  config.cost = options.cost;
  config.created = std::time(nullptr);
  HSMCORE_TRY(const auto core, cluster::OpenCore(options.home, file));
  HSMCORE_CHECK(FillStores(
      *core, admin, {options.admin, options.admin_password, options.retention_days}, config));
  return cluster::Publish(options.home, file);
}

// ---- Step by step -------------------------------------------------------------------------------

Status NeedHsm(const ClusterFile& file, std::string_view for_what) {
  if (!file.hsms.empty()) return {};
  return Fail(ErrorCode::kClusterState, Cat("the cluster has no HSM, and needs one to be ",
                                            for_what, "; add one with 'hsmctl hsm create'"));
}

HsmDescription Described(const fs::path& home, const ClusterFile& file, std::string_view id) {
  const ClusterDescription all = cluster::DescribeFile(home, file);
  return *std::ranges::find(all.hsms, id, &HsmDescription::id);
}

// Before activation all stores are empty, so that a new one is like the others.
Result<HsmDescription> AddEmptyHsm(const fs::path& home, const HsmOptions& options) {
  HSMCORE_TRY(Changing change, Changing::Begin(home, ClusterAction::kCreateHsm));
  ClusterFile& file = change.file();
  HSMCORE_TRY(const HsmPlace place, cluster::PlanHsm(home, file, options));
  if (file.draft.csr.empty()) {
    HSMCORE_TRY(crypto::ClusterRequest request, crypto::NewClusterRequest(file.id));
    HSMCORE_CHECK(WriteFileAtomically(cluster::IdentityKeyFile(home),
                                      request.key.Read(SecretAccess{"keep the CSR's key"}), 0600));
    file.draft.csr = std::move(request.csr);
  }
  HSMCORE_CHECK(cluster::MakeStore(home, file, place));
  file.hsms.push_back(place);
  if (const Status written = change.Write(); !written) {
    [[maybe_unused]] const Status swept = cluster::RemoveStore(cluster::HsmDirectory(home, place));
    return std::unexpected(written.error());
  }
  return Described(home, file, place.id);
}

Result<fs::path> NewestBackup(const fs::path& home, const ClusterFile& file) {
  HSMCORE_TRY(const auto backups,
              cluster::ListBackups(cluster::BackupDirectory(home), std::time(nullptr)));
  for (const BackupInfo& backup : backups | std::views::reverse) {
    if (backup.cluster_id == file.id && backup.state == "READY") return backup.file;
  }
  return Fail(ErrorCode::kBackupNotFound,
              Cat("the cluster has no HSM, and ", cluster::BackupDirectory(home).native(),
                  " no backup of it to fill a new one from; copy one there"));
}

// The HSM is filled before cluster.json tells of it: half of a backup would be a wrong cluster.
Result<HsmDescription> BringBack(const fs::path& home, const HsmOptions& options,
                                 const std::function<Result<Credential>()>& admin,
                                 const Progress& progress) {
  HSMCORE_TRY(const Credential credential, admin());
  HSMCORE_TRY(ClusterFile shape, cluster::ReadClusterFile(home));
  HSMCORE_TRY(const fs::path backup, NewestBackup(home, shape));
  HSMCORE_TRY(cluster::BackupReader reader, session::UnlockBackup(backup, credential));
  if (reader.header().root != shape.root) {
    return Fail(ErrorCode::kBackupState, Cat(backup.native(), " is of another cluster"));
  }
  HSMCORE_TRY(const HsmPlace place, cluster::PlanHsm(home, shape, options));
  shape.hsms.push_back(place);
  HSMCORE_TRY(Changing change, Changing::Begin(home, ClusterAction::kCreateHsm, shape));
  if (!change.file().hsms.empty()) {
    return Fail(ErrorCode::kClusterState, "another process has added an HSM meanwhile; repeat it");
  }
  HSMCORE_CHECK(cluster::MakeStore(home, shape, place));
  change.file().hsms.push_back(place);
  Status filled = session::FillFromBackup(reader, change.core(), progress);
  if (filled) filled = change.Write();
  if (!filled) {
    [[maybe_unused]] const Status swept = cluster::RemoveStore(cluster::HsmDirectory(home, place));
    return std::unexpected(filled.error());
  }
  return Described(home, change.file(), place.id);
}

// The stores that an activation left which died.
Status EmptyStores(const fs::path& home, const ClusterFile& file) {
  for (const HsmPlace& place : file.hsms) {
    HSMCORE_CHECK(cluster::RemoveStore(cluster::HsmDirectory(home, place)));
    HSMCORE_CHECK(cluster::MakeStore(home, file, place));
  }
  return {};
}

Result<cluster::Config> OwnedConfig(const fs::path& home, const ClusterFile& file) {
  const cluster::Draft& draft = file.draft;
  const ModeRules rules = file.rules.value_or(ModeRules());
  cluster::Config config;
  config.id = file.id;
  config.type = draft.type;
  config.mode = rules.mode;
  config.switches = rules.switches;
  config.cost = draft.cost;
  config.created = std::time(nullptr);
  config.owner = draft.owner;
  HSMCORE_TRY(const SecretBytes key,
              ReadSecretFile(cluster::IdentityKeyFile(home), kMaxIdentityKey));
  HSMCORE_TRY(config.owner_signature,
              crypto::SignAsCluster(key, cluster::Config::OwnedRoot(file.id, file.root)));
  return config;
}

Status Activate(const fs::path& home, const std::string& name, const SecretBytes& password) {
  HSMCORE_TRY(Changing change, Changing::Begin(home, ClusterAction::kActivate));
  ClusterFile& file = change.file();
  HSMCORE_CHECK(NeedHsm(file, "activated"));
  HSMCORE_CHECK(
      policy::Allow(policy::Operation::kActivateCluster, policy::Asker::kUnactivatedAdmin));
  HSMCORE_CHECK(EmptyStores(home, file));
  HSMCORE_TRY(const vault::Identity identity, vault::Identity::New({}));
  file.root = identity.root();
  HSMCORE_TRY(const cluster::Config config, OwnedConfig(home, file));
  const FirstAdmin admin{name, password, file.draft.retention_days};
  HSMCORE_CHECK(FillStores(change.core(), identity, admin, config));
  return change.WriteAs(ClusterState::kActive);
}

}  // namespace

Result<std::shared_ptr<Cluster>> Cluster::Create(const ClusterOptions& options) {
  HSMCORE_CHECK(vault::CheckPassword(options.admin_password));
  HSMCORE_CHECK(CheckOptions(options));
  HSMCORE_TRY(ClusterFile file, cluster::Prepare(options));
  if (Status made = MakeCluster(options, file); !made) {
    cluster::Sweep(options.home, file);
    return std::unexpected(made.error());
  }
  return Open(options.home);
}

Result<ClusterDescription> CreateUninitialized(const ClusterOptions& options) {
  HSMCORE_CHECK(CheckOptions(options));
  HSMCORE_TRY(const ClusterFile file, cluster::Prepare(options, ClusterState::kUninitialized));
  if (const Status made = cluster::Publish(options.home, file); !made) {
    cluster::Sweep(options.home, file);
    return std::unexpected(made.error());
  }
  return cluster::DescribeFile(options.home, file);
}

Result<ClusterDescription> DescribeCluster(const fs::path& home, bool verify) {
  HSMCORE_TRY(const ClusterFile file, cluster::ReadClusterFile(home));
  if (!CheckMove(file.state, ClusterAction::kUse) || file.hsms.empty()) {
    return cluster::DescribeFile(Canonical(home), file);
  }
  HSMCORE_TRY(const ClusterPtr open, Cluster::Open(home));
  return open->Describe(verify);
}

Result<HsmDescription> AddHsm(const fs::path& home, const HsmOptions& options,
                              const std::function<Result<Credential>()>& admin,
                              const Progress& progress) {
  const fs::path place = Canonical(home);
  HSMCORE_TRY(const ClusterFile file, cluster::ReadClusterFile(place));
  HSMCORE_CHECK(CheckMove(file.state, ClusterAction::kCreateHsm));
  if (IsBeforeActivation(file.state)) return AddEmptyHsm(place, options);
  if (file.hsms.empty()) return BringBack(place, options, admin, progress);
  HSMCORE_TRY(const ClusterPtr open, Cluster::Open(place));
  return open->CreateHsm(options);
}

Status RemoveHsm(const fs::path& home, std::string_view id, bool also_last) {
  const fs::path place = Canonical(home);
  HSMCORE_TRY(const ClusterFile file, cluster::ReadClusterFile(place));
  HSMCORE_CHECK(CheckMove(file.state, ClusterAction::kDeleteHsm));
  if (!IsBeforeActivation(file.state) && !file.hsms.empty()) {
    HSMCORE_TRY(const ClusterPtr open, Cluster::Open(place));
    return open->DeleteHsm(id, also_last);
  }
  HSMCORE_TRY(Changing change, Changing::Begin(place, ClusterAction::kDeleteHsm));
  HSMCORE_TRY(const auto found, cluster::FindHsm(change.file(), id));
  const fs::path directory = cluster::HsmDirectory(place, *found);
  change.file().hsms.erase(found);
  HSMCORE_CHECK(change.Write());
  return cluster::RemoveStore(directory);
}

Result<ClusterDescription> InitializeCluster(const fs::path& home, const std::string& certificate,
                                             const std::string& trust_anchor) {
  const fs::path place = Canonical(home);
  HSMCORE_TRY(Changing change, Changing::Begin(place, ClusterAction::kInitialize));
  ClusterFile& file = change.file();
  HSMCORE_CHECK(NeedHsm(file, "initialized"));
  const crypto::OwnerCertificates owner{certificate, trust_anchor};
  HSMCORE_CHECK(crypto::CheckOwner(file.draft.csr, owner));
  file.draft.owner = owner;
  HSMCORE_CHECK(change.WriteAs(ClusterState::kInitializeInProgress));
  HSMCORE_CHECK(change.WriteAs(ClusterState::kInitialized));
  return cluster::DescribeFile(place, file);
}

Result<ClusterPtr> ActivateCluster(const fs::path& home, std::string_view admin,
                                   const SecretBytes& password) {
  const fs::path place = Canonical(home);
  HSMCORE_CHECK(vault::CheckPassword(password));
  HSMCORE_TRY(const std::string name, users::NormalisedName(admin));
  HSMCORE_CHECK(Activate(place, name, password));
  // Only now: an activation that dies before can be repeated.
  unlink(cluster::IdentityKeyFile(place).c_str());
  return Cluster::Open(place);
}

Status DeleteCluster(const fs::path& home) {
  const fs::path place = Canonical(home);
  HSMCORE_TRY(ClusterFile found, cluster::ReadClusterFile(place));
  if (found.state == ClusterState::kDeleteInProgress) {
    // One that died on the way has removed it.
    HSMCORE_CHECK(cluster::RestoreGeneration(place, found));
  }
  HSMCORE_TRY(Changing change, Changing::Begin(place, ClusterAction::kDelete, std::move(found)));
  const ClusterFile& file = change.file();
  if (!file.hsms.empty()) {
    return Fail(ErrorCode::kClusterState,
                Cat("the cluster has ", file.hsms.size(), " HSMs, and is deleted only without; ",
                    "delete them first: 'hsmctl hsm delete', the last one with --last"));
  }
  HSMCORE_CHECK(change.WriteAs(ClusterState::kDeleteInProgress));
  return cluster::Remove(place);
}

}  // namespace hsmcore
