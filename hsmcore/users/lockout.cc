// SPDX-License-Identifier: Apache-2.0
#include "users/lockout.h"

#include <algorithm>

#include "base/cbor.h"
#include "base/text.h"

namespace hsmcore::users {
namespace {

std::string LockoutPath(std::string_view user_path) { return Cat("lockout/", user_path); }

unsigned Count(const std::optional<Bytes>& record) {
  if (!record) return 0;
  const auto value = cbor::Decode(*record, "lockout");
  if (!value) return 0;
  cbor::Reader in(*value, "lockout");
  return static_cast<unsigned>(std::min<std::uint64_t>(in.Number("failed"), 1000));
}

}  // namespace

Result<unsigned> FailedLogins(storage::Engine& engine, std::string_view user_path) {
  HSMCORE_TRY(const auto entry, engine.Get(LockoutPath(user_path)));
  return Count(entry ? std::optional(entry->value) : std::nullopt);
}

Result<unsigned> CountFailedLogin(storage::Engine& engine, std::string_view user_path) {
  unsigned failed = 0;
  HSMCORE_TRY([[maybe_unused]] const auto revision,
              storage::Update(engine, [&](storage::Transaction& change) -> Status {
                HSMCORE_TRY(const auto record, change.Get(LockoutPath(user_path)));
                failed = Count(record) + 1;
                change.Put(LockoutPath(user_path), cbor::Encode({{"v", 1U}, {"failed", failed}}));
                return {};
              }));
  return failed;
}

Status ClearFailedLogins(storage::Engine& engine, std::string_view user_path) {
  HSMCORE_TRY(const unsigned failed, FailedLogins(engine, user_path));
  if (failed == 0) return {};
  HSMCORE_TRY([[maybe_unused]] const auto revision,
              storage::Update(engine, [&](storage::Transaction& change) -> Status {
                change.Delete(LockoutPath(user_path));
                return {};
              }));
  return {};
}

}  // namespace hsmcore::users
