// SPDX-License-Identifier: Apache-2.0
#ifndef HSMCORE_CLUSTER_CLUSTER_ENGINE_H_
#define HSMCORE_CLUSTER_CLUSTER_ENGINE_H_

#include <filesystem>
#include <memory>

#include "cluster/home.h"
#include "storage/engine.h"
#include "storage/generation_map.h"

namespace hsmcore::cluster {

// The engine over the HSMs that cluster.json names, those that are stopped left out. Looks at the
// file before every call, one stat(), and follows it: a process that has the cluster open learns of
// an HSM that came or went at its next look into the store, and never writes to a set of HSMs that
// is none any more. Who changes the file holds this engine's writer lock.
//
// A file that cannot be read for the moment leaves things as they were. `generations` outlives the
// engine.
std::unique_ptr<storage::Engine> NewClusterEngine(std::filesystem::path home,
                                                  const ClusterFile& file,
                                                  storage::GenerationMap* generations);

}  // namespace hsmcore::cluster

#endif  // HSMCORE_CLUSTER_CLUSTER_ENGINE_H_
