// SPDX-License-Identifier: Apache-2.0
#ifndef HSMCORE_POLICY_MODE_H_
#define HSMCORE_POLICY_MODE_H_

#include <cstddef>

#include "hsmcore/key.h"
#include "hsmcore/mechanism.h"
#include "hsmcore/mode.h"
#include "hsmcore/types.h"
#include "hsmcore/wrap.h"

// What the mode of a cluster allows, whatever the attributes of a key say: CloudHSM's FIPS mode, as
// SP 800-131A revision 2 and FIPS 186-5 have made it. In NON_FIPS mode everything is allowed.
// Every refusal is kModeForbids; the detail names the rule and what to use instead.
namespace hsmcore::policy {

// May a key of this type come to be: made here, or taken in from outside (import, unwrap)?
enum class Origin : std::uint8_t { kGenerated, kFromOutside };
Status AllowNewKey(const ModeRules& rules, KeyType type, Origin origin);

// May a key of this type be used so? `kEncrypt` also stands for wrapping, with a secret key.
Status AllowKeyType(const ModeRules& rules, KeyType type, Key::Use use);

// A signature that is made. `tbs_size`: the length of the digest where the caller gives one without
// saying which (Digest::kNone); 0 where it is not known yet.
Status AllowSigning(const ModeRules& rules, const PublicMaterial& key,
                    const SignMechanism& mechanism, std::size_t tbs_size);

// RSA encryption and decryption; wrapping and unwrapping.
Status AllowRsaCipher(const ModeRules& rules, CipherMechanism::Kind kind);
Status AllowWrapMethod(const ModeRules& rules, WrapMechanism::Kind kind);

}  // namespace hsmcore::policy

#endif  // HSMCORE_POLICY_MODE_H_
