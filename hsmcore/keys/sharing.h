// SPDX-License-Identifier: Apache-2.0
#ifndef HSMCORE_KEYS_SHARING_H_
#define HSMCORE_KEYS_SHARING_H_

#include <string>
#include <vector>

#include "keys/key_store.h"

// Who besides its owner may use a key. The caller holds core.mutex.
namespace hsmcore::keys {

// A user as he is now: whoever gets his name later is another.
struct Recipient {
  std::string user;  // path
  Bytes box_key;     // X25519
  friend bool operator==(const Recipient&, const Recipient&) = default;
};

// Gives the key to those who do not have it yet; one who does not changes nothing. kRoleForbids:
// the key is somebody else's; kInvalidArgument: the owner is among them; kPublicKeyOnly: there is
// nothing that has to be shared.
Result<KeyRecord> Share(cluster::Core& core, const users::Actor& owner, KeyHandle handle,
                        const std::vector<Recipient>& recipients);

// kPublicKeyOnly: the record has nothing that could be shared.
Status CheckShareable(const KeyRecord& record);

// Takes the key from these users, by their paths, unless a group leaves it to them, and from those
// who have left the cluster since: the others have it under a new DEK. kKeyNotShared: one of them
// has not got it by name.
Result<KeyRecord> Unshare(cluster::Core& core, const users::Actor& owner, KeyHandle handle,
                          const std::vector<std::string>& paths);

}  // namespace hsmcore::keys

#endif  // HSMCORE_KEYS_SHARING_H_
