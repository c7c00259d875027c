// SPDX-License-Identifier: Apache-2.0
#include "keys/attribute_rules.h"

#include "base/text.h"
#include "base/values.h"
#include "crypto/asymmetric_key.h"
#include "hsmcore/key.h"
#include "keys/life.h"

namespace hsmcore::keys {
namespace {

Status ReadOnly(const AttributeRow& row, std::string_view why) {
  return Fail(ErrorCode::kAttributeReadOnly, Cat("'", row.name, "' ", why));
}

Status CheckOneWay(const ObjectAttributes& before, const ObjectAttributes& after,
                   const AttributeRow& row) {
  const bool was = before.flags.Has(row.attribute);
  const bool is = after.flags.Has(row.attribute);
  if (row.change == ChangeRule::kOwnerTrueOnly && was && !is) {
    return ReadOnly(row, "can be set to true, and not back to false");
  }
  if (row.change == ChangeRule::kOwnerFalseOnly && !was && is) {
    return ReadOnly(row, "can be set to false, and not back to true");
  }
  return {};
}

Status CheckRole(const AttributeRow& row, Role role) {
  if (row.change == ChangeRule::kNever) return ReadOnly(row, "never changes");
  const bool by_admin = row.change == ChangeRule::kAdmin;
  if (by_admin == (role == Role::kAdmin)) return {};
  return Fail(ErrorCode::kRoleForbids,
              Cat("'", row.name, "' is changed by ", by_admin ? "an admin" : "the key's owner"));
}

std::string MaterialText(const RsaPublic& rsa, Attribute attribute) {
  switch (attribute) {
    case Attribute::kModulus:
      return "0x" + ToHex(rsa.modulus);
    case Attribute::kModulusSizeBits:
      return Cat(BitsOf(rsa));
    case Attribute::kPublicExponent:
      return "0x" + ToHex(rsa.exponent);
    case Attribute::kKeyLengthBytes:
      return Cat(rsa.modulus.size());
    default:
      return {};
  }
}

std::string MaterialText(const EcPublic& ec, Attribute attribute) {
  switch (attribute) {
    case Attribute::kCurve:
      return RowOf(ec.curve).cli;
    case Attribute::kEcPoint:
      return "0x" + ToHex(ec.point);
    case Attribute::kKeyLengthBytes:
      return Cat(RowOf(ec.curve).field_bytes);
    default:
      return {};
  }
}

// CloudHSM shows Ed25519 as a curve, with its key as the point; RFC 8410's other types likewise.
std::string MaterialText(const RawPublic& raw, Attribute attribute) {
  const KeyTypeRow& row = RowOf(raw.type);
  const bool edwards_or_montgomery = row.type <= KeyType::kX448;
  switch (attribute) {
    case Attribute::kCurve:
      return edwards_or_montgomery ? row.name : "";
    case Attribute::kEcPoint:
      return edwards_or_montgomery ? "0x" + ToHex(raw.key) : "";
    case Attribute::kMldsaAlgorithm:
      return row.type >= KeyType::kMlDsa44 && row.type <= KeyType::kMlDsa87 ? row.openssl : "";
    case Attribute::kKeyLengthBytes:
      return Cat(raw.key.size());
    default:
      return {};
  }
}

std::string MaterialText(const SecretFacts& facts, Attribute attribute) {
  return attribute == Attribute::kKeyLengthBytes ? Cat(facts.length) : std::string();
}

}  // namespace

void FinishNew(ObjectAttributes& attributes, bool local) {
  AttributeFlags& flags = attributes.flags;
  flags.Set(Attribute::kLocal, local);
  flags.Set(Attribute::kNeverExtractable, local && !flags.Has(Attribute::kExtractable));
  flags.Set(Attribute::kAlwaysSensitive, local && flags.Has(Attribute::kSensitive));
}

Status Change(ObjectAttributes& attributes, Role role, std::string_view name,
              std::string_view value) {
  const auto attribute = AttributeByName(name);
  if (!attribute) {
    return Fail(ErrorCode::kAttributeUnknown,
                Cat("'", name.substr(0, 40), "' is no key attribute"));
  }
  const AttributeRow& row = RowOf(*attribute);
  HSMCORE_CHECK(CheckRole(row, role));
  if (!attributes.flags.Has(Attribute::kModifiable)) {
    return ReadOnly(row, "cannot be changed: the key's attribute 'modifiable' is false");
  }
  ObjectAttributes changed = attributes;
  HSMCORE_CHECK(SetValue(changed, row, value));
  HSMCORE_CHECK(CheckOneWay(attributes, changed, row));
  attributes = std::move(changed);
  return {};
}

}  // namespace hsmcore::keys

namespace hsmcore {

std::string AttributeText(const KeyInfo& info, Attribute attribute) {
  if (attribute <= Attribute::kLastFlag) {
    return info.attributes.flags.Has(attribute) ? "true" : "false";
  }
  switch (attribute) {
    case Attribute::kClass:
      return NameOf(info.klass);
    case Attribute::kKeyType:
      return NameOf(info.type());
    case Attribute::kLabel:
      return info.attributes.label;
    case Attribute::kId:
      return info.attributes.id.empty() ? std::string() : "0x" + ToHex(info.attributes.id);
    case Attribute::kWrapTemplate:
      return ToString(info.attributes.wrap_template);
    case Attribute::kUnwrapTemplate:
      return ToString(info.attributes.unwrap_template);
    case Attribute::kCheckValue: {
      if (const auto* facts = std::get_if<SecretFacts>(&info.public_part)) {
        return facts->check_value.empty() ? std::string() : "0x" + ToHex(facts->check_value);
      }
      const auto value = crypto::CheckValue(info.public_part);
      return value ? "0x" + ToHex(*value) : std::string();
    }
    case Attribute::kKeyState:
    case Attribute::kKeyVersion:
    case Attribute::kStartDate:
    case Attribute::kEndDate:
    case Attribute::kUseLimit:
    case Attribute::kUseCount:
      return keys::LifeText(info, attribute);
    default:
      return std::visit(
          [attribute](const auto& material) { return keys::MaterialText(material, attribute); },
          info.public_part);
  }
}

}  // namespace hsmcore
