// SPDX-License-Identifier: Apache-2.0
#ifndef HSMCORE_CLUSTER_PLACES_H_
#define HSMCORE_CLUSTER_PLACES_H_

#include <filesystem>
#include <vector>

#include "cluster/home.h"

// Where the HSMs of a cluster are, and their stores.
namespace hsmcore::cluster {

// The HSMs of a new cluster. kInvalidArgument.
Result<std::vector<HsmPlace>> PlanHsms(const ClusterOptions& options);

// One more. kClusterState: there are as many as can be; kInvalidArgument: the zone or directory.
Result<HsmPlace> PlanHsm(const std::filesystem::path& home, const ClusterFile& file,
                         const HsmOptions& options);

// kInvalidArgument: there is none; the detail names those that there are.
Result<std::vector<HsmPlace>::iterator> FindHsm(ClusterFile& file, std::string_view id);

// The empty store of an HSM. Errors: those of storage::CreateSqliteStore.
Status MakeStore(const std::filesystem::path& home, const ClusterFile& file, const HsmPlace& place);
// The files of an HSM that is none any more; what else is in its directory stays.
Status RemoveStore(const std::filesystem::path& directory);

}  // namespace hsmcore::cluster

#endif  // HSMCORE_CLUSTER_PLACES_H_
