// SPDX-License-Identifier: Apache-2.0
#include "cluster/home.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <nlohmann/json.hpp>

#include "base/files.h"
#include "base/text.h"
#include "base/values.h"
#include "cluster/places.h"
#include "storage/engines.h"
#include "storage/generation_map.h"
#include "vault/sealing.h"

namespace hsmcore::cluster {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr unsigned kVersion = 1;
constexpr const char* kStopped = "STOPPED";
constexpr const char* kCreating = "CREATE_IN_PROGRESS";
constexpr const char* kModifying = "MODIFY_IN_PROGRESS";
constexpr const char* kZeroized = "ZEROIZED";
constexpr std::size_t kMaxClusterFile = std::size_t{1} << 20;

// Names what a creation that is under way has made, until it is complete.
fs::path CreatingMark(const fs::path& home) { return home / ".creating"; }

Status Damaged(const fs::path& file, std::string_view problem) {
  return Fail(ErrorCode::kHomeDamaged,
              Cat(file.native(), " ", problem, "; restore it from a backup of the home"));
}

json ToJson(const HsmPlace& place) {
  json hsm = {{"id", place.id}, {"zone", place.zone}, {"path", place.directory.native()}};
  if (place.stopped) hsm["state"] = kStopped;
  if (place.creating) hsm["state"] = kCreating;
  if (place.modifying) hsm["state"] = kModifying;
  if (place.zeroized) hsm["state"] = kZeroized;
  if (!place.type.empty()) hsm["hsm-type"] = place.type;
  return hsm;
}

json ToJson(const TypeChange& change) {
  return {{"from", change.from},
          {"to", change.to},
          {"started", change.started},
          {"backup", change.backup},
          {"rollback-backup", change.rollback_backup},
          {"keep-new", change.keep_new}};
}

json ToJson(const Zeroization& zeroization) {
  return {
      {"started", zeroization.started}, {"finished", zeroization.finished}, {"by", zeroization.by}};
}

json ToJson(const ClusterFile& file) {
  const ModeRules rules = file.rules.value_or(ModeRules());
  json hsms = json::array();
  for (const HsmPlace& place : file.hsms) hsms.push_back(ToJson(place));
  json object = {{"version", kVersion},
                 {"id", file.id},
                 {"engine", "mirror"},
                 {"root", ToHex(file.root)},
                 {"mode", NameOf(rules.mode)},
                 {"ml-dsa", rules.switches.ml_dsa},
                 {"ecdsa-weak-hash", rules.switches.ecdsa_with_weak_hash},
                 {"hsms", hsms}};
  if (!file.cloned_from.empty()) object["cloned-from"] = file.cloned_from;
  if (!file.source_backup.empty()) object["source-backup"] = file.source_backup;
  if (file.state != ClusterState::kActive) object["state"] = NameOf(file.state);
  if (file.type_change) object["type-change"] = ToJson(*file.type_change);
  if (file.zeroization) object["zeroization"] = ToJson(*file.zeroization);
  if (IsBeforeActivation(file.state)) {
    const Draft& draft = file.draft;
    object["draft"] = {{"hsm-type", draft.type},
                       {"password-hash-cost", static_cast<unsigned>(draft.cost)},
                       {"backup-retention-days", draft.retention_days},
                       {"cluster-csr", draft.csr},
                       {"cluster-certificate", draft.owner.certificate},
                       {"trust-anchor", draft.owner.trust_anchor}};
  }
  return object;
}

std::string TextField(const json& object, const char* name) {
  const auto field = object.find(name);
  return field != object.end() && field->is_string() ? field->get<std::string>() : std::string();
}

std::optional<ModeRules> RulesFrom(const json& object) {
  ModeRules rules;
  const auto flag = [&](const char* name, bool& value) {
    const auto field = object.find(name);
    if (field == object.end()) return true;
    if (field->is_boolean()) value = field->get<bool>();
    return field->is_boolean();
  };
  bool good = flag("ml-dsa", rules.switches.ml_dsa) &&
              flag("ecdsa-weak-hash", rules.switches.ecdsa_with_weak_hash);
  if (object.contains("mode")) {
    const std::string mode = TextField(object, "mode");
    good = good && (mode == NameOf(ClusterMode::kFips) || mode == NameOf(ClusterMode::kNonFips));
    if (mode == NameOf(ClusterMode::kFips)) rules.mode = ClusterMode::kFips;
  }
  return good ? std::optional(rules) : std::nullopt;
}

unsigned NumberField(const json& object, const char* name) {
  const auto field = object.find(name);
  return field != object.end() && field->is_number_unsigned() ? field->get<unsigned>() : 0;
}

Draft DraftFrom(const json& object) {
  const auto field = object.find("draft");
  if (field == object.end() || !field->is_object()) return {};
  const unsigned cost = NumberField(*field, "password-hash-cost");
  return {.type = TextField(*field, "hsm-type"),
          .cost = static_cast<PasswordCost>(
              std::min(cost, static_cast<unsigned>(PasswordCost::kSensitive))),
          .retention_days = NumberField(*field, "backup-retention-days"),
          .csr = TextField(*field, "cluster-csr"),
          .owner = {.certificate = TextField(*field, "cluster-certificate"),
                    .trust_anchor = TextField(*field, "trust-anchor")}};
}

bool FlagField(const json& object, const char* name) {
  const auto field = object.find(name);
  return field != object.end() && field->is_boolean() && field->get<bool>();
}

std::int64_t TimeField(const json& object, const char* name) {
  const auto field = object.find(name);
  return field != object.end() && field->is_number_integer() ? field->get<std::int64_t>() : 0;
}

std::optional<Zeroization> ZeroizationFrom(const json& object) {
  const auto field = object.find("zeroization");
  if (field == object.end() || !field->is_object()) return std::nullopt;
  return Zeroization{.started = TimeField(*field, "started"),
                     .finished = TimeField(*field, "finished"),
                     .by = TextField(*field, "by")};
}

std::optional<TypeChange> TypeChangeFrom(const json& object) {
  const auto field = object.find("type-change");
  if (field == object.end() || !field->is_object()) return std::nullopt;
  return TypeChange{.from = TextField(*field, "from"),
                    .to = TextField(*field, "to"),
                    .started = TimeField(*field, "started"),
                    .backup = TextField(*field, "backup"),
                    .rollback_backup = TextField(*field, "rollback-backup"),
                    .keep_new = FlagField(*field, "keep-new")};
}

std::optional<ClusterState> StateFrom(const json& object) {
  if (!object.contains("state")) return ClusterState::kActive;
  return ClusterStateByName(TextField(object, "state"));
}

Result<std::vector<HsmPlace>> HsmsFrom(const json& hsms, const fs::path& path) {
  std::vector<HsmPlace> places;
  for (const json& hsm : hsms) {
    if (!hsm.is_object()) continue;
    const std::string state = TextField(hsm, "state");
    places.push_back({.id = TextField(hsm, "id"),
                      .zone = TextField(hsm, "zone"),
                      .directory = TextField(hsm, "path"),
                      .stopped = state == kStopped,
                      .creating = state == kCreating,
                      .modifying = state == kModifying,
                      .zeroized = state == kZeroized,
                      .type = TextField(hsm, "hsm-type")});
    if (places.back().id.empty() || places.back().directory.empty()) {
      return std::unexpected(Damaged(path, "names an HSM without id or path").error());
    }
  }
  return places;
}

Result<ClusterFile> FromJson(const json& object, const fs::path& path) {
  const auto version = object.find("version");
  if (version == object.end() || !version->is_number_unsigned()) {
    return std::unexpected(Damaged(path, "has no version").error());
  }
  if (version->get<std::uint64_t>() > kVersion) {
    return Fail(ErrorCode::kHomeNewer,
                Cat(path.native(), " has version ", version->get<std::uint64_t>(),
                    ", this program knows ", kVersion, "; use the newer hsm-provider"));
  }
  ClusterFile file{.id = TextField(object, "id"),
                   .root = ParseHex(TextField(object, "root")).value_or(Bytes()),
                   .hsms = {},
                   .cloned_from = TextField(object, "cloned-from"),
                   .source_backup = TextField(object, "source-backup"),
                   .rules = RulesFrom(object),
                   .draft = DraftFrom(object),
                   .type_change = TypeChangeFrom(object),
                   .zeroization = ZeroizationFrom(object)};
  const auto state = StateFrom(object);
  if (!state) return std::unexpected(Damaged(path, "has a state that there is not").error());
  file.state = *state;
  if (IsLimitedWrite(*state) && !file.type_change) {
    return std::unexpected(Damaged(path, "lacks the type-change of its state").error());
  }
  const auto hsms = object.find("hsms");
  if (file.id.empty() ||
      (file.root.size() != 32 && !IsBeforeActivation(*state) && !IsZeroized(*state)) ||
      hsms == object.end() || !hsms->is_array() || hsms->size() > storage::kMaxMembers) {
    return std::unexpected(Damaged(path, "lacks the id, the root or the HSMs").error());
  }
  HSMCORE_TRY(file.hsms, HsmsFrom(*hsms, path));
  return file;
}

Error NoCluster(const fs::path& home) {
  return {ErrorCode::kHomeNotFound,
          Cat("there is no cluster at ", home.native(), "; make one with 'hsmctl --home ",
              home.native(), " cluster create', or name another home with HSM_HOME")};
}

void RemoveTree(const fs::path& path) {
  std::error_code ignored;
  fs::remove_all(path, ignored);
}

// Only what the mark names: directories of HSMs elsewhere were made by the creation that died.
void SweepMarked(const fs::path& home) {
  const auto mark = ReadFile(CreatingMark(home), kMaxClusterFile);
  if (!mark) return;
  const json object = json::parse(mark->begin(), mark->end(), nullptr, false);
  const auto file = object.is_object() ? FromJson(object, CreatingMark(home))
                                       : Result<ClusterFile>(std::unexpected(NoCluster(home)));
  Sweep(home, file.value_or(ClusterFile{}));
}

Status RefuseExisting(const fs::path& home) {
  if (fs::exists(ClusterJson(home))) {
    return Fail(ErrorCode::kHomeExists, Cat(home.native(), " holds a cluster; name another home"));
  }
  if (fs::exists(CreatingMark(home))) SweepMarked(home);
  if (fs::exists(home / "hsms")) {
    return Damaged(ClusterJson(home), "is missing though there are HSM stores");
  }
  std::error_code ignored;
  if (fs::exists(BackupDirectory(home)) && !fs::is_empty(BackupDirectory(home), ignored)) {
    return Fail(ErrorCode::kHomeExists, Cat(BackupDirectory(home).native(),
                                            " holds the backups of a cluster that is gone; ",
                                            "move them away, or name another home"));
  }
  return {};
}

Status MakeStores(const fs::path& home, const ClusterFile& file) {
  HSMCORE_CHECK(MakeDirectory(home / "hsms", 0700));
  HSMCORE_CHECK(MakeDirectory(BackupDirectory(home), 0700));
  for (const HsmPlace& place : file.hsms) {
    HSMCORE_CHECK(MakeStore(home, file, place));
  }
  HSMCORE_CHECK(storage::GenerationMap::Create(GenerationFile(home), file.id));
  return SyncDirectory(home);
}

}  // namespace

// CloudHSM's form: cluster-[2-7a-zA-Z]{11,16}.
std::string NewId(std::string_view kind) {
  constexpr std::string_view kAlphabet = "234567abcdefghijklmnopqrstuvwxyz";
  std::string id(kind);
  for (const std::uint8_t byte : vault::RandomBytes(11)) id += kAlphabet[byte % kAlphabet.size()];
  return id;
}

std::int64_t RollbackUntil(const TypeChange& change) {
  constexpr std::int64_t kHour = 3600;
  return change.started + (kRollbackHours * kHour);
}

fs::path ClusterJson(const fs::path& home) { return home / "cluster.json"; }
fs::path GenerationFile(const fs::path& home) { return home / "generation"; }
fs::path BackupDirectory(const fs::path& home) { return home / "backups"; }
fs::path IdentityKeyFile(const fs::path& home) { return home / "identity.key"; }
fs::path LockFile(const fs::path& home) { return home / "lock"; }
fs::path HsmDirectory(const fs::path& home, const HsmPlace& place) {
  return home / place.directory;
}

Result<ClusterFile> ReadClusterFile(const fs::path& home) {
  const fs::path path = ClusterJson(home);
  auto content = ReadFile(path, kMaxClusterFile);
  if (!content) {
    if (content.error().code() != ErrorCode::kHomeNotFound) return std::unexpected(content.error());
    std::error_code ignored;
    if (fs::exists(home / "hsms", ignored) && !fs::exists(CreatingMark(home), ignored)) {
      return std::unexpected(Damaged(path, "is missing").error());
    }
    return std::unexpected(NoCluster(home));
  }
  const json object = json::parse(content->begin(), content->end(), nullptr, false);
  if (!object.is_object()) return std::unexpected(Damaged(path, "is not JSON").error());
  return FromJson(object, path);
}

Result<ClusterFile> Prepare(const ClusterOptions& options, ClusterState state) {
  HSMCORE_CHECK(vault::Ready());
  const fs::path& home = options.home;
  if (!home.is_absolute()) {
    return Fail(ErrorCode::kInvalidArgument, Cat("the home '", home.native(), "' is not absolute"));
  }
  ClusterFile file{.id = NewId("cluster-"),
                   .root = Bytes(32),
                   .hsms = {},
                   .cloned_from = {},
                   .source_backup = {},
                   .rules = ModeRules{options.mode, options.switches},
                   .state = state,
                   .draft = {.type = options.type,
                             .cost = options.cost,
                             .retention_days = options.retention_days,
                             .csr = {},
                             .owner = {}},
                   .type_change = {},
                   .zeroization = {}};
  if (state == ClusterState::kUninitialized) {
    file.root.clear();
  } else {
    HSMCORE_TRY(file.hsms, PlanHsms(options));
  }
  std::error_code problem;
  fs::create_directories(home.parent_path(), problem);
  HSMCORE_CHECK(MakeDirectory(home, 0700));
  HSMCORE_CHECK(RefuseExisting(home));
  const std::string mark = ToJson(file).dump();
  HSMCORE_CHECK(WriteFileAtomically(CreatingMark(home), vault::ViewOf(mark), 0600));
  if (Status made = MakeStores(home, file); !made) {
    Sweep(home, file);
    return std::unexpected(made.error());
  }
  return file;
}

Status Rewrite(const fs::path& home, const ClusterFile& file) {
  const std::string text = ToJson(file).dump(2) + "\n";
  return WriteFileAtomically(ClusterJson(home), vault::ViewOf(text), 0600);
}

Status Publish(const fs::path& home, const ClusterFile& file) {
  HSMCORE_CHECK(Rewrite(home, file));
  if (unlink(CreatingMark(home).c_str()) != 0) {
    return std::unexpected(FileError(CreatingMark(home), "remove", errno));
  }
  return {};
}

Status CheckRules(const fs::path& home, const ClusterFile& file, const ModeRules& signed_rules) {
  if (file.rules == signed_rules) return {};
  const char* told = file.rules ? NameOf(file.rules->mode) : "none";
  const bool same_mode = file.rules && file.rules->mode == signed_rules.mode;
  return Fail(ErrorCode::kHomeDamaged,
              Cat(ClusterJson(home).native(), same_mode ? " tells other switches of the mode " : "",
                  same_mode ? "" : " tells the mode ", told, ", and the configuration that was ",
                  "signed when the cluster was made has ", NameOf(signed_rules.mode),
                  ": the file was edited, or is from a version that did not write the mode; ",
                  "'hsmctl cluster sync' writes what was signed"));
}

Status RestoreGeneration(const fs::path& home, const ClusterFile& file) {
  const auto map = storage::GenerationMap::Open(GenerationFile(home), file.id);
  if (map || map.error().code() != ErrorCode::kHomeDamaged) return {};
  if (unlink(GenerationFile(home).c_str()) != 0 && errno != ENOENT) {
    return std::unexpected(FileError(GenerationFile(home), "remove", errno));
  }
  return storage::GenerationMap::Create(GenerationFile(home), file.id);
}

void Sweep(const fs::path& home, const ClusterFile& file) {
  for (const HsmPlace& place : file.hsms) RemoveTree(HsmDirectory(home, place));
  RemoveTree(home / "hsms");
  RemoveTree(BackupDirectory(home));
  RemoveTree(GenerationFile(home));
  RemoveTree(LockFile(home));
  RemoveTree(CreatingMark(home));
}

Status Remove(const fs::path& home) {
  for (const fs::path& file : {IdentityKeyFile(home), GenerationFile(home), ClusterJson(home)}) {
    rmdir((home / "hsms").c_str());        // stays when it holds something else
    rmdir(BackupDirectory(home).c_str());  // stays when it holds backups
    if (unlink(file.c_str()) != 0 && errno != ENOENT) {
      return std::unexpected(FileError(file, "remove", errno));
    }
  }
  HSMCORE_CHECK(SyncDirectory(home));
  RemoveTree(LockFile(home));
  return {};
}

}  // namespace hsmcore::cluster
