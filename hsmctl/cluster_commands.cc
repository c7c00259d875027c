// SPDX-License-Identifier: Apache-2.0
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "command.h"
#include "files.h"
#include "hsmcore/cluster.h"
#include "password.h"

namespace hsmctl {
namespace {

using hsmcore::ClusterDescription;
using hsmcore::ClusterMode;
using hsmcore::ClusterOptions;
using hsmcore::ClusterPtr;
using hsmcore::ErrorCode;
using hsmcore::Fail;
using hsmcore::HsmDescription;
using hsmcore::Result;

struct CreateOptions {
  std::optional<unsigned> hsms;
  std::vector<std::string> hsm_paths;
  std::string mode = "non-fips";
  hsmcore::ModeSwitches switches;
  std::string type;
  std::string admin;
  std::optional<std::string> password_source;
  std::string cost;
};

struct DescribeOptions {
  bool verify = false;
};

Json HsmJson(const HsmDescription& hsm) {
  return {{"hsm-id", hsm.id},          {"availability-zone", hsm.zone},
          {"state", hsm.state},        {"problem", hsm.problem},
          {"path", hsm.path.string()}, {"revision", hsm.revision},
          {"keys", hsm.keys},          {"users", hsm.users}};
}

Json ClusterJson(const ClusterDescription& cluster) {
  const bool in_fips_mode = cluster.mode == ClusterMode::kFips;
  Json hsms = Json::array();
  for (const HsmDescription& hsm : cluster.hsms) hsms.push_back(HsmJson(hsm));
  return {{"cluster-id", cluster.id},
          {"state", cluster.state},
          {"hsm-type", cluster.type},
          {"mode", NameOf(cluster.mode)},
          {"fips-module", in_fips_mode ? Json(cluster.fips_module.Summary()) : Json()},
          {"fips-module-problem", cluster.fips_module.problem},
          {"ml-dsa", cluster.switches.ml_dsa},
          {"ecdsa-with-weak-hash-function", cluster.switches.ecdsa_with_weak_hash},
          {"create-timestamp", cluster.created},
          {"revision", cluster.revision},
          {"home", cluster.home.string()},
          {"hsms", std::move(hsms)}};
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

std::string ClusterText(const ClusterDescription& cluster) {
  Table summary({"Cluster", cluster.id});
  summary.AddRow({"State", cluster.state});
  summary.AddRow({"Type", cluster.type});
  summary.AddRow({"Mode", ModeText(cluster)});
  if (cluster.mode == ClusterMode::kFips) {
    summary.AddRow({"FIPS module", FipsModuleText(cluster.fips_module)});
  }
  summary.AddRow({"Created", TimeText(cluster.created)});
  summary.AddRow({"Revision", std::to_string(cluster.revision)});
  summary.AddRow({"Home", cluster.home.string()});
  Table hsms({"HSM", "ZONE", "STATE", "REVISION", "KEYS", "USERS", "PATH"});
  std::string problems;
  for (const HsmDescription& hsm : cluster.hsms) {
    hsms.AddRow({hsm.id, hsm.zone, hsm.state, std::to_string(hsm.revision),
                 std::to_string(hsm.keys), std::to_string(hsm.users), hsm.path.string()});
    if (!hsm.problem.empty()) problems += "\n" + hsm.id + ": " + hsm.problem + "\n";
  }
  return summary.ToString() + "\n" + hsms.ToString() + problems;
}

Report DescriptionReport(const ClusterDescription& cluster) {
  return {.data = ClusterJson(cluster), .text = ClusterText(cluster), .note = {}};
}

Result<ClusterOptions> ToClusterOptions(const Context& context, const CreateOptions& given) {
  ClusterOptions options;
  options.home = context.Home();
  for (const std::string& path : given.hsm_paths) {
    if (path.empty()) return Fail(ErrorCode::kInvalidArgument, "--hsm-path has no directory");
    options.hsm_paths.push_back(AbsolutePath(path));
  }
  if (!options.hsm_paths.empty()) options.hsms = static_cast<unsigned>(options.hsm_paths.size());
  if (given.hsms) options.hsms = *given.hsms;
  if (!options.hsm_paths.empty() && options.hsms != options.hsm_paths.size()) {
    return Fail(ErrorCode::kInvalidArgument,
                "--hsms " + std::to_string(options.hsms) + " needs as many --hsm-path, or none");
  }
  options.mode = given.mode == "fips" ? ClusterMode::kFips : ClusterMode::kNonFips;
  if (options.mode != ClusterMode::kFips && given.switches != hsmcore::ModeSwitches()) {
    return Fail(ErrorCode::kInvalidArgument,
                "--disable-ml-dsa and --enable-ecdsa-with-weak-hash-function are for --mode fips");
  }
  options.switches = given.switches;
  if (!given.type.empty()) options.type = given.type;
  if (!given.admin.empty()) options.admin = given.admin;
  if (!given.cost.empty()) options.cost = *hsmcore::PasswordCostByName(given.cost);
  return options;
}

Result<Report> Create(const Context& context, const CreateOptions& given) {
  HSMCORE_TRY(ClusterOptions options, ToClusterOptions(context, given));
  HSMCORE_TRY(options.admin_password, NewPassword(given.password_source, options.admin));
  HSMCORE_TRY(const ClusterPtr cluster, hsmcore::Cluster::Create(options));
  HSMCORE_TRY(const ClusterDescription description, cluster->Describe(false));
  Report report = DescriptionReport(description);
  report.note =
      "next: hsmctl --user " + options.admin + " user create --username NAME --role crypto-user";
  return report;
}

Result<Report> Describe(const Context& context, const DescribeOptions& given) {
  HSMCORE_TRY(const ClusterPtr cluster, context.OpenCluster());
  HSMCORE_TRY(const ClusterDescription description, cluster->Describe(given.verify));
  return DescriptionReport(description);
}

Result<Report> Sync(const Context& context) {
  HSMCORE_CHECK(hsmcore::Cluster::RestoreGeneration(context.Home()));
  HSMCORE_TRY(const bool mode, hsmcore::Cluster::RestoreMode(context.Home()));
  HSMCORE_TRY(const ClusterPtr cluster, context.OpenCluster());
  HSMCORE_TRY(const std::vector<std::string> repaired, cluster->Sync());
  std::string message = repaired.empty() ? "Every HSM was in sync" : "Repaired";
  for (const std::string& id : repaired) message += " " + id;
  if (mode) message += "; cluster.json has the mode again that was signed";
  return MessageReport(message, {{"repaired", repaired}, {"mode-restored", mode}});
}

void AddCreate(CLI::App& group, SelectedCommand& selected) {
  const auto [app, options] = AddCommand<CreateOptions>(
      group, selected,
      {.name = "create",
       .description = "Makes a cluster with one admin",
       .example = "hsmctl --home /var/lib/hsm cluster create --hsm-path /disk1/hsm "
                  "--hsm-path /disk2/hsm"},
      Create);
  app->add_option("--hsms", options->hsms, "How many HSMs, 1 to 28 (3)")->type_name("N");
  app->add_option("--hsm-path", options->hsm_paths,
                  "A directory for each HSM, best on a disk of its own (below the home)")
      ->type_name("DIR");
  app->add_option("--mode", options->mode, "Fixed for good (non-fips)")
      ->check(CLI::IsMember({"fips", "non-fips"}))
      ->type_name("MODE");
  app->add_flag("!--disable-ml-dsa", options->switches.ml_dsa,
                "FIPS mode: refuse ML-DSA keys (CloudHSM before September 2026)");
  app->add_flag("--enable-ecdsa-with-weak-hash-function", options->switches.ecdsa_with_weak_hash,
                "FIPS mode: let ECDSA sign with a digest weaker than the key");
  app->add_option("--type", options->type, "HSM type (hsm2m.medium)")->type_name("TYPE");
  app->add_option("--admin", options->admin, "Name of the first admin (admin)")->type_name("NAME");
  app->add_option("--password-source", options->password_source, "The admin's password")
      ->type_name("file:PATH");
  app->add_option("--password-hash-cost", options->cost,
                  "What a guess at a password costs; low is for test stands (interactive)")
      ->check(CLI::IsMember({"low", "interactive", "moderate", "sensitive"}))
      ->type_name("COST");
}

}  // namespace

void AddClusterCommands(CLI::App& parent, SelectedCommand& selected) {
  CLI::App* group = AddGroup(parent, {.name = "cluster",
                                      .description = "Make, describe and repair a cluster",
                                      .example = "hsmctl cluster describe"});
  AddCreate(*group, selected);
  const auto [app, options] =
      AddCommand<DescribeOptions>(*group, selected,
                                  {.name = "describe",
                                   .description = "Shows the cluster and the state of each HSM",
                                   .example = "hsmctl cluster describe --verify"},
                                  Describe);
  app->add_flag("--verify", options->verify, "Also compare the HSMs record by record");
  AddPlainCommand(*group, selected,
                  {.name = "sync",
                   .description = "Repairs every HSM that is out of sync, damaged or empty",
                   .example = "hsmctl cluster sync"},
                  Sync);
}

}  // namespace hsmctl
