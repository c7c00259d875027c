// SPDX-License-Identifier: Apache-2.0
#ifndef PROVIDER_KEYMGMT_H_
#define PROVIDER_KEYMGMT_H_

#include <openssl/core.h>
#include <openssl/core_names.h>

#include <memory>
#include <optional>

#include "key_object.h"
#include "params.h"

namespace provider {

// ---- Parameters of EC keys and of their generation ----

// Named curves and uncompressed points are all that is written.
template <class Context>
Status SetEncoding(Context&, const OSSL_PARAM& param) {
  return CheckOnlyValue(param, OSSL_PKEY_EC_ENCODING_GROUP);
}
template <class Context>
Status SetPointFormat(Context&, const OSSL_PARAM& param) {
  return CheckOnlyValue(param, OSSL_PKEY_EC_POINT_CONVERSION_FORMAT_UNCOMPRESSED);
}

// ---- Parameters of a key (keymgmt_params.cc) ----
const OSSL_PARAM* GettableOf(hsmcore::KeyType type);
const OSSL_PARAM* SettableOf(hsmcore::KeyType type);
Status GetKeyParams(const KeyObject& object, OSSL_PARAM* params);
Status SetKeyParams(KeyObject& object, const OSSL_PARAM* params);

// ---- Import (keymgmt_import.cc) ----
const OSSL_PARAM* ImportTypes(hsmcore::KeyType type, int selection);
// A public key comes in as it is, and needs no cluster; a key pair becomes a session key.
Status ImportKey(KeyObject& object, int selection, const OSSL_PARAM* params);
// The curve's point from its SEC 1 form, compressed or not. kKeyImport: it is not on the curve.
Result<hsmcore::EcPublic> DecodePoint(hsmcore::Curve curve, ByteView octets);
// What a new key may be used for: OpenSSL's programs have no way to ask for it.
hsmcore::KeyTemplate DefaultTemplate(hsmcore::KeyType type, bool token);
// The curve that `param` names. kKeySize: it is not one of ours; the detail lists those.
Result<hsmcore::Curve> GetCurve(const OSSL_PARAM& param);

// ---- Export (keymgmt_export.cc) ----
const OSSL_PARAM* ExportTypes(hsmcore::KeyType type, int selection);
// kPrivateKeyHeld whenever the private part of a key that has one is selected.
Status ExportKey(const KeyObject& object, int selection, OSSL_CALLBACK* callback, void* argument);

// ---- Generation (keymgmt_gen.cc) ----

// One EVP_PKEY_CTX between keygen_init and its end.
struct Generation {
  Generation(const ProviderContext& context, hsmcore::KeyType type, int parts)
      : provider(context), selection(parts), form(DefaultTemplate(type, /*token=*/false)) {
    spec.type = type;
  }

  const ProviderContext& provider;
  const int selection;
  hsmcore::KeySpec spec;
  bool has_curve = false;
  hsmcore::KeyTemplate form;
  hsmcore::KeyUri cluster;    // names the cluster, or nothing
  std::optional<bool> token;  // unset: a key with a name is kept
  bool named = false;
};

// Applies the attribute that the parameter "hsm-" and its name gives to a new object of a class.
Status ApplyAttribute(hsmcore::ObjectAttributes& half, hsmcore::KeyClass klass,
                      const OSSL_PARAM& param);
const OSSL_PARAM* GenerationSettableOf(hsmcore::KeyType type);
Result<std::unique_ptr<Generation>> BeginGeneration(const ProviderContext& provider,
                                                    hsmcore::KeyType type, int selection,
                                                    const OSSL_PARAM* params);
Status SetGenerationTemplate(Generation& generation, const KeyObject& pattern);
Status SetGenerationParams(Generation& generation, const OSSL_PARAM* params);
Result<std::unique_ptr<KeyObject>> Generate(const Generation& generation);

// ---- Dispatch table of a type of key pairs (keymgmt.cc) ----
const OSSL_DISPATCH* KeymgmtOf(hsmcore::KeyType type);

}  // namespace provider

#endif  // PROVIDER_KEYMGMT_H_
