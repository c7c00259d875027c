// SPDX-License-Identifier: Apache-2.0
// The part of EvpKey that ends in a secret which two sides share: key agreement and KEMs.
#include <openssl/core_names.h>
#include <openssl/params.h>

#include <array>
#include <utility>

#include "base/text.h"
#include "crypto/evp_key.h"

namespace hsmcore::crypto {
namespace {

constexpr SecretAccess kForAgreement{"the shared secret"};

struct KemRow {
  KemMechanism::Kind kind;
  const char* name;
  KeyType first;  // the key types it is for
  KeyType last;
  const char* operation;     // OpenSSL's name for it; nullptr: there is no choice
  std::size_t secret_bytes;  // 0: as long as the ciphertext
};
constexpr auto kKems = std::to_array<KemRow>({
    {KemMechanism::Kind::kRsasve, "RSASVE", KeyType::kRsa, KeyType::kRsa, "RSASVE", 0},
    {KemMechanism::Kind::kMlKem, "ML-KEM", KeyType::kMlKem512, KeyType::kMlKem1024, nullptr,
     kMlKemSecretBytes},
});
const KemRow& RowOf(KemMechanism::Kind kind) { return kKems[static_cast<std::size_t>(kind)]; }

bool SetKdf(EVP_PKEY_CTX* context, const AgreeMechanism& mechanism) {
  std::size_t length = mechanism.x963_length;
  char* digest = const_cast<char*>(hsmcore::RowOf(*mechanism.x963_digest).name);
  // OpenSSL takes no empty information.
  const OSSL_PARAM info =
      mechanism.x963_info.empty()
          ? OSSL_PARAM_construct_end()
          : OSSL_PARAM_construct_octet_string(OSSL_EXCHANGE_PARAM_KDF_UKM,
                                              const_cast<std::uint8_t*>(mechanism.x963_info.data()),
                                              mechanism.x963_info.size());
  const std::array params = {
      OSSL_PARAM_construct_utf8_string(OSSL_EXCHANGE_PARAM_KDF_TYPE,
                                       const_cast<char*>(OSSL_KDF_NAME_X963KDF), 0),
      OSSL_PARAM_construct_utf8_string(OSSL_EXCHANGE_PARAM_KDF_DIGEST, digest, 0),
      OSSL_PARAM_construct_size_t(OSSL_EXCHANGE_PARAM_KDF_OUTLEN, &length), info,
      OSSL_PARAM_construct_end()};
  return EVP_PKEY_CTX_set_params(context, params.data()) == 1;
}

int Initialise(EVP_PKEY_CTX* context, Operation operation, const KemRow& row) {
  const auto initialise =
      operation == Operation::kEncapsulate ? EVP_PKEY_encapsulate_init : EVP_PKEY_decapsulate_init;
  if (initialise(context, nullptr) != 1) return 0;
  return row.operation == nullptr ? 1 : EVP_PKEY_CTX_set_kem_op(context, row.operation);
}

}  // namespace

Status EvpKey::CheckAgreement(const AgreeMechanism& mechanism, const EvpKey& peer) const {
  const bool agrees = curve_ || hsmcore::RowOf(type_).purpose == KeyPurpose::kAgree;
  if (!agrees || peer.type_ != type_ || peer.curve_ != curve_) {
    return Fail(ErrorCode::kKeyTypeMismatch,
                "key agreement needs two EC keys of one curve, two X25519 keys or two X448 keys");
  }
  if (!has_private_) return Fail(ErrorCode::kPublicKeyOnly, "key agreement");
  if (!mechanism.x963_digest) return {};
  if (!curve_) {
    return Fail(ErrorCode::kMechanism,
                Cat(NameOf(type_), " agrees without a KDF; X9.63 is for EC"));
  }
  HSMCORE_CHECK(library_->Fetch(*mechanism.x963_digest));
  return {};
}

Result<PkeyCtxPtr> EvpKey::AgreementContext() const {
  const LibraryScope scope(*library_);
  const PatternKey key{.operation = Operation::kDerive};
  if (PkeyCtxPtr ready = CopyPattern(key)) return ready;
  PkeyCtxPtr context = NewContext();
  if (context == nullptr || EVP_PKEY_derive_init(context.get()) != 1) {
    return scope.Fail(ErrorCode::kMechanism, "key agreement");
  }
  KeepPattern(key, context.get());
  return context;
}

Result<SecretBytes> EvpKey::Agree(const AgreeMechanism& mechanism,
                                  const AsymmetricKey& peer) const {
  // NOLINTNEXTLINE(cppcoreguidelines-pro-type-static-cast-downcast): there is no other kind
  const auto& other = static_cast<const EvpKey&>(peer);
  HSMCORE_CHECK(CheckAgreement(mechanism, other));
  HSMCORE_TRY(const PkeyCtxPtr context, AgreementContext());
  const LibraryScope scope(*library_);
  // Making the peer's key has checked that the point is on the curve, which is all there is to
  // check where the cofactor is 1 (SP 800-56A 5.6.2.3.4); OpenSSL's own check would multiply.
  // X25519 and X448 take every string for a key.
  constexpr int kNoValidation = 0;
  if ((mechanism.x963_digest && !SetKdf(context.get(), mechanism)) ||
      EVP_PKEY_derive_set_peer_ex(context.get(), other.pkey_.get(), kNoValidation) != 1) {
    return scope.Fail(ErrorCode::kMechanism, "key agreement");
  }
  const std::size_t plain_size = curve_ ? hsmcore::RowOf(*curve_).field_bytes : max_output_;
  std::size_t size = mechanism.x963_digest ? mechanism.x963_length : plain_size;
  SecretBytes secret(size);
  if (EVP_PKEY_derive(context.get(), secret.Write(kForAgreement).data(), &size) == 1) {
    secret.Truncate(size);
    return secret;
  }
  // RFC 7748 section 6: the secret of a point of small order is zero.
  if (!curve_) {
    return Fail(ErrorCode::kKeyImport, "the peer's public key is of small order: no secret");
  }
  return scope.Fail(ErrorCode::kCryptoFailure, "key agreement");
}

Status EvpKey::CheckKem(Operation operation, const KemMechanism& mechanism) const {
  const KemRow& row = RowOf(mechanism.kind);
  if (type_ < row.first || type_ > row.last) {
    return Fail(ErrorCode::kKeyTypeMismatch, Cat(row.name, " with a key of type ", NameOf(type_)));
  }
  if (operation == Operation::kDecapsulate && !has_private_) {
    return Fail(ErrorCode::kPublicKeyOnly, "decapsulation");
  }
  return {};
}

Result<PkeyCtxPtr> EvpKey::KemContext(Operation operation, const KemMechanism& mechanism) const {
  HSMCORE_CHECK(CheckKem(operation, mechanism));
  if (PkeyCtxPtr ready = SpareFor(operation).Take()) return ready;
  const LibraryScope scope(*library_);
  PkeyCtxPtr context = NewContext();
  const KemRow& row = RowOf(mechanism.kind);
  if (context != nullptr && Initialise(context.get(), operation, row) == 1) return context;
  return scope.Fail(ErrorCode::kMechanism, row.name);
}

Result<Encapsulated> EvpKey::Encapsulate(const KemMechanism& mechanism) const {
  HSMCORE_TRY(PkeyCtxPtr context, KemContext(Operation::kEncapsulate, mechanism));
  const LibraryScope scope(*library_);
  const KemRow& row = RowOf(mechanism.kind);
  std::size_t size = max_output_;
  std::size_t secret_size = row.secret_bytes != 0 ? row.secret_bytes : max_output_;
  Encapsulated made{Bytes(size), SecretBytes(secret_size)};
  if (EVP_PKEY_encapsulate(context.get(), made.ciphertext.data(), &size,
                           made.secret.Write(kForAgreement).data(), &secret_size) != 1) {
    return scope.Fail(ErrorCode::kCryptoFailure, row.name);
  }
  made.ciphertext.resize(size);
  made.secret.Truncate(secret_size);
  SpareFor(Operation::kEncapsulate).GiveBack(std::move(context));
  return made;
}

Result<SecretBytes> EvpKey::Decapsulate(const KemMechanism& mechanism, ByteView ciphertext) const {
  HSMCORE_TRY(PkeyCtxPtr context, KemContext(Operation::kDecapsulate, mechanism));
  const LibraryScope scope(*library_);
  const KemRow& row = RowOf(mechanism.kind);
  if (ciphertext.size() != max_output_) {
    return Fail(ErrorCode::kDataLength, Cat("a ciphertext of ", row.name, " has ", max_output_,
                                            " bytes here, not ", ciphertext.size()));
  }
  std::size_t size = row.secret_bytes != 0 ? row.secret_bytes : max_output_;
  SecretBytes secret(size);
  if (EVP_PKEY_decapsulate(context.get(), secret.Write(kForAgreement).data(), &size,
                           ciphertext.data(), ciphertext.size()) != 1) {
    return Fail(ErrorCode::kDecryption, "the ciphertext was not made for this key");
  }
  secret.Truncate(size);
  SpareFor(Operation::kDecapsulate).GiveBack(std::move(context));
  return secret;
}

}  // namespace hsmcore::crypto
