// SPDX-License-Identifier: Apache-2.0
#ifndef HSMCORE_CRYPTO_SPARE_CONTEXT_H_
#define HSMCORE_CRYPTO_SPARE_CONTEXT_H_

#include <atomic>
#include <utility>

#include "crypto/openssl_ptr.h"

namespace hsmcore::crypto {

// An initialised context that waits for its next operation, where a pattern would not do: OpenSSL
// cannot copy those of ML-KEM. Whoever takes it is alone with it; a thread that finds none makes
// its own. No lock.
class SpareContext {
 public:
  SpareContext() = default;
  ~SpareContext() { EVP_PKEY_CTX_free(spare_.load()); }
  SpareContext(const SpareContext&) = delete;
  SpareContext& operator=(const SpareContext&) = delete;

  PkeyCtxPtr Take() { return PkeyCtxPtr(spare_.exchange(nullptr, std::memory_order_acquire)); }
  void GiveBack(PkeyCtxPtr context) {
    EVP_PKEY_CTX* there = nullptr;
    if (spare_.compare_exchange_strong(there, context.get(), std::memory_order_release,
                                       std::memory_order_relaxed)) {
      [[maybe_unused]] const EVP_PKEY_CTX* kept = context.release();  // the slot owns it now
    }
  }

 private:
  std::atomic<EVP_PKEY_CTX*> spare_ = nullptr;
};

}  // namespace hsmcore::crypto

#endif  // HSMCORE_CRYPTO_SPARE_CONTEXT_H_
