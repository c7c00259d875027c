// SPDX-License-Identifier: Apache-2.0
#ifndef HSMCORE_CRYPTO_FORWARDING_H_
#define HSMCORE_CRYPTO_FORWARDING_H_

#include "crypto/library.h"
#include "hsmcore/forwarding.h"

namespace hsmcore::crypto {

enum class ForwardedKind : std::uint8_t { kDigest, kCipher, kMac, kKdf, kRandom, kKeyType };

// What a policy says of forwarded algorithms. This layer knows none itself.
class ForwardingPolicy {
 public:
  virtual ~ForwardingPolicy() = default;

  // False: everything is approved.
  virtual bool Restricts() const = 0;

  // `names` of an algorithm, with ':' between them. Not asked where a FIPS module has its own say.
  virtual bool Approves(ForwardedKind kind, std::string_view names) const = 0;
  virtual Status AllowEncryption(std::string_view names) const = 0;
  virtual bool Approves(KeyType type) const = 0;
  virtual bool Approves(Curve curve) const = 0;
};

// kCryptoFailure, kFipsModule, kSetting.
Result<ForwardingPtr> OpenForwarding(LibraryKind kind,
                                     std::unique_ptr<const ForwardingPolicy> policy);

}  // namespace hsmcore::crypto

#endif  // HSMCORE_CRYPTO_FORWARDING_H_
