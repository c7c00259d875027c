// SPDX-License-Identifier: Apache-2.0
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "cluster_view.h"
#include "command.h"
#include "files.h"
#include "hsmcore/backup.h"
#include "hsmcore/cluster.h"
#include "hsmcore/cluster_setup.h"
#include "password.h"
#include "progress.h"
#include "token_file.h"

namespace hsmctl {
namespace {

using hsmcore::ClusterDescription;
using hsmcore::ClusterMode;
using hsmcore::ClusterOptions;
using hsmcore::ClusterPtr;
using hsmcore::ErrorCode;
using hsmcore::Fail;
using hsmcore::Result;
using hsmcore::Status;

struct CreateOptions {
  std::optional<unsigned> hsms;
  std::vector<std::string> hsm_paths;
  std::vector<std::string> zones;
  unsigned retention_days = 0;
  bool uninitialized = false;
  std::string mode = "non-fips";
  hsmcore::ModeSwitches switches;
  std::string type;
  std::string admin;
  std::optional<std::string> password_source;
  std::string cost;
  std::string source_backup;
};

struct ModifyOptions {
  hsmcore::TypeChangeOptions type_change;
  std::optional<unsigned> retention_days;
  std::optional<unsigned> unlock_after;
  bool enable_backups = false;
  bool disable_backups = false;
  bool enable_check = false;
  bool disable_check = false;
  std::vector<std::string> approval;
};

struct DescribeOptions {
  bool verify = false;
};

Report DescriptionReport(const ClusterDescription& cluster) {
  return {.data = ClusterJson(cluster), .text = ClusterText(cluster), .note = {}};
}

Result<ClusterOptions> ToClusterOptions(const Context& context, const CreateOptions& given) {
  ClusterOptions options;
  HSMCORE_TRY(options.home, context.Home());
  for (const std::string& path : given.hsm_paths) {
    if (path.empty()) return Fail(ErrorCode::kInvalidArgument, "--hsm-path has no directory");
    options.hsm_paths.push_back(AbsolutePath(path));
  }
  if (!options.hsm_paths.empty()) options.hsms = static_cast<unsigned>(options.hsm_paths.size());
  if (!given.zones.empty() && !given.hsms && options.hsm_paths.empty()) {
    options.hsms = static_cast<unsigned>(given.zones.size());
  }
  options.zones = given.zones;
  options.retention_days = given.retention_days;
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

// The users, the mode and all that is signed come from the backup.
Result<Report> CreateFromBackup(const Context& context, const CreateOptions& given,
                                const ClusterOptions& options) {
  HSMCORE_TRY(const hsmcore::Credential admin, context.FindCredential(context.login()));
  HSMCORE_TRY(const ClusterPtr cluster,
              hsmcore::Cluster::CreateFromBackup(options, AbsolutePath(given.source_backup), admin,
                                                 ProgressBar("Restoring")));
  HSMCORE_TRY(const ClusterDescription description, cluster->Describe(false));
  Report report = DescriptionReport(description);
  report.note = "users, passwords and key references are those of the backup";
  return report;
}

// The first of the steps that end with 'cluster activate'.
Result<Report> CreateFirstStep(const ClusterOptions& options) {
  HSMCORE_TRY(const ClusterDescription description, hsmcore::CreateUninitialized(options));
  Report report = DescriptionReport(description);
  report.note = "next: hsmctl hsm create --zone ZONE, then hsmctl cluster csr";
  return report;
}

Result<Report> Create(const Context& context, const CreateOptions& given) {
  HSMCORE_TRY(ClusterOptions options, ToClusterOptions(context, given));
  if (given.uninitialized) return CreateFirstStep(options);
  if (!given.source_backup.empty()) return CreateFromBackup(context, given, options);
  HSMCORE_TRY(options.admin_password, NewPassword(given.password_source, options.admin));
  HSMCORE_TRY(const ClusterPtr cluster, hsmcore::Cluster::Create(options));
  HSMCORE_TRY(const ClusterDescription description, cluster->Describe(false));
  Report report = DescriptionReport(description);
  report.note =
      "next: hsmctl --user " + options.admin + " user create --username NAME --role crypto-user";
  if (description.hsms.size() == 1) {
    report.note +=
        "\none HSM, on purpose: keys need no second one to be used, and are lost with its disk up "
        "to "
        "the newest backup";
  }
  // The cluster is made, whatever becomes of this.
  if (const auto backup = cluster->CreateBackup({}); !backup) {
    report.note += "\nno backup could be made of it: " + backup.error().Message();
  }
  return report;
}

Result<Report> Describe(const Context& context, const DescribeOptions& given) {
  HSMCORE_TRY(const auto home, context.Home());
  HSMCORE_TRY(const ClusterDescription description, hsmcore::DescribeCluster(home, given.verify));
  return DescriptionReport(description);
}

// What was changed so far, for people and for programs.
struct Changes {
  std::string message;
  Json data = Json::object();

  void Add(const char* name, Json value, const std::string& text) {
    message += (message.empty() ? "" : "\n") + text;
    data[name] = std::move(value);
  }
};

std::string UnlockText(unsigned minutes) {
  if (minutes == 0) return "A locked user stays locked until an admin unlocks him";
  return "A locked user is free again after " + std::to_string(minutes) + " minutes";
}

Status ModifyBackups(hsmcore::Session& session, const ModifyOptions& given,
                     const Approval& approval, Changes& changes) {
  if (given.retention_days) {
    HSMCORE_CHECK(session.SetBackupRetention(*given.retention_days, approval.token()));
    changes.Add("backup-retention-days", *given.retention_days,
                "Backups are kept for " + std::to_string(*given.retention_days) + " days");
  }
  if (!given.enable_backups && !given.disable_backups) return {};
  HSMCORE_CHECK(session.SetAutomaticBackups(given.enable_backups, approval.token()));
  changes.Add("automatic-backups", given.enable_backups,
              given.enable_backups ? "There is a backup every day" : "There are no daily backups");
  return {};
}

Status ModifyRules(hsmcore::Session& session, const ModifyOptions& given, const Approval& approval,
                   Changes& changes) {
  if (given.enable_check || given.disable_check) {
    HSMCORE_CHECK(session.SetKeyAvailabilityCheck(given.enable_check, approval.token()));
    changes.Add("key-availability-check", given.enable_check,
                given.enable_check ? "New keys need two HSMs" : "New keys need one HSM");
  }
  if (!given.unlock_after) return {};
  HSMCORE_CHECK(session.SetUnlockAfter(*given.unlock_after, approval.token()));
  changes.Add("unlock-after-minutes", *given.unlock_after, UnlockText(*given.unlock_after));
  return {};
}

Result<Report> Modify(const Context& context, const ModifyOptions& given) {
  HSMCORE_TRY(const ClusterPtr cluster, context.OpenCluster());
  HSMCORE_TRY(const auto session, context.Login(*cluster, context.login(), hsmcore::Role::kAdmin));
  HSMCORE_TRY(const Approval approval, Approval::Read(given.approval));
  Changes changes;
  HSMCORE_CHECK(ModifyBackups(*session, given, approval, changes));
  HSMCORE_CHECK(ModifyRules(*session, given, approval, changes));
  if (!given.type_change.type.empty()) {
    HSMCORE_TRY(
        const hsmcore::TypeChangeReport change,
        session->ChangeType(given.type_change, ProgressBar("Changing the type"), approval.token()));
    changes.Add("hsm-type-change", TypeChangeJson(change), TypeChangeText(change));
  }
  return MessageReport(changes.message, changes.data);
}

Result<Report> Sync(const Context& context) {
  HSMCORE_TRY(const auto home, context.Home());
  HSMCORE_CHECK(hsmcore::Cluster::RestoreGeneration(home));
  HSMCORE_TRY(const bool mode, hsmcore::Cluster::RestoreMode(home));
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
  app->add_option("--zone", options->zones, "A zone for each HSM (zone-1, zone-2, ...)")
      ->type_name("ZONE");
  app->add_option("--mode", options->mode, "Fixed for good (non-fips)")
      ->check(CLI::IsMember({"fips", "non-fips"}))
      ->type_name("MODE");
  app->add_flag("!--disable-ml-dsa", options->switches.ml_dsa,
                "FIPS mode: refuse ML-DSA keys (CloudHSM before September 2026)");
  app->add_flag("--enable-ecdsa-with-weak-hash-function", options->switches.ecdsa_with_weak_hash,
                "FIPS mode: let ECDSA sign with a digest weaker than the key");
  app->add_option("--type", options->type,
                  "Decides the quotas: hsm1.medium, hsm2m.medium or unlimited (hsm2m.medium)")
      ->type_name("TYPE");
  CLI::Option* retention =
      app->add_option("--backup-retention-days", options->retention_days, "7 to 379 (90)")
          ->type_name("DAYS");
  CLI::Option* uninitialized = app->add_flag(
      "--uninitialized", options->uninitialized,
      "Only the first step: without HSMs and admin, for an owner with a CA (docs/cluster.md)");
  app->add_option("--admin", options->admin, "Name of the first admin (admin)")->type_name("NAME");
  app->add_option("--password-source", options->password_source, "The admin's password")
      ->type_name("file:PATH");
  app->add_option("--password-hash-cost", options->cost,
                  "What a guess at a password costs; low is for test stands (interactive)")
      ->check(CLI::IsMember({"low", "interactive", "moderate", "sensitive"}))
      ->type_name("COST");
  CLI::Option* source =
      app->add_option("--source-backup", options->source_backup,
                      "Make a clone from a backup's file; an admin of the backup logs in")
          ->type_name("FILE");
  for (const char* decided :
       {"--mode", "--disable-ml-dsa", "--type", "--admin", "--enable-ecdsa-with-weak-hash-function",
        "--password-source", "--password-hash-cost"}) {
    source->excludes(app->get_option(decided));
  }
  source->excludes(retention);
  source->excludes(uninitialized);
  for (const char* later : {"--hsms", "--hsm-path", "--zone", "--admin", "--password-source"}) {
    uninitialized->excludes(app->get_option(later));
  }
}

}  // namespace

void AddClusterCommands(CLI::App& parent, SelectedCommand& selected) {
  CLI::App* group = AddGroup(parent, {.name = "cluster",
                                      .description = "Make, describe and repair a cluster",
                                      .example = "hsmctl cluster describe"});
  AddCreate(*group, selected);
  AddClusterSetupCommands(*group, selected);
  AddClusterListCommand(*group, selected);
  AddZeroizeCommand(*group, selected);
  const auto [app, options] =
      AddCommand<DescribeOptions>(*group, selected,
                                  {.name = "describe",
                                   .description = "Shows the cluster and the state of each HSM",
                                   .example = "hsmctl cluster describe --verify"},
                                  Describe);
  app->add_flag("--verify", options->verify, "Also compare the HSMs record by record");
  const auto modify = AddCommand<ModifyOptions>(
      *group, selected,
      {.name = "modify",
       .description = "Changes settings of the cluster; takes an admin",
       .example = "hsmctl --user admin cluster modify --backup-retention-days 30"},
      Modify);
  CLI::Option_group* const settings = modify.app->add_option_group("settings");
  settings->require_option(1, 0);
  settings
      ->add_option("--backup-retention-days", modify.options->retention_days,
                   "How long backups are kept, 7 to 379 (90)")
      ->type_name("DAYS");
  CLI::Option* const backups =
      settings->add_flag("--enable-automatic-backups", modify.options->enable_backups,
                         "Whoever uses the cluster makes its daily backup, as unless changed");
  settings
      ->add_flag("--disable-automatic-backups", modify.options->disable_backups,
                 "No daily backup; those of activation, HSMs that come and go, and changes of the "
                 "type stay")
      ->excludes(backups);
  // Not one flag with two names: CLI11 sets it to false when another setting is given.
  CLI::Option* const enable =
      settings->add_flag("--enable-key-availability-check", modify.options->enable_check,
                         "A new key needs two HSMs, as it does unless changed");
  settings
      ->add_flag("--disable-key-availability-check", modify.options->disable_check,
                 "A new key needs one HSM, and may be lost with its disk until the next backup")
      ->excludes(enable);
  settings
      ->add_option("--unlock-after", modify.options->unlock_after,
                   "A user locked by wrong passwords is free again after so many minutes; 0: an "
                   "admin unlocks him, as unless changed")
      ->type_name("MINUTES");
  CLI::Option* type =
      settings
          ->add_option("--type", modify.options->type_change.type,
                       "Of the HSMs: to a larger one, or back to the one before within 24 hours of "
                       "the start; also goes on with a change that was cut short")
          ->type_name("TYPE");
  modify.app
      ->add_flag("--yes", modify.options->type_change.accept_losses,
                 "Go back to the type before though that loses keys or users")
      ->needs(type);
  modify.app
      ->add_flag("--keep-new", modify.options->type_change.keep_new,
                 "Keep the keys and users made since, when going back")
      ->needs(type);
  AddApprovalOption(*modify.app, modify.options->approval);
  AddPlainCommand(*group, selected,
                  {.name = "sync",
                   .description = "Repairs every HSM that is out of sync, damaged or empty",
                   .example = "hsmctl cluster sync"},
                  Sync);
}

}  // namespace hsmctl
