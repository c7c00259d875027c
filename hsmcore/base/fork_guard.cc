// SPDX-License-Identifier: Apache-2.0
#include "base/fork_guard.h"

#include <pthread.h>

namespace hsmcore {
namespace {

// The list of all ForkMutexes, oldest first. Constant-initialised and trivially destroyed: it has
// to outlive everything else in the module.
// NOLINTBEGIN(cppcoreguidelines-avoid-non-const-global-variables): pthread_atfork's handlers have
// no argument by which they could find them.
constinit std::mutex g_list_mutex;
constinit ForkMutex* g_first = nullptr;
constinit ForkMutex* g_last = nullptr;
constinit bool g_registered = false;
// NOLINTEND(cppcoreguidelines-avoid-non-const-global-variables)

}  // namespace

struct ForkHandlers {
  static void Prepare() {
    g_list_mutex.lock();
    for (ForkMutex* m = g_first; m != nullptr; m = m->next_) m->mutex_.lock();
  }
  static void Release() {
    for (ForkMutex* m = g_last; m != nullptr; m = m->previous_) m->mutex_.unlock();
    g_list_mutex.unlock();
  }
};

ForkMutex::ForkMutex() {
  const std::lock_guard lock(g_list_mutex);
  if (!g_registered) {
    // glibc takes the handlers of a module back when it is unloaded.
    g_registered =
        pthread_atfork(ForkHandlers::Prepare, ForkHandlers::Release, ForkHandlers::Release) == 0;
  }
  previous_ = g_last;
  (g_last == nullptr ? g_first : g_last->next_) = this;
  g_last = this;
}

ForkMutex::~ForkMutex() {
  const std::lock_guard lock(g_list_mutex);
  (previous_ == nullptr ? g_first : previous_->next_) = next_;
  (next_ == nullptr ? g_last : next_->previous_) = previous_;
}

}  // namespace hsmcore
