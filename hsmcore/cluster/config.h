// SPDX-License-Identifier: Apache-2.0
#ifndef HSMCORE_CLUSTER_CONFIG_H_
#define HSMCORE_CLUSTER_CONFIG_H_

#include <string>

#include "crypto/ownership.h"
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
  // Of a cluster that was initialized by its owner's CA: the certificates, and the signature of the
  // certificate's key over the id and the first admin's key. That key is destroyed afterwards.
  crypto::OwnerCertificates owner;
  Bytes owner_signature;

  ModeRules rules() const { return {mode, switches}; }

  bool owned() const { return !owner.certificate.empty(); }
  // What the certificate's key signs.
  static Bytes OwnedRoot(std::string_view cluster_id, ByteView root);

  Bytes Encode(const vault::Identity& admin) const;
  // kRecordDamaged: not signed by `root`, or another cluster's. The owner is not checked.
  static Result<Config> Decode(ByteView record, ByteView root, std::string_view cluster_id);
};

}  // namespace hsmcore::cluster

#endif  // HSMCORE_CLUSTER_CONFIG_H_
