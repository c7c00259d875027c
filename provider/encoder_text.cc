// SPDX-License-Identifier: Apache-2.0
#include <openssl/core_dispatch.h>

#include <array>
#include <string>
#include <string_view>

#include "encoder.h"

namespace provider {
namespace {

using hsmcore::Attribute;
using hsmcore::Curve;
using hsmcore::KeyInfo;
using hsmcore::RsaPublic;

constexpr std::size_t kBytesPerLine = 15;

char HexDigit(unsigned value) { return "0123456789abcdef"[value & 15U]; }

// OpenSSL's block of hex bytes: fifteen to a line, four columns in.
std::string HexBlock(std::string_view label, ByteView bytes) {
  std::string text = std::string(label) + "\n";
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    if (i % kBytesPerLine == 0) text += i == 0 ? "    " : "\n    ";
    text += HexDigit(bytes[i] >> 4U);
    text += HexDigit(bytes[i]);
    if (i + 1 != bytes.size()) text += ':';
  }
  return text + "\n";
}

// A number that fits a word is printed in decimal and hex, a larger one as a block, with a zero
// byte in front where it would look negative.
std::string Number(std::string_view label, ByteView big_endian) {
  if (big_endian.size() <= sizeof(std::uint64_t)) {
    std::uint64_t value = 0;
    for (const std::uint8_t byte : big_endian) value = (value << 8U) | byte;
    std::string hex;
    for (std::uint64_t rest = value; rest != 0; rest >>= 4U) {
      hex.insert(hex.begin(), HexDigit(static_cast<unsigned>(rest & 15U)));
    }
    return std::string(label) + " " + std::to_string(value) + " (0x" + hex + ")\n";
  }
  Bytes padded;
  if (big_endian[0] >= 0x80) padded.push_back(0);
  padded.insert(padded.end(), big_endian.begin(), big_endian.end());
  return HexBlock(label, padded);
}

std::string WithDefault(const std::string& value, bool is_default) {
  return value + (is_default ? " (default)\n" : "\n");
}

std::string PssText(const RsaPublic& rsa) {
  if (!rsa.pss_only) return {};
  if (!rsa.pss) return "No PSS parameter restrictions\n";
  const hsmcore::PssRestrictions standard;
  return "PSS parameter restrictions:\n" +
         WithDefault(std::string("  Hash Algorithm: ") + RowOf(rsa.pss->digest).name,
                     rsa.pss->digest == standard.digest) +
         WithDefault(std::string("  Mask Algorithm: MGF1 with ") + RowOf(rsa.pss->mgf_digest).name,
                     rsa.pss->mgf_digest == standard.mgf_digest) +
         WithDefault("  Minimum Salt Length: " + std::to_string(rsa.pss->min_salt_length),
                     rsa.pss->min_salt_length == standard.min_salt_length) +
         WithDefault("  Trailer Field: 0x1", true);
}

std::string RsaText(const RsaPublic& rsa, bool as_private) {
  return Number(as_private ? "modulus:" : "Modulus:", rsa.modulus) +
         Number(as_private ? "publicExponent:" : "Exponent:", rsa.exponent) + PssText(rsa);
}

std::string CurveText(Curve curve) {
  const auto& row = RowOf(curve);
  std::string text = std::string("ASN1 OID: ") + row.name + "\n";
  if (row.nist != nullptr) text += std::string("NIST CURVE: ") + row.nist + "\n";
  return text;
}

// What only the HSM can tell. `info` is the half that is shown.
std::string HsmText(const KeyInfo& info, bool as_private) {
  std::string text = as_private ? "private part: held in the HSM\n" : "";
  text += "handle: " + info.handle.ToString() + "\n";
  text += "label: " + info.attributes.label + "\n";
  text += "id: " + AttributeText(info, Attribute::kId) + "\n";
  text += "owner: " + info.owner + "\n";
  text += "attributes:";
  for (const auto& row : hsmcore::AllAttributes()) {
    if (row.kind == hsmcore::AttributeKind::kFlag && info.attributes.flags.Has(row.attribute)) {
      text += std::string(" ") + row.name;
    }
  }
  return text + "\n";
}

std::string Title(const KeyObject& object, bool as_private) {
  const std::string half = as_private ? "Private-Key:" : "Public-Key:";
  const std::string held = as_private ? "held in the HSM" : "";
  if (std::holds_alternative<hsmcore::RawPublic>(object.key()->public_part())) {
    return std::string(AlgorithmName(object.type())) + " " + half +
           (as_private ? " (" + held + ")\n" : "\n");
  }
  return half + " (" + std::to_string(BitsOf(object.key()->public_part())) + " bit" +
         (as_private ? ", " + held : "") + ")\n";
}

std::string PublicText(const KeyObject& object, bool as_private) {
  const auto& part = object.key()->public_part();
  if (const auto* rsa = std::get_if<RsaPublic>(&part)) return RsaText(*rsa, as_private);
  if (const auto* ec = std::get_if<hsmcore::EcPublic>(&part)) {
    return HexBlock("pub:", ec->point) + CurveText(ec->curve);
  }
  const auto& raw = std::get<hsmcore::RawPublic>(part);
  const bool kem = hsmcore::RowOf(raw.type).purpose == hsmcore::KeyPurpose::kEncapsulate;
  return HexBlock(kem ? "ek:" : "pub:", raw.key);
}

}  // namespace

Result<std::string> KeyText(const KeyObject& object, int selection) {
  const bool as_private = (selection & OSSL_KEYMGMT_SELECT_PRIVATE_KEY) != 0;
  if ((selection & OSSL_KEYMGMT_SELECT_KEYPAIR) == 0) {
    if (!object.curve()) return Fail(ErrorCode::kNotSupported, "the key has no parameters");
    return "EC-Parameters: (" + std::to_string(RowOf(*object.curve()).bits) + " bit)\n" +
           CurveText(*object.curve());
  }
  if (object.key() == nullptr || (as_private && !object.has_private())) {
    return Fail(ErrorCode::kPublicKeyOnly, "there is no such part to print");
  }
  const KeyInfo* info = as_private ? object.key()->private_info() : object.key()->public_info();
  return Title(object, as_private) + PublicText(object, as_private) +
         (info == nullptr ? "" : HsmText(*info, as_private));
}

}  // namespace provider
