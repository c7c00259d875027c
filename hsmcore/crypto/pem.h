// SPDX-License-Identifier: Apache-2.0
#ifndef HSMCORE_CRYPTO_PEM_H_
#define HSMCORE_CRYPTO_PEM_H_

#include <string>
#include <string_view>

#include "hsmcore/types.h"

namespace hsmcore::crypto {

// The detail for files that need a password.
constexpr const char* kHowToDecrypt =
    "the file is encrypted; decrypt it first (openssl pkey -in FILE -out PLAIN) and remove PLAIN "
    "afterwards";

struct PemBlock {
  std::string label;
  SecretBytes der;
};

bool IsPem(ByteView data);

// The first block whose label `wanted` takes. kKeyImport: none, damaged, or encrypted.
Result<PemBlock> ReadPem(ByteView text, bool (*wanted)(std::string_view label));

Result<std::string> WritePem(const char* label, ByteView der);

}  // namespace hsmcore::crypto

#endif  // HSMCORE_CRYPTO_PEM_H_
