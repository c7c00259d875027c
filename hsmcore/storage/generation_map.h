// SPDX-License-Identifier: Apache-2.0
#ifndef HSMCORE_STORAGE_GENERATION_MAP_H_
#define HSMCORE_STORAGE_GENERATION_MAP_H_

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string_view>

#include "hsmcore/types.h"
#include "storage/posix.h"

namespace hsmcore::storage {

// The file `generation` of a home, mapped into every process that has it open, by which a change
// made in one process is seen by all others at the cost of one memory read.
//
// It holds, for the whole cluster, the head of the last acknowledged commit (term, revision,
// members that hold it) and a busy mark, and one epoch (32 bits) per key slot. The store is the
// truth; this file only says that something moved. An epoch is odd while a commit that moves it is
// under way, and a busy mark or an odd epoch that a crash left behind costs readers a look into the
// store, never a wrong answer; the next writer clears it.
//
// Readers also take the head for busy when the machine was started anew since it was written: a
// crash of the machine may have lost the newest of it.
//
// Beside that it counts how often each member was asked and how often that failed, so that reads
// are spread over the members and people see who works: a hint, which a crash of the machine may
// lose.
//
// Slots: kSlots of them; a slot number is taken modulo kSlots. The file is sparse.
// Readers need no lock. Writers hold the engine's writer lock.
// The mapping is inherited over fork() and stays valid without any right to the home.
class GenerationMap {
 public:
  static constexpr std::uint64_t kSlots = std::uint64_t{1} << 24;
  static constexpr std::size_t kMaxMoved = 1000;  // epochs that one commit can move

  struct Head {
    std::uint64_t term = 0;
    std::uint64_t revision = 0;
    std::uint32_t copies = 0;  // members that acknowledged it
    bool busy = false;         // a commit is under way, or was cut short
    friend bool operator==(const Head&, const Head&) = default;
  };

  // In memory only, for engines that no other process shares.
  static Result<std::unique_ptr<GenerationMap>> Anonymous();
  // Makes the file (mode 0600), durable. kHomeExists when it is there. The id has at most 63 bytes.
  static Status Create(const std::filesystem::path& file, std::string_view cluster_id);
  // Maps it; read-only where the file system or the rights allow no more (then Begin and End are
  // kStorageReadOnly). kHomeDamaged: missing, short, foreign; the detail names the repair command.
  static Result<std::unique_ptr<GenerationMap>> Open(const std::filesystem::path& file,
                                                     std::string_view cluster_id);
  ~GenerationMap();
  GenerationMap(const GenerationMap&) = delete;
  GenerationMap& operator=(const GenerationMap&) = delete;

  Head ReadHead() const;  // consistent: term, revision, copies and busy belong together
  std::uint32_t Epoch(std::uint64_t slot) const {
    return slots_[slot % kSlots].load(std::memory_order_acquire);
  }

  // The cluster was zeroized. Said for good, to every process that has the file mapped; the head is
  // busy from then on. Close: kStorageReadOnly.
  bool closed() const { return closed_->load(std::memory_order_relaxed) != 0; }
  Status Close();

  // Begin marks the head busy and the epochs odd; End makes them even, moves them on and publishes
  // the new head. Abandon (a commit that changed nothing) puts the head back, epochs moved on.
  // Begin after a crash first settles what the dead writer left odd. More than kMaxMoved slots are
  // kInvalidArgument; kStorageFull: no space for a slot's page. A Begin that fails changes nothing.
  Status Begin(std::span<const std::uint64_t> slots);
  Status End(std::span<const std::uint64_t> slots, const Head& head);
  Status Abandon(std::span<const std::uint64_t> slots);

  // What was asked of one member by all processes since the file was made.
  struct Load {
    std::uint64_t operations = 0;
    std::uint64_t errors = 0;  // of these
  };
  // The place of a member's counts, taken at first use. Nothing: as many members as there are
  // places have come and gone, or this process may not write and nobody else has asked.
  std::optional<std::size_t> LoadPlace(std::string_view member);
  void NoteOperation(std::size_t place, bool failed);  // nothing where the file is read-only
  Load ReadLoad(std::size_t place) const;
  // When a member was last found not to answer, in a time that only the caller knows; 0: it does.
  void NoteSilence(std::size_t place, std::uint64_t since);
  std::uint64_t SilentSince(std::size_t place) const;

 private:
  struct Header;
  struct Boot {  // which start of the machine; all zero when it cannot be told
    std::uint64_t high = 0;
    std::uint64_t low = 0;
    friend bool operator==(const Boot&, const Boot&) = default;
  };
  GenerationMap(void* mapping, FileDescriptor file, bool writable);

  static Boot ThisBoot();
  Status ReserveSlots(std::span<const std::uint64_t> slots);
  void Settle();
  void PublishHead(const Head& head);
  void MoveOn(std::uint64_t slot);

  FileDescriptor file_;
  void* mapping_;
  Header* header_;
  std::atomic<std::uint32_t>* slots_;
  std::atomic<std::uint32_t>* closed_;
  bool writable_;
  bool found_busy_ = false;  // by Begin
  Boot boot_;
};

}  // namespace hsmcore::storage

#endif  // HSMCORE_STORAGE_GENERATION_MAP_H_
