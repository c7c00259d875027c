// SPDX-License-Identifier: Apache-2.0
#ifndef HSMCORE_USERS_MFA_H_
#define HSMCORE_USERS_MFA_H_

#include <vector>

#include "cluster/core.h"
#include "hsmcore/quorum.h"
#include "hsmcore/types.h"
#include "users/record.h"

// Multi-factor authentication. The signature over one text, the same at each login, is part of what
// opens the user's secret: RSA PKCS#1 v1.5 and Ed25519 sign a message in one way only, and nobody
// else can make that signature. A second text that is new each time keeps signatures that were
// handed over once from being handed over again.
namespace hsmcore::users {

// What the password takes besides: the text in UserRecord::Password::unlock, and its signature.
struct SecondFactor {
  Bytes unlock;
  SecretBytes signature;
};

// The key that the user's secret is sealed under, of the hashed password and the second factor, and
// its kind for SealIdentity. `second` may be nullptr.
SecretBytes PasswordKey(SecretBytes hashed, const SecondFactor* second);
std::string_view KindOf(const SecondFactor* second);

// The texts to sign for a login. The caller holds core.mutex.
Result<std::vector<SignableToken>> NewMfaTokens(cluster::Core& core, const UserRecord& user);
// The second factor, once both signatures are good. Spends nothing.
Result<SecondFactor> CheckMfaTokens(const cluster::Core& core, const UserRecord& user,
                                    const std::vector<SignableToken>& tokens);
// Spends the text that is new each time. The caller holds core.mutex.
Status SpendMfaToken(cluster::Core& core, const UserRecord& user, const SignableToken& token);

}  // namespace hsmcore::users

#endif  // HSMCORE_USERS_MFA_H_
