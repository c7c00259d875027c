// SPDX-License-Identifier: Apache-2.0
#include "hsmcore/zeroize.h"

#include <unistd.h>

#include <algorithm>
#include <ctime>
#include <optional>
#include <system_error>
#include <utility>

#include "base/text.h"
#include "cluster/backup_catalog.h"
#include "cluster/places.h"
#include "cluster/shred.h"
#include "hsmcore/backup.h"
#include "policy/gate.h"
#include "session/audited_session.h"
#include "session/changing.h"
#include "storage/generation_map.h"

namespace hsmcore {
namespace {

namespace fs = std::filesystem;
using cluster::ClusterFile;
using cluster::HsmPlace;
using session::Changing;

constexpr std::string_view kBackupEnding = ".hsmbackup";
constexpr std::string_view kAnyEnding;

fs::path Canonical(const fs::path& home) {
  std::error_code problem;
  const fs::path canonical = fs::weakly_canonical(home, problem);
  return problem ? home : canonical;
}

bool Contains(const std::vector<std::string>& ids, std::string_view id) {
  return std::ranges::find(ids, id) != ids.end();
}

Status CheckMeant(ClusterFile& file, const ZeroizeOptions& options) {
  if (options.cluster_id != file.id) {
    return Fail(ErrorCode::kInvalidArgument,
                Cat("the cluster at this home is ", file.id, ", not '",
                    std::string_view(options.cluster_id).substr(0, 40), "'"));
  }
  // One that goes on may have dropped it before.
  if (IsZeroized(file.state)) return {};
  for (const std::string& id : options.lost_hsms) {
    HSMCORE_TRY([[maybe_unused]] const auto place, cluster::FindHsm(file, id));
  }
  return {};
}

bool TakesLogin(const ClusterFile& file) {
  return !IsBeforeActivation(file.state) && !IsZeroized(file.state);
}

// For people: who does it.
Result<std::string> Authorise(const ClusterFile& file, const Session* admin) {
  if (admin == nullptr) return Cat("user id ", geteuid(), ", without a login");
  const Status allowed =
      policy::Allow(policy::Operation::kZeroize,
                    admin->logged_in() ? std::optional(admin->role()) : std::nullopt);
  if (!allowed) {
    const auto* audited = dynamic_cast<const session::AuditedSession*>(admin);
    if (audited != nullptr && admin->logged_in()) {
      audited->NoteRefused(audit::Named(AuditEvent::kClusterZeroize), allowed.error().code());
    }
    return std::unexpected(allowed.error());
  }
  if (admin->cluster_id() == file.id) return Cat("admin ", admin->user());
  return Fail(ErrorCode::kRoleForbids, "the login is for another cluster");
}

// What is done with the files of one HSM and could not be.
class Zeroizer {
 public:
  Zeroizer(Changing& change, const ZeroizeOptions& options) : change_(change), options_(options) {}

  Result<ZeroizeReport> Run(std::string by);

 private:
  Status Begin(std::string by);
  Status DestroyBackups();
  Status DestroyHsm(const std::string& id);
  void DestroyHsms();
  Status Finish();
  const fs::path& home() { return change_.core().home; }
  ClusterFile& file() { return change_.file(); }

  Changing& change_;
  const ZeroizeOptions& options_;
  ZeroizeReport report_;
  std::optional<Error> problem_;  // the first; the text has all
  std::string problems_;
};

// From here on the cluster is not opened any more, and keys that are loaded fail.
Status Zeroizer::Begin(std::string by) {
  if (!file().zeroization) {
    file().zeroization = {.started = std::time(nullptr), .finished = 0, .by = std::move(by)};
  }
  HSMCORE_CHECK(change_.WriteAs(ClusterState::kZeroizeInProgress));
  return change_.core().generations->Close();
}

Status Zeroizer::DestroyBackups() {
  const fs::path directory = cluster::BackupDirectory(home());
  if (options_.backups) {
    HSMCORE_TRY(const cluster::Shredded backups, cluster::ShredAll(directory, kBackupEnding));
    report_.backups = backups.files;
    // What is said of them, and what writers that died have left.
    HSMCORE_CHECK(cluster::ShredAll(directory, kAnyEnding));
  }
  HSMCORE_TRY(const auto left, cluster::ListBackups(directory, std::time(nullptr)));
  for (const BackupInfo& backup : left) report_.backups_left.push_back(backup.id);
  return {};
}

// Each step is written down before the next, so that a store that is not there counts as destroyed
// only where it was.
Status Zeroizer::DestroyHsm(const std::string& id) {
  HSMCORE_TRY(const auto place, cluster::FindHsm(file(), id));
  const fs::path directory = cluster::HsmDirectory(home(), *place);
  if (Contains(options_.lost_hsms, id)) {
    report_.lost_hsms.push_back(id);
  } else {
    if (!place->zeroized) {
      HSMCORE_TRY(const cluster::Shredded done, cluster::OverwriteStore(directory));
      report_.hsms.push_back(
          {.id = id, .path = directory, .files = done.files, .bytes = done.bytes});
      place->zeroized = true;
      HSMCORE_CHECK(change_.Write());
    }
    HSMCORE_CHECK(cluster::RemoveStore(directory));
  }
  file().hsms.erase(place);
  return change_.Write();
}

void Zeroizer::DestroyHsms() {
  std::vector<std::string> ids;
  for (const HsmPlace& place : file().hsms) ids.push_back(place.id);
  for (const std::string& id : ids) {
    const Status done = DestroyHsm(id);
    if (done) continue;
    if (!problem_) problem_ = done.error();
    problems_ += Cat(problems_.empty() ? "" : "; ", id, ": ", done.error().Message());
  }
}

Status Zeroizer::Finish() {
  file().zeroization->finished = std::time(nullptr);
  return change_.WriteAs(ClusterState::kZeroized);
}

Result<ZeroizeReport> Zeroizer::Run(std::string by) {
  HSMCORE_CHECK(Begin(std::move(by)));
  HSMCORE_CHECK(cluster::Shred(cluster::IdentityKeyFile(home())));
  DestroyHsms();
  HSMCORE_CHECK(DestroyBackups());
  if (problem_) {
    return Fail(problem_->code(),
                Cat("nothing of the cluster can be used any more, and this is still to be ",
                    "destroyed: ", problems_, ". Mend it and repeat 'hsmctl cluster zeroize'; for ",
                    "a disk that is gone for good add --without-hsm HSM-ID"));
  }
  HSMCORE_CHECK(Finish());
  return std::move(report_);
}

}  // namespace

Result<bool> ZeroizationTakesLogin(const fs::path& home, const ZeroizeOptions& options) {
  HSMCORE_TRY(ClusterFile file, cluster::ReadClusterFile(home));
  HSMCORE_CHECK(CheckMove(file.state, ClusterAction::kZeroize));
  HSMCORE_CHECK(CheckMeant(file, options));
  return TakesLogin(file);
}

Result<ZeroizeReport> ZeroizeCluster(const fs::path& home, const ZeroizeOptions& options,
                                     const Session* admin) {
  const fs::path place = Canonical(home);
  HSMCORE_TRY(ClusterFile found, cluster::ReadClusterFile(place));
  HSMCORE_CHECK(CheckMeant(found, options));
  HSMCORE_TRY(std::string by, Authorise(found, admin));
  const bool aware =
      storage::GenerationMap::Open(cluster::GenerationFile(place), found.id).has_value();
  HSMCORE_CHECK(cluster::RestoreGeneration(place, found));
  HSMCORE_TRY(Changing change, Changing::Begin(place, ClusterAction::kZeroize, std::move(found)));
  HSMCORE_CHECK(CheckMeant(change.file(), options));
  HSMCORE_TRY(ZeroizeReport report, Zeroizer(change, options).Run(std::move(by)));
  report.programs_unaware = !aware;
  return report;
}

}  // namespace hsmcore
