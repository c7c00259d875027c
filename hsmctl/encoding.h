// SPDX-License-Identifier: Apache-2.0
#ifndef HSMCTL_ENCODING_H_
#define HSMCTL_ENCODING_H_

#include <optional>
#include <string>
#include <string_view>

#include "hsmcore/types.h"

// Bytes on the command line and in answers, as CloudHSM's tool has them. For what is no secret.
namespace hsmctl {

// RFC 4648 section 4. Reading passes over white space and wants the padding.
std::string Base64(hsmcore::ByteView bytes);
std::optional<hsmcore::Bytes> FromBase64(std::string_view text);

// "0x" and two digits for each byte; reading does without 0x too.
std::string Hex(hsmcore::ByteView bytes);
std::optional<hsmcore::Bytes> FromHex(std::string_view text);

}  // namespace hsmctl

#endif  // HSMCTL_ENCODING_H_
