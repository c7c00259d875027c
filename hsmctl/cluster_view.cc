// SPDX-License-Identifier: Apache-2.0
#include "cluster_view.h"

#include <algorithm>
#include <ctime>
#include <functional>
#include <utility>

#include "encoding.h"
#include "hsmcore/hsm_type.h"

namespace hsmctl {

using hsmcore::ClusterDescription;
using hsmcore::ClusterMode;
using hsmcore::HsmDescription;

namespace {

bool IsTypeChanging(const ClusterDescription& cluster) {
  if (!cluster.type_change) return false;
  const auto state = hsmcore::ClusterStateByName(cluster.state);
  return (state && IsLimitedWrite(*state)) ||
         std::time(nullptr) < cluster.type_change->rollback_until;
}

// The mode and what of it is not as usual.
std::string ModeText(const ClusterDescription& cluster) {
  std::string text = NameOf(cluster.mode);
  if (cluster.mode != ClusterMode::kFips) return text;
  if (!cluster.switches.ml_dsa) text += ", without ML-DSA";
  if (cluster.switches.ecdsa_with_weak_hash) text += ", ECDSA with weak digests";
  return text;
}

std::string FipsModuleText(const hsmcore::FipsModule& module) {
  if (module.policy_only()) {
    return module.Summary() + ": the algorithms are not a validated module's";
  }
  return module.problem.empty() ? module.Summary() : module.Summary() + ": " + module.problem;
}

// What is used of what, or "unlimited".
Json QuotasJson(const ClusterDescription& cluster) {
  const hsmcore::HsmTypeRow* type = hsmcore::FindHsmType(cluster.type);
  const auto quota = [](std::uint64_t used, std::uint64_t limit) {
    return Json{{"used", used}, {"limit", limit == 0 ? Json("unlimited") : Json(limit)}};
  };
  return {{"keys", quota(cluster.keys, type == nullptr ? 0 : type->keys)},
          {"asymmetric-keys",
           quota(cluster.asymmetric_keys, type == nullptr ? 0 : type->asymmetric_keys)},
          {"users", quota(cluster.users, type == nullptr ? 0 : type->users)}};
}

std::string QuotaText(std::uint64_t used, std::uint64_t limit) {
  return std::to_string(used) + (limit == 0 ? "" : " of " + std::to_string(limit));
}

std::string OwnerText(const ClusterDescription& cluster) {
  const bool active = cluster.csr.empty();
  if (cluster.owner_proved || !active) return cluster.owner;
  return cluster.owner + ": NOT PROVED, the cluster's certificate did not sign its first admin";
}

void AddContent(const ClusterDescription& cluster, Table& summary) {
  const hsmcore::HsmTypeRow unlimited{};
  const hsmcore::HsmTypeRow* known = hsmcore::FindHsmType(cluster.type);
  const hsmcore::HsmTypeRow& type = known == nullptr ? unlimited : *known;
  summary.AddRow({"Keys", QuotaText(cluster.keys, type.keys) + ", asymmetric " +
                              QuotaText(cluster.asymmetric_keys, type.asymmetric_keys)});
  summary.AddRow({"Users", QuotaText(cluster.users, type.users)});
  summary.AddRow({"Created", TimeText(cluster.created)});
  summary.AddRow({"Revision", std::to_string(cluster.revision)});
  summary.AddRow({"Newest backup",
                  cluster.newest_backup.empty()
                      ? "none"
                      : cluster.newest_backup + " of " + TimeText(cluster.newest_backup_created)});
}

Json IdJson(const std::string& id) { return id.empty() ? Json() : Json(id); }

// Nothing once it is done and can no longer be taken back.
Json TypeChangeJson(const ClusterDescription& cluster) {
  if (!IsTypeChanging(cluster)) return {};
  const hsmcore::TypeChangeDescription& change = *cluster.type_change;
  return {{"from", change.from},
          {"to", change.to},
          {"start-timestamp", change.started},
          {"rollback-expiration", change.rollback_until},
          {"backup-id", IdJson(change.backup)},
          {"rollback-backup-id", IdJson(change.rollback_backup)}};
}

Json NewestBackupJson(const ClusterDescription& cluster) {
  if (cluster.newest_backup.empty()) return {};
  return {{"backup-id", cluster.newest_backup},
          {"create-timestamp", cluster.newest_backup_created}};
}

Json ZeroizationJson(const ClusterDescription& cluster) {
  if (!cluster.zeroization) return {};
  const hsmcore::ZeroizationDescription& zeroization = *cluster.zeroization;
  return {{"start-timestamp", zeroization.started},
          {"end-timestamp", zeroization.finished == 0 ? Json() : Json(zeroization.finished)},
          {"by", zeroization.by}};
}

std::string ZeroizationText(const ClusterDescription& cluster) {
  const hsmcore::ZeroizationDescription& zeroization = *cluster.zeroization;
  return "begun " + TimeText(zeroization.started) + " by " + zeroization.by +
         (zeroization.finished == 0 ? ", not finished"
                                    : ", done " + TimeText(zeroization.finished));
}

std::string TypeChangeText(const ClusterDescription& cluster) {
  const hsmcore::TypeChangeDescription& change = *cluster.type_change;
  return "from " + change.from + " to " + change.to + " since " + TimeText(change.started) +
         "; can be taken back until " + TimeText(change.rollback_until);
}

// Which HSMs are done is of interest while not all are.
bool IsMixed(const std::vector<HsmDescription>& hsms) {
  return std::ranges::adjacent_find(hsms, std::ranges::not_equal_to(), &HsmDescription::type) !=
         hsms.end();
}

}  // namespace

std::string TypeChangeText(const hsmcore::TypeChangeReport& change) {
  std::string text = "The HSMs are of type " + change.to;
  text += change.rolled_back ? " again" : ", and were of type " + change.from;
  if (!change.losses.none()) text += "; " + change.losses.ToString();
  for (const std::string& problem : change.problems) {
    text += "\n" + problem + "; repair it with 'hsmctl cluster sync', or replace it";
  }
  return text;
}

Json TypeChangeJson(const hsmcore::TypeChangeReport& change) {
  return {{"from", change.from},
          {"to", change.to},
          {"rolled-back", change.rolled_back},
          {"backups", change.backups},
          {"lost", change.losses.lost},
          {"changed", change.losses.changed},
          {"returned", change.losses.returned},
          {"problems", change.problems}};
}

Json HsmJson(const HsmDescription& hsm) {
  return {{"hsm-id", hsm.id},         {"availability-zone", hsm.zone},
          {"hsm-type", hsm.type},     {"state", hsm.state},
          {"problem", hsm.problem},   {"path", hsm.path.string()},
          {"revision", hsm.revision}, {"keys", hsm.keys},
          {"users", hsm.users},       {"operations", hsm.operations},
          {"errors", hsm.errors}};
}

Json ClusterJson(const ClusterDescription& cluster) {
  const bool in_fips_mode = cluster.mode == ClusterMode::kFips;
  Json hsms = Json::array();
  for (const HsmDescription& hsm : cluster.hsms) hsms.push_back(HsmJson(hsm));
  return {{"cluster-id", cluster.id},
          {"audit-public-key", cluster.root.empty() ? Json() : Json(Hex(cluster.root))},
          {"state", cluster.state},
          {"hsm-type", cluster.type},
          {"hsm-type-change", TypeChangeJson(cluster)},
          {"zeroization", ZeroizationJson(cluster)},
          {"mode", NameOf(cluster.mode)},
          {"fips-module", in_fips_mode ? Json(cluster.fips_module.Summary()) : Json()},
          {"fips-module-problem", cluster.fips_module.problem},
          {"ml-dsa", cluster.switches.ml_dsa},
          {"ecdsa-with-weak-hash-function", cluster.switches.ecdsa_with_weak_hash},
          {"create-timestamp", cluster.created},
          {"revision", cluster.revision},
          {"key-availability-check", cluster.key_availability_check},
          {"home", cluster.home.string()},
          {"source-backup-id", cluster.source_backup},
          {"newest-backup", NewestBackupJson(cluster)},
          {"certificates",
           {{"cluster-csr", cluster.csr},
            {"cluster-certificate", cluster.certificate},
            {"trust-anchor", cluster.trust_anchor}}},
          {"owner", cluster.owner},
          {"owner-proved", cluster.owner_proved},
          {"quotas", QuotasJson(cluster)},
          {"hsms", std::move(hsms)}};
}

std::string HsmTable(const std::vector<HsmDescription>& hsms) {
  Table table(
      {"HSM", "ZONE", "STATE", "REVISION", "KEYS", "USERS", "OPERATIONS", "ERRORS", "PATH"});
  std::string problems;
  const bool mixed = IsMixed(hsms);
  for (const HsmDescription& hsm : hsms) {
    const std::string state = mixed ? hsm.state + ", " + hsm.type : hsm.state;
    table.AddRow({hsm.id, hsm.zone, state, std::to_string(hsm.revision), std::to_string(hsm.keys),
                  std::to_string(hsm.users), std::to_string(hsm.operations),
                  std::to_string(hsm.errors), hsm.path.string()});
    if (!hsm.problem.empty()) problems += "\n" + hsm.id + ": " + hsm.problem + "\n";
  }
  return table.ToString() + problems;
}

std::string ClusterText(const ClusterDescription& cluster) {
  Table summary({"Cluster", cluster.id});
  if (!cluster.root.empty()) summary.AddRow({"Audit key", Hex(cluster.root)});
  summary.AddRow({"State", cluster.state});
  if (!cluster.type.empty()) summary.AddRow({"Type", cluster.type});
  if (IsTypeChanging(cluster)) summary.AddRow({"Type change", TypeChangeText(cluster)});
  if (cluster.zeroization) summary.AddRow({"Zeroized", ZeroizationText(cluster)});
  summary.AddRow({"Mode", ModeText(cluster)});
  if (cluster.mode == ClusterMode::kFips) {
    summary.AddRow({"FIPS module", FipsModuleText(cluster.fips_module)});
  }
  // Before activation and without HSMs there is nothing to look into.
  if (cluster.created != 0) AddContent(cluster, summary);
  if (!cluster.key_availability_check) {
    summary.AddRow({"Availability", "the check is off: new keys need one HSM only"});
  }
  summary.AddRow({"Home", cluster.home.string()});
  if (!cluster.owner.empty()) summary.AddRow({"Owner", OwnerText(cluster)});
  if (!cluster.source_backup.empty()) summary.AddRow({"Made from", cluster.source_backup});
  return summary.ToString() + "\n" + HsmTable(cluster.hsms);
}

}  // namespace hsmctl
