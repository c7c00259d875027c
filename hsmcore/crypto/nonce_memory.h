// SPDX-License-Identifier: Apache-2.0
#ifndef HSMCORE_CRYPTO_NONCE_MEMORY_H_
#define HSMCORE_CRYPTO_NONCE_MEMORY_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "hsmcore/types.h"

namespace hsmcore::crypto {

// The nonces that were used last, at least the last kRemembered of them. Takes a bounded amount of
// memory and next to no time, because every message passes here.
class NonceMemory {
 public:
  static constexpr std::size_t kRemembered = 1024;

  bool Contains(ByteView nonce) const;
  void Add(ByteView nonce);

 private:
  using Entry = std::array<std::uint64_t, 3>;  // all zero: free

  // Two generations: when the younger one is full, it becomes the older one.
  struct Generation {
    std::vector<Entry> slots;
    std::size_t used = 0;

    std::size_t SlotOf(const Entry& entry) const;
    bool Contains(const Entry& entry) const;
    void Add(const Entry& entry);
  };

  static Entry EntryOf(ByteView nonce);

  Generation young_;
  Generation old_;
};

}  // namespace hsmcore::crypto

#endif  // HSMCORE_CRYPTO_NONCE_MEMORY_H_
