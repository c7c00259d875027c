// SPDX-License-Identifier: Apache-2.0
#include "vault/password.h"

#include <sodium.h>

#include <algorithm>
#include <array>

#include "vault/sealing.h"

namespace hsmcore::vault {
namespace {

struct CostRow {
  PasswordCost cost;
  const char* name;
  std::uint64_t operations;
  std::uint64_t memory;
};
constexpr auto kCosts = std::to_array<CostRow>({
    {PasswordCost::kLow, "low", crypto_pwhash_OPSLIMIT_MIN, std::uint64_t{8} << 20},
    {PasswordCost::kInteractive, "interactive", crypto_pwhash_OPSLIMIT_INTERACTIVE,
     crypto_pwhash_MEMLIMIT_INTERACTIVE},
    {PasswordCost::kModerate, "moderate", crypto_pwhash_OPSLIMIT_MODERATE,
     crypto_pwhash_MEMLIMIT_MODERATE},
    {PasswordCost::kSensitive, "sensitive", crypto_pwhash_OPSLIMIT_SENSITIVE,
     crypto_pwhash_MEMLIMIT_SENSITIVE},
});

}  // namespace

PasswordHash NewPasswordHash(PasswordCost cost) {
  const CostRow& row = kCosts[static_cast<std::size_t>(cost)];
  return {RandomBytes(crypto_pwhash_SALTBYTES), row.operations, row.memory};
}

Result<SecretBytes> KeyFromPassword(const SecretBytes& password, const PasswordHash& hash) {
  if (hash.salt.size() != crypto_pwhash_SALTBYTES || hash.operations < crypto_pwhash_OPSLIMIT_MIN ||
      hash.operations > crypto_pwhash_OPSLIMIT_SENSITIVE ||
      hash.memory < crypto_pwhash_MEMLIMIT_MIN || hash.memory > crypto_pwhash_MEMLIMIT_SENSITIVE) {
    return Fail(ErrorCode::kRecordDamaged, "password hash parameters are out of range");
  }
  SecretBytes key(kSealKeyBytes);
  const std::string_view text = password.ReadText(SecretAccess{"hash a password"});
  if (crypto_pwhash(key.Write(SecretAccess{"hash a password"}).data(), key.size(), text.data(),
                    text.size(), hash.salt.data(), hash.operations, hash.memory,
                    crypto_pwhash_ALG_ARGON2ID13) != 0) {
    return Fail(ErrorCode::kOutOfMemory, "no memory for hashing the password");
  }
  return key;
}

Status CheckPassword(const SecretBytes& password) {
  const std::string_view text = password.ReadText(SecretAccess{"check a new password"});
  const auto characters = std::ranges::count_if(text, [](char c) {
    return (static_cast<unsigned char>(c) & 0xc0) != 0x80;  // UTF-8 continuation bytes do not count
  });
  if (characters < 8 || characters > 32) {
    return Fail(ErrorCode::kPasswordPolicy, "a password has 8 to 32 characters");
  }
  if (text.contains(':')) {
    return Fail(ErrorCode::kPasswordPolicy,
                "a password has no ':', which separates user and password in a PIN");
  }
  if (std::ranges::any_of(text, [](char c) { return static_cast<unsigned char>(c) < 0x20; })) {
    return Fail(ErrorCode::kPasswordPolicy, "a password has no control characters");
  }
  return {};
}

}  // namespace hsmcore::vault

namespace hsmcore {

std::optional<PasswordCost> PasswordCostByName(std::string_view name) {
  for (const auto& row : vault::kCosts) {
    if (name == row.name) return row.cost;
  }
  return std::nullopt;
}

}  // namespace hsmcore
