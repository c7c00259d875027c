// SPDX-License-Identifier: Apache-2.0
#include "session/type_change.h"

#include <algorithm>
#include <ctime>
#include <utility>

#include "base/text.h"
#include "cluster/backup_catalog.h"
#include "cluster/places.h"
#include "hsmcore/hsm_type.h"
#include "keys/handle_counter.h"
#include "session/backup_content.h"
#include "session/cluster_backup.h"
#include "session/cluster_hsm.h"
#include "session/rollback.h"
#include "users/type_policy.h"

namespace hsmcore::session {
namespace {

using cluster::ClusterFile;
using cluster::HsmPlace;

// CloudHSM's: it puts one more beside them.
constexpr std::size_t kMostHsms = 27;

std::unexpected<Error> Wrong(std::string detail) {
  return Fail(ErrorCode::kInvalidArgument, std::move(detail));
}

// Types grow from row to row; of a name that is not known, from before types were checked, to any.
Status CheckTypes(const std::string& from, const std::string& to, ClusterMode mode) {
  const HsmTypeRow* target = FindHsmType(to);
  if (target == nullptr) {
    std::string names;
    for (const HsmTypeRow& row : AllHsmTypes()) names += Cat(names.empty() ? "" : ", ", row.name);
    return Wrong(Cat("'", to.substr(0, 40), "' is no type of HSM; there are ", names));
  }
  if (from == to) return Wrong(Cat("the HSMs are of type ", to, " already"));
  if (!target->non_fips && mode != ClusterMode::kFips) {
    return Wrong(Cat("HSMs of type ", to, " are in FIPS mode only, and the cluster is not"));
  }
  const HsmTypeRow* source = FindHsmType(from);
  if (source == nullptr || source < target) return {};
  return Wrong(Cat("HSMs of type ", from, " do not change to ", to,
                   ", which holds less; back to it goes only a change from it, within ",
                   kRollbackHours, " hours of its start"));
}

class Changer {
 public:
  Changer(cluster::Core& core, const users::Actor& admin, const TypeChangeOptions& wanted,
          const Progress& progress)
      : core_(core), admin_(admin), wanted_(wanted), progress_(progress) {}

  Result<TypeChangeReport> Run();

 private:
  Status Forward();
  Status Back();
  std::int64_t Now() const { return wanted_.now != 0 ? wanted_.now : std::time(nullptr); }
  // The state as it is seen: DEGRADED counts, too.
  Result<ClusterState> StateNow();
  Status Write(const ClusterFile& file);
  // All of these continue where cluster.json says that the last run has ended.
  Status Begin();
  Status BeginRollback();
  Status KeepWhatGoes();
  Status TurnBack();
  Status Renew(const std::string& type, bool with_backups);
  Status BackupBefore();
  Status RenewOne(const std::string& id, const std::string& type);
  Status Remake(const ClusterFile& file, const HsmPlace& place) const;
  Status Sign(const std::string& type);
  Status Finish(bool forget);

  Result<RollbackPlan> Plan(const cluster::TypeChange& change, bool keep_new);
  Result<std::string> Backup();

  cluster::Core& core_;
  const users::Actor& admin_;
  const TypeChangeOptions& wanted_;
  const Progress& progress_;
  TypeChangeReport report_;
  std::uint64_t done_ = 0;
  std::uint64_t all_ = 0;
};

Result<TypeChangeReport> Changer::Run() {
  HSMCORE_TRY(const ClusterFile file, cluster::ReadClusterFile(core_.home));
  HSMCORE_TRY(const std::string type, users::HsmTypeOf(core_));
  const auto& last = file.type_change;
  all_ = (2 * file.hsms.size()) + 3;
  // What is not finished yet has the type of before, and an HSM may be of it still.
  report_.rolled_back =
      last && wanted_.type == last->from && (type == last->to || IsLimitedWrite(file.state));
  report_.to = wanted_.type;
  if (report_.rolled_back) {
    report_.from = last->to;
    HSMCORE_CHECK(Back());
  } else {
    report_.from = IsLimitedWrite(file.state) ? last->from : type;
    HSMCORE_CHECK(Forward());
  }
  return std::move(report_);
}

Status Changer::Forward() {
  HSMCORE_CHECK(Begin());
  HSMCORE_CHECK(Renew(report_.to, true));
  HSMCORE_CHECK(Sign(report_.to));
  return Finish(false);
}

Status Changer::Back() {
  HSMCORE_CHECK(BeginRollback());
  HSMCORE_CHECK(KeepWhatGoes());
  HSMCORE_CHECK(TurnBack());
  HSMCORE_CHECK(Renew(report_.to, false));
  return Finish(true);
}

Result<ClusterState> Changer::StateNow() {
  HSMCORE_TRY(const ClusterDescription description, cluster::Describe(core_, report_.from, false));
  return ClusterStateByName(description.state).value_or(ClusterState::kActive);
}

Status Changer::Write(const ClusterFile& file) {
  HSMCORE_CHECK(cluster::Rewrite(core_.home, file));
  ++done_;
  if (progress_) progress_(std::min(done_, all_), all_);
  return {};
}

Result<std::string> Changer::Backup() {
  HSMCORE_TRY(const BackupInfo made, CreateBackup(core_, {}));
  report_.backups.push_back(made.id);
  return made.id;
}

Status Changer::Begin() {
  HSMCORE_TRY([[maybe_unused]] const auto writer, core_.engine->LockForUpdate());
  HSMCORE_TRY(ClusterFile file, cluster::ReadClusterFile(core_.home));
  HSMCORE_TRY(const ClusterState state, StateNow());
  HSMCORE_CHECK(CheckMove(state, ClusterAction::kModifyType));
  if (state == ClusterState::kModifyInProgress) {
    if (wanted_.type == file.type_change->to) return {};
    return Wrong(Cat("the HSMs are being changed from ", file.type_change->from, " to ",
                     file.type_change->to, "; name one of these, to finish or to go back"));
  }
  HSMCORE_CHECK(CheckTypes(report_.from, report_.to, core_.config.mode));
  if (file.hsms.size() > kMostHsms) {
    return Fail(ErrorCode::kClusterState,
                Cat("the cluster has ", file.hsms.size(),
                    " HSMs, and the type changes with at most ", kMostHsms, "; delete one"));
  }
  const auto stopped = std::ranges::find(file.hsms, true, &HsmPlace::stopped);
  if (stopped != file.hsms.end()) {
    return Fail(ErrorCode::kClusterState,
                Cat(stopped->id, " is stopped; start it or delete it first"));
  }
  file.state = ClusterState::kModifyInProgress;
  file.type_change = {.from = report_.from,
                      .to = report_.to,
                      .started = Now(),
                      .backup = {},
                      .rollback_backup = {}};
  for (HsmPlace& place : file.hsms) place.type = report_.from;
  return Write(file);
}

Result<RollbackPlan> Changer::Plan(const cluster::TypeChange& change, bool keep_new) {
  HSMCORE_TRY(const std::string type, users::HsmTypeOf(core_));
  // Limited-write mode has kept all as it was, or it is turned back already.
  if (type == change.from) return RollbackPlan();
  HSMCORE_TRY(const BackupInfo backup, cluster::FindBackup(cluster::BackupDirectory(core_.home),
                                                           change.backup, std::time(nullptr)));
  HSMCORE_TRY(cluster::BackupReader reader,
              UnlockBackup(backup.file, *admin_.identity, admin_.path));
  return PlanRollback(core_, reader, FindHsmType(change.from), keep_new);
}

// Says what would go before anything does.
Status Changer::BeginRollback() {
  HSMCORE_TRY([[maybe_unused]] const auto writer, core_.engine->LockForUpdate());
  HSMCORE_TRY(ClusterFile file, cluster::ReadClusterFile(core_.home));
  HSMCORE_TRY(const ClusterState state, StateNow());
  HSMCORE_CHECK(CheckMove(state, ClusterAction::kRollBack));
  if (state != ClusterState::kActive && state != ClusterState::kModifyInProgress) return {};
  cluster::TypeChange& change = *file.type_change;
  if (Now() >= cluster::RollbackUntil(change)) {
    return Fail(
        ErrorCode::kClusterState,
        Cat("the change to ", change.to, " began more than ", kRollbackHours,
            " hours ago, and can no longer be taken back; backup ", change.backup,
            " has what the cluster held then: 'hsmctl cluster create --source-backup' makes "
            "a cluster of it"));
  }
  HSMCORE_TRY(const RollbackPlan plan, Plan(change, wanted_.keep_new));
  if (!plan.losses.none() && !wanted_.accept_losses) {
    return Fail(ErrorCode::kClusterState,
                Cat("going back to ", change.from, " changes what the cluster holds: ",
                    plan.losses.ToString(), "; nothing was changed yet. --yes does it",
                    wanted_.keep_new ? "" : ", --keep-new keeps what was made since"));
  }
  change.keep_new = wanted_.keep_new;
  file.state = ClusterState::kPendingRollback;
  for (HsmPlace& place : file.hsms) {
    if (place.type.empty()) place.type = change.to;
  }
  return Write(file);
}

Status Changer::KeepWhatGoes() {
  HSMCORE_TRY([[maybe_unused]] const auto writer, core_.engine->LockForUpdate());
  HSMCORE_TRY(ClusterFile file, cluster::ReadClusterFile(core_.home));
  if (file.state != ClusterState::kPendingRollback) return {};
  HSMCORE_TRY(file.type_change->rollback_backup, Backup());
  file.state = ClusterState::kRollbackInProgress;
  return Write(file);
}

Status Changer::TurnBack() {
  HSMCORE_TRY([[maybe_unused]] const auto writer, core_.engine->LockForUpdate());
  HSMCORE_TRY(const ClusterFile file, cluster::ReadClusterFile(core_.home));
  HSMCORE_TRY(RollbackPlan plan, Plan(*file.type_change, file.type_change->keep_new));
  report_.losses = std::move(plan.losses);
  for (const storage::Batch& batch : plan.batches) {
    HSMCORE_TRY([[maybe_unused]] const auto revision, core_.engine->Commit(batch));
  }
  HSMCORE_CHECK(Sign(file.type_change->from));
  return keys::Recount(core_);
}

// From here on the quotas are the type's, and what is there is its content.
Status Changer::Sign(const std::string& type) {
  storage::Batch batch;
  const users::TypePolicy policy{type, admin_.path};
  batch.mutations.push_back({users::TypePolicy::kPath, policy.Encode(*admin_.identity)});
  HSMCORE_TRY([[maybe_unused]] const auto revision, core_.engine->Commit(batch));
  return {};
}

Status Changer::Renew(const std::string& type, bool with_backups) {
  // What a crash left half-made is filled first, so that the next one may go.
  HSMCORE_CHECK(FillHsms(core_));
  HSMCORE_TRY(const ClusterFile file, cluster::ReadClusterFile(core_.home));
  for (const HsmPlace& place : file.hsms) {
    if (!place.modifying && place.type == type) continue;
    if (with_backups) HSMCORE_CHECK(BackupBefore());
    HSMCORE_CHECK(RenewOne(place.id, type));
  }
  return {};
}

Status Changer::BackupBefore() {
  HSMCORE_TRY([[maybe_unused]] const auto writer, core_.engine->LockForUpdate());
  HSMCORE_TRY(ClusterFile file, cluster::ReadClusterFile(core_.home));
  HSMCORE_TRY(const std::string backup, Backup());
  if (!file.type_change->backup.empty()) return {};
  file.type_change->backup = backup;
  return Write(file);
}

// An HSM in trouble does not hold the others up: it is repaired, or replaced, afterwards.
Status Changer::RenewOne(const std::string& id, const std::string& type) {
  Status made;
  {
    HSMCORE_TRY([[maybe_unused]] const auto writer, core_.engine->LockForUpdate());
    HSMCORE_TRY(ClusterFile file, cluster::ReadClusterFile(core_.home));
    HSMCORE_TRY(const auto place, cluster::FindHsm(file, id));
    place->modifying = NeedAnother(core_, id).has_value();
    // With no other that could serve meanwhile and fill it, it keeps its store.
    if (!place->modifying) place->type = type;
    HSMCORE_CHECK(Write(file));
    if (place->modifying) made = Remake(file, *place);
    place->creating = place->modifying && made;
    place->modifying = false;
    place->type = type;
    HSMCORE_CHECK(Write(file));
  }
  const auto filled = FillHsms(core_);
  if (made && !filled) made = std::unexpected(filled.error());
  if (!made) report_.problems.push_back(Cat(id, ": ", made.error().Message()));
  return {};
}

// The HSM is out of service, and what is in its store is on another.
Status Changer::Remake(const ClusterFile& file, const HsmPlace& place) const {
  HSMCORE_CHECK(cluster::RemoveStore(cluster::HsmDirectory(core_.home, place)));
  return cluster::MakeStore(core_.home, file, place);
}

Status Changer::Finish(bool forget) {
  HSMCORE_TRY([[maybe_unused]] const auto writer, core_.engine->LockForUpdate());
  HSMCORE_TRY(ClusterFile file, cluster::ReadClusterFile(core_.home));
  file.state = ClusterState::kActive;
  if (forget) file.type_change.reset();
  for (HsmPlace& place : file.hsms) {
    place.type.clear();
    place.creating = false;
  }
  done_ = all_ - 1;
  return Write(file);
}

}  // namespace

Result<TypeChangeReport> ChangeType(cluster::Core& core, const users::Actor& admin,
                                    const TypeChangeOptions& wanted, const Progress& progress) {
  return Changer(core, admin, wanted, progress).Run();
}

}  // namespace hsmcore::session
