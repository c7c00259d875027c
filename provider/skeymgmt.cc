// SPDX-License-Identifier: Apache-2.0
#include "skeymgmt.h"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "dispatch.h"
#include "guard.h"
#include "held_original.h"
#include "hsmcore/key_uri.h"
#include "keymgmt.h"
#include "params.h"

namespace provider {
namespace {

using hsmcore::Attribute;
using hsmcore::KeyClass;
using hsmcore::KeyPtr;
using hsmcore::KeyType;
using hsmcore::ObjectAttributes;
using hsmcore::SecretBytes;

// ---- What a new key may be used for: all that its type can do ----

struct UseRow {
  KeyType type;
  bool encrypts;
  bool signs;  // MACs
  bool derives;
};
constexpr auto kUses = std::to_array<UseRow>({
    {KeyType::kAes, true, true, true},
    {KeyType::kAesXts, true, false, false},
    {KeyType::kGenericSecret, false, true, true},
    {KeyType::kDes3, true, true, false},
    {KeyType::kChaCha20, true, false, false},
});
constexpr auto kFirstSecret = static_cast<std::size_t>(KeyType::kAes);
constexpr std::size_t IndexOf(KeyType type) {
  return static_cast<std::size_t>(type) - kFirstSecret;
}
constexpr bool InTypeOrder() {
  for (std::size_t i = 0; i < kUses.size(); ++i) {
    if (IndexOf(kUses.at(i).type) != i) return false;
  }
  return true;
}
static_assert(InTypeOrder(), "the table is indexed by the type");

ObjectAttributes DefaultForm(KeyType type) {
  ObjectAttributes form = hsmcore::KeyTemplate::Secret().private_half;
  const UseRow& uses = kUses.at(IndexOf(type));
  form.flags.Set(Attribute::kToken, false);
  form.flags.Set(Attribute::kEncrypt, uses.encrypts);
  form.flags.Set(Attribute::kDecrypt, uses.encrypts);
  form.flags.Set(Attribute::kSign, uses.signs);
  form.flags.Set(Attribute::kVerify, uses.signs);
  form.flags.Set(Attribute::kDerive, uses.derives);
  return form;
}

std::unique_ptr<SecretObject> ObjectOf(const ProviderContext& provider, KeyPtr key,
                                       std::optional<std::string> cluster = std::nullopt) {
  return std::make_unique<SecretObject>(provider, std::move(key), std::move(cluster));
}

// ---- Import: the program's own bytes, or the name of a key in the HSM ----

struct Source {
  std::optional<ByteView> bytes;
  const OSSL_PARAM* held = nullptr;
};

constexpr auto kImportRows = std::to_array<ParamRow<Source>>({
    {kSkeyRawBytes, OSSL_PARAM_OCTET_STRING,
     [](Source& source, const OSSL_PARAM& param) -> Status {
       HSMCORE_TRY(source.bytes, GetOctets(param));
       return {};
     },
     nullptr},
    {kHsmKey, OSSL_PARAM_UTF8_STRING,
     [](Source& source, const OSSL_PARAM& param) -> Status {
       source.held = &param;
       return {};
     },
     nullptr},
});
constexpr auto kImportSettable = Settable(kImportRows);

Result<KeyPtr> ImportBytes(const ProviderContext& provider, KeyType type, const SecretBytes& value,
                           const ObjectAttributes& form) {
  HSMCORE_TRY(const SessionPtr session, provider.access.Anonymous({}));
  return session->ImportSecret(type, value, form);
}

Result<KeyPtr> LoadHeld(const ProviderContext& provider, KeyType type, const OSSL_PARAM& param) {
  HSMCORE_TRY(KeyPtr key, LoadHsmKey(provider, param));
  if (key->type() == type) return key;
  const std::string own = AlgorithmName(key->type());
  return Fail(ErrorCode::kKeyTypeMismatch,
              "the key is of type " + std::string(NameOf(key->type())) +
                  ", whose key management is " + own + ", not " + AlgorithmName(type) +
                  ": name that one (-skeymgmt " + own + ")");
}

Result<std::unique_ptr<SecretObject>> Import(const ProviderContext& provider, KeyType type,
                                             int selection, const OSSL_PARAM* params) {
  Source source;
  HSMCORE_CHECK(SetAll<Source>(source, kImportRows, params));
  if ((selection & kSkeymgmtSelectSecretKey) == 0) {
    return Fail(ErrorCode::kInvalidArgument, "a secret key has nothing to import but itself");
  }
  if (source.bytes && source.held != nullptr) return std::unexpected(TwoKeys());
  if (source.held != nullptr) {
    HSMCORE_TRY(const hsmcore::KeyUri uri, GetKeyUri(*source.held));
    HSMCORE_TRY(KeyPtr key, LoadHeld(provider, type, *source.held));
    return ObjectOf(provider, std::move(key), uri.cluster);
  }
  if (!source.bytes) {
    return Fail(ErrorCode::kInvalidArgument,
                "no key is given: hsm-key names one in the HSM by its URI, raw-bytes is one");
  }
  HSMCORE_TRY(KeyPtr key,
              ImportBytes(provider, type, SecretBytes::CopyOf(*source.bytes), DefaultForm(type)));
  return ObjectOf(provider, std::move(key));
}

// ---- Export ----

Status Export(const SecretObject& object, int selection, OSSL_CALLBACK* callback, void* argument) {
  std::size_t size = std::get<hsmcore::SecretFacts>(object.key()->public_part()).length;
  std::array<OSSL_PARAM, 3> params = {OSSL_PARAM_construct_size_t(kSkeyKeyLength, &size),
                                      OSSL_PARAM_construct_end(), OSSL_PARAM_construct_end()};
  if ((selection & kSkeymgmtSelectSecretKey) != 0) {
    HSMCORE_TRY(const ByteView value, object.key()->GivenValue());
    // EVP_SKEY_get0_raw_key keeps the pointer: these are the key's own bytes, which nobody writes.
    params[1] = OSSL_PARAM_construct_octet_string(
        kSkeyRawBytes, const_cast<std::uint8_t*>(value.data()), value.size());
  }
  if (callback(params.data(), argument) == 1) return {};
  return Fail(ErrorCode::kNotSupported, "the other provider did not take the key");
}

// ---- Generation ----

struct SecretGeneration {
  explicit SecretGeneration(KeyType type) : form(DefaultForm(type)) { spec.type = type; }

  hsmcore::KeySpec spec;
  ObjectAttributes form;
  hsmcore::KeyUri cluster;    // names the cluster, or nothing
  std::optional<bool> token;  // unset: a key with a name is kept
  bool named = false;
};

Status SetLength(SecretGeneration& generation, const OSSL_PARAM& param) {
  HSMCORE_TRY(generation.spec.secret_bytes, GetSize(param));
  if (generation.spec.secret_bytes != 0) return {};
  return Fail(ErrorCode::kKeySize, "'key-length' is in bytes, and not 0");
}
Status SetAttribute(SecretGeneration& generation, const OSSL_PARAM& param) {
  return ApplyAttribute(generation.form, KeyClass::kSecretKey, param);
}
Status SetName(SecretGeneration& generation, const OSSL_PARAM& param) {
  generation.named = true;
  return SetAttribute(generation, param);
}
Status SetCluster(SecretGeneration& generation, const OSSL_PARAM& param) {
  HSMCORE_TRY(const std::string_view name, GetText(param));
  generation.cluster.cluster = name;
  return {};
}
Status SetToken(SecretGeneration& generation, const OSSL_PARAM& param) {
  HSMCORE_CHECK(SetAttribute(generation, param));
  generation.token = generation.form.flags.Has(Attribute::kToken);
  return {};
}

// Every attribute that may be given at creation; a test holds this list against hsmcore's.
constexpr auto kGenerationRows = std::to_array<ParamRow<SecretGeneration>>({
    {kSkeyKeyLength, OSSL_PARAM_UNSIGNED_INTEGER, SetLength, nullptr},
    {"hsm-cluster", OSSL_PARAM_UTF8_STRING, SetCluster, nullptr},
    {"hsm-label", OSSL_PARAM_UTF8_STRING, SetName, nullptr},
    {"hsm-id", OSSL_PARAM_UTF8_STRING, SetName, nullptr},
    {"hsm-token", OSSL_PARAM_UTF8_STRING, SetToken, nullptr},
    {"hsm-private", OSSL_PARAM_UTF8_STRING, SetAttribute, nullptr},
    {"hsm-sensitive", OSSL_PARAM_UTF8_STRING, SetAttribute, nullptr},
    {"hsm-extractable", OSSL_PARAM_UTF8_STRING, SetAttribute, nullptr},
    {"hsm-modifiable", OSSL_PARAM_UTF8_STRING, SetAttribute, nullptr},
    {"hsm-destroyable", OSSL_PARAM_UTF8_STRING, SetAttribute, nullptr},
    {"hsm-encrypt", OSSL_PARAM_UTF8_STRING, SetAttribute, nullptr},
    {"hsm-decrypt", OSSL_PARAM_UTF8_STRING, SetAttribute, nullptr},
    {"hsm-sign", OSSL_PARAM_UTF8_STRING, SetAttribute, nullptr},
    {"hsm-verify", OSSL_PARAM_UTF8_STRING, SetAttribute, nullptr},
    {"hsm-wrap", OSSL_PARAM_UTF8_STRING, SetAttribute, nullptr},
    {"hsm-unwrap", OSSL_PARAM_UTF8_STRING, SetAttribute, nullptr},
    {"hsm-derive", OSSL_PARAM_UTF8_STRING, SetAttribute, nullptr},
    {"hsm-wrap-with-trusted", OSSL_PARAM_UTF8_STRING, SetAttribute, nullptr},
});
constexpr auto kGenerationSettable = Settable(kGenerationRows);

Result<std::unique_ptr<SecretObject>> Generate(const ProviderContext& provider, KeyType type,
                                               const OSSL_PARAM* params) {
  SecretGeneration generation(type);
  HSMCORE_CHECK(SetAll<SecretGeneration>(generation, kGenerationRows, params));
  const bool token = generation.token.value_or(generation.named);
  generation.form.flags.Set(Attribute::kToken, token);
  HSMCORE_TRY(const SessionPtr session, token ? provider.access.Login(generation.cluster, {})
                                              : provider.access.Anonymous(generation.cluster));
  HSMCORE_TRY(KeyPtr key, session->Generate(generation.spec, {generation.form, {}}));
  return ObjectOf(provider, std::move(key), generation.cluster.cluster);
}

// ---- C callbacks ----

const SecretObject& Of(const void* skeydata) { return *static_cast<const SecretObject*>(skeydata); }

void FreeKey(void* skeydata) { delete static_cast<SecretObject*>(skeydata); }

int ExportParts(void* skeydata, int selection, OSSL_CALLBACK* callback, void* argument) {
  return Guard(Of(skeydata).core(),
               [&] { return Export(Of(skeydata), selection, callback, argument); });
}

const char* KeyId(void* skeydata) { return Of(skeydata).id(); }

const OSSL_PARAM* ImportSettable(void*) { return kImportSettable.data(); }
const OSSL_PARAM* GenerationSettable(void*) { return kGenerationSettable.data(); }

template <KeyType kType>
struct Skeymgmt {
  static void* ImportKey(void* provctx, int selection, const OSSL_PARAM* params) {
    const auto& provider = ProviderContext::From(provctx);
    return Guard(provider.core, [&] { return Import(provider, kType, selection, params); });
  }
  static void* GenerateKey(void* provctx, const OSSL_PARAM* params) {
    const auto& provider = ProviderContext::From(provctx);
    return Guard(provider.core, [&] { return Generate(provider, kType, params); });
  }
  static const OSSL_DISPATCH kRows[];
};

// NOLINTBEGIN(google-readability-casting): the check takes HSM_ENTRY's cast for one of C here
template <KeyType kType>
const OSSL_DISPATCH Skeymgmt<kType>::kRows[] = {
    HSM_ENTRY_OF(kSkeymgmtFree, SkeymgmtFree, FreeKey),
    HSM_ENTRY_OF(kSkeymgmtImport, SkeymgmtImport, ImportKey),
    HSM_ENTRY_OF(kSkeymgmtExport, SkeymgmtExport, ExportParts),
    HSM_ENTRY_OF(kSkeymgmtGenerate, SkeymgmtGenerate, GenerateKey),
    HSM_ENTRY_OF(kSkeymgmtGetKeyId, SkeymgmtGetKeyId, KeyId),
    HSM_ENTRY_OF(kSkeymgmtImportSettableParams, SkeymgmtSettableParams, ImportSettable),
    HSM_ENTRY_OF(kSkeymgmtGenerateSettableParams, SkeymgmtSettableParams, GenerationSettable),
    HSM_ENTRY_END,
};
// NOLINTEND(google-readability-casting)

struct TypeTable {
  const OSSL_DISPATCH* rows;
  SkeymgmtImport* import;
};
template <std::size_t... kIndex>
constexpr std::array<TypeTable, sizeof...(kIndex)> AllTables(std::index_sequence<kIndex...>) {
  return {TypeTable{Skeymgmt<static_cast<KeyType>(kFirstSecret + kIndex)>::kRows,
                    Skeymgmt<static_cast<KeyType>(kFirstSecret + kIndex)>::ImportKey}...};
}
constexpr auto kTables = AllTables(std::make_index_sequence<kUses.size()>());

// The program has its bytes: it gave them.
bool IsKnownToProgram(const hsmcore::Key& key) {
  const hsmcore::KeyInfo* info = key.private_info();
  return info != nullptr && !key.is_token() && !info->attributes.flags.Has(Attribute::kLocal) &&
         info->attributes.flags.Has(Attribute::kExtractable);
}

std::string IdOf(const hsmcore::Key& key, std::optional<std::string> cluster) {
  hsmcore::KeyUri uri;
  uri.cluster = std::move(cluster);
  uri.handle = key.private_info()->handle;
  uri.klass = KeyClass::kSecretKey;
  return uri.ToString();
}

}  // namespace

SecretObject::SecretObject(const ProviderContext& provider, KeyPtr key,
                           std::optional<std::string> cluster)
    : provider_(provider), key_(std::move(key)), id_(IdOf(*key_, std::move(cluster))) {}

const OSSL_DISPATCH* SkeymgmtOf(KeyType type) { return kTables.at(IndexOf(type)).rows; }

Result<std::unique_ptr<SecretObject>> KeepDerived(const ProviderContext& provider,
                                                  SkeymgmtImport* import, const SecretBytes& value,
                                                  const hsmcore::Key* from) {
  const auto* table = std::ranges::find(kTables, import, &TypeTable::import);
  if (table == kTables.end()) {
    return Fail(ErrorCode::kInvalidArgument,
                "a key that is derived here has a key management of this provider: fetch it with "
                "provider=hsm");
  }
  const auto type =
      static_cast<KeyType>(kFirstSecret + static_cast<std::size_t>(table - kTables.begin()));
  ObjectAttributes form = DefaultForm(type);
  form.flags.Set(Attribute::kExtractable, from == nullptr || IsKnownToProgram(*from));
  HSMCORE_TRY(KeyPtr key, ImportBytes(provider, type, value, form));
  return ObjectOf(provider, std::move(key));
}

}  // namespace provider
