// SPDX-License-Identifier: Apache-2.0
#ifndef HSMCORE_BASE_FORK_GUARD_H_
#define HSMCORE_BASE_FORK_GUARD_H_

#include <mutex>

namespace hsmcore {

// A mutex that fork() waits for: no child is born while another thread holds one, so the state
// behind it is whole in the child and the mutex is free there. Works with std::lock_guard.
//
// Rule: a thread that holds one never calls out to the application (which might fork, and would
// wait for itself), and takes a second one only if that was made later than the first.
class ForkMutex {
 public:
  ForkMutex();
  ~ForkMutex();
  ForkMutex(const ForkMutex&) = delete;
  ForkMutex& operator=(const ForkMutex&) = delete;

  void lock() { mutex_.lock(); }
  void unlock() { mutex_.unlock(); }

 private:
  friend struct ForkHandlers;
  std::mutex mutex_;
  ForkMutex* previous_ = nullptr;
  ForkMutex* next_ = nullptr;
};

}  // namespace hsmcore

#endif  // HSMCORE_BASE_FORK_GUARD_H_
