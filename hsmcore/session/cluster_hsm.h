// SPDX-License-Identifier: Apache-2.0
#ifndef HSMCORE_SESSION_CLUSTER_HSM_H_
#define HSMCORE_SESSION_CLUSTER_HSM_H_

#include <string>
#include <string_view>
#include <vector>

#include "cluster/core.h"
#include "hsmcore/cluster.h"

// HSMs that come and go while the others serve. The caller holds core.mutex.
namespace hsmcore::session {

Result<HsmDescription> CreateHsm(cluster::Core& core, const HsmOptions& options);
Status DeleteHsm(cluster::Core& core, std::string_view id, bool also_last);
Result<HsmDescription> StopHsm(cluster::Core& core, std::string_view id);
Result<HsmDescription> StartHsm(cluster::Core& core, std::string_view id);

// kClusterState: no other HSM than this one is in service and in sync.
Status NeedAnother(cluster::Core& core, std::string_view id);
// Brings every HSM to the newest state. Returns the ids of those that were changed.
Result<std::vector<std::string>> FillHsms(cluster::Core& core);

}  // namespace hsmcore::session

#endif  // HSMCORE_SESSION_CLUSTER_HSM_H_
