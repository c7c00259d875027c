// SPDX-License-Identifier: Apache-2.0
#include "hsmcore/key_life.h"

#include <array>
#include <chrono>
#include <ctime>

#include "base/text.h"

namespace hsmcore {
namespace {

namespace chrono = std::chrono;

constexpr auto kStateNames = std::to_array<const char*>(
    {"pre-activation", "active", "deactivated", "disabled", "pending-deletion"});

// The number of so many digits at the front of `text`; nothing: others are there.
std::optional<unsigned> TakeNumber(std::string_view& text, std::size_t digits) {
  if (text.size() < digits) return std::nullopt;
  unsigned number = 0;
  for (const char digit : text.substr(0, digits)) {
    if (digit < '0' || digit > '9') return std::nullopt;
    number = (10 * number) + static_cast<unsigned>(digit - '0');
  }
  text.remove_prefix(digits);
  return number;
}

bool TakeMark(std::string_view& text, char mark) {
  if (!text.starts_with(mark)) return false;
  text.remove_prefix(1);
  return true;
}

// "2026-12-31"
std::optional<chrono::sys_days> TakeDay(std::string_view& text) {
  const auto year = TakeNumber(text, 4);
  if (!year || *year < 1970 || !TakeMark(text, '-')) return std::nullopt;
  const auto month = TakeNumber(text, 2);
  if (!month || !TakeMark(text, '-')) return std::nullopt;
  const auto day = TakeNumber(text, 2);
  if (!day) return std::nullopt;
  const chrono::year_month_day date(chrono::year(static_cast<int>(*year)), chrono::month(*month),
                                    chrono::day(*day));
  if (!date.ok()) return std::nullopt;
  return chrono::sys_days(date);
}

// "23:59:59Z"
std::optional<chrono::seconds> TakeTimeOfDay(std::string_view& text) {
  const auto hours = TakeNumber(text, 2);
  if (!hours || *hours > 23 || !TakeMark(text, ':')) return std::nullopt;
  const auto minutes = TakeNumber(text, 2);
  if (!minutes || *minutes > 59 || !TakeMark(text, ':')) return std::nullopt;
  const auto seconds = TakeNumber(text, 2);
  if (!seconds || *seconds > 59 || !TakeMark(text, 'Z')) return std::nullopt;
  return chrono::hours(*hours) + chrono::minutes(*minutes) + chrono::seconds(*seconds);
}

}  // namespace

const char* NameOf(KeyState state) { return kStateNames.at(static_cast<std::size_t>(state)); }

KeyState StateAt(const KeyLife& life, std::int64_t now) {
  if (life.purge) return KeyState::kPendingDeletion;
  if (!life.enabled) return KeyState::kDisabled;
  if (life.start && now < *life.start) return KeyState::kPreActivation;
  if (life.end && now >= *life.end) return KeyState::kDeactivated;
  return KeyState::kActive;
}

KeyState StateOf(const KeyLife& life) {
  const bool timed = life.start || life.end;
  return StateAt(life, timed ? std::time(nullptr) : 0);
}

std::optional<std::int64_t> ParseUtc(std::string_view text) {
  const auto day = TakeDay(text);
  if (!day) return std::nullopt;
  chrono::seconds time = day->time_since_epoch();
  if (!text.empty()) {
    if (!TakeMark(text, 'T')) return std::nullopt;
    const auto of_day = TakeTimeOfDay(text);
    if (!of_day || !text.empty()) return std::nullopt;
    time += *of_day;
  }
  return time.count();
}

std::string UtcText(std::int64_t seconds) {
  const std::time_t time = seconds;
  std::tm parts{};
  std::array<char, 32> text{};
  if (gmtime_r(&time, &parts) == nullptr) return {};
  return {text.data(), std::strftime(text.data(), text.size(), "%FT%TZ", &parts)};
}

}  // namespace hsmcore
