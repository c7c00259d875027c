// SPDX-License-Identifier: Apache-2.0
#ifndef HSMCORE_KEYS_TRUSTED_MARK_H_
#define HSMCORE_KEYS_TRUSTED_MARK_H_

#include <map>
#include <string>
#include <string_view>

#include "keys/record.h"
#include "users/directory.h"

// The attribute `trusted`: an admin's signed word about a wrapping key, in an entry of its own,
// because an admin cannot write the owner's record and the owner must not write an admin's word.
// It names the record by all that cannot change in it, the key material (of a secret key, the
// commitment to it) among that: it holds for no other key in the same place. Format:
// docs/storage.md. The caller holds core.mutex.
namespace hsmcore::keys {

constexpr std::string_view kTrustedPrefix = "trusted/";
std::string TrustedPath(KeyHandle handle);

// kKeyTypeMismatch: this half of the record is nothing that wraps (an AES key, or the public half
// of an RSA pair). kNotSupported: a key that was stored without a commitment.
Status CheckMarkable(const KeyRecord& record, KeyHandle half);

// Makes or takes back the mark, and moves the key's epoch.
Status SetMark(cluster::Core& core, const users::Actor& admin, const KeyRecord& record, bool on);

// A mark as SetMark stores it, for a commit that changes the record too.
Bytes EncodeMark(const users::Actor& admin, const KeyRecord& record);
// Whether the record, as it is before the change, has a genuine mark.
Result<bool> IsMarked(cluster::Core& core, storage::Transaction& change, const KeyRecord& record);
// The genuine marks of the admin `before`, who is deleted in this commit, become those of `admin`.
Status SignMarksAnew(cluster::Core& core, storage::Transaction& change, std::string_view before,
                     const users::Actor& admin);

// Whether the entry at `path` is the word of an admin.
bool IsGenuineMark(std::string_view path, ByteView value, const users::TrustedSigners& admins);

// The genuine marks of the cluster.
class Marks {
 public:
  static Result<Marks> Read(cluster::Core& core);

  bool Cover(const KeyRecord& record) const;
  friend bool operator==(const Marks&, const Marks&) = default;

 private:
  std::map<KeyHandle, Bytes> facts_;  // what each says about its key
};

}  // namespace hsmcore::keys

#endif  // HSMCORE_KEYS_TRUSTED_MARK_H_
