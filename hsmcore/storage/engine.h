// SPDX-License-Identifier: Apache-2.0
#ifndef HSMCORE_STORAGE_ENGINE_H_
#define HSMCORE_STORAGE_ENGINE_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "hsmcore/types.h"

// The storage contract. A flat, ordered key space with revisions that fits etcd as well as SQLite.
// Values are opaque: only sealed or public bytes may be given to an engine.
//
// Keys       1..512 bytes, ordered bytewise. By convention "kind/name".
// Values     0..1 MiB.
// Revision   one number per cluster that each commit moves up by one; 0 is the empty store.
// Atomicity  a commit is durable on enough members when it is acknowledged, and whole: after a
//            crash at any moment a commit is there entirely or not at all. One that failed with
//            anything but a conflict may still turn out to be there (and then is there whole).
// Isolation  readers see committed states only. Each call sees one revision; two calls may see two.
// Threads    an engine may be called from several threads; it serialises them itself.
// Fork       in a child an engine puts inherited handles away without touching the files behind
//            them, and opens its own at the next call. fork() must not happen while a call is
//            running in another thread (the cluster's fork guard sees to that).
// Errors     kStorageConflict (a precondition failed), kStorageFull, kStorageReadOnly, kStorageIo,
//            kStorageBusy (the writer lock was not free in time), kHomeAccess, kHomeDamaged,
//            kHomeNewer (schema), kNoHsmInService, kKeyAvailability (fewer members than
//            min_copies).
namespace hsmcore::storage {

// Newest schema that this code reads and writes; stored in every member.
inline constexpr unsigned kSchemaVersion = 1;
inline constexpr std::size_t kMaxKeyBytes = 512;
inline constexpr std::size_t kMaxValueBytes = std::size_t{1} << 20;
inline constexpr std::size_t kMaxMembers = 28;

struct Entry {
  std::string key;
  Bytes value;
  std::uint64_t revision = 0;  // of the commit that wrote this value
};

// The key must have been last written at `revision`; 0: the key must not exist.
struct Precondition {
  std::string key;
  std::uint64_t revision = 0;
};

struct Mutation {
  std::string key;
  std::optional<Bytes> value;  // nothing: delete; deleting what is not there is no error
};

struct Batch {
  std::vector<Precondition> preconditions;
  std::vector<Mutation> mutations;  // each key once
  // Key epochs that this commit moves (see generation_map.h): moved after the commit is durable and
  // before it is acknowledged. An engine without a generation map ignores them.
  std::vector<std::uint64_t> epochs;
  // The commit needs this many members in service, or fails with kKeyAvailability and changes
  // nothing. An engine with fewer members than that by design needs all of them.
  unsigned min_copies = 1;
  // Part of a rollback of the HSM type: the one change of keys and users in limited-write mode. An
  // engine without states of a cluster ignores it.
  bool restoring = false;
};

// One page of a listing: entries with key > `after` (all when empty), at most `limit`.
struct ListOptions {
  std::string after;
  std::size_t limit = 1000;
  bool keys_only = false;  // values stay empty
};

struct Change {
  std::string key;
  std::uint64_t revision = 0;
  bool deleted = false;
};

// Which member: one HSM, one replica.
struct Member {
  std::string id;
  std::string zone;
  std::string location;          // directory or endpoint
  bool in_service = false;       // read from and written to
  std::uint64_t revision = 0;    // newest commit it holds; 0 when it cannot be read
  std::string problem;           // why not in service and what to do; empty otherwise
  std::uint64_t operations = 0;  // reads and commits that it was asked for, by all processes
  std::uint64_t errors = 0;      // of these, that it could not do
  // Only from Members(true):
  std::uint64_t entries = 0;    // live keys it holds
  std::uint64_t different = 0;  // keys that are missing, extra or different from most members'
};

// Is this value genuine? Given to the engine, which asks before it returns a value; where a
// member's copy is not, an engine with several members takes another member's and reports the first
// one. Called with the engine locked: it must not call the engine.
using Verifier = std::function<bool(const Entry&)>;

// Held while a change is prepared, so that other writers wait instead of colliding. Belongs to the
// thread that took it, which may take it again; the engine must outlive it.
class WriterLock {
 public:
  virtual ~WriterLock() = default;
};

class Engine {
 public:
  virtual ~Engine() = default;

  // The value of a key; nothing when it does not exist. With `verifier`: an entry that no member
  // holds in a genuine form is kHomeDamaged.
  virtual Result<std::optional<Entry>> Get(std::string_view key, const Verifier* verifier) = 0;
  Result<std::optional<Entry>> Get(std::string_view key) { return Get(key, nullptr); }

  // Keys that begin with `prefix`, in order.
  virtual Result<std::vector<Entry>> List(std::string_view prefix, const ListOptions& options) = 0;

  // How many keys begin with `prefix`.
  virtual Result<std::uint64_t> Count(std::string_view prefix) = 0;

  // Applies the batch and returns its revision. An empty batch is kInvalidArgument.
  virtual Result<std::uint64_t> Commit(const Batch& batch) = 0;

  // The newest committed revision; re-reads the state of the members.
  virtual Result<std::uint64_t> Revision() = 0;

  // What changed after `revision`, oldest first, each key once with its newest change.
  virtual Result<std::vector<Change>> ChangesSince(std::uint64_t revision) = 0;

  // Waits up to 60 s (then kStorageBusy) for the right to write; other processes wait meanwhile.
  // Reads by the holder then see the newest state. An engine with optimistic locking only returns
  // an empty lock. Never held across a call to the application.
  Result<std::unique_ptr<WriterLock>> LockForUpdate() { return Lock(LockWait::kPatient); }
  // The same without waiting: kStorageBusy where another holds it.
  Result<std::unique_ptr<WriterLock>> TryLockForUpdate() { return Lock(LockWait::kNone); }

  // Every member; `verify` also compares contents, entry by entry.
  virtual Result<std::vector<Member>> Members(bool verify) = 0;

  // Brings every reachable member to the newest state and finishes an interrupted commit. Returns
  // the ids of the members that were changed.
  virtual Result<std::vector<std::string>> Repair(const Verifier* verifier) = 0;

 protected:
  enum class LockWait : std::uint8_t { kNone, kPatient };
  virtual Result<std::unique_ptr<WriterLock>> Lock(LockWait wait) = 0;
};

// Reads with a memory, for one optimistic update: what was read becomes a precondition.
class Transaction {
 public:
  explicit Transaction(Engine& engine) : engine_(engine) {}

  // Sees what this transaction has written.
  Result<std::optional<Bytes>> Get(std::string_view key);
  void Put(std::string key, Bytes value) { Write(std::move(key), std::move(value)); }
  void Delete(std::string key) { Write(std::move(key), std::nullopt); }
  void MoveEpoch(std::uint64_t slot) { batch_.epochs.push_back(slot); }
  void RequireCopies(unsigned copies) { batch_.min_copies = copies; }

 private:
  friend Result<std::uint64_t> Update(Engine&, const std::function<Status(Transaction&)>&);
  const Mutation* Written(std::string_view key) const;
  void Write(std::string key, std::optional<Bytes> value);
  Result<std::uint64_t> Commit();

  Engine& engine_;
  Batch batch_;
  std::map<std::string, std::uint64_t, std::less<>> reads_;
};

// Runs `change` under the writer lock and commits what it wrote; when another writer came first,
// runs it again (so it must do nothing but read and write the transaction). Returns the revision;
// a change that writes nothing commits nothing.
Result<std::uint64_t> Update(Engine& engine, const std::function<Status(Transaction&)>& change);

}  // namespace hsmcore::storage

#endif  // HSMCORE_STORAGE_ENGINE_H_
