// SPDX-License-Identifier: Apache-2.0
#include "cluster/cluster_engine.h"

#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <mutex>
#include <utility>

#include "storage/engines.h"

namespace hsmcore::cluster {
namespace {

using storage::Batch;
using storage::Change;
using storage::Engine;
using storage::Entry;
using storage::ListOptions;
using storage::Member;
using storage::Verifier;
using storage::WriterLock;

// What limited-write mode leaves as it is: keys, with what an admin says of them, and users. The
// counts of wrong passwords go on.
constexpr auto kLimited = std::to_array<std::string_view>({"group/", "key/", "trusted/", "user/"});

// What tells one cluster.json from the next: each is a new file.
struct Stamp {
  dev_t device = 0;
  ino_t inode = 0;
  timespec changed{};
  off_t size = 0;

  bool operator==(const Stamp& other) const {
    return device == other.device && inode == other.inode && size == other.size &&
           changed.tv_sec == other.changed.tv_sec && changed.tv_nsec == other.changed.tv_nsec;
  }
};

// Nothing where there is no file: a cluster that is being made.
Stamp StampOf(const std::filesystem::path& home) {
  struct stat info{};
  if (stat(ClusterJson(home).c_str(), &info) != 0) return {};
  return {info.st_dev, info.st_ino, info.st_ctim, info.st_size};
}

class ClusterEngine final : public Engine {
 public:
  ClusterEngine(std::filesystem::path home, const ClusterFile& file,
                storage::GenerationMap* generations)
      : home_(std::move(home)),
        generations_(generations),
        stamp_(StampOf(home_)),
        state_(file.state) {
    engine_ = EngineFor(file);
  }

  Result<std::optional<Entry>> Get(std::string_view key, const Verifier* verifier) override {
    HSMCORE_TRY(const auto engine, Usable());
    return engine->Get(key, verifier);
  }
  Result<std::vector<Entry>> List(std::string_view prefix, const ListOptions& options) override {
    HSMCORE_TRY(const auto engine, Usable());
    return engine->List(prefix, options);
  }
  Result<std::uint64_t> Count(std::string_view prefix) override {
    HSMCORE_TRY(const auto engine, Usable());
    return engine->Count(prefix);
  }
  Result<std::uint64_t> Commit(const Batch& batch) override;
  Result<std::uint64_t> Revision() override {
    HSMCORE_TRY(const auto engine, Usable());
    return engine->Revision();
  }
  Result<std::vector<Change>> ChangesSince(std::uint64_t revision) override {
    HSMCORE_TRY(const auto engine, Usable());
    return engine->ChangesSince(revision);
  }
  Result<std::vector<Member>> Members(bool verify) override {
    HSMCORE_TRY(const auto engine, Usable());
    return engine->Members(verify);
  }
  Result<std::vector<std::string>> Repair(const Verifier* verifier) override {
    HSMCORE_TRY(const auto lock, LockForUpdate());
    HSMCORE_TRY(const auto engine, Usable());
    return engine->Repair(verifier);
  }

 protected:
  Result<std::unique_ptr<WriterLock>> Lock(LockWait wait) override;

 private:
  // Keeps the engine that it was taken from.
  struct HeldLock final : WriterLock {
    HeldLock(std::shared_ptr<Engine> from, std::unique_ptr<WriterLock> held)
        : engine(std::move(from)), inner(std::move(held)) {}
    std::shared_ptr<Engine> engine;
    std::unique_ptr<WriterLock> inner;  // goes first
  };

  std::shared_ptr<Engine> EngineFor(const ClusterFile& file) const;
  std::shared_ptr<Engine> Current();
  // The same for what looks into the HSMs. kClusterState: zeroized.
  Result<std::shared_ptr<Engine>> Usable();
  Status CheckWritable(const Batch& batch);

  const std::filesystem::path home_;
  storage::GenerationMap* const generations_;
  std::mutex mutex_;
  Stamp stamp_;
  ClusterState state_;
  std::shared_ptr<Engine> engine_;
};

std::shared_ptr<Engine> ClusterEngine::EngineFor(const ClusterFile& file) const {
  storage::MirrorOptions options;
  options.cluster_id = file.id;
  options.lock_file = LockFile(home_);
  options.generations = generations_;
  options.members_by_design = static_cast<unsigned>(file.hsms.size());
  for (const HsmPlace& place : file.hsms) {
    if (place.stopped || place.modifying) continue;
    options.members.push_back({place.id, place.zone, HsmDirectory(home_, place)});
  }
  return storage::NewMirrorEngine(std::move(options));
}

std::shared_ptr<Engine> ClusterEngine::Current() {
  const std::lock_guard guard(mutex_);
  const Stamp stamp = StampOf(home_);
  if (stamp == stamp_ || stamp == Stamp()) return engine_;
  const auto file = ReadClusterFile(home_);
  if (!file) return engine_;
  stamp_ = stamp;
  state_ = file->state;
  return engine_ = EngineFor(*file);
}

Result<std::shared_ptr<Engine>> ClusterEngine::Usable() {
  std::shared_ptr<Engine> engine = Current();
  const std::lock_guard guard(mutex_);
  if (IsZeroized(state_)) HSMCORE_CHECK(CheckMove(state_, ClusterAction::kUse));
  return engine;
}

// Limited-write mode, which holds here for every way to change something.
Status ClusterEngine::CheckWritable(const Batch& batch) {
  const std::lock_guard guard(mutex_);
  if (!IsLimitedWrite(state_) || batch.restoring) return {};
  const bool limited = std::ranges::any_of(batch.mutations, [](const storage::Mutation& mutation) {
    return std::ranges::any_of(
        kLimited, [&](std::string_view prefix) { return mutation.key.starts_with(prefix); });
  });
  if (!limited) return {};
  return CheckMove(state_, ClusterAction::kWrite);
}

Result<std::uint64_t> ClusterEngine::Commit(const Batch& batch) {
  HSMCORE_TRY(const auto lock, LockForUpdate());
  HSMCORE_TRY(const std::shared_ptr<Engine> engine, Usable());
  HSMCORE_CHECK(CheckWritable(batch));
  return engine->Commit(batch);
}

// The file may change while we wait for the lock, which is what the one before us had it for.
Result<std::unique_ptr<WriterLock>> ClusterEngine::Lock(LockWait wait) {
  for (;;) {
    std::shared_ptr<Engine> engine = Current();
    HSMCORE_TRY(std::unique_ptr<WriterLock> inner,
                wait == LockWait::kPatient ? engine->LockForUpdate() : engine->TryLockForUpdate());
    if (Current() == engine) return std::make_unique<HeldLock>(std::move(engine), std::move(inner));
  }
}

}  // namespace

std::unique_ptr<Engine> NewClusterEngine(std::filesystem::path home, const ClusterFile& file,
                                         storage::GenerationMap* generations) {
  return std::make_unique<ClusterEngine>(std::move(home), file, generations);
}

}  // namespace hsmcore::cluster
