// SPDX-License-Identifier: Apache-2.0
#include <openssl/core_names.h>

#include <array>

#include "algorithm_id.h"
#include "params.h"
#include "signature.h"

namespace provider {
namespace {

using hsmcore::Digest;
using Kind = hsmcore::SignMechanism::Kind;

class EcdsaSignature : public SignatureContext {
 public:
  explicit EcdsaSignature(const ProviderContext& provider) : SignatureContext(provider) {
    mechanism_ = {.kind = Kind::kEcdsa, .digest = Digest::kNone};
  }

  Status Init(SignatureUse use, const KeyObject* object, const OSSL_PARAM* params) {
    HSMCORE_CHECK(Begin(use, object));
    digest_is_fixed_ = false;
    return Set(params);
  }
  Status InitDigest(SignatureUse use, const char* digest, const KeyObject* object,
                    const OSSL_PARAM* params) {
    HSMCORE_CHECK(Init(use, object, params));
    if (digest != nullptr && *digest != '\0') {
      HSMCORE_TRY(mechanism_.digest, FindDigest(digest));
    }
    digest_is_fixed_ = true;
    return {};
  }

  Status Set(const OSSL_PARAM* params);
  Status Get(OSSL_PARAM* params) const;
  static const OSSL_PARAM* Settable();
  static const OSSL_PARAM* Gettable();

  Status SetDigest(const OSSL_PARAM& param) {
    HSMCORE_TRY(const Digest digest, GetDigest(param));
    if (digest_is_fixed_ && digest != mechanism_.digest) {
      return Fail(ErrorCode::kDigest, "the digest was given with the start of the operation");
    }
    mechanism_.digest = digest;
    return {};
  }
  Digest digest() const { return mechanism_.digest; }
  Status GetAlgorithmId(OSSL_PARAM& param) const {
    if (key_ == nullptr) return Fail(ErrorCode::kOperationState, "no key was given");
    HSMCORE_TRY(const Bytes der, AlgorithmId(mechanism_, *key_));
    return PutOctets(param, der);
  }

 private:
  bool digest_is_fixed_ = false;
};

// OpenSSL 3.2 can ask for RFC 6979 nonces; 0 is the random ones that are made here.
Status SetNonceType(EcdsaSignature&, const OSSL_PARAM& param) {
  HSMCORE_TRY(const unsigned type, GetUnsigned(param));
  if (type == 0) return {};
  return Fail(ErrorCode::kNotSupported, "deterministic nonces are not supported; nonce-type is 0");
}

constexpr auto kEcdsaRows = std::to_array<ParamRow<EcdsaSignature>>({
    {OSSL_SIGNATURE_PARAM_ALGORITHM_ID, OSSL_PARAM_OCTET_STRING, nullptr,
     [](const EcdsaSignature& c, OSSL_PARAM& p) { return c.GetAlgorithmId(p); }},
    {OSSL_SIGNATURE_PARAM_DIGEST, OSSL_PARAM_UTF8_STRING,
     [](EcdsaSignature& c, const OSSL_PARAM& p) { return c.SetDigest(p); },
     [](const EcdsaSignature& c, OSSL_PARAM& p) { return PutDigest(p, c.digest()); }},
    {OSSL_SIGNATURE_PARAM_DIGEST_SIZE, OSSL_PARAM_UNSIGNED_INTEGER, nullptr,
     [](const EcdsaSignature& c, OSSL_PARAM& p) { return PutSize(p, RowOf(c.digest()).size); }},
    {OSSL_SIGNATURE_PARAM_PROPERTIES, OSSL_PARAM_UTF8_STRING, Ignore<EcdsaSignature>, nullptr},
    {"nonce-type", OSSL_PARAM_UNSIGNED_INTEGER, SetNonceType, nullptr},
});
constexpr auto kEcdsaSettable = Settable(kEcdsaRows);
constexpr auto kEcdsaGettable = Gettable(kEcdsaRows);

const OSSL_PARAM* EcdsaSignature::Settable() { return kEcdsaSettable.data(); }
const OSSL_PARAM* EcdsaSignature::Gettable() { return kEcdsaGettable.data(); }
Status EcdsaSignature::Set(const OSSL_PARAM* params) {
  HSMCORE_CHECK(ExpectNoData());
  return SetAll<EcdsaSignature>(*this, kEcdsaRows, params);
}
Status EcdsaSignature::Get(OSSL_PARAM* params) const {
  return GetAll<EcdsaSignature>(*this, kEcdsaRows, params);
}

using Ecdsa = SignatureAdapter<EcdsaSignature>;

}  // namespace

const OSSL_DISPATCH kEcdsaSignature[] = {
    HSM_SIGNATURE_ROWS(Ecdsa),
    HSM_SIGNATURE_DIGEST_ROWS(Ecdsa),
    HSM_ENTRY_END,
};

}  // namespace provider
