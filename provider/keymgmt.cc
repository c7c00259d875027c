// SPDX-License-Identifier: Apache-2.0
#include "keymgmt.h"

#include <openssl/core_dispatch.h>

#include <array>
#include <utility>

#include "dispatch.h"
#include "guard.h"

namespace provider {
namespace {

using hsmcore::KeyType;

KeyObject& ObjectOf(void* keydata) { return *static_cast<KeyObject*>(keydata); }
const KeyObject& ObjectOf(const void* keydata) { return *static_cast<const KeyObject*>(keydata); }

bool Has(const KeyObject& object, int selection) {
  if ((selection & OSSL_KEYMGMT_SELECT_PRIVATE_KEY) != 0 && !object.has_private()) return false;
  if ((selection & OSSL_KEYMGMT_SELECT_PUBLIC_KEY) != 0 && object.key() == nullptr) return false;
  return object.type() != KeyType::kEc ||
         (selection & OSSL_KEYMGMT_SELECT_DOMAIN_PARAMETERS) == 0 || object.curve().has_value();
}

// Two keys with the same public numbers are the same pair; nobody compares private parts. The
// restrictions of an RSA-PSS key do not count: libcrypto leaves them out when it moves the other
// key here to have it compared.
bool SameNumbers(const hsmcore::PublicMaterial& a, const hsmcore::PublicMaterial& b) {
  if (const auto* rsa = std::get_if<hsmcore::RsaPublic>(&a)) {
    const auto& other = std::get<hsmcore::RsaPublic>(b);
    return rsa->modulus == other.modulus && rsa->exponent == other.exponent;
  }
  return a == b;
}

bool Match(const KeyObject& a, const KeyObject& b, int selection) {
  if (a.type() != b.type()) return false;
  if ((selection & OSSL_KEYMGMT_SELECT_KEYPAIR) != 0) {
    return a.key() != nullptr && b.key() != nullptr &&
           SameNumbers(a.key()->public_part(), b.key()->public_part());
  }
  return (selection & OSSL_KEYMGMT_SELECT_DOMAIN_PARAMETERS) == 0 || a.curve() == b.curve();
}

// The callbacks of one key type. libcrypto calls them with the key data that New, Load, Gen or Dup
// gave it.
template <KeyType kType>
struct Keymgmt {
  static void* New(void* provctx) {
    const auto& provider = ProviderContext::From(provctx);
    return Guard(provider.core, [&]() -> Result<std::unique_ptr<KeyObject>> {
      return std::make_unique<KeyObject>(provider, kType);
    });
  }

  static void Free(void* keydata) { delete static_cast<KeyObject*>(keydata); }

  static void* Dup(const void* keydata, int selection) {
    return Guard(ObjectOf(keydata).core(), [&] { return ObjectOf(keydata).Copy(selection); });
  }

  // The reference is a pointer to a pointer that the store or the decoder owns; taking the key
  // leaves it empty.
  static void* Load(const void* reference, std::size_t size) {
    if (size != sizeof(KeyObject*)) return nullptr;
    auto* slot = static_cast<KeyObject**>(const_cast<void*>(reference));
    if (*slot == nullptr || (*slot)->type() != kType) return nullptr;
    return std::exchange(*slot, nullptr);
  }

  static int HasParts(const void* keydata, int selection) {
    return keydata != nullptr && Has(ObjectOf(keydata), selection) ? 1 : 0;
  }

  static int MatchParts(const void* a, const void* b, int selection) {
    return a != nullptr && b != nullptr && Match(ObjectOf(a), ObjectOf(b), selection) ? 1 : 0;
  }

  // hsmcore checks a key when it is made or imported, so one that is there is valid.
  static int Validate(const void* keydata, int selection, int) {
    return HasParts(keydata, selection);
  }

  static int Import(void* keydata, int selection, const OSSL_PARAM* params) {
    return Guard(ObjectOf(keydata).core(),
                 [&] { return ImportKey(ObjectOf(keydata), selection, params); });
  }
  static int Export(void* keydata, int selection, OSSL_CALLBACK* callback, void* argument) {
    return Guard(ObjectOf(keydata).core(),
                 [&] { return ExportKey(ObjectOf(keydata), selection, callback, argument); });
  }
  static const OSSL_PARAM* ImportTypesOf(int selection) { return ImportTypes(kType, selection); }
  static const OSSL_PARAM* ExportTypesOf(int selection) { return ExportTypes(kType, selection); }

  static int GetParams(void* keydata, OSSL_PARAM* params) {
    return Guard(ObjectOf(keydata).core(), [&] { return GetKeyParams(ObjectOf(keydata), params); });
  }
  static int SetParams(void* keydata, const OSSL_PARAM* params) {
    return Guard(ObjectOf(keydata).core(), [&] { return SetKeyParams(ObjectOf(keydata), params); });
  }
  static const OSSL_PARAM* Gettable(void*) { return GettableOf(kType); }
  static const OSSL_PARAM* Settable(void*) { return SettableOf(kType); }

  static void* GenInit(void* provctx, int selection, const OSSL_PARAM* params) {
    const auto& provider = ProviderContext::From(provctx);
    return Guard(provider.core,
                 [&] { return BeginGeneration(provider, kType, selection, params); });
  }
  static int GenSetTemplate(void* genctx, void* pattern) {
    auto& generation = *static_cast<Generation*>(genctx);
    return Guard(generation.provider.core,
                 [&] { return SetGenerationTemplate(generation, ObjectOf(pattern)); });
  }
  static int GenSetParams(void* genctx, const OSSL_PARAM* params) {
    auto& generation = *static_cast<Generation*>(genctx);
    return Guard(generation.provider.core, [&] { return SetGenerationParams(generation, params); });
  }
  static const OSSL_PARAM* GenSettable(void*, void*) { return GenerationSettableOf(kType); }
  static void* Gen(void* genctx, OSSL_CALLBACK*, void*) {
    const auto& generation = *static_cast<const Generation*>(genctx);
    return Guard(generation.provider.core, [&] { return Generate(generation); });
  }
  static void GenCleanup(void* genctx) { delete static_cast<Generation*>(genctx); }

  // Where the operation's algorithm is not called like the key type.
  static const char* OperationName(int operation) {
    if (kType == KeyType::kEc) return operation == OSSL_OP_KEYEXCH ? "ECDH" : "ECDSA";
    return AlgorithmName(kType == KeyType::kRsaPss ? KeyType::kRsa : kType);
  }
};

// NOLINTBEGIN(google-readability-casting): the check takes HSM_ENTRY's cast for one of C here
template <KeyType kType>
struct KeymgmtTable {
  static const OSSL_DISPATCH kRows[];
};
template <KeyType kType>
const OSSL_DISPATCH KeymgmtTable<kType>::kRows[] = {
    HSM_ENTRY(KEYMGMT_NEW, keymgmt_new, Keymgmt<kType>::New),
    HSM_ENTRY(KEYMGMT_FREE, keymgmt_free, Keymgmt<kType>::Free),
    HSM_ENTRY(KEYMGMT_DUP, keymgmt_dup, Keymgmt<kType>::Dup),
    HSM_ENTRY(KEYMGMT_LOAD, keymgmt_load, Keymgmt<kType>::Load),
    HSM_ENTRY(KEYMGMT_HAS, keymgmt_has, Keymgmt<kType>::HasParts),
    HSM_ENTRY(KEYMGMT_MATCH, keymgmt_match, Keymgmt<kType>::MatchParts),
    HSM_ENTRY(KEYMGMT_VALIDATE, keymgmt_validate, Keymgmt<kType>::Validate),
    HSM_ENTRY(KEYMGMT_IMPORT, keymgmt_import, Keymgmt<kType>::Import),
    HSM_ENTRY(KEYMGMT_IMPORT_TYPES, keymgmt_import_types, Keymgmt<kType>::ImportTypesOf),
    HSM_ENTRY(KEYMGMT_EXPORT, keymgmt_export, Keymgmt<kType>::Export),
    HSM_ENTRY(KEYMGMT_EXPORT_TYPES, keymgmt_export_types, Keymgmt<kType>::ExportTypesOf),
    HSM_ENTRY(KEYMGMT_GET_PARAMS, keymgmt_get_params, Keymgmt<kType>::GetParams),
    HSM_ENTRY(KEYMGMT_GETTABLE_PARAMS, keymgmt_gettable_params, Keymgmt<kType>::Gettable),
    HSM_ENTRY(KEYMGMT_SET_PARAMS, keymgmt_set_params, Keymgmt<kType>::SetParams),
    HSM_ENTRY(KEYMGMT_SETTABLE_PARAMS, keymgmt_settable_params, Keymgmt<kType>::Settable),
    HSM_ENTRY(KEYMGMT_GEN_INIT, keymgmt_gen_init, Keymgmt<kType>::GenInit),
    HSM_ENTRY(KEYMGMT_GEN_SET_TEMPLATE, keymgmt_gen_set_template, Keymgmt<kType>::GenSetTemplate),
    HSM_ENTRY(KEYMGMT_GEN_SET_PARAMS, keymgmt_gen_set_params, Keymgmt<kType>::GenSetParams),
    HSM_ENTRY(KEYMGMT_GEN_SETTABLE_PARAMS, keymgmt_gen_settable_params,
              Keymgmt<kType>::GenSettable),
    HSM_ENTRY(KEYMGMT_GEN, keymgmt_gen, Keymgmt<kType>::Gen),
    HSM_ENTRY(KEYMGMT_GEN_CLEANUP, keymgmt_gen_cleanup, Keymgmt<kType>::GenCleanup),
    HSM_ENTRY(KEYMGMT_QUERY_OPERATION_NAME, keymgmt_query_operation_name,
              Keymgmt<kType>::OperationName),
    HSM_ENTRY_END,
};

// NOLINTEND(google-readability-casting)

template <std::size_t... kIndex>
constexpr std::array<const OSSL_DISPATCH*, sizeof...(kIndex)> AllTables(
    std::index_sequence<kIndex...>) {
  return {KeymgmtTable<static_cast<KeyType>(kIndex)>::kRows...};
}
constexpr auto kTables = AllTables(std::make_index_sequence<kPairTypes>());

}  // namespace

const OSSL_DISPATCH* KeymgmtOf(KeyType type) { return kTables[static_cast<std::size_t>(type)]; }

}  // namespace provider
