// SPDX-License-Identifier: Apache-2.0
#ifndef HSMCORE_CLUSTER_CORE_H_
#define HSMCORE_CLUSTER_CORE_H_

#include <atomic>
#include <filesystem>
#include <memory>

#include "base/fork_guard.h"
#include "cluster/config.h"
#include "cluster/home.h"
#include "storage/engine.h"
#include "storage/generation_map.h"

namespace hsmcore::cluster {

// An open cluster: what users, keys and sessions work on. Shared by all of them; the engine goes
// when the last one does.
struct Core {
  std::filesystem::path home;
  ClusterFile file;  // as it was when the cluster was opened; the engine follows the HSMs in it
  std::unique_ptr<storage::GenerationMap> generations;  // outlives the engine
  std::unique_ptr<storage::Engine> engine;
  Config config;  // as it was when the cluster was opened; nothing in it changes
  // Whether new keys of this process need two HSMs, where the cluster's setting asks for that.
  std::atomic<bool> key_availability_check{true};
  // When the daily backup is looked after next; seconds since 1970. Guarded by `mutex`.
  std::int64_t next_daily_look = 0;
  // The last genuine record of the HSMs' type, and what it says (users/type_policy.h). Guarded by
  // `mutex`.
  struct KnownType {
    Bytes record;
    std::string type;
  };
  KnownType known_type;
  // Held around every use of the engine, so that no child is born in the middle of one.
  ForkMutex mutex;
};

// Opens the files of a home. Reads only. `file` as from ReadClusterFile or Prepare.
Result<std::shared_ptr<Core>> OpenCore(const std::filesystem::path& home, ClusterFile file);

// The configuration record. The caller holds core.mutex.
Result<Config> ReadConfig(Core& core);

// What cluster.json alone says: of a cluster before its activation, or without an HSM.
ClusterDescription DescribeFile(const std::filesystem::path& home, const ClusterFile& file);

// Every HSM's state and what it holds; `type` is that of the HSMs (users/type_policy.h). The caller
// holds core.mutex.
Result<ClusterDescription> Describe(Core& core, const std::string& type, bool verify);

}  // namespace hsmcore::cluster

#endif  // HSMCORE_CLUSTER_CORE_H_
