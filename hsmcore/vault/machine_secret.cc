// SPDX-License-Identifier: Apache-2.0
#include "vault/machine_secret.h"

#include <sodium.h>

#include <algorithm>

#include "hsmcore/credential.h"
#include "vault/sealing.h"

namespace hsmcore::vault {
namespace {

constexpr std::size_t kSecretBytes = 32;
constexpr std::size_t kBodyBytes = MachineSecret::kIdBytes + kSecretBytes;
constexpr int kVariant = sodium_base64_VARIANT_URLSAFE_NO_PADDING;
constexpr std::size_t kTextBytes = sodium_base64_ENCODED_LEN(kBodyBytes, kVariant);  // with NUL

}  // namespace

MachineSecret MachineSecret::New() { return {RandomBytes(kIdBytes), RandomSecret(kSecretBytes)}; }

Result<MachineSecret> MachineSecret::FromText(const SecretBytes& text) {
  const std::string_view all = text.ReadText(SecretAccess{"parse a machine credential"});
  SecretBytes body(kBodyBytes);
  const auto buffer = body.Write(SecretAccess{"parse a machine credential"});
  std::size_t length = 0;
  if (!all.starts_with(Credential::kMachinePrefix)) {
    return Fail(ErrorCode::kCredentialUnknown, "not a machine credential");
  }
  const std::string_view encoded = all.substr(Credential::kMachinePrefix.size());
  if (sodium_base642bin(buffer.data(), buffer.size(), encoded.data(), encoded.size(), nullptr,
                        &length, nullptr, kVariant) != 0 ||
      length != kBodyBytes) {
    return Fail(ErrorCode::kCredentialUnknown, "the machine credential is cut short or mistyped");
  }
  const ByteView bytes = buffer;
  return MachineSecret{Bytes(bytes.begin(), bytes.begin() + kIdBytes),
                       SecretBytes::CopyOf(bytes.subspan(kIdBytes))};
}

SecretBytes MachineSecret::ToText() const {
  SecretBytes body(kBodyBytes);
  const auto bytes = body.Write(SecretAccess{"write a machine credential"});
  std::ranges::copy(id, bytes.begin());
  std::ranges::copy(secret.Read(SecretAccess{"write a machine credential"}),
                    bytes.subspan(kIdBytes).begin());
  const std::size_t prefix = Credential::kMachinePrefix.size();
  SecretBytes text(prefix + kTextBytes);
  const auto out = text.Write(SecretAccess{"write a machine credential"});
  std::ranges::copy(Credential::kMachinePrefix, out.begin());
  sodium_bin2base64(reinterpret_cast<char*>(out.data()) + prefix, kTextBytes, bytes.data(),
                    bytes.size(), kVariant);
  text.Truncate(prefix + kTextBytes - 1);
  return text;
}

SecretBytes MachineSecret::SealKey() const {
  const Bytes tag = KeyedTag(secret, ViewOf("hsm machine credential v1"));
  static_assert(crypto_generichash_BYTES == kSealKeyBytes);
  SecretBytes key = SecretBytes::CopyOf(ByteView(tag));
  return key;
}

}  // namespace hsmcore::vault
