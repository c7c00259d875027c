// SPDX-License-Identifier: Apache-2.0
#ifndef HSMCORE_SESSION_CHANGING_H_
#define HSMCORE_SESSION_CHANGING_H_

#include <filesystem>
#include <memory>
#include <utility>

#include "cluster/core.h"

namespace hsmcore::session {

// A change of cluster.json under the writer lock.
class Changing {
 public:
  static Result<Changing> Begin(const std::filesystem::path& home, ClusterAction action) {
    HSMCORE_TRY(cluster::ClusterFile before, cluster::ReadClusterFile(home));
    return Begin(home, action, std::move(before));
  }
  // With an engine for the HSMs of `shape`.
  static Result<Changing> Begin(const std::filesystem::path& home, ClusterAction action,
                                cluster::ClusterFile shape) {
    HSMCORE_TRY(auto core, cluster::OpenCore(home, std::move(shape)));
    HSMCORE_TRY(auto lock, core->engine->LockForUpdate());
    HSMCORE_TRY(cluster::ClusterFile file, cluster::ReadClusterFile(home));
    HSMCORE_CHECK(CheckMove(file.state, action));
    return Changing(std::move(core), std::move(lock), std::move(file));
  }
  cluster::Core& core() { return *core_; }
  cluster::ClusterFile& file() { return file_; }
  Status Write() { return cluster::Rewrite(core_->home, file_); }
  Status WriteAs(ClusterState state) {
    file_.state = state;
    return Write();
  }

 private:
  Changing(std::shared_ptr<cluster::Core> core, std::unique_ptr<storage::WriterLock> lock,
           cluster::ClusterFile file)
      : core_(std::move(core)), lock_(std::move(lock)), file_(std::move(file)) {}
  std::shared_ptr<cluster::Core> core_;
  std::unique_ptr<storage::WriterLock> lock_;  // goes before the core
  cluster::ClusterFile file_;
};

}  // namespace hsmcore::session

#endif  // HSMCORE_SESSION_CHANGING_H_
