// SPDX-License-Identifier: Apache-2.0
#ifndef HSMCTL_KEY_VIEW_H_
#define HSMCTL_KEY_VIEW_H_

#include <string>
#include <vector>

#include "hsmcore/key.h"
#include "output.h"

namespace hsmctl {

// Everything about one key object, with the names that cloudhsm-cli uses.
Json KeyJson(const hsmcore::KeyInfo& info);
// Reference and label only: what a short list shows, and all that an admin may see.
Json ShortKeyJson(const hsmcore::KeyInfo& info);

// The groups that a key is shared with, and whether all members have it.
Json SharedGroupsJson(const hsmcore::KeyInfo& info);

// A block of lines per object.
std::string KeysText(const std::vector<hsmcore::KeyInfo>& keys);
// A line per object.
std::string ShortKeysText(const std::vector<hsmcore::KeyInfo>& keys);
std::string HandlesAndLabelsText(const std::vector<hsmcore::KeyInfo>& keys);

// What a command says of the secret key that it made.
Report SecretReport(const hsmcore::Key& key);

}  // namespace hsmctl

#endif  // HSMCTL_KEY_VIEW_H_
