// SPDX-License-Identifier: Apache-2.0
#ifndef HSMCORE_KEY_URI_H_
#define HSMCORE_KEY_URI_H_

#include <optional>
#include <string>
#include <string_view>

#include "hsmcore/secret_bytes.h"
#include "hsmcore/types.h"

namespace hsmcore {

// A key URI: RFC 7512's form with the scheme "hsm".
//   hsm:tls-2026                      short for hsm:object=tls-2026
//   hsm:tls-2026;type=public          the same before other attributes
//   hsm:object=tls;type=private?pin-source=file:/etc/hsm/web.pin
//   hsm:                              every key (listing)
// Path attributes: object id handle type cluster user. Query attributes: pin-source pin-value.
// Percent-encoding as in RFC 7512 section 2.3; an attribute twice, an unknown one, a NUL byte or a
// broken escape is an error.
struct KeyUri {
  std::optional<std::string> object;  // the label
  std::optional<Bytes> id;
  std::optional<KeyHandle> handle;
  std::optional<KeyClass> klass;  // type=private|public|secret-key
  bool certificate = false;       // type=cert
  std::optional<std::string> cluster;
  std::optional<std::string> user;
  std::optional<std::string> pin_source;
  std::optional<SecretBytes> pin_value;

  static constexpr std::string_view kScheme = "hsm:";
  static bool HasScheme(std::string_view text);  // ASCII case ignored

  // Errors: kUri; the detail names the attribute and what it takes, never a PIN.
  static Result<KeyUri> Parse(std::string_view text);

  // The canonical text, without pin-value (a secret is never written) and with everything else.
  std::string ToString() const;

  bool names_a_key() const { return object || id || handle; }
};

}  // namespace hsmcore

#endif  // HSMCORE_KEY_URI_H_
