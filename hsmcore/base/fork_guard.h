// SPDX-License-Identifier: Apache-2.0
#ifndef HSMCORE_BASE_FORK_GUARD_H_
#define HSMCORE_BASE_FORK_GUARD_H_

#include <mutex>

namespace hsmcore {

// A mutex that fork() waits for: no child is born while a thread holds one, so the state behind it
// is whole in the child and the mutex is free there. Works with std::lock_guard.
//
// Rule: a thread that holds one never calls out to the application, which might fork and would then
// wait for itself. Several may be held at once; their order among each other is up to their users.
class ForkMutex {
 public:
  ForkMutex();
  ~ForkMutex() = default;
  ForkMutex(const ForkMutex&) = delete;
  ForkMutex& operator=(const ForkMutex&) = delete;

  void lock();
  void unlock();

 private:
  std::mutex mutex_;
};

}  // namespace hsmcore

#endif  // HSMCORE_BASE_FORK_GUARD_H_
