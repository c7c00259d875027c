// SPDX-License-Identifier: Apache-2.0
#ifndef HSMCORE_CRYPTO_NONCE_MEMORY_H_
#define HSMCORE_CRYPTO_NONCE_MEMORY_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "hsmcore/types.h"

namespace hsmcore::crypto {

// The nonces that were used last, at least the last kRemembered of them. Takes a bounded amount of
// memory and next to no time, because every message passes here: none besides the object, and a few
// instructions, for nonces that count (SP 800-38D 8.2.1).
class NonceMemory {
 public:
  static constexpr std::size_t kRemembered = 1024;

  // A nonce in the form in which it is remembered and compared: the first 16 bytes as they are, so
  // that two nonces of the usual lengths are never taken for one another; of longer ones the rest
  // is mixed in.
  class Mark {
   public:
    explicit Mark(ByteView nonce);

    bool operator==(const Mark& other) const {  // without a branch for each part
      return ((first_ ^ other.first_) | (second_ ^ other.second_) | (rest_ ^ other.rest_)) == 0;
    }
    std::uint64_t hash() const { return hash_; }

   private:
    friend class NonceMemory;
    std::uint64_t first_ = 0;
    std::uint64_t second_ = 0;
    std::uint64_t rest_;  // the length too
    std::uint64_t hash_;
  };

  bool Contains(const Mark& mark) const {
    return run_.Contains(mark) || (young_.size() != 0 && IsInTables(mark));
  }
  bool Contains(ByteView nonce) const { return Contains(Mark(nonce)); }
  void Add(const Mark& mark);
  void Add(ByteView nonce) { Add(Mark(nonce)); }

 private:
  // A nonce of 12 bytes as a fixed part of 4 and a counter of 8, which may come first (low byte
  // first) or last (high byte first).
  enum class Order : std::uint8_t { kCounterFirst, kCounterLast };
  struct Counter {
    std::uint64_t fixed;  // above 32 bits: no such nonce
    std::uint64_t value;
  };
  static Counter CounterOf(const Mark& mark, Order order);
  static Mark MarkOf(const Counter& counter, Order order);

  // Nonces of which each is one more than the one before; a single one may be any.
  class Run {
   public:
    std::uint64_t size() const { return size_; }
    bool Contains(const Mark& mark) const {
      if (size_ <= 1) return size_ == 1 && mark == first_;
      return IsWithin(CounterOf(mark, order_));
    }
    bool Extend(const Mark& mark);  // false: it does not follow
    void Begin(const Mark& mark);
    Mark At(std::uint64_t index) const;

   private:
    bool IsWithin(const Counter& counter) const {
      return counter.fixed == start_.fixed && counter.value - start_.value < size_;
    }
    bool BeginCounting(const Mark& second, Order order);

    std::uint64_t size_ = 0;
    Mark first_{{}};
    Order order_ = Order::kCounterFirst;
    Counter start_{};
  };

  // Marks in the order in which they came, and where they are by their hash. A look for a new one
  // mostly ends in the table, which is small enough to stay in the processor's nearest cache.
  class Generation {
   public:
    std::size_t size() const { return marks_.size(); }
    bool Contains(const Mark& mark) const;
    void Add(const Mark& mark);
    void Clear();

   private:
    std::size_t SlotOf(std::uint64_t hash) const { return hash >> shift_; }
    std::size_t Next(std::size_t slot) const { return (slot + 1) & (table_.size() - 1); }
    void Enter(std::uint64_t hash, std::size_t position);
    void Grow();

    std::vector<Mark> marks_;
    std::vector<std::uint32_t> table_;  // a part of the hash above, a place in marks_ from 1 below
    unsigned shift_ = 0;                // leaves as many bits as the table needs
  };

  bool IsInTables(const Mark& mark) const;

  // When the younger one is full, it becomes the older one.
  Generation young_;
  Generation old_;
  Run run_;  // goes into the younger one when a nonce comes that does not follow
};

}  // namespace hsmcore::crypto

#endif  // HSMCORE_CRYPTO_NONCE_MEMORY_H_
