// SPDX-License-Identifier: Apache-2.0
#ifndef HSMCORE_STORAGE_WATCHDOG_H_
#define HSMCORE_STORAGE_WATCHDOG_H_

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <vector>

#include "hsmcore/types.h"

// File systems that stop answering: NFS whose server is away, FUSE whose process stands still. A
// call into one waits for ever and cannot be taken back, so it is made on a thread of its own,
// which is left behind when it does not come back.
namespace hsmcore::storage {

// The kernel's table of mounts (proc(5), mounts), read once.
class Mounts {
 public:
  Mounts();
  // Whether the directory is on such a file system; without touching it. Symbolic links in the path
  // are not followed.
  bool MayHang(const std::filesystem::path& directory) const;

 private:
  struct Mount {
    std::filesystem::path point;
    std::ptrdiff_t parts = 0;
    bool remote = false;
  };
  std::vector<Mount> mounts_;  // a later one on the same place hides an earlier one
};

// A thread for calls that may not come back. It begins with the first job, with all signals
// blocked. In a child process the thread is gone; the object is then given up with Abandon and made
// anew. Not for several threads at once.
class Watchdog {
 public:
  Watchdog();
  // Ends the thread. One that hangs is left behind, and the library stays in memory for it.
  ~Watchdog();
  Watchdog(const Watchdog&) = delete;
  Watchdog& operator=(const Watchdog&) = delete;

  // Runs the job there and waits for its end, as long as there is a sign of life at least every
  // `patience`: a beat, or the end. False: there was none. The job then still runs or waits, and
  // must own all that it uses. Nothing is run while an earlier one hangs.
  bool Run(std::function<void()> job, std::chrono::milliseconds patience);
  // An earlier job has not come back.
  bool hangs() const;

  // Given up, with the thread: in a child process, where it is none.
  static void Abandon(std::unique_ptr<Watchdog> watchdog);

  // A sign of life of the job that runs on this thread; nothing elsewhere.
  static void Beat() noexcept;
  // Whether a watchdog looks after this thread.
  static bool Watched() noexcept;

 private:
  bool Start();

  struct State;
  std::shared_ptr<State> state_;
};

// One job for a directory, which is run here where it cannot hang. kStorageIo: no answer.
Status RunWatched(const std::filesystem::path& directory, const std::function<Status()>& job);

// kStorageIo: the directory does not answer.
std::unexpected<Error> FailSilent(const std::filesystem::path& directory);

}  // namespace hsmcore::storage

#endif  // HSMCORE_STORAGE_WATCHDOG_H_
