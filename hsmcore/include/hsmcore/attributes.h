// SPDX-License-Identifier: Apache-2.0
#ifndef HSMCORE_ATTRIBUTES_H_
#define HSMCORE_ATTRIBUTES_H_

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "hsmcore/types.h"

namespace hsmcore {

// The attributes of a key object, with CloudHSM's names. The first ones are flags.
enum class Attribute : std::uint8_t {
  kToken,
  kPrivate,
  kSensitive,
  kAlwaysSensitive,
  kExtractable,
  kNeverExtractable,
  kLocal,
  kModifiable,
  kDestroyable,
  kEncrypt,
  kDecrypt,
  kSign,
  kVerify,
  kWrap,
  kUnwrap,
  kDerive,
  kTrusted,
  kWrapWithTrusted,
  kLastFlag = kWrapWithTrusted,
  // Not flags:
  kClass,
  kKeyType,
  kLabel,
  kId,
  kCheckValue,
  kKeyLengthBytes,
  kCurve,
  kEcPoint,
  kModulus,
  kModulusSizeBits,
  kPublicExponent,
  kMldsaAlgorithm,
  kWrapTemplate,
  kUnwrapTemplate,
  // Of the life of a key (hsmcore/key_life.h), and so of both halves of a pair:
  kKeyState,
  kKeyVersion,
  kStartDate,
  kEndDate,
  kUseLimit,
  kUseCount,
};

// A set of boolean attributes.
class AttributeFlags {
 public:
  constexpr bool Has(Attribute flag) const { return (bits_ & Bit(flag)) != 0; }
  constexpr void Set(Attribute flag, bool on) {
    bits_ = on ? bits_ | Bit(flag) : bits_ & ~Bit(flag);
  }
  constexpr std::uint32_t bits() const { return bits_; }
  static constexpr AttributeFlags FromBits(std::uint32_t bits) {
    AttributeFlags flags;
    flags.bits_ = bits;
    return flags;
  }
  friend constexpr bool operator==(AttributeFlags, AttributeFlags) = default;

 private:
  static constexpr std::uint32_t Bit(Attribute flag) {
    return std::uint32_t{1} << static_cast<unsigned>(flag);
  }
  std::uint32_t bits_ = 0;
};

enum class AttributeKind : std::uint8_t { kFlag, kText, kHex, kNumber, kTemplate };

// Who may change an attribute after the key was made, and how.
enum class ChangeRule : std::uint8_t { kNever, kOwner, kOwnerTrueOnly, kOwnerFalseOnly, kAdmin };

// The classes for which a value may be given when the key is made.
enum class NewRule : std::uint8_t { kNo, kAnyClass, kNotPublic, kNotPrivate };

// One row per attribute; the table mirrors CloudHSM's (its CLI's key attribute reference), apart
// from never-extractable, which has PKCS#11's meaning.
struct AttributeRow {
  Attribute attribute;
  const char* name;
  AttributeKind kind;
  ChangeRule change;
  NewRule at_creation;
  bool default_private;  // flags only
  bool default_public;
  bool default_secret;
};
std::span<const AttributeRow> AllAttributes();
const AttributeRow& RowOf(Attribute attribute);
std::optional<Attribute> AttributeByName(std::string_view name);

constexpr std::size_t kMaxLabelBytes = 127;
constexpr std::size_t kMaxIdBytes = 128;

// Attributes and the values that they must have, as AttributeText gives them.
using AttributeTemplate = std::map<Attribute, std::string>;

// "sign=false,extractable=true": commas or spaces stand between; "" is the empty one. For `row`,
// which is wrap-template (of what a payload has) or unwrap-template (of what may be given to a new
// key). Errors: kAttributeUnknown, kAttributeReadOnly, kAttributeValue.
Result<AttributeTemplate> ParseTemplate(const AttributeRow& row, std::string_view text);
std::string ToString(const AttributeTemplate& attributes);

// What can be told apart for the two halves of a pair.
struct ObjectAttributes {
  std::string label;  // UTF-8 without control characters, at most kMaxLabelBytes
  Bytes id;           // at most kMaxIdBytes
  AttributeFlags flags;
  // With initialisers, so that an aggregate may leave them out.
  // NOLINTBEGIN(readability-redundant-member-init)
  AttributeTemplate wrap_template = {};    // what a key must be like that this one wraps
  AttributeTemplate unwrap_template = {};  // what a key will be like that this one unwraps
  // NOLINTEND(readability-redundant-member-init)
  friend bool operator==(const ObjectAttributes&, const ObjectAttributes&) = default;
};

// The defaults of the table for a class.
ObjectAttributes DefaultAttributes(KeyClass klass);

// Applies "sign", "true" and the like, by the rules for a new key. Errors: kAttributeUnknown,
// kAttributeReadOnly (not to be given for this class), kAttributeValue; the detail names the
// attribute and what it takes.
Status ApplyAtCreation(ObjectAttributes& attributes, KeyClass klass, std::string_view name,
                       std::string_view value);

// Checks lengths and characters of label and id. Errors: kAttributeValue.
Status CheckNames(const ObjectAttributes& attributes);

}  // namespace hsmcore

#endif  // HSMCORE_ATTRIBUTES_H_
