// SPDX-License-Identifier: Apache-2.0
#include "keys/usage.h"

#include <algorithm>

#include "base/cbor.h"
#include "base/text.h"
#include "keys/key_store.h"
#include "vault/sealing.h"

namespace hsmcore::keys {
namespace {

constexpr std::string_view kSignContext = "hsm key uses v1";
constexpr unsigned kVersion = 1;

struct Count {
  std::uint64_t used = 0;
  std::string signer;  // path
  Bytes signature;
};

Bytes SignedMessage(std::string_view path, std::uint64_t used, std::string_view signer) {
  return vault::Bind({vault::ViewOf(path), vault::ViewOf(Cat(used)), vault::ViewOf(signer)});
}

// The form only.
Result<Count> Decode(std::string_view path, ByteView value) {
  HSMCORE_TRY(const cbor::Value decoded, cbor::Decode(value, path));
  cbor::Reader in(decoded, path);
  HSMCORE_CHECK(in.CheckVersion(kVersion));
  Count count{in.Number("used"), in.Text("signer"), in.Blob("sig")};
  HSMCORE_CHECK(in.Finish());
  return count;
}

Bytes Encode(std::string_view path, std::uint64_t used, const users::Actor& signer) {
  const Bytes signature =
      signer.identity->Sign(kSignContext, SignedMessage(path, used, signer.path));
  return cbor::Encode(
      {{"v", kVersion}, {"used", used}, {"signer", signer.path}, {"sig", cbor::Blob(signature)}});
}

bool SignedBy(std::string_view path, const Count& count, ByteView sign_key) {
  return vault::VerifySignature(sign_key, kSignContext,
                                SignedMessage(path, count.used, count.signer), count.signature);
}

// The count, where somebody has signed it who has the key.
std::optional<std::uint64_t> GenuineIn(cluster::Core& core, const KeyRecord& record,
                                       ByteView value) {
  const std::string path = UsesPath(record.handle);
  const auto count = Decode(path, value);
  if (!count) return std::nullopt;
  const auto signer = users::IdentityOf(core, count->signer);
  if (!signer || record.GrantFor(count->signer, signer->box_key) == nullptr ||
      !SignedBy(path, *count, signer->sign_key)) {
    return std::nullopt;
  }
  return count->used;
}

Error Missing(KeyHandle handle) {
  const std::string name = handle.ToString();
  return {
      ErrorCode::kKeyDamaged,
      Cat("key ", name, " has a use-limit, and the count of its uses is missing or not genuine; ",
          "run 'hsmctl cluster sync', or its owner counts anew: 'hsmctl key set-attribute "
          "--filter ",
          "key-reference=", name, " --name use-limit' with --value 0, then with the limit")};
}

Error UsedUp(const KeyRecord& record) {
  return {ErrorCode::kKeyUsedUp,
          Cat("all ", record.life.use_limit, " uses that the 'use-limit' of key ",
              record.handle.ToString(),
              " allows are used or reserved; 'hsmctl key rotate' makes the ", "next version")};
}

}  // namespace

std::string UsesPath(KeyHandle handle) {
  return Cat(kUsesPrefix, handle.PrivateHalf().ToString().substr(2));
}

bool IsGenuineCount(std::string_view path, ByteView value,
                    const std::map<std::string, Bytes>& users) {
  const auto count = Decode(path, value);
  if (!count) return false;
  const auto signer = users.find(count->signer);
  return signer != users.end() && SignedBy(path, *count, signer->second);
}

Result<std::optional<std::uint64_t>> ShownUses(cluster::Core& core, KeyHandle handle) {
  const std::string path = UsesPath(handle);
  HSMCORE_TRY(const auto entry, core.engine->Get(path));
  if (!entry) return std::nullopt;
  const auto count = Decode(path, entry->value);
  return count ? std::optional(count->used) : std::nullopt;
}

Result<std::uint64_t> ReserveUses(cluster::Core& core, const users::Actor& user, KeyHandle handle,
                                  std::uint64_t wanted) {
  constexpr std::uint64_t kShareOfTheRest = 8;
  const std::string path = UsesPath(handle);
  std::uint64_t reserved = 0;
  HSMCORE_TRY([[maybe_unused]] const auto revision,
              storage::Update(*core.engine, [&](storage::Transaction& change) -> Status {
                HSMCORE_TRY(const auto record, Read(core, handle, user));
                if (!record) {
                  return Fail(ErrorCode::kKeyGone, Cat("key ", handle.ToString(), " was deleted"));
                }
                reserved = wanted;
                if (record->life.use_limit == 0) return {};  // taken back meanwhile
                HSMCORE_TRY(const auto stored, change.Get(path));
                if (!stored) return std::unexpected(Missing(handle));
                const auto used = GenuineIn(core, *record, *stored);
                if (!used) return std::unexpected(Missing(handle));
                if (*used >= record->life.use_limit) return std::unexpected(UsedUp(*record));
                const std::uint64_t left = record->life.use_limit - *used;
                reserved = std::min(wanted, std::max<std::uint64_t>(1, left / kShareOfTheRest));
                change.Put(path, Encode(path, *used + reserved, user));
                return {};
              }));
  return reserved;
}

Status KeepCount(storage::Transaction& change, const users::Actor& owner, const KeyRecord& record,
                 bool fresh) {
  const std::string path = UsesPath(record.handle);
  HSMCORE_TRY(const auto stored, change.Get(path));
  if (record.life.use_limit == 0) {
    if (stored) change.Delete(path);
    return {};
  }
  std::uint64_t used = 0;
  if (stored && !fresh) {
    // One that is not genuine any more is better than none: the owner goes on from it.
    const auto count = Decode(path, *stored);
    if (count) used = count->used;
  }
  change.Put(path, Encode(path, used, owner));
  return {};
}

}  // namespace hsmcore::keys
