// SPDX-License-Identifier: Apache-2.0
#include <openssl/bn.h>
#include <openssl/core_dispatch.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/objects.h>

#include <algorithm>
#include <array>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "hsmcore/key_reference.h"
#include "keymgmt.h"
#include "params.h"

namespace provider {
namespace {

using hsmcore::Attribute;
using hsmcore::Curve;
using hsmcore::KeyPairMaterial;
using hsmcore::KeyType;
using hsmcore::PublicMaterial;
using hsmcore::SecretAccess;
using hsmcore::SecretBytes;

// What has been found in the parameters so far.
struct Parts {
  hsmcore::RsaPublic rsa;
  hsmcore::RsaPrivate rsa_private;
  std::optional<Curve> curve;
  Bytes public_key;         // EC point, raw key
  SecretBytes private_key;  // EC scalar, raw key
  SecretBytes seed;         // ML-KEM, ML-DSA
};

using Row = ParamRow<Parts>;

struct ClearFree {
  void operator()(BIGNUM* number) const { BN_clear_free(number); }
  void operator()(EC_GROUP* group) const { EC_GROUP_free(group); }
  void operator()(EC_POINT* point) const { EC_POINT_free(point); }
};
template <class T>
using Ptr = std::unique_ptr<T, ClearFree>;

std::unexpected<Error> BadKey(const char* detail) { return Fail(ErrorCode::kKeyImport, detail); }

// `size` 0: as long as the number is.
Result<SecretBytes> GetSecretInteger(const OSSL_PARAM& param, std::size_t size) {
  BIGNUM* raw = nullptr;
  const int ok = OSSL_PARAM_get_BN(&param, &raw);
  const Ptr<BIGNUM> number(raw);
  if (ok != 1) return BadKey("a private number cannot be read");
  SecretBytes bytes(std::max(size, static_cast<std::size_t>(BN_num_bytes(number.get()))));
  const auto out = bytes.Write(SecretAccess{"import a private key"});
  if (BN_bn2binpad(number.get(), out.data(), static_cast<int>(out.size())) < 0) {
    return BadKey("a private number cannot be read");
  }
  return bytes;
}

// ---- RSA ----

Status SetModulus(Parts& parts, const OSSL_PARAM& param) {
  HSMCORE_TRY(parts.rsa.modulus, GetInteger(param));
  return {};
}
Status SetExponent(Parts& parts, const OSSL_PARAM& param) {
  HSMCORE_TRY(parts.rsa.exponent, GetInteger(param));
  return {};
}
template <SecretBytes hsmcore::RsaPrivate::* kMember>
Status SetRsaSecret(Parts& parts, const OSSL_PARAM& param) {
  HSMCORE_TRY(parts.rsa_private.*kMember, GetSecretInteger(param, 0));
  return {};
}

// Any of these makes the key a restricted one; the others then have RFC 8017's defaults.
hsmcore::PssRestrictions& Restrictions(Parts& parts) {
  return parts.rsa.pss ? *parts.rsa.pss : parts.rsa.pss.emplace();
}
Status SetPssDigest(Parts& parts, const OSSL_PARAM& param) {
  HSMCORE_TRY(Restrictions(parts).digest, GetDigest(param));
  return {};
}
Status SetPssMgfDigest(Parts& parts, const OSSL_PARAM& param) {
  HSMCORE_TRY(Restrictions(parts).mgf_digest, GetDigest(param));
  return {};
}
Status SetPssSaltLength(Parts& parts, const OSSL_PARAM& param) {
  HSMCORE_TRY(Restrictions(parts).min_salt_length, GetInt(param));
  return {};
}

constexpr auto kRsaRows = std::to_array<Row>({
    {OSSL_PKEY_PARAM_RSA_N, OSSL_PARAM_UNSIGNED_INTEGER, SetModulus, nullptr},
    {OSSL_PKEY_PARAM_RSA_E, OSSL_PARAM_UNSIGNED_INTEGER, SetExponent, nullptr},
    {OSSL_PKEY_PARAM_RSA_D, OSSL_PARAM_UNSIGNED_INTEGER, SetRsaSecret<&hsmcore::RsaPrivate::d>,
     nullptr},
    {OSSL_PKEY_PARAM_RSA_FACTOR1, OSSL_PARAM_UNSIGNED_INTEGER,
     SetRsaSecret<&hsmcore::RsaPrivate::p>, nullptr},
    {OSSL_PKEY_PARAM_RSA_FACTOR2, OSSL_PARAM_UNSIGNED_INTEGER,
     SetRsaSecret<&hsmcore::RsaPrivate::q>, nullptr},
    {OSSL_PKEY_PARAM_RSA_EXPONENT1, OSSL_PARAM_UNSIGNED_INTEGER,
     SetRsaSecret<&hsmcore::RsaPrivate::dp>, nullptr},
    {OSSL_PKEY_PARAM_RSA_EXPONENT2, OSSL_PARAM_UNSIGNED_INTEGER,
     SetRsaSecret<&hsmcore::RsaPrivate::dq>, nullptr},
    {OSSL_PKEY_PARAM_RSA_COEFFICIENT1, OSSL_PARAM_UNSIGNED_INTEGER,
     SetRsaSecret<&hsmcore::RsaPrivate::qinv>, nullptr},
});
constexpr auto kPssRows = std::to_array<Row>({
    {OSSL_PKEY_PARAM_RSA_DIGEST, OSSL_PARAM_UTF8_STRING, SetPssDigest, nullptr},
    {OSSL_PKEY_PARAM_RSA_MGF1_DIGEST, OSSL_PARAM_UTF8_STRING, SetPssMgfDigest, nullptr},
    {OSSL_PKEY_PARAM_RSA_PSS_SALTLEN, OSSL_PARAM_INTEGER, SetPssSaltLength, nullptr},
});

// ---- EC and raw keys ----

Status SetCurve(Parts& parts, const OSSL_PARAM& param) {
  HSMCORE_TRY(parts.curve, GetCurve(param));
  return {};
}
Status SetPublic(Parts& parts, const OSSL_PARAM& param) {
  HSMCORE_TRY(const ByteView octets, GetOctets(param));
  parts.public_key.assign(octets.begin(), octets.end());
  return {};
}
Status SetScalar(Parts& parts, const OSSL_PARAM& param) {
  if (!parts.curve) return BadKey("an EC key needs the name of its curve");
  HSMCORE_TRY(parts.private_key, GetSecretInteger(param, RowOf(*parts.curve).field_bytes));
  return {};
}
template <SecretBytes Parts::* kMember>
Status SetRawSecret(Parts& parts, const OSSL_PARAM& param) {
  HSMCORE_TRY(const ByteView octets, GetOctets(param));
  parts.*kMember = SecretBytes::CopyOf(octets);
  return {};
}

constexpr auto kEcRows = std::to_array<Row>({
    {OSSL_PKEY_PARAM_GROUP_NAME, OSSL_PARAM_UTF8_STRING, SetCurve, nullptr},
    {OSSL_PKEY_PARAM_PUB_KEY, OSSL_PARAM_OCTET_STRING, SetPublic, nullptr},
    {OSSL_PKEY_PARAM_PRIV_KEY, OSSL_PARAM_UNSIGNED_INTEGER, SetScalar, nullptr},
});
constexpr auto kRawRows = std::to_array<Row>({
    {OSSL_PKEY_PARAM_PUB_KEY, OSSL_PARAM_OCTET_STRING, SetPublic, nullptr},
    {OSSL_PKEY_PARAM_PRIV_KEY, OSSL_PARAM_OCTET_STRING, SetRawSecret<&Parts::private_key>, nullptr},
    // OpenSSL 3.5 and newer, OSSL_PKEY_PARAM_ML_KEM_SEED and OSSL_PKEY_PARAM_ML_DSA_SEED.
    {"seed", OSSL_PARAM_OCTET_STRING, SetRawSecret<&Parts::seed>, nullptr},
});

constexpr auto kRsaPssRows = Join(kRsaRows, kPssRows);
constexpr auto kRsaTypes = Settable(kRsaRows);
constexpr auto kRsaPssTypes = Settable(kRsaPssRows);
constexpr auto kEcTypes = Settable(kEcRows);
constexpr auto kRawTypes = Settable(kRawRows);

struct TypeRows {
  std::span<const Row> rows;
  const OSSL_PARAM* types;
};
constexpr TypeRows kRsaType = {kRsaRows, kRsaTypes.data()};
constexpr TypeRows kRsaPssType = {kRsaPssRows, kRsaPssTypes.data()};
constexpr TypeRows kEcType = {kEcRows, kEcTypes.data()};
constexpr TypeRows kRawType = {kRawRows, kRawTypes.data()};

const TypeRows& RowsOf(KeyType type) {
  const hsmcore::KeyForm form = hsmcore::RowOf(type).form;
  if (form == hsmcore::KeyForm::kEc) return kEcType;
  if (form == hsmcore::KeyForm::kRsa) return type == KeyType::kRsaPss ? kRsaPssType : kRsaType;
  return kRawType;
}

Result<PublicMaterial> PublicPart(KeyType type, Parts& parts) {
  const hsmcore::KeyForm form = hsmcore::RowOf(type).form;
  if (form == hsmcore::KeyForm::kRsa) {
    parts.rsa.pss_only = type == KeyType::kRsaPss;
    return std::move(parts.rsa);
  }
  if (form == hsmcore::KeyForm::kEc) {
    if (!parts.curve) return BadKey("an EC key needs the name of its curve");
    HSMCORE_TRY(hsmcore::EcPublic point, DecodePoint(*parts.curve, parts.public_key));
    return point;
  }
  return hsmcore::RawPublic{type, std::move(parts.public_key)};
}

bool HasPrivate(const Parts& parts) {
  return !parts.private_key.empty() || !parts.seed.empty() || !parts.rsa_private.d.empty();
}

Result<KeyPairMaterial> Pair(KeyType type, Parts& parts) {
  // Raw private keys may come without their public half, and hsmcore works it out.
  if (hsmcore::RowOf(type).form == hsmcore::KeyForm::kRaw) {
    return hsmcore::CompleteRawPair(type, {std::move(parts.private_key), std::move(parts.seed)},
                                    parts.public_key);
  }
  HSMCORE_TRY(PublicMaterial public_part, PublicPart(type, parts));
  if (type == KeyType::kEc) {
    return KeyPairMaterial{std::move(public_part),
                           hsmcore::EcPrivate{std::move(parts.private_key)}};
  }
  return KeyPairMaterial{std::move(public_part), std::move(parts.rsa_private)};
}

}  // namespace

const OSSL_PARAM* ImportTypes(KeyType type, int selection) {
  if ((selection & OSSL_KEYMGMT_SELECT_ALL) == 0) return nullptr;
  return RowsOf(type).types;
}

Status ImportKey(KeyObject& object, int selection, const OSSL_PARAM* params) {
  if (object.key() != nullptr) {
    return Fail(ErrorCode::kOperationState, "the key object holds a key already");
  }
  Parts parts;
  HSMCORE_CHECK(SetAll(parts, RowsOf(object.type()).rows, params));
  if (parts.curve) object.SetCurve(*parts.curve);
  if ((selection & OSSL_KEYMGMT_SELECT_KEYPAIR) == 0) return {};
  if ((selection & OSSL_KEYMGMT_SELECT_PRIVATE_KEY) != 0 && HasPrivate(parts)) {
    HSMCORE_TRY(const KeyPairMaterial material, Pair(object.type(), parts));
    HSMCORE_TRY(SessionPtr session, object.provider().access.Anonymous({}));
    HSMCORE_TRY(hsmcore::KeyPtr key,
                session->ImportPair(material, DefaultTemplate(object.type(), false)));
    object.SetKey(std::move(key), std::move(session));
    return {};
  }
  HSMCORE_TRY(PublicMaterial material, PublicPart(object.type(), parts));
  return object.SetPublic(std::move(material));
}

Result<hsmcore::EcPublic> DecodePoint(Curve curve, ByteView octets) {
  const std::size_t uncompressed = 1 + 2 * std::size_t{RowOf(curve).field_bytes};
  // Whether it is on the curve shows when the key is made, as for every other key.
  if (octets.size() == uncompressed && octets.front() == POINT_CONVERSION_UNCOMPRESSED) {
    return hsmcore::EcPublic{curve, Bytes(octets.begin(), octets.end())};
  }
  const Ptr<EC_GROUP> group(EC_GROUP_new_by_curve_name(OBJ_txt2nid(RowOf(curve).oid)));
  if (group == nullptr) return Fail(ErrorCode::kKeySize, "the curve is not supported by libcrypto");
  const Ptr<EC_POINT> point(EC_POINT_new(group.get()));
  if (point == nullptr ||
      EC_POINT_oct2point(group.get(), point.get(), octets.data(), octets.size(), nullptr) != 1) {
    return BadKey("the public point is not on the curve");
  }
  hsmcore::EcPublic decoded{curve, Bytes(uncompressed)};
  if (EC_POINT_point2oct(group.get(), point.get(), POINT_CONVERSION_UNCOMPRESSED,
                         decoded.point.data(), decoded.point.size(),
                         nullptr) != decoded.point.size()) {
    return BadKey("the public point is the point at infinity");
  }
  return decoded;
}

Result<Curve> GetCurve(const OSSL_PARAM& param) {
  HSMCORE_TRY(const std::string_view name, GetText(param));
  if (const auto curve = hsmcore::CurveByName(name)) return *curve;
  std::string known;
  for (const auto& row : hsmcore::AllCurves()) {
    known += (known.empty() ? "" : ", ") + std::string(row.name);
  }
  return Fail(ErrorCode::kKeySize,
              "curve '" + std::string(name.substr(0, 40)) + "'; supported are " + known);
}

hsmcore::KeyTemplate DefaultTemplate(KeyType type, bool token) {
  hsmcore::KeyTemplate form;
  auto& own = form.private_half.flags;
  auto& others = form.public_half.flags;
  own.Set(Attribute::kToken, token);
  others.Set(Attribute::kToken, token);
  using hsmcore::KeyPurpose;
  const KeyPurpose purpose = hsmcore::RowOf(type).purpose;
  const bool signs = purpose == KeyPurpose::kSign || purpose == KeyPurpose::kSeveral;
  const bool derives = purpose != KeyPurpose::kSign;
  own.Set(Attribute::kSign, signs);
  others.Set(Attribute::kVerify, signs);
  own.Set(Attribute::kDecrypt, type == KeyType::kRsa);
  others.Set(Attribute::kEncrypt, type == KeyType::kRsa);
  own.Set(Attribute::kDerive, derives);
  // What the sender of a KEM does.
  others.Set(Attribute::kDerive, type == KeyType::kRsa || purpose == KeyPurpose::kEncapsulate);
  return form;
}

}  // namespace provider
