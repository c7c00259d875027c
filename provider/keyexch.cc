// SPDX-License-Identifier: Apache-2.0
#include "keyexch.h"

#include <openssl/core_names.h>

#include <algorithm>
#include <array>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "dispatch.h"
#include "guard.h"
#include "key_object.h"
#include "newer_openssl.h"
#include "params.h"
#include "skeymgmt.h"

namespace provider {
namespace {

using hsmcore::Digest;

std::optional<hsmcore::Curve> CurveOf(const hsmcore::Key& key) {
  const auto* ec = std::get_if<hsmcore::EcPublic>(&key.public_part());
  return ec == nullptr ? std::nullopt : std::optional(ec->curve);
}

// Key agreement with a held key: ECDH, plain or through the X9.63 key derivation function, and
// X25519 and X448, which have no parameters.
class Agreement {
 public:
  explicit Agreement(const ProviderContext& provider) : provider_(provider) {}

  const Core& core() const { return provider_.core; }

  Status Init(const KeyObject* object, const OSSL_PARAM* params);
  // Takes the peer's public part, whatever else the peer object holds.
  Status SetPeer(const KeyObject* object);
  Result<std::size_t> Size() const;
  // The secret's true length, whatever the room; kBufferTooSmall rather than a shortened secret.
  Result<std::size_t> Derive(std::span<std::uint8_t> out) const;
  // The first `size` bytes of the secret as a secret key (OpenSSL 3.6).
  Result<std::unique_ptr<SecretObject>> DeriveSkey(SkeymgmtImport* import, std::size_t size,
                                                   const OSSL_PARAM* params);
  Status Set(const OSSL_PARAM* params);
  Status Get(OSSL_PARAM* params) const;

  // One parameter each.
  Status SetCofactorMode(const OSSL_PARAM& param);
  Status GetCofactorMode(OSSL_PARAM& param) const { return PutInt(param, 0); }
  Status SetKdfType(const OSSL_PARAM& param);
  Status GetKdfType(OSSL_PARAM& param) const {
    return PutText(param, with_kdf_ ? OSSL_KDF_NAME_X963KDF : "");
  }
  Status SetKdfDigest(const OSSL_PARAM& param);
  Status GetKdfDigest(OSSL_PARAM& param) const { return PutDigest(param, kdf_digest_); }
  Status SetKdfLength(const OSSL_PARAM& param);
  Status GetKdfLength(OSSL_PARAM& param) const { return PutSize(param, kdf_length_); }
  Status SetKdfInfo(const OSSL_PARAM& param);
  Status GetKdfInfo(OSSL_PARAM& param) const { return PutOctetPointer(param, kdf_info_); }

 private:
  Result<hsmcore::SecretBytes> Agree() const;

  const ProviderContext& provider_;
  hsmcore::KeyPtr key_;
  hsmcore::KeyPtr peer_;
  bool with_kdf_ = false;
  Digest kdf_digest_ = Digest::kNone;
  std::size_t kdf_length_ = 0;
  Bytes kdf_info_;
};

template <Status (Agreement::*kMember)(const OSSL_PARAM&)>
Status SetBy(Agreement& agreement, const OSSL_PARAM& param) {
  return (agreement.*kMember)(param);
}
template <Status (Agreement::*kMember)(OSSL_PARAM&) const>
Status GetBy(const Agreement& agreement, OSSL_PARAM& param) {
  return (agreement.*kMember)(param);
}

constexpr auto kRows = std::to_array<ParamRow<Agreement>>({
    {OSSL_EXCHANGE_PARAM_EC_ECDH_COFACTOR_MODE, OSSL_PARAM_INTEGER,
     SetBy<&Agreement::SetCofactorMode>, GetBy<&Agreement::GetCofactorMode>},
    {OSSL_EXCHANGE_PARAM_KDF_TYPE, OSSL_PARAM_UTF8_STRING, SetBy<&Agreement::SetKdfType>,
     GetBy<&Agreement::GetKdfType>},
    {OSSL_EXCHANGE_PARAM_KDF_DIGEST, OSSL_PARAM_UTF8_STRING, SetBy<&Agreement::SetKdfDigest>,
     GetBy<&Agreement::GetKdfDigest>},
    {OSSL_EXCHANGE_PARAM_KDF_DIGEST_PROPS, OSSL_PARAM_UTF8_STRING, Ignore<Agreement>, nullptr},
    {OSSL_EXCHANGE_PARAM_KDF_OUTLEN, OSSL_PARAM_UNSIGNED_INTEGER, SetBy<&Agreement::SetKdfLength>,
     GetBy<&Agreement::GetKdfLength>},
    {OSSL_EXCHANGE_PARAM_KDF_UKM, OSSL_PARAM_OCTET_STRING, SetBy<&Agreement::SetKdfInfo>, nullptr},
    {OSSL_EXCHANGE_PARAM_KDF_UKM, OSSL_PARAM_OCTET_PTR, nullptr, GetBy<&Agreement::GetKdfInfo>},
});
constexpr auto kSettable = Settable(kRows);
constexpr auto kGettable = Gettable(kRows);

Status Agreement::Init(const KeyObject* object, const OSSL_PARAM* params) {
  if (object == nullptr) return Fail(ErrorCode::kOperationState, "no key was given");
  HSMCORE_TRY(key_, object->Use());
  peer_ = nullptr;
  with_kdf_ = false;
  HSMCORE_CHECK(key_->CheckUse(hsmcore::Key::Use::kDerive));
  return Set(params);
}

Status Agreement::SetPeer(const KeyObject* object) {
  if (object == nullptr || key_ == nullptr) {
    return Fail(ErrorCode::kOperationState, "the own key comes before the peer's");
  }
  HSMCORE_TRY(hsmcore::KeyPtr peer, object->Use());
  if (peer->type() != key_->type() || CurveOf(*peer) != CurveOf(*key_)) {
    return Fail(ErrorCode::kKeyTypeMismatch, "the peer's key is on another curve");
  }
  peer_ = std::move(peer);
  return {};
}

Result<std::size_t> Agreement::Size() const {
  if (key_ == nullptr) return Fail(ErrorCode::kOperationState, "no key was given");
  if (with_kdf_) return kdf_length_;
  const std::optional<hsmcore::Curve> curve = CurveOf(*key_);
  return curve ? RowOf(*curve).field_bytes : key_->max_signature_size();
}

Result<hsmcore::SecretBytes> Agreement::Agree() const {
  if (peer_ == nullptr) return Fail(ErrorCode::kOperationState, "no peer key was given");
  hsmcore::AgreeMechanism mechanism;
  if (with_kdf_) {
    if (kdf_digest_ == Digest::kNone) return Fail(ErrorCode::kDigest, "X963KDF needs a digest");
    mechanism = {kdf_digest_, kdf_info_, kdf_length_};
  }
  return key_->Agree(mechanism, *peer_);
}

Result<std::size_t> Agreement::Derive(std::span<std::uint8_t> out) const {
  HSMCORE_TRY(const std::size_t size, Size());
  if (peer_ != nullptr && out.size() < size) {
    return Fail(ErrorCode::kBufferTooSmall, "the buffer is shorter than the secret");
  }
  HSMCORE_TRY(const hsmcore::SecretBytes secret, Agree());
  std::ranges::copy(secret.Read(hsmcore::SecretAccess{"hand out an agreed secret"}), out.begin());
  return secret.size();
}

Result<std::unique_ptr<SecretObject>> Agreement::DeriveSkey(SkeymgmtImport* import,
                                                            std::size_t size,
                                                            const OSSL_PARAM* params) {
  HSMCORE_CHECK(Set(params));
  HSMCORE_TRY(hsmcore::SecretBytes secret, Agree());
  if (size > secret.size()) {
    return Fail(ErrorCode::kKeySize, "the agreed secret has " + std::to_string(secret.size()) +
                                         " bytes, and the key is to have " + std::to_string(size));
  }
  secret.Truncate(size);
  return KeepDerived(provider_, import, secret, key_.get());
}

Status Agreement::Set(const OSSL_PARAM* params) { return SetAll<Agreement>(*this, kRows, params); }
Status Agreement::Get(OSSL_PARAM* params) const { return GetAll<Agreement>(*this, kRows, params); }

// Every curve has cofactor 1: each mode gives the same secret.
Status Agreement::SetCofactorMode(const OSSL_PARAM& param) {
  HSMCORE_TRY(const int mode, GetInt(param));
  if (mode >= -1 && mode <= 1) return {};
  return Fail(ErrorCode::kMechanism, "the cofactor mode is -1, 0 or 1");
}

Status Agreement::SetKdfType(const OSSL_PARAM& param) {
  HSMCORE_TRY(const std::string_view name, GetText(param));
  if (!name.empty() && name != OSSL_KDF_NAME_X963KDF) {
    return Fail(ErrorCode::kMechanism, "the key derivation function can be X963KDF or none");
  }
  with_kdf_ = !name.empty();
  return {};
}

Status Agreement::SetKdfDigest(const OSSL_PARAM& param) {
  HSMCORE_TRY(kdf_digest_, GetDigest(param));
  return {};
}

Status Agreement::SetKdfLength(const OSSL_PARAM& param) {
  HSMCORE_TRY(kdf_length_, GetSize(param));
  return {};
}

Status Agreement::SetKdfInfo(const OSSL_PARAM& param) {
  HSMCORE_TRY(const ByteView info, GetOctets(param));
  kdf_info_.assign(info.begin(), info.end());
  return {};
}

// ---- C callbacks ----

Agreement& Of(void* ctx) { return *static_cast<Agreement*>(ctx); }

void* New(void* provctx) {
  const auto& provider = ProviderContext::From(provctx);
  return Guard(provider.core, [&]() -> Result<std::unique_ptr<Agreement>> {
    return std::make_unique<Agreement>(provider);
  });
}

void Free(void* ctx) { delete static_cast<Agreement*>(ctx); }

void* Dup(void* ctx) {
  return Guard(Of(ctx).core(), [&]() -> Result<std::unique_ptr<Agreement>> {
    return std::make_unique<Agreement>(Of(ctx));
  });
}

int Init(void* ctx, void* key, const OSSL_PARAM* params) {
  return Guard(Of(ctx).core(),
               [&] { return Of(ctx).Init(static_cast<const KeyObject*>(key), params); });
}

int SetPeer(void* ctx, void* peer) {
  return Guard(Of(ctx).core(),
               [&] { return Of(ctx).SetPeer(static_cast<const KeyObject*>(peer)); });
}

int Derive(void* ctx, unsigned char* secret, std::size_t* size, std::size_t space) {
  return Guard(Of(ctx).core(), [&]() -> Status {
    HSMCORE_TRY(*size,
                secret == nullptr ? Of(ctx).Size() : Of(ctx).Derive(std::span(secret, space)));
    return {};
  });
}

void* DeriveSkeyNow(void* ctx, const char*, void*, SkeymgmtImport* import, std::size_t size,
                    const OSSL_PARAM* params) {
  return Guard(Of(ctx).core(), [&] { return Of(ctx).DeriveSkey(import, size, params); });
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

#define HSM_AGREEMENT_ROWS                                                                         \
  HSM_ENTRY(KEYEXCH_NEWCTX, keyexch_newctx, New),                                                  \
      HSM_ENTRY(KEYEXCH_FREECTX, keyexch_freectx, Free),                                           \
      HSM_ENTRY(KEYEXCH_DUPCTX, keyexch_dupctx, Dup), HSM_ENTRY(KEYEXCH_INIT, keyexch_init, Init), \
      HSM_ENTRY(KEYEXCH_SET_PEER, keyexch_set_peer, SetPeer),                                      \
      HSM_ENTRY(KEYEXCH_DERIVE, keyexch_derive, Derive),                                           \
      HSM_ENTRY_OF(kKeyexchDeriveSkey, ::provider::DeriveSkey, DeriveSkeyNow)

const OSSL_DISPATCH kEcdh[] = {
    HSM_AGREEMENT_ROWS,
    HSM_ENTRY(KEYEXCH_GET_CTX_PARAMS, keyexch_get_ctx_params, GetParams),
    HSM_ENTRY(KEYEXCH_GETTABLE_CTX_PARAMS, keyexch_gettable_ctx_params, GettableParams),
    HSM_ENTRY(KEYEXCH_SET_CTX_PARAMS, keyexch_set_ctx_params, SetParams),
    HSM_ENTRY(KEYEXCH_SETTABLE_CTX_PARAMS, keyexch_settable_ctx_params, SettableParams),
    HSM_ENTRY_END,
};
const OSSL_DISPATCH kRawExchange[] = {
    HSM_AGREEMENT_ROWS,
    HSM_ENTRY_END,
};

}  // namespace provider
