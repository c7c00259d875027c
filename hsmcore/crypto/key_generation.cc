// SPDX-License-Identifier: Apache-2.0
#include <openssl/core_names.h>
#include <openssl/params.h>

#include <array>
#include <utility>

#include "base/text.h"
#include "crypto/asymmetric_key.h"
#include "crypto/evp_key.h"
#include "crypto/key_material.h"
#include "crypto/library.h"
#include "crypto/spki.h"

namespace hsmcore::crypto {
namespace {

Status CheckSpec(const KeySpec& spec) {
  if (spec.pss && spec.type != KeyType::kRsaPss) {
    return Fail(ErrorCode::kInvalidArgument, "PSS restrictions belong to keys of type rsa-pss");
  }
  if (IsSecret(spec.type)) {
    return Fail(ErrorCode::kKeyTypeMismatch, Cat(NameOf(spec.type), " keys are no pairs"));
  }
  if (RowOf(spec.type).form != KeyForm::kRsa) return {};
  if (spec.public_exponent < 65537 || spec.public_exponent % 2 == 0) {
    return Fail(ErrorCode::kKeySize, "the RSA public exponent is odd and at least 65537");
  }
  if (spec.pss && (!IsPssRestrictionDigest(spec.pss->digest) ||
                   !IsPssRestrictionDigest(spec.pss->mgf_digest))) {
    return Fail(ErrorCode::kDigest, "RSA-PSS keys are restricted to SHA-1 or SHA-2 digests");
  }
  return CheckRsaPairSize(spec.modulus_bits);
}

Result<PkeyPtr> GenerateKey(const Library& library, KeyType type, OSSL_PARAM* params) {
  const LibraryScope scope(library);
  const PkeyCtxPtr context(
      EVP_PKEY_CTX_new_from_name(library.context(), RowOf(type).openssl, nullptr));
  if (context == nullptr) return std::unexpected(NoAlgorithm(library, type));
  EVP_PKEY* key = nullptr;
  if (EVP_PKEY_keygen_init(context.get()) != 1 ||
      EVP_PKEY_CTX_set_params(context.get(), params) != 1 ||
      EVP_PKEY_generate(context.get(), &key) != 1) {
    return scope.Fail(ErrorCode::kCryptoFailure, Cat("generating a key of type ", NameOf(type)));
  }
  return PkeyPtr(key);
}

Result<PkeyPtr> GenerateEcKey(const Library& library, Curve curve) {
  HSMCORE_TRY(EVP_PKEY * parameters, library.Parameters(curve));
  const LibraryScope scope(library);
  const PkeyCtxPtr context(EVP_PKEY_CTX_new_from_pkey(library.context(), parameters, nullptr));
  EVP_PKEY* key = nullptr;
  if (context == nullptr || EVP_PKEY_keygen_init(context.get()) != 1 ||
      EVP_PKEY_generate(context.get(), &key) != 1) {
    return scope.Fail(ErrorCode::kCryptoFailure, Cat("generating a key of ", RowOf(curve).name));
  }
  return PkeyPtr(key);
}

Result<PkeyPtr> GenerateKey(const Library& library, const KeySpec& spec) {
  if (spec.type == KeyType::kEc) return GenerateEcKey(library, spec.curve);
  if (RowOf(spec.type).form == KeyForm::kRaw) {
    std::array params = {OSSL_PARAM_construct_end()};
    return GenerateKey(library, spec.type, params.data());
  }
  std::size_t bits = spec.modulus_bits;
  std::uint64_t exponent = spec.public_exponent;
  std::array params = {OSSL_PARAM_construct_size_t(OSSL_PKEY_PARAM_RSA_BITS, &bits),
                       OSSL_PARAM_construct_uint64(OSSL_PKEY_PARAM_RSA_E, &exponent),
                       OSSL_PARAM_construct_end()};
  return GenerateKey(library, KeyType::kRsa, params.data());
}

}  // namespace

namespace {

struct Generated {
  LibraryPtr library;
  PkeyPtr pkey;
  KeyPairMaterial material;
};

Result<Generated> GenerateAndRead(const KeySpec& spec, LibraryKind kind) {
  HSMCORE_CHECK(CheckSpec(spec));
  HSMCORE_TRY(LibraryPtr library, Library::Acquire(kind));
  HSMCORE_TRY(PkeyPtr pkey, GenerateKey(*library, spec));
  HSMCORE_TRY(KeyPairMaterial material, ReadPair(*library, pkey.get(), spec));
  return Generated{std::move(library), std::move(pkey), std::move(material)};
}

}  // namespace

Result<KeyPairMaterial> GeneratePair(const KeySpec& spec, LibraryKind kind) {
  HSMCORE_TRY(Generated made, GenerateAndRead(spec, kind));
  return std::move(made.material);
}

Result<ReadyPair> GenerateReadyPair(const KeySpec& spec, LibraryKind kind) {
  HSMCORE_TRY(Generated made, GenerateAndRead(spec, kind));
  if (spec.type == KeyType::kRsaPss) {  // generated as RSA, without the restrictions
    HSMCORE_TRY(auto ready, AsymmetricKey::FromPair(made.material, false, kind));
    return ReadyPair{std::move(made.material), std::move(ready)};
  }
  auto ready = std::make_shared<EvpKey>(std::move(made.library), std::move(made.pkey),
                                        made.material.public_part, true);
  return ReadyPair{std::move(made.material), std::move(ready)};
}

Result<Bytes> CheckValue(const PublicMaterial& material) {
  constexpr std::size_t kCheckValueBytes = 3;
  HSMCORE_TRY(const LibraryPtr library, Library::Acquire());
  HSMCORE_TRY(const EVP_MD* sha1, library->Fetch(Digest::kSha1));
  const LibraryScope scope(*library);
  const Bytes bits = PublicKeyBits(material);
  Bytes digest(RowOf(Digest::kSha1).size);
  if (EVP_Digest(bits.data(), bits.size(), digest.data(), nullptr, sha1, nullptr) != 1) {
    return scope.Fail(ErrorCode::kCryptoFailure, "SHA-1 for the check value");
  }
  digest.resize(kCheckValueBytes);
  return digest;
}

}  // namespace hsmcore::crypto
