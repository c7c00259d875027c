// SPDX-License-Identifier: Apache-2.0
#ifndef HSMCORE_USERS_REGISTRATION_H_
#define HSMCORE_USERS_REGISTRATION_H_

#include <string>

#include "cluster/core.h"
#include "hsmcore/quorum.h"
#include "hsmcore/types.h"
#include "storage/engine.h"

// How a user shows that he has the private key to the public one by which he will sign tokens. The
// caller holds core.mutex.
namespace hsmcore::users {

// A text for him to sign, in the place of one before. kUserName is not looked at.
Result<SignableToken> NewRegistration(cluster::Core& core, Role role, const std::string& name);

// The SubjectPublicKeyInfo of the key, PEM or DER, once it has signed the text. kTokenKey,
// kModeForbids, kTokenRefused.
Result<Bytes> CheckRegistration(const cluster::Core& core, ByteView public_key,
                                const SignableToken& signed_token);

// Ends the life of the text in the commit of the registration. kTokenRefused.
Status SpendRegistration(const cluster::Core& core, storage::Transaction& change, Role role,
                         const std::string& name, const SignableToken& signed_token);

}  // namespace hsmcore::users

#endif  // HSMCORE_USERS_REGISTRATION_H_
