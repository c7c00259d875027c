// SPDX-License-Identifier: Apache-2.0
#include "keys/trusted_mark.h"

#include "base/cbor.h"
#include "base/text.h"
#include "keys/key_store.h"
#include "keys/material.h"
#include "vault/sealing.h"

namespace hsmcore::keys {
namespace {

constexpr std::string_view kSignContext = "hsm trusted mark v1";
constexpr unsigned kVersion = 1;

// What cannot change in a record as long as it is the same key.
Bytes FactsOf(const KeyRecord& record) {
  return cbor::Encode({{"handle", record.handle.value},
                       {"created", record.created},
                       {"owner", record.owner},
                       {"material", EncodePublic(record.public_part)}});
}

Bytes SignedMessage(std::string_view path, ByteView facts, std::string_view signer) {
  return vault::Bind({vault::ViewOf(path), facts, vault::ViewOf(signer)});
}

// The facts of a mark that an admin signed; nothing otherwise.
std::optional<Bytes> GenuineFacts(std::string_view path, ByteView value,
                                  const users::TrustedSigners& admins) {
  const auto decoded = cbor::Decode(value, path);
  if (!decoded) return std::nullopt;
  cbor::Reader in(*decoded, path);
  if (!in.CheckVersion(kVersion)) return std::nullopt;
  Bytes facts = in.Blob("facts");
  const std::string name = in.Text("signer");
  const Bytes signature = in.Blob("sig");
  const auto signer = admins.find(name);
  if (!in.Finish() || signer == admins.end() ||
      !vault::VerifySignature(signer->second, kSignContext, SignedMessage(path, facts, name),
                              signature)) {
    return std::nullopt;
  }
  return facts;
}

std::string SignerOf(std::string_view path, ByteView value) {
  const auto decoded = cbor::Decode(value, path);
  return decoded ? cbor::Reader(*decoded, path).Text("signer") : std::string();
}

Bytes SignMark(const users::Actor& admin, std::string_view path, ByteView facts) {
  const Bytes signature =
      admin.identity->Sign(kSignContext, SignedMessage(path, facts, admin.path));
  return cbor::Encode({{"v", kVersion},
                       {"facts", cbor::Blob(facts)},
                       {"signer", admin.path},
                       {"sig", cbor::Blob(signature)}});
}

}  // namespace

std::string TrustedPath(KeyHandle handle) {
  return Cat(kTrustedPrefix, handle.PrivateHalf().ToString().substr(2));
}

Status CheckMarkable(const KeyRecord& record, KeyHandle half) {
  if (const auto* facts = std::get_if<SecretFacts>(&record.public_part)) {
    if (facts->type == KeyType::kAes && facts->commitment.empty()) {
      return Fail(ErrorCode::kNotSupported,
                  Cat("key ", half.ToString(), " was made by an older version, and nothing in its ",
                      "record is bound to its value; make a new one"));
    }
    if (facts->type == KeyType::kAes) return {};
  }
  if (TypeOf(record.public_part) == KeyType::kRsa && half.IsPublicHalf()) return {};
  return Fail(ErrorCode::kKeyTypeMismatch,
              Cat("'trusted' is for keys that wrap others: AES keys and the public halves of RSA "
                  "pairs; key ",
                  half.ToString(), " is neither"));
}

Bytes EncodeMark(const users::Actor& admin, const KeyRecord& record) {
  return SignMark(admin, TrustedPath(record.handle), FactsOf(record));
}

Result<bool> IsMarked(cluster::Core& core, storage::Transaction& change, const KeyRecord& record) {
  const std::string path = TrustedPath(record.handle);
  HSMCORE_TRY(const auto mark, change.Get(path));
  if (!mark) return false;
  HSMCORE_TRY(const users::TrustedSigners admins, users::ReadTrustedSigners(core));
  return GenuineFacts(path, *mark, admins) == FactsOf(record);
}

Status SignMarksAnew(cluster::Core& core, storage::Transaction& change, std::string_view before,
                     const users::Actor& admin) {
  HSMCORE_TRY(const users::TrustedSigners admins, users::ReadTrustedSigners(core));
  storage::ListOptions options{.after = {}, .limit = 1000, .keys_only = false};
  for (;;) {
    HSMCORE_TRY(const auto page, core.engine->List(kTrustedPrefix, options));
    for (const storage::Entry& entry : page) {
      const auto signer = SignerOf(entry.key, entry.value);
      const auto facts = GenuineFacts(entry.key, entry.value, admins);
      if (facts && signer == before) change.Put(entry.key, SignMark(admin, entry.key, *facts));
    }
    if (page.size() < options.limit) return {};
    options.after = page.back().key;
  }
}

Status SetMark(cluster::Core& core, const users::Actor& admin, const KeyRecord& record, bool on) {
  const std::string path = TrustedPath(record.handle);
  const Bytes mark = EncodeMark(admin, record);
  HSMCORE_TRY([[maybe_unused]] const auto revision,
              storage::Update(*core.engine, [&](storage::Transaction& change) -> Status {
                HSMCORE_TRY(const auto before, change.Get(path));
                if (!on && !before) return {};
                if (on) {
                  change.Put(path, mark);
                } else {
                  change.Delete(path);
                }
                change.MoveEpoch(EpochSlot(record.handle));
                return {};
              }));
  return {};
}

bool IsGenuineMark(std::string_view path, ByteView value, const users::TrustedSigners& admins) {
  return GenuineFacts(path, value, admins).has_value();
}

Result<Marks> Marks::Read(cluster::Core& core) {
  Marks marks;
  storage::ListOptions options{.after = {}, .limit = 1000, .keys_only = true};
  std::optional<users::TrustedSigners> admins;
  for (;;) {
    HSMCORE_TRY(const auto page, core.engine->List(kTrustedPrefix, options));
    if (!page.empty() && !admins) {
      HSMCORE_TRY(admins, users::ReadTrustedSigners(core));
    }
    for (const storage::Entry& entry : page) {
      std::optional<Bytes> facts;
      const storage::Verifier genuine = [&](const storage::Entry& copy) {
        facts = GenuineFacts(copy.key, copy.value, *admins);
        return facts.has_value();
      };
      const auto handle = HandleIn(entry.key);
      // A mark that no HSM holds in a genuine form is none.
      const auto found = core.engine->Get(entry.key, &genuine);
      if (handle && found && facts) marks.facts_[*handle] = *std::move(facts);
    }
    if (page.size() < options.limit) return marks;
    options.after = page.back().key;
  }
}

bool Marks::Cover(const KeyRecord& record) const {
  const auto mark = facts_.find(record.handle);
  return mark != facts_.end() && mark->second == FactsOf(record);
}

}  // namespace hsmcore::keys
