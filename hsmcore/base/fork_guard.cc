// SPDX-License-Identifier: Apache-2.0
#include "base/fork_guard.h"

#include <pthread.h>

namespace hsmcore {
namespace {

// How many ForkMutexes are held, and the gate before that number, which fork() keeps shut: so it
// waits for all of them without an order in which it would have to lock them. A thread that holds
// one may take another while fork() waits. Constant-initialised and trivially destroyed.
// NOLINTBEGIN(cppcoreguidelines-avoid-non-const-global-variables): atfork handlers take no argument
constinit pthread_mutex_t g_gate = PTHREAD_MUTEX_INITIALIZER;
constinit pthread_cond_t g_none_held = PTHREAD_COND_INITIALIZER;
constinit int g_held = 0;
// NOLINTEND(cppcoreguidelines-avoid-non-const-global-variables)

void BeforeFork() {
  pthread_mutex_lock(&g_gate);
  while (g_held != 0) pthread_cond_wait(&g_none_held, &g_gate);
}

void InParent() { pthread_mutex_unlock(&g_gate); }

void InChild() {
  // Another thread may have been waiting to fork as well; here it is not.
  g_none_held = PTHREAD_COND_INITIALIZER;
  pthread_mutex_unlock(&g_gate);
}

// glibc takes the handlers of a module back when it is unloaded.
void Register() { pthread_atfork(BeforeFork, InParent, InChild); }

}  // namespace

ForkMutex::ForkMutex() {
  static constinit pthread_once_t registered = PTHREAD_ONCE_INIT;
  pthread_once(&registered, Register);
}

void ForkMutex::lock() {
  pthread_mutex_lock(&g_gate);
  ++g_held;
  pthread_mutex_unlock(&g_gate);
  mutex_.lock();
}

void ForkMutex::unlock() {
  mutex_.unlock();
  pthread_mutex_lock(&g_gate);
  if (--g_held == 0) pthread_cond_broadcast(&g_none_held);
  pthread_mutex_unlock(&g_gate);
}

}  // namespace hsmcore
