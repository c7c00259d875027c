// SPDX-License-Identifier: Apache-2.0
#ifndef HSMCORE_SESSION_REPLICATION_H_
#define HSMCORE_SESSION_REPLICATION_H_

#include <string_view>

#include "cluster/core.h"
#include "hsmcore/session.h"

// From a cluster to a clone of it (see Cluster::ReplicateKey). Takes the mutexes of both, one after
// the other.
namespace hsmcore::session {

Result<bool> ReplicateKey(cluster::Core& from, const Session& login, cluster::Core& to,
                          const Session& login_there, KeyHandle handle);
Result<bool> ReplicateUser(cluster::Core& from, const Session& login, cluster::Core& to,
                           const Session& login_there, std::string_view name);

}  // namespace hsmcore::session

#endif  // HSMCORE_SESSION_REPLICATION_H_
