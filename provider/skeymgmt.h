// SPDX-License-Identifier: Apache-2.0
#ifndef PROVIDER_SKEYMGMT_H_
#define PROVIDER_SKEYMGMT_H_

#include <memory>
#include <optional>
#include <string>

#include "hsmcore/key.h"
#include "newer_openssl.h"
#include "provider_context.h"

namespace provider {

// What libcrypto holds as the "key data" of an EVP_SKEY (OpenSSL 3.5): a secret key that is ready.
// Immutable. It was loaded or made with a login where it needed one, and needs none any more.
class SecretObject {
 public:
  // `cluster` is what the key's URI calls its cluster.
  SecretObject(const ProviderContext& provider, hsmcore::KeyPtr key,
               std::optional<std::string> cluster);

  const Core& core() const { return provider_.core; }
  const hsmcore::KeyPtr& key() const { return key_; }
  // The key's URI. That of a session key is known to this process only.
  const char* id() const { return id_.c_str(); }

 private:
  const ProviderContext& provider_;
  const hsmcore::KeyPtr key_;
  const std::string id_;
};

// The dispatch table of a type of secret keys.
const OSSL_DISPATCH* SkeymgmtOf(hsmcore::KeyType type);

// A session key of derived bytes, of the type whose import function libcrypto gave. `from` is the
// key that they were derived with, nullptr where the program gave its bytes: unless the program
// knows it, what came of it stays in the HSM as well. kInvalidArgument: `import` is not ours.
Result<std::unique_ptr<SecretObject>> KeepDerived(const ProviderContext& provider,
                                                  SkeymgmtImport* import,
                                                  const hsmcore::SecretBytes& value,
                                                  const hsmcore::Key* from);

}  // namespace provider

#endif  // PROVIDER_SKEYMGMT_H_
