// SPDX-License-Identifier: Apache-2.0
#ifndef HSMCORE_STORAGE_MIRROR_FLEET_H_
#define HSMCORE_STORAGE_MIRROR_FLEET_H_

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "storage/engines.h"
#include "storage/sqlite_store.h"

namespace hsmcore::storage {

// One member of a mirror and what is known of it.
struct MirrorMember {
  explicit MirrorMember(const SqliteOptions& file) : options(file.member), store(file) {}

  MemberOptions options;
  SqliteStore store;
  CommitMark head;               // as last looked at
  std::optional<Error> trouble;  // why it is out of service, as last looked at
  std::string suspicion;         // what a read found wrong with it; kept until it is repaired
  bool changed = false;          // by the bringing together that was last asked for
};

// The members of a mirror as one: who is the most advanced, and bringing the others to its state.
// The rules are in docs/storage.md. Not for several threads at once.
class MirrorFleet {
 public:
  explicit MirrorFleet(const MirrorOptions& options);

  std::vector<std::unique_ptr<MirrorMember>>& members() { return members_; }

  // Asks every member for its head; forgets earlier trouble.
  void Look();
  // Whether all are in service with the same head.
  bool AllAlike() const;

  // The most advanced member in service, or nullptr. Where the same place in the history is taken
  // by different commits, the commit that more members hold.
  MirrorMember* Newest() const;
  Result<MirrorMember*> RequireNewest() const;

  // A member whose head is (term, revision), looking at no more members than it takes, `preferred`
  // first and suspect ones last; nullptr: none.
  MirrorMember* FindAt(std::uint64_t term, std::uint64_t revision, MirrorMember* preferred);

  // Writer lock held. Brings every member in service to the head of the most advanced one, makes
  // missing and damaged ones anew, and returns the most advanced; to be called after Look(). Who
  // cannot be brought there is out of service afterwards.
  Result<MirrorMember*> BringTogether();

  std::vector<MirrorMember*> InService() const;
  std::string ServiceList() const;  // the ids of the members in service

 private:
  static void LookAt(MirrorMember& member);
  bool BringAllTo(MirrorMember& reference);
  bool Bring(MirrorMember& member, MirrorMember& reference);
  std::ptrdiff_t Holders(const CommitMark& head) const;

  std::vector<std::unique_ptr<MirrorMember>> members_;
};

// Writer lock held. Compares the contents of members that have the same head, entry by entry, and
// lets the genuine version of each stand everywhere. False: a member that could not be read or
// written is out of service now.
bool Reconcile(std::span<MirrorMember* const> members, const Verifier* verifier);

}  // namespace hsmcore::storage

#endif  // HSMCORE_STORAGE_MIRROR_FLEET_H_
