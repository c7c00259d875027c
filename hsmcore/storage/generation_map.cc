// SPDX-License-Identifier: Apache-2.0
#include "storage/generation_map.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <iterator>
#include <utility>

#include "base/text.h"

namespace hsmcore::storage {
namespace {

constexpr std::array<char, 8> kMagic = {'h', 's', 'm', 'g', 'e', 'n', '\r', '\n'};
constexpr std::uint32_t kVersion = 1;
constexpr std::size_t kClusterIdBytes = 64;  // NUL-padded, ends in NUL
constexpr std::size_t kSlotsOffset = 16384;
constexpr std::size_t kFileBytes =
    kSlotsOffset + (GenerationMap::kSlots * sizeof(std::atomic<std::uint32_t>));
// A writer needs nanoseconds between its two steps; one that takes longer is dead or has been put
// to sleep, and readers then look into the store.
constexpr int kReadAttempts = 100;

constexpr std::size_t kLoadPlaces = 256;

static_assert(std::atomic<std::uint64_t>::is_always_lock_free);
static_assert(std::atomic<std::uint32_t>::is_always_lock_free);

std::unexpected<Error> FailDamaged(const std::filesystem::path& file, std::string_view what) {
  return Fail(ErrorCode::kHomeDamaged,
              Cat("'", file.native(), "' ", what, "; run: hsmctl cluster sync"));
}

// FNV-1a. Never 0, which is a free place; two members of one cluster with the same number would
// share their counts.
std::uint64_t NumberOf(std::string_view member) {
  std::uint64_t number = 0xcbf29ce484222325;
  for (const char letter : member) {
    number = (number ^ static_cast<unsigned char>(letter)) * 0x100000001b3;
  }
  return number == 0 ? 1 : number;
}

}  // namespace

// The layout of the file up to its slots, in the machine's byte order: it never leaves the machine.
struct GenerationMap::Header {
  std::array<char, 8> magic{};
  std::uint32_t version = 0;
  std::atomic<std::uint32_t> closed;  // 1: zeroized
  std::array<char, kClusterIdBytes> cluster_id{};
  // The head is written under a sequence lock: the number is odd while that goes on.
  std::atomic<std::uint64_t> sequence;
  std::atomic<std::uint64_t> term;
  std::atomic<std::uint64_t> revision;
  std::atomic<std::uint32_t> copies;
  std::atomic<std::uint32_t> busy;
  std::atomic<std::uint64_t> boot_high;
  std::atomic<std::uint64_t> boot_low;
  // The slots that are being moved, so that the next writer can settle what a dead one left odd.
  std::atomic<std::uint64_t> moved_count;
  std::array<std::atomic<std::uint64_t>, kMaxMoved> moved;
  // Zero, and so free, in files from before there were counts.
  struct Counts {
    std::atomic<std::uint64_t> member;
    std::atomic<std::uint64_t> operations;
    std::atomic<std::uint64_t> errors;
    std::atomic<std::uint64_t> silent_since;
  };
  std::array<Counts, kLoadPlaces> loads;
};

GenerationMap::GenerationMap(void* mapping, FileDescriptor file, bool writable)
    : file_(std::move(file)),
      mapping_(mapping),
      header_(static_cast<Header*>(mapping)),
      slots_(reinterpret_cast<std::atomic<std::uint32_t>*>(static_cast<char*>(mapping) +
                                                           kSlotsOffset)),
      closed_(&header_->closed),
      writable_(writable),
      boot_(ThisBoot()) {
  static_assert(sizeof(Header) <= kSlotsOffset);
}

GenerationMap::~GenerationMap() { munmap(mapping_, kFileBytes); }

Result<std::unique_ptr<GenerationMap>> GenerationMap::Anonymous() {
  void* mapping = mmap(nullptr, kFileBytes, PROT_READ | PROT_WRITE,
                       MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (mapping == MAP_FAILED) return FailErrno("cannot map", "anonymous memory", errno);
  std::unique_ptr<GenerationMap> map(new GenerationMap(mapping, FileDescriptor(), true));
  map->PublishHead({});
  return map;
}

Status GenerationMap::Create(const std::filesystem::path& file, std::string_view cluster_id) {
  if (cluster_id.empty() || cluster_id.size() >= kClusterIdBytes) {
    return Fail(ErrorCode::kInvalidArgument, "a cluster id has 1 to 63 bytes");
  }
  // Filled under another name, so that a crash leaves nothing half-made under the right one.
  std::filesystem::path draft = file;
  draft += ".new";
  const FileDescriptor opened(
      open(draft.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!opened.valid()) return FailErrno("cannot make", draft, errno);
  const auto header = std::make_unique<Header>();
  header->magic = kMagic;
  header->version = kVersion;
  std::ranges::copy(cluster_id, header->cluster_id.begin());
  int problem = posix_fallocate(opened.get(), 0, kSlotsOffset);
  if (problem == 0 &&
      (ftruncate(opened.get(), kFileBytes) != 0 ||
       pwrite(opened.get(), header.get(), sizeof *header, 0) != ssize_t{sizeof *header} ||
       fsync(opened.get()) != 0 || link(draft.c_str(), file.c_str()) != 0)) {
    problem = errno;
  }
  unlink(draft.c_str());
  if (problem != 0) return FailErrno("cannot make", file, problem);
  return SyncDirectory(file.parent_path());
}

Result<std::unique_ptr<GenerationMap>> GenerationMap::Open(const std::filesystem::path& file,
                                                           std::string_view cluster_id) {
  bool writable = true;
  FileDescriptor opened(open(file.c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW));
  if (!opened.valid() && (errno == EACCES || errno == EROFS || errno == EPERM)) {
    writable = false;
    opened = FileDescriptor(open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  }
  if (!opened.valid()) return FailErrno("cannot open", file, errno);
  struct stat status{};
  if (fstat(opened.get(), &status) != 0) return FailErrno("cannot read", file, errno);
  if (!S_ISREG(status.st_mode) || status.st_size < static_cast<off_t>(kSlotsOffset)) {
    return FailDamaged(file, "is cut short");
  }
  const int protection = writable ? PROT_READ | PROT_WRITE : PROT_READ;
  void* mapping = mmap(nullptr, kFileBytes, protection, MAP_SHARED, opened.get(), 0);
  if (mapping == MAP_FAILED) return FailErrno("cannot map", file, errno);
  std::unique_ptr<GenerationMap> map(new GenerationMap(mapping, std::move(opened), writable));
  const Header& header = *map->header_;
  if (header.magic != kMagic) return FailDamaged(file, "is no generation file");
  if (header.version > kVersion) {
    return Fail(ErrorCode::kHomeNewer, Cat("'", file.native(), "' has format ", header.version,
                                           "; this program knows ", kVersion, "; upgrade it"));
  }
  if (status.st_size != static_cast<off_t>(kFileBytes)) return FailDamaged(file, "is cut short");
  const std::string_view found(header.cluster_id.data(),
                               strnlen(header.cluster_id.data(), kClusterIdBytes));
  if (found != cluster_id) return FailDamaged(file, "belongs to another cluster");
  return map;
}

GenerationMap::Boot GenerationMap::ThisBoot() {
  const FileDescriptor opened(open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC));
  std::array<char, 36> text{};
  if (!opened.valid() || read(opened.get(), text.data(), text.size()) != std::ssize(text)) {
    return {};
  }
  const char* const end = std::ranges::remove(text, '-').begin();  // 32 hex digits are left
  Boot boot;
  std::from_chars(text.data(), text.data() + 16, boot.high, 16);
  std::from_chars(text.data() + 16, end, boot.low, 16);
  return boot;
}

GenerationMap::Head GenerationMap::ReadHead() const {
  for (int attempt = 0; attempt < kReadAttempts; ++attempt) {
    const std::uint64_t before = header_->sequence.load(std::memory_order_acquire);
    Head head;
    head.term = header_->term.load(std::memory_order_acquire);
    head.revision = header_->revision.load(std::memory_order_acquire);
    head.copies = header_->copies.load(std::memory_order_acquire);
    head.busy = header_->busy.load(std::memory_order_acquire) != 0;
    const Boot boot = {header_->boot_high.load(std::memory_order_acquire),
                       header_->boot_low.load(std::memory_order_acquire)};
    // The loads above are acquires: one that saw a writer's value also makes its odd number seen.
    const std::uint64_t after = header_->sequence.load(std::memory_order_relaxed);
    if (before != after || before % 2 != 0) continue;
    head.busy = head.busy || boot != boot_ || boot == Boot{} || closed();
    return head;
  }
  return {.busy = true};
}

void GenerationMap::PublishHead(const Head& head) {
  // "| 1": a writer that died half-way has left the number odd.
  const std::uint64_t odd = header_->sequence.load(std::memory_order_relaxed) | 1;
  header_->sequence.store(odd, std::memory_order_relaxed);
  header_->term.store(head.term, std::memory_order_release);
  header_->revision.store(head.revision, std::memory_order_release);
  header_->copies.store(head.copies, std::memory_order_release);
  header_->busy.store(head.busy ? 1 : 0, std::memory_order_release);
  header_->boot_high.store(boot_.high, std::memory_order_release);
  header_->boot_low.store(boot_.low, std::memory_order_release);
  header_->sequence.store(odd + 1, std::memory_order_release);
}

void GenerationMap::MoveOn(std::uint64_t slot) {
  std::atomic<std::uint32_t>& epoch = slots_[slot % kSlots];
  const std::uint32_t value = epoch.load(std::memory_order_relaxed);
  if (value % 2 != 0) epoch.store(value + 1, std::memory_order_release);
}

void GenerationMap::Settle() {
  const std::uint64_t count = header_->moved_count.load(std::memory_order_relaxed);
  for (std::size_t i = 0; i < std::min<std::uint64_t>(count, kMaxMoved); ++i) {
    MoveOn(header_->moved[i].load(std::memory_order_relaxed));
  }
  header_->moved_count.store(0, std::memory_order_release);
}

// Writing through the mapping to a hole of the file on a full disk would end the process (SIGBUS).
Status GenerationMap::ReserveSlots(std::span<const std::uint64_t> slots) {
  if (!file_.valid()) return {};
  for (const std::uint64_t slot : slots) {
    if (Epoch(slot) != 0) continue;  // written before, so no hole
    const std::uint64_t offset = kSlotsOffset + (slot % kSlots * sizeof *slots_);
    const int problem = posix_fallocate(file_.get(), static_cast<off_t>(offset), sizeof *slots_);
    if (problem != 0) return FailErrno("cannot extend", "generation", problem);
  }
  return {};
}

void GenerationMap::NoteSilence(std::size_t place, std::uint64_t since) {
  std::atomic<std::uint64_t>& stored = header_->loads[place].silent_since;
  if (!writable_ || stored.load(std::memory_order_relaxed) == since) return;
  stored.store(since, std::memory_order_relaxed);
}

std::uint64_t GenerationMap::SilentSince(std::size_t place) const {
  return header_->loads[place].silent_since.load(std::memory_order_relaxed);
}

std::optional<std::size_t> GenerationMap::LoadPlace(std::string_view member) {
  const std::uint64_t number = NumberOf(member);
  for (std::size_t place = 0; place < kLoadPlaces; ++place) {
    std::atomic<std::uint64_t>& taken = header_->loads[place].member;
    std::uint64_t found = taken.load(std::memory_order_relaxed);
    if (found == 0 && !writable_) return std::nullopt;
    // Where another process was faster, `found` is who it took the place for.
    if (found == 0 && taken.compare_exchange_strong(found, number)) return place;
    if (found == number) return place;
  }
  return std::nullopt;
}

void GenerationMap::NoteOperation(std::size_t place, bool failed) {
  if (!writable_) return;
  Header::Counts& counts = header_->loads[place];
  counts.operations.fetch_add(1, std::memory_order_relaxed);
  if (failed) counts.errors.fetch_add(1, std::memory_order_relaxed);
}

GenerationMap::Load GenerationMap::ReadLoad(std::size_t place) const {
  const Header::Counts& counts = header_->loads[place];
  return {.operations = counts.operations.load(std::memory_order_relaxed),
          .errors = counts.errors.load(std::memory_order_relaxed)};
}

Status GenerationMap::Close() {
  if (!writable_) {
    return Fail(ErrorCode::kStorageReadOnly,
                "the file 'generation' of the home cannot be written; make its file system and its "
                "mode writable");
  }
  closed_->store(1, std::memory_order_release);
  return {};
}

Status GenerationMap::Begin(std::span<const std::uint64_t> slots) {
  if (!writable_) {
    return Fail(ErrorCode::kStorageReadOnly,
                "the file 'generation' of the home cannot be written; make its file system and its "
                "mode writable");
  }
  if (slots.size() > kMaxMoved) {
    return Fail(ErrorCode::kInvalidArgument,
                Cat("a commit can change at most ", kMaxMoved, " keys, not ", slots.size()));
  }
  HSMCORE_CHECK(ReserveSlots(slots));
  Head head = ReadHead();
  found_busy_ = head.busy;
  head.busy = true;
  PublishHead(head);
  Settle();
  for (std::size_t i = 0; i < slots.size(); ++i) {
    header_->moved[i].store(slots[i], std::memory_order_relaxed);
  }
  header_->moved_count.store(slots.size(), std::memory_order_release);
  for (const std::uint64_t slot : slots) {
    std::atomic<std::uint32_t>& epoch = slots_[slot % kSlots];
    epoch.store(epoch.load(std::memory_order_relaxed) | 1, std::memory_order_release);
  }
  return {};
}

Status GenerationMap::End(std::span<const std::uint64_t> slots, const Head& head) {
  if (!writable_) return Fail(ErrorCode::kStorageReadOnly, "the generation file is read-only");
  for (const std::uint64_t slot : slots) MoveOn(slot);
  header_->moved_count.store(0, std::memory_order_release);
  PublishHead(head);
  return {};
}

Status GenerationMap::Abandon(std::span<const std::uint64_t> slots) {
  Head head = ReadHead();
  head.busy = found_busy_;  // what an earlier crash left is not settled by a commit that failed
  return End(slots, head);
}

}  // namespace hsmcore::storage
