// SPDX-License-Identifier: Apache-2.0
#ifndef HSMCORE_KEYS_RECORD_H_
#define HSMCORE_KEYS_RECORD_H_

#include <optional>
#include <string>
#include <vector>

#include "hsmcore/attributes.h"
#include "hsmcore/key.h"
#include "hsmcore/types.h"
#include "vault/identity.h"

namespace hsmcore::keys {

// The key's own sealing key, sealed to one user who may use the key.
struct Grant {
  std::string user;  // path
  Bytes sealed;      // empty: to be sealed when the record is stored
  // The user's X25519 key: somebody who gets a deleted user's name does not get his keys. Empty in
  // records that were written before keys could be shared, for the owner.
  Bytes box_key = {};  // NOLINT(readability-redundant-member-init): an aggregate may leave it out
  // Whether the key was given to him by name, and the groups that he has it through.
  bool direct = true;
  std::vector<std::string> groups = {};  // NOLINT(readability-redundant-member-init): as above
};

// A key pair (or one half of one) as stored under KeyPath: one record, so that no half is ever
// without the other after a crash. A secret key is a record with a private half and no public one;
// its public part is what may be told about it. Format: docs/storage.md.
//
// The private part is sealed under a key of its own with the path and the body as associated data:
// a record whose attributes, public part or place was changed does not open. The owner's signature
// covers everything, so that the public part can be trusted without opening anything, and so that
// somebody the key is shared with cannot rewrite it.
struct KeyRecord {
  KeyHandle handle;  // of the private half
  std::uint64_t version = 1;
  std::int64_t created = 0;
  std::string owner;  // path
  PublicMaterial public_part;
  std::optional<ObjectAttributes> private_half;
  std::optional<ObjectAttributes> public_half;
  KeyLife life;
  KeyQuorum quorum;

  Bytes sealed;  // empty: no private half
  std::vector<Grant> grants;
  std::vector<std::string> groups;  // that the key is shared with

  bool is_secret() const { return std::holds_alternative<SecretFacts>(public_part); }
  // The class of the object that private_half describes.
  KeyClass private_class() const {
    return is_secret() ? KeyClass::kSecretKey : KeyClass::kPrivateKey;
  }
  // What may be told about a half that is there.
  KeyInfo Info(KeyClass klass) const;
  // nullptr: the key was not given to the user of this path who has this X25519 key.
  const Grant* GrantFor(std::string_view user, ByteView box_key) const;
};

std::string KeyPath(KeyHandle handle);
// The paths of the entries by which this record is found: one for each label, id and group that it
// is shared with, and one for the end of a deleted key.
std::vector<std::string> IndexPaths(const KeyRecord& record);
std::string LabelIndexPrefix(std::string_view label);
std::string IdIndexPrefix(ByteView id);
inline constexpr std::string_view kSharedIndex = "shared/";
std::string SharedIndexPrefix(std::string_view group);
inline constexpr std::string_view kPurgeIndex = "purge/";
// The time in the path of a deleted key's entry; nothing for other paths.
std::optional<std::int64_t> PurgeTimeIn(std::string_view path);
// The handle at the end of an index path or key path.
std::optional<KeyHandle> HandleIn(std::string_view path);

// Seals the private part under `dek`, for the record as it now is: any later change of the body
// needs it again.
Status SealPrivate(KeyRecord& record, const SecretBytes& dek, const PrivateMaterial& material);
// Seals `dek` for those who are named in the grants: for all, or for those who have nothing yet.
enum class GrantsToSeal : std::uint8_t { kNew, kAll };
Status SealGrants(KeyRecord& record, const SecretBytes& dek, GrantsToSeal which);
// The sealing key, by the grant of `user`. kKeyDamaged; kRoleForbids without a grant.
Result<SecretBytes> OpenGrant(const KeyRecord& record, std::string_view user,
                              const vault::Identity& identity);
// kKeyDamaged: the record was changed after it was sealed.
Result<PrivateMaterial> OpenPrivate(const KeyRecord& record, const SecretBytes& dek);

Bytes EncodeRecord(const KeyRecord& record, const vault::Identity& owner);

struct DecodedKey {
  KeyRecord record;
  Bytes message;  // what the owner signed
  Bytes signature;
  bool SignedBy(ByteView sign_key) const;
};
// Checks the form only. kKeyDamaged, kHomeNewer.
Result<DecodedKey> DecodeRecord(std::string_view path, ByteView bytes);

}  // namespace hsmcore::keys

#endif  // HSMCORE_KEYS_RECORD_H_
