// SPDX-License-Identifier: Apache-2.0
#ifndef HSMCORE_CLUSTER_SETUP_H_
#define HSMCORE_CLUSTER_SETUP_H_

#include <filesystem>
#include <functional>
#include <string>
#include <string_view>

#include "hsmcore/cluster.h"
#include "hsmcore/credential.h"
#include "hsmcore/progress.h"

// A cluster step by step, and its end (AWS CloudHSM's CreateCluster, CreateHsm, InitializeCluster,
// cluster activate, DeleteCluster): what Cluster::Open cannot do, because nothing is there yet to
// be opened. Each step is refused with kClusterState where cluster_state.h has no such move. Other
// errors of all of them: kHomeNotFound, kHomeAccess, kHomeDamaged, kHomeNewer, kStorage*.
namespace hsmcore {

// A cluster without HSMs and without an owner. Of `options` count the home, the type, the mode, the
// cost of passwords and the retention. Errors as Cluster::Create.
Result<ClusterDescription> CreateUninitialized(const ClusterOptions& options);

// Of a cluster in any state.
Result<ClusterDescription> DescribeCluster(const std::filesystem::path& home, bool verify);

// Adds an HSM in any state: as Cluster::CreateHsm where there is one in service. The first one of a
// new cluster makes the CSR. In an active cluster that has none left, the newest backup in the
// home is brought back; `admin` is asked for the login of an admin then (errors:
// kBackupNotFound, Cluster::CreateFromBackup's).
Result<HsmDescription> AddHsm(const std::filesystem::path& home, const HsmOptions& options,
                              const std::function<Result<Credential>()>& admin,
                              const Progress& progress);
// As Cluster::DeleteHsm, in any state.
Status RemoveHsm(const std::filesystem::path& home, std::string_view id, bool also_last);

// Takes over the certificate that the owner's CA gave for the CSR. Both are PEM, of at most 5,000
// characters; the trust anchor is a self-signed CA with RSA of 2048 or 4096 bits. kInvalidArgument:
// what is wrong with them.
Result<ClusterDescription> InitializeCluster(const std::filesystem::path& home,
                                             const std::string& certificate,
                                             const std::string& trust_anchor);

// Makes the first admin, whose key the cluster's own key signs before that is destroyed.
// kPasswordPolicy, kInvalidArgument (the name).
Result<ClusterPtr> ActivateCluster(const std::filesystem::path& home, std::string_view admin,
                                   const SecretBytes& password);

// Removes a cluster without HSMs; its backups stay where they are. May be repeated after a crash.
Status DeleteCluster(const std::filesystem::path& home);

}  // namespace hsmcore

#endif  // HSMCORE_CLUSTER_SETUP_H_
