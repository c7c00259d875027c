// SPDX-License-Identifier: Apache-2.0
#ifndef HSMCORE_STORAGE_ENGINES_H_
#define HSMCORE_STORAGE_ENGINES_H_

#include <chrono>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "storage/engine.h"
#include "storage/generation_map.h"

namespace hsmcore::storage {

// One member in memory; gone with the object. For tests and session-only clusters.
std::unique_ptr<Engine> NewMemoryEngine();

struct MemberOptions {
  std::string id;  // hsm-…
  std::string zone;
  std::filesystem::path directory;  // holds store.db
};

struct SqliteOptions {
  std::string cluster_id;  // bound into the file; another cluster's file is kHomeDamaged
  MemberOptions member;
  std::chrono::milliseconds busy_timeout{60'000};
};

// Makes an empty store (directory 0700 if missing, file 0600), durable. kHomeExists if there.
Status CreateSqliteStore(const SqliteOptions& options);

// One SQLite file: WAL, synchronous=FULL, secure_delete. Opens at the first call.
std::unique_ptr<Engine> NewSqliteEngine(SqliteOptions options);

struct MirrorOptions {
  std::string cluster_id;
  std::filesystem::path lock_file;     // the writer lock, made when missing
  std::vector<MemberOptions> members;  // 1..kMaxMembers
  // How many there would be if none had been taken out of service on purpose: what min_copies is
  // measured by. 0: as many as there are.
  unsigned members_by_design = 0;
  std::chrono::milliseconds busy_timeout{60'000};
  // Says which head is newest without a look into every member; may be nullptr. Must outlive the
  // engine. The engine keeps it up to date.
  GenerationMap* generations = nullptr;
  // A member on a file system that may stop answering is out of service after so long without a
  // sign of life. `watch_all`: the others, too; for tests.
  std::chrono::milliseconds silence_patience{5000};
  bool watch_all = false;
};

// N SQLite files as the HSMs of a cluster; see docs/storage.md for the protocol.
std::unique_ptr<Engine> NewMirrorEngine(MirrorOptions options);

}  // namespace hsmcore::storage

#endif  // HSMCORE_STORAGE_ENGINES_H_
