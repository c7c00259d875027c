// SPDX-License-Identifier: Apache-2.0
#include "crypto/aes_wrapping.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>

#include <algorithm>
#include <array>
#include <string>

#include "base/text.h"

namespace hsmcore::crypto {
namespace {

constexpr SecretAccess kForUnwrapping{"unwrapping a key"};
// What wrapping adds at most: 8 bytes of integrity check and 8 of padding.
constexpr std::size_t kKeyWrapRoom = 16;

CipherPtr FetchAes(const Library& library, ByteView key, std::string_view mode) {
  const std::string name = Cat("AES-", 8 * key.size(), "-", mode);
  return CipherPtr(EVP_CIPHER_fetch(library.context(), name.c_str(), nullptr));
}

// A context for `mode` with the key set; nullptr: OpenSSL refuses.
CipherCtxPtr NewContext(const Library& library, ByteView key, std::string_view mode, bool encrypt,
                        ByteView iv = {}) {
  const CipherPtr cipher = FetchAes(library, key, mode);
  CipherCtxPtr context(EVP_CIPHER_CTX_new());
  if (cipher == nullptr || context == nullptr) return nullptr;
  EVP_CIPHER_CTX_set_flags(context.get(), EVP_CIPHER_CTX_FLAG_WRAP_ALLOW);
  std::size_t iv_size = iv.size();
  const std::array params = {
      iv.empty() ? OSSL_PARAM_construct_end()
                 : OSSL_PARAM_construct_size_t(OSSL_CIPHER_PARAM_AEAD_IVLEN, &iv_size),
      OSSL_PARAM_construct_end()};
  const unsigned char* iv_data = iv.empty() ? nullptr : iv.data();
  const bool ready = EVP_CipherInit_ex2(context.get(), cipher.get(), nullptr, nullptr,
                                        encrypt ? 1 : 0, params.data()) == 1 &&
                     EVP_CipherInit_ex2(context.get(), nullptr, key.data(), iv_data,
                                        encrypt ? 1 : 0, nullptr) == 1;
  return ready ? std::move(context) : nullptr;
}

// Runs `data` through to the end; the number of bytes written, or nothing.
std::optional<std::size_t> Run(EVP_CIPHER_CTX* context, ByteView data,
                               std::span<std::uint8_t> out) {
  int written = 0;
  int last = 0;
  if (EVP_CipherUpdate(context, out.data(), &written, data.data(), static_cast<int>(data.size())) !=
          1 ||
      EVP_CipherFinal_ex(context, out.data() + written, &last) != 1) {
    return std::nullopt;
  }
  return static_cast<std::size_t>(written) + static_cast<std::size_t>(last);
}

bool AddAad(EVP_CIPHER_CTX* context, ByteView aad) {
  int ignored = 0;
  return aad.empty() || EVP_CipherUpdate(context, nullptr, &ignored, aad.data(),
                                         static_cast<int>(aad.size())) == 1;
}

}  // namespace

Result<Bytes> AesKeyWrap(const Library& library, ByteView key, bool padded, ByteView payload) {
  const LibraryScope scope(library);
  const CipherCtxPtr context = NewContext(library, key, padded ? "WRAP-PAD" : "WRAP", true);
  Bytes wrapped(payload.size() + kKeyWrapRoom);
  const auto size = context ? Run(context.get(), payload, wrapped) : std::nullopt;
  if (!size) return scope.Fail(ErrorCode::kCryptoFailure, "AES key wrapping");
  wrapped.resize(*size);
  return wrapped;
}

std::optional<SecretBytes> AesKeyUnwrap(const Library& library, ByteView key, bool padded,
                                        ByteView wrapped) {
  const LibraryScope scope(library);
  const CipherCtxPtr context = NewContext(library, key, padded ? "WRAP-PAD" : "WRAP", false);
  SecretBytes payload(wrapped.size() + kKeyWrapRoom);
  const auto size =
      context ? Run(context.get(), wrapped, payload.Write(kForUnwrapping)) : std::nullopt;
  if (!size || *size == 0) return std::nullopt;
  payload.Truncate(*size);
  return payload;
}

Result<Bytes> GcmWrap(const Library& library, ByteView key, const WrapMechanism& mechanism,
                      ByteView iv, ByteView payload) {
  const LibraryScope scope(library);
  const CipherCtxPtr context = NewContext(library, key, "GCM", true, iv);
  Bytes wrapped(payload.size() + mechanism.tag_length);
  const auto size = context && AddAad(context.get(), mechanism.aad)
                        ? Run(context.get(), payload, wrapped)
                        : std::nullopt;
  if (size != payload.size() || EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_AEAD_GET_TAG,
                                                    static_cast<int>(mechanism.tag_length),
                                                    wrapped.data() + payload.size()) != 1) {
    return scope.Fail(ErrorCode::kCryptoFailure, "AES-GCM");
  }
  return wrapped;
}

std::optional<SecretBytes> GcmUnwrap(const Library& library, ByteView key,
                                     const WrapMechanism& mechanism, ByteView iv,
                                     ByteView wrapped) {
  if (wrapped.size() <= mechanism.tag_length) return std::nullopt;
  const LibraryScope scope(library);
  const CipherCtxPtr context = NewContext(library, key, "GCM", false, iv);
  const ByteView cipher = wrapped.first(wrapped.size() - mechanism.tag_length);
  Bytes tag(wrapped.end() - mechanism.tag_length, wrapped.end());
  SecretBytes payload(cipher.size());
  if (context == nullptr ||
      EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_AEAD_SET_TAG, static_cast<int>(tag.size()),
                          tag.data()) != 1 ||
      !AddAad(context.get(), mechanism.aad) ||
      Run(context.get(), cipher, payload.Write(kForUnwrapping)) != cipher.size()) {
    return std::nullopt;
  }
  return payload;
}

}  // namespace hsmcore::crypto
