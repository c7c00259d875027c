// SPDX-License-Identifier: Apache-2.0
// EdDSA and its instances (RFC 8032).
#include <openssl/core_names.h>

#include <algorithm>
#include <array>
#include <string>
#include <string_view>

#include "algorithm_id.h"
#include "params.h"
#include "signature.h"

namespace provider {
namespace {

using hsmcore::Digest;
using hsmcore::EddsaInstance;
using hsmcore::EddsaRow;
using hsmcore::KeyType;
using Kind = hsmcore::SignMechanism::Kind;

constexpr const char* kInstance = "instance";  // OSSL_SIGNATURE_PARAM_INSTANCE of OpenSSL 3.2

bool SameName(std::string_view a, std::string_view b) {
  constexpr auto kLower = [](char c) { return c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c; };
  return std::ranges::equal(a, b, {}, kLower, kLower);
}

class EddsaSignature : public SignatureContext {
 public:
  explicit EddsaSignature(const ProviderContext& provider) : SignatureContext(provider) {}

  Status Init(SignatureUse use, const KeyObject* object, const OSSL_PARAM* params) {
    return Start(use, object, false, params);
  }
  // EVP_PKEY_sign_init: what is signed is a digest.
  Status InitPrehashed(SignatureUse use, const KeyObject* object, const OSSL_PARAM* params) {
    return Start(use, object, true, params);
  }
  Status InitDigest(SignatureUse use, const char* digest, const KeyObject* object,
                    const OSSL_PARAM* params) {
    HSMCORE_CHECK(ExpectNoDigest(digest));
    return Start(use, object, false, params);
  }

  Status Set(const OSSL_PARAM* params);
  Status Get(OSSL_PARAM* params) const;
  static const OSSL_PARAM* Settable();
  static const OSSL_PARAM* Gettable();

  // One parameter each.
  Status GetAlgorithmId(OSSL_PARAM& param) const {
    if (key_ == nullptr) return Fail(ErrorCode::kOperationState, "no key was given");
    HSMCORE_TRY(const Bytes der, AlgorithmId(mechanism_, *key_));
    return PutOctets(param, der);
  }
  Status SetInstance(const OSSL_PARAM& param);
  Status SetContext(const OSSL_PARAM& param) { return SetContextString(param); }

 protected:
  // For the algorithms that are one instance.
  EddsaSignature(const ProviderContext& provider, KeyType type, EddsaInstance instance)
      : SignatureContext(provider), preset_(hsmcore::FindEddsa(type, instance)) {}

 private:
  Status Start(SignatureUse use, const KeyObject* object, bool prehashed, const OSSL_PARAM* params);

  const EddsaRow* preset_ = nullptr;
};

template <KeyType kType, EddsaInstance kOne>
class OneInstance : public EddsaSignature {
 public:
  explicit OneInstance(const ProviderContext& provider) : EddsaSignature(provider, kType, kOne) {}
};

constexpr auto kRows = std::to_array<ParamRow<EddsaSignature>>({
    {OSSL_SIGNATURE_PARAM_ALGORITHM_ID, OSSL_PARAM_OCTET_STRING, nullptr,
     [](const EddsaSignature& c, OSSL_PARAM& p) { return c.GetAlgorithmId(p); }},
    {kInstance, OSSL_PARAM_UTF8_STRING,
     [](EddsaSignature& c, const OSSL_PARAM& p) { return c.SetInstance(p); }, nullptr},
    {"context-string", OSSL_PARAM_OCTET_STRING,
     [](EddsaSignature& c, const OSSL_PARAM& p) { return c.SetContext(p); }, nullptr},
});
constexpr auto kSettable = Settable(kRows);
constexpr auto kGettable = Gettable(kRows);

const OSSL_PARAM* EddsaSignature::Settable() { return kSettable.data(); }
const OSSL_PARAM* EddsaSignature::Gettable() { return kGettable.data(); }

Status EddsaSignature::Start(SignatureUse use, const KeyObject* object, bool prehashed,
                             const OSSL_PARAM* params) {
  HSMCORE_CHECK(Begin(use, object));
  if (object != nullptr) {
    mechanism_ = {.kind = Kind::kEddsa, .digest = Digest::kNone};
    if (preset_ != nullptr) {
      if (key_->type() != preset_->type) {
        return Fail(ErrorCode::kKeyTypeMismatch,
                    std::string(preset_->name) + " with a key of type " + NameOf(key_->type()));
      }
      mechanism_.instance = preset_->instance;
    }
  }
  mechanism_.prehashed = prehashed;
  return Set(params);
}

Status EddsaSignature::Set(const OSSL_PARAM* params) {
  return SetAll<EddsaSignature>(*this, kRows, params);
}
Status EddsaSignature::Get(OSSL_PARAM* params) const {
  return GetAll<EddsaSignature>(*this, kRows, params);
}

Status EddsaSignature::SetInstance(const OSSL_PARAM& param) {
  HSMCORE_TRY(const std::string_view name, GetText(param));
  if (key_ == nullptr) return Fail(ErrorCode::kOperationState, "no key was given");
  if (preset_ != nullptr && !SameName(name, preset_->name)) {
    return Fail(ErrorCode::kMechanism, std::string("the algorithm is ") + preset_->name +
                                           "; for another instance fetch another algorithm");
  }
  std::string known;
  for (const EddsaRow& row : hsmcore::AllEddsaInstances()) {
    if (row.type != key_->type()) continue;
    if (!SameName(name, row.name)) {
      known += std::string(known.empty() ? "" : ", ") + row.name;
      continue;
    }
    if (row.instance != EddsaInstance::kPure && !hsmcore::HasEddsaInstances()) {
      return Fail(ErrorCode::kNotSupported, std::string(row.name) + " needs OpenSSL 3.2 or newer");
    }
    mechanism_.instance = row.instance;
    return {};
  }
  return Fail(ErrorCode::kMechanism, "a key of type " + std::string(NameOf(key_->type())) +
                                         " has the instances " + known + ", not '" +
                                         std::string(name) + "'");
}

template <class Context>
struct Adapter : SignatureAdapter<Context> {
  template <SignatureUse kUse>
  static int InitPrehashed(void* ctx, void* key, const OSSL_PARAM* params) {
    auto& context = Adapter::Of(ctx);
    return Guard(context.core(), [&] {
      return context.InitPrehashed(kUse, static_cast<const KeyObject*>(key), params);
    });
  }
};

using Any = Adapter<EddsaSignature>;
using Ed25519Ctx = Adapter<OneInstance<KeyType::kEd25519, EddsaInstance::kContext>>;
using Ed25519Ph = Adapter<OneInstance<KeyType::kEd25519, EddsaInstance::kPrehash>>;
using Ed448Ph = Adapter<OneInstance<KeyType::kEd448, EddsaInstance::kPrehash>>;

// OSSL_FUNC_SIGNATURE_QUERY_KEY_TYPES of OpenSSL 3.4: for algorithms that are not named as their
// keys are.
constexpr int kQueryKeyTypes = 26;
using OSSL_FUNC_query_key_types_fn = const char**();  // NOLINT(readability-identifier-naming)

template <KeyType kType>
const char** KeyTypes() {
  static const char* names[] = {kType == KeyType::kEd25519 ? "ED25519" : "ED448", nullptr};
  return names;
}

}  // namespace

// Message by EVP_DigestSign, and from OpenSSL 3.4 on by EVP_PKEY_sign_message_init; a digest, of
// the instances that hash first, by EVP_PKEY_sign_init.
#define HSM_EDDSA_PARAMETER_ROWS(Adapter)                                      \
  HSM_ENTRY(SIGNATURE_SET_CTX_PARAMS, signature_set_ctx_params, Adapter::Set), \
      HSM_ENTRY(SIGNATURE_SETTABLE_CTX_PARAMS, signature_settable_ctx_params, Adapter::Settable)
#define HSM_EDDSA_MESSAGE_ROWS(Adapter)                            \
  HSM_ENTRY_AS(kSignMessageInit, signature_sign_init,              \
               Adapter::template Init<SignatureUse::kSign>),       \
      HSM_ENTRY(SIGNATURE_SIGN, signature_sign, Adapter::Sign),    \
      HSM_ENTRY_AS(kVerifyMessageInit, signature_verify_init,      \
                   Adapter::template Init<SignatureUse::kVerify>), \
      HSM_ENTRY(SIGNATURE_VERIFY, signature_verify, Adapter::Verify)
#define HSM_EDDSA_DIGEST_ROWS(Adapter)                             \
  HSM_ENTRY(SIGNATURE_SIGN_INIT, signature_sign_init,              \
            Adapter::template InitPrehashed<SignatureUse::kSign>), \
      HSM_ENTRY(SIGNATURE_VERIFY_INIT, signature_verify_init,      \
                Adapter::template InitPrehashed<SignatureUse::kVerify>)
#define HSM_EDDSA_ONE_INSTANCE_ROWS(Adapter, type)                    \
  HSM_ENTRY(SIGNATURE_NEWCTX, signature_newctx, Adapter::New),        \
      HSM_ENTRY(SIGNATURE_FREECTX, signature_freectx, Adapter::Free), \
      HSM_ENTRY(SIGNATURE_DUPCTX, signature_dupctx, Adapter::Dup),    \
      HSM_ENTRY_AS(kQueryKeyTypes, query_key_types, KeyTypes<type>),  \
      HSM_EDDSA_MESSAGE_ROWS(Adapter), HSM_EDDSA_PARAMETER_ROWS(Adapter)

const OSSL_DISPATCH kEddsaSignature[] = {
    HSM_SIGNATURE_ROWS(Any),
    HSM_EDDSA_PARAMETER_ROWS(Any),
    HSM_ENTRY_END,
};
const OSSL_DISPATCH kEddsaInstanceSignature[] = {
    HSM_SIGNATURE_ROWS(Any),
    HSM_EDDSA_MESSAGE_ROWS(Any),
    HSM_EDDSA_DIGEST_ROWS(Any),
    HSM_EDDSA_PARAMETER_ROWS(Any),
    HSM_ENTRY_END,
};
const OSSL_DISPATCH kEd25519CtxSignature[] = {
    HSM_EDDSA_ONE_INSTANCE_ROWS(Ed25519Ctx, KeyType::kEd25519),
    HSM_ENTRY_END,
};
const OSSL_DISPATCH kEd25519PhSignature[] = {
    HSM_EDDSA_ONE_INSTANCE_ROWS(Ed25519Ph, KeyType::kEd25519),
    HSM_EDDSA_DIGEST_ROWS(Ed25519Ph),
    HSM_ENTRY_END,
};
const OSSL_DISPATCH kEd448PhSignature[] = {
    HSM_EDDSA_ONE_INSTANCE_ROWS(Ed448Ph, KeyType::kEd448),
    HSM_EDDSA_DIGEST_ROWS(Ed448Ph),
    HSM_ENTRY_END,
};

}  // namespace provider
