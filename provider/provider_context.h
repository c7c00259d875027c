// SPDX-License-Identifier: Apache-2.0
#ifndef PROVIDER_PROVIDER_CONTEXT_H_
#define PROVIDER_PROVIDER_CONTEXT_H_

#include <atomic>
#include <string>

#include "access.h"
#include "core.h"
#include "forwarded.h"
#include "held_algorithms.h"

namespace provider {

// What the provider calls itself, with the mode that it works in.
struct ProviderTexts {
  std::string name;
  std::string build;
  bool works = true;  // false: the mode's FIPS module cannot be used
};

// Everything that one load of the provider into one library context has; made by OSSL_provider_init
// and freed by its teardown. Every other context points to it.
struct ProviderContext {
  ProviderContext(const OSSL_CORE_HANDLE* handle, const OSSL_DISPATCH* upcalls)
      : core(handle, upcalls), access(core), forwarded(access) {}
  ProviderContext(const ProviderContext&) = delete;
  ProviderContext& operator=(const ProviderContext&) = delete;

  const Core core;
  const Access access;
  const Forwarded forwarded;
  mutable std::atomic<bool> self_test_passed = true;  // or was not asked for
  const PublishOnce<HeldAlgorithms> held;
  const PublishOnce<HeldAlgorithms> held_without_mode;  // while the mode cannot be found out
  const PublishOnce<ProviderTexts> texts;

  static const ProviderContext& From(const void* provctx) {
    return *static_cast<const ProviderContext*>(provctx);
  }
};

}  // namespace provider

#endif  // PROVIDER_PROVIDER_CONTEXT_H_
