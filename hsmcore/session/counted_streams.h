// SPDX-License-Identifier: Apache-2.0
#ifndef HSMCORE_SESSION_COUNTED_STREAMS_H_
#define HSMCORE_SESSION_COUNTED_STREAMS_H_

#include <memory>

#include "session/held_key.h"

// Streams of a key with a use-limit, or whose signatures take an approval each.
namespace hsmcore::session {

// Counts a use for each signature that comes out, or is verified, of all copies of the stream.
std::unique_ptr<SignatureStream> CountedSignature(std::shared_ptr<const HeldKey> key,
                                                  std::unique_ptr<SignatureStream> stream);
// Counts a use for each copy; the key has counted the first one.
std::unique_ptr<CipherStream> CountedCipher(std::shared_ptr<const HeldKey> key,
                                            std::unique_ptr<CipherStream> stream);

}  // namespace hsmcore::session

#endif  // HSMCORE_SESSION_COUNTED_STREAMS_H_
