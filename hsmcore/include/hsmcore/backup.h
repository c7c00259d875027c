// SPDX-License-Identifier: Apache-2.0
#ifndef HSMCORE_BACKUP_H_
#define HSMCORE_BACKUP_H_

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "hsmcore/cluster.h"
#include "hsmcore/session.h"
#include "hsmcore/types.h"

namespace hsmcore {

inline constexpr unsigned kMinRetentionDays = 7;
inline constexpr unsigned kMaxRetentionDays = 379;
inline constexpr unsigned kDefaultRetentionDays = 90;
inline constexpr unsigned kUndoDays = 7;  // a deleted backup can be brought back so long

// What a backup says about itself without being opened. Whoever can write to its directory could
// have changed that; ReadBackup finds out.
struct BackupInfo {
  std::string id;     // backup-…
  std::string state;  // READY, PENDING_DELETION
  std::string cluster_id;
  std::string hsm_type;
  ClusterMode mode = ClusterMode::kNonFips;
  std::uint64_t revision = 0;              // of the cluster when it was made
  std::int64_t created = 0;                // seconds since 1970, as all times here
  std::optional<std::int64_t> copied;      // this is a copy, made then
  std::optional<std::int64_t> gone_after;  // PENDING_DELETION: until when it can be brought back
  std::uint64_t bytes = 0;                 // of the file
  std::filesystem::path file;
};

// What is inside.
struct BackupContent {
  BackupInfo info;
  std::uint64_t entries = 0;
  std::vector<KeyInfo> keys;  // both halves of a pair, by handle
  std::vector<UserInfo> users;
};

// Of a file that need not be in a home. kBackupNotFound, kBackupDamaged.
Result<BackupInfo> DescribeBackupFile(const std::filesystem::path& file);

}  // namespace hsmcore

#endif  // HSMCORE_BACKUP_H_
