// SPDX-License-Identifier: Apache-2.0
#include "crypto/asymmetric_key.h"

#include "crypto/evp_key.h"
#include "crypto/key_material.h"

namespace hsmcore::crypto {
namespace {

Status CheckSize(const PublicMaterial& material) {
  const auto* rsa = std::get_if<RsaPublic>(&material);
  if (rsa == nullptr) return {};
  if (rsa->exponent.size() < 3) {
    return Fail(ErrorCode::kKeyImport, "the RSA public exponent is smaller than 65537");
  }
  return CheckRsaPairSize(BitsOf(material));
}

// OpenSSL 3.0 does not compare the halves of such keys.
Status CheckHalves(const Library& library, const KeyPairMaterial& material, EVP_PKEY* pkey) {
  if (const auto* priv = std::get_if<RawPrivate>(&material.private_part)) {
    const auto& claimed = std::get<RawPublic>(material.public_part);
    HSMCORE_TRY(const RawPublic pub, RawPublicOf(library, claimed.type, *priv));
    if (pub == claimed) return {};
    return Fail(ErrorCode::kKeyImport, "the public key belongs to another private key");
  }
  const LibraryScope scope(library);
  const PkeyCtxPtr context(EVP_PKEY_CTX_new_from_pkey(library.context(), pkey, nullptr));
  if (context != nullptr && EVP_PKEY_check(context.get()) == 1) return {};
  return scope.Fail(ErrorCode::kKeyImport, "the key does not pass OpenSSL's check");
}

// The fixed lengths of PrivateMaterial; RSA's numbers are no longer than the modulus.
Status CheckPrivateSizes(const KeyPairMaterial& material) {
  bool fits = true;
  if (const auto* ec = std::get_if<EcPrivate>(&material.private_part)) {
    const auto* pub = std::get_if<EcPublic>(&material.public_part);
    fits = pub != nullptr && ec->scalar.size() == RowOf(pub->curve).field_bytes;
  } else if (const auto* rsa = std::get_if<RsaPrivate>(&material.private_part)) {
    const auto* pub = std::get_if<RsaPublic>(&material.public_part);
    for (const SecretBytes* part : {&rsa->d, &rsa->p, &rsa->q, &rsa->dp, &rsa->dq, &rsa->qinv}) {
      fits = fits && pub != nullptr && !part->empty() && part->size() <= pub->modulus.size();
    }
  }
  if (fits) return {};
  return Fail(ErrorCode::kKeyImport, "the private half does not fit the public half");
}

}  // namespace

Result<std::shared_ptr<const AsymmetricKey>> AsymmetricKey::FromPair(
    const KeyPairMaterial& material, bool check, LibraryKind kind) {
  HSMCORE_CHECK(CheckSize(material.public_part));
  HSMCORE_CHECK(CheckPrivateSizes(material));
  HSMCORE_TRY(LibraryPtr library, Library::Acquire(kind));
  HSMCORE_TRY(PkeyPtr pkey, MakePrivateKey(*library, material));
  if (check) HSMCORE_CHECK(CheckHalves(*library, material, pkey.get()));
  return std::make_shared<EvpKey>(std::move(library), std::move(pkey), material.public_part, true);
}

Result<std::shared_ptr<const AsymmetricKey>> AsymmetricKey::FromPublic(
    const PublicMaterial& material, LibraryKind kind) {
  HSMCORE_TRY(LibraryPtr library, Library::Acquire(kind));
  HSMCORE_TRY(PkeyPtr pkey, MakePublicKey(*library, material));
  return std::make_shared<EvpKey>(std::move(library), std::move(pkey), material, false);
}

Result<SecretBytes> AsymmetricKey::Agree(const AgreeMechanism& mechanism,
                                         const PublicMaterial& peer) const {
  HSMCORE_TRY(const auto ready, FromPublic(peer, library().kind()));
  return Agree(mechanism, *ready);
}

}  // namespace hsmcore::crypto
