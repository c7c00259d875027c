// SPDX-License-Identifier: Apache-2.0
#ifndef HSMCTL_CLUSTER_VIEW_H_
#define HSMCTL_CLUSTER_VIEW_H_

#include <string>
#include <vector>

#include "hsmcore/cluster.h"
#include "hsmcore/type_change.h"
#include "output.h"

namespace hsmctl {

Json HsmJson(const hsmcore::HsmDescription& hsm);
Json ClusterJson(const hsmcore::ClusterDescription& cluster);

// A line for each, and below them what is wrong.
std::string HsmTable(const std::vector<hsmcore::HsmDescription>& hsms);
std::string ClusterText(const hsmcore::ClusterDescription& cluster);

// What a change of the HSMs' type has done.
std::string TypeChangeText(const hsmcore::TypeChangeReport& change);
Json TypeChangeJson(const hsmcore::TypeChangeReport& change);

}  // namespace hsmctl

#endif  // HSMCTL_CLUSTER_VIEW_H_
