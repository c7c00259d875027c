// SPDX-License-Identifier: Apache-2.0
#include "hsmcore/key_reference.h"

#include "base/text.h"
#include "crypto/der.h"
#include "crypto/pem.h"

namespace hsmcore {
namespace {

namespace der = crypto::der;

constexpr unsigned kVersion = 1;
constexpr std::size_t kMaxUriBytes = 4096;

Status CheckUriSize(std::size_t size) {
  if (size > 0 && size <= kMaxUriBytes) return {};
  return Fail(ErrorCode::kReference,
              Cat("the URI has ", size, " bytes; allowed are 1 to ", kMaxUriBytes));
}

std::unexpected<Error> Damaged() {
  return Fail(ErrorCode::kReference, "the key reference is damaged; write it anew from the key");
}

}  // namespace

Result<Bytes> KeyReference::ToDer() const {
  HSMCORE_CHECK(CheckUriSize(uri.size()));
  const ByteView text(reinterpret_cast<const std::uint8_t*>(uri.data()), uri.size());
  return der::Element(der::kSequence,
                      {der::SmallNumber(kVersion), der::Element(der::kUtf8String, {text}), spki});
}

Result<std::string> KeyReference::ToPem() const {
  HSMCORE_TRY(const Bytes encoded, ToDer());
  return crypto::WritePem(kPemLabel, encoded);
}

Result<KeyReference> KeyReference::FromDer(ByteView der) {
  der::Reader reader(der);
  auto fields = reader.Enter(der::kSequence);
  const auto version = fields ? fields->SmallNumber() : std::nullopt;
  if (!version || *version == 0 || !reader.empty()) return Damaged();
  if (*version > kVersion) {
    return Fail(ErrorCode::kReference,
                Cat("the key reference has version ", *version, ", this program knows version ",
                    kVersion, ": use a newer program or write the reference anew"));
  }
  const auto uri = fields->Next(der::kUtf8String);
  if (!uri) return Damaged();
  HSMCORE_CHECK(CheckUriSize(uri->size()));
  const ByteView spki = fields->rest();
  if (!spki.empty() && (!fields->Next(der::kSequence) || !fields->empty())) return Damaged();
  return KeyReference{std::string(uri->begin(), uri->end()), Bytes(spki.begin(), spki.end())};
}

Result<PublicMaterial> DecodePublicKeyFile(ByteView der_or_pem) {
  if (!crypto::IsPem(der_or_pem)) return DecodeSpki(der_or_pem);
  HSMCORE_TRY(const crypto::PemBlock block, crypto::ReadPem(der_or_pem, [](std::string_view label) {
                return label == "PUBLIC KEY";
              }));
  return DecodeSpki(block.der.Read(SecretAccess{"public after all"}));
}

Result<std::string> EncodePublicKeyPem(ByteView spki) {
  return crypto::WritePem("PUBLIC KEY", spki);
}

}  // namespace hsmcore
