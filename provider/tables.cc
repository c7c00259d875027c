// SPDX-License-Identifier: Apache-2.0
#include "tables.h"

#include <openssl/core_dispatch.h>

#include "asym_cipher.h"
#include "decoder.h"
#include "encoder.h"
#include "keyexch.h"
#include "keymgmt.h"
#include "signature.h"
#include "store.h"

namespace provider {
namespace {

using hsmcore::KeyType;

// Names with all their aliases, as OpenSSL's own providers have them.
#define RSA_NAMES "RSA:rsaEncryption:1.2.840.113549.1.1.1"
#define RSA_PSS_NAMES "RSA-PSS:RSASSA-PSS:1.2.840.113549.1.1.10"
#define EC_NAMES "EC:id-ecPublicKey:1.2.840.10045.2.1"
#define ED25519_NAMES "ED25519:1.3.101.112"

#define PROPERTIES "provider=hsm"
#define REFERENCE PROPERTIES ",input=der,structure=hsm-key-reference"
#define PEM_OF(structure) PROPERTIES ",output=pem,structure=" structure
#define DER_OF(structure) PROPERTIES ",output=der,structure=" structure
#define TEXT PROPERTIES ",output=text"

#define TABLE_END {nullptr, nullptr, nullptr, nullptr}

// NOLINTBEGIN(cppcoreguidelines-interfaces-global-init): addresses of tables are constants
const OSSL_ALGORITHM kKeymgmt[] = {
    {RSA_NAMES, PROPERTIES, KeymgmtTable<KeyType::kRsa>::kRows, "RSA keys in the HSM"},
    {RSA_PSS_NAMES, PROPERTIES, KeymgmtTable<KeyType::kRsaPss>::kRows, "RSA-PSS keys in the HSM"},
    {EC_NAMES, PROPERTIES, KeymgmtTable<KeyType::kEc>::kRows, "EC keys in the HSM"},
    {ED25519_NAMES, PROPERTIES, KeymgmtTable<KeyType::kEd25519>::kRows, "Ed25519 keys in the HSM"},
    TABLE_END,
};

const OSSL_ALGORITHM kSignature[] = {
    {RSA_NAMES, PROPERTIES, kRsaSignature, "RSA signatures: PKCS#1 v1.5, PSS, X9.31, raw"},
    {"ECDSA", PROPERTIES, kEcdsaSignature, "ECDSA"},
    {ED25519_NAMES, PROPERTIES, kEd25519Signature, "Ed25519"},
    TABLE_END,
};

const OSSL_ALGORITHM kAsymCipher[] = {
    {RSA_NAMES, PROPERTIES, kRsaCipher, "RSA encryption: OAEP, PKCS#1 v1.5, raw"},
    TABLE_END,
};

const OSSL_ALGORITHM kKeyExchange[] = {
    {"ECDH", PROPERTIES, kEcdh, "ECDH"},
    TABLE_END,
};

const OSSL_ALGORITHM kStores[] = {
    {"hsm", PROPERTIES, kStore, "Keys in the HSM by URI"},
    TABLE_END,
};

const OSSL_ALGORITHM kDecoders[] = {
    {"DER", PROPERTIES ",input=pem", kPemDecoder, "Key reference files"},
    {RSA_NAMES, REFERENCE, ReferenceDecoderTable<KeyType::kRsa>::kRows, "Key references"},
    {RSA_PSS_NAMES, REFERENCE, ReferenceDecoderTable<KeyType::kRsaPss>::kRows, "Key references"},
    {EC_NAMES, REFERENCE, ReferenceDecoderTable<KeyType::kEc>::kRows, "Key references"},
    {ED25519_NAMES, REFERENCE, ReferenceDecoderTable<KeyType::kEd25519>::kRows, "Key references"},
    TABLE_END,
};

// What every key type is written as. The traditional structure has a name of its own only for the
// types that had one.
#define COMMON_ENCODERS(names)                                                                     \
  {names, PEM_OF("PrivateKeyInfo"), kReferencePemEncoder, "Reference to a held key"},              \
      {names, DER_OF("PrivateKeyInfo"), kReferenceDerEncoder, "Reference to a held key"},          \
      {names, PEM_OF("EncryptedPrivateKeyInfo"), kReferencePemEncoder, "Reference to a held key"}, \
      {names, DER_OF("EncryptedPrivateKeyInfo"), kReferenceDerEncoder, "Reference to a held key"}, \
      {names, PEM_OF("SubjectPublicKeyInfo"), kSpkiPemEncoder, "Public key"},                      \
      {names, DER_OF("SubjectPublicKeyInfo"), kSpkiDerEncoder, "Public key"},                      \
      {names, TEXT, kTextEncoder, "Text"}
#define TRADITIONAL_ENCODERS(names, structure)                                 \
  {names, PEM_OF(structure), kReferencePemEncoder, "Reference to a held key"}, \
      {names, DER_OF(structure), kReferenceDerEncoder, "Reference to a held key"}

const OSSL_ALGORITHM kEncoders[] = {
    COMMON_ENCODERS(RSA_NAMES),
    TRADITIONAL_ENCODERS(RSA_NAMES, "type-specific"),
    TRADITIONAL_ENCODERS(RSA_NAMES, "pkcs1"),
    COMMON_ENCODERS(RSA_PSS_NAMES),
    COMMON_ENCODERS(EC_NAMES),
    TRADITIONAL_ENCODERS(EC_NAMES, "type-specific"),
    COMMON_ENCODERS(ED25519_NAMES),
    TABLE_END,
};

// NOLINTEND(cppcoreguidelines-interfaces-global-init)

// The algorithms that work with keys in the HSM.
const OSSL_ALGORITHM* HeldAlgorithmsOf(int operation) {
  switch (operation) {
    case OSSL_OP_KEYMGMT:
      return kKeymgmt;
    case OSSL_OP_SIGNATURE:
      return kSignature;
    case OSSL_OP_ASYM_CIPHER:
      return kAsymCipher;
    case OSSL_OP_KEYEXCH:
      return kKeyExchange;
    case OSSL_OP_STORE:
      return kStores;
    case OSSL_OP_DECODER:
      return kDecoders;
    case OSSL_OP_ENCODER:
      return kEncoders;
    default:
      return nullptr;
  }
}

}  // namespace

Result<const OSSL_ALGORITHM*> AlgorithmsOf(const ProviderContext& provider, int operation) {
  return provider.forwarded.Algorithms(operation, HeldAlgorithmsOf(operation));
}

}  // namespace provider
