// SPDX-License-Identifier: Apache-2.0
// Signatures over whole messages: ML-DSA, SLH-DSA. They hash the message with something before it.
#include <openssl/core_names.h>

#include <array>

#include "algorithm_id.h"
#include "newer_openssl.h"
#include "params.h"
#include "signature.h"

namespace provider {
namespace {

using hsmcore::Digest;
using hsmcore::KeyType;
using Kind = hsmcore::SignMechanism::Kind;

Kind KindOf(KeyType type) { return type <= KeyType::kMlDsa87 ? Kind::kMlDsa : Kind::kSlhDsa; }

class MessageSignature : public SignatureContext {
 public:
  explicit MessageSignature(const ProviderContext& provider) : SignatureContext(provider) {}

  Status Init(SignatureUse use, const KeyObject* object, const OSSL_PARAM* params) {
    HSMCORE_CHECK(Begin(use, object));
    if (object != nullptr) {
      mechanism_ = {.kind = KindOf(key_->type()), .digest = Digest::kNone};
    }
    return Set(params);
  }
  Status InitDigest(SignatureUse use, const char* digest, const KeyObject* object,
                    const OSSL_PARAM* params) {
    HSMCORE_CHECK(ExpectNoDigest(digest));
    return Init(use, object, params);
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
  Status SetContext(const OSSL_PARAM& param);
  Status SetEncoding(const OSSL_PARAM& param);
  Status SetDeterministic(const OSSL_PARAM& param);
  Status SetMu(const OSSL_PARAM& param);
};

template <Status (MessageSignature::*kMember)(const OSSL_PARAM&)>
Status SetBy(MessageSignature& signature, const OSSL_PARAM& param) {
  return (signature.*kMember)(param);
}

// The names are OSSL_SIGNATURE_PARAM_... of OpenSSL 3.5.
constexpr auto kRows = std::to_array<ParamRow<MessageSignature>>({
    {OSSL_SIGNATURE_PARAM_ALGORITHM_ID, OSSL_PARAM_OCTET_STRING, nullptr,
     [](const MessageSignature& c, OSSL_PARAM& p) { return c.GetAlgorithmId(p); }},
    {"context-string", OSSL_PARAM_OCTET_STRING, SetBy<&MessageSignature::SetContext>, nullptr},
    {"message-encoding", OSSL_PARAM_INTEGER, SetBy<&MessageSignature::SetEncoding>, nullptr},
    {"deterministic", OSSL_PARAM_INTEGER, SetBy<&MessageSignature::SetDeterministic>, nullptr},
    {"mu", OSSL_PARAM_INTEGER, SetBy<&MessageSignature::SetMu>, nullptr},
});
constexpr auto kSettable = Settable(kRows);
constexpr auto kGettable = Gettable(kRows);

const OSSL_PARAM* MessageSignature::Settable() { return kSettable.data(); }
const OSSL_PARAM* MessageSignature::Gettable() { return kGettable.data(); }

Status MessageSignature::Set(const OSSL_PARAM* params) {
  return SetAll<MessageSignature>(*this, kRows, params);
}
Status MessageSignature::Get(OSSL_PARAM* params) const {
  return GetAll<MessageSignature>(*this, kRows, params);
}

Status MessageSignature::SetContext(const OSSL_PARAM& param) { return SetContextString(param); }

Status MessageSignature::SetEncoding(const OSSL_PARAM& param) {
  HSMCORE_TRY(const int encoding, GetInt(param));
  if (encoding != 0 && encoding != 1) {
    return Fail(ErrorCode::kMechanism, "message-encoding is 1, or 0 for a message that has it");
  }
  mechanism_.encoded = encoding == 0;
  return {};
}

Status MessageSignature::SetDeterministic(const OSSL_PARAM& param) {
  HSMCORE_TRY(const int deterministic, GetInt(param));
  mechanism_.deterministic = deterministic != 0;
  return {};
}

Status MessageSignature::SetMu(const OSSL_PARAM& param) {
  HSMCORE_TRY(const int mu, GetInt(param));
  mechanism_.external_mu = mu != 0;
  return {};
}

using Message = SignatureAdapter<MessageSignature>;

}  // namespace

// OpenSSL has these key types since 3.5, so it knows the calls for whole messages too.
const OSSL_DISPATCH kMessageSignature[] = {
    HSM_SIGNATURE_ROWS(Message),
    HSM_ENTRY_AS(kSignatureSignMessageInit, signature_sign_init,
                 Message::Init<SignatureUse::kSign>),
    HSM_ENTRY(SIGNATURE_SIGN, signature_sign, Message::Sign),
    HSM_ENTRY_AS(kSignatureVerifyMessageInit, signature_verify_init,
                 Message::Init<SignatureUse::kVerify>),
    HSM_ENTRY(SIGNATURE_VERIFY, signature_verify, Message::Verify),
    HSM_ENTRY(SIGNATURE_SET_CTX_PARAMS, signature_set_ctx_params, Message::Set),
    HSM_ENTRY(SIGNATURE_SETTABLE_CTX_PARAMS, signature_settable_ctx_params, Message::Settable),
    HSM_ENTRY_END,
};

}  // namespace provider
