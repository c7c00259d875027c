// SPDX-License-Identifier: Apache-2.0
#include "cluster/core.h"

#include <algorithm>

#include "base/text.h"
#include "cluster/cluster_engine.h"
#include "vault/sealing.h"

namespace hsmcore::cluster {

Result<std::shared_ptr<Core>> OpenCore(const std::filesystem::path& home, ClusterFile file) {
  HSMCORE_CHECK(vault::Ready());
  auto core = std::make_shared<Core>();
  core->home = home;
  core->file = std::move(file);
  HSMCORE_TRY(core->generations, storage::GenerationMap::Open(GenerationFile(home), core->file.id));
  core->engine = NewClusterEngine(home, core->file, core->generations.get());
  return core;
}

Result<Config> ReadConfig(Core& core) {
  std::optional<Config> config;
  const storage::Verifier genuine = [&](const storage::Entry& entry) {
    auto decoded = Config::Decode(entry.value, core.file.root, core.file.origin());
    if (!decoded) return false;
    config = *std::move(decoded);
    return true;
  };
  HSMCORE_TRY(const auto entry, core.engine->Get(Config::kPath, &genuine));
  if (!entry) {
    return Fail(ErrorCode::kHomeDamaged, Cat("the stores at ", core.home.native(),
                                             " hold no configuration record; restore "
                                             "them from a backup"));
  }
  return *std::move(config);
}

Result<ClusterDescription> Describe(Core& core, bool verify) {
  HSMCORE_TRY(const Config config, ReadConfig(core));
  HSMCORE_TRY(const std::uint64_t keys, core.engine->Count("key/"));
  HSMCORE_TRY(const std::uint64_t users, core.engine->Count("user/"));
  HSMCORE_TRY(const std::vector<storage::Member> members, core.engine->Members(verify));
  ClusterDescription description{
      .id = core.file.id,
      .type = config.type,
      .mode = config.mode,
      .switches = config.switches,
      .fips_module = config.mode == ClusterMode::kFips ? FindFipsModule() : FipsModule(),
      .state = "ACTIVE",
      .created = config.created,
      .revision = 0,
      .home = core.home,
      .keys = 0,
      .asymmetric_keys = 0,
      .users = 0,
      .source_backup = core.file.source_backup,
      .hsms = {}};
  for (const storage::Member& member : members) {
    const bool whole = member.in_service && member.problem.empty();
    description.hsms.push_back({member.id, member.zone, whole ? "ACTIVE" : "DEGRADED",
                                member.problem, member.location, member.revision,
                                member.in_service ? keys : 0, member.in_service ? users : 0});
    description.revision = std::max(description.revision, member.revision);
    if (!whole) description.state = "DEGRADED";
  }
  const auto file = ReadClusterFile(core.home);
  for (const HsmPlace& place : file ? file->hsms : std::vector<HsmPlace>()) {
    if (!place.stopped) continue;
    description.hsms.push_back(
        {place.id, place.zone, "STOPPED", {}, HsmDirectory(core.home, place), 0, 0, 0});
  }
  return description;
}

}  // namespace hsmcore::cluster
