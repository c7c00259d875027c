// SPDX-License-Identifier: Apache-2.0
#ifndef HSMCORE_KEYS_OWNERSHIP_H_
#define HSMCORE_KEYS_OWNERSHIP_H_

#include <span>

#include "cluster/core.h"
#include "hsmcore/types.h"
#include "users/directory.h"

namespace hsmcore::keys {

// Who gives keys, who gets them, and the admin whose marks `trusted` stay valid. All three act: the
// giver opens a key, the receiver signs its record, the admin signs its mark.
struct Handover {
  users::Actor admin;
  users::Actor from;
  users::Actor to;
};

// Gives keys to another owner in one commit: under a new DEK, with the grants of the users whom
// they are shared with. Keys that `from` does not own (any more) are left alone. Who has one loaded
// looks again. The caller holds core.mutex. kKeyDamaged.
Status HandOver(cluster::Core& core, const Handover& who, std::span<const KeyHandle> handles);

}  // namespace hsmcore::keys

#endif  // HSMCORE_KEYS_OWNERSHIP_H_
