// SPDX-License-Identifier: Apache-2.0
#include "session/cluster_hsm.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <utility>

#include "base/files.h"
#include "base/text.h"
#include "session/cluster_backup.h"
#include "session/genuine.h"
#include "storage/engines.h"

namespace hsmcore::session {
namespace {

namespace fs = std::filesystem;
using cluster::ClusterFile;
using cluster::HsmPlace;

constexpr std::size_t kMaxZone = 64;

Error NoSuchHsm(const ClusterFile& file, std::string_view id) {
  std::string ids;
  for (const HsmPlace& place : file.hsms) ids += Cat(ids.empty() ? "" : ", ", place.id);
  return {ErrorCode::kInvalidArgument,
          Cat("the cluster has no HSM '", id.substr(0, 40), "'; it has ", ids)};
}

Result<std::vector<HsmPlace>::iterator> FindPlace(ClusterFile& file, std::string_view id) {
  const auto place = std::ranges::find(file.hsms, id, &HsmPlace::id);
  if (place == file.hsms.end()) return std::unexpected(NoSuchHsm(file, id));
  return place;
}

Result<HsmDescription> DescribeOne(cluster::Core& core, std::string_view id) {
  HSMCORE_TRY(const ClusterDescription description, cluster::Describe(core, false));
  const auto found = std::ranges::find(description.hsms, id, &HsmDescription::id);
  if (found != description.hsms.end()) return *found;
  return Fail(ErrorCode::kInternal, Cat("HSM ", id, " is not described"));
}

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

Result<std::vector<std::string>> Fill(cluster::Core& core) {
  HSMCORE_TRY(const storage::Verifier genuine, GenuineEntries(core));
  return core.engine->Repair(&genuine);
}

// The first zone-N that no HSM is in.
std::string FreeZone(const ClusterFile& file) {
  for (unsigned number = 1;; ++number) {
    std::string zone = Cat("zone-", number);
    if (std::ranges::find(file.hsms, zone, &HsmPlace::zone) == file.hsms.end()) return zone;
  }
}

Result<HsmPlace> PlaceFor(const cluster::Core& core, const ClusterFile& file,
                          const HsmOptions& options) {
  if (file.hsms.size() >= storage::kMaxMembers) {
    return Fail(ErrorCode::kClusterState,
                Cat("the cluster has ", file.hsms.size(), " HSMs, which is the most; delete one"));
  }
  HsmPlace place;
  place.id = cluster::NewId("hsm-");
  place.zone = options.zone.empty() ? FreeZone(file) : options.zone;
  const bool plain = std::ranges::all_of(place.zone, [](char c) { return c > ' ' && c <= '~'; });
  if (!plain || place.zone.size() > kMaxZone) {
    return Fail(ErrorCode::kInvalidArgument,
                Cat("a zone's name has 1 to ", kMaxZone, " ASCII characters and no spaces"));
  }
  place.directory = options.directory.empty() ? fs::path("hsms") / place.id : options.directory;
  if (!options.directory.empty() && !options.directory.is_absolute()) {
    return Fail(ErrorCode::kInvalidArgument,
                Cat("the HSM's directory '", options.directory.native(), "' is not absolute"));
  }
  const fs::path wanted = cluster::HsmDirectory(core.home, place).lexically_normal();
  for (const HsmPlace& other : file.hsms) {
    if (cluster::HsmDirectory(core.home, other).lexically_normal() == wanted) {
      return Fail(ErrorCode::kInvalidArgument,
                  Cat(wanted.native(), " is the directory of ", other.id));
    }
  }
  return place;
}

// The files of an HSM that is none any more; what else is in its directory stays.
Status RemoveStore(const fs::path& directory) {
  std::error_code problem;
  std::vector<fs::path> files;
  for (fs::directory_iterator entry(directory, problem), end; !problem && entry != end;
       entry.increment(problem)) {
    if (entry->path().filename().native().starts_with("store.db")) files.push_back(entry->path());
  }
  for (const fs::path& file : files) {
    if (unlink(file.c_str()) != 0 && errno != ENOENT) {
      return std::unexpected(FileError(file, "remove", errno));
    }
  }
  rmdir(directory.c_str());  // stays when it holds something else
  return {};
}

// Takes the HSM out of cluster.json; the writer lock is held.
Status Forget(cluster::Core& core, std::string_view id) {
  HSMCORE_TRY(ClusterFile file, cluster::ReadClusterFile(core.home));
  std::erase_if(file.hsms, [&](const HsmPlace& place) { return place.id == id; });
  return cluster::Rewrite(core.home, file);
}

// Makes the store and says that it is there.
Result<HsmPlace> AddEmpty(cluster::Core& core, const HsmOptions& options) {
  HSMCORE_TRY([[maybe_unused]] const auto writer, core.engine->LockForUpdate());
  HSMCORE_TRY(ClusterFile file, cluster::ReadClusterFile(core.home));
  HSMCORE_TRY(HsmPlace place, PlaceFor(core, file, options));
  const fs::path directory = cluster::HsmDirectory(core.home, place);
  HSMCORE_CHECK(storage::CreateSqliteStore(
      {.cluster_id = file.id,
       .member = {.id = place.id, .zone = place.zone, .directory = directory},
       .busy_timeout = std::chrono::seconds(60)}));
  file.hsms.push_back(place);
  if (const Status written = cluster::Rewrite(core.home, file); !written) {
    [[maybe_unused]] const Status swept = RemoveStore(directory);
    return std::unexpected(written.error());
  }
  return place;
}

}  // namespace

Result<HsmDescription> CreateHsm(cluster::Core& core, const HsmOptions& options) {
  HSMCORE_TRY(const HsmPlace place, AddEmpty(core, options));
  const auto filled = Fill(core);
  auto description = DescribeOne(core, place.id);
  if (filled && description && description->problem.empty()) return description;
  // An HSM that does not get its content is none.
  HSMCORE_TRY([[maybe_unused]] const auto writer, core.engine->LockForUpdate());
  HSMCORE_CHECK(Forget(core, place.id));
  [[maybe_unused]] const Status swept = RemoveStore(cluster::HsmDirectory(core.home, place));
  if (!filled) return std::unexpected(filled.error());
  if (!description) return description;
  return Fail(ErrorCode::kStorageIo,
              Cat("the new HSM could not be filled and was removed: ", description->problem));
}

Status DeleteHsm(cluster::Core& core, std::string_view id) {
  fs::path directory;
  {
    HSMCORE_TRY([[maybe_unused]] const auto writer, core.engine->LockForUpdate());
    HSMCORE_TRY(ClusterFile file, cluster::ReadClusterFile(core.home));
    HSMCORE_TRY(const auto place, FindPlace(file, id));
    HSMCORE_CHECK(NeedAnother(core, id));
    HSMCORE_CHECK(CreateBackup(core, {}));
    directory = cluster::HsmDirectory(core.home, *place);
    HSMCORE_CHECK(Forget(core, id));
  }
  // The rest is no part of the cluster any more, and may be on a disk that is gone.
  return fs::exists(directory) ? RemoveStore(directory) : Status();
}

Result<HsmDescription> StopHsm(cluster::Core& core, std::string_view id) {
  {
    HSMCORE_TRY([[maybe_unused]] const auto writer, core.engine->LockForUpdate());
    HSMCORE_TRY(ClusterFile file, cluster::ReadClusterFile(core.home));
    HSMCORE_TRY(const auto place, FindPlace(file, id));
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
    HSMCORE_TRY(const auto place, FindPlace(file, id));
    if (!place->stopped) return Fail(ErrorCode::kClusterState, Cat(id, " is not stopped"));
    place->stopped = false;
    HSMCORE_CHECK(cluster::Rewrite(core.home, file));
  }
  HSMCORE_CHECK(Fill(core));
  return DescribeOne(core, id);
}

}  // namespace hsmcore::session
