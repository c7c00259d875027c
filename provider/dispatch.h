// SPDX-License-Identifier: Apache-2.0
#ifndef PROVIDER_DISPATCH_H_
#define PROVIDER_DISPATCH_H_

#include <openssl/core.h>
#include <openssl/core_dispatch.h>

// A row of a dispatch table. The inner cast compiles only when `function` has the type that
// libcrypto calls it by. It has to stand in place: inside a helper function it would make the table
// a dynamic initialiser.
#define HSM_ENTRY(ID, name, function) \
  {OSSL_FUNC_##ID, reinterpret_cast<void (*)()>(static_cast<OSSL_FUNC_##name##_fn*>(function))}
// The same for an id that the oldest headers have no name for.
#define HSM_ENTRY_AS(id, name, function) \
  {id, reinterpret_cast<void (*)()>(static_cast<OSSL_FUNC_##name##_fn*>(function))}
// The same for a function whose type they lack as well (newer_openssl.h).
#define HSM_ENTRY_OF(id, Type, function) \
  {id, reinterpret_cast<void (*)()>(static_cast<Type*>(function))}
#define HSM_ENTRY_END {0, nullptr}

#endif  // PROVIDER_DISPATCH_H_
