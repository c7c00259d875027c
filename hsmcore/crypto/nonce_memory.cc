// SPDX-License-Identifier: Apache-2.0
#include "crypto/nonce_memory.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace hsmcore::crypto {
namespace {

constexpr std::uint64_t kMultiplier = 0x9e3779b97f4a7c15;  // 2^64 divided by the golden ratio
constexpr unsigned kHalf = 32;
constexpr std::size_t kFirstSlots = 16;

std::uint64_t Mix(std::uint64_t value) {
  value *= kMultiplier;
  return value ^ (value >> kHalf);
}

}  // namespace

// The first 16 bytes as they are, so that two nonces of the usual lengths are never taken for one
// another; of longer ones the rest is mixed in. The length makes no entry zero.
NonceMemory::Entry NonceMemory::EntryOf(ByteView nonce) {
  constexpr std::size_t kWord = sizeof(std::uint64_t);
  Entry entry{0, 0, nonce.size() + 1};
  for (std::size_t done = 0; done < nonce.size(); done += kWord) {
    std::uint64_t word = 0;
    std::memcpy(&word, nonce.data() + done, std::min(kWord, nonce.size() - done));
    if (done < 2 * kWord) {
      entry[done / kWord] = word;
    } else {
      entry[2] = Mix(entry[2] ^ Mix(word)) | 1;
    }
  }
  return entry;
}

std::size_t NonceMemory::Generation::SlotOf(const Entry& entry) const {
  std::size_t slot = Mix(Mix(Mix(entry[0]) ^ entry[1]) ^ entry[2]) & (slots.size() - 1);
  while (slots[slot] != Entry{} && slots[slot] != entry) slot = (slot + 1) & (slots.size() - 1);
  return slot;
}

bool NonceMemory::Generation::Contains(const Entry& entry) const {
  return !slots.empty() && slots[SlotOf(entry)] == entry;
}

void NonceMemory::Generation::Add(const Entry& entry) {
  if (2 * used >= slots.size()) {
    std::vector<Entry> before(slots.empty() ? kFirstSlots : 2 * slots.size());
    slots.swap(before);
    for (const Entry& moved : before) {
      if (moved != Entry{}) slots[SlotOf(moved)] = moved;
    }
  }
  slots[SlotOf(entry)] = entry;
  ++used;
}

bool NonceMemory::Contains(ByteView nonce) const {
  const Entry entry = EntryOf(nonce);
  return young_.Contains(entry) || old_.Contains(entry);
}

void NonceMemory::Add(ByteView nonce) {
  if (young_.used >= kRemembered) {
    std::swap(young_, old_);
    std::ranges::fill(young_.slots, Entry{});
    young_.used = 0;
  }
  young_.Add(EntryOf(nonce));
}

}  // namespace hsmcore::crypto
