// SPDX-License-Identifier: Apache-2.0
#include "hsmcore/cluster_list.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

#include "base/files.h"
#include "base/text.h"
#include "cluster/home.h"
#include "crypto/config_file.h"
#include "hsmcore/settings.h"

namespace hsmcore {
namespace {

namespace fs = std::filesystem;

using crypto::ConfigRow;
using crypto::ConfigSections;

constexpr const char* kVariable = "HSM_CONFIG";
constexpr const char* kFileName = "hsm.cnf";
constexpr std::size_t kMaxFile = std::size_t{1} << 20;
constexpr std::size_t kMaxName = 64;
constexpr std::string_view kIdPrefix = "cluster-";

constexpr std::string_view kHome = "home";
constexpr std::string_view kUser = "user";
constexpr std::string_view kPinSource = "pin-source";
constexpr std::string_view kNoAvailabilityCheck = "disable-key-availability-check";
constexpr auto kSettings = std::to_array({kHome, kUser, kPinSource, kNoAvailabilityCheck});

std::unexpected<Error> Wrong(std::string detail) {
  return Fail(ErrorCode::kSetting, std::move(detail));
}

// The file of the user where he has one, else the machine's.
fs::path UsualFile() {
  fs::path machine = fs::path("/etc/hsm") / kFileName;
  if (geteuid() == 0) return machine;
  fs::path own;
  if (const auto config = Environment("XDG_CONFIG_HOME")) {
    own = *config;
  } else if (const auto home = Environment("HOME")) {
    own = fs::path(*home) / ".config";
  }
  own = own / "hsm" / kFileName;
  std::error_code ignored;
  return own.is_absolute() && fs::exists(own, ignored) ? own : machine;
}

// Who can write the file chooses where keys are looked for, and which file has the password.
Status CheckRights(const fs::path& file) {
  struct stat info{};
  if (stat(file.c_str(), &info) != 0) return std::unexpected(FileError(file, "look at", errno));
  if ((info.st_mode & S_IWOTH) == 0) return {};
  return Wrong(Cat(file.native(), " can be written by everybody: 'chmod o-w ", file.native(), "'"));
}

Status CheckNames(const std::vector<ConfigRow>& rows, std::string_view where) {
  for (const ConfigRow& row : rows) {
    if (std::ranges::find(kSettings, row.name) != kSettings.end()) continue;
    return Wrong(Cat(where, ": '", row.name.substr(0, kMaxName), "' is no setting; there are ",
                     kHome, ", ", kUser, ", ", kPinSource, ", ", kNoAvailabilityCheck));
  }
  return {};
}

// "blue, green"
std::vector<std::string_view> Words(std::string_view text) {
  constexpr std::string_view kSeparators = ", \t";
  std::vector<std::string_view> words;
  while (true) {
    text.remove_prefix(std::min(text.size(), text.find_first_not_of(kSeparators)));
    if (text.empty()) return words;
    const std::string_view word = text.substr(0, text.find_first_of(kSeparators));
    words.push_back(word);
    text.remove_prefix(word.size());
  }
}

std::optional<std::string> ValueOf(const std::vector<ConfigRow>& rows, std::string_view name) {
  const auto row = std::ranges::find(rows, name, &ConfigRow::name);
  return row == rows.end() ? std::nullopt : std::optional(row->value);
}

Result<ListedCluster> FromSection(const ConfigSections& sections, std::string_view name,
                                  const fs::path& file) {
  if (!IsClusterName(name)) {
    return Wrong(Cat(file.native(), ": '", name.substr(0, kMaxName),
                     "' is no name of a cluster: 1 to 64 letters, digits and ._-"));
  }
  const std::string where = Cat(file.native(), ", section [", name, "]");
  const auto section = sections.find(std::string(name));
  if (section == sections.end()) {
    return Wrong(Cat(where, ": is not there, and 'clusters' names it"));
  }
  HSMCORE_CHECK(CheckNames(section->second, where));
  return ReadListedCluster(name, where, [&section](std::string_view setting) {
    return ValueOf(section->second, setting);
  });
}

Result<std::vector<ListedCluster>> FromSections(const ConfigSections& sections,
                                                const fs::path& file) {
  const auto top = sections.find("default");
  const auto names = top == sections.end() ? std::nullopt : ValueOf(top->second, "clusters");
  if (!names) {
    return Wrong(Cat(file.native(), ": has no line 'clusters = NAME, ...' before its sections"));
  }
  std::vector<ListedCluster> clusters;
  for (const std::string_view name : Words(*names)) {
    if (std::ranges::find(clusters, name, &ListedCluster::name) != clusters.end()) {
      return Wrong(Cat(file.native(), ": 'clusters' has ", name, " twice"));
    }
    HSMCORE_TRY(ListedCluster cluster, FromSection(sections, name, file));
    clusters.push_back(std::move(cluster));
  }
  return clusters;
}

}  // namespace

bool IsClusterName(std::string_view text) {
  constexpr std::string_view kCharacters =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
  return !text.empty() && text.size() <= kMaxName &&
         text.find_first_not_of(kCharacters) == std::string_view::npos;
}

Result<ListedCluster> ReadListedCluster(
    std::string_view name, std::string_view where,
    const std::function<std::optional<std::string>(std::string_view)>& setting) {
  ListedCluster cluster{.name = std::string(name),
                        .home = setting(kHome).value_or(""),
                        .user = setting(kUser).value_or(""),
                        .pin_source = setting(kPinSource).value_or("")};
  if (!cluster.home.is_absolute()) {
    return Wrong(
        Cat(where, ": home is '", cluster.home.native(), "'; it has to be an absolute path"));
  }
  if (const auto value = setting(kNoAvailabilityCheck)) {
    HSMCORE_TRY(cluster.no_availability_check,
                YesOrNo(Cat(where, ": ", kNoAvailabilityCheck), *value));
  }
  return cluster;
}

Result<ClusterList> ClusterList::Read() {
  const auto named = Environment(kVariable);
  ClusterList list;
  list.file_ = named ? fs::path(*named) : UsualFile();
  if (!list.file_.is_absolute()) {
    return Wrong(Cat(kVariable, " is '", *named, "'; it has to be an absolute path"));
  }
  const auto text = ReadFile(list.file_, kMaxFile);
  if (!text) {
    if (!named && text.error().code() == ErrorCode::kHomeNotFound) return list;
    return Wrong(Cat(named ? Cat(kVariable, ": ") : "", text.error().detail()));
  }
  HSMCORE_CHECK(CheckRights(list.file_));
  HSMCORE_TRY(const ConfigSections sections, crypto::ParseConfig(*text, list.file_.native()));
  HSMCORE_TRY(list.clusters_, FromSections(sections, list.file_));
  return list;
}

std::string ClusterList::Names() const {
  std::string names;
  for (const ListedCluster& cluster : clusters_) names += Cat(" ", cluster.name);
  return names;
}

std::optional<ListedCluster> ClusterList::Find(std::string_view name_or_id) const {
  const auto by_name = std::ranges::find(clusters_, name_or_id, &ListedCluster::name);
  if (by_name != clusters_.end()) return *by_name;
  if (!name_or_id.starts_with(kIdPrefix)) return std::nullopt;
  for (const ListedCluster& cluster : clusters_) {
    if (const auto id = ClusterIdAt(cluster.home); id && *id == name_or_id) return cluster;
  }
  return std::nullopt;
}

Result<ListedCluster> DefaultCluster() {
  if (!Environment("HSM_HOME")) {
    HSMCORE_TRY(const ClusterList list, ClusterList::Read());
    if (!list.clusters().empty()) return list.clusters().front();
  }
  return ListedCluster{.name = {}, .home = DefaultHome(), .user = {}, .pin_source = {}};
}

Result<std::string> ClusterIdAt(const fs::path& home) {
  HSMCORE_TRY(cluster::ClusterFile file, cluster::ReadClusterFile(home));
  return std::move(file.id);
}

}  // namespace hsmcore
