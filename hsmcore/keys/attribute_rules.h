// SPDX-License-Identifier: Apache-2.0
#ifndef HSMCORE_KEYS_ATTRIBUTE_RULES_H_
#define HSMCORE_KEYS_ATTRIBUTE_RULES_H_

#include <string_view>

#include "hsmcore/attributes.h"
#include "hsmcore/credential.h"

namespace hsmcore::keys {

// Sets what is computed when a key is made: local, never-extractable (PKCS#11: was never
// extractable since it was made here), always-sensitive.
void FinishNew(ObjectAttributes& attributes, bool local);

// Changes one attribute by the table's rules. Errors: kAttributeUnknown, kAttributeReadOnly,
// kAttributeValue, kRoleForbids; the detail names the attribute and the rule.
Status Change(ObjectAttributes& attributes, Role role, std::string_view name,
              std::string_view value);

}  // namespace hsmcore::keys

#endif  // HSMCORE_KEYS_ATTRIBUTE_RULES_H_
