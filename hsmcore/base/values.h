// SPDX-License-Identifier: Apache-2.0
#ifndef HSMCORE_BASE_VALUES_H_
#define HSMCORE_BASE_VALUES_H_

#include <optional>
#include <string>
#include <string_view>

#include "hsmcore/attributes.h"
#include "hsmcore/types.h"

namespace hsmcore {

// true/false, yes/no, 1/0; ASCII case ignored.
std::optional<bool> ParseBool(std::string_view text);

// Pairs of hexadecimal digits, with or without 0x.
std::optional<Bytes> ParseHex(std::string_view text);
std::string ToHex(ByteView bytes);

// Sets the label, id, flag or template of `row` from text, without asking who may. kAttributeValue.
Status SetValue(ObjectAttributes& attributes, const AttributeRow& row, std::string_view value);

}  // namespace hsmcore

#endif  // HSMCORE_BASE_VALUES_H_
