// SPDX-License-Identifier: Apache-2.0
#ifndef HSMCORE_CLUSTER_LIST_H_
#define HSMCORE_CLUSTER_LIST_H_

#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "hsmcore/types.h"

namespace hsmcore {

// A cluster with a name, and what belongs to its use.
struct ListedCluster {
  std::string name;
  std::filesystem::path home;  // absolute
  std::string user;            // empty: not said
  std::string pin_source;      // empty: not said
  bool no_availability_check = false;
};

// The clusters that this machine knows by name: HSM_CONFIG, else for others than root
// $XDG_CONFIG_HOME/hsm/hsm.cnf (~/.config/hsm/hsm.cnf) where it is, else /etc/hsm/hsm.cnf. The file
// has the format of openssl.cnf (config(5)):
//
//   clusters = blue, green        # the first is used where none is named
//   [blue]
//   home = /srv/hsm/blue          # needed
//   user = app
//   pin-source = file:/etc/hsm/blue.pin
//   disable-key-availability-check = no
class ClusterList {
 public:
  // Without the file (and without HSM_CONFIG) an empty list. kSetting: HSM_CONFIG names no absolute
  // path, others can write the file, or something in it is wrong; the detail has the file, section
  // and setting. kHomeAccess and the others of FileError.
  static Result<ClusterList> Read();

  const std::filesystem::path& file() const { return file_; }
  const std::vector<ListedCluster>& clusters() const { return clusters_; }

  // The names, each with a space before it, for an error.
  std::string Names() const;

  // By name, or by the id of the cluster at a home. Nothing: it is not in the list.
  std::optional<ListedCluster> Find(std::string_view name_or_id) const;

 private:
  std::filesystem::path file_;
  std::vector<ListedCluster> clusters_;
};

// Where the cluster is when nothing names one: HSM_HOME, else the first of the list, else
// DefaultHome(). Its name is empty unless it is of the list. Errors: those of ClusterList::Read.
Result<ListedCluster> DefaultCluster();

// Whether text can be a cluster's name: 1 to 64 letters, digits and "._-".
bool IsClusterName(std::string_view text);

// What a section says of a cluster; `setting` answers with the value of a name, or nothing.
// kSetting: `where` begins the detail.
Result<ListedCluster> ReadListedCluster(
    std::string_view name, std::string_view where,
    const std::function<std::optional<std::string>(std::string_view)>& setting);

// The id of the cluster at a home. Errors: those of Cluster::Open that cluster.json can give.
Result<std::string> ClusterIdAt(const std::filesystem::path& home);

}  // namespace hsmcore

#endif  // HSMCORE_CLUSTER_LIST_H_
