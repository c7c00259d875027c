// SPDX-License-Identifier: Apache-2.0
#include "storage/engine.h"

#include <algorithm>
#include <utility>

#include "base/text.h"

namespace hsmcore::storage {
namespace {

// Under the writer lock a conflict means that somebody wrote without it, or that the engine has
// none.
constexpr int kUpdateAttempts = 100;

}  // namespace

const Mutation* Transaction::Written(std::string_view key) const {
  const auto found = std::ranges::find(batch_.mutations, key, &Mutation::key);
  return found == batch_.mutations.end() ? nullptr : &*found;
}

Result<std::optional<Bytes>> Transaction::Get(std::string_view key) {
  if (const Mutation* written = Written(key)) return written->value;
  HSMCORE_TRY(std::optional<Entry> entry, engine_.Get(key));
  reads_.emplace(key, entry ? entry->revision : 0);
  if (!entry) return std::nullopt;
  return std::move(entry->value);
}

void Transaction::Write(std::string key, std::optional<Bytes> value) {
  std::erase_if(batch_.mutations, [&](const Mutation& written) { return written.key == key; });
  batch_.mutations.push_back({std::move(key), std::move(value)});
}

Result<std::uint64_t> Transaction::Commit() {
  if (batch_.mutations.empty()) return engine_.Revision();
  for (const auto& [key, revision] : reads_) batch_.preconditions.push_back({key, revision});
  return engine_.Commit(batch_);
}

Result<std::uint64_t> Update(Engine& engine, const std::function<Status(Transaction&)>& change) {
  for (int attempt = 1;; ++attempt) {
    HSMCORE_TRY(const std::unique_ptr<WriterLock> lock, engine.LockForUpdate());
    Transaction transaction(engine);
    HSMCORE_CHECK(change(transaction));
    Result<std::uint64_t> revision = transaction.Commit();
    const bool conflict = !revision && revision.error().code() == ErrorCode::kStorageConflict;
    if (!conflict || attempt == kUpdateAttempts) return revision;
  }
}

}  // namespace hsmcore::storage
