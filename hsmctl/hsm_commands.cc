// SPDX-License-Identifier: Apache-2.0
#include <string>

#include "cluster_view.h"
#include "command.h"
#include "files.h"
#include "hsmcore/backup.h"
#include "hsmcore/cluster.h"
#include "hsmcore/cluster_setup.h"
#include "progress.h"

namespace hsmctl {
namespace {

using hsmcore::ClusterDescription;
using hsmcore::ClusterPtr;
using hsmcore::HsmDescription;
using hsmcore::Result;

struct CreateOptions {
  std::string zone;
  std::string path;
};

struct HsmOptions {
  std::string id;
};

struct DeleteOptions {
  std::string id;
  bool also_last = false;
};

Report HsmReport(const HsmDescription& hsm) {
  return {.data = {{"hsm", HsmJson(hsm)}}, .text = HsmTable({hsm}), .note = {}};
}

Result<Report> Create(const Context& context, const CreateOptions& given) {
  hsmcore::HsmOptions options;
  options.zone = given.zone;
  if (!given.path.empty()) options.directory = AbsolutePath(given.path);
  HSMCORE_TRY(const auto home, context.Home());
  HSMCORE_TRY(const HsmDescription hsm,
              hsmcore::AddHsm(
                  home, options, [&] { return context.FindCredential(context.login()); },
                  ProgressBar("Restoring")));
  Report report = HsmReport(hsm);
  HSMCORE_TRY(const ClusterDescription description, hsmcore::DescribeCluster(home, false));
  if (!description.csr.empty()) {
    report.note = description.certificate.empty()
                      ? "next: hsmctl cluster csr, then hsmctl cluster initialize"
                      : "next: hsmctl cluster activate";
    return report;
  }
  // The HSM is there, whatever becomes of this.
  HSMCORE_TRY(const ClusterPtr cluster, context.OpenCluster());
  if (const auto backup = cluster->CreateBackup({}); !backup) {
    report.note = "no backup could be made: " + backup.error().Message();
  }
  return report;
}

Result<Report> Delete(const Context& context, const DeleteOptions& given) {
  HSMCORE_TRY(const auto home, context.Home());
  HSMCORE_CHECK(hsmcore::RemoveHsm(home, given.id, given.also_last));
  HSMCORE_TRY(const ClusterDescription left, hsmcore::DescribeCluster(home, false));
  Report report = MessageReport("Deleted " + given.id, {{"hsm-id", given.id}});
  if (left.hsms.empty()) {
    report.note =
        "the cluster has no HSM: 'hsmctl hsm create' brings the newest backup back, 'hsmctl "
        "cluster delete' removes the cluster";
  } else if (left.hsms.size() == 1) {
    report.note =
        "one HSM is left: what is made from now on is lost with its disk until the next "
        "backup; 'hsmctl hsm create' makes another";
  }
  return report;
}

Result<Report> List(const Context& context) {
  HSMCORE_TRY(const auto home, context.Home());
  HSMCORE_TRY(const ClusterDescription description, hsmcore::DescribeCluster(home, false));
  Json list = Json::array();
  for (const HsmDescription& hsm : description.hsms) list.push_back(HsmJson(hsm));
  return Report{
      .data = {{"hsms", std::move(list)}}, .text = HsmTable(description.hsms), .note = {}};
}

Result<Report> Stop(const Context& context, const HsmOptions& given) {
  HSMCORE_TRY(const ClusterPtr cluster, context.OpenCluster());
  HSMCORE_TRY(const HsmDescription hsm, cluster->StopHsm(given.id));
  return HsmReport(hsm);
}

Result<Report> Start(const Context& context, const HsmOptions& given) {
  HSMCORE_TRY(const ClusterPtr cluster, context.OpenCluster());
  HSMCORE_TRY(const HsmDescription hsm, cluster->StartHsm(given.id));
  return HsmReport(hsm);
}

void AddOneHsm(CLI::App& group, SelectedCommand& selected, const CommandText& text,
               Result<Report> (*run)(const Context&, const HsmOptions&)) {
  const auto [app, options] = AddCommand<HsmOptions>(group, selected, text, run);
  app->add_option("--hsm-id", options->id, "Which HSM, as 'hsm list' shows it")
      ->required()
      ->type_name("ID");
}

}  // namespace

void AddHsmCommands(CLI::App& parent, SelectedCommand& selected) {
  CLI::App* group = AddGroup(parent, {.name = "hsm",
                                      .description = "Add, remove, stop and start HSMs",
                                      .example = "hsmctl hsm list"});
  const auto [app, options] = AddCommand<CreateOptions>(
      *group, selected,
      {.name = "create",
       .description = "Adds an HSM and fills it from the others while they serve",
       .example = "hsmctl hsm create --zone rack-2 --path /disk4/hsm"},
      Create);
  app->add_option("--zone", options->zone, "Where it is, for people (the first free zone-N)")
      ->type_name("ZONE");
  app->add_option("--path", options->path, "Its directory, best on a disk of its own")
      ->type_name("DIR");
  const auto remove = AddCommand<DeleteOptions>(
      *group, selected,
      {.name = "delete",
       .description = "Removes an HSM after a backup; its disk may be gone",
       .example = "hsmctl hsm delete --hsm-id hsm-..."},
      Delete);
  remove.app->add_option("--hsm-id", remove.options->id, "Which HSM, as 'hsm list' shows it")
      ->required()
      ->type_name("ID");
  remove.app->add_flag("--last", remove.options->also_last,
                       "Also when it is the only one; what it holds is in backups only then");
  AddPlainCommand(*group, selected,
                  {.name = "list",
                   .description = "Lists the HSMs with their state",
                   .example = "hsmctl hsm list --output json"},
                  List);
  AddOneHsm(*group, selected,
            {.name = "stop",
             .description = "Takes an HSM out of service on purpose, as for work on its disk",
             .example = "hsmctl hsm stop --hsm-id hsm-..."},
            Stop);
  AddOneHsm(*group, selected,
            {.name = "start",
             .description = "Brings a stopped HSM up to date and back into service",
             .example = "hsmctl hsm start --hsm-id hsm-..."},
            Start);
}

}  // namespace hsmctl
