// SPDX-License-Identifier: Apache-2.0
#ifndef PROVIDER_PUBLISH_ONCE_H_
#define PROVIDER_PUBLISH_ONCE_H_

#include <atomic>
#include <functional>
#include <memory>

#include "core.h"

namespace provider {

// A value that is made at first use and then kept. Threads that race each make one, and the first
// to finish wins. There is no lock, so a fork() at any moment leaves a child that can go on; a
// failure is not kept, so that the next use tries again.
template <class T>
class PublishOnce {
 public:
  PublishOnce() = default;
  ~PublishOnce() { delete value_.load(); }
  PublishOnce(const PublishOnce&) = delete;
  PublishOnce& operator=(const PublishOnce&) = delete;

  // `make` returns Result<T>. The reference lives as long as this object.
  template <class Make>
  Result<std::reference_wrapper<const T>> Get(Make make) const {
    if (const T* ready = Ready()) return std::cref(*ready);
    HSMCORE_TRY(T made, make());
    auto fresh = std::make_unique<const T>(std::move(made));
    const T* expected = nullptr;
    if (value_.compare_exchange_strong(expected, fresh.get(), std::memory_order_acq_rel)) {
      return std::cref(*fresh.release());
    }
    return std::cref(*expected);
  }

  // What Get made; nullptr before.
  const T* Ready() const { return value_.load(std::memory_order_acquire); }

 private:
  mutable std::atomic<const T*> value_ = nullptr;
};

}  // namespace provider

#endif  // PROVIDER_PUBLISH_ONCE_H_
