// SPDX-License-Identifier: Apache-2.0
#include "crypto/nonce_memory.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <utility>

namespace hsmcore::crypto {
namespace {

constexpr std::uint64_t kMultiplier = 0x9e3779b97f4a7c15;  // 2^64 divided by the golden ratio
constexpr unsigned kHalf = 32;
constexpr std::size_t kWord = sizeof(std::uint64_t);
constexpr std::size_t kUsual = 12;  // bytes of nearly every nonce
constexpr std::size_t kFixed = kUsual - kWord;
constexpr std::uint64_t kFixedMask = 0xffffffff;
constexpr std::size_t kFirstSlots = 32;
constexpr unsigned kPlaceBits = 16;
constexpr std::uint32_t kPlaceMask = (1U << kPlaceBits) - 1;
static_assert(NonceMemory::kRemembered < kPlaceMask);

std::uint64_t Mix(std::uint64_t value) {
  value *= kMultiplier;
  return value ^ (value >> kHalf);
}

// The lower half of the hash; the table's slot is the upper bits.
std::uint32_t PartOf(std::uint64_t hash) { return static_cast<std::uint32_t>(hash) & ~kPlaceMask; }

static_assert(std::endian::native == std::endian::little);

std::uint64_t Word(const std::uint8_t* bytes, std::size_t size) {
  std::uint64_t word = 0;
  std::memcpy(&word, bytes, size);
  return word;
}

}  // namespace

NonceMemory::Mark::Mark(ByteView nonce) : rest_(nonce.size()) {
  if (nonce.size() == kUsual) {  // a copy of known length needs no call
    first_ = Word(nonce.data(), kWord);
    second_ = Word(nonce.data() + kWord, kUsual - kWord);
  } else {
    for (std::size_t done = 0; done < nonce.size(); done += kWord) {
      const std::uint64_t word = Word(nonce.data() + done, std::min(kWord, nonce.size() - done));
      if (done == 0) {
        first_ = word;
      } else if (done == kWord) {
        second_ = word;
      } else {
        rest_ = Mix(rest_ ^ Mix(word));
      }
    }
  }
  hash_ = (Mix(first_ + (second_ * kMultiplier)) ^ rest_) * kMultiplier;
}

NonceMemory::Counter NonceMemory::CounterOf(const Mark& mark, Order order) {
  if (mark.rest_ != kUsual) return {~std::uint64_t{0}, 0};
  if (order == Order::kCounterFirst) return {mark.second_, mark.first_};
  return {mark.first_ & kFixedMask,
          std::byteswap((mark.first_ >> kHalf) | (mark.second_ << kHalf))};
}

NonceMemory::Mark NonceMemory::MarkOf(const Counter& counter, Order order) {
  std::array<std::uint8_t, kUsual> nonce{};
  const bool counter_first = order == Order::kCounterFirst;
  const std::uint64_t value = counter_first ? counter.value : std::byteswap(counter.value);
  std::memcpy(nonce.data() + (counter_first ? 0 : kFixed), &value, sizeof value);
  std::memcpy(nonce.data() + (counter_first ? sizeof value : 0), &counter.fixed, kFixed);
  return Mark(nonce);
}

bool NonceMemory::Run::BeginCounting(const Mark& second, Order order) {
  const Counter from = CounterOf(first_, order);
  const Counter to = CounterOf(second, order);
  if (from.fixed > kFixedMask || from.fixed != to.fixed || to.value != from.value + 1) return false;
  order_ = order;
  start_ = from;
  size_ = 2;
  return true;
}

bool NonceMemory::Run::Extend(const Mark& mark) {
  if (size_ <= 1) {
    return size_ == 1 &&
           (BeginCounting(mark, Order::kCounterFirst) || BeginCounting(mark, Order::kCounterLast));
  }
  const Counter next = CounterOf(mark, order_);
  if (next.fixed != start_.fixed || next.value - start_.value != size_) return false;
  ++size_;
  return true;
}

void NonceMemory::Run::Begin(const Mark& mark) {
  first_ = mark;
  size_ = 1;
}

NonceMemory::Mark NonceMemory::Run::At(std::uint64_t index) const {
  if (size_ == 1) return first_;
  return MarkOf({start_.fixed, start_.value + index}, order_);
}

bool NonceMemory::Generation::Contains(const Mark& mark) const {
  const std::uint32_t part = PartOf(mark.hash());
  std::size_t slot = SlotOf(mark.hash());
  while (const std::uint32_t entry = table_[slot]) {
    if ((entry & ~kPlaceMask) == part && marks_[(entry & kPlaceMask) - 1] == mark) return true;
    slot = Next(slot);
  }
  return false;
}

void NonceMemory::Generation::Enter(std::uint64_t hash, std::size_t position) {
  std::size_t slot = SlotOf(hash);
  while (table_[slot] != 0) slot = Next(slot);
  table_[slot] = PartOf(hash) | static_cast<std::uint32_t>(position + 1);
}

void NonceMemory::Generation::Grow() {
  table_.assign(table_.empty() ? kFirstSlots : 2 * table_.size(), 0);
  shift_ = static_cast<unsigned>(64 - std::countr_zero(table_.size()));
  for (std::size_t i = 0; i < marks_.size(); ++i) Enter(marks_[i].hash(), i);
}

void NonceMemory::Generation::Add(const Mark& mark) {
  if (2 * marks_.size() >= table_.size()) Grow();
  Enter(mark.hash(), marks_.size());
  marks_.push_back(mark);
}

void NonceMemory::Generation::Clear() {
  marks_.clear();
  std::ranges::fill(table_, 0U);
}

bool NonceMemory::IsInTables(const Mark& mark) const {
  return young_.Contains(mark) || (old_.size() != 0 && old_.Contains(mark));
}

void NonceMemory::Add(const Mark& mark) {
  if (run_.Extend(mark)) return;
  for (std::uint64_t i = run_.size() - std::min(run_.size(), std::uint64_t{kRemembered});
       i < run_.size(); ++i) {
    if (young_.size() >= kRemembered) {
      std::swap(young_, old_);
      young_.Clear();
    }
    young_.Add(run_.At(i));
  }
  run_.Begin(mark);
}

}  // namespace hsmcore::crypto
