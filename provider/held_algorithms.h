// SPDX-License-Identifier: Apache-2.0
#ifndef PROVIDER_HELD_ALGORITHMS_H_
#define PROVIDER_HELD_ALGORITHMS_H_

#include <openssl/core.h>

#include <deque>
#include <string>
#include <vector>

#include "hsmcore/forwarding.h"

namespace provider {

// The algorithms that work with keys in the HSM: those of every type of key pairs that the OpenSSL
// which runs has, and the management of secret keys where it has that. The names and tables in the
// rows are static. With a FIPS module, rows of what may work in FIPS mode have the property
// fips=yes; EdDSA's stay without it, so that a refusal says why.
class HeldAlgorithms {
 public:
  // `forwarding` says what the mode allows, and whether that may claim the property fips=yes;
  // nullptr: the mode is not known, and every row is there without it.
  explicit HeldAlgorithms(const hsmcore::Forwarding* forwarding);

  // The rows for an operation (OSSL_OP_...), with the one that ends them; nullptr: none.
  const OSSL_ALGORITHM* Of(int operation) const;

 private:
  using Rows = std::vector<OSSL_ALGORITHM>;

  void ClaimFips(const hsmcore::Forwarding& forwarding, Rows& rows);

  Rows keymgmt_;
  Rows signature_;
  Rows asym_cipher_;
  Rows key_exchange_;
  Rows kem_;
  Rows skeymgmt_;
  Rows stores_;
  Rows decoders_;
  Rows encoders_;
  std::deque<std::string> properties_;  // of rows with fips=yes; they do not move
};

}  // namespace provider

#endif  // PROVIDER_HELD_ALGORITHMS_H_
