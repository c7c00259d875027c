// SPDX-License-Identifier: Apache-2.0
// The steps between 'cluster create --uninitialized' and a cluster that works, and its end.
#include <optional>
#include <string>

#include "cluster_view.h"
#include "command.h"
#include "files.h"
#include "hsmcore/backup.h"
#include "hsmcore/cluster_setup.h"
#include "password.h"

namespace hsmctl {
namespace {

using hsmcore::ClusterDescription;
using hsmcore::ClusterPtr;
using hsmcore::ErrorCode;
using hsmcore::Fail;
using hsmcore::Result;

struct InitializeOptions {
  std::string certificate;
  std::string trust_anchor;
};

struct ActivateOptions {
  std::string admin = "admin";
  std::optional<std::string> password_source;
};

Result<Report> Csr(const Context& context) {
  HSMCORE_TRY(const auto home, context.Home());
  HSMCORE_TRY(const ClusterDescription cluster, hsmcore::DescribeCluster(home, false));
  if (cluster.csr.empty()) {
    return Fail(ErrorCode::kClusterState,
                "the cluster is " + cluster.state +
                    " and has no CSR: its first HSM makes it ('hsmctl hsm create'), and there is "
                    "one until the cluster is activated");
  }
  return Report{.data = {{"cluster-csr", cluster.csr}}, .text = cluster.csr, .note = {}};
}

Result<Report> Initialize(const Context& context, const InitializeOptions& given) {
  HSMCORE_TRY(const std::string certificate, ReadTextFile(given.certificate));
  HSMCORE_TRY(const std::string trust_anchor, ReadTextFile(given.trust_anchor));
  HSMCORE_TRY(const auto home, context.Home());
  HSMCORE_TRY(const ClusterDescription cluster,
              hsmcore::InitializeCluster(home, certificate, trust_anchor));
  return Report{.data = ClusterJson(cluster),
                .text = ClusterText(cluster),
                .note = "next: hsmctl cluster activate"};
}

Result<Report> Activate(const Context& context, const ActivateOptions& given) {
  HSMCORE_TRY(const hsmcore::SecretBytes password, NewPassword(given.password_source, given.admin));
  HSMCORE_TRY(const auto home, context.Home());
  HSMCORE_TRY(const ClusterPtr cluster, hsmcore::ActivateCluster(home, given.admin, password));
  HSMCORE_TRY(const ClusterDescription description, cluster->Describe(false));
  Report report{.data = ClusterJson(description), .text = ClusterText(description), .note = {}};
  report.note =
      "next: hsmctl --user " + given.admin + " user create --username NAME --role crypto-user";
  // The cluster is active, whatever becomes of this.
  if (const auto backup = cluster->CreateBackup({}); !backup) {
    report.note += "\nno backup could be made of it: " + backup.error().Message();
  }
  return report;
}

Result<Report> Delete(const Context& context) {
  HSMCORE_TRY(const auto home, context.Home());
  HSMCORE_CHECK(hsmcore::DeleteCluster(home));
  return MessageReport("Deleted the cluster; its backups stay", {{"state", "DELETED"}});
}

}  // namespace

void AddClusterSetupCommands(CLI::App& group, SelectedCommand& selected) {
  AddPlainCommand(group, selected,
                  {.name = "csr",
                   .description = "Shows the CSR of a new cluster, for the owner's CA to sign",
                   .example = "hsmctl cluster csr > cluster.csr"},
                  Csr);
  const auto initialize = AddCommand<InitializeOptions>(
      group, selected,
      {.name = "initialize",
       .description = "Takes over the certificate that the owner's CA gave for the CSR",
       .example = "hsmctl cluster initialize --signed-cert cluster.crt --trust-anchor ca.crt"},
      Initialize);
  initialize.app
      ->add_option("--signed-cert", initialize.options->certificate,
                   "The cluster's certificate, PEM")
      ->required()
      ->type_name("FILE");
  initialize.app
      ->add_option("--trust-anchor", initialize.options->trust_anchor,
                   "The self-signed certificate of the CA, PEM")
      ->required()
      ->type_name("FILE");
  const auto activate =
      AddCommand<ActivateOptions>(group, selected,
                                  {.name = "activate",
                                   .description = "Makes the first admin and sets his password",
                                   .example = "hsmctl cluster activate --admin admin"},
                                  Activate);
  activate.app->add_option("--admin", activate.options->admin, "His name (admin)")
      ->type_name("NAME");
  activate.app
      ->add_option("--password-source", activate.options->password_source, "The admin's password")
      ->type_name("file:PATH");
  AddPlainCommand(group, selected,
                  {.name = "delete",
                   .description = "Removes a cluster that has no HSM; its backups stay",
                   .example = "hsmctl cluster delete"},
                  Delete);
}

}  // namespace hsmctl
