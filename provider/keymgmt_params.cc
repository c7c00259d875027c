// SPDX-License-Identifier: Apache-2.0
#include <openssl/core_names.h>
#include <openssl/obj_mac.h>

#include <algorithm>
#include <array>
#include <span>
#include <string>
#include <utility>

#include "keymgmt.h"
#include "params.h"

namespace provider {
namespace {

using hsmcore::Curve;
using hsmcore::EcPublic;
using hsmcore::KeyType;
using hsmcore::PssRestrictions;
using hsmcore::RawPublic;
using hsmcore::RsaPublic;

using Row = ParamRow<KeyObject>;

// OpenSSL's default where neither the caller nor the key names a digest.
constexpr const char* kDefaultDigest = "SHA256";

std::unexpected<Error> Empty() {
  return Fail(ErrorCode::kOperationState, "the key object holds no key yet");
}

template <class Part>
Result<const Part*> PublicOf(const KeyObject& object) {
  if (object.key() == nullptr) return Empty();
  return &std::get<Part>(object.key()->public_part());
}

Result<Curve> CurveOf(const KeyObject& object) {
  if (!object.curve()) return Empty();
  return *object.curve();
}

// The longest DER of an ECDSA signature: two integers, each with a zero byte in front where the
// order's top bit is set.
int EcdsaSize(Curve curve) {
  const auto& row = RowOf(curve);
  const unsigned numbers = 2 * (2 + row.field_bytes + (row.bits % 8 == 0 ? 1U : 0U));
  return static_cast<int>(numbers + (numbers < 128 ? 2 : 3));
}

// SP 800-57 part 1 table 2, in OpenSSL's steps.
int EcSecurityBits(Curve curve) {
  const unsigned bits = RowOf(curve).bits;
  if (bits >= 512) return 256;
  if (bits >= 384) return 192;
  return bits >= 256 ? 128 : 112;
}

// What libcrypto asks of the key of a TLS peer before it has come in.
struct ShareFacts {
  KeyType type;
  int security_bits;  // RFC 7748; FIPS 203 section 8
  int max_size;       // of the secret, or of the ciphertext
};
constexpr auto kShares = std::to_array<ShareFacts>({
    {KeyType::kX25519, 128, 32},
    {KeyType::kX448, 224, 56},
    {KeyType::kMlKem512, 128, 768},
    {KeyType::kMlKem768, 192, 1088},
    {KeyType::kMlKem1024, 256, 1568},
});
const ShareFacts* ShareOf(KeyType type) {
  const auto* share = std::ranges::find(kShares, type, &ShareFacts::type);
  return share == kShares.end() ? nullptr : share;
}

// ---- Every type ----

Status ExpectNoPair(const KeyObject& object) {
  if (!object.has_private()) return {};
  return Fail(ErrorCode::kPrivateKeyHeld, "the public part of a key pair cannot be replaced");
}

Status GetBits(const KeyObject& object, OSSL_PARAM& param) {
  if (object.key() != nullptr) {
    return PutInt(param, static_cast<int>(BitsOf(object.key()->public_part())));
  }
  if (ShareOf(object.type()) != nullptr) {
    return PutInt(param, static_cast<int>(BitsOf(RawPublic{object.type(), {}})));
  }
  HSMCORE_TRY(const Curve curve, CurveOf(object));
  return PutInt(param, static_cast<int>(RowOf(curve).bits));
}

Status GetSecurityBits(const KeyObject& object, OSSL_PARAM& param) {
  if (object.key() != nullptr) {
    return PutInt(param, static_cast<int>(object.key()->security_bits()));
  }
  if (const ShareFacts* share = ShareOf(object.type())) {
    return PutInt(param, share->security_bits);
  }
  HSMCORE_TRY(const Curve curve, CurveOf(object));
  return PutInt(param, EcSecurityBits(curve));
}

Status GetMaxSize(const KeyObject& object, OSSL_PARAM& param) {
  if (object.key() != nullptr) {
    return PutInt(param, static_cast<int>(object.key()->max_signature_size()));
  }
  if (const ShareFacts* share = ShareOf(object.type())) return PutInt(param, share->max_size);
  HSMCORE_TRY(const Curve curve, CurveOf(object));
  return PutInt(param, EcdsaSize(curve));
}

Status GetDefaultDigest(const KeyObject&, OSSL_PARAM& param) {
  return PutText(param, kDefaultDigest);
}

constexpr auto kCommonRows = std::to_array<Row>({
    {OSSL_PKEY_PARAM_BITS, OSSL_PARAM_INTEGER, nullptr, GetBits},
    {OSSL_PKEY_PARAM_SECURITY_BITS, OSSL_PARAM_INTEGER, nullptr, GetSecurityBits},
    {OSSL_PKEY_PARAM_MAX_SIZE, OSSL_PARAM_INTEGER, nullptr, GetMaxSize},
});

// ---- RSA and RSA-PSS ----

Status GetModulus(const KeyObject& object, OSSL_PARAM& param) {
  HSMCORE_TRY(const RsaPublic* rsa, PublicOf<RsaPublic>(object));
  return PutInteger(param, rsa->modulus);
}

Status GetExponent(const KeyObject& object, OSSL_PARAM& param) {
  HSMCORE_TRY(const RsaPublic* rsa, PublicOf<RsaPublic>(object));
  return PutInteger(param, rsa->exponent);
}

const PssRestrictions* RestrictionsOf(const KeyObject& object) {
  if (object.key() == nullptr) return nullptr;
  const auto& rsa = std::get<RsaPublic>(object.key()->public_part());
  return rsa.pss ? &*rsa.pss : nullptr;
}

// A restricted key has a digest that must be used, any other one that is only proposed; the
// question that does not apply stays unanswered, as with OpenSSL's own keys.
Status GetPssDefaultDigest(const KeyObject& object, OSSL_PARAM& param) {
  return RestrictionsOf(object) == nullptr ? PutText(param, kDefaultDigest) : Status();
}
Status GetPssMandatoryDigest(const KeyObject& object, OSSL_PARAM& param) {
  const PssRestrictions* pss = RestrictionsOf(object);
  return pss == nullptr ? Status() : PutText(param, RowOf(pss->digest).name);
}
Status GetPssDigest(const KeyObject& object, OSSL_PARAM& param) {
  const PssRestrictions* pss = RestrictionsOf(object);
  return pss == nullptr ? Status() : PutText(param, RowOf(pss->digest).name);
}
Status GetPssMgfDigest(const KeyObject& object, OSSL_PARAM& param) {
  const PssRestrictions* pss = RestrictionsOf(object);
  return pss == nullptr ? Status() : PutText(param, RowOf(pss->mgf_digest).name);
}
Status GetPssSaltLength(const KeyObject& object, OSSL_PARAM& param) {
  const PssRestrictions* pss = RestrictionsOf(object);
  return pss == nullptr ? Status() : PutInt(param, pss->min_salt_length);
}

constexpr auto kRsaNumberRows = std::to_array<Row>({
    {OSSL_PKEY_PARAM_RSA_N, OSSL_PARAM_UNSIGNED_INTEGER, nullptr, GetModulus},
    {OSSL_PKEY_PARAM_RSA_E, OSSL_PARAM_UNSIGNED_INTEGER, nullptr, GetExponent},
});
constexpr auto kDigestRow = std::to_array<Row>({
    {OSSL_PKEY_PARAM_DEFAULT_DIGEST, OSSL_PARAM_UTF8_STRING, nullptr, GetDefaultDigest},
});
constexpr auto kPssRows = std::to_array<Row>({
    {OSSL_PKEY_PARAM_DEFAULT_DIGEST, OSSL_PARAM_UTF8_STRING, nullptr, GetPssDefaultDigest},
    {OSSL_PKEY_PARAM_MANDATORY_DIGEST, OSSL_PARAM_UTF8_STRING, nullptr, GetPssMandatoryDigest},
    {OSSL_PKEY_PARAM_RSA_DIGEST, OSSL_PARAM_UTF8_STRING, nullptr, GetPssDigest},
    {OSSL_PKEY_PARAM_RSA_MGF1_DIGEST, OSSL_PARAM_UTF8_STRING, nullptr, GetPssMgfDigest},
    {OSSL_PKEY_PARAM_RSA_PSS_SALTLEN, OSSL_PARAM_INTEGER, nullptr, GetPssSaltLength},
});

// ---- EC ----

Status GetGroup(const KeyObject& object, OSSL_PARAM& param) {
  HSMCORE_TRY(const Curve curve, CurveOf(object));
  return PutText(param, RowOf(curve).name);
}

Status GetPoint(const KeyObject& object, OSSL_PARAM& param) {
  HSMCORE_TRY(const EcPublic* ec, PublicOf<EcPublic>(object));
  return PutOctets(param, ec->point);
}

// The point is 4, x, y.
Status GetX(const KeyObject& object, OSSL_PARAM& param) {
  HSMCORE_TRY(const EcPublic* ec, PublicOf<EcPublic>(object));
  return PutInteger(param, ByteView(ec->point).subspan(1, ec->point.size() / 2));
}
Status GetY(const KeyObject& object, OSSL_PARAM& param) {
  HSMCORE_TRY(const EcPublic* ec, PublicOf<EcPublic>(object));
  return PutInteger(param, ByteView(ec->point).subspan(1 + ec->point.size() / 2));
}

Status GetEncoding(const KeyObject&, OSSL_PARAM& param) {
  return PutText(param, OSSL_PKEY_EC_ENCODING_GROUP);
}
Status GetPointFormat(const KeyObject&, OSSL_PARAM& param) {
  return PutText(param, OSSL_PKEY_EC_POINT_CONVERSION_FORMAT_UNCOMPRESSED);
}
Status GetFieldType(const KeyObject&, OSSL_PARAM& param) {
  return PutText(param, SN_X9_62_prime_field);
}
Status GetZero(const KeyObject&, OSSL_PARAM& param) { return PutInt(param, 0); }

Status SetPoint(KeyObject& object, const OSSL_PARAM& param) {
  HSMCORE_CHECK(ExpectNoPair(object));
  HSMCORE_TRY(const Curve curve, CurveOf(object));
  HSMCORE_TRY(const ByteView octets, GetOctets(param));
  HSMCORE_TRY(EcPublic point, DecodePoint(curve, octets));
  return object.SetPublic(std::move(point));
}

constexpr auto kEcOnlyRows = std::to_array<Row>({
    {OSSL_PKEY_PARAM_DEFAULT_DIGEST, OSSL_PARAM_UTF8_STRING, nullptr, GetDefaultDigest},
    {OSSL_PKEY_PARAM_GROUP_NAME, OSSL_PARAM_UTF8_STRING, nullptr, GetGroup},
    {OSSL_PKEY_PARAM_ENCODED_PUBLIC_KEY, OSSL_PARAM_OCTET_STRING, SetPoint, GetPoint},
    {OSSL_PKEY_PARAM_PUB_KEY, OSSL_PARAM_OCTET_STRING, nullptr, GetPoint},
    {OSSL_PKEY_PARAM_EC_PUB_X, OSSL_PARAM_UNSIGNED_INTEGER, nullptr, GetX},
    {OSSL_PKEY_PARAM_EC_PUB_Y, OSSL_PARAM_UNSIGNED_INTEGER, nullptr, GetY},
    {OSSL_PKEY_PARAM_EC_ENCODING, OSSL_PARAM_UTF8_STRING, SetEncoding<KeyObject>, GetEncoding},
    {OSSL_PKEY_PARAM_EC_POINT_CONVERSION_FORMAT, OSSL_PARAM_UTF8_STRING, SetPointFormat<KeyObject>,
     GetPointFormat},
    {OSSL_PKEY_PARAM_EC_FIELD_TYPE, OSSL_PARAM_UTF8_STRING, nullptr, GetFieldType},
    {OSSL_PKEY_PARAM_EC_DECODED_FROM_EXPLICIT_PARAMS, OSSL_PARAM_INTEGER, nullptr, GetZero},
    // Every curve has cofactor 1, so the flag changes nothing.
    {OSSL_PKEY_PARAM_USE_COFACTOR_ECDH, OSSL_PARAM_INTEGER, Ignore<KeyObject>, GetZero},
});

// ---- Raw keys ----

Status GetRaw(const KeyObject& object, OSSL_PARAM& param) {
  HSMCORE_TRY(const RawPublic* raw, PublicOf<RawPublic>(object));
  return PutOctets(param, raw->key);
}
Status GetNoDigest(const KeyObject&, OSSL_PARAM& param) { return PutText(param, ""); }

Status SetRaw(KeyObject& object, const OSSL_PARAM& param) {
  HSMCORE_CHECK(ExpectNoPair(object));
  HSMCORE_TRY(const ByteView octets, GetOctets(param));
  return object.SetPublic(RawPublic{object.type(), Bytes(octets.begin(), octets.end())});
}

constexpr auto kRawRow = std::to_array<Row>({
    {OSSL_PKEY_PARAM_PUB_KEY, OSSL_PARAM_OCTET_STRING, nullptr, GetRaw},
});
constexpr auto kRawSignRow = std::to_array<Row>({
    {OSSL_PKEY_PARAM_MANDATORY_DIGEST, OSSL_PARAM_UTF8_STRING, nullptr, GetNoDigest},
});
// How TLS takes in the key of its peer.
constexpr auto kRawShareRow = std::to_array<Row>({
    {OSSL_PKEY_PARAM_ENCODED_PUBLIC_KEY, OSSL_PARAM_OCTET_STRING, SetRaw, GetRaw},
});

constexpr auto kRsaRows = Join(Join(kCommonRows, kRsaNumberRows), kDigestRow);
constexpr auto kRsaPssRows = Join(Join(kCommonRows, kRsaNumberRows), kPssRows);
constexpr auto kEcRows = Join(kCommonRows, kEcOnlyRows);
constexpr auto kRawSignRows = Join(Join(kCommonRows, kRawRow), kRawSignRow);
constexpr auto kRawShareRows = Join(Join(kCommonRows, kRawRow), kRawShareRow);

template <auto& kRows>
struct Lists {
  static constexpr auto kGettable = Gettable(kRows);
  static constexpr auto kSettable = Settable(kRows);
};

struct TypeRows {
  std::span<const Row> rows;
  const OSSL_PARAM* gettable;
  const OSSL_PARAM* settable;
};

template <auto& kRows>
constexpr TypeRows RowsWithLists() {
  return {kRows, Lists<kRows>::kGettable.data(), Lists<kRows>::kSettable.data()};
}

constexpr TypeRows kRsaType = RowsWithLists<kRsaRows>();
constexpr TypeRows kRsaPssType = RowsWithLists<kRsaPssRows>();
constexpr TypeRows kEcType = RowsWithLists<kEcRows>();
constexpr TypeRows kRawSignType = RowsWithLists<kRawSignRows>();
constexpr TypeRows kRawShareType = RowsWithLists<kRawShareRows>();

const TypeRows& RowsOf(KeyType type) {
  const hsmcore::KeyTypeRow& row = hsmcore::RowOf(type);
  if (row.form == hsmcore::KeyForm::kEc) return kEcType;
  if (row.form == hsmcore::KeyForm::kRsa) return type == KeyType::kRsaPss ? kRsaPssType : kRsaType;
  return row.purpose == hsmcore::KeyPurpose::kSign ? kRawSignType : kRawShareType;
}

}  // namespace

const OSSL_PARAM* GettableOf(KeyType type) { return RowsOf(type).gettable; }
const OSSL_PARAM* SettableOf(KeyType type) { return RowsOf(type).settable; }

Status GetKeyParams(const KeyObject& object, OSSL_PARAM* params) {
  return GetAll(object, RowsOf(object.type()).rows, params);
}
Status SetKeyParams(KeyObject& object, const OSSL_PARAM* params) {
  return SetAll(object, RowsOf(object.type()).rows, params);
}

}  // namespace provider
