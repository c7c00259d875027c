// SPDX-License-Identifier: Apache-2.0
#include "storage/sync_queue.h"

#include <linux/aio_abi.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <tuple>

#include "storage/engine.h"

namespace hsmcore::storage {
namespace {

// To give the kernel's context back takes it some 40 ms, at the end of the process if not before. A
// program that makes a key or two does not save as much.
constexpr unsigned kRoundsBefore = 8;

int SyncNow(int file) { return fdatasync(file) == 0 ? 0 : errno; }

}  // namespace

SyncQueue::~SyncQueue() {
  if (context_ != 0 && process_ == getpid()) std::ignore = syscall(SYS_io_destroy, context_);
}

bool SyncQueue::Ready() {
  if (process_ != getpid()) {
    // The parent's context is not the child's.
    process_ = getpid();
    context_ = 0;
    rounds_ = 0;
    refused_ = false;
  }
  if (context_ != 0) return true;
  if (refused_ || ++rounds_ <= kRoundsBefore) return false;
  refused_ = syscall(SYS_io_setup, kMaxMembers, &context_) != 0;
  return !refused_;
}

// How many of the files, from the first one on, the kernel has taken over.
std::size_t SyncQueue::Submit(std::span<const int> files) const {
  std::array<iocb, kMaxMembers> calls{};
  std::array<iocb*, kMaxMembers> list{};
  for (std::size_t i = 0; i < files.size(); ++i) {
    calls[i].aio_data = i;
    calls[i].aio_lio_opcode = IOCB_CMD_FDSYNC;
    calls[i].aio_fildes = static_cast<std::uint32_t>(files[i]);
    list[i] = &calls[i];
  }
  const std::int64_t taken = syscall(SYS_io_submit, context_, files.size(), list.data());
  return taken < 0 ? 0 : static_cast<std::size_t>(taken);
}

void SyncQueue::Collect(std::size_t submitted, std::span<int> results) {
  std::array<io_event, kMaxMembers> events{};
  while (submitted > 0) {
    const std::int64_t done =
        syscall(SYS_io_getevents, context_, 1, submitted, events.data(), nullptr);
    if (done < 0) {
      if (errno == EINTR) continue;
      // They are lost track of, as after a sync that failed.
      refused_ = true;
      context_ = 0;
      return;
    }
    for (const io_event& event : std::span(events).first(static_cast<std::size_t>(done))) {
      results[event.data] = event.res < 0 ? static_cast<int>(-event.res) : 0;
    }
    submitted -= static_cast<std::size_t>(done);
  }
}

std::vector<int> SyncQueue::Sync(std::span<const int> files) {
  std::vector<int> results(files.size(), EIO);
  if (files.empty()) return results;
  // The last one is this thread's own: it waits in any case.
  const std::span<const int> others = files.first(files.size() - 1);
  const std::size_t submitted =
      !others.empty() && files.size() <= kMaxMembers && Ready() ? Submit(others) : 0;
  for (std::size_t i = submitted; i < files.size(); ++i) results[i] = SyncNow(files[i]);
  Collect(submitted, results);
  return results;
}

}  // namespace hsmcore::storage
