// SPDX-License-Identifier: Apache-2.0
#ifndef HSMCORE_CRYPTO_WRAPPING_H_
#define HSMCORE_CRYPTO_WRAPPING_H_

#include "crypto/asymmetric_key.h"
#include "crypto/secret_key.h"
#include "hsmcore/wrap.h"

// Key wrapping, without policy: session/ asks the gate before it calls here.
//
// Unwrap has one answer for everything that depends on the wrapped bytes or the key, kDecryption
// with a constant text: damaged, cut short, for another key or method, wrong padding. Only
// parameters that cannot be right for any input are told apart (kMechanism, kDigest, kDataLength).
namespace hsmcore::crypto {

// What does the wrapping: one of the two.
struct WrappingKey {
  const AsymmetricKey* pair = nullptr;
  const SecretKey* secret = nullptr;
  KeyType type = KeyType::kAes;
};

// kKeyTypeMismatch: the method is for another type of wrapping key. kDataLength: the payload does
// not fit the method; the detail names one that it fits.
Result<WrappedKey> Wrap(const WrappingKey& key, const WrapMechanism& mechanism,
                        const SecretBytes& payload);
Result<SecretBytes> Unwrap(const WrappingKey& key, const WrapMechanism& mechanism,
                           ByteView wrapped);

// The one error of Unwrap.
Error NotUnwrapped();

}  // namespace hsmcore::crypto

#endif  // HSMCORE_CRYPTO_WRAPPING_H_
