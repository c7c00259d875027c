// SPDX-License-Identifier: Apache-2.0
#ifndef HSMCORE_KEYS_MATERIAL_H_
#define HSMCORE_KEYS_MATERIAL_H_

#include "base/cbor.h"
#include "hsmcore/types.h"

// Key material as bytes. The private part has a format of its own, length-prefixed fields in memory
// that is wiped, because the CBOR library's buffers are not.
namespace hsmcore::keys {

cbor::Value EncodePublic(const PublicMaterial& material);
// kRecordDamaged.
Result<PublicMaterial> DecodePublic(const cbor::Value& value, std::string_view what);

SecretBytes EncodePrivate(const PrivateMaterial& material);
// kRecordDamaged.
Result<PrivateMaterial> DecodePrivate(const SecretBytes& encoded);

PrivateMaterial CloneOf(const PrivateMaterial& material);

}  // namespace hsmcore::keys

#endif  // HSMCORE_KEYS_MATERIAL_H_
