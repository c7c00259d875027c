// SPDX-License-Identifier: Apache-2.0
#ifndef HSMCORE_CRYPTO_SYMMETRIC_H_
#define HSMCORE_CRYPTO_SYMMETRIC_H_

#include <memory>
#include <span>
#include <string>

#include "crypto/pattern_cache.h"
#include "crypto/secret_key.h"
#include "hsmcore/key.h"
#include "hsmcore/symmetric.h"

// Secret keys at work. No policy here: session/ asks the gate first.
namespace hsmcore::crypto {

using SecretKeyPtr = std::shared_ptr<const SecretKey>;

// A cipher that takes held keys of a type.
struct CipherRow {
  using Kind = SymmetricMechanism::Kind;

  Kind kind;
  KeyType type;
  const char* name;  // OpenSSL's main name; '*' stands for the key's bits
  std::size_t shortest_nonce;
  std::size_t longest_nonce;
  bool has_tag;
  bool whole;  // the message is processed at once

  // XTS counts one of its two keys.
  std::string NameFor(std::size_t key_bytes) const;
};
std::span<const CipherRow> AllCiphers();

inline constexpr std::size_t kHsmNonceBytes = 12;  // SP 800-38D 8.2.2: at least 96 random bits

// A nonce that the HSM makes.
Result<Bytes> RandomNonce(const Library& library);

// The errors are Key::NewCipher's, NewMac's and Derive's.
Result<std::unique_ptr<CipherStream>> NewCipherStream(SecretKeyPtr key,
                                                      const SymmetricMechanism& mechanism,
                                                      Direction direction);
Result<std::unique_ptr<SignatureStream>> NewMacStream(SecretKeyPtr key,
                                                      const MacMechanism& mechanism,
                                                      Operation operation);
Result<SecretBytes> DeriveBytes(const SecretKey& key, const KdfMechanism& mechanism,
                                std::size_t bytes);

}  // namespace hsmcore::crypto

#endif  // HSMCORE_CRYPTO_SYMMETRIC_H_
