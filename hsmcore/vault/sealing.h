// SPDX-License-Identifier: Apache-2.0
#ifndef HSMCORE_VAULT_SEALING_H_
#define HSMCORE_VAULT_SEALING_H_

#include <string>
#include <string_view>

#include "hsmcore/types.h"

// Sealing of data at rest: XChaCha20-Poly1305 (libsodium's IETF construction) with a random 24-byte
// nonce in front. The associated data says where and what the sealed bytes are, so that they open
// nowhere else.
namespace hsmcore::vault {

constexpr std::size_t kSealKeyBytes = 32;

// libsodium is ready for use; kInternal when it cannot be. Cheap after the first call.
Status Ready();

struct SodiumVersion {
  std::string text;
  std::string needed;
  bool good = false;  // the one that runs is no older
};
SodiumVersion RunningSodium();

SecretBytes RandomSecret(std::size_t size);
Bytes RandomBytes(std::size_t size);

Result<Bytes> Seal(const SecretBytes& key, ByteView plain, ByteView associated);
// kRecordDamaged: wrong key, or the sealed bytes or the associated data were changed.
Result<SecretBytes> Open(const SecretBytes& key, ByteView sealed, ByteView associated);

// Joins parts so that no two lists of parts give the same bytes: each with its length in front.
Bytes Bind(std::initializer_list<ByteView> parts);
ByteView ViewOf(std::string_view text);

// BLAKE2b-256.
Bytes Hash(ByteView data);

// A tag for comparing secrets without keeping them: BLAKE2b-256 under a key.
Bytes KeyedTag(const SecretBytes& key, ByteView data);
// A key that takes both `key` and `data`: BLAKE2b-256 over what `context` and `data` are bound to,
// keyed with `key`.
SecretBytes MixKey(const SecretBytes& key, std::string_view context, ByteView data);
// What tokens show to those who sign them (FIPS 180-4).
Bytes Sha256(ByteView data);
bool EqualConstantTime(ByteView a, ByteView b);

}  // namespace hsmcore::vault

#endif  // HSMCORE_VAULT_SEALING_H_
