// SPDX-License-Identifier: Apache-2.0
#ifndef PROVIDER_DECODER_H_
#define PROVIDER_DECODER_H_

#include <openssl/core.h>

#include "hsmcore/types.h"

namespace provider {

// The name of the reference's DER structure between the two stages below.
inline constexpr const char* kReferenceStructure = "hsm-key-reference";

// PEM to DER: reads exactly one PEM block. One with the label of a key reference goes on to the
// second stage with the key type of the public key in it; any other is left to other decoders.
extern const OSSL_DISPATCH kPemDecoder[];

// DER to key: logs in and loads the key that the reference names.
const OSSL_DISPATCH* ReferenceDecoderOf(hsmcore::KeyType type);

}  // namespace provider

#endif  // PROVIDER_DECODER_H_
