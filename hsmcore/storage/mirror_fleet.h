// SPDX-License-Identifier: Apache-2.0
#ifndef HSMCORE_STORAGE_MIRROR_FLEET_H_
#define HSMCORE_STORAGE_MIRROR_FLEET_H_

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "storage/engines.h"
#include "storage/generation_map.h"
#include "storage/store.h"

namespace hsmcore::storage {

// One member of a mirror and what is known of it.
struct MirrorMember {
  MirrorMember(MemberOptions member, std::unique_ptr<Store> file)
      : options(std::move(member)), store(std::move(file)) {}

  MemberOptions options;
  std::unique_ptr<Store> store;
  CommitMark head;               // as last looked at
  std::optional<Error> trouble;  // why it is out of service, as last looked at
  std::string suspicion;         // what a read found wrong with it; kept until it is repaired
  std::optional<std::size_t> load_place;  // of its counts in the generation map
  bool changed = false;                   // by the bringing together that was last asked for
};

// The members of a mirror as one: who is the most advanced, and bringing the others to its state.
// The rules are in docs/storage.md. Not for several threads at once.
class MirrorFleet {
 public:
  explicit MirrorFleet(const MirrorOptions& options);

  std::vector<std::unique_ptr<MirrorMember>>& members() { return members_; }

  // Asks every member for its head; forgets earlier trouble. One that did not answer lately is
  // asked again only after a while, unless `all` is.
  void Look(bool all = false);
  // Whether all are in service with the same head.
  bool AllAlike() const;

  // The most advanced member in service, or nullptr. Where the same place in the history is taken
  // by different commits, the commit that more members hold.
  MirrorMember* Newest() const;
  Result<MirrorMember*> RequireNewest() const;

  // A member whose head is (term, revision), looking at no more members than it takes, those first
  // that were asked the least, and suspect ones last; nullptr: none.
  MirrorMember* FindAt(std::uint64_t term, std::uint64_t revision);

  // Counts what a member was asked for.
  void Note(const MirrorMember& member, bool failed);
  GenerationMap::Load LoadOf(const MirrorMember& member) const;

  // Writer lock held. Brings every member in service to the head of the most advanced one, makes
  // missing and damaged ones anew, and returns the most advanced; to be called after Look(). Who
  // cannot be brought there is out of service afterwards.
  Result<MirrorMember*> BringTogether();

  std::vector<MirrorMember*> InService() const;
  std::string ServiceList() const;  // the ids of the members in service

 private:
  void LookAt(MirrorMember& member, bool though_silent);
  bool IsSilent(const MirrorMember& member) const;
  bool BringAllTo(MirrorMember& reference);
  bool Bring(MirrorMember& member, MirrorMember& reference);
  std::ptrdiff_t Holders(const CommitMark& head) const;

  GenerationMap* const generations_;  // may be nullptr
  std::vector<std::unique_ptr<MirrorMember>> members_;
};

// Writer lock held. Compares the contents of members that have the same head, entry by entry, and
// lets the genuine version of each stand everywhere. False: a member that could not be read or
// written is out of service now.
bool Reconcile(std::span<MirrorMember* const> members, const Verifier* verifier);

}  // namespace hsmcore::storage

#endif  // HSMCORE_STORAGE_MIRROR_FLEET_H_
