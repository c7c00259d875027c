// SPDX-License-Identifier: Apache-2.0
#include "hsmcore/base64.h"

#include <algorithm>
#include <cstdint>
#include <iterator>

namespace hsmcore {
namespace {

constexpr std::string_view kBase64Digits =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr std::string_view kWhiteSpace = " \t\r\n";
constexpr std::size_t kGroup = 4;

}  // namespace

std::string Base64(ByteView bytes) {
  std::string text;
  while (!bytes.empty()) {
    const std::size_t taken = std::min<std::size_t>(bytes.size(), 3);
    std::uint32_t group = 0;
    for (std::size_t i = 0; i < 3; ++i) group = (group << 8) | (i < taken ? bytes[i] : 0U);
    for (std::size_t i = 0; i < kGroup; ++i) {
      text += i <= taken ? kBase64Digits[(group >> (18 - (6 * i))) & 63] : '=';
    }
    bytes = bytes.subspan(taken);
  }
  return text;
}

std::optional<Bytes> FromBase64(std::string_view text) {
  std::string digits;
  std::ranges::copy_if(text, std::back_inserter(digits),
                       [](char c) { return !kWhiteSpace.contains(c); });
  if (digits.size() % kGroup != 0) return std::nullopt;
  std::size_t padding = 0;
  while (padding < 2 && digits.ends_with('=')) {
    digits.pop_back();
    ++padding;
  }
  Bytes bytes;
  std::uint32_t group = 0;
  unsigned bits = 0;
  for (const char digit : digits) {
    const std::size_t value = kBase64Digits.find(digit);
    if (value == std::string_view::npos) return std::nullopt;
    group = (group << 6) | static_cast<std::uint32_t>(value);
    bits += 6;
    if (bits < 8) continue;
    bits -= 8;
    bytes.push_back(static_cast<std::uint8_t>(group >> bits));
  }
  // Bits that are left over must be zero, so that a value has one text.
  if ((group & ((1U << bits) - 1)) != 0) return std::nullopt;
  return bytes;
}

}  // namespace hsmcore
