// SPDX-License-Identifier: Apache-2.0
#include "cluster/places.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>

#include "base/files.h"
#include "base/text.h"
#include "storage/engines.h"
#include "storage/store.h"
#include "storage/watchdog.h"

namespace hsmcore::cluster {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMaxZone = 64;

Status CheckZone(std::string_view zone) {
  const bool plain = std::ranges::all_of(zone, [](char c) { return c > ' ' && c <= '~'; });
  if (plain && !zone.empty() && zone.size() <= kMaxZone) return {};
  return Fail(ErrorCode::kInvalidArgument,
              Cat("a zone's name has 1 to ", kMaxZone, " ASCII characters and no spaces"));
}

// The first zone-N that no HSM is in.
std::string FreeZone(const ClusterFile& file) {
  for (unsigned number = 1;; ++number) {
    std::string zone = Cat("zone-", number);
    if (std::ranges::find(file.hsms, zone, &HsmPlace::zone) == file.hsms.end()) return zone;
  }
}

Error NoSuchHsm(const ClusterFile& file, std::string_view id) {
  std::string ids;
  for (const HsmPlace& place : file.hsms) ids += Cat(ids.empty() ? "" : ", ", place.id);
  return {ErrorCode::kInvalidArgument, Cat("the cluster has no HSM '", id.substr(0, 40),
                                           "'; it has ", ids.empty() ? "none" : ids)};
}

}  // namespace

Result<std::vector<HsmPlace>::iterator> FindHsm(ClusterFile& file, std::string_view id) {
  const auto place = std::ranges::find(file.hsms, id, &HsmPlace::id);
  if (place == file.hsms.end()) return std::unexpected(NoSuchHsm(file, id));
  return place;
}

Result<std::vector<HsmPlace>> PlanHsms(const ClusterOptions& options) {
  const std::size_t count = options.hsm_paths.empty() ? options.hsms : options.hsm_paths.size();
  if (count < 1 || count > storage::kMaxMembers) {
    return Fail(ErrorCode::kInvalidArgument,
                Cat("a cluster has 1 to ", storage::kMaxMembers, " HSMs"));
  }
  if (!options.zones.empty() && options.zones.size() != count) {
    return Fail(ErrorCode::kInvalidArgument,
                Cat(count, " HSMs need as many zones, or none; there are ", options.zones.size()));
  }
  for (const std::string& zone : options.zones) HSMCORE_CHECK(CheckZone(zone));
  std::vector<HsmPlace> places;
  for (std::size_t i = 0; i < count; ++i) {
    const std::string id = NewId("hsm-");
    const fs::path directory =
        options.hsm_paths.empty() ? fs::path("hsms") / id : options.hsm_paths[i];
    if (!options.hsm_paths.empty() && !directory.is_absolute()) {
      return Fail(ErrorCode::kInvalidArgument,
                  Cat("the HSM's directory '", directory.native(), "' is not an absolute path"));
    }
    const std::string zone = i < options.zones.size() ? options.zones[i] : Cat("zone-", i + 1);
    places.push_back({.id = id, .zone = zone, .directory = directory, .type = {}});
  }
  return places;
}

Result<HsmPlace> PlanHsm(const fs::path& home, const ClusterFile& file, const HsmOptions& options) {
  if (file.hsms.size() >= storage::kMaxMembers) {
    return Fail(ErrorCode::kClusterState,
                Cat("the cluster has ", file.hsms.size(), " HSMs, which is the most; delete one"));
  }
  HsmPlace place;
  place.id = NewId("hsm-");
  place.zone = options.zone.empty() ? FreeZone(file) : options.zone;
  HSMCORE_CHECK(CheckZone(place.zone));
  place.directory = options.directory.empty() ? fs::path("hsms") / place.id : options.directory;
  if (!options.directory.empty() && !options.directory.is_absolute()) {
    return Fail(ErrorCode::kInvalidArgument,
                Cat("the HSM's directory '", options.directory.native(), "' is not absolute"));
  }
  const fs::path wanted = HsmDirectory(home, place).lexically_normal();
  for (const HsmPlace& other : file.hsms) {
    if (HsmDirectory(home, other).lexically_normal() == wanted) {
      return Fail(ErrorCode::kInvalidArgument,
                  Cat(wanted.native(), " is the directory of ", other.id));
    }
  }
  return place;
}

Status MakeStore(const fs::path& home, const ClusterFile& file, const HsmPlace& place) {
  const storage::SqliteOptions options{
      .cluster_id = file.id,
      .member = {.id = place.id, .zone = place.zone, .directory = HsmDirectory(home, place)},
      .busy_timeout = std::chrono::seconds(60)};
  return storage::RunWatched(options.member.directory,
                             [options] { return storage::CreateSqliteStore(options); });
}

namespace {

Status RemoveFiles(const fs::path& directory) {
  std::error_code problem;
  std::vector<fs::path> files;
  for (fs::directory_iterator entry(directory, problem), end; !problem && entry != end;
       entry.increment(problem)) {
    if (entry->path().filename().native().starts_with(storage::kStoreFile))
      files.push_back(entry->path());
  }
  for (const fs::path& file : files) {
    if (unlink(file.c_str()) != 0 && errno != ENOENT) {
      return std::unexpected(FileError(file, "remove", errno));
    }
  }
  rmdir(directory.c_str());  // stays when it holds something else
  return {};
}

}  // namespace

Status RemoveStore(const fs::path& directory) {
  return storage::RunWatched(directory, [directory] { return RemoveFiles(directory); });
}

}  // namespace hsmcore::cluster
