// SPDX-License-Identifier: Apache-2.0
#include "held_algorithms.h"

#include <openssl/core_dispatch.h>
#include <openssl/crypto.h>

#include <array>
#include <span>
#include <string_view>

#include "asym_cipher.h"
#include "decoder.h"
#include "encoder.h"
#include "kem.h"
#include "keyexch.h"
#include "keymgmt.h"
#include "newer_openssl.h"
#include "signature.h"
#include "skeymgmt.h"
#include "store.h"

namespace provider {
namespace {

using hsmcore::KeyPurpose;
using hsmcore::KeyType;

#define PROPERTIES "provider=hsm"
#define REFERENCE PROPERTIES ",input=der,structure=hsm-key-reference"
#define PEM_OF(structure) PROPERTIES ",output=pem,structure=" structure
#define DER_OF(structure) PROPERTIES ",output=der,structure=" structure
#define TEXT PROPERTIES ",output=text"

struct TypeNames {
  KeyType type;
  const char* names;  // with all their aliases, as OpenSSL's own providers have them
};
constexpr auto kTypes = std::to_array<TypeNames>({
    {KeyType::kRsa, "RSA:rsaEncryption:1.2.840.113549.1.1.1"},
    {KeyType::kRsaPss, "RSA-PSS:RSASSA-PSS:1.2.840.113549.1.1.10"},
    {KeyType::kEc, "EC:id-ecPublicKey:1.2.840.10045.2.1"},
    {KeyType::kEd25519, "ED25519:1.3.101.112"},
    {KeyType::kEd448, "ED448:1.3.101.113"},
    {KeyType::kX25519, "X25519:1.3.101.110"},
    {KeyType::kX448, "X448:1.3.101.111"},
    {KeyType::kMlDsa44, "ML-DSA-44:MLDSA44:2.16.840.1.101.3.4.3.17:id-ml-dsa-44"},
    {KeyType::kMlDsa65, "ML-DSA-65:MLDSA65:2.16.840.1.101.3.4.3.18:id-ml-dsa-65"},
    {KeyType::kMlDsa87, "ML-DSA-87:MLDSA87:2.16.840.1.101.3.4.3.19:id-ml-dsa-87"},
    {KeyType::kMlKem512, "ML-KEM-512:MLKEM512:2.16.840.1.101.3.4.4.1:id-alg-ml-kem-512"},
    {KeyType::kMlKem768, "ML-KEM-768:MLKEM768:2.16.840.1.101.3.4.4.2:id-alg-ml-kem-768"},
    {KeyType::kMlKem1024, "ML-KEM-1024:MLKEM1024:2.16.840.1.101.3.4.4.3:id-alg-ml-kem-1024"},
    {KeyType::kSlhDsaSha2_128s, "SLH-DSA-SHA2-128s:id-slh-dsa-sha2-128s:2.16.840.1.101.3.4.3.20"},
    {KeyType::kSlhDsaSha2_128f, "SLH-DSA-SHA2-128f:id-slh-dsa-sha2-128f:2.16.840.1.101.3.4.3.21"},
    {KeyType::kSlhDsaSha2_192s, "SLH-DSA-SHA2-192s:id-slh-dsa-sha2-192s:2.16.840.1.101.3.4.3.22"},
    {KeyType::kSlhDsaSha2_192f, "SLH-DSA-SHA2-192f:id-slh-dsa-sha2-192f:2.16.840.1.101.3.4.3.23"},
    {KeyType::kSlhDsaSha2_256s, "SLH-DSA-SHA2-256s:id-slh-dsa-sha2-256s:2.16.840.1.101.3.4.3.24"},
    {KeyType::kSlhDsaSha2_256f, "SLH-DSA-SHA2-256f:id-slh-dsa-sha2-256f:2.16.840.1.101.3.4.3.25"},
    {KeyType::kSlhDsaShake_128s,
     "SLH-DSA-SHAKE-128s:id-slh-dsa-shake-128s:2.16.840.1.101.3.4.3.26"},
    {KeyType::kSlhDsaShake_128f,
     "SLH-DSA-SHAKE-128f:id-slh-dsa-shake-128f:2.16.840.1.101.3.4.3.27"},
    {KeyType::kSlhDsaShake_192s,
     "SLH-DSA-SHAKE-192s:id-slh-dsa-shake-192s:2.16.840.1.101.3.4.3.28"},
    {KeyType::kSlhDsaShake_192f,
     "SLH-DSA-SHAKE-192f:id-slh-dsa-shake-192f:2.16.840.1.101.3.4.3.29"},
    {KeyType::kSlhDsaShake_256s,
     "SLH-DSA-SHAKE-256s:id-slh-dsa-shake-256s:2.16.840.1.101.3.4.3.30"},
    {KeyType::kSlhDsaShake_256f,
     "SLH-DSA-SHAKE-256f:id-slh-dsa-shake-256f:2.16.840.1.101.3.4.3.31"},
});
static_assert(kTypes.size() == kPairTypes);
constexpr auto kSecretTypes = std::to_array<TypeNames>({
    {KeyType::kAes, "AES:2.16.840.1.101.3.4.1"},
    {KeyType::kAesXts, "AES-XTS"},
    {KeyType::kGenericSecret, "GENERIC-SECRET"},
    // DES3 is OpenSSL's name for a cipher in CBC, and a name has one meaning for all operations.
    {KeyType::kDes3, "3DES"},
    {KeyType::kChaCha20, "ChaCha20"},
});

// EVP_SKEY came with OpenSSL 3.5.
bool HasOpaqueSecretKeys() {
  constexpr auto kVersion35 = 0x30500000UL;
  return OpenSSL_version_num() >= kVersion35;
}

// Instances of EdDSA that are algorithms of their own, since OpenSSL 3.4.
// NOLINTBEGIN(cppcoreguidelines-interfaces-global-init): addresses of tables are constants
const OSSL_ALGORITHM kEddsaInstances[] = {
    {"ED25519ctx", PROPERTIES, kEd25519CtxSignature, "Ed25519 with a context string"},
    {"ED25519ph", PROPERTIES, kEd25519PhSignature, "Ed25519 over a digest"},
    {"ED448ph", PROPERTIES, kEd448PhSignature, "Ed448 over a digest"},
};
// NOLINTEND(cppcoreguidelines-interfaces-global-init)

struct Encoder {
  const char* properties;
  const OSSL_DISPATCH* table;
  const char* description;
};
// What every key type is written as.
constexpr auto kCommonEncoders = std::to_array<Encoder>({
    {PEM_OF("PrivateKeyInfo"), kReferencePemEncoder, "Reference to a held key"},
    {DER_OF("PrivateKeyInfo"), kReferenceDerEncoder, "Reference to a held key"},
    {PEM_OF("EncryptedPrivateKeyInfo"), kReferencePemEncoder, "Reference to a held key"},
    {DER_OF("EncryptedPrivateKeyInfo"), kReferenceDerEncoder, "Reference to a held key"},
    {PEM_OF("SubjectPublicKeyInfo"), kSpkiPemEncoder, "Public key"},
    {DER_OF("SubjectPublicKeyInfo"), kSpkiDerEncoder, "Public key"},
    {TEXT, kTextEncoder, "Text"},
});
// The traditional structures have names of their own only for the types that had one.
constexpr auto kTraditionalEncoders = std::to_array<Encoder>({
    {PEM_OF("type-specific"), kReferencePemEncoder, "Reference to a held key"},
    {DER_OF("type-specific"), kReferenceDerEncoder, "Reference to a held key"},
});
constexpr auto kPkcs1Encoders = std::to_array<Encoder>({
    {PEM_OF("pkcs1"), kReferencePemEncoder, "Reference to a held key"},
    {DER_OF("pkcs1"), kReferenceDerEncoder, "Reference to a held key"},
});

void AddEncoders(std::vector<OSSL_ALGORITHM>& rows, const TypeNames& type) {
  const auto add = [&](std::span<const Encoder> encoders) {
    for (const Encoder& encoder : encoders) {
      rows.push_back({type.names, encoder.properties, encoder.table, encoder.description});
    }
  };
  add(kCommonEncoders);
  if (type.type == KeyType::kRsa || type.type == KeyType::kEc) add(kTraditionalEncoders);
  if (type.type == KeyType::kRsa) add(kPkcs1Encoders);
}

// libssl asks for X25519 with its property query and takes what it gets, whichever provider has the
// group: a row that refuses in the middle of a handshake would keep another provider's from it.
bool IsLeftToOthers(const hsmcore::Forwarding* forwarding, KeyType type) {
  return forwarding != nullptr && hsmcore::RowOf(type).purpose == KeyPurpose::kAgree &&
         !forwarding->Approves(type);
}

}  // namespace

HeldAlgorithms::HeldAlgorithms(const hsmcore::Forwarding* forwarding)
    : signature_({{kTypes[0].names, PROPERTIES, kRsaSignature,
                   "RSA signatures: PKCS#1 v1.5, PSS, X9.31, raw"},
                  {"ECDSA", PROPERTIES, kEcdsaSignature, "ECDSA"}}),
      asym_cipher_(
          {{kTypes[0].names, PROPERTIES, kRsaCipher, "RSA encryption: OAEP, PKCS#1 v1.5, raw"}}),
      key_exchange_({{"ECDH", PROPERTIES, kEcdh, "ECDH"}}),
      kem_({{kTypes[0].names, PROPERTIES, kRsaKem, "RSASVE"}}),
      stores_({{"hsm", PROPERTIES, kStore, "Keys in the HSM by URI"}}),
      decoders_({{"DER", PROPERTIES ",input=pem", kPemDecoder, "Key reference files"}}) {
  for (const TypeNames& type : kTypes) {
    if (!hsmcore::IsAvailable(type.type) || IsLeftToOthers(forwarding, type.type)) continue;
    const char* name = AlgorithmName(type.type);
    keymgmt_.push_back({type.names, PROPERTIES, KeymgmtOf(type.type), name});
    decoders_.push_back({type.names, REFERENCE, ReferenceDecoderOf(type.type), "Key references"});
    AddEncoders(encoders_, type);
    const hsmcore::KeyTypeRow& row = hsmcore::RowOf(type.type);
    if (row.form != hsmcore::KeyForm::kRaw) continue;
    if (row.purpose == KeyPurpose::kSign) {
      const bool eddsa = type.type <= KeyType::kEd448;
      const OSSL_DISPATCH* by_instance =
          hsmcore::HasEddsaInstances() ? kEddsaInstanceSignature : kEddsaSignature;
      signature_.push_back({type.names, PROPERTIES, eddsa ? by_instance : kMessageSignature, name});
    } else if (row.purpose == KeyPurpose::kAgree) {
      key_exchange_.push_back({type.names, PROPERTIES, kRawExchange, name});
    } else {
      kem_.push_back({type.names, PROPERTIES, kMlKem, name});
    }
  }
  if (HasOpaqueSecretKeys()) {
    for (const TypeNames& type : kSecretTypes) {
      skeymgmt_.push_back(
          {type.names, PROPERTIES, SkeymgmtOf(type.type), AlgorithmName(type.type)});
    }
  }
  for (const OSSL_ALGORITHM& row : kEddsaInstances) {
    if (hsmcore::HasSignature(row.algorithm_names)) signature_.push_back(row);
  }
  for (Rows* rows : {&keymgmt_, &signature_, &asym_cipher_, &key_exchange_, &kem_, &skeymgmt_,
                     &stores_, &decoders_, &encoders_}) {
    if (forwarding != nullptr && forwarding->claims_fips()) ClaimFips(*forwarding, *rows);
    rows->push_back({nullptr, nullptr, nullptr, nullptr});
  }
}

void HeldAlgorithms::ClaimFips(const hsmcore::Forwarding& forwarding, Rows& rows) {
  for (OSSL_ALGORITHM& row : rows) {
    const std::string_view names = row.algorithm_names;
    const auto type = hsmcore::KeyTypeByName(names.substr(0, names.find(':')));
    if (type && !forwarding.Approves(*type)) continue;
    row.property_definition =
        properties_.emplace_back(std::string(row.property_definition) + ",fips=yes").c_str();
  }
}

const OSSL_ALGORITHM* HeldAlgorithms::Of(int operation) const {
  switch (operation) {
    case OSSL_OP_KEYMGMT:
      return keymgmt_.data();
    case OSSL_OP_SIGNATURE:
      return signature_.data();
    case OSSL_OP_ASYM_CIPHER:
      return asym_cipher_.data();
    case OSSL_OP_KEYEXCH:
      return key_exchange_.data();
    case OSSL_OP_KEM:
      return kem_.data();
    case kOpSkeymgmt:
      return skeymgmt_.data();
    case OSSL_OP_STORE:
      return stores_.data();
    case OSSL_OP_DECODER:
      return decoders_.data();
    case OSSL_OP_ENCODER:
      return encoders_.data();
    default:
      return nullptr;
  }
}

}  // namespace provider
