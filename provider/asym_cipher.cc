// SPDX-License-Identifier: Apache-2.0
#include "asym_cipher.h"

#include <openssl/core_names.h>
#include <openssl/prov_ssl.h>
#include <openssl/rsa.h>

#include <algorithm>
#include <array>
#include <memory>
#include <optional>
#include <span>

#include "dispatch.h"
#include "guard.h"
#include "key_object.h"
#include "params.h"

namespace provider {
namespace {

using hsmcore::CipherMechanism;
using Kind = hsmcore::CipherMechanism::Kind;
using Use = hsmcore::Key::Use;

struct Padding {
  int number;
  const char* name;
  Kind kind;
};
// The last is libssl's; it has a number only.
constexpr auto kPaddings = std::to_array<Padding>({
    {RSA_PKCS1_PADDING, OSSL_PKEY_RSA_PAD_MODE_PKCSV15, Kind::kRsaPkcs1},
    {RSA_PKCS1_OAEP_PADDING, OSSL_PKEY_RSA_PAD_MODE_OAEP, Kind::kRsaOaep},
    {RSA_NO_PADDING, OSSL_PKEY_RSA_PAD_MODE_NONE, Kind::kRsaRaw},
    {RSA_PKCS1_WITH_TLS_PADDING, "", Kind::kRsaTlsPkcs1},
});

// RSA encryption and decryption with OpenSSL's parameters and defaults: PKCS#1 v1.5 padding unless
// told otherwise, OAEP with SHA-1, MGF1 with OAEP's digest.
class RsaCipher {
 public:
  explicit RsaCipher(const ProviderContext& provider) : provider_(provider) {
    mechanism_.kind = Kind::kRsaPkcs1;
  }

  const Core& core() const { return provider_.core; }

  Status Init(Use use, const KeyObject* object, const OSSL_PARAM* params);
  // The size to offer for the output; costs nothing.
  Result<std::size_t> MaxSize() const;
  Result<std::size_t> Encrypt(ByteView in, std::span<std::uint8_t> out) const;
  Result<std::size_t> Decrypt(ByteView in, std::span<std::uint8_t> out) const;
  Status Set(const OSSL_PARAM* params);
  Status Get(OSSL_PARAM* params) const;

  // One parameter each.
  Status SetPadding(const OSSL_PARAM& param);
  Status GetPadding(OSSL_PARAM& param) const;
  Status SetOaepDigest(const OSSL_PARAM& param);
  Status GetOaepDigest(OSSL_PARAM& param) const { return PutDigest(param, mechanism_.digest); }
  Status SetMgfDigest(const OSSL_PARAM& param);
  Status GetMgfDigest(OSSL_PARAM& param) const { return PutDigest(param, mechanism_.mgf_digest); }
  Status SetLabel(const OSSL_PARAM& param);
  Status GetLabel(OSSL_PARAM& param) const { return PutOctetPointer(param, mechanism_.label); }
  Status SetClientVersion(const OSSL_PARAM& param);
  Status GetClientVersion(OSSL_PARAM& param) const {
    return PutUnsigned(param, mechanism_.tls_client_version);
  }
  Status SetNegotiatedVersion(const OSSL_PARAM& param);
  Status GetNegotiatedVersion(OSSL_PARAM& param) const {
    return PutUnsigned(param, mechanism_.tls_negotiated_version);
  }
  Status SetImplicitRejection(const OSSL_PARAM& param);

 private:
  Status ExpectUse(Use use) const;

  const ProviderContext& provider_;
  hsmcore::KeyPtr key_;
  std::optional<Use> use_;
  CipherMechanism mechanism_;
  bool mgf_is_set_ = false;  // otherwise it follows the digest
};

template <Status (RsaCipher::*kMember)(const OSSL_PARAM&)>
Status SetBy(RsaCipher& cipher, const OSSL_PARAM& param) {
  return (cipher.*kMember)(param);
}
template <Status (RsaCipher::*kMember)(OSSL_PARAM&) const>
Status GetBy(const RsaCipher& cipher, OSSL_PARAM& param) {
  return (cipher.*kMember)(param);
}

constexpr auto kRows = std::to_array<ParamRow<RsaCipher>>({
    {OSSL_ASYM_CIPHER_PARAM_PAD_MODE, OSSL_PARAM_UTF8_STRING, SetBy<&RsaCipher::SetPadding>,
     GetBy<&RsaCipher::GetPadding>},
    {OSSL_ASYM_CIPHER_PARAM_OAEP_DIGEST, OSSL_PARAM_UTF8_STRING, SetBy<&RsaCipher::SetOaepDigest>,
     GetBy<&RsaCipher::GetOaepDigest>},
    {OSSL_ASYM_CIPHER_PARAM_OAEP_DIGEST_PROPS, OSSL_PARAM_UTF8_STRING, Ignore<RsaCipher>, nullptr},
    {OSSL_ASYM_CIPHER_PARAM_MGF1_DIGEST, OSSL_PARAM_UTF8_STRING, SetBy<&RsaCipher::SetMgfDigest>,
     GetBy<&RsaCipher::GetMgfDigest>},
    {OSSL_ASYM_CIPHER_PARAM_MGF1_DIGEST_PROPS, OSSL_PARAM_UTF8_STRING, Ignore<RsaCipher>, nullptr},
    {OSSL_ASYM_CIPHER_PARAM_OAEP_LABEL, OSSL_PARAM_OCTET_STRING, SetBy<&RsaCipher::SetLabel>,
     nullptr},
    {OSSL_ASYM_CIPHER_PARAM_OAEP_LABEL, OSSL_PARAM_OCTET_PTR, nullptr, GetBy<&RsaCipher::GetLabel>},
    {OSSL_ASYM_CIPHER_PARAM_TLS_CLIENT_VERSION, OSSL_PARAM_UNSIGNED_INTEGER,
     SetBy<&RsaCipher::SetClientVersion>, GetBy<&RsaCipher::GetClientVersion>},
    {OSSL_ASYM_CIPHER_PARAM_TLS_NEGOTIATED_VERSION, OSSL_PARAM_UNSIGNED_INTEGER,
     SetBy<&RsaCipher::SetNegotiatedVersion>, GetBy<&RsaCipher::GetNegotiatedVersion>},
    // OpenSSL 3.2 and newer.
    {"implicit-rejection", OSSL_PARAM_UNSIGNED_INTEGER, SetBy<&RsaCipher::SetImplicitRejection>,
     nullptr},
});
constexpr auto kSettable = Settable(kRows);
constexpr auto kGettable = Gettable(kRows);

Status RsaCipher::Init(Use use, const KeyObject* object, const OSSL_PARAM* params) {
  if (object != nullptr) {
    HSMCORE_TRY(key_, object->Use());
  } else if (key_ == nullptr) {
    return Fail(ErrorCode::kOperationState, "no key was given");
  }
  if (key_->type() != hsmcore::KeyType::kRsa) {
    return Fail(ErrorCode::kKeyTypeMismatch, "an RSA-PSS key is for signatures only");
  }
  use_ = use;
  mechanism_.kind = Kind::kRsaPkcs1;
  HSMCORE_CHECK(key_->CheckUse(use));
  return Set(params);
}

Status RsaCipher::ExpectUse(Use use) const {
  if (use_ == use) return {};
  return Fail(ErrorCode::kOperationState, "the context was not initialised for this operation");
}

Result<std::size_t> RsaCipher::MaxSize() const {
  if (key_ == nullptr) return Fail(ErrorCode::kOperationState, "no key was given");
  if (use_ == Use::kDecrypt && mechanism_.kind == Kind::kRsaTlsPkcs1) {
    return SSL_MAX_MASTER_KEY_LENGTH;
  }
  return key_->max_signature_size();
}

Result<std::size_t> RsaCipher::Encrypt(ByteView in, std::span<std::uint8_t> out) const {
  HSMCORE_CHECK(ExpectUse(Use::kEncrypt));
  return key_->Encrypt(mechanism_, in, out);
}

Result<std::size_t> RsaCipher::Decrypt(ByteView in, std::span<std::uint8_t> out) const {
  HSMCORE_CHECK(ExpectUse(Use::kDecrypt));
  return key_->Decrypt(mechanism_, in, out);
}

Status RsaCipher::Set(const OSSL_PARAM* params) { return SetAll<RsaCipher>(*this, kRows, params); }
Status RsaCipher::Get(OSSL_PARAM* params) const { return GetAll<RsaCipher>(*this, kRows, params); }

Status RsaCipher::SetPadding(const OSSL_PARAM& param) {
  const Padding* padding = kPaddings.end();
  if (IsText(param)) {
    HSMCORE_TRY(const std::string_view name, GetText(param));
    if (!name.empty()) padding = std::ranges::find(kPaddings, name, &Padding::name);
  } else {
    HSMCORE_TRY(const int number, GetInt(param));
    padding = std::ranges::find(kPaddings, number, &Padding::number);
  }
  if (padding == kPaddings.end()) {
    return Fail(ErrorCode::kMechanism, "this padding mode is not for encryption");
  }
  mechanism_.kind = padding->kind;
  return {};
}

Status RsaCipher::GetPadding(OSSL_PARAM& param) const {
  const auto* padding = std::ranges::find(kPaddings, mechanism_.kind, &Padding::kind);
  return IsText(param) ? PutText(param, padding->name) : PutInt(param, padding->number);
}

Status RsaCipher::SetOaepDigest(const OSSL_PARAM& param) {
  HSMCORE_TRY(mechanism_.digest, GetDigest(param));
  if (!mgf_is_set_) mechanism_.mgf_digest = mechanism_.digest;
  return {};
}

Status RsaCipher::SetMgfDigest(const OSSL_PARAM& param) {
  HSMCORE_TRY(mechanism_.mgf_digest, GetDigest(param));
  mgf_is_set_ = true;
  return {};
}

Status RsaCipher::SetLabel(const OSSL_PARAM& param) {
  HSMCORE_TRY(const ByteView label, GetOctets(param));
  mechanism_.label.assign(label.begin(), label.end());
  return {};
}

Status RsaCipher::SetClientVersion(const OSSL_PARAM& param) {
  HSMCORE_TRY(mechanism_.tls_client_version, GetUnsigned(param));
  return {};
}

Status RsaCipher::SetNegotiatedVersion(const OSSL_PARAM& param) {
  HSMCORE_TRY(mechanism_.tls_negotiated_version, GetUnsigned(param));
  return {};
}

Status RsaCipher::SetImplicitRejection(const OSSL_PARAM& param) {
  HSMCORE_TRY(const unsigned on, GetUnsigned(param));
  mechanism_.implicit_rejection = on != 0;
  return {};
}

// ---- C callbacks ----

RsaCipher& Of(void* ctx) { return *static_cast<RsaCipher*>(ctx); }

void* New(void* provctx) {
  const auto& provider = ProviderContext::From(provctx);
  return Guard(provider.core, [&]() -> Result<std::unique_ptr<RsaCipher>> {
    return std::make_unique<RsaCipher>(provider);
  });
}

void Free(void* ctx) { delete static_cast<RsaCipher*>(ctx); }

void* Dup(void* ctx) {
  return Guard(Of(ctx).core(), [&]() -> Result<std::unique_ptr<RsaCipher>> {
    return std::make_unique<RsaCipher>(Of(ctx));
  });
}

template <Use kUse>
int Init(void* ctx, void* key, const OSSL_PARAM* params) {
  return Guard(Of(ctx).core(),
               [&] { return Of(ctx).Init(kUse, static_cast<const KeyObject*>(key), params); });
}

template <Result<std::size_t> (RsaCipher::*kOperation)(ByteView, std::span<std::uint8_t>) const>
int Run(void* ctx, unsigned char* out, std::size_t* size, std::size_t space,
        const unsigned char* in, std::size_t in_size) {
  return Guard(Of(ctx).core(), [&]() -> Status {
    HSMCORE_TRY(*size, out == nullptr
                           ? Of(ctx).MaxSize()
                           : (Of(ctx).*kOperation)(ByteView(in, in_size), std::span(out, space)));
    return {};
  });
}

int SetParams(void* ctx, const OSSL_PARAM* params) {
  return Guard(Of(ctx).core(), [&] { return Of(ctx).Set(params); });
}
int GetParams(void* ctx, OSSL_PARAM* params) {
  return Guard(Of(ctx).core(), [&] { return Of(ctx).Get(params); });
}
const OSSL_PARAM* SettableParams(void*, void*) { return kSettable.data(); }
const OSSL_PARAM* GettableParams(void*, void*) { return kGettable.data(); }

}  // namespace

const OSSL_DISPATCH kRsaCipher[] = {
    HSM_ENTRY(ASYM_CIPHER_NEWCTX, asym_cipher_newctx, New),
    HSM_ENTRY(ASYM_CIPHER_FREECTX, asym_cipher_freectx, Free),
    HSM_ENTRY(ASYM_CIPHER_DUPCTX, asym_cipher_dupctx, Dup),
    HSM_ENTRY(ASYM_CIPHER_ENCRYPT_INIT, asym_cipher_encrypt_init, Init<Use::kEncrypt>),
    HSM_ENTRY(ASYM_CIPHER_ENCRYPT, asym_cipher_encrypt, Run<&RsaCipher::Encrypt>),
    HSM_ENTRY(ASYM_CIPHER_DECRYPT_INIT, asym_cipher_decrypt_init, Init<Use::kDecrypt>),
    HSM_ENTRY(ASYM_CIPHER_DECRYPT, asym_cipher_decrypt, Run<&RsaCipher::Decrypt>),
    HSM_ENTRY(ASYM_CIPHER_GET_CTX_PARAMS, asym_cipher_get_ctx_params, GetParams),
    HSM_ENTRY(ASYM_CIPHER_GETTABLE_CTX_PARAMS, asym_cipher_gettable_ctx_params, GettableParams),
    HSM_ENTRY(ASYM_CIPHER_SET_CTX_PARAMS, asym_cipher_set_ctx_params, SetParams),
    HSM_ENTRY(ASYM_CIPHER_SETTABLE_CTX_PARAMS, asym_cipher_settable_ctx_params, SettableParams),
    HSM_ENTRY_END,
};

}  // namespace provider
