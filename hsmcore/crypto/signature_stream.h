// SPDX-License-Identifier: Apache-2.0
#ifndef HSMCORE_CRYPTO_SIGNATURE_STREAM_H_
#define HSMCORE_CRYPTO_SIGNATURE_STREAM_H_

#include <memory>

#include "crypto/evp_key.h"

namespace hsmcore::crypto {

// What a stream works with. `self` keeps `key` alive.
struct StreamKey {
  std::shared_ptr<const AsymmetricKey> self;
  const EvpKey* key;
  Operation operation;  // kSign or kVerify
  SignMechanism mechanism;
};

// Hashes what comes in; the signature is made over the digest at the end.
Result<std::unique_ptr<SignatureStream>> NewDigestStream(StreamKey key);
// Keeps the whole message, which PureEdDSA needs at once; kDataLength over 1 GiB.
std::unique_ptr<SignatureStream> NewMessageStream(StreamKey key);

}  // namespace hsmcore::crypto

#endif  // HSMCORE_CRYPTO_SIGNATURE_STREAM_H_
