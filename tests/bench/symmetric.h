// SPDX-License-Identifier: Apache-2.0
#ifndef TESTS_BENCH_SYMMETRIC_H_
#define TESTS_BENCH_SYMMETRIC_H_

#include <openssl/types.h>

#include <cstddef>

#include "bench/compare.h"

namespace bench {

// One message of `bytes` bytes for each call, with a context that is kept, as TLS records and
// `openssl speed` have it. The algorithm is the one that `query` finds.
Operation Hashing(OSSL_LIB_CTX* library, const char* query, std::size_t bytes);     // SHA-256
Operation Encrypting(OSSL_LIB_CTX* library, const char* query, std::size_t bytes);  // AES-256-GCM
Operation Authenticating(OSSL_LIB_CTX* library, const char* query,
                         std::size_t bytes);  // HMAC-SHA-256

// The same with one key that stays in the context. `key`: hsm:URI of a held key (hsm-key), or
// nullptr for key bytes.
Operation EncryptingWith(OSSL_LIB_CTX* library, const char* query, const char* key,
                         std::size_t bytes);
Operation AuthenticatingWith(OSSL_LIB_CTX* library, const char* query, const char* key,
                             std::size_t bytes);

// RAND_bytes of a library context whose generators come from what `query` finds; nothing may have
// been drawn in it before.
Operation Drawing(OSSL_LIB_CTX* library, const char* query, std::size_t bytes);

}  // namespace bench

#endif  // TESTS_BENCH_SYMMETRIC_H_
