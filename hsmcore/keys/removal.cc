// SPDX-License-Identifier: Apache-2.0
#include "keys/removal.h"

#include <array>

#include "keys/handle_counter.h"
#include "keys/key_store.h"
#include "keys/trusted_mark.h"
#include "keys/usage.h"

namespace hsmcore::keys {

Status Remove(cluster::Core& core, storage::Transaction& change, const KeyRecord& record) {
  change.Delete(KeyPath(record.handle));
  HSMCORE_CHECK(CountOut(core, change, record.is_secret()));
  std::array beside{TrustedPath(record.handle), UsesPath(record.handle)};
  for (std::string& path : beside) {
    HSMCORE_TRY(const auto there, change.Get(path));
    if (there) change.Delete(std::move(path));
  }
  return {};
}

namespace {

// Nobody's signature is needed to remove a record; its owner's says that he wants it.
Status Purge(cluster::Core& core, const std::string& index, KeyHandle handle, std::int64_t now) {
  HSMCORE_TRY(const auto record, Read(core, handle, users::Actor()));
  HSMCORE_TRY([[maybe_unused]] const auto revision,
              storage::Update(*core.engine, [&](storage::Transaction& change) -> Status {
                change.Delete(index);
                if (!record || !record->life.purge || *record->life.purge > now) return {};
                HSMCORE_TRY(const auto stored, change.Get(KeyPath(handle)));
                if (!stored) return {};
                const auto there = DecodeRecord(KeyPath(handle), *stored);
                if (!there || there->record.version != record->version) return {};
                for (std::string& path : IndexPaths(*record)) change.Delete(std::move(path));
                HSMCORE_CHECK(Remove(core, change, *record));
                change.MoveEpoch(EpochSlot(handle));
                return {};
              }));
  return {};
}

}  // namespace

Status PurgeDue(cluster::Core& core, std::int64_t now) {
  const storage::ListOptions options{.after = {}, .limit = 20, .keys_only = true};
  HSMCORE_TRY(const auto page, core.engine->List(kPurgeIndex, options));
  for (const storage::Entry& entry : page) {
    const auto time = PurgeTimeIn(entry.key);
    if (time && *time > now) return {};
    // What is no entry of this index leads to no record, and goes too.
    const KeyHandle handle = HandleIn(entry.key).value_or(KeyHandle());
    HSMCORE_CHECK(Purge(core, entry.key, handle, now));
  }
  return {};
}

}  // namespace hsmcore::keys
