// SPDX-License-Identifier: Apache-2.0
#ifndef HSMCORE_CRYPTO_HELD_ALGORITHM_H_
#define HSMCORE_CRYPTO_HELD_ALGORITHM_H_

#include <openssl/core.h>
#include <openssl/core_dispatch.h>

#include <memory>
#include <string_view>
#include <utility>

#include "crypto/symmetric.h"
#include "hsmcore/held_algorithm.h"

namespace hsmcore::crypto {

// A key with its gate, and its bytes.
struct GatedKey {
  KeyPtr gate;
  SecretKeyPtr secret;

  ByteView Bytes() const;
};

// A row of the private provider's own tables, so that key bytes go into OpenSSL's functions only.
class OriginalAlgorithm {
 public:
  // kInvalidArgument: it is not in the table.
  static Result<OriginalAlgorithm> Find(const Library& library, int operation,
                                        const OSSL_ALGORITHM& algorithm);

  std::string_view name() const;
  // nullptr: it has none.
  template <class Type>
  Type* Function(int id) const {
    return reinterpret_cast<Type*>(Look(id));
  }

 private:
  using Any = void (*)();
  explicit OriginalAlgorithm(const OSSL_ALGORITHM& algorithm) : algorithm_(&algorithm) {}
  Any Look(int id) const;

  const OSSL_ALGORITHM* algorithm_;
};

// The name before the first ':'.
std::string_view FirstName(std::string_view names);

Result<std::unique_ptr<HeldCipher>> NewHeldCipher(GatedKey key, const OSSL_ALGORITHM& algorithm,
                                                  GcmNonces nonces);
Result<std::unique_ptr<HeldMac>> NewHeldMac(GatedKey key, const OSSL_ALGORITHM& algorithm);
Result<std::unique_ptr<HeldKdf>> NewHeldKdf(GatedKey key, const OSSL_ALGORITHM& algorithm);

}  // namespace hsmcore::crypto

#endif  // HSMCORE_CRYPTO_HELD_ALGORITHM_H_
