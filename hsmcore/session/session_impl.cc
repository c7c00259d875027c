// SPDX-License-Identifier: Apache-2.0
#include "session/session_impl.h"

#include <algorithm>
#include <ctime>
#include <mutex>

#include "base/text.h"
#include "hsmcore/key_reference.h"
#include "hsmcore/key_uri.h"
#include "keys/attribute_rules.h"
#include "keys/life.h"
#include "keys/material.h"
#include "session/key_query.h"

namespace hsmcore::session {
namespace {

// Ready keys that a session keeps at hand. Beyond that the one unused for longest is let go.
constexpr std::size_t kCachedKeys = 256;

Error NoSuchKey(const KeyQuery& query, bool want_private, bool logged_in) {
  std::string hint;
  if (want_private && !logged_in) hint = "; without a login only public keys are seen";
  const char* kind = want_private ? "private" : "public";
  if (query.klass == KeyClass::kSecretKey) kind = "secret";
  return {ErrorCode::kKeyNotFound,
          Cat("no ", kind, " key matches ", query.ToString(), hint, "; see 'hsmctl key list'")};
}

Error Ambiguous(const KeyQuery& query, const std::vector<KeyInfo>& found) {
  constexpr std::size_t kListed = 10;
  std::string handles;
  for (std::size_t i = 0; i < std::min(found.size(), kListed); ++i) {
    handles += Cat(i == 0 ? "" : ", ", found[i].handle.ToString());
  }
  if (found.size() > kListed) handles += ", ...";
  return {ErrorCode::kKeyAmbiguous, Cat(found.size(), " keys match ", query.ToString(), ": ",
                                        handles, "; name one by handle=")};
}

// Who shares a key with somebody must not change what that one's own labels name.
void PreferOwn(std::vector<KeyInfo>& found, std::string_view user) {
  const auto is_others = [user](const KeyInfo& info) { return info.owner != user; };
  if (!std::ranges::all_of(found, is_others)) std::erase_if(found, is_others);
}

}  // namespace

SessionImpl::SessionImpl(std::shared_ptr<cluster::Core> core, std::shared_ptr<const Login> login)
    : core_(std::move(core)),
      login_(std::move(login)),
      user_(login_ ? login_->user : std::string()) {}

Status SessionImpl::Allow(policy::Operation operation) const {
  if (core_->generations->closed()) {
    return Fail(ErrorCode::kClusterState, "the cluster was zeroized; nothing of it is used again");
  }
  return policy::Allow(operation, login_ ? std::optional(login_->role) : std::nullopt);
}

Status SessionImpl::AllowNew(KeyType type, policy::Origin origin, bool token) const {
  HSMCORE_CHECK(Allow(token ? policy::Operation::kManageKeys : policy::Operation::kMakeSessionKey));
  return policy::AllowNewKey(Rules(), type, origin);
}

// ---- Finding ------------------------------------------------------------------------------------

bool SessionImpl::MayUse(const keys::KeyRecord& record) const {
  if (login_ == nullptr) return false;
  const keys::Grant* grant = record.GrantFor(login_->path(), login_->box_key());
  return grant != nullptr && groups_.Hold(*grant);
}

std::vector<KeyInfo> SessionImpl::Visible(const keys::KeyRecord& record) const {
  std::vector<KeyInfo> halves;
  if (record.private_half) {
    const bool all = Allow(policy::Operation::kListAllKeys).has_value();
    if (all || MayUse(record)) {
      halves.push_back(InfoOf(record, record.private_class()));
    }
  }
  if (record.public_half) halves.push_back(InfoOf(record, KeyClass::kPublicKey));
  return halves;
}

Status SessionImpl::CheckStillThere() {
  if (!login_) return {};
  const auto head = core_->generations->ReadHead();
  if (!head.busy && seen_head_ == head) return {};
  HSMCORE_TRY(const auto entry, core_->engine->Get(login_->path()));
  const auto now = entry ? users::DecodeRecord(login_->path(), entry->value)
                         : Result<users::DecodedRecord>(Fail(ErrorCode::kUserNotFound, ""));
  // A damaged copy is none of a user who is gone: repair sees to it.
  const bool gone = !entry || (now && now->record.identity != login_->identity.public_identity());
  if (gone) {
    return Fail(ErrorCode::kUserNotFound,
                Cat("the ", NameOf(login_->role), " '", login_->user,
                    "' was deleted since this login; log in as somebody else"));
  }
  seen_head_ = head;
  return {};
}

// A key is found and then loaded: the record is read, and its signature checked, once for both.
Result<std::optional<keys::KeyRecord>> SessionImpl::ReadRecord(KeyHandle handle) {
  const auto head = core_->generations->ReadHead();
  if (!head.busy && last_read_ && last_read_head_ == head && last_read_->handle == handle) {
    return last_read_;
  }
  HSMCORE_TRY(last_read_, keys::Read(*core_, handle, Me()));
  last_read_head_ = head;
  return last_read_;
}

void SessionImpl::ForgetDeadSessionKeys() {
  std::erase_if(session_keys_, [](const auto& entry) { return entry.second.expired(); });
}

void SessionImpl::AddSessionKeys(const KeyQuery& query, std::vector<KeyInfo>& found) {
  ForgetDeadSessionKeys();
  for (const auto& [handle, weak] : session_keys_) {
    const auto key = weak.lock();
    if (!key) continue;
    for (const KeyInfo* info : {key->private_info(), key->public_info()}) {
      if (info != nullptr && Matches(query, *info)) found.push_back(*info);
    }
  }
}

Result<std::vector<KeyInfo>> SessionImpl::FindLocked(const KeyQuery& query) {
  HSMCORE_CHECK(CheckStillThere());
  std::vector<KeyInfo> found;
  const auto take = [&](const keys::KeyRecord& record) {
    for (KeyInfo& info : Visible(record)) {
      if (Matches(query, info)) found.push_back(std::move(info));
    }
  };
  HSMCORE_CHECK(RefreshMarks());
  if (query.handle || query.label || query.id) {
    HSMCORE_TRY(const auto handles, keys::Candidates(*core_, query));
    for (const KeyHandle handle : handles) {
      if (handle.IsSession()) continue;
      HSMCORE_TRY(const auto record, ReadRecord(handle));
      if (record) take(*record);
    }
  } else {
    HSMCORE_CHECK(keys::ForEach(*core_, take));
  }
  for (KeyInfo& info : found) HSMCORE_CHECK(AddUseCount(info));
  AddSessionKeys(query, found);
  return found;
}

Result<std::vector<KeyInfo>> SessionImpl::Find(const KeyQuery& query) {
  const std::lock_guard lock(core_->mutex);
  return FindLocked(query);
}

// ---- Loading ------------------------------------------------------------------------------------

KeyPtr SessionImpl::FromCache(const CacheKey& key, std::uint64_t version) {
  const auto cached = cache_.find(key);
  if (cached == cache_.end() || cached->second.key->version() != version) return nullptr;
  cached->second.last_used = ++uses_;
  return cached->second.key;
}

void SessionImpl::Remember(const CacheKey& key, const std::shared_ptr<const HeldKey>& held) {
  if (cache_.size() >= kCachedKeys) {
    cache_.erase(std::ranges::min_element(
        cache_, {}, [](const auto& entry) { return entry.second.last_used; }));
  }
  cache_[key] = {held, ++uses_};
}

void SessionImpl::RememberSessionKey(const std::shared_ptr<const HeldKey>& held) {
  if (session_keys_.size() >= session_keys_limit_) {
    ForgetDeadSessionKeys();
    session_keys_limit_ = std::max(kCachedKeys, 2 * session_keys_.size());
  }
  session_keys_[held->handle()] = held;
}

std::shared_ptr<const HeldKey> SessionImpl::SessionKey(KeyHandle handle) {
  const auto entry = session_keys_.find(handle.PrivateHalf());
  return entry == session_keys_.end() ? nullptr : entry->second.lock();
}

Result<KeyPtr> SessionImpl::LoadHandle(KeyHandle handle, bool want_private) {
  if (handle.IsSession()) {
    if (auto key = SessionKey(handle)) return key;
  }
  HeldKey::Parts parts;
  parts.epoch = core_->generations->Epoch(keys::EpochSlot(handle));
  HSMCORE_CHECK(CheckStillThere());
  HSMCORE_CHECK(RefreshMarks());
  HSMCORE_TRY(const auto record, ReadRecord(handle));
  if (!record || record->life.purge) {
    return std::unexpected(NoSuchKey(KeyQuery::ByHandle(handle), want_private, login_ != nullptr));
  }
  if (want_private && record->private_half && !MayUse(*record)) {
    return Fail(ErrorCode::kRoleForbids,
                Cat("key ", handle.ToString(), " is not yours and not shared with you"));
  }
  const CacheKey cache_key{record->handle, want_private};
  if (KeyPtr cached = FromCache(cache_key, record->version)) return cached;
  HSMCORE_TRY(std::shared_ptr<const HeldKey> held, Hold(*record, std::move(parts), want_private));
  Remember(cache_key, held);
  return held;
}

// Makes a record ready to be used; `parts` has the epoch from before it was read.
Result<std::shared_ptr<const HeldKey>> SessionImpl::Hold(const keys::KeyRecord& record,
                                                         HeldKey::Parts parts, bool want_private) {
  std::optional<PrivateMaterial> material;
  if (want_private) {
    const users::Actor me = Me();
    HSMCORE_TRY(const SecretBytes dek, keys::OpenGrant(record, me.path, *me.identity));
    HSMCORE_TRY(material, keys::OpenPrivate(record, dek));
    parts.private_info = InfoOf(record, record.private_class());
    parts.login = login_;
    parts.approvals = approvals_;
    ChooseUseLog(record.handle, parts);
  }
  parts.owner = record.owner;
  if (record.public_half) parts.public_info = InfoOf(record, KeyClass::kPublicKey);
  parts.public_part = record.public_part;
  parts.core = core_;
  parts.rules = Rules();
  parts.version = record.version;
  return HeldKey::Make(std::move(parts), material ? &*material : nullptr);
}

Result<KeyPtr> SessionImpl::LoadLocked(const KeyQuery& query, bool want_private) {
  KeyQuery wanted = query;
  if (!wanted.klass) wanted.klass = want_private ? KeyClass::kPrivateKey : KeyClass::kPublicKey;
  if (!want_private && wanted.handle) wanted.handle = wanted.handle->PublicHalf();

  // The head names the newest commit: while it stands, an answer given before still is right.
  const auto head = core_->generations->ReadHead();
  if (head.busy || head.revision != lookups_revision_) {
    lookups_.clear();
    lookups_revision_ = head.busy ? 0 : head.revision;
  }
  const std::string question = Cat(want_private ? "private " : "public ", wanted.ToString());
  if (const auto answer = lookups_.find(question); answer != lookups_.end()) {
    const auto cached = cache_.find({answer->second, want_private});
    if (cached != cache_.end()) {
      cached->second.last_used = ++uses_;
      return cached->second.key;
    }
  }
  HSMCORE_TRY(auto found, FindLocked(wanted));
  const std::size_t matching = found.size();
  if (want_private) PreferOwn(found, user_);
  KeepNewest(found, std::time(nullptr));
  if (found.empty()) return std::unexpected(NoSuchKey(wanted, want_private, login_ != nullptr));
  if (found.size() > 1) return std::unexpected(Ambiguous(wanted, found));
  const KeyHandle handle = found.front().handle.PrivateHalf();
  HSMCORE_TRY(KeyPtr key, LoadHandle(handle, want_private));
  // Which version is the newest that is active changes with the time, too.
  if (matching == 1 && !handle.IsSession() && lookups_revision_ != 0) {
    if (lookups_.size() >= 4 * kCachedKeys) lookups_.clear();
    lookups_[question] = handle;
  }
  return key;
}

Result<KeyPtr> SessionImpl::Load(const KeyQuery& query, bool want_private) {
  if (want_private) HSMCORE_CHECK(Allow(policy::Operation::kLoadPrivateKey));
  const std::lock_guard lock(core_->mutex);
  return LoadLocked(query, want_private);
}

Result<KeyPtr> SessionImpl::LoadSecret(const KeyQuery& query) {
  HSMCORE_CHECK(Allow(policy::Operation::kLoadPrivateKey));
  KeyQuery wanted = query;
  if (wanted.klass.value_or(KeyClass::kSecretKey) != KeyClass::kSecretKey) {
    return Fail(
        ErrorCode::kKeyTypeMismatch,
        Cat("the operation needs a secret key; the query asks ", "for a ", NameOf(*wanted.klass)));
  }
  wanted.klass = KeyClass::kSecretKey;
  const std::lock_guard lock(core_->mutex);
  return LoadLocked(wanted, true);
}

// ---- Changing -----------------------------------------------------------------------------------

Status SessionImpl::Delete(KeyHandle handle, bool whole_pair) {
  if (handle.IsSession()) {
    const std::lock_guard lock(core_->mutex);
    const auto key = SessionKey(handle);
    if (!key)
      return std::unexpected(NoSuchKey(KeyQuery::ByHandle(handle), true, login_ != nullptr));
    key->MarkDeleted();
    session_keys_.erase(handle.PrivateHalf());
    return {};
  }
  HSMCORE_CHECK(Allow(policy::Operation::kManageKeys));
  const std::lock_guard lock(core_->mutex);
  HSMCORE_TRY(
      [[maybe_unused]] const auto record,
      keys::Rewrite(
          *core_, Me(), handle,
          [&](keys::KeyRecord& key) -> Status {
            const bool public_too = whole_pair || handle.IsPublicHalf();
            const bool private_too = whole_pair || !handle.IsPublicHalf();
            if ((handle.IsPublicHalf() ? !key.public_half : !key.private_half) && !whole_pair) {
              return std::unexpected(
                  NoSuchKey(KeyQuery::ByHandle(handle), !handle.IsPublicHalf(), true));
            }
            if (private_too && key.private_half) {
              HSMCORE_CHECK(policy::AllowDelete(key.Info(key.private_class())));
              key.private_half.reset();
            }
            if (public_too && key.public_half) {
              HSMCORE_CHECK(policy::AllowDelete(key.Info(KeyClass::kPublicKey)));
              key.public_half.reset();
            }
            return {};
          },
          keys::Deed::kDelete));
  cache_.erase({handle.PrivateHalf(), true});
  cache_.erase({handle.PrivateHalf(), false});
  return {};
}

Result<KeyInfo> SessionImpl::KeepSessionKey(KeyHandle handle, std::string_view name,
                                            std::string_view value) {
  HSMCORE_CHECK(Allow(policy::Operation::kManageKeys));
  std::shared_ptr<const HeldKey> key;
  {
    const std::lock_guard lock(core_->mutex);
    key = SessionKey(handle);
  }
  if (!key) return std::unexpected(NoSuchKey(KeyQuery::ByHandle(handle), true, true));
  KeyTemplate form{key->private_info()->attributes, {}};
  if (key->public_info() != nullptr) form.public_half = key->public_info()->attributes;
  if (name != RowOf(Attribute::kToken).name) {
    return Fail(ErrorCode::kAttributeReadOnly,
                "of a session key only 'token' can be changed, which makes it persistent");
  }
  HSMCORE_CHECK(keys::Change(form.private_half, login_->role, name, value));
  form.public_half.flags.Set(Attribute::kToken, true);
  const KeyPairMaterial material{key->public_part(), keys::CloneOf(*key->material())};
  HSMCORE_TRY(const KeyPtr kept, MakeTokenKey(material, form));
  return handle.IsPublicHalf() ? *kept->public_info() : *kept->private_info();
}

Result<KeyInfo> SessionImpl::SetAttribute(KeyHandle handle, std::string_view name,
                                          std::string_view value) {
  if (handle.IsSession()) return KeepSessionKey(handle, name, value);
  if (name == RowOf(Attribute::kTrusted).name) return MarkTrusted(handle, value);
  const auto attribute = AttributeByName(name);
  if (attribute && keys::IsOfLife(*attribute)) return SetLife(handle, *attribute, value);
  HSMCORE_CHECK(Allow(policy::Operation::kManageKeys));
  const std::lock_guard lock(core_->mutex);
  HSMCORE_TRY(const keys::KeyRecord record,
              keys::Rewrite(*core_, Me(), handle, [&](keys::KeyRecord& key) -> Status {
                auto& half = handle.IsPublicHalf() ? key.public_half : key.private_half;
                if (!half) {
                  return std::unexpected(
                      NoSuchKey(KeyQuery::ByHandle(handle), !handle.IsPublicHalf(), true));
                }
                return keys::Change(*half, login_->role, name, value);
              }));
  HSMCORE_CHECK(RefreshMarks());
  return InfoOf(record, handle.IsPublicHalf() ? KeyClass::kPublicKey : record.private_class());
}

Result<KeyUri> SessionImpl::ReferenceUri(const Key& key) {
  const KeyInfo* info = key.private_info() != nullptr ? key.private_info() : key.public_info();
  if (info == nullptr || !key.is_token()) {
    return Fail(ErrorCode::kSessionKey,
                "a session key ends with its process; make the key with a label, as in "
                "'openssl genpkey -pkeyopt hsm-label:NAME', and it stays");
  }
  KeyUri uri;
  uri.handle = info->handle;
  uri.klass = info->klass;
  return uri;
}

}  // namespace hsmcore::session
