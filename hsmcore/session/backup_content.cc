// SPDX-License-Identifier: Apache-2.0
#include "session/backup_content.h"

#include <algorithm>
#include <array>
#include <ctime>
#include <optional>
#include <utility>

#include "base/text.h"
#include "session/genuine.h"
#include "storage/engines.h"
#include "users/authentication.h"
#include "users/directory.h"
#include "users/type_policy.h"
#include "vault/sealing.h"

namespace hsmcore::session {
namespace {

using cluster::BackupReader;
using cluster::BackupWriter;

// In this order, so that who has signed an entry is known when it comes. "lockout/" is left out:
// wrong passwords of then say nothing about now.
constexpr std::array<std::string_view, 11> kKinds = {"user/",    "cluster/", "group/", "key/",
                                                     "trusted/", "uses/",    "label/", "id/",
                                                     "shared/",  "purge/",   "audit/"};

bool IsFoundation(std::string_view key) {
  return key.starts_with(kKinds[0]) || key.starts_with(kKinds[1]);
}

Result<cluster::BackupHeader> HeaderFor(cluster::Core& core, std::string_view id,
                                        const SecretBytes& key) {
  HSMCORE_TRY(const cluster::Config config, cluster::ReadConfig(core));
  HSMCORE_TRY(const std::string type, users::HsmTypeOf(core));
  HSMCORE_TRY(const std::uint64_t revision, core.engine->Revision());
  cluster::BackupHeader header{.id = std::string(id),
                               .cluster = core.file.id,
                               .origin = core.file.origin(),
                               .root = core.file.root,
                               .hsm_type = type,
                               .mode = config.mode,
                               .created = std::time(nullptr),
                               .revision = revision,
                               .recipients = {}};
  HSMCORE_TRY(const auto users, users::ListUsers(core));
  for (const users::UserRecord& user : users) {
    if (user.role != Role::kAdmin) continue;
    HSMCORE_TRY(const auto stored, core.engine->Get(user.path()));
    if (!stored) continue;
    HSMCORE_TRY(Bytes sealed, vault::SealTo(user.identity.box_key, key));
    header.recipients.push_back({user.path(), stored->value, std::move(sealed)});
  }
  if (header.recipients.empty()) {
    return Fail(ErrorCode::kHomeDamaged, "the store has no admin who could open a backup");
  }
  return header;
}

class Counter {
 public:
  Counter(const Progress& progress, std::uint64_t all) : progress_(progress), all_(all) {}
  void Reached(std::uint64_t done) const {
    if (progress_) progress_(std::min(done, all_), all_);
  }

 private:
  const Progress& progress_;
  std::uint64_t all_;
};

// What is not genuine is taken from another HSM, or ends the backup: it would not be one.
Status WriteKind(storage::Engine& engine, std::string_view prefix, const storage::Verifier& genuine,
                 BackupWriter& writer, const Counter& counter, std::uint64_t& done) {
  storage::ListOptions options{.after = {}, .limit = 200, .keys_only = false};
  for (;;) {
    HSMCORE_TRY(const auto page, engine.List(prefix, options));
    for (const storage::Entry& entry : page) {
      if (genuine(entry)) {
        HSMCORE_CHECK(writer.Add(entry.key, entry.value));
        continue;
      }
      HSMCORE_TRY(const auto other, engine.Get(entry.key, &genuine));
      if (other) HSMCORE_CHECK(writer.Add(other->key, other->value));
    }
    done += page.size();
    counter.Reached(done);
    if (page.size() < options.limit) return {};
    options.after = page.back().key;
  }
}

Result<BackupReader> UnlockWith(BackupReader reader, const vault::Identity& identity,
                                const cluster::BackupRecipient& recipient) {
  const auto foreign = [&] {
    return Fail(ErrorCode::kBackupState,
                Cat("backup ", reader.header().id, " is not for this ", recipient.path,
                    ": it was made in another cluster, or for an admin who had this name before"));
  };
  if (identity.root() != reader.header().root) return foreign();
  const auto key = identity.OpenSealed(recipient.sealed);
  if (!key) return foreign();
  HSMCORE_CHECK(reader.Unlock(*key));
  return reader;
}

Result<const cluster::BackupRecipient*> RecipientOf(const BackupReader& reader,
                                                    std::string_view path) {
  const auto& recipients = reader.header().recipients;
  const auto found = std::ranges::find(recipients, path, &cluster::BackupRecipient::path);
  if (found != recipients.end()) return &*found;
  std::string names;
  for (const auto& recipient : recipients) {
    names += Cat(names.empty() ? "" : ", ", recipient.path.substr(recipient.path.rfind('/') + 1));
  }
  return Fail(ErrorCode::kBackupState,
              Cat("backup ", reader.header().id, " opens for its admins only, who are: ", names));
}

// Tells whether entries are genuine by the users that come before them.
class EntryCheck {
 public:
  explicit EntryCheck(const cluster::BackupHeader& header) : header_(header) {
    core_.file.id = header.origin;
    core_.file.root = header.root;
    core_.engine = storage::NewMemoryEngine();
  }

  Status Check(const storage::Entry& entry) {
    if (IsFoundation(entry.key) && !genuine_) {
      storage::Batch batch;
      batch.mutations.push_back({entry.key, entry.value});
      HSMCORE_TRY([[maybe_unused]] const auto revision, core_.engine->Commit(batch));
      foundation_.push_back(entry);
      return {};
    }
    if (!genuine_) HSMCORE_CHECK(Finish());
    const bool known = std::ranges::any_of(
        kKinds, [&](std::string_view kind) { return entry.key.starts_with(kind); });
    if (known && !IsFoundation(entry.key) && (*genuine_)(entry)) return {};
    return NotGenuine(entry.key);
  }

  // Users and configuration are all there.
  Status Finish() {
    if (genuine_) return {};
    auto config = cluster::ReadConfig(core_);
    if (!config || config->mode != header_.mode) return NotGenuine(cluster::Config::kPath);
    core_.config = *std::move(config);
    const auto type = users::HsmTypeOf(core_);
    if (!type || *type != header_.hsm_type) return NotGenuine(users::TypePolicy::kPath);
    auto verifier = GenuineEntries(core_);
    if (!verifier) return NotGenuine("user/");
    for (const storage::Entry& entry : foundation_) {
      if (!(*verifier)(entry)) return NotGenuine(entry.key);
    }
    foundation_.clear();
    genuine_ = *std::move(verifier);
    return {};
  }

 private:
  std::unexpected<Error> NotGenuine(std::string_view what) const {
    return Fail(ErrorCode::kBackupDamaged, Cat("backup ", header_.id, ": its entry '", what,
                                               "' is missing or not genuine; take another backup"));
  }

  const cluster::BackupHeader& header_;
  cluster::Core core_;
  std::vector<storage::Entry> foundation_;
  std::optional<storage::Verifier> genuine_;
};

}  // namespace

Status WriteBackup(cluster::Core& core, const std::filesystem::path& file, std::string_view id,
                   const Progress& progress) {
  const SecretBytes key = vault::RandomSecret(vault::kSealKeyBytes);
  HSMCORE_TRY(const cluster::BackupHeader header, HeaderFor(core, id, key));
  HSMCORE_TRY(BackupWriter writer, BackupWriter::Create(file, header, key));
  std::uint64_t all = 0;
  for (const std::string_view kind : kKinds) {
    HSMCORE_TRY(const std::uint64_t count, core.engine->Count(kind));
    all += count;
  }
  HSMCORE_TRY(const storage::Verifier genuine, GenuineEntries(core));
  std::uint64_t done = 0;
  for (const std::string_view kind : kKinds) {
    HSMCORE_CHECK(WriteKind(*core.engine, kind, genuine, writer, Counter(progress, all), done));
  }
  return writer.Finish();
}

Result<BackupReader> UnlockBackup(const std::filesystem::path& file,
                                  const vault::Identity& identity, const std::string& path) {
  HSMCORE_TRY(BackupReader reader, BackupReader::Open(file));
  HSMCORE_TRY(const cluster::BackupRecipient* recipient, RecipientOf(reader, path));
  return UnlockWith(std::move(reader), identity, cluster::BackupRecipient(*recipient));
}

Result<BackupReader> UnlockBackup(const std::filesystem::path& file, const Credential& admin) {
  HSMCORE_CHECK(vault::Ready());
  HSMCORE_TRY(BackupReader reader, BackupReader::Open(file));
  if (admin.user.empty()) {
    return Fail(ErrorCode::kLoginRequired, "which admin of the backup opens it? name him");
  }
  HSMCORE_TRY(const std::string name, users::NormalisedName(admin.user));
  const std::string path = users::UserPath(Role::kAdmin, name);
  HSMCORE_TRY(const cluster::BackupRecipient* found, RecipientOf(reader, path));
  const cluster::BackupRecipient recipient = *found;
  const auto decoded = users::DecodeRecord(path, recipient.record);
  if (!decoded) {
    return Fail(ErrorCode::kBackupDamaged,
                Cat(file.native(), ": its record of ", path, " is damaged; take another backup"));
  }
  HSMCORE_TRY(const vault::Identity identity, users::OpenUncounted(decoded->record, admin));
  return UnlockWith(std::move(reader), identity, recipient);
}

Status ReadEntries(BackupReader& reader, const Progress& progress,
                   const std::function<Status(const storage::Entry&)>& visit) {
  HSMCORE_CHECK(reader.Rewind());
  const Counter counter(progress, reader.size());
  EntryCheck check(reader.header());
  for (;;) {
    HSMCORE_TRY(auto next, reader.Next());
    counter.Reached(reader.position());
    if (!next) return check.Finish();
    const storage::Entry entry{std::move(next->key), std::move(next->value), 0};
    HSMCORE_CHECK(check.Check(entry));
    HSMCORE_CHECK(visit(entry));
  }
}

}  // namespace hsmcore::session
