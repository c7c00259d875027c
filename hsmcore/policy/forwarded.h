// SPDX-License-Identifier: Apache-2.0
#ifndef HSMCORE_POLICY_FORWARDED_H_
#define HSMCORE_POLICY_FORWARDED_H_

#include <string_view>

#include "crypto/forwarding.h"
#include "hsmcore/mode.h"

// What FIPS mode says of algorithms that work with an application's own keys. In NON_FIPS mode
// everything is allowed.
namespace hsmcore::policy {

// Whether the algorithm is approved, by the first of its names (OpenSSL's, with ':' between them).
// This is the table for FIPS mode without a FIPS module; a module knows its own.
bool ApprovesForwarded(const ModeRules& rules, crypto::ForwardedKind kind, std::string_view names);

// kModeForbids: 3DES may decrypt only.
Status AllowForwardedEncryption(const ModeRules& rules, std::string_view names);

// Whether a curve may agree on keys for TLS.
bool ApprovesCurve(const ModeRules& rules, Curve curve);

}  // namespace hsmcore::policy

#endif  // HSMCORE_POLICY_FORWARDED_H_
