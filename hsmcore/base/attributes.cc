// SPDX-License-Identifier: Apache-2.0
#include "hsmcore/attributes.h"

#include <algorithm>
#include <array>

#include "base/text.h"
#include "base/values.h"

namespace hsmcore {
namespace {

using enum Attribute;
using enum AttributeKind;
using enum ChangeRule;
using enum NewRule;

// attribute, name, kind, change, at creation, defaults: private, public, secret
constexpr auto kAttributes = std::to_array<AttributeRow>({
    {kToken, "token", kFlag, kOwnerTrueOnly, kAnyClass, true, true, true},
    {kPrivate, "private", kFlag, kOwner, kAnyClass, true, true, true},
    {kSensitive, "sensitive", kFlag, kNever, kNotPublic, true, false, true},
    {kAlwaysSensitive, "always-sensitive", kFlag, kNever, kNo, true, false, true},
    {kExtractable, "extractable", kFlag, kOwnerFalseOnly, kAnyClass, true, true, true},
    {kNeverExtractable, "never-extractable", kFlag, kNever, kNo, false, false, false},
    {kLocal, "local", kFlag, kNever, kNo, true, true, true},
    {kModifiable, "modifiable", kFlag, kOwnerFalseOnly, kAnyClass, true, true, true},
    {kDestroyable, "destroyable", kFlag, kOwner, kAnyClass, true, true, true},
    {kEncrypt, "encrypt", kFlag, kOwner, kAnyClass, false, false, false},
    {kDecrypt, "decrypt", kFlag, kOwner, kAnyClass, false, false, false},
    {kSign, "sign", kFlag, kOwner, kAnyClass, false, false, true},
    {kVerify, "verify", kFlag, kOwner, kAnyClass, false, false, true},
    {kWrap, "wrap", kFlag, kOwner, kNotPrivate, false, false, false},
    {kUnwrap, "unwrap", kFlag, kOwner, kNotPublic, false, false, false},
    {kDerive, "derive", kFlag, kOwner, kAnyClass, false, false, false},
    {kTrusted, "trusted", kFlag, kAdmin, kNo, false, false, false},
    {kWrapWithTrusted, "wrap-with-trusted", kFlag, kOwnerTrueOnly, kAnyClass, false, false, false},
    {kClass, "class", kText, kNever, kNo, false, false, false},
    {kKeyType, "key-type", kText, kNever, kNo, false, false, false},
    {kLabel, "label", kText, kOwner, kAnyClass, false, false, false},
    {kId, "id", kHex, kOwner, kAnyClass, false, false, false},
    {kCheckValue, "check-value", kHex, kNever, kNo, false, false, false},
    {kKeyLengthBytes, "key-length-bytes", kNumber, kNever, kNo, false, false, false},
    {kCurve, "curve", kText, kNever, kNo, false, false, false},
    {kEcPoint, "ec-point", kHex, kNever, kNo, false, false, false},
    {kModulus, "modulus", kHex, kNever, kNo, false, false, false},
    {kModulusSizeBits, "modulus-size-bits", kNumber, kNever, kNo, false, false, false},
    {kPublicExponent, "public-exponent", kHex, kNever, kNo, false, false, false},
    {kMldsaAlgorithm, "mldsa-algorithm", kText, kNever, kNo, false, false, false},
    {kWrapTemplate, "wrap-template", kTemplate, kOwner, kNo, false, false, false},
    {kUnwrapTemplate, "unwrap-template", kTemplate, kOwner, kNo, false, false, false},
    {kKeyState, "key-state", kText, kNever, kNo, false, false, false},
    {kKeyVersion, "key-version", kNumber, kNever, kNo, false, false, false},
    {kStartDate, "start-date", kText, kOwner, kNo, false, false, false},
    {kEndDate, "end-date", kText, kOwner, kNo, false, false, false},
    {kUseLimit, "use-limit", kNumber, kOwner, kNo, false, false, false},
    {kUseCount, "use-count", kNumber, kNever, kNo, false, false, false},
});

constexpr bool InEnumOrder() {
  for (std::size_t i = 0; i < kAttributes.size(); ++i) {
    if (static_cast<std::size_t>(kAttributes[i].attribute) != i) return false;
    if ((kAttributes[i].kind == kFlag) != (kAttributes[i].attribute <= kLastFlag)) return false;
  }
  return true;
}
static_assert(InEnumOrder(), "RowOf indexes the table by the enum");

bool GivenAtCreation(NewRule rule, KeyClass klass) {
  switch (rule) {
    case kNo:
      return false;
    case kAnyClass:
      return true;
    case kNotPublic:
      return klass != KeyClass::kPublicKey;
    case kNotPrivate:
      return klass != KeyClass::kPrivateKey;
  }
  return false;
}

bool DefaultOf(const AttributeRow& row, KeyClass klass) {
  switch (klass) {
    case KeyClass::kPrivateKey:
      return row.default_private;
    case KeyClass::kPublicKey:
      return row.default_public;
    case KeyClass::kSecretKey:
      return row.default_secret;
  }
  return false;
}

// Bytes of the UTF-8 sequence that begins with `lead`; 0: none does.
std::size_t SequenceLength(unsigned char lead) {
  if (lead < 0x80) return 1;
  if (lead < 0xc2 || lead >= 0xf8) return 0;
  if (lead < 0xe0) return 2;
  return lead < 0xf0 ? 3 : 4;
}

bool IsPrintableUtf8(std::string_view text) {
  while (!text.empty()) {
    const auto lead = static_cast<unsigned char>(text.front());
    const std::size_t length = SequenceLength(lead);
    if (lead < 0x20 || lead == 0x7f || length == 0 || length > text.size()) return false;
    for (const char next : text.substr(1, length - 1)) {
      if ((static_cast<unsigned char>(next) & 0xc0) != 0x80) return false;
    }
    text.remove_prefix(length);
  }
  return true;
}

// The value as AttributeText gives it.
Result<std::string> CanonicalValue(const AttributeRow& row, std::string_view value) {
  if (row.kind == kFlag) {
    if (const auto on = ParseBool(value)) return *on ? "true" : "false";
    return Fail(ErrorCode::kAttributeValue, Cat("'", row.name, "' takes true or false"));
  }
  if (row.kind != kHex) return std::string(value);
  if (const auto bytes = ParseHex(value)) return Cat("0x", ToHex(*bytes));
  return Fail(ErrorCode::kAttributeValue, Cat("'", row.name, "' takes hexadecimal digits"));
}

Status AddToTemplate(AttributeTemplate& attributes, const AttributeRow& owner,
                     std::string_view term) {
  const std::size_t equals = term.find('=');
  if (equals == std::string_view::npos) {
    return Fail(
        ErrorCode::kAttributeValue,
        Cat("'", owner.name, "' takes NAME=VALUE,NAME=VALUE,..., not '", term.substr(0, 40), "'"));
  }
  const auto attribute = AttributeByName(term.substr(0, equals));
  if (!attribute) {
    return Fail(
        ErrorCode::kAttributeUnknown,
        Cat("'", term.substr(0, std::min<std::size_t>(equals, 40)), "' is no key attribute"));
  }
  const AttributeRow& row = RowOf(*attribute);
  const bool fits =
      row.kind != kTemplate && (owner.attribute == kWrapTemplate || row.at_creation != kNo);
  if (!fits) {
    return Fail(ErrorCode::kAttributeReadOnly,
                Cat("'", row.name, "' cannot be in '", owner.name, "'"));
  }
  HSMCORE_TRY(std::string value, CanonicalValue(row, term.substr(equals + 1)));
  if (attributes.emplace(*attribute, std::move(value)).second) return {};
  return Fail(ErrorCode::kAttributeValue, Cat("'", row.name, "' is there twice"));
}

}  // namespace

Result<AttributeTemplate> ParseTemplate(const AttributeRow& row, std::string_view text) {
  AttributeTemplate attributes;
  while (!text.empty()) {
    const std::string_view term = text.substr(0, text.find_first_of(", "));
    text.remove_prefix(std::min(text.size(), term.size() + 1));
    if (!term.empty()) HSMCORE_CHECK(AddToTemplate(attributes, row, term));
  }
  return attributes;
}

std::string ToString(const AttributeTemplate& attributes) {
  std::string text;
  for (const auto& [attribute, value] : attributes) {
    text += Cat(text.empty() ? "" : ",", RowOf(attribute).name, "=", value);
  }
  return text;
}

std::span<const AttributeRow> AllAttributes() { return kAttributes; }
const AttributeRow& RowOf(Attribute attribute) {
  return kAttributes[static_cast<std::size_t>(attribute)];
}
std::optional<Attribute> AttributeByName(std::string_view name) {
  for (const AttributeRow& row : kAttributes) {
    if (name == row.name) return row.attribute;
  }
  return std::nullopt;
}

ObjectAttributes DefaultAttributes(KeyClass klass) {
  ObjectAttributes attributes;
  for (const AttributeRow& row : kAttributes) {
    if (row.kind != kFlag) continue;
    attributes.flags.Set(row.attribute, DefaultOf(row, klass));
  }
  return attributes;
}

Status ApplyAtCreation(ObjectAttributes& attributes, KeyClass klass, std::string_view name,
                       std::string_view value) {
  const auto attribute = AttributeByName(name);
  if (!attribute) {
    return Fail(ErrorCode::kAttributeUnknown,
                Cat("'", name.substr(0, 40), "' is no key attribute"));
  }
  const AttributeRow& row = RowOf(*attribute);
  if (!GivenAtCreation(row.at_creation, klass)) {
    return Fail(ErrorCode::kAttributeReadOnly,
                Cat("'", row.name, "' cannot be given for a new ", NameOf(klass)));
  }
  return SetValue(attributes, row, value);
}

Status SetValue(ObjectAttributes& attributes, const AttributeRow& row, std::string_view value) {
  if (row.kind == kFlag) {
    const auto on = ParseBool(value);
    if (!on) {
      return Fail(ErrorCode::kAttributeValue, Cat("'", row.name, "' takes true or false"));
    }
    attributes.flags.Set(row.attribute, *on);
    return {};
  }
  if (row.kind == kTemplate) {
    auto& wanted =
        row.attribute == kWrapTemplate ? attributes.wrap_template : attributes.unwrap_template;
    HSMCORE_TRY(wanted, ParseTemplate(row, value));
    return {};
  }
  if (row.attribute == kLabel) {
    attributes.label = value;
  } else {
    auto id = ParseHex(value);
    if (!id) {
      return Fail(ErrorCode::kAttributeValue,
                  Cat("'", row.name, "' takes hexadecimal digits, two for each byte"));
    }
    attributes.id = *std::move(id);
  }
  return CheckNames(attributes);
}

Status CheckNames(const ObjectAttributes& attributes) {
  if (attributes.label.size() > kMaxLabelBytes) {
    return Fail(ErrorCode::kAttributeValue, Cat("'label' is ", attributes.label.size(),
                                                " bytes long; the limit is ", kMaxLabelBytes));
  }
  if (!IsPrintableUtf8(attributes.label)) {
    return Fail(ErrorCode::kAttributeValue, "'label' must be UTF-8 without control characters");
  }
  if (attributes.id.size() > kMaxIdBytes) {
    return Fail(ErrorCode::kAttributeValue,
                Cat("'id' is ", attributes.id.size(), " bytes long; the limit is ", kMaxIdBytes));
  }
  return {};
}

}  // namespace hsmcore
