// SPDX-License-Identifier: Apache-2.0
#ifndef HSMCORE_CRYPTO_PATTERN_CACHE_H_
#define HSMCORE_CRYPTO_PATTERN_CACHE_H_

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>

#include "crypto/openssl_ptr.h"
#include "hsmcore/types.h"

namespace hsmcore::crypto {

enum class Operation : std::uint8_t {
  kSign,
  kVerify,
  kVerifyRecover,
  kEncrypt,
  kDecrypt,
  kDerive,
  kEncapsulate,
  kDecapsulate,
};

// What an operation context depends on, apart from its key.
struct PatternKey {
  Operation operation = Operation::kSign;
  std::uint8_t kind = 0;  // SignMechanism::Kind or CipherMechanism::Kind
  Digest digest = Digest::kNone;
  Digest mgf_digest = Digest::kNone;
  int extra = 0;  // salt length, implicit rejection, or the flags of ML-DSA
  friend bool operator==(const PatternKey&, const PatternKey&) = default;
};

// An initialised context that nobody operates on; one of the two is set.
struct Pattern {
  PatternKey key;
  PkeyCtxPtr pkey;
  MdCtxPtr message;  // for whole messages, which OpenSSL 3.0 signs through EVP_DigestSign only
};

// The patterns of one key. Only ever added to, so that a reader needs no lock; what does not fit
// any more is not kept, so that an application cannot make it grow by trying salt lengths.
class PatternCache {
 public:
  PatternCache() = default;
  ~PatternCache();
  PatternCache(const PatternCache&) = delete;
  PatternCache& operator=(const PatternCache&) = delete;

  // Valid as long as the cache; nullptr: not there.
  const Pattern* Find(const PatternKey& key) const;
  void Add(std::unique_ptr<const Pattern> pattern);

 private:
  std::array<std::atomic<const Pattern*>, 24> slots_{};
};

}  // namespace hsmcore::crypto

#endif  // HSMCORE_CRYPTO_PATTERN_CACHE_H_
