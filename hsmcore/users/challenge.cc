// SPDX-License-Identifier: Apache-2.0
#include "users/challenge.h"

#include <algorithm>
#include <charconv>
#include <optional>

#include "base/cbor.h"
#include "base/text.h"
#include "base/values.h"
#include "hsmcore/quorum.h"
#include "vault/sealing.h"

namespace hsmcore::users {
namespace {

constexpr std::string_view kTitle = "hsm token 1";
constexpr std::string_view kWhat = "the entry of a token";
constexpr std::size_t kNonceBytes = 16;
constexpr unsigned kVersion = 1;
// More than there can be.
const storage::ListOptions kAll{.after = {}, .limit = 4 * kMaxKeyTokens, .keys_only = false};

std::string EntryPath(std::string_view purpose) { return Cat(kTokenPrefix, purpose); }

// The lines of a text, one by one.
class Lines {
 public:
  explicit Lines(std::string_view text) : rest_(text) {}
  // What follows `name` and a blank in the next line; empty when it is another one.
  std::string_view Next(std::string_view name) {
    const std::string_view line = rest_.substr(0, rest_.find('\n'));
    rest_.remove_prefix(std::min(rest_.size(), line.size() + 1));
    if (!line.starts_with(name) || line.size() <= name.size()) return {};
    return line.substr(name.size() + 1);
  }

 private:
  std::string_view rest_;
};

Challenge Parse(std::string_view text) {
  Challenge challenge;
  Lines lines(text);
  lines.Next(kTitle);
  challenge.purpose = lines.Next("purpose");
  challenge.cluster = lines.Next("cluster");
  const std::string_view who = lines.Next("requester");
  const std::size_t blank = who.find(' ');
  challenge.role = RoleByName(who.substr(0, blank)).value_or(Role::kCryptoUser);
  if (blank != std::string_view::npos) challenge.name = who.substr(blank + 1);
  const std::string_view expires = lines.Next("expires");
  std::from_chars(expires.data(), expires.data() + expires.size(), challenge.expires);
  challenge.nonce = ParseHex(lines.Next("nonce")).value_or(Bytes());
  return challenge;
}

bool IsLive(const Challenge& challenge, std::int64_t now) {
  // A clock that was put back must not make one live for longer.
  return challenge.expires >= now && challenge.expires <= now + kTokenLifetime;
}

Result<std::optional<Bytes>> ReadEntry(const std::optional<Bytes>& stored) {
  if (!stored) return std::nullopt;
  HSMCORE_TRY(const cbor::Value value, cbor::Decode(*stored, kWhat));
  cbor::Reader in(value, kWhat);
  HSMCORE_CHECK(in.CheckVersion(kVersion));
  Bytes text = in.Blob("text");
  HSMCORE_CHECK(in.Finish());
  return text;
}

std::unexpected<Error> Refuse(std::string_view why) {
  return Fail(ErrorCode::kTokenRefused, Cat(why, "; make a new one and have it signed"));
}

// An entry that cannot be read is in nobody's way.
Status CheckNoneLives(const std::optional<Bytes>& stored, std::int64_t now) {
  const auto text = ReadEntry(stored);
  if (!text || !*text) return {};
  const auto old = Challenge::Decode(**text);
  if (!old || !IsLive(*old, now)) return {};
  return Fail(
      ErrorCode::kTokenRefused,
      Cat("there is a token of ", NameOf(old->role), " '", old->name, "' for this, for another ",
          old->expires - now, " s; use it, or delete it with 'hsmctl quorum token-sign delete'"));
}

}  // namespace

Bytes Challenge::Encode() const {
  const std::string text =
      Cat(kTitle, "\npurpose ", purpose, "\ncluster ", cluster, "\nrequester ", NameOf(role), " ",
          name, "\nexpires ", expires, "\nnonce ", ToHex(nonce), "\n");
  const ByteView bytes = vault::ViewOf(text);
  return {bytes.begin(), bytes.end()};
}

Result<Challenge> Challenge::Decode(ByteView text) {
  constexpr std::size_t kLongest = 512;
  if (text.size() <= kLongest) {
    Challenge challenge = Parse({reinterpret_cast<const char*>(text.data()), text.size()});
    if (std::ranges::equal(challenge.Encode(), text)) return challenge;
  }
  return Refuse("what was signed is no token of an HSM");
}

Result<Bytes> NewChallenge(cluster::Core& core, const std::string& purpose, Role role,
                           const std::string& name, std::int64_t now, bool replace,
                           const std::function<Status(storage::Transaction&)>& also) {
  const Challenge made{.purpose = purpose,
                       .cluster = core.file.id,
                       .role = role,
                       .name = name,
                       .expires = now + kTokenLifetime,
                       .nonce = vault::RandomBytes(kNonceBytes)};
  Bytes text = made.Encode();
  HSMCORE_TRY([[maybe_unused]] const auto revision,
              storage::Update(*core.engine, [&](storage::Transaction& change) -> Status {
                const std::string path = EntryPath(purpose);
                HSMCORE_TRY(const auto stored, change.Get(path));
                if (!replace) HSMCORE_CHECK(CheckNoneLives(stored, now));
                if (also) HSMCORE_CHECK(also(change));
                change.Put(path, cbor::Encode({{"v", kVersion}, {"text", cbor::Blob(text)}}));
                return {};
              }));
  return text;
}

Status SpendChallenge(storage::Transaction& change, ByteView text, const Challenge& expected,
                      std::int64_t now) {
  HSMCORE_TRY(const Challenge signed_one, Challenge::Decode(text));
  if (signed_one.cluster != expected.cluster) return Refuse("the token is of another cluster");
  if (signed_one.purpose != expected.purpose) {
    return Refuse(
        Cat("the token is for '", signed_one.purpose, "', not for '", expected.purpose, "'"));
  }
  if (signed_one.role != expected.role || signed_one.name != expected.name) {
    return Refuse(Cat("the token was made by '", signed_one.name, "', who alone can use it"));
  }
  const std::string path = EntryPath(signed_one.purpose);
  HSMCORE_TRY(const auto stored, change.Get(path));
  HSMCORE_TRY(const auto there, ReadEntry(stored));
  if (!there || !std::ranges::equal(*there, text)) {
    return Refuse("the token was used already, or deleted");
  }
  if (!IsLive(signed_one, now)) return Refuse("the token has expired");
  change.Delete(path);
  return {};
}

Status DeleteExpired(cluster::Core& core, storage::Transaction& change,
                     std::string_view purpose_prefix, std::int64_t now) {
  HSMCORE_TRY(const auto page, core.engine->List(EntryPath(purpose_prefix), kAll));
  for (const storage::Entry& entry : page) {
    const auto text = ReadEntry(entry.value);
    const auto challenge = text && *text ? Challenge::Decode(**text) : Challenge::Decode({});
    if (!challenge || !IsLive(*challenge, now)) change.Delete(entry.key);
  }
  return {};
}

Result<std::vector<Challenge>> LiveChallenges(cluster::Core& core, std::string_view purpose_prefix,
                                              std::int64_t now) {
  HSMCORE_TRY(const auto page, core.engine->List(EntryPath(purpose_prefix), kAll));
  std::vector<Challenge> live;
  for (const storage::Entry& entry : page) {
    const auto text = ReadEntry(entry.value);
    if (!text || !*text) continue;
    auto challenge = Challenge::Decode(**text);
    if (challenge && IsLive(*challenge, now) && EntryPath(challenge->purpose) == entry.key) {
      live.push_back(*std::move(challenge));
    }
  }
  return live;
}

}  // namespace hsmcore::users
