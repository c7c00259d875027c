// SPDX-License-Identifier: Apache-2.0
#ifndef HSMCORE_KEY_LIFE_H_
#define HSMCORE_KEY_LIFE_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "hsmcore/types.h"

namespace hsmcore {

// From when until when a key may be used, and how often; the same for both halves of a pair. Times
// are seconds since 1970.
struct KeyLife {
  bool enabled = true;
  std::optional<std::int64_t> start;  // not used before
  std::optional<std::int64_t> end;    // from then on only what is there already is dealt with
  std::optional<std::int64_t> purge;  // deleted; can be restored until then
  std::uint64_t use_limit = 0;        // uses of the private half or secret key; 0: any number
  // Rotation. The versions of a key are keys of their own that name the first one.
  std::uint64_t version = 1;
  KeyHandle first;  // 0: this one
  KeyHandle next;   // the version after this one; 0: it was not rotated
  friend bool operator==(const KeyLife&, const KeyLife&) = default;
};

// SP 800-57 part 1 section 7.
enum class KeyState : std::uint8_t {
  kPreActivation,    // no use yet
  kActive,           // any use
  kDeactivated,      // verifies, decrypts, unwraps and decapsulates
  kDisabled,         // no use until it is enabled
  kPendingDeletion,  // no use, and not found
};
const char* NameOf(KeyState state);
KeyState StateAt(const KeyLife& life, std::int64_t now);
// As now is.
KeyState StateOf(const KeyLife& life);

// "2026-12-31T23:59:59Z" (RFC 3339, UTC), or the day alone for its beginning; of the years 1970 to
// 9999. Nothing: not of this form.
std::optional<std::int64_t> ParseUtc(std::string_view text);
std::string UtcText(std::int64_t seconds);

// Soft deletion, as AWS KMS has it.
inline constexpr unsigned kMinRecoveryDays = 7;
inline constexpr unsigned kMaxRecoveryDays = 30;

}  // namespace hsmcore

#endif  // HSMCORE_KEY_LIFE_H_
