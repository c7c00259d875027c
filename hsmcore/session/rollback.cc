// SPDX-License-Identifier: Apache-2.0
#include "session/rollback.h"

#include <algorithm>
#include <array>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <utility>

#include "audit/log.h"
#include "base/text.h"
#include "keys/groups.h"
#include "keys/handle_counter.h"
#include "keys/key_store.h"
#include "keys/record.h"
#include "keys/trusted_mark.h"
#include "keys/usage.h"
#include "session/backup_content.h"
#include "storage/generation_map.h"
#include "users/directory.h"
#include "users/quorum_policy.h"
#include "users/record.h"
#include "users/recovery.h"
#include "users/type_policy.h"

namespace hsmcore::session {
namespace {

using storage::Entry;

constexpr std::string_view kKeys = "key/";
constexpr std::string_view kUsers = "user/";
constexpr std::string_view kSettings = "cluster/";

// What belongs to whom before what is whose.
constexpr auto kKinds = std::to_array<std::string_view>(
    {kUsers, kSettings, keys::kGroupPrefix, kKeys, keys::kTrustedPrefix, "label/", "id/",
     keys::kSharedIndex, keys::kPurgeIndex});

// The counts of uses among it: what was used is used.
bool Stays(std::string_view path) {
  // The log tells of both the change and the way back.
  return path == keys::kHandlesPath || path == users::TypePolicy::kPath ||
         path == audit::kHeadPath || path.starts_with(audit::kPrefix) ||
         path.starts_with(keys::kUsesPrefix);
}

std::string NameOfKey(std::string_view path, ByteView record) {
  const auto handle = keys::HandleIn(path);
  std::string name = handle ? handle->ToString() : std::string(path);
  const auto decoded = keys::DecodeRecord(path, record);
  if (!decoded) return name;
  const auto& half =
      decoded->record.private_half ? decoded->record.private_half : decoded->record.public_half;
  if (half && !half->label.empty()) name += Cat(" '", half->label, "'");
  return name;
}

// user/crypto-user/NAME, or the record of a setting.
std::string NameOfOther(std::string_view path) {
  return std::string(path.starts_with(kUsers) ? path.substr(kUsers.size()) : path);
}

Status OtherQuorum() {
  return Fail(ErrorCode::kClusterState,
              "quorum values were changed since; going back would take that back without the "
              "approval it needs: set them as they were first ('hsmctl quorum token-sign "
              "set-quorum-value')");
}

class Planner {
 public:
  Planner(cluster::Core& core, const HsmTypeRow* type, bool keep_new)
      : core_(core), type_(type), keep_new_(keep_new) {}

  // An entry of the backup.
  Status Compare(const Entry& then);
  // What is not in it, after all that is.
  Result<RollbackPlan> Finish();

 private:
  Status CheckQuorum(const Entry& then) const;
  Status CheckSameRecovery(const Entry& then) const;
  Status GoThrough(std::string_view kind);
  Status Extra(std::string_view path);
  Status ExtraKey(std::string_view path);
  Result<bool> Keepable(const keys::DecodedKey& key) const;
  Status ExtraUser(std::string_view path);
  Status CheckRoom() const;
  void Put(std::string_view path, std::optional<Bytes> value);
  void NoteOwner(std::string_view path, ByteView record);
  void Count(std::string_view path, ByteView record);

  cluster::Core& core_;
  const HsmTypeRow* const type_;
  const bool keep_new_;
  RollbackPlan plan_;
  std::set<std::string, std::less<>> in_backup_;
  std::map<std::string, Bytes, std::less<>> owners_;  // the users there will be: path, signing key
  std::set<KeyHandle> kept_;
  keys::KeyCounts counts_;  // there will be
};

void Planner::Put(std::string_view path, std::optional<Bytes> value) {
  // One commit moves the epochs of so many keys.
  constexpr std::size_t kMostMutations = storage::GenerationMap::kMaxMoved;
  if (plan_.batches.empty() || plan_.batches.back().mutations.size() >= kMostMutations) {
    plan_.batches.emplace_back().restoring = true;
  }
  storage::Batch& batch = plan_.batches.back();
  batch.mutations.push_back({std::string(path), std::move(value)});
  if (!path.starts_with(kKeys) && !path.starts_with(keys::kTrustedPrefix)) return;
  // Who has the key loaded must look again.
  if (const auto handle = keys::HandleIn(path)) batch.epochs.push_back(keys::EpochSlot(*handle));
}

void Planner::NoteOwner(std::string_view path, ByteView record) {
  if (!path.starts_with(kUsers)) return;
  const auto user = users::DecodeRecord(path, record);
  if (user) owners_[std::string(path)] = user->record.identity.sign_key;
}

void Planner::Count(std::string_view path, ByteView record) {
  if (!path.starts_with(kKeys)) return;
  const auto key = keys::DecodeRecord(path, record);
  if (key) ++(key->record.is_secret() ? counts_.secrets : counts_.pairs);
}

Status Planner::Compare(const Entry& then) {
  if (Stays(then.key)) return {};
  in_backup_.insert(then.key);
  HSMCORE_CHECK(CheckQuorum(then));
  // It has the recovery key sealed to the admins who stay.
  if (keep_new_ && then.key == users::Recovery::kPath) return CheckSameRecovery(then);
  NoteOwner(then.key, then.value);
  Count(then.key, then.value);
  HSMCORE_TRY(const auto now, core_.engine->Get(then.key));
  if (now && now->value == then.value) return {};
  Put(then.key, then.value);
  std::vector<std::string>& key_or_user = now ? plan_.losses.changed : plan_.losses.returned;
  if (then.key.starts_with(kKeys)) {
    key_or_user.push_back(Cat("key ", NameOfKey(then.key, then.value)));
  } else if (then.key.starts_with(kUsers)) {
    key_or_user.push_back(NameOfOther(then.key));
  } else if (then.key.starts_with(kSettings) || then.key.starts_with(keys::kGroupPrefix) ||
             then.key.starts_with(keys::kTrustedPrefix)) {
    plan_.losses.changed.push_back(NameOfOther(then.key));
  }
  return {};
}

// Going back must not be a way round the approval of a quorum.
Status Planner::CheckQuorum(const Entry& then) const {
  if (then.key != users::QuorumPolicy::kPath) return {};
  HSMCORE_TRY(const users::QuorumPolicy now, users::ReadQuorumPolicy(core_));
  HSMCORE_TRY(const users::TrustedSigners trusted, users::ReadTrustedSigners(core_));
  const auto policy = users::QuorumPolicy::Decode(then.value, trusted);
  return policy && policy->values == now.values ? Status() : OtherQuorum();
}

// With another recovery key, no password of those who turn back could be reset.
Status Planner::CheckSameRecovery(const Entry& then) const {
  HSMCORE_TRY(const auto now, core_.engine->Get(then.key));
  HSMCORE_TRY(const Bytes key_then, users::Recovery::PublicKeyIn(then.value));
  HSMCORE_TRY(const Bytes key_now, users::Recovery::PublicKeyIn(now ? now->value : Bytes()));
  if (key_then == key_now) return {};
  return Fail(
      ErrorCode::kClusterState,
      "the key that passwords are reset with was made anew since (an admin was deleted, or a "
      "quorum approved), so what is new cannot be kept; go back without --keep-new");
}

Status Planner::ExtraUser(std::string_view path) {
  if (!keep_new_) {
    plan_.losses.lost.push_back(NameOfOther(path));
    Put(path, std::nullopt);
    return {};
  }
  HSMCORE_TRY(const auto entry, core_.engine->Get(path));
  if (entry) NoteOwner(path, entry->value);
  return {};
}

Result<bool> Planner::Keepable(const keys::DecodedKey& key) const {
  if (!keep_new_) return false;
  const auto owner = owners_.find(key.record.owner);
  if (owner == owners_.end() || !key.SignedBy(owner->second)) return false;
  for (const auto* half : {&key.record.private_half, &key.record.public_half}) {
    if (type_ != nullptr && *half && (*half)->label.size() > type_->label_bytes) return false;
  }
  return true;
}

Status Planner::ExtraKey(std::string_view path) {
  HSMCORE_TRY(const auto entry, core_.engine->Get(path));
  if (!entry) return {};
  const auto key = keys::DecodeRecord(path, entry->value);
  bool keep = false;
  if (key) {
    HSMCORE_TRY(keep, Keepable(*key));
  }
  if (keep) {
    kept_.insert(key->record.handle);
    Count(path, entry->value);
    return {};
  }
  plan_.losses.lost.push_back(Cat("key ", NameOfKey(path, entry->value)));
  Put(path, std::nullopt);
  return {};
}

Status Planner::Extra(std::string_view path) {
  if (path.starts_with(kUsers)) return ExtraUser(path);
  if (path.starts_with(kKeys)) return ExtraKey(path);
  if (path == users::QuorumPolicy::kPath) {
    HSMCORE_TRY(const users::QuorumPolicy now, users::ReadQuorumPolicy(core_));
    if (now.values != users::QuorumPolicy().values) return OtherQuorum();
  }
  const auto handle = keys::HandleIn(path);
  if (handle && kept_.contains(*handle)) return {};
  const bool of_key_then = handle && in_backup_.contains(keys::KeyPath(*handle));
  if (path.starts_with(kSettings) || path.starts_with(keys::kGroupPrefix) ||
      (path.starts_with(keys::kTrustedPrefix) && of_key_then)) {
    plan_.losses.changed.push_back(NameOfOther(path));
  }
  Put(path, std::nullopt);
  return {};
}

Status Planner::GoThrough(std::string_view kind) {
  storage::ListOptions options{.after = {}, .limit = 1000, .keys_only = true};
  for (;;) {
    HSMCORE_TRY(const auto page, core_.engine->List(kind, options));
    for (const Entry& entry : page) {
      if (!Stays(entry.key) && !in_backup_.contains(entry.key)) HSMCORE_CHECK(Extra(entry.key));
    }
    if (page.size() < options.limit) return {};
    options.after = page.back().key;
  }
}

Status Planner::CheckRoom() const {
  if (!keep_new_ || type_ == nullptr) return {};
  const auto check = [&](std::uint64_t used, std::uint64_t limit, const char* what) -> Status {
    if (limit == 0 || used <= limit) return {};
    return Fail(
        ErrorCode::kQuotaExceeded,
        Cat("with what was made since, there would be ", used, " ", what, ", and HSMs of type ",
            type_->name, " hold ", limit, "; delete some, or go back without what is new"));
  };
  HSMCORE_CHECK(check(counts_.pairs + counts_.secrets, type_->keys, "keys"));
  HSMCORE_CHECK(check(counts_.pairs, type_->asymmetric_keys, "asymmetric keys"));
  return check(owners_.size(), type_->users, "users");
}

Result<RollbackPlan> Planner::Finish() {
  for (const std::string_view kind : kKinds) HSMCORE_CHECK(GoThrough(kind));
  HSMCORE_CHECK(CheckRoom());
  return std::move(plan_);
}

void List(std::string& text, const char* what, const std::vector<std::string>& names) {
  constexpr std::size_t kMost = 10;
  if (names.empty()) return;
  text += Cat(text.empty() ? "" : "; ", what, ": ");
  for (std::size_t i = 0; i < std::min(names.size(), kMost); ++i) {
    text += Cat(i == 0 ? "" : ", ", names[i]);
  }
  if (names.size() > kMost) text += Cat(" and ", names.size() - kMost, " more");
}

}  // namespace

Result<RollbackPlan> PlanRollback(cluster::Core& core, cluster::BackupReader& reader,
                                  const HsmTypeRow* type, bool keep_new) {
  Planner planner(core, type, keep_new);
  HSMCORE_CHECK(
      ReadEntries(reader, {}, [&](const Entry& entry) { return planner.Compare(entry); }));
  return planner.Finish();
}

}  // namespace hsmcore::session

namespace hsmcore {

std::string RollbackLosses::ToString() const {
  std::string text;
  session::List(text, "made since, and lost", lost);
  session::List(text, "changed since, and as they were then", changed);
  session::List(text, "deleted since, and there again", returned);
  return text;
}

}  // namespace hsmcore
