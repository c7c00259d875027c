// SPDX-License-Identifier: Apache-2.0
#include "users/token_key.h"

#include "base/text.h"
#include "crypto/asymmetric_key.h"
#include "hsmcore/key_reference.h"
#include "hsmcore/mechanism.h"

namespace hsmcore::users {
namespace {

constexpr unsigned kRsaBits = 2048;

Status CheckKind(const PublicMaterial& key, ClusterMode mode) {
  const KeyType type = TypeOf(key);
  if (type == KeyType::kRsa && BitsOf(key) == kRsaBits) return {};
  if (type != KeyType::kEd25519) {
    return Fail(ErrorCode::kTokenKey,
                "tokens are signed with RSA-2048 or Ed25519; make a key with 'openssl genpkey "
                "-algorithm RSA -pkeyopt rsa_keygen_bits:2048'");
  }
  if (mode == ClusterMode::kFips) {
    return Fail(ErrorCode::kModeForbids,
                "a cluster in FIPS mode takes no Ed25519; sign tokens with RSA-2048");
  }
  return {};
}

SignMechanism MechanismOf(KeyType type) {
  SignMechanism mechanism;
  if (type == KeyType::kEd25519) {
    mechanism.kind = SignMechanism::Kind::kEddsa;
    mechanism.digest = Digest::kNone;
  }
  return mechanism;
}

}  // namespace

Result<Bytes> ReadTokenKey(ByteView file, ClusterMode mode) {
  auto key = DecodePublicKeyFile(file);
  if (!key) return Fail(ErrorCode::kTokenKey, key.error().detail());
  HSMCORE_CHECK(CheckKind(*key, mode));
  // A key that does not verify anything must not lock its owner out.
  HSMCORE_TRY(const crypto::LibraryKind kind, crypto::KindFor(mode));
  const auto ready = crypto::AsymmetricKey::FromPublic(*key, kind);
  if (!ready) return Fail(ErrorCode::kTokenKey, ready.error().detail());
  return EncodeSpki(*key);
}

Result<bool> IsSignedToken(ByteView spki, ByteView token, ByteView signature, ClusterMode mode) {
  const auto key = DecodeSpki(spki);
  if (!key || !CheckKind(*key, mode)) {
    return Fail(ErrorCode::kRecordDamaged, "a user's key for tokens is not one");
  }
  HSMCORE_TRY(const crypto::LibraryKind kind, crypto::KindFor(mode));
  HSMCORE_TRY(const auto ready, crypto::AsymmetricKey::FromPublic(*key, kind));
  return ready->Verify(MechanismOf(TypeOf(*key)), token, signature);
}

}  // namespace hsmcore::users
