// SPDX-License-Identifier: Apache-2.0
#include "keys/life.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <map>
#include <tuple>

#include "base/text.h"

namespace hsmcore::keys {
namespace {

constexpr std::int64_t kLatest = 253402300799;  // 9999-12-31T23:59:59Z

constexpr std::uint64_t kMostUses = std::uint64_t{1} << 48;  // no sum of them overflows

struct TimeField {
  const char* name;
  std::optional<std::int64_t> KeyLife::* member;
};
constexpr std::array kTimes = {TimeField{"start", &KeyLife::start}, TimeField{"end", &KeyLife::end},
                               TimeField{"purge", &KeyLife::purge}};

struct HandleField {
  const char* name;
  KeyHandle KeyLife::* member;
};
constexpr std::array kHandles = {HandleField{"first", &KeyLife::first},
                                 HandleField{"next", &KeyLife::next}};

std::optional<std::int64_t>& DateOf(KeyLife& life, Attribute attribute) {
  return attribute == Attribute::kStartDate ? life.start : life.end;
}

std::string DateText(const std::optional<std::int64_t>& date) {
  return date ? UtcText(*date) : std::string();
}

Status SetDate(KeyLife& life, Attribute attribute, std::string_view value) {
  KeyLife changed = life;
  auto& date = DateOf(changed, attribute);
  date = ParseUtc(value);
  if (!date && !value.empty()) {
    return Fail(
        ErrorCode::kAttributeValue,
        Cat("'", RowOf(attribute).name, "' takes a time like 2026-12-31T23:59:59Z, in UTC, ",
            "a day like 2026-12-31, or nothing, which takes it back"));
  }
  if (changed.start && changed.end && *changed.end <= *changed.start) {
    return Fail(ErrorCode::kAttributeValue,
                Cat("'end-date' (", UtcText(*changed.end), ") is not after 'start-date' (",
                    UtcText(*changed.start), ")"));
  }
  life = changed;
  return {};
}

Status SetLimit(KeyLife& life, std::string_view value) {
  std::uint64_t limit = 0;
  const char* end = value.data() + value.size();
  const auto read = std::from_chars(value.data(), end, limit);
  const bool is_number = read.ec == std::errc() && read.ptr == end;
  if (value.empty() || (is_number && limit <= kMostUses)) {
    life.use_limit = limit;
    return {};
  }
  return Fail(ErrorCode::kAttributeValue,
              Cat("'use-limit' takes a number up to ", kMostUses, "; 0 takes it back"));
}

}  // namespace

cbor::Value EncodeLife(const KeyLife& life) {
  cbor::Value value = cbor::Value::object();
  if (!life.enabled) value["enabled"] = false;
  for (const TimeField& field : kTimes) {
    if (life.*field.member) value[field.name] = *(life.*field.member);
  }
  if (life.use_limit != 0) value["use-limit"] = life.use_limit;
  if (life.version != 1) value["version"] = life.version;
  for (const HandleField& field : kHandles) {
    if ((life.*field.member).value != 0) value[field.name] = (life.*field.member).value;
  }
  return value;
}

Result<KeyLife> DecodeLife(const cbor::Value& value, std::string_view what) {
  cbor::Reader in(value, what);
  KeyLife life;
  if (in.Has("enabled")) life.enabled = in.Flag("enabled");
  for (const TimeField& field : kTimes) {
    if (!in.Has(field.name)) continue;
    const std::int64_t time = in.Signed(field.name);
    if (time < 0 || time > kLatest) in.Refuse(field.name);
    life.*field.member = time;
  }
  if (in.Has("use-limit")) life.use_limit = in.Number("use-limit");
  if (life.use_limit > kMostUses) in.Refuse("use-limit");
  if (in.Has("version")) life.version = in.Number("version");
  if (life.version == 0) in.Refuse("version");
  for (const HandleField& field : kHandles) {
    if (!in.Has(field.name)) continue;
    const KeyHandle handle{in.Number(field.name)};
    if (handle.IsPublicHalf() || handle.IsSession()) in.Refuse(field.name);
    life.*field.member = handle;
  }
  HSMCORE_CHECK(in.Finish());
  return life;
}

bool IsOfLife(Attribute attribute) {
  return attribute == Attribute::kStartDate || attribute == Attribute::kEndDate ||
         attribute == Attribute::kUseLimit;
}

Status SetLife(KeyLife& life, const ObjectAttributes& half, Attribute attribute,
               std::string_view value) {
  if (!half.flags.Has(Attribute::kModifiable)) {
    return Fail(ErrorCode::kAttributeReadOnly,
                Cat("'", RowOf(attribute).name,
                    "' cannot be changed: the key's attribute 'modifiable' is false"));
  }
  return SetNewLife(life, attribute, value);
}

Status SetNewLife(KeyLife& life, Attribute attribute, std::string_view value) {
  return attribute == Attribute::kUseLimit ? SetLimit(life, value)
                                           : SetDate(life, attribute, value);
}

std::string LifeText(const KeyInfo& info, Attribute attribute) {
  switch (attribute) {
    case Attribute::kKeyState:
      return NameOf(StateOf(info.life));
    case Attribute::kKeyVersion:
      return Cat(info.life.version);
    case Attribute::kStartDate:
      return DateText(info.life.start);
    case Attribute::kEndDate:
      return DateText(info.life.end);
    case Attribute::kUseLimit:
      return info.life.use_limit == 0 ? std::string() : Cat(info.life.use_limit);
    case Attribute::kUseCount:
      return info.use_count ? Cat(*info.use_count) : std::string();
    default:
      return {};
  }
}

}  // namespace hsmcore::keys

namespace hsmcore {

void KeepNewest(std::vector<KeyInfo>& found, std::int64_t now) {
  // Only who owns the first version says what its versions are.
  using Lineage = std::tuple<std::string, KeyHandle, KeyClass>;
  using Rank = std::pair<bool, std::uint64_t>;
  const auto lineage_of = [](const KeyInfo& info) {
    const KeyHandle first =
        info.life.first.value != 0 ? info.life.first : info.handle.PrivateHalf();
    return Lineage{info.owner, first, info.klass};
  };
  const auto rank_of = [now](const KeyInfo& info) {
    return Rank{StateAt(info.life, now) == KeyState::kActive, info.life.version};
  };
  std::map<Lineage, Rank> newest;
  for (const KeyInfo& info : found) {
    const auto [at, is_new] = newest.try_emplace(lineage_of(info), rank_of(info));
    if (!is_new) at->second = std::max(at->second, rank_of(info));
  }
  std::erase_if(found,
                [&](const KeyInfo& info) { return newest[lineage_of(info)] != rank_of(info); });
}

}  // namespace hsmcore
