// SPDX-License-Identifier: Apache-2.0
#include "cluster/core.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "audit/log.h"
#include "base/text.h"
#include "cluster/cluster_engine.h"
#include "vault/sealing.h"

namespace hsmcore::cluster {
namespace {

constexpr const char* kStoppedHsm = "STOPPED";

// Of an HSM that takes no part.
const char* StateOf(const HsmPlace& place) {
  if (place.stopped) return kStoppedHsm;
  return NameOf(place.modifying ? ClusterState::kModifyInProgress : ClusterState::kActive);
}

}  // namespace

Result<std::shared_ptr<Core>> OpenCore(const std::filesystem::path& home, ClusterFile file) {
  HSMCORE_CHECK(vault::Ready());
  auto core = std::make_shared<Core>();
  core->home = home;
  core->file = std::move(file);
  HSMCORE_TRY(core->generations, storage::GenerationMap::Open(GenerationFile(home), core->file.id));
  core->engine =
      audit::NewAuditedEngine(NewClusterEngine(home, core->file, core->generations.get()));
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

ClusterDescription DescribeFile(const std::filesystem::path& home, const ClusterFile& file) {
  const ModeRules rules = file.rules.value_or(ModeRules());
  ClusterDescription description;
  description.id = file.id;
  description.root = file.root;
  description.type = file.draft.type;
  description.mode = rules.mode;
  description.switches = rules.switches;
  if (rules.mode == ClusterMode::kFips) description.fips_module = FindFipsModule();
  description.state = NameOf(file.state);
  description.home = home;
  description.source_backup = file.source_backup;
  if (file.type_change) {
    const TypeChange& change = *file.type_change;
    description.type_change = {.from = change.from,
                               .to = change.to,
                               .started = change.started,
                               .rollback_until = RollbackUntil(change),
                               .backup = change.backup,
                               .rollback_backup = change.rollback_backup};
  }
  if (file.zeroization) {
    const Zeroization& zeroization = *file.zeroization;
    description.zeroization = {
        .started = zeroization.started, .finished = zeroization.finished, .by = zeroization.by};
  }
  description.csr = file.draft.csr;
  description.certificate = file.draft.owner.certificate;
  description.trust_anchor = file.draft.owner.trust_anchor;
  description.owner = crypto::SubjectOf(file.draft.owner.trust_anchor);
  for (const HsmPlace& place : file.hsms) {
    HsmDescription hsm;
    hsm.id = place.id;
    hsm.zone = place.zone;
    hsm.type = place.type.empty() ? description.type : place.type;
    hsm.state = IsZeroized(file.state) ? NameOf(file.state) : StateOf(place);
    hsm.path = HsmDirectory(home, place);
    description.hsms.push_back(std::move(hsm));
  }
  return description;
}

namespace {

// An HSM that is being filled is not there yet; any other that is not whole is in trouble.
std::string StateOf(const storage::Member& member, const HsmPlace* place) {
  if (member.in_service && member.problem.empty()) return NameOf(ClusterState::kActive);
  const bool filling = place != nullptr && place->creating;
  return NameOf(filling ? ClusterState::kCreateInProgress : ClusterState::kDegraded);
}

// What the HSMs' states make of the cluster's.
std::string StateOf(const ClusterFile& file, const std::vector<HsmDescription>& hsms) {
  if (file.state != ClusterState::kActive) return NameOf(file.state);
  const auto some = [&](ClusterState state) {
    return std::ranges::find(hsms, NameOf(state), &HsmDescription::state) != hsms.end();
  };
  if (some(ClusterState::kDegraded)) return NameOf(ClusterState::kDegraded);
  return NameOf(some(ClusterState::kCreateInProgress) ? ClusterState::kUpdateInProgress
                                                      : ClusterState::kActive);
}

}  // namespace

Result<ClusterDescription> Describe(Core& core, const std::string& type, bool verify) {
  HSMCORE_TRY(const Config config, ReadConfig(core));
  HSMCORE_TRY(const std::uint64_t keys, core.engine->Count("key/"));
  HSMCORE_TRY(const std::uint64_t users, core.engine->Count("user/"));
  HSMCORE_TRY(const std::vector<storage::Member> members, core.engine->Members(verify));
  // As it is now; where it cannot be read, as it was.
  const ClusterFile file = ReadClusterFile(core.home).value_or(core.file);
  ClusterDescription description = DescribeFile(core.home, file);
  std::vector<HsmDescription> away = std::move(description.hsms);
  std::erase_if(
      away, [](const HsmDescription& hsm) { return hsm.state == NameOf(ClusterState::kActive); });
  description.hsms.clear();
  description.type = type;
  description.created = config.created;
  description.certificate = config.owner.certificate;
  description.trust_anchor = config.owner.trust_anchor;
  description.owner = crypto::SubjectOf(config.owner.trust_anchor);
  description.owner_proved =
      config.owned() &&
      crypto::SignedByCluster(config.owner, Config::OwnedRoot(core.file.origin(), core.file.root),
                              config.owner_signature);
  for (const storage::Member& member : members) {
    const auto place = std::ranges::find(file.hsms, member.id, &HsmPlace::id);
    const HsmPlace* known = place == file.hsms.end() ? nullptr : &*place;
    description.hsms.push_back(
        {.id = member.id,
         .zone = member.zone,
         .type = known == nullptr || known->type.empty() ? type : known->type,
         .state = StateOf(member, known),
         .problem = member.problem,
         .path = member.location,
         .revision = member.revision,
         .keys = member.in_service ? keys : 0,
         .users = member.in_service ? users : 0,
         .operations = member.operations,
         .errors = member.errors});
    description.revision = std::max(description.revision, member.revision);
  }
  for (HsmDescription& hsm : away) {
    if (hsm.type.empty()) hsm.type = type;
  }
  std::ranges::move(away, std::back_inserter(description.hsms));
  description.state = StateOf(file, description.hsms);
  return description;
}

}  // namespace hsmcore::cluster
