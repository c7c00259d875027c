// SPDX-License-Identifier: Apache-2.0
#include "crypto/pem.h"

#include <openssl/pem.h>

#include <algorithm>

#include "crypto/library.h"
#include "crypto/openssl_ptr.h"

namespace hsmcore::crypto {
namespace {

constexpr std::string_view kStart = "-----BEGIN ";

// PEM_FLAG_SECURE has OpenSSL wipe its buffers, whether or not the application uses its secure
// heap.
void FreePem(char* label, char* header, unsigned char* data, OpensslLong length) {
  OPENSSL_secure_free(label);
  OPENSSL_secure_free(header);
  OPENSSL_secure_clear_free(data, static_cast<std::size_t>(length));
}

}  // namespace

bool IsPem(ByteView data) { return !std::ranges::search(data, kStart).empty(); }

Result<PemBlock> ReadPem(ByteView text, bool (*wanted)(std::string_view label)) {
  const ErrorMark errors;
  const BioPtr bio(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
  char* label = nullptr;
  char* header = nullptr;
  unsigned char* data = nullptr;
  OpensslLong length = 0;
  while (bio != nullptr &&
         PEM_read_bio_ex(bio.get(), &label, &header, &data, &length, PEM_FLAG_SECURE) == 1) {
    PemBlock block{label, SecretBytes::CopyOf({data, static_cast<std::size_t>(length)})};
    const bool encrypted = std::string_view(header).contains("ENCRYPTED");
    FreePem(label, header, data, length);
    if (!wanted(block.label)) continue;
    if (encrypted) return Fail(ErrorCode::kKeyImport, kHowToDecrypt);
    return block;
  }
  return Fail(ErrorCode::kKeyImport, "the PEM file is damaged or holds no key");
}

Result<std::string> WritePem(const char* label, ByteView der) {
  const ErrorMark errors;
  const BioPtr bio(BIO_new(BIO_s_mem()));
  if (bio == nullptr ||
      PEM_write_bio(bio.get(), label, "", der.data(), static_cast<OpensslLong>(der.size())) <= 0) {
    return errors.Fail(ErrorCode::kCryptoFailure, "writing PEM");
  }
  char* text = nullptr;
  const OpensslLong length = BIO_get_mem_data(bio.get(), &text);
  return std::string(text, static_cast<std::size_t>(length));
}

}  // namespace hsmcore::crypto
