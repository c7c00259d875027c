// SPDX-License-Identifier: Apache-2.0
#ifndef HSMCORE_USERS_TOKEN_KEY_H_
#define HSMCORE_USERS_TOKEN_KEY_H_

#include "hsmcore/mode.h"
#include "hsmcore/types.h"

// The key pair by which a user signs tokens, outside of any HSM: RSA-2048 with PKCS#1 v1.5 and
// SHA-256 (sha256WithRSAEncryption), as in CloudHSM, or Ed25519. Both have one signature for one
// message.
namespace hsmcore::users {

// The SubjectPublicKeyInfo of a public key in PEM or DER. kTokenKey: another kind of key;
// kModeForbids: Ed25519 in FIPS mode.
Result<Bytes> ReadTokenKey(ByteView file, ClusterMode mode);

// Whether `signature` is one over `token`, which is a SHA-256. RSA signs it as the digest that it
// is, Ed25519 as a message. kRecordDamaged: `spki` is no key that ReadTokenKey gives.
Result<bool> IsSignedToken(ByteView spki, ByteView token, ByteView signature, ClusterMode mode);

}  // namespace hsmcore::users

#endif  // HSMCORE_USERS_TOKEN_KEY_H_
