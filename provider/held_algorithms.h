// SPDX-License-Identifier: Apache-2.0
#ifndef PROVIDER_HELD_ALGORITHMS_H_
#define PROVIDER_HELD_ALGORITHMS_H_

#include <openssl/core.h>

#include <array>
#include <span>
#include <vector>

namespace provider {

// The algorithms that work with keys in the HSM: those of every type of key pairs that the OpenSSL
// which runs has, and the management of secret keys where it has that. The names and tables in the
// rows are static.
class HeldAlgorithms {
 public:
  HeldAlgorithms();

  // The rows for an operation (OSSL_OP_...), with the one that ends them; nullptr: none.
  const OSSL_ALGORITHM* Of(int operation) const;

 private:
  using Rows = std::vector<OSSL_ALGORITHM>;

  Rows keymgmt_;
  Rows signature_;
  Rows asym_cipher_;
  Rows key_exchange_;
  Rows kem_;
  Rows skeymgmt_;
  Rows stores_;
  Rows decoders_;
  Rows encoders_;
};

}  // namespace provider

#endif  // PROVIDER_HELD_ALGORITHMS_H_
