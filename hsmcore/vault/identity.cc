// SPDX-License-Identifier: Apache-2.0
#include "vault/identity.h"

#include <sodium.h>

#include <algorithm>

#include "vault/sealing.h"

namespace hsmcore::vault {
namespace {

constexpr std::size_t kBoxSecret = crypto_box_SECRETKEYBYTES;
constexpr std::size_t kSignSeed = crypto_sign_SEEDBYTES;
constexpr std::size_t kSignSecret = crypto_sign_SECRETKEYBYTES;
constexpr std::size_t kRoot = crypto_sign_PUBLICKEYBYTES;
constexpr std::size_t kExported = kBoxSecret + kSignSeed + kRoot;

Result<SecretBytes> OpenBox(ByteView sealed, ByteView box_key, ByteView secret) {
  if (sealed.size() >= crypto_box_SEALBYTES) {
    SecretBytes plain(sealed.size() - crypto_box_SEALBYTES);
    if (crypto_box_seal_open(plain.Write(SecretAccess{"open a grant"}).data(), sealed.data(),
                             sealed.size(), box_key.data(), secret.data()) == 0) {
      return plain;
    }
  }
  return Fail(ErrorCode::kRecordDamaged, "a grant does not open");
}

}  // namespace

bool PublicIdentity::well_formed() const {
  return box_key.size() == crypto_box_PUBLICKEYBYTES &&
         sign_key.size() == crypto_sign_PUBLICKEYBYTES;
}

Result<Bytes> SealTo(ByteView box_key, const SecretBytes& plain) {
  if (box_key.size() != crypto_box_PUBLICKEYBYTES) {
    return Fail(ErrorCode::kRecordDamaged, "a user's public key has a wrong length");
  }
  Bytes sealed(crypto_box_SEALBYTES + plain.size());
  if (crypto_box_seal(sealed.data(), plain.Read(SecretAccess{"seal to a user"}).data(),
                      plain.size(), box_key.data()) != 0) {
    return Fail(ErrorCode::kRecordDamaged, "a user's public key is not valid");
  }
  return sealed;
}

bool VerifySignature(ByteView sign_key, std::string_view context, ByteView message,
                     ByteView signature) {
  if (sign_key.size() != crypto_sign_PUBLICKEYBYTES || signature.size() != crypto_sign_BYTES) {
    return false;
  }
  const Bytes bound = Bind({ViewOf(context), message});
  return crypto_sign_verify_detached(signature.data(), bound.data(), bound.size(),
                                     sign_key.data()) == 0;
}

Identity::Identity(LockedSecret secret, PublicIdentity pub, Bytes root)
    : secret_(std::move(secret)), public_(std::move(pub)), root_(std::move(root)) {}

Result<Identity> Identity::New(ByteView root) {
  HSMCORE_CHECK(Ready());
  SecretBytes exported = RandomSecret(kExported);
  auto bytes = exported.Write(SecretAccess{"make an identity"});
  if (root.size() == kRoot) {
    std::ranges::copy(root, bytes.last(kRoot).begin());
  } else {
    SecretBytes scratch(kSignSecret);
    crypto_sign_seed_keypair(bytes.last(kRoot).data(),
                             scratch.Write(SecretAccess{"make an identity"}).data(),
                             bytes.data() + kBoxSecret);
  }
  return Import(exported);
}

Result<Identity> Identity::Import(const SecretBytes& exported) {
  if (exported.size() != kExported) {
    return Fail(ErrorCode::kRecordDamaged, "a user's secret has a wrong length");
  }
  const ByteView bytes = exported.Read(SecretAccess{"open an identity"});
  PublicIdentity pub{Bytes(crypto_box_PUBLICKEYBYTES), Bytes(crypto_sign_PUBLICKEYBYTES)};
  SecretBytes keys(kBoxSecret + kSignSecret);
  const auto out = keys.Write(SecretAccess{"open an identity"});
  std::ranges::copy(bytes.first(kBoxSecret), out.begin());
  crypto_scalarmult_base(pub.box_key.data(), bytes.data());
  crypto_sign_seed_keypair(pub.sign_key.data(), out.data() + kBoxSecret, bytes.data() + kBoxSecret);
  HSMCORE_TRY(LockedSecret locked, LockedSecret::CopyOf(out));
  const ByteView root = bytes.last(kRoot);
  return Identity(std::move(locked), std::move(pub), Bytes(root.begin(), root.end()));
}

SecretBytes Identity::Export() const {
  SecretBytes exported(kExported);
  const auto out = exported.Write(SecretAccess{"seal an identity"});
  const ByteView keys = secret_.Read(SecretAccess{"seal an identity"});
  std::ranges::copy(keys.first(kBoxSecret), out.begin());
  crypto_sign_ed25519_sk_to_seed(out.data() + kBoxSecret, keys.data() + kBoxSecret);
  std::ranges::copy(root_, out.last(kRoot).begin());
  return exported;
}

Bytes Identity::Sign(std::string_view context, ByteView message) const {
  const Bytes bound = Bind({ViewOf(context), message});
  Bytes signature(crypto_sign_BYTES);
  crypto_sign_detached(signature.data(), nullptr, bound.data(), bound.size(),
                       secret_.Read(SecretAccess{"sign a record"}).data() + kBoxSecret);
  return signature;
}

Result<SecretBytes> Identity::OpenSealed(ByteView sealed) const {
  return OpenBox(sealed, public_.box_key, secret_.Read(SecretAccess{"open a grant"}));
}

BoxPair BoxPair::New() {
  BoxPair pair{Bytes(crypto_box_PUBLICKEYBYTES), SecretBytes(kBoxSecret)};
  crypto_box_keypair(pair.public_key.data(),
                     pair.secret_key.Write(SecretAccess{"make the recovery key"}).data());
  return pair;
}

bool IsPair(const BoxPair& pair) {
  if (pair.secret_key.size() != kBoxSecret) return false;
  Bytes derived(crypto_box_PUBLICKEYBYTES);
  return crypto_scalarmult_base(derived.data(),
                                pair.secret_key.Read(SecretAccess{"check a pair"}).data()) == 0 &&
         derived == pair.public_key;
}

Result<SecretBytes> OpenSealedTo(const BoxPair& pair, ByteView sealed) {
  if (pair.public_key.size() != crypto_box_PUBLICKEYBYTES || pair.secret_key.size() != kBoxSecret) {
    return Fail(ErrorCode::kRecordDamaged, "the recovery key has a wrong length");
  }
  return OpenBox(sealed, pair.public_key, pair.secret_key.Read(SecretAccess{"open an escrow"}));
}

}  // namespace hsmcore::vault
