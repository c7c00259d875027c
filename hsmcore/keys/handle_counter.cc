// SPDX-License-Identifier: Apache-2.0
#include "keys/handle_counter.h"

#include <algorithm>
#include <optional>

#include "base/cbor.h"
#include "base/text.h"
#include "hsmcore/hsm_type.h"
#include "keys/key_store.h"
#include "users/type_policy.h"

namespace hsmcore::keys {
namespace {

constexpr unsigned kVersion = 1;
// The number of the first pair; its handle is twice that. CloudHSM's handles are as large.
constexpr std::uint64_t kFirstPair = 0x20000;
constexpr std::uint64_t kLastPair = std::uint64_t{1} << 61;  // handles above are session keys

struct Counter {
  std::uint64_t next = kFirstPair;
  std::optional<KeyCounts> counts;  // not there in stores of before there were quotas
};

Result<Counter> Decode(const std::optional<Bytes>& stored) {
  if (!stored) return Counter{.next = kFirstPair, .counts = KeyCounts()};
  HSMCORE_TRY(const cbor::Value value, cbor::Decode(*stored, kHandlesPath));
  cbor::Reader in(value, kHandlesPath);
  HSMCORE_CHECK(in.CheckVersion(kVersion));
  Counter counter{.next = in.Number("next"), .counts = {}};
  if (in.Has("pairs")) counter.counts = {in.Number("pairs"), in.Number("secrets")};
  HSMCORE_CHECK(in.Finish());
  return counter;
}

Result<KeyCounts> Count(cluster::Core& core) {
  KeyCounts counts;
  HSMCORE_CHECK(ForEach(core, [&](const KeyRecord& record) {
    ++(record.is_secret() ? counts.secrets : counts.pairs);
  }));
  return counts;
}

Result<Counter> Read(cluster::Core& core, storage::Transaction& change) {
  HSMCORE_TRY(const auto stored, change.Get(kHandlesPath));
  HSMCORE_TRY(Counter counter, Decode(stored));
  if (!counter.counts) {
    HSMCORE_TRY(counter.counts, Count(core));
  }
  return counter;
}

void Write(storage::Transaction& change, const Counter& counter) {
  change.Put(std::string(kHandlesPath), cbor::Encode({{"v", kVersion},
                                                      {"next", counter.next},
                                                      {"pairs", counter.counts->pairs},
                                                      {"secrets", counter.counts->secrets}}));
}

Error Exceeded(const HsmTypeRow& type, std::string_view what, std::uint64_t used,
               std::uint64_t limit) {
  return {ErrorCode::kQuotaExceeded,
          Cat("the cluster has ", used, " of the ", limit, " ", what, " that HSMs of type ",
              type.name, " hold; delete some, or change the type: 'hsmctl cluster modify --type'")};
}

Status CheckRoom(cluster::Core& core, const KeyCounts& counts, bool secret) {
  HSMCORE_TRY(const HsmTypeRow* type, users::QuotasOf(core));
  if (type == nullptr) return {};
  const std::uint64_t all = counts.pairs + counts.secrets;
  if (type->keys != 0 && all >= type->keys) {
    return std::unexpected(Exceeded(*type, "keys", all, type->keys));
  }
  if (!secret && type->asymmetric_keys != 0 && counts.pairs >= type->asymmetric_keys) {
    return std::unexpected(Exceeded(*type, "asymmetric keys", counts.pairs, type->asymmetric_keys));
  }
  return {};
}

std::uint64_t& Of(Counter& counter, bool secret) {
  return secret ? counter.counts->secrets : counter.counts->pairs;
}

}  // namespace

Result<KeyCounts> ReadCounts(cluster::Core& core) {
  HSMCORE_TRY(const auto stored, core.engine->Get(kHandlesPath));
  HSMCORE_TRY(const Counter counter, Decode(stored ? std::optional(stored->value) : std::nullopt));
  if (counter.counts) return *counter.counts;
  return Count(core);
}

// The number after the last one that was given. One that is lost or turned back must not give a
// living key's place away.
Result<KeyHandle> TakeHandle(cluster::Core& core, storage::Transaction& change, bool secret) {
  HSMCORE_TRY(Counter counter, Read(core, change));
  HSMCORE_CHECK(CheckRoom(core, *counter.counts, secret));
  for (;; ++counter.next) {
    if (counter.next < kFirstPair || counter.next > kLastPair) {
      return Fail(ErrorCode::kHomeDamaged,
                  "the counter of key handles is out of range; restore the "
                  "home from a backup");
    }
    HSMCORE_TRY(const auto taken, change.Get(KeyPath({2 * counter.next})));
    if (!taken) break;
  }
  const KeyHandle handle{2 * counter.next++};
  ++Of(counter, secret);
  Write(change, counter);
  return handle;
}

Status CountIn(cluster::Core& core, storage::Transaction& change, bool secret) {
  HSMCORE_TRY(Counter counter, Read(core, change));
  HSMCORE_CHECK(CheckRoom(core, *counter.counts, secret));
  ++Of(counter, secret);
  Write(change, counter);
  return {};
}

Status CountOut(cluster::Core& core, storage::Transaction& change, bool secret) {
  HSMCORE_TRY(Counter counter, Read(core, change));
  std::uint64_t& count = Of(counter, secret);
  count -= std::min<std::uint64_t>(count, 1);
  Write(change, counter);
  return {};
}

Status Recount(cluster::Core& core) {
  HSMCORE_TRY([[maybe_unused]] const auto revision,
              storage::Update(*core.engine, [&](storage::Transaction& change) -> Status {
                HSMCORE_TRY(const auto stored, change.Get(kHandlesPath));
                if (!stored) return {};
                HSMCORE_TRY(Counter counter, Decode(stored));
                HSMCORE_TRY(const KeyCounts counts, Count(core));
                if (counter.counts == counts) return {};
                counter.counts = counts;
                Write(change, counter);
                return {};
              }));
  return {};
}

Status CheckLabels(cluster::Core& core, std::span<const std::string_view> labels) {
  HSMCORE_TRY(const HsmTypeRow* type, users::QuotasOf(core));
  if (type == nullptr) return {};
  for (const std::string_view label : labels) {
    if (label.size() <= type->label_bytes) continue;
    return Fail(ErrorCode::kQuotaExceeded,
                Cat("the label has ", label.size(), " bytes; HSMs of type ", type->name, " hold ",
                    type->label_bytes));
  }
  return {};
}

}  // namespace hsmcore::keys
