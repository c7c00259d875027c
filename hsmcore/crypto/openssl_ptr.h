// SPDX-License-Identifier: Apache-2.0
#ifndef HSMCORE_CRYPTO_OPENSSL_PTR_H_
#define HSMCORE_CRYPTO_OPENSSL_PTR_H_

#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/evp.h>

#include <memory>

namespace hsmcore::crypto {

// What OpenSSL counts bytes in, and its error codes.
using OpensslLong = long;            // NOLINT(google-runtime-int)
using OpensslError = unsigned long;  // NOLINT(google-runtime-int)

template <auto Free>
struct OpensslDelete {
  template <class T>
  void operator()(T* object) const noexcept {
    Free(object);
  }
};

template <class T, auto Free>
using OpensslPtr = std::unique_ptr<T, OpensslDelete<Free>>;

using BignumPtr = OpensslPtr<BIGNUM, BN_clear_free>;
using BioPtr = OpensslPtr<BIO, BIO_free_all>;
using CipherPtr = OpensslPtr<EVP_CIPHER, EVP_CIPHER_free>;
using CipherCtxPtr = OpensslPtr<EVP_CIPHER_CTX, EVP_CIPHER_CTX_free>;
using EcGroupPtr = OpensslPtr<EC_GROUP, EC_GROUP_free>;
using EcPointPtr = OpensslPtr<EC_POINT, EC_POINT_free>;
using MdCtxPtr = OpensslPtr<EVP_MD_CTX, EVP_MD_CTX_free>;
using PkeyCtxPtr = OpensslPtr<EVP_PKEY_CTX, EVP_PKEY_CTX_free>;
using PkeyPtr = OpensslPtr<EVP_PKEY, EVP_PKEY_free>;

}  // namespace hsmcore::crypto

#endif  // HSMCORE_CRYPTO_OPENSSL_PTR_H_
