// SPDX-License-Identifier: Apache-2.0
#include <openssl/core_dispatch.h>
#include <openssl/core_names.h>

#include <algorithm>
#include <array>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>

#include "keymgmt.h"
#include "params.h"

namespace provider {

using hsmcore::KeyClass;
using hsmcore::KeyType;

namespace {

using Row = ParamRow<Generation>;

// ---- The key itself ----

Status SetBits(Generation& generation, const OSSL_PARAM& param) {
  HSMCORE_TRY(generation.spec.modulus_bits, GetUnsigned(param));
  return {};
}

Status SetPrimes(Generation&, const OSSL_PARAM& param) {
  HSMCORE_TRY(const std::size_t primes, GetSize(param));
  if (primes == 2) return {};
  return Fail(ErrorCode::kKeySize, "an RSA key has two primes here; leave 'primes' out");
}

Status SetExponent(Generation& generation, const OSSL_PARAM& param) {
  HSMCORE_TRY(const Bytes bytes, GetInteger(param));
  if (bytes.size() > sizeof(generation.spec.public_exponent)) {
    return Fail(ErrorCode::kKeySize, "the public exponent has more than 64 bits");
  }
  generation.spec.public_exponent = 0;
  for (const std::uint8_t byte : bytes) {
    generation.spec.public_exponent = (generation.spec.public_exponent << 8) | byte;
  }
  return {};
}

// Any of these restricts the key; the others then have RFC 8017's defaults.
hsmcore::PssRestrictions& Restrictions(Generation& generation) {
  auto& pss = generation.spec.pss;
  return pss ? *pss : pss.emplace();
}
Status SetPssDigest(Generation& generation, const OSSL_PARAM& param) {
  HSMCORE_TRY(Restrictions(generation).digest, GetDigest(param));
  return {};
}
Status SetPssMgfDigest(Generation& generation, const OSSL_PARAM& param) {
  HSMCORE_TRY(Restrictions(generation).mgf_digest, GetDigest(param));
  return {};
}
Status SetPssSaltLength(Generation& generation, const OSSL_PARAM& param) {
  HSMCORE_TRY(const int length, GetInt(param));
  if (length < 0) return Fail(ErrorCode::kAttributeValue, "'saltlen' is the least salt length");
  Restrictions(generation).min_salt_length = length;
  return {};
}
Status SetMaskFunction(Generation& generation, const OSSL_PARAM& param) {
  HSMCORE_TRY(const std::string_view name, GetText(param));
  if (name != "MGF1" && name != "mgf1") {
    return Fail(ErrorCode::kNotSupported, "the mask generation function can only be MGF1");
  }
  Restrictions(generation);
  return {};
}

Status SetGroup(Generation& generation, const OSSL_PARAM& param) {
  HSMCORE_TRY(generation.spec.curve, GetCurve(param));
  generation.has_curve = true;
  return {};
}

// TLS names the group of every key that it makes.
Status SetOwnGroup(Generation& generation, const OSSL_PARAM& param) {
  HSMCORE_TRY(const std::string_view name, GetText(param));
  if (name.empty() || hsmcore::KeyTypeByName(name) == generation.spec.type) return {};
  return Fail(ErrorCode::kKeySize,
              "the group of this key type is " + std::string(AlgorithmName(generation.spec.type)));
}

// ---- Attributes ----

Status SetPrivateHalf(Generation& generation, const OSSL_PARAM& param) {
  return ApplyAttribute(generation.form.private_half, KeyClass::kPrivateKey, param);
}
Status SetPublicHalf(Generation& generation, const OSSL_PARAM& param) {
  return ApplyAttribute(generation.form.public_half, KeyClass::kPublicKey, param);
}
Status SetBothHalves(Generation& generation, const OSSL_PARAM& param) {
  HSMCORE_CHECK(SetPrivateHalf(generation, param));
  return SetPublicHalf(generation, param);
}
Status SetName(Generation& generation, const OSSL_PARAM& param) {
  generation.named = true;
  return SetBothHalves(generation, param);
}
Status SetCluster(Generation& generation, const OSSL_PARAM& param) {
  HSMCORE_TRY(const std::string_view name, GetText(param));
  generation.cluster.cluster = name;
  return {};
}
Status SetToken(Generation& generation, const OSSL_PARAM& param) {
  HSMCORE_CHECK(SetBothHalves(generation, param));
  generation.token = generation.form.private_half.flags.Has(hsmcore::Attribute::kToken);
  return {};
}

constexpr auto kRsaRows = std::to_array<Row>({
    {OSSL_PKEY_PARAM_RSA_BITS, OSSL_PARAM_UNSIGNED_INTEGER, SetBits, nullptr},
    {OSSL_PKEY_PARAM_RSA_PRIMES, OSSL_PARAM_UNSIGNED_INTEGER, SetPrimes, nullptr},
    {OSSL_PKEY_PARAM_RSA_E, OSSL_PARAM_UNSIGNED_INTEGER, SetExponent, nullptr},
});
constexpr auto kPssRows = std::to_array<Row>({
    {OSSL_PKEY_PARAM_RSA_DIGEST, OSSL_PARAM_UTF8_STRING, SetPssDigest, nullptr},
    {OSSL_PKEY_PARAM_RSA_DIGEST_PROPS, OSSL_PARAM_UTF8_STRING, Ignore<Generation>, nullptr},
    {OSSL_PKEY_PARAM_RSA_MASKGENFUNC, OSSL_PARAM_UTF8_STRING, SetMaskFunction, nullptr},
    {OSSL_PKEY_PARAM_RSA_MGF1_DIGEST, OSSL_PARAM_UTF8_STRING, SetPssMgfDigest, nullptr},
    {OSSL_PKEY_PARAM_RSA_PSS_SALTLEN, OSSL_PARAM_INTEGER, SetPssSaltLength, nullptr},
});
constexpr auto kEcRows = std::to_array<Row>({
    {OSSL_PKEY_PARAM_GROUP_NAME, OSSL_PARAM_UTF8_STRING, SetGroup, nullptr},
    {OSSL_PKEY_PARAM_EC_ENCODING, OSSL_PARAM_UTF8_STRING, SetEncoding<Generation>, nullptr},
    {OSSL_PKEY_PARAM_EC_POINT_CONVERSION_FORMAT, OSSL_PARAM_UTF8_STRING, SetPointFormat<Generation>,
     nullptr},
    // Every curve has cofactor 1, so the flag changes nothing.
    {OSSL_PKEY_PARAM_USE_COFACTOR_ECDH, OSSL_PARAM_INTEGER, Ignore<Generation>, nullptr},
});
constexpr auto kShareRows = std::to_array<Row>({
    {OSSL_PKEY_PARAM_GROUP_NAME, OSSL_PARAM_UTF8_STRING, SetOwnGroup, nullptr},
});
// Every attribute that may be given at creation; a test holds this list against hsmcore's.
constexpr auto kHsmRows = std::to_array<Row>({
    {"hsm-cluster", OSSL_PARAM_UTF8_STRING, SetCluster, nullptr},
    {"hsm-label", OSSL_PARAM_UTF8_STRING, SetName, nullptr},
    {"hsm-id", OSSL_PARAM_UTF8_STRING, SetName, nullptr},
    {"hsm-token", OSSL_PARAM_UTF8_STRING, SetToken, nullptr},
    {"hsm-private", OSSL_PARAM_UTF8_STRING, SetBothHalves, nullptr},
    {"hsm-sensitive", OSSL_PARAM_UTF8_STRING, SetPrivateHalf, nullptr},
    {"hsm-extractable", OSSL_PARAM_UTF8_STRING, SetPrivateHalf, nullptr},
    {"hsm-modifiable", OSSL_PARAM_UTF8_STRING, SetBothHalves, nullptr},
    {"hsm-destroyable", OSSL_PARAM_UTF8_STRING, SetBothHalves, nullptr},
    {"hsm-sign", OSSL_PARAM_UTF8_STRING, SetPrivateHalf, nullptr},
    {"hsm-verify", OSSL_PARAM_UTF8_STRING, SetPublicHalf, nullptr},
    {"hsm-decrypt", OSSL_PARAM_UTF8_STRING, SetPrivateHalf, nullptr},
    {"hsm-encrypt", OSSL_PARAM_UTF8_STRING, SetPublicHalf, nullptr},
    {"hsm-derive", OSSL_PARAM_UTF8_STRING, SetPrivateHalf, nullptr},
    {"hsm-wrap", OSSL_PARAM_UTF8_STRING, SetPublicHalf, nullptr},
    {"hsm-unwrap", OSSL_PARAM_UTF8_STRING, SetPrivateHalf, nullptr},
    {"hsm-wrap-with-trusted", OSSL_PARAM_UTF8_STRING, SetPrivateHalf, nullptr},
});

constexpr auto kAllRsaRows = Join(kRsaRows, kHsmRows);
constexpr auto kAllRsaPssRows = Join(Join(kRsaRows, kPssRows), kHsmRows);
constexpr auto kAllEcRows = Join(kEcRows, kHsmRows);
constexpr auto kAllShareRows = Join(kShareRows, kHsmRows);
constexpr auto kRsaSettable = Settable(kAllRsaRows);
constexpr auto kRsaPssSettable = Settable(kAllRsaPssRows);
constexpr auto kEcSettable = Settable(kAllEcRows);
constexpr auto kRawSignSettable = Settable(kHsmRows);
constexpr auto kRawShareSettable = Settable(kAllShareRows);

struct TypeRows {
  std::span<const Row> rows;
  const OSSL_PARAM* settable;
};
constexpr TypeRows kRsaType = {kAllRsaRows, kRsaSettable.data()};
constexpr TypeRows kRsaPssType = {kAllRsaPssRows, kRsaPssSettable.data()};
constexpr TypeRows kEcType = {kAllEcRows, kEcSettable.data()};
constexpr TypeRows kRawSignType = {kHsmRows, kRawSignSettable.data()};
constexpr TypeRows kRawShareType = {kAllShareRows, kRawShareSettable.data()};

const TypeRows& RowsOf(KeyType type) {
  const hsmcore::KeyTypeRow& row = hsmcore::RowOf(type);
  if (row.form == hsmcore::KeyForm::kEc) return kEcType;
  if (row.form == hsmcore::KeyForm::kRsa) return type == KeyType::kRsaPss ? kRsaPssType : kRsaType;
  return row.purpose == hsmcore::KeyPurpose::kSign ? kRawSignType : kRawShareType;
}

}  // namespace

Status ApplyAttribute(hsmcore::ObjectAttributes& half, KeyClass klass, const OSSL_PARAM& param) {
  const std::string_view name = std::string_view(param.key).substr(std::string_view("hsm-").size());
  HSMCORE_TRY(const std::string_view value, GetText(param));
  auto status = ApplyAtCreation(half, klass, name, value);
  if (status) return {};
  return Fail(status.error().code(), std::string(param.key) + ": " + status.error().detail());
}

const OSSL_PARAM* GenerationSettableOf(KeyType type) { return RowsOf(type).settable; }

Result<std::unique_ptr<Generation>> BeginGeneration(const ProviderContext& provider, KeyType type,
                                                    int selection, const OSSL_PARAM* params) {
  auto generation = std::make_unique<Generation>(provider, type, selection);
  HSMCORE_CHECK(SetGenerationParams(*generation, params));
  return generation;
}

Status SetGenerationParams(Generation& generation, const OSSL_PARAM* params) {
  return SetAll(generation, RowsOf(generation.spec.type).rows, params);
}

Status SetGenerationTemplate(Generation& generation, const KeyObject& pattern) {
  // Keys of these types have no parameters that they could share.
  if (hsmcore::RowOf(generation.spec.type).form == hsmcore::KeyForm::kRaw) return {};
  if (!pattern.curve()) {
    return Fail(ErrorCode::kKeyTypeMismatch, "the parameters are not those of an EC key");
  }
  generation.spec.curve = *pattern.curve();
  generation.has_curve = true;
  return {};
}

Result<std::unique_ptr<KeyObject>> Generate(const Generation& generation) {
  const KeyType type = generation.spec.type;
  if (type == KeyType::kEc && !generation.has_curve) {
    return Fail(ErrorCode::kKeySize, "an EC key needs a curve: -pkeyopt group:P-256");
  }
  if ((generation.selection & OSSL_KEYMGMT_SELECT_KEYPAIR) == 0) {
    auto parameters = std::make_unique<KeyObject>(generation.provider, type);
    parameters->SetCurve(generation.spec.curve);
    return parameters;
  }
  const bool token = generation.token.value_or(generation.named);
  hsmcore::KeyTemplate form = generation.form;
  form.private_half.flags.Set(hsmcore::Attribute::kToken, token);
  form.public_half.flags.Set(hsmcore::Attribute::kToken, token);
  const Access& access = generation.provider.access;
  HSMCORE_TRY(SessionPtr session,
              token ? access.Login(generation.cluster, {}) : access.Anonymous(generation.cluster));
  HSMCORE_TRY(hsmcore::KeyPtr key, session->Generate(generation.spec, form));
  auto object = KeyObject::Of(generation.provider, std::move(key), std::move(session));
  if (token) object->DeleteUnlessUsed();
  return object;
}

}  // namespace provider
