// SPDX-License-Identifier: Apache-2.0
#include "crypto/pattern_cache.h"

namespace hsmcore::crypto {

PatternCache::~PatternCache() {
  for (const std::atomic<const Pattern*>& slot : slots_) delete slot.load();
}

const Pattern* PatternCache::Find(const PatternKey& key) const {
  for (const std::atomic<const Pattern*>& slot : slots_) {
    const Pattern* pattern = slot.load(std::memory_order_acquire);
    if (pattern == nullptr) break;
    if (pattern->key == key) return pattern;
  }
  return nullptr;
}

void PatternCache::Add(std::unique_ptr<const Pattern> pattern) {
  for (std::atomic<const Pattern*>& slot : slots_) {
    const Pattern* there = nullptr;
    if (slot.compare_exchange_strong(there, pattern.get(), std::memory_order_acq_rel)) {
      [[maybe_unused]] const Pattern* kept = pattern.release();  // the slot owns it now
      return;
    }
    if (there->key == pattern->key) return;
  }
}

}  // namespace hsmcore::crypto
