// SPDX-License-Identifier: Apache-2.0
// The part of EvpKey that encrypts and decrypts.
#include <openssl/core_names.h>
#include <openssl/params.h>
#include <openssl/rsa.h>

#include <array>
#include <utility>

#include "base/text.h"
#include "crypto/evp_key.h"

namespace hsmcore::crypto {
namespace {

using Kind = CipherMechanism::Kind;

constexpr std::size_t kTlsPreMasterBytes = 48;

struct KindRow {
  Kind kind;
  const char* name;
  int padding;  // OpenSSL's number
};
constexpr auto kKinds = std::to_array<KindRow>({
    {Kind::kRsaOaep, "RSA-OAEP", RSA_PKCS1_OAEP_PADDING},
    {Kind::kRsaPkcs1, "RSA PKCS#1 v1.5 encryption", RSA_PKCS1_PADDING},
    {Kind::kRsaRaw, "RSA without padding", RSA_NO_PADDING},
    {Kind::kRsaTlsPkcs1, "RSA with TLS padding", RSA_PKCS1_WITH_TLS_PADDING},
});
const KindRow& RowOf(Kind kind) { return kKinds[static_cast<std::size_t>(kind)]; }

// OSSL_ASYM_CIPHER_PARAM_IMPLICIT_REJECTION of OpenSSL 3.2, which distributions have carried back.
constexpr const char* kImplicitRejection = "implicit-rejection";

bool CanSet(EVP_PKEY_CTX* context, const char* param) {
  const OSSL_PARAM* settable = EVP_PKEY_CTX_settable_params(context);
  return settable != nullptr && OSSL_PARAM_locate_const(settable, param) != nullptr;
}

bool SetImplicitRejection(EVP_PKEY_CTX* context, bool wanted) {
  // A library without the parameter rejects explicitly.
  if (!CanSet(context, kImplicitRejection)) return !wanted;
  unsigned value = wanted ? 1 : 0;
  const std::array params = {OSSL_PARAM_construct_uint(kImplicitRejection, &value),
                             OSSL_PARAM_construct_end()};
  return EVP_PKEY_CTX_set_params(context, params.data()) == 1;
}

bool SetOaepDigests(EVP_PKEY_CTX* context, const CipherMechanism& mechanism) {
  const auto name = [](Digest digest) { return const_cast<char*>(hsmcore::RowOf(digest).name); };
  const std::array params = {OSSL_PARAM_construct_utf8_string(OSSL_ASYM_CIPHER_PARAM_OAEP_DIGEST,
                                                              name(mechanism.digest), 0),
                             OSSL_PARAM_construct_utf8_string(OSSL_ASYM_CIPHER_PARAM_MGF1_DIGEST,
                                                              name(mechanism.mgf_digest), 0),
                             OSSL_PARAM_construct_end()};
  return EVP_PKEY_CTX_set_params(context, params.data()) == 1;
}

// What a pattern depends on.
bool SetUp(EVP_PKEY_CTX* context, Operation operation, const CipherMechanism& mechanism) {
  const int initialised = operation == Operation::kEncrypt ? EVP_PKEY_encrypt_init(context)
                                                           : EVP_PKEY_decrypt_init(context);
  int padding = RowOf(mechanism.kind).padding;
  const std::array params = {OSSL_PARAM_construct_int(OSSL_ASYM_CIPHER_PARAM_PAD_MODE, &padding),
                             OSSL_PARAM_construct_end()};
  if (initialised != 1 || EVP_PKEY_CTX_set_params(context, params.data()) != 1) return false;
  if (mechanism.kind == Kind::kRsaOaep) return SetOaepDigests(context, mechanism);
  if (mechanism.kind == Kind::kRsaPkcs1 && operation == Operation::kDecrypt &&
      mechanism.implicit_rejection) {
    return SetImplicitRejection(context, *mechanism.implicit_rejection);
  }
  return true;
}

// What changes from call to call. The label must not be in a pattern: OpenSSL 3.0's copy of a
// context points to the label of the original.
bool Finish(EVP_PKEY_CTX* context, const CipherMechanism& mechanism) {
  if (mechanism.kind == Kind::kRsaOaep && !mechanism.label.empty()) {
    const std::array params = {
        OSSL_PARAM_construct_octet_string(OSSL_ASYM_CIPHER_PARAM_OAEP_LABEL,
                                          const_cast<std::uint8_t*>(mechanism.label.data()),
                                          mechanism.label.size()),
        OSSL_PARAM_construct_end()};
    return EVP_PKEY_CTX_set_params(context, params.data()) == 1;
  }
  if (mechanism.kind != Kind::kRsaTlsPkcs1) return true;
  unsigned client = mechanism.tls_client_version;
  unsigned negotiated = mechanism.tls_negotiated_version;
  const std::array params = {
      OSSL_PARAM_construct_uint(OSSL_ASYM_CIPHER_PARAM_TLS_CLIENT_VERSION, &client),
      OSSL_PARAM_construct_uint(OSSL_ASYM_CIPHER_PARAM_TLS_NEGOTIATED_VERSION, &negotiated),
      OSSL_PARAM_construct_end()};
  return EVP_PKEY_CTX_set_params(context, params.data()) == 1;
}

}  // namespace

Status EvpKey::CheckCipherMechanism(Operation operation, const CipherMechanism& mechanism) const {
  const char* name = RowOf(mechanism.kind).name;
  if (type_ != KeyType::kRsa) {
    return Fail(ErrorCode::kKeyTypeMismatch, Cat(name, " with a key of type ", NameOf(type_)));
  }
  if (operation == Operation::kDecrypt && !has_private_) {
    return Fail(ErrorCode::kPublicKeyOnly, "decryption");
  }
  if (operation == Operation::kEncrypt && mechanism.kind == Kind::kRsaTlsPkcs1) {
    return Fail(ErrorCode::kMechanism,
                Cat(name, " is for decryption; RSA PKCS#1 v1.5 encrypts for it"));
  }
  if (mechanism.kind != Kind::kRsaOaep) return {};
  HSMCORE_CHECK(library_->Fetch(mechanism.digest));
  HSMCORE_CHECK(library_->Fetch(mechanism.mgf_digest));
  return {};
}

Result<PkeyCtxPtr> EvpKey::CipherContext(Operation operation,
                                         const CipherMechanism& mechanism) const {
  const bool oaep = mechanism.kind == Kind::kRsaOaep;
  const bool pkcs1 = mechanism.kind == Kind::kRsaPkcs1;
  constexpr int kUnset = 2;
  const PatternKey key{
      operation, static_cast<std::uint8_t>(mechanism.kind), oaep ? mechanism.digest : Digest::kNone,
      oaep ? mechanism.mgf_digest : Digest::kNone,
      pkcs1 && mechanism.implicit_rejection ? int{*mechanism.implicit_rejection} : kUnset};
  const LibraryScope scope(*library_);
  PkeyCtxPtr context = CopyPattern(key);
  if (context == nullptr) {
    context = NewContext();
    if (context == nullptr || !SetUp(context.get(), operation, mechanism)) {
      return scope.Fail(ErrorCode::kMechanism, RowOf(mechanism.kind).name);
    }
    KeepPattern(key, context.get());
  }
  if (Finish(context.get(), mechanism)) return context;
  return scope.Fail(ErrorCode::kMechanism, RowOf(mechanism.kind).name);
}

Status EvpKey::CheckPlain(const CipherMechanism& mechanism, ByteView plain) const {
  std::size_t overhead = 0;
  if (mechanism.kind == Kind::kRsaPkcs1) overhead = 11;
  if (mechanism.kind == Kind::kRsaOaep) {
    overhead = (2 * hsmcore::RowOf(mechanism.digest).size) + 2;
  }
  const bool exact = mechanism.kind == Kind::kRsaRaw;
  if (plain.size() + overhead <= max_output_ && (!exact || plain.size() == max_output_)) return {};
  const std::size_t limit = max_output_ > overhead ? max_output_ - overhead : 0;
  return Fail(ErrorCode::kDataLength,
              Cat(RowOf(mechanism.kind).name, " takes ", exact ? "" : "at most ", limit,
                  " bytes, not ", plain.size()));
}

Result<std::size_t> EvpKey::Encrypt(const CipherMechanism& mechanism, ByteView plain,
                                    std::span<std::uint8_t> out) const {
  HSMCORE_CHECK(CheckCipherMechanism(Operation::kEncrypt, mechanism));
  HSMCORE_CHECK(CheckPlain(mechanism, plain));
  HSMCORE_CHECK(CheckRoom(out, max_output_));
  HSMCORE_TRY(const PkeyCtxPtr context, CipherContext(Operation::kEncrypt, mechanism));
  const LibraryScope scope(*library_);
  std::size_t size = out.size();
  if (EVP_PKEY_encrypt(context.get(), out.data(), &size, plain.data(), plain.size()) == 1) {
    return size;
  }
  return scope.Fail(ErrorCode::kCryptoFailure, "encrypting");
}

Result<std::size_t> EvpKey::Decrypt(const CipherMechanism& mechanism, ByteView cipher,
                                    std::span<std::uint8_t> out) const {
  HSMCORE_CHECK(CheckCipherMechanism(Operation::kDecrypt, mechanism));
  if (cipher.size() > max_output_) {
    return Fail(ErrorCode::kDataLength,
                Cat("RSA decrypts ", max_output_, " bytes, not ", cipher.size()));
  }
  HSMCORE_CHECK(
      CheckRoom(out, mechanism.kind == Kind::kRsaTlsPkcs1 ? kTlsPreMasterBytes : max_output_));
  HSMCORE_TRY(const PkeyCtxPtr context, CipherContext(Operation::kDecrypt, mechanism));
  const LibraryScope scope(*library_);
  std::size_t size = out.size();
  if (EVP_PKEY_decrypt(context.get(), out.data(), &size, cipher.data(), cipher.size()) == 1) {
    return size;
  }
  // OpenSSL's reason would tell an attacker how the padding was wrong.
  return Fail(ErrorCode::kDecryption, "the data was not encrypted for this key and mechanism");
}

}  // namespace hsmcore::crypto
