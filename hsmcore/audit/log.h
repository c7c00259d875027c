// SPDX-License-Identifier: Apache-2.0
#ifndef HSMCORE_AUDIT_LOG_H_
#define HSMCORE_AUDIT_LOG_H_

#include <functional>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "hsmcore/audit.h"
#include "storage/engine.h"
#include "vault/identity.h"

// The log in the cluster's store: a record is audit/<sequence number>, and cluster/audit says where
// the chain ends. Every commit of an audited engine carries a record: what is done is what a Scope
// of the thread says, which keys and users it touches is what the commit says.
namespace hsmcore::audit {

inline constexpr std::string_view kPrefix = "audit/";
inline constexpr const char* kHeadPath = "cluster/audit";
std::string PathOf(std::uint64_t sequence);

// Who acts: an identity and the path of its record; neither without a login. The identity must
// outlive the scope.
struct Actor {
  const vault::Identity* identity = nullptr;
  std::string path;
};

struct Entry {
  AuditEvent event = AuditEvent::kChange;
  std::string user;             // whom it is about
  std::vector<KeyHandle> keys;  // besides those that the commit writes
  std::string detail;
  ErrorCode result = ErrorCode();
  std::set<std::string> approved_by;  // paths; of a quorum
  Bytes sign_key;  // of a user who is made: whoever checks the log knows his signatures by it
};

// An entry that says what it is and of what: a setting, an HSM, a label.
Entry Named(AuditEvent event, std::string detail = {});
// An entry about a user, by his path.
Entry About(AuditEvent event, std::string user);

// What this thread does as long as the object lives. The innermost one counts.
class Scope {
 public:
  explicit Scope(Entry entry);  // goes on with the actor of the scope around
  Scope(Actor actor, Entry entry);
  ~Scope();
  Scope(const Scope&) = delete;
  Scope& operator=(const Scope&) = delete;

  // Of this thread; nullptr: there is none.
  static Scope* Current();

  const Actor& actor() const { return actor_; }
  Entry& entry() { return entry_; }
  const Entry& entry() const { return entry_; }

 private:
  Scope* const around_;
  Actor actor_;
  Entry entry_;
};

// Commits without records: of what was recorded where it was done first (a backup that is filled
// in).
class Silence {
 public:
  Silence();
  ~Silence();
  Silence(const Silence&) = delete;
  Silence& operator=(const Silence&) = delete;

 private:
  const bool before_;
};

// The same engine, whose commits carry records.
std::unique_ptr<storage::Engine> NewAuditedEngine(std::unique_ptr<storage::Engine> engine);

// A record of what changes nothing in the store, or was not allowed.
Status Note(storage::Engine& engine, const Actor& actor, const Entry& entry);

// Whether what failed says something about who tried it, rather than about the store.
bool IsRefusal(ErrorCode code);

struct Head {
  std::uint64_t sequence = 0;  // of the newest record
  Bytes hash;
  std::uint64_t first = 1;  // of the oldest one that is in the store
  Bytes before;             // hash of the one before that
  std::uint64_t reboots = 0;
  std::string boot;  // the kernel's id of this run of the machine
};
Result<Head> ReadHead(storage::Engine& engine);

// Goes through what is stored after that sequence number, oldest first.
Status ForEach(storage::Engine& engine, std::uint64_t after,
               const std::function<Status(const storage::Entry&)>& visit);

// Takes the records up to `last` out of the store, the newest one excepted; the chain goes on.
Status Rotate(storage::Engine& engine, std::uint64_t last);

}  // namespace hsmcore::audit

#endif  // HSMCORE_AUDIT_LOG_H_
