// SPDX-License-Identifier: Apache-2.0
#ifndef HSMCORE_BASE64_H_
#define HSMCORE_BASE64_H_

#include <optional>
#include <string>
#include <string_view>

#include "hsmcore/types.h"

// RFC 4648 section 4, for what is no secret: it takes a time that depends on the bytes.
namespace hsmcore {

std::string Base64(ByteView bytes);
// Passes over white space, and wants the padding. Nothing: it is no base64.
std::optional<Bytes> FromBase64(std::string_view text);

}  // namespace hsmcore

#endif  // HSMCORE_BASE64_H_
