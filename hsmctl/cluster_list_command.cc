// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <string>
#include <vector>

#include "command.h"
#include "hsmcore/cluster_list.h"
#include "hsmcore/cluster_setup.h"

namespace hsmctl {
namespace {

using hsmcore::ClusterDescription;
using hsmcore::ClusterList;
using hsmcore::ListedCluster;
using hsmcore::Result;

// The list, and before it the cluster that is used where none is named, when that is none of it.
std::vector<ListedCluster> All(const ClusterList& list, const ListedCluster& usual) {
  std::vector<ListedCluster> all = list.clusters();
  const bool listed = std::ranges::any_of(
      all, [&usual](const ListedCluster& cluster) { return cluster.home == usual.home; });
  if (!listed && hsmcore::ClusterIdAt(usual.home)) all.insert(all.begin(), usual);
  return all;
}

Result<Report> List(const Context&) {
  HSMCORE_TRY(const ClusterList list, ClusterList::Read());
  HSMCORE_TRY(const ListedCluster usual, hsmcore::DefaultCluster());
  const std::vector<ListedCluster> all = All(list, usual);
  Table table({"NAME", "CLUSTER", "STATE", "TYPE", "MODE", "HOME"});
  Json clusters = Json::array();
  std::string problems;
  for (const ListedCluster& cluster : all) {
    const bool is_default = cluster.home == usual.home;
    const Result<ClusterDescription> found = hsmcore::DescribeCluster(cluster.home, false);
    const std::string problem = found ? "" : found.error().Message();
    const ClusterDescription seen = found ? *found : ClusterDescription{};
    const std::string mode = found ? NameOf(seen.mode) : "";
    table.AddRow({(cluster.name.empty() ? "-" : cluster.name) + (is_default ? " (default)" : ""),
                  found ? seen.id : "-", found ? seen.state : "-", seen.type, mode,
                  cluster.home.string()});
    if (!found) problems += "\n" + cluster.home.string() + ": " + problem + "\n";
    clusters.push_back({{"name", cluster.name},
                        {"default", is_default},
                        {"cluster-id", seen.id},
                        {"state", seen.state},
                        {"hsm-type", seen.type},
                        {"mode", mode},
                        {"home", cluster.home.string()},
                        {"problem", problem}});
  }
  return Report{.data = {{"file", list.file().string()}, {"clusters", std::move(clusters)}},
                .text = all.empty() ? "No clusters in " + list.file().string() + ", and none at " +
                                          usual.home.string() + "\n"
                                    : table.ToString() + problems,
                .note = {}};
}

}  // namespace

void AddClusterListCommand(CLI::App& group, SelectedCommand& selected) {
  AddPlainCommand(group, selected,
                  {.name = "list",
                   .description = "Lists the clusters that this machine knows by name",
                   .example = "hsmctl cluster list"},
                  List);
}

}  // namespace hsmctl
