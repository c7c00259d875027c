// SPDX-License-Identifier: Apache-2.0
#include "session/cluster_hsm.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <utility>

#include "base/files.h"
#include "base/text.h"
#include "cluster/places.h"
#include "session/cluster_backup.h"
#include "session/genuine.h"
#include "storage/engines.h"
#include "users/type_policy.h"

namespace hsmcore::session {
namespace {

namespace fs = std::filesystem;
using cluster::ClusterFile;
using cluster::HsmPlace;

Result<HsmDescription> DescribeOne(cluster::Core& core, std::string_view id) {
  HSMCORE_TRY(const std::string type, users::HsmTypeOf(core));
  HSMCORE_TRY(const ClusterDescription description, cluster::Describe(core, type, false));
  const auto found = std::ranges::find(description.hsms, id, &HsmDescription::id);
  if (found != description.hsms.end()) return *found;
  return Fail(ErrorCode::kInternal, Cat("HSM ", id, " is not described"));
}

// Takes the HSM out of cluster.json; the writer lock is held.
Status Forget(cluster::Core& core, std::string_view id) {
  HSMCORE_TRY(ClusterFile file, cluster::ReadClusterFile(core.home));
  std::erase_if(file.hsms, [&](const HsmPlace& place) { return place.id == id; });
  return cluster::Rewrite(core.home, file);
}

// The HSM is like any other from now on.
Status NoteCreated(cluster::Core& core, std::string_view id) {
  HSMCORE_TRY([[maybe_unused]] const auto writer, core.engine->LockForUpdate());
  HSMCORE_TRY(ClusterFile file, cluster::ReadClusterFile(core.home));
  HSMCORE_TRY(const auto place, cluster::FindHsm(file, id));
  place->creating = false;
  return cluster::Rewrite(core.home, file);
}

// Makes the store and says that it is there.
Result<HsmPlace> AddEmpty(cluster::Core& core, const HsmOptions& options) {
  HSMCORE_TRY([[maybe_unused]] const auto writer, core.engine->LockForUpdate());
  HSMCORE_TRY(ClusterFile file, cluster::ReadClusterFile(core.home));
  HSMCORE_CHECK(CheckMove(file.state, ClusterAction::kCreateHsm));
  HSMCORE_TRY(HsmPlace place, cluster::PlanHsm(core.home, file, options));
  const fs::path directory = cluster::HsmDirectory(core.home, place);
  place.creating = true;
  HSMCORE_CHECK(cluster::MakeStore(core.home, file, place));
  file.hsms.push_back(place);
  if (const Status written = cluster::Rewrite(core.home, file); !written) {
    [[maybe_unused]] const Status swept = cluster::RemoveStore(directory);
    return std::unexpected(written.error());
  }
  return place;
}

}  // namespace

// What the cluster holds must be on an HSM that stays.
Status NeedAnother(cluster::Core& core, std::string_view id) {
  HSMCORE_TRY(const auto members, core.engine->Members(false));
  for (const storage::Member& member : members) {
    if (member.id != id && member.in_service && member.problem.empty()) return {};
  }
  return Fail(ErrorCode::kClusterState,
              Cat("no other HSM than ", id,
                  " is in service and in sync, and it holds all there is; "
                  "see 'hsmctl cluster describe', run 'hsmctl cluster sync', or make another with "
                  "'hsmctl hsm create'"));
}

Result<std::vector<std::string>> FillHsms(cluster::Core& core) {
  HSMCORE_TRY(const storage::Verifier genuine, GenuineEntries(core));
  return core.engine->Repair(&genuine);
}

Result<HsmDescription> CreateHsm(cluster::Core& core, const HsmOptions& options) {
  HSMCORE_TRY(const HsmPlace place, AddEmpty(core, options));
  const auto filled = FillHsms(core);
  auto description = DescribeOne(core, place.id);
  if (filled && description && description->problem.empty()) {
    [[maybe_unused]] const Status noted = NoteCreated(core, place.id);  // it counts as such anyway
    return description;
  }
  // An HSM that does not get its content is none.
  HSMCORE_TRY([[maybe_unused]] const auto writer, core.engine->LockForUpdate());
  HSMCORE_CHECK(Forget(core, place.id));
  [[maybe_unused]] const Status swept =
      cluster::RemoveStore(cluster::HsmDirectory(core.home, place));
  if (!filled) return std::unexpected(filled.error());
  if (!description) return description;
  return Fail(ErrorCode::kStorageIo,
              Cat("the new HSM could not be filled and was removed: ", description->problem));
}

Status DeleteHsm(cluster::Core& core, std::string_view id, bool also_last) {
  fs::path directory;
  {
    HSMCORE_TRY([[maybe_unused]] const auto writer, core.engine->LockForUpdate());
    HSMCORE_TRY(ClusterFile file, cluster::ReadClusterFile(core.home));
    HSMCORE_TRY(const auto place, cluster::FindHsm(file, id));
    HSMCORE_CHECK(CheckMove(file.state, ClusterAction::kDeleteHsm));
    const Status another = NeedAnother(core, id);
    const bool the_last = file.hsms.size() == 1;
    if (!another && (!also_last || !the_last)) return another;
    HSMCORE_CHECK(CreateBackup(core, {}));
    directory = cluster::HsmDirectory(core.home, *place);
    HSMCORE_CHECK(Forget(core, id));
  }
  // The rest is no part of the cluster any more, and may be on a disk that is gone or hangs.
  const Status removed = cluster::RemoveStore(directory);
  if (!removed && removed.error().code() != ErrorCode::kStorageIo) return removed;
  return {};
}

Result<HsmDescription> StopHsm(cluster::Core& core, std::string_view id) {
  {
    HSMCORE_TRY([[maybe_unused]] const auto writer, core.engine->LockForUpdate());
    HSMCORE_TRY(ClusterFile file, cluster::ReadClusterFile(core.home));
    HSMCORE_TRY(const auto place, cluster::FindHsm(file, id));
    HSMCORE_CHECK(CheckMove(file.state, ClusterAction::kStopHsm));
    if (place->stopped) return Fail(ErrorCode::kClusterState, Cat(id, " is stopped already"));
    HSMCORE_CHECK(NeedAnother(core, id));
    place->stopped = true;
    HSMCORE_CHECK(cluster::Rewrite(core.home, file));
  }
  return DescribeOne(core, id);
}

Result<HsmDescription> StartHsm(cluster::Core& core, std::string_view id) {
  {
    HSMCORE_TRY([[maybe_unused]] const auto writer, core.engine->LockForUpdate());
    HSMCORE_TRY(ClusterFile file, cluster::ReadClusterFile(core.home));
    HSMCORE_TRY(const auto place, cluster::FindHsm(file, id));
    HSMCORE_CHECK(CheckMove(file.state, ClusterAction::kStartHsm));
    if (!place->stopped) return Fail(ErrorCode::kClusterState, Cat(id, " is not stopped"));
    place->stopped = false;
    HSMCORE_CHECK(cluster::Rewrite(core.home, file));
  }
  HSMCORE_CHECK(FillHsms(core));
  return DescribeOne(core, id);
}

}  // namespace hsmcore::session
