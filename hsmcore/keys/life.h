// SPDX-License-Identifier: Apache-2.0
#ifndef HSMCORE_KEYS_LIFE_H_
#define HSMCORE_KEYS_LIFE_H_

#include <string_view>

#include "base/cbor.h"
#include "hsmcore/attributes.h"
#include "hsmcore/key.h"

// The life of a key (hsmcore/key_life.h): its place in the record, and its attributes.
namespace hsmcore::keys {

// Nothing of what is as it is by default; empty: all is.
cbor::Value EncodeLife(const KeyLife& life);
// kRecordDamaged.
Result<KeyLife> DecodeLife(const cbor::Value& value, std::string_view what);

// start-date, end-date and use-limit, which the owner sets; empty takes them back. `half` is the
// object that was named: it must be modifiable. kAttributeReadOnly, kAttributeValue.
bool IsOfLife(Attribute attribute);
// Of a new key. kAttributeValue.
Status SetNewLife(KeyLife& life, Attribute attribute, std::string_view value);
Status SetLife(KeyLife& life, const ObjectAttributes& half, Attribute attribute,
               std::string_view value);

// The values of the attributes that belong to the life; empty: none of them, or not set.
std::string LifeText(const KeyInfo& info, Attribute attribute);

}  // namespace hsmcore::keys

#endif  // HSMCORE_KEYS_LIFE_H_
