// SPDX-License-Identifier: Apache-2.0
#ifndef HSMCORE_CRYPTO_SELF_TEST_H_
#define HSMCORE_CRYPTO_SELF_TEST_H_

#include <span>

#include "crypto/library.h"

namespace hsmcore::crypto {

// An algorithm of the private library, and what it has to compute from fixed inputs.
struct KnownAnswer {
  const char* name;
  Result<Bytes> (*compute)(const Library& library);
  const char* expected;  // hexadecimal
};

std::span<const KnownAnswer> KnownAnswers();

// kSelfTest: another answer, or none.
Status Check(const Library& library, const KnownAnswer& test);

// All of them, and a signature made and verified with a fresh key of every type that signs. The
// FIPS module also runs its own tests again. kSelfTest: the detail names what failed.
Status RunSelfTests(LibraryKind kind);

}  // namespace hsmcore::crypto

#endif  // HSMCORE_CRYPTO_SELF_TEST_H_
