// SPDX-License-Identifier: Apache-2.0
#include "users/lockout.h"

#include <algorithm>
#include <ctime>

#include "base/cbor.h"
#include "base/text.h"

namespace hsmcore::users {
namespace {

FailedLogins Decode(const std::optional<Bytes>& record) {
  if (!record) return {};
  const auto value = cbor::Decode(*record, "lockout");
  if (!value) return {};
  cbor::Reader in(*value, "lockout");
  FailedLogins failed;
  failed.count = static_cast<unsigned>(std::min<std::uint64_t>(in.Number("failed"), 1000));
  // Not there in records of before a lock could end by itself.
  if (in.Has("last")) failed.last = in.Signed("last");
  return failed;
}

}  // namespace

std::string LockoutPath(std::string_view user_path) { return Cat("lockout/", user_path); }

bool FailedLogins::Locked(std::int64_t now, unsigned unlock_after) const {
  if (count <= kMaxFailedLogins) return false;
  if (unlock_after == 0 || last == 0) return true;
  // A clock that was put back must not free anybody early.
  return now < last || now - last < std::int64_t{60} * unlock_after;
}

Result<FailedLogins> ReadFailedLogins(storage::Engine& engine, std::string_view user_path) {
  HSMCORE_TRY(const auto entry, engine.Get(LockoutPath(user_path)));
  return Decode(entry ? std::optional(entry->value) : std::nullopt);
}

Result<unsigned> CountFailedLogin(storage::Engine& engine, std::string_view user_path) {
  unsigned failed = 0;
  HSMCORE_TRY([[maybe_unused]] const auto revision,
              storage::Update(engine, [&](storage::Transaction& change) -> Status {
                HSMCORE_TRY(const auto record, change.Get(LockoutPath(user_path)));
                failed = Decode(record).count + 1;
                const std::int64_t now = std::time(nullptr);
                change.Put(LockoutPath(user_path),
                           cbor::Encode({{"v", 1U}, {"failed", failed}, {"last", now}}));
                return {};
              }));
  return failed;
}

Status ClearFailedLogins(storage::Engine& engine, std::string_view user_path) {
  HSMCORE_TRY(const FailedLogins failed, ReadFailedLogins(engine, user_path));
  if (failed.count == 0) return {};
  HSMCORE_TRY([[maybe_unused]] const auto revision,
              storage::Update(engine, [&](storage::Transaction& change) -> Status {
                change.Delete(LockoutPath(user_path));
                return {};
              }));
  return {};
}

}  // namespace hsmcore::users
