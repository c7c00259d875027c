// SPDX-License-Identifier: Apache-2.0
#ifndef HSMCORE_CLUSTER_HOME_H_
#define HSMCORE_CLUSTER_HOME_H_

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "crypto/ownership.h"
#include "hsmcore/cluster.h"
#include "hsmcore/cluster_state.h"
#include "hsmcore/types.h"

// A cluster's home: which files there are (docs/storage.md), and how they come to be.
namespace hsmcore::cluster {

struct HsmPlace {
  std::string id;  // hsm-…
  std::string zone;
  std::filesystem::path directory;  // as written: below the home when relative
  bool stopped = false;             // out of service on purpose
  bool creating = false;   // was being filled; it counts only as long as the HSM is not in sync
  bool modifying = false;  // its store is being made anew; out of service until then
  bool zeroized = false;   // its store is overwritten, and need only be removed
  std::string type;        // while the HSMs are changed to another one; empty: the cluster's
};

// The last change of the HSMs' type; what is needed to finish it and to take it back.
struct TypeChange {
  std::string from;
  std::string to;
  std::int64_t started = 0;
  std::string backup;           // what the cluster held when it began
  std::string rollback_backup;  // what it held when it was taken back
  bool keep_new = false;        // when it is taken back, keys and users made since stay
};

// How its key material came to be destroyed.
struct Zeroization {
  std::int64_t started = 0;
  std::int64_t finished = 0;  // 0: not yet
  std::string by;             // for people
};

// What a cluster before its activation is to become, and what it got on the way.
struct Draft {
  std::string type;
  PasswordCost cost = PasswordCost::kInteractive;
  unsigned retention_days = 0;  // 0: the default
  std::string csr;
  crypto::OwnerCertificates owner;
};

// When it can no longer be taken back.
std::int64_t RollbackUntil(const TypeChange& change);

// cluster.json: what is needed to find everything else.
struct ClusterFile {
  std::string id;  // cluster-…
  // Ed25519 key of the first admin, which all trust in the store begins with; none before
  // activation
  Bytes root;
  std::vector<HsmPlace> hsms;
  // A clone: the cluster whose configuration record it has, and the backup that it was made from.
  std::string cloned_from;
  std::string source_backup;
  // As the signed configuration has it, for who must know it without opening a store. Files from
  // before it was here have the default; nothing: what is there means none.
  std::optional<ModeRules> rules;
  // What was left by the last move; DEGRADED and UPDATE_IN_PROGRESS are seen, not written.
  ClusterState state = ClusterState::kActive;
  Draft draft;  // before activation
  std::optional<TypeChange> type_change;
  std::optional<Zeroization> zeroization;

  // Whose id the configuration record has. Clusters with the same origin and root are clones.
  const std::string& origin() const { return cloned_from.empty() ? id : cloned_from; }
};

// kHomeDamaged: the file tells other rules than `signed_rules`. The detail says what to do.
Status CheckRules(const std::filesystem::path& home, const ClusterFile& file,
                  const ModeRules& signed_rules);

std::filesystem::path ClusterJson(const std::filesystem::path& home);
std::filesystem::path GenerationFile(const std::filesystem::path& home);
std::filesystem::path BackupDirectory(const std::filesystem::path& home);
// The key of the CSR, until activation has used it.
std::filesystem::path IdentityKeyFile(const std::filesystem::path& home);
std::filesystem::path LockFile(const std::filesystem::path& home);
std::filesystem::path HsmDirectory(const std::filesystem::path& home, const HsmPlace& place);

// `kind` and 11 random characters, as in cluster-ab2cd3ef4gh.
std::string NewId(std::string_view kind);

// Errors: kHomeNotFound, kHomeAccess, kHomeDamaged, kHomeNewer; the detail has the path and what
// to do.
Result<ClusterFile> ReadClusterFile(const std::filesystem::path& home);

// Makes directories, empty stores and the generation file, and marks the home as being made. The
// cluster exists only once Publish has written cluster.json; a home that is still marked is swept
// by the next Prepare. Errors: kHomeExists, kHomeAccess, kInvalidArgument, kStorage*.
// With `state` UNINITIALIZED without HSMs.
Result<ClusterFile> Prepare(const ClusterOptions& options,
                            ClusterState state = ClusterState::kActive);
Status Publish(const std::filesystem::path& home, const ClusterFile& file);
// Writes cluster.json anew, whole or not at all. The caller holds the writer lock.
Status Rewrite(const std::filesystem::path& home, const ClusterFile& file);
// Takes back what Prepare made.
void Sweep(const std::filesystem::path& home, const ClusterFile& file);
// Removes a cluster without HSMs, cluster.json last; its backups stay. The lock is held.
Status Remove(const std::filesystem::path& home);

// Makes the generation file anew where it cannot be opened.
Status RestoreGeneration(const std::filesystem::path& home, const ClusterFile& file);

}  // namespace hsmcore::cluster

#endif  // HSMCORE_CLUSTER_HOME_H_
