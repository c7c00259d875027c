// SPDX-License-Identifier: Apache-2.0
#ifndef PROVIDER_NEWER_OPENSSL_H_
#define PROVIDER_NEWER_OPENSSL_H_

#include <openssl/core.h>
#include <openssl/core_dispatch.h>

#include <cstddef>

// What core_dispatch.h and core_names.h have got since OpenSSL 3.0: a module built with the headers
// of 3.0 offers all of it to the OpenSSL that loads it, and an older one asks for none. Numbers and
// types of this interface never change; where the headers have them, they are compared below.
namespace provider {

// ---- OpenSSL 3.4: signatures over whole messages. Called as SIGN_INIT and VERIFY_INIT are. ----
inline constexpr int kSignatureSignMessageInit = 27;
inline constexpr int kSignatureVerifyMessageInit = 30;

// ---- OpenSSL 3.5: copies of digest contexts without allocation ----
// The last function of digests; SHAKE's further output (3.3) is before it.
inline constexpr int kDigestCopyctx = 15;

// ---- OpenSSL 3.5: EVP_SKEY, opaque secret keys (provider-skeymgmt(7)) ----
inline constexpr int kOpSkeymgmt = 15;

inline constexpr int kSkeymgmtSelectParameters = 0x01;
inline constexpr int kSkeymgmtSelectSecretKey = 0x02;

inline constexpr int kSkeymgmtFree = 1;
inline constexpr int kSkeymgmtImport = 2;
inline constexpr int kSkeymgmtExport = 3;
inline constexpr int kSkeymgmtGenerate = 4;
inline constexpr int kSkeymgmtGetKeyId = 5;
inline constexpr int kSkeymgmtImportSettableParams = 6;
inline constexpr int kSkeymgmtGenerateSettableParams = 7;

using SkeymgmtFree = void(void* skeydata);
using SkeymgmtImport = void*(void* provctx, int selection, const OSSL_PARAM* params);
using SkeymgmtExport = int(void* skeydata, int selection, OSSL_CALLBACK* callback, void* argument);
using SkeymgmtGenerate = void*(void* provctx, const OSSL_PARAM* params);
using SkeymgmtGetKeyId = const char*(void* skeydata);
using SkeymgmtSettableParams = const OSSL_PARAM*(void* provctx);

inline constexpr const char* kSkeyKeyLength = "key-length";
inline constexpr const char* kSkeyRawBytes = "raw-bytes";

inline constexpr int kCipherEncryptSkeyInit = 19;
inline constexpr int kCipherDecryptSkeyInit = 20;
// `skeydata` nullptr: the key that the context has.
using CipherSkeyInit = int(void* context, void* skeydata, const unsigned char* nonce,
                           std::size_t nonce_size, const OSSL_PARAM* params);

inline constexpr int kMacInitSkey = 13;
using MacInitSkey = int(void* context, void* skeydata, const OSSL_PARAM* params);

// ---- OpenSSL 3.6: EVP_SKEY in key derivation and key exchange ----
inline constexpr int kKdfSetSkey = 12;
inline constexpr int kKdfDeriveSkey = 13;
inline constexpr int kKeyexchDeriveSkey = 11;

using KdfSetSkey = int(void* context, void* skeydata, const char* param);
// A new secret key of `size` bytes: what `import`, of this provider, makes with `provctx`. Key
// exchange has the same type.
using DeriveSkey = void*(void* context, const char* key_type, void* provctx, SkeymgmtImport* import,
                         std::size_t size, const OSSL_PARAM* params);

#ifdef OSSL_FUNC_SIGNATURE_SIGN_MESSAGE_INIT
static_assert(kSignatureSignMessageInit == OSSL_FUNC_SIGNATURE_SIGN_MESSAGE_INIT);
static_assert(kSignatureVerifyMessageInit == OSSL_FUNC_SIGNATURE_VERIFY_MESSAGE_INIT);
#endif
#ifdef OSSL_FUNC_DIGEST_COPYCTX
static_assert(kDigestCopyctx == OSSL_FUNC_DIGEST_COPYCTX);
#endif
#ifdef OSSL_OP_SKEYMGMT
static_assert(kOpSkeymgmt == OSSL_OP_SKEYMGMT);
static_assert(kSkeymgmtSelectParameters == OSSL_SKEYMGMT_SELECT_PARAMETERS);
static_assert(kSkeymgmtSelectSecretKey == OSSL_SKEYMGMT_SELECT_SECRET_KEY);
static_assert(kSkeymgmtFree == OSSL_FUNC_SKEYMGMT_FREE);
static_assert(kSkeymgmtImport == OSSL_FUNC_SKEYMGMT_IMPORT);
static_assert(kSkeymgmtExport == OSSL_FUNC_SKEYMGMT_EXPORT);
static_assert(kSkeymgmtGenerate == OSSL_FUNC_SKEYMGMT_GENERATE);
static_assert(kSkeymgmtGetKeyId == OSSL_FUNC_SKEYMGMT_GET_KEY_ID);
static_assert(kSkeymgmtImportSettableParams == OSSL_FUNC_SKEYMGMT_IMP_SETTABLE_PARAMS);
static_assert(kSkeymgmtGenerateSettableParams == OSSL_FUNC_SKEYMGMT_GEN_SETTABLE_PARAMS);
static_assert(kCipherEncryptSkeyInit == OSSL_FUNC_CIPHER_ENCRYPT_SKEY_INIT);
static_assert(kCipherDecryptSkeyInit == OSSL_FUNC_CIPHER_DECRYPT_SKEY_INIT);
static_assert(kMacInitSkey == OSSL_FUNC_MAC_INIT_SKEY);
#endif
#ifdef OSSL_FUNC_KDF_SET_SKEY
static_assert(kKdfSetSkey == OSSL_FUNC_KDF_SET_SKEY);
static_assert(kKdfDeriveSkey == OSSL_FUNC_KDF_DERIVE_SKEY);
static_assert(kKeyexchDeriveSkey == OSSL_FUNC_KEYEXCH_DERIVE_SKEY);
#endif

}  // namespace provider

#endif  // PROVIDER_NEWER_OPENSSL_H_
