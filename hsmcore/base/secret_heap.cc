// SPDX-License-Identifier: Apache-2.0
#include "base/secret_heap.h"

#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <cstdint>
#include <cstring>
#include <limits>
#include <mutex>
#include <new>

#include "base/fork_guard.h"
#include "hsmcore/secret_bytes.h"

namespace hsmcore {
namespace {

// AddressSanitizer sees what is done to blocks of its own only.
#if defined(__SANITIZE_ADDRESS__)
constexpr bool kPlain = true;
#elif defined(__has_feature)
constexpr bool kPlain = __has_feature(address_sanitizer);
#else
constexpr bool kPlain = false;
#endif

// NOLINTNEXTLINE(cppcoreguidelines-avoid-non-const-global-variables): of the process, like its
// limit
constinit std::atomic<bool> g_unlocked = false;

constexpr std::size_t kSmallest = 32;  // bytes of a block; each class has twice those before it
constexpr std::size_t kClasses = 8;
constexpr std::size_t kLargest = kSmallest << (kClasses - 1);
constexpr std::size_t kFewInAPage = 256;  // blocks larger than this come from larger slabs

struct FreeBlock {
  FreeBlock* next;
};

// Some pages cut into blocks of one size, behind this header. Aligned to its own length, so that a
// block leads to it.
struct Slab {
  Slab* previous = nullptr;  // of its class, with room
  Slab* next = nullptr;
  FreeBlock* free = nullptr;
  std::size_t used = 0;
  std::size_t cut = 0;  // blocks that were handed out at least once
};
constexpr std::size_t kHeader = 64;
static_assert(sizeof(Slab) <= kHeader);

std::size_t PageBytes() {
  const auto page = sysconf(_SC_PAGESIZE);
  return page > 0 ? static_cast<std::size_t>(page) : 4096;
}

std::size_t RoundUp(std::size_t size, std::size_t unit) { return (size + unit - 1) / unit * unit; }

class SecretHeap {
 public:
  void* Allocate(std::size_t size);
  void Free(void* block, std::size_t size) noexcept;

 private:
  static std::size_t ClassOf(std::size_t size) {
    return static_cast<std::size_t>(std::bit_width((std::max(size, kSmallest) - 1) / kSmallest));
  }
  static std::size_t BlockBytes(std::size_t klass) { return kSmallest << klass; }
  std::size_t SlabBytes(std::size_t klass) const {
    return BlockBytes(klass) <= kFewInAPage ? page_ : 4 * page_;
  }
  std::size_t Offset(std::size_t klass) const { return std::max(kHeader, BlockBytes(klass)); }
  std::size_t Capacity(std::size_t klass) const {
    return (SlabBytes(klass) - Offset(klass)) / BlockBytes(klass);
  }

  void* MapPages(std::size_t bytes);
  void UnmapPages(void* pages, std::size_t bytes) noexcept;
  Slab* MakeSlab(std::size_t klass);
  void DropSlab(std::size_t klass, Slab* slab) noexcept;
  void Link(std::size_t klass, Slab* slab) noexcept;
  void Unlink(std::size_t klass, Slab* slab) noexcept;

  const std::size_t page_ = PageBytes();
  ForkMutex mutex_;
  std::array<Slab*, kClasses> with_room_{};
  std::size_t live_ = 0;    // blocks
  std::size_t mapped_ = 0;  // bytes, all of which were to be locked
};

// Never destroyed: secrets of statics may go after it would.
SecretHeap& TheHeap() {
  alignas(SecretHeap) static std::byte storage[sizeof(SecretHeap)];
  static auto* const heap = new (storage) SecretHeap;
  return *heap;
}

// Memory that is not there ends as with operator new.
[[noreturn]] void FailAsNew() {
  ::operator delete(::operator new(std::numeric_limits<std::ptrdiff_t>::max()));
  __builtin_unreachable();
}

bool LimitAllows(std::size_t locked) {
  rlimit limit{};
  if (getrlimit(RLIMIT_MEMLOCK, &limit) != 0) return false;
  return limit.rlim_cur == RLIM_INFINITY || locked <= limit.rlim_cur / 2;
}

// Aligned to `bytes` where that is a power of two.
void* SecretHeap::MapPages(std::size_t bytes) {
  const std::size_t room = bytes > page_ && std::has_single_bit(bytes) ? 2 * bytes : bytes;
  void* const mapped =
      mmap(nullptr, room, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (mapped == MAP_FAILED) FailAsNew();
  auto* begin = static_cast<std::byte*>(mapped);
  if (room != bytes) {
    const std::size_t before = (bytes - (reinterpret_cast<std::uintptr_t>(begin) % bytes)) % bytes;
    if (before != 0) munmap(begin, before);
    begin += before;
    munmap(begin + bytes, room - bytes - before);
  }
  madvise(begin, bytes, MADV_DONTDUMP);
  mapped_ += bytes;
  if (!LimitAllows(mapped_) || mlock(begin, bytes) != 0) NoteUnlockedSecret();
  return begin;
}

void SecretHeap::UnmapPages(void* pages, std::size_t bytes) noexcept {
  munmap(pages, bytes);
  mapped_ -= bytes;
}

void SecretHeap::Link(std::size_t klass, Slab* slab) noexcept {
  slab->previous = nullptr;
  slab->next = with_room_.at(klass);
  if (slab->next != nullptr) slab->next->previous = slab;
  with_room_.at(klass) = slab;
}

void SecretHeap::Unlink(std::size_t klass, Slab* slab) noexcept {
  if (slab->next != nullptr) slab->next->previous = slab->previous;
  (slab->previous != nullptr ? slab->previous->next : with_room_.at(klass)) = slab->next;
}

Slab* SecretHeap::MakeSlab(std::size_t klass) {
  auto* const slab = new (MapPages(SlabBytes(klass))) Slab;
  Link(klass, slab);
  return slab;
}

void SecretHeap::DropSlab(std::size_t klass, Slab* slab) noexcept {
  Unlink(klass, slab);
  UnmapPages(slab, SlabBytes(klass));
}

void* SecretHeap::Allocate(std::size_t size) {
  const std::lock_guard lock(mutex_);
  if (size > kLargest) return MapPages(RoundUp(size, page_));
  const std::size_t klass = ClassOf(size);
  Slab* slab = with_room_.at(klass);
  if (slab == nullptr) slab = MakeSlab(klass);
  void* block = slab->free;
  if (block != nullptr) {
    slab->free = slab->free->next;
    std::memset(block, 0, sizeof(FreeBlock));  // all else was wiped
  } else {
    block = reinterpret_cast<std::byte*>(slab) + Offset(klass) + (slab->cut * BlockBytes(klass));
    ++slab->cut;
  }
  ++live_;
  if (++slab->used == Capacity(klass)) Unlink(klass, slab);
  return block;
}

// A slab that is empty stays while it is the only one with room in its class: the next secret comes
// soon. With the last secret all goes, as the library may be unloaded.
void SecretHeap::Free(void* block, std::size_t size) noexcept {
  WipeMemory(block, size);
  const std::lock_guard lock(mutex_);
  if (size > kLargest) {
    UnmapPages(block, RoundUp(size, page_));
    return;
  }
  const std::size_t klass = ClassOf(size);
  const std::size_t offset = reinterpret_cast<std::uintptr_t>(block) % SlabBytes(klass);
  auto* const slab = reinterpret_cast<Slab*>(static_cast<std::byte*>(block) - offset);
  if (slab->used == Capacity(klass)) Link(klass, slab);
  slab->free = new (block) FreeBlock{slab->free};
  --slab->used;
  --live_;
  const bool alone = slab->previous == nullptr && slab->next == nullptr;
  if (slab->used == 0 && !alone) DropSlab(klass, slab);
  if (live_ != 0) return;
  for (std::size_t each = 0; each < kClasses; ++each) {
    while (with_room_.at(each) != nullptr) DropSlab(each, with_room_.at(each));
  }
}

}  // namespace

void NoteUnlockedSecret() noexcept { g_unlocked.store(true, std::memory_order_relaxed); }

bool SecretsMayBeSwapped() noexcept { return g_unlocked.load(std::memory_order_relaxed); }

void* AllocateSecret(std::size_t size) {
  if (kPlain) return std::memset(::operator new(size), 0, size);
  return TheHeap().Allocate(size);
}

void FreeSecret(void* block, std::size_t size) noexcept {
  if (kPlain) {
    WipeMemory(block, size);
    ::operator delete(block);
  } else {
    TheHeap().Free(block, size);
  }
}

}  // namespace hsmcore
