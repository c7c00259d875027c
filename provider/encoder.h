// SPDX-License-Identifier: Apache-2.0
#ifndef PROVIDER_ENCODER_H_
#define PROVIDER_ENCODER_H_

#include <openssl/core.h>

#include <string>

#include "key_object.h"

namespace provider {

// A private key is written as a reference to it, whatever structure was asked for. There is nothing
// secret in a reference, so a cipher and a passphrase that were asked for are not used.
extern const OSSL_DISPATCH kReferencePemEncoder[];
extern const OSSL_DISPATCH kReferenceDerEncoder[];

// SubjectPublicKeyInfo.
extern const OSSL_DISPATCH kSpkiPemEncoder[];
extern const OSSL_DISPATCH kSpkiDerEncoder[];

// For people: OpenSSL's usual layout of the public part, then what the HSM knows about the key.
extern const OSSL_DISPATCH kTextEncoder[];

// The text of kTextEncoder (encoder_text.cc).
Result<std::string> KeyText(const KeyObject& object, int selection);

}  // namespace provider

#endif  // PROVIDER_ENCODER_H_
