// SPDX-License-Identifier: Apache-2.0
#ifndef HSMCTL_ENCODING_H_
#define HSMCTL_ENCODING_H_

#include <optional>
#include <string>
#include <string_view>

#include "hsmcore/base64.h"
#include "hsmcore/types.h"

// Bytes on the command line and in answers, as CloudHSM's tool has them. For what is no secret.
namespace hsmctl {

using hsmcore::Base64;
using hsmcore::FromBase64;

// "0x" and two digits for each byte; reading does without 0x too.
std::string Hex(hsmcore::ByteView bytes);
std::optional<hsmcore::Bytes> FromHex(std::string_view text);

}  // namespace hsmctl

#endif  // HSMCTL_ENCODING_H_
