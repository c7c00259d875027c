// SPDX-License-Identifier: Apache-2.0
#ifndef HSMCORE_CLUSTER_CONFIG_H_
#define HSMCORE_CLUSTER_CONFIG_H_

#include <string>

#include "hsmcore/cluster.h"
#include "hsmcore/types.h"
#include "vault/identity.h"

namespace hsmcore::cluster {

// The record cluster/config: what was decided when the cluster was made. Signed by the first admin.
struct Config {
  static constexpr const char* kPath = "cluster/config";

  std::string id;
  std::string type;
  ClusterMode mode = ClusterMode::kNonFips;
  ModeSwitches switches;
  PasswordCost cost = PasswordCost::kInteractive;
  std::int64_t created = 0;

  ModeRules rules() const { return {mode, switches}; }

  Bytes Encode(const vault::Identity& admin) const;
  // kRecordDamaged: not signed by `root`, or another cluster's.
  static Result<Config> Decode(ByteView record, ByteView root, std::string_view cluster_id);
};

}  // namespace hsmcore::cluster

#endif  // HSMCORE_CLUSTER_CONFIG_H_
