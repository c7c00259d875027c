// SPDX-License-Identifier: Apache-2.0
#include "vault/sealing.h"

#include <sodium.h>

namespace hsmcore::vault {

static_assert(kSealKeyBytes == crypto_aead_xchacha20poly1305_ietf_KEYBYTES);
constexpr std::size_t kNonceBytes = crypto_aead_xchacha20poly1305_ietf_NPUBBYTES;
constexpr std::size_t kTagBytes = crypto_aead_xchacha20poly1305_ietf_ABYTES;

Status Ready() {
  if (sodium_init() < 0) {
    return Fail(ErrorCode::kInternal, "libsodium finds no source of random numbers");
  }
  return {};
}

// 1.0.18 has the library version 10.3, which is what can be compared.
SodiumVersion RunningSodium() {
  constexpr int kMajor = 10;
  constexpr int kMinor = 3;
  const int major = sodium_library_version_major();
  return {.text = sodium_version_string(),
          .needed = "1.0.18",
          .good = major > kMajor || (major == kMajor && sodium_library_version_minor() >= kMinor)};
}

SecretBytes RandomSecret(std::size_t size) {
  SecretBytes secret(size);
  randombytes_buf(secret.Write(SecretAccess{"make a random secret"}).data(), size);
  return secret;
}

Bytes RandomBytes(std::size_t size) {
  Bytes bytes(size);
  randombytes_buf(bytes.data(), size);
  return bytes;
}

Result<Bytes> Seal(const SecretBytes& key, ByteView plain, ByteView associated) {
  if (key.size() != kSealKeyBytes) return Fail(ErrorCode::kInternal, "seal key of a wrong length");
  Bytes sealed = RandomBytes(kNonceBytes);
  sealed.resize(kNonceBytes + plain.size() + kTagBytes);
  crypto_aead_xchacha20poly1305_ietf_encrypt(
      sealed.data() + kNonceBytes, nullptr, plain.data(), plain.size(), associated.data(),
      associated.size(), nullptr, sealed.data(), key.Read(SecretAccess{"seal"}).data());
  return sealed;
}

Result<SecretBytes> Open(const SecretBytes& key, ByteView sealed, ByteView associated) {
  if (key.size() != kSealKeyBytes || sealed.size() < kNonceBytes + kTagBytes) {
    return Fail(ErrorCode::kRecordDamaged, "sealed bytes are cut short");
  }
  SecretBytes plain(sealed.size() - kNonceBytes - kTagBytes);
  const ByteView cipher = sealed.subspan(kNonceBytes);
  if (crypto_aead_xchacha20poly1305_ietf_decrypt(
          plain.Write(SecretAccess{"open sealed bytes"}).data(), nullptr, nullptr, cipher.data(),
          cipher.size(), associated.data(), associated.size(), sealed.data(),
          key.Read(SecretAccess{"open sealed bytes"}).data()) != 0) {
    return Fail(ErrorCode::kRecordDamaged, "sealed bytes do not open");
  }
  return plain;
}

Bytes Bind(std::initializer_list<ByteView> parts) {
  Bytes bound;
  for (const ByteView part : parts) {
    const std::uint64_t size = part.size();
    for (unsigned shift = 0; shift < 64; shift += 8) {
      bound.push_back(static_cast<std::uint8_t>(size >> shift));
    }
    bound.insert(bound.end(), part.begin(), part.end());
  }
  return bound;
}

ByteView ViewOf(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

Bytes Hash(ByteView data) {
  Bytes hash(crypto_generichash_BYTES);
  crypto_generichash(hash.data(), hash.size(), data.data(), data.size(), nullptr, 0);
  return hash;
}

Bytes KeyedTag(const SecretBytes& key, ByteView data) {
  Bytes tag(crypto_generichash_BYTES);
  crypto_generichash(tag.data(), tag.size(), data.data(), data.size(),
                     key.Read(SecretAccess{"tag a secret"}).data(), key.size());
  return tag;
}

SecretBytes MixKey(const SecretBytes& key, std::string_view context, ByteView data) {
  const ByteView secret = key.Read(SecretAccess{"mix keys"});
  SecretBytes mixed(kSealKeyBytes);
  // Not Bind: `data` is secret too, and would stay behind in memory that nobody wipes.
  crypto_generichash_state state;
  crypto_generichash_init(&state, secret.data(), secret.size(), mixed.size());
  const Bytes bound = Bind({ViewOf(context)});
  crypto_generichash_update(&state, bound.data(), bound.size());
  crypto_generichash_update(&state, data.data(), data.size());
  crypto_generichash_final(&state, mixed.Write(SecretAccess{"mix keys"}).data(), mixed.size());
  WipeMemory(&state, sizeof state);
  return mixed;
}

Bytes Sha256(ByteView data) {
  Bytes digest(crypto_hash_sha256_BYTES);
  crypto_hash_sha256(digest.data(), data.data(), data.size());
  return digest;
}

bool EqualConstantTime(ByteView a, ByteView b) {
  return a.size() == b.size() && sodium_memcmp(a.data(), b.data(), a.size()) == 0;
}

}  // namespace hsmcore::vault
