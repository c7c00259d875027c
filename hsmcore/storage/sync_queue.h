// SPDX-License-Identifier: Apache-2.0
#ifndef HSMCORE_STORAGE_SYNC_QUEUE_H_
#define HSMCORE_STORAGE_SYNC_QUEUE_H_

#include <sys/types.h>

#include <cstdint>
#include <span>
#include <vector>

namespace hsmcore::storage {

// fdatasync(2) of several files side by side, which on one disk takes hardly longer than of one:
// the kernel's asynchronous I/O (io_submit(2), IOCB_CMD_FDSYNC) does what would take a thread for
// each. Where there is none, or it is used up, one after another. Not for several threads at once;
// a child process begins anew.
class SyncQueue {
 public:
  SyncQueue() = default;
  ~SyncQueue();
  SyncQueue(const SyncQueue&) = delete;
  SyncQueue& operator=(const SyncQueue&) = delete;

  // Returns when all are done: 0 or errno for each of `files`, in their order.
  std::vector<int> Sync(std::span<const int> files);

 private:
  bool Ready();
  std::size_t Submit(std::span<const int> files) const;
  void Collect(std::size_t submitted, std::span<int> results);

  std::uint64_t context_ = 0;  // the kernel's aio_context_t; 0: there is none
  pid_t process_ = 0;          // whose it is
  unsigned rounds_ = 0;
  bool refused_ = false;
};

}  // namespace hsmcore::storage

#endif  // HSMCORE_STORAGE_SYNC_QUEUE_H_
