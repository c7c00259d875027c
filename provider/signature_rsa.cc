// SPDX-License-Identifier: Apache-2.0
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/rsa.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <string>

#include "algorithm_id.h"
#include "params.h"
#include "signature.h"

namespace provider {
namespace {

using hsmcore::Digest;
using Kind = hsmcore::SignMechanism::Kind;

struct Padding {
  int number;
  const char* name;
  Kind kind;
};
constexpr auto kPaddings = std::to_array<Padding>({
    {RSA_PKCS1_PADDING, OSSL_PKEY_RSA_PAD_MODE_PKCSV15, Kind::kRsaPkcs1},
    {RSA_PKCS1_PSS_PADDING, OSSL_PKEY_RSA_PAD_MODE_PSS, Kind::kRsaPss},
    {RSA_X931_PADDING, OSSL_PKEY_RSA_PAD_MODE_X931, Kind::kRsaX931},
    {RSA_NO_PADDING, OSSL_PKEY_RSA_PAD_MODE_NONE, Kind::kRsaRaw},
});

struct SaltName {
  const char* name;
  int length;
};
// The fourth came with OpenSSL 3.1.
constexpr auto kSaltNames = std::to_array<SaltName>({
    {OSSL_PKEY_RSA_PSS_SALT_LEN_DIGEST, hsmcore::kSaltLengthDigest},
    {OSSL_PKEY_RSA_PSS_SALT_LEN_MAX, hsmcore::kSaltLengthMax},
    {OSSL_PKEY_RSA_PSS_SALT_LEN_AUTO, hsmcore::kSaltLengthAuto},
    {"auto-digestmax", hsmcore::kSaltLengthAutoDigestMax},
});

// As the default provider of the library that is running: the longest, and since 3.1 no longer than
// the digest.
int DefaultSaltLength() {
  constexpr auto kVersion31 = 0x30100000UL;
  return OpenSSL_version_num() < kVersion31 ? hsmcore::kSaltLengthAuto
                                            : hsmcore::kSaltLengthAutoDigestMax;
}

Result<int> GetSaltLength(const OSSL_PARAM& param) {
  if (!IsText(param)) return GetInt(param);
  HSMCORE_TRY(const std::string_view text, GetText(param));
  const auto* known = std::ranges::find(kSaltNames, text, &SaltName::name);
  if (known != kSaltNames.end()) return known->length;
  int length = 0;
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), length);
  if (problem != std::errc{} || end != text.data() + text.size()) {
    return Fail(ErrorCode::kMechanism, "'" + std::string(text.substr(0, 40)) +
                                           "' is no salt length: a number, digest, max, auto or "
                                           "auto-digestmax");
  }
  return length;
}

// RSA and RSA-PSS signatures, with OpenSSL's parameters, defaults and restrictions.
class RsaSignature : public SignatureContext {
 public:
  using SignatureContext::SignatureContext;

  Status Init(SignatureUse use, const KeyObject* object, const OSSL_PARAM* params);
  Status InitDigest(SignatureUse use, const char* digest, const KeyObject* object,
                    const OSSL_PARAM* params);
  Status Set(const OSSL_PARAM* params);
  Status Get(OSSL_PARAM* params) const;
  static const OSSL_PARAM* Settable();
  static const OSSL_PARAM* Gettable();

  // One parameter each.
  Status SetDigest(const OSSL_PARAM& param);
  Status SetPadding(const OSSL_PARAM& param);
  Status SetSalt(const OSSL_PARAM& param);
  Status SetMgfDigest(const OSSL_PARAM& param);
  Status GetAlgorithmId(OSSL_PARAM& param) const;
  Status GetPadding(OSSL_PARAM& param) const;
  Status GetSalt(OSSL_PARAM& param) const;
  Digest digest() const { return mechanism_.digest; }
  Digest mgf_digest() const { return mechanism_.mgf_digest; }

 private:
  const hsmcore::PssRestrictions* restrictions() const;
  void UseDigest(Digest digest);
  Status CheckSalt(int length) const;
  Status CheckTogether() const;

  bool mgf_is_set_ = false;       // otherwise it follows the digest
  bool digest_is_fixed_ = false;  // given by EVP_DigestSignInit
};

using Row = ParamRow<RsaSignature>;
constexpr auto kRows = std::to_array<Row>({
    {OSSL_SIGNATURE_PARAM_ALGORITHM_ID, OSSL_PARAM_OCTET_STRING, nullptr,
     [](const RsaSignature& c, OSSL_PARAM& p) { return c.GetAlgorithmId(p); }},
    {OSSL_SIGNATURE_PARAM_DIGEST, OSSL_PARAM_UTF8_STRING,
     [](RsaSignature& c, const OSSL_PARAM& p) { return c.SetDigest(p); },
     [](const RsaSignature& c, OSSL_PARAM& p) { return PutDigest(p, c.digest()); }},
    {OSSL_SIGNATURE_PARAM_PROPERTIES, OSSL_PARAM_UTF8_STRING, Ignore<RsaSignature>, nullptr},
    {OSSL_SIGNATURE_PARAM_PAD_MODE, OSSL_PARAM_UTF8_STRING,
     [](RsaSignature& c, const OSSL_PARAM& p) { return c.SetPadding(p); },
     [](const RsaSignature& c, OSSL_PARAM& p) { return c.GetPadding(p); }},
    {OSSL_SIGNATURE_PARAM_PSS_SALTLEN, OSSL_PARAM_UTF8_STRING,
     [](RsaSignature& c, const OSSL_PARAM& p) { return c.SetSalt(p); },
     [](const RsaSignature& c, OSSL_PARAM& p) { return c.GetSalt(p); }},
    {OSSL_SIGNATURE_PARAM_MGF1_DIGEST, OSSL_PARAM_UTF8_STRING,
     [](RsaSignature& c, const OSSL_PARAM& p) { return c.SetMgfDigest(p); },
     [](const RsaSignature& c, OSSL_PARAM& p) { return PutDigest(p, c.mgf_digest()); }},
    {OSSL_SIGNATURE_PARAM_MGF1_PROPERTIES, OSSL_PARAM_UTF8_STRING, Ignore<RsaSignature>, nullptr},
});
constexpr auto kSettable = Settable(kRows);
constexpr auto kGettable = Gettable(kRows);

const OSSL_PARAM* RsaSignature::Settable() { return kSettable.data(); }
const OSSL_PARAM* RsaSignature::Gettable() { return kGettable.data(); }

const hsmcore::PssRestrictions* RsaSignature::restrictions() const {
  const auto& rsa = std::get<hsmcore::RsaPublic>(key_->public_part());
  return rsa.pss ? &*rsa.pss : nullptr;
}

void RsaSignature::UseDigest(Digest digest) {
  mechanism_.digest = digest;
  if (!mgf_is_set_) mechanism_.mgf_digest = digest;
}

Status RsaSignature::Init(SignatureUse use, const KeyObject* object, const OSSL_PARAM* params) {
  if (key_ == nullptr) UseDigest(Digest::kNone);
  HSMCORE_CHECK(Begin(use, object));
  digest_is_fixed_ = false;
  const bool pss = key_->type() == hsmcore::KeyType::kRsaPss;
  mechanism_.kind = pss ? Kind::kRsaPss : Kind::kRsaPkcs1;
  mechanism_.salt_length = DefaultSaltLength();
  if (const auto* restricted = restrictions()) {
    mechanism_.digest = restricted->digest;
    mechanism_.mgf_digest = restricted->mgf_digest;
    mgf_is_set_ = true;
    mechanism_.salt_length = restricted->min_salt_length;
  } else if (pss && mechanism_.digest == Digest::kNone) {
    UseDigest(Digest::kSha1);
  }
  return Set(params);
}

Status RsaSignature::InitDigest(SignatureUse use, const char* digest, const KeyObject* object,
                                const OSSL_PARAM* params) {
  HSMCORE_CHECK(Init(use, object, params));
  if (digest != nullptr && *digest != '\0') {
    HSMCORE_TRY(const Digest wanted, FindDigest(digest));
    UseDigest(wanted);
  }
  digest_is_fixed_ = true;
  return CheckTogether();
}

// A caller may set what only fits together; so that is looked at after all of it.
Status RsaSignature::Set(const OSSL_PARAM* params) {
  HSMCORE_CHECK(ExpectNoData());
  HSMCORE_CHECK(SetAll<RsaSignature>(*this, kRows, params));
  return key_ == nullptr ? Status() : CheckTogether();
}

Status RsaSignature::Get(OSSL_PARAM* params) const {
  return GetAll<RsaSignature>(*this, kRows, params);
}

Status RsaSignature::SetDigest(const OSSL_PARAM& param) {
  HSMCORE_TRY(const Digest digest, provider::GetDigest(param));
  if (digest_is_fixed_ && digest != mechanism_.digest) {
    return Fail(ErrorCode::kDigest, "the digest was given with the start of the operation");
  }
  UseDigest(digest);
  return {};
}

Status RsaSignature::SetPadding(const OSSL_PARAM& param) {
  const Padding* padding = kPaddings.end();
  if (IsText(param)) {
    HSMCORE_TRY(const std::string_view name, GetText(param));
    padding = std::ranges::find(kPaddings, name, &Padding::name);
  } else {
    HSMCORE_TRY(const int number, GetInt(param));
    padding = std::ranges::find(kPaddings, number, &Padding::number);
  }
  if (padding == kPaddings.end()) {
    return Fail(ErrorCode::kMechanism, "this padding mode is not for signatures");
  }
  if (padding->kind == Kind::kRsaPss && use_ == SignatureUse::kVerifyRecover) {
    return Fail(ErrorCode::kMechanism, "a PSS signature holds nothing that could be recovered");
  }
  mechanism_.kind = padding->kind;
  if (padding->kind == Kind::kRsaPss && mechanism_.digest == Digest::kNone) {
    UseDigest(Digest::kSha1);
  }
  return {};
}

Status RsaSignature::SetSalt(const OSSL_PARAM& param) {
  if (mechanism_.kind != Kind::kRsaPss) {
    return Fail(ErrorCode::kMechanism, "a salt length needs PSS padding, set before it");
  }
  HSMCORE_TRY(const int length, GetSaltLength(param));
  HSMCORE_CHECK(CheckSalt(length));
  mechanism_.salt_length = length;
  return {};
}

Status RsaSignature::CheckSalt(int length) const {
  if (length < hsmcore::kSaltLengthAutoDigestMax) {
    return Fail(ErrorCode::kMechanism, "there is no such salt length");
  }
  const auto* restricted = key_ == nullptr ? nullptr : restrictions();
  if (restricted == nullptr) return {};
  if (length == hsmcore::kSaltLengthAuto && verifies()) {
    return Fail(ErrorCode::kMechanism, "the key has a least salt length: give it to verify");
  }
  hsmcore::SignMechanism wanted = mechanism_;
  wanted.salt_length = length;
  if (SaltBytes(wanted, *key_) < restricted->min_salt_length) {
    return Fail(ErrorCode::kMechanism, "the key takes salts of at least " +
                                           std::to_string(restricted->min_salt_length) + " bytes");
  }
  return {};
}

Status RsaSignature::SetMgfDigest(const OSSL_PARAM& param) {
  if (mechanism_.kind != Kind::kRsaPss) {
    return Fail(ErrorCode::kMechanism, "an MGF1 digest needs PSS padding, set before it");
  }
  HSMCORE_TRY(mechanism_.mgf_digest, provider::GetDigest(param));
  mgf_is_set_ = true;
  return {};
}

Status RsaSignature::CheckTogether() const {
  if (mechanism_.kind == Kind::kRsaRaw && mechanism_.digest != Digest::kNone) {
    return Fail(ErrorCode::kMechanism, "without padding there can be no digest");
  }
  if (key_->type() == hsmcore::KeyType::kRsaPss && mechanism_.kind != Kind::kRsaPss) {
    return Fail(ErrorCode::kMechanism, "an RSA-PSS key signs with PSS padding only");
  }
  const auto* restricted = restrictions();
  if (restricted == nullptr) return {};
  if (mechanism_.digest != restricted->digest || mechanism_.mgf_digest != restricted->mgf_digest) {
    return Fail(ErrorCode::kDigest,
                "the key is for digest " + std::string(RowOf(restricted->digest).name) +
                    " and MGF1 digest " + RowOf(restricted->mgf_digest).name + " only");
  }
  return {};
}

Status RsaSignature::GetAlgorithmId(OSSL_PARAM& param) const {
  if (key_ == nullptr) return Fail(ErrorCode::kOperationState, "no key was given");
  HSMCORE_TRY(const Bytes der, AlgorithmId(mechanism_, *key_));
  return PutOctets(param, der);
}

Status RsaSignature::GetPadding(OSSL_PARAM& param) const {
  const auto* padding = std::ranges::find(kPaddings, mechanism_.kind, &Padding::kind);
  return IsText(param) ? PutText(param, padding->name) : PutInt(param, padding->number);
}

Status RsaSignature::GetSalt(OSSL_PARAM& param) const {
  if (!IsText(param)) return PutInt(param, mechanism_.salt_length);
  const auto* known = std::ranges::find(kSaltNames, mechanism_.salt_length, &SaltName::length);
  return PutText(param,
                 known != kSaltNames.end() ? known->name : std::to_string(mechanism_.salt_length));
}

using Adapter = SignatureAdapter<RsaSignature>;

}  // namespace

const OSSL_DISPATCH kRsaSignature[] = {
    HSM_SIGNATURE_ROWS(Adapter),
    HSM_SIGNATURE_DIGEST_ROWS(Adapter),
    HSM_ENTRY(SIGNATURE_VERIFY_RECOVER_INIT, signature_verify_recover_init,
              Adapter::Init<SignatureUse::kVerifyRecover>),
    HSM_ENTRY(SIGNATURE_VERIFY_RECOVER, signature_verify_recover, Adapter::Recover),
    HSM_ENTRY_END,
};

}  // namespace provider
