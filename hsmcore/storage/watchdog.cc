// SPDX-License-Identifier: Apache-2.0
#include "storage/watchdog.h"

#include <dlfcn.h>
#include <mntent.h>
#include <pthread.h>

#include <algorithm>
#include <array>
#include <climits>
#include <condition_variable>
#include <csignal>
#include <cstdio>
#include <iterator>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>

#include "base/text.h"

namespace hsmcore::storage {
namespace {

namespace fs = std::filesystem;

constexpr std::chrono::milliseconds kSilencePatience{5000};

// Types of the kernel whose data comes over a network or out of a process. "fuse" is also the
// beginning of fuse.sshfs and the like.
constexpr auto kRemote = std::to_array<std::string_view>(
    {"fuse", "nfs", "cifs", "smb", "9p", "ceph", "afs", "lustre", "gfs2", "ocfs2", "beegfs",
     "glusterfs", "virtiofs", "vboxsf", "prl_fs"});

thread_local std::atomic<std::uint64_t>* g_beats = nullptr;

bool IsBelow(const fs::path& path, const fs::path& mount) {
  const auto [rest, unused] = std::ranges::mismatch(mount, path);
  return rest == mount.end() || (rest->empty() && std::next(rest) == mount.end());
}

// The thread that was left behind comes back into our code one day.
void StayLoaded() {
  Dl_info info{};
  if (dladdr(reinterpret_cast<const void*>(&StayLoaded), &info) == 0) return;
  dlopen(info.dli_fname, RTLD_NOW | RTLD_NOLOAD | RTLD_NODELETE);
}

// The host's signals are not for us.
class BlockedSignals {
 public:
  BlockedSignals() {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before_);
  }
  ~BlockedSignals() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
  BlockedSignals(const BlockedSignals&) = delete;
  BlockedSignals& operator=(const BlockedSignals&) = delete;

 private:
  sigset_t before_{};
};

}  // namespace

// Shared with the thread, which may outlive the object.
struct Watchdog::State {
  std::mutex mutex;
  std::condition_variable changed;
  std::function<void()> job;
  bool busy = false;
  bool stop = false;
  std::atomic<std::uint64_t> beats = 0;
  pthread_t thread{};
  bool started = false;

  void Work() {
    g_beats = &beats;
    std::unique_lock lock(mutex);
    while (true) {
      changed.wait(lock, [this] { return stop || busy; });
      if (!busy) return;
      std::function<void()> work = std::move(job);
      lock.unlock();
      work();
      work = nullptr;  // with all that it owns, before anybody hears of the end
      lock.lock();
      busy = false;
      changed.notify_all();
    }
  }
};

Watchdog::Watchdog() : state_(std::make_shared<State>()) {}

Watchdog::~Watchdog() {
  if (!state_->started) return;
  {
    const std::lock_guard lock(state_->mutex);
    state_->stop = true;
    state_->changed.notify_all();
  }
  if (!hangs()) {
    pthread_join(state_->thread, nullptr);
    return;
  }
  StayLoaded();
  pthread_detach(state_->thread);
}

bool Watchdog::hangs() const {
  const std::lock_guard lock(state_->mutex);
  return state_->busy;
}

// Not std::thread, which throws where the process may have no more threads.
bool Watchdog::Start() {
  const BlockedSignals blocked;
  auto given = std::make_unique<std::shared_ptr<State>>(state_);
  const auto enter = [](void* state) -> void* {
    const std::unique_ptr<std::shared_ptr<State>> taken(
        static_cast<std::shared_ptr<State>*>(state));
    (*taken)->Work();
    return nullptr;
  };
  if (pthread_create(&state_->thread, nullptr, enter, given.get()) != 0) return false;
  std::ignore = given.release();  // the thread's now
  state_->started = true;
  return true;
}

bool Watchdog::Run(std::function<void()> job, std::chrono::milliseconds patience) {
  std::unique_lock lock(state_->mutex);
  if (state_->busy) return false;
  if (!state_->started) {
    if (!Start()) return false;
  }
  state_->job = std::move(job);
  state_->busy = true;
  state_->changed.notify_all();
  for (std::uint64_t beats = state_->beats;;) {
    if (state_->changed.wait_for(lock, patience, [this] { return !state_->busy; })) return true;
    if (beats == state_->beats) return false;
    beats = state_->beats;
  }
}

// What the threads of the parent have been doing with it cannot be known.
void Watchdog::Abandon(std::unique_ptr<Watchdog> watchdog) { std::ignore = watchdog.release(); }

void Watchdog::Beat() noexcept {
  if (g_beats != nullptr) g_beats->fetch_add(1, std::memory_order_relaxed);
}

bool Watchdog::Watched() noexcept { return g_beats != nullptr; }

Mounts::Mounts() {
  const std::unique_ptr<FILE, int (*)(FILE*)> table(setmntent("/proc/self/mounts", "re"),
                                                    endmntent);
  if (table == nullptr) return;
  std::array<char, std::size_t{3} * PATH_MAX> text{};
  mntent entry{};
  while (getmntent_r(table.get(), &entry, text.data(), static_cast<int>(text.size())) != nullptr) {
    Mount mount{.point = entry.mnt_dir, .parts = 0, .remote = false};
    mount.parts = std::distance(mount.point.begin(), mount.point.end());
    const std::string_view type = entry.mnt_type;
    mount.remote = std::ranges::any_of(
        kRemote, [type](std::string_view remote) { return type.starts_with(remote); });
    mounts_.push_back(std::move(mount));
  }
}

bool Mounts::MayHang(const fs::path& directory) const {
  const fs::path path = directory.lexically_normal();
  const Mount* over = nullptr;
  for (const Mount& mount : mounts_) {
    const bool deeper = over == nullptr || mount.parts >= over->parts;
    if (deeper && IsBelow(path, mount.point)) over = &mount;
  }
  return over != nullptr && over->remote;
}

std::unexpected<Error> FailSilent(const fs::path& directory) {
  return Fail(
      ErrorCode::kStorageIo,
      Cat("'", directory.native(),
          "' does not answer; look after its file system's server or process. The HSM returns "
          "by itself when it is there again"));
}

Status RunWatched(const fs::path& directory, const std::function<Status()>& job) {
  if (!Mounts().MayHang(directory)) return job();
  Watchdog watchdog;
  const auto answer = std::make_shared<Status>();
  const bool done = watchdog.Run([answer, job] { *answer = job(); }, kSilencePatience);
  return done ? *answer : FailSilent(directory);
}

}  // namespace hsmcore::storage
