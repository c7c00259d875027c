// SPDX-License-Identifier: Apache-2.0
#ifndef PROVIDER_PROVIDER_CONTEXT_H_
#define PROVIDER_PROVIDER_CONTEXT_H_

#include <atomic>

#include "access.h"
#include "core.h"
#include "forwarded.h"
#include "held_algorithms.h"

namespace provider {

// Everything that one load of the provider into one library context has; made by OSSL_provider_init
// and freed by its teardown. Every other context points to it.
struct ProviderContext {
  ProviderContext(const OSSL_CORE_HANDLE* handle, const OSSL_DISPATCH* upcalls)
      : core(handle, upcalls), access(core) {}
  ProviderContext(const ProviderContext&) = delete;
  ProviderContext& operator=(const ProviderContext&) = delete;

  const Core core;
  const Access access;
  const Forwarded forwarded;
  mutable std::atomic<bool> self_test_passed = true;  // or was not asked for
  const PublishOnce<HeldAlgorithms> held;

  static const ProviderContext& From(const void* provctx) {
    return *static_cast<const ProviderContext*>(provctx);
  }
};

}  // namespace provider

#endif  // PROVIDER_PROVIDER_CONTEXT_H_
