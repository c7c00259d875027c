// SPDX-License-Identifier: Apache-2.0
#ifndef PROVIDER_GUARD_H_
#define PROVIDER_GUARD_H_

#include <memory>
#include <new>
#include <utility>

#include "core.h"

namespace provider {

// How a Result of ours looks to C: 1 or 0 for a Status or a truth value, the pointer or nullptr for
// an object or a table. A false truth value (a signature that is not valid) is no error and raises
// none.
template <class Value>
struct CValue;

template <>
struct CValue<void> {
  using Type = int;
  static int From(Status&) { return 1; }
};

template <>
struct CValue<bool> {
  using Type = int;
  static int From(Result<bool>& result) { return *result ? 1 : 0; }
};

template <class T>
struct CValue<std::unique_ptr<T>> {
  using Type = void*;
  static void* From(Result<std::unique_ptr<T>>& result) { return result->release(); }
};

template <class T>
struct CValue<const T*> {
  using Type = const T*;
  static const T* From(Result<const T*>& result) { return *result; }
};

// Every callback that can fail runs its body in here: errors go into the queue, and no exception
// crosses into C.
template <class Body>
auto Guard(const Core& core, Body&& body) noexcept {
  using Value = CValue<typename decltype(body())::value_type>;
  using Type = typename Value::Type;
  try {
    auto result = std::forward<Body>(body)();
    if (result) return Value::From(result);
    core.Raise(result.error());
  } catch (const std::bad_alloc&) {
    // The empty detail needs no memory.
    core.Raise(Error(ErrorCode::kOutOfMemory, {}));
  } catch (...) {
    core.Raise(Error(ErrorCode::kInternal, {}));
  }
  return Type{};
}

}  // namespace provider

#endif  // PROVIDER_GUARD_H_
