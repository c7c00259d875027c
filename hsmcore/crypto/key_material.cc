// SPDX-License-Identifier: Apache-2.0
#include "crypto/key_material.h"

#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/obj_mac.h>
#include <openssl/objects.h>
#include <openssl/params.h>

#include <algorithm>
#include <array>
#include <bit>
#include <vector>

#include "base/text.h"

namespace hsmcore::crypto {
namespace {

constexpr SecretAccess kForOpenssl{"making the OpenSSL key"};
// Of ML-KEM and ML-DSA; the headers of OpenSSL 3.5 have names for it.
constexpr const char* kSeedParam = "seed";

// Parameters for EVP_PKEY_fromdata. The copies that it makes of integers are wiped; texts and byte
// strings are only pointed to.
class KeyParams {
 public:
  void Integer(const char* key, ByteView big_endian) {
    SecretBytes& copy = integers_.emplace_back(std::max<std::size_t>(big_endian.size(), 1));
    const auto native = copy.Write(kForOpenssl);
    static_assert(std::endian::native == std::endian::little);
    std::ranges::reverse_copy(big_endian, native.begin());
    params_.push_back(OSSL_PARAM_construct_BN(key, native.data(), native.size()));
  }
  void Octets(const char* key, ByteView bytes) {
    params_.push_back(OSSL_PARAM_construct_octet_string(
        key, const_cast<std::uint8_t*>(bytes.data()), bytes.size()));
  }
  void Text(const char* key, const char* text) {
    params_.push_back(OSSL_PARAM_construct_utf8_string(key, const_cast<char*>(text), 0));
  }
  void Number(const char* key, int* number) {
    params_.push_back(OSSL_PARAM_construct_int(key, number));
  }
  OSSL_PARAM* Done() {
    params_.push_back(OSSL_PARAM_construct_end());
    return params_.data();
  }

 private:
  std::vector<SecretBytes> integers_;
  std::vector<OSSL_PARAM> params_;
};

Result<PkeyPtr> FromParams(const Library& library, KeyType type, int selection, KeyParams& params) {
  const LibraryScope scope(library);
  const PkeyCtxPtr context(
      EVP_PKEY_CTX_new_from_name(library.context(), RowOf(type).openssl, nullptr));
  if (context == nullptr) return std::unexpected(NoAlgorithm(library, type));
  EVP_PKEY* key = nullptr;
  if (EVP_PKEY_fromdata_init(context.get()) != 1 ||
      EVP_PKEY_fromdata(context.get(), &key, selection, params.Done()) != 1) {
    return scope.Fail(ErrorCode::kKeyImport, Cat("not a valid ", NameOf(type), " key"));
  }
  return PkeyPtr(key);
}

void AddPublic(KeyParams& params, const RsaPublic& rsa, int* salt_length) {
  params.Integer(OSSL_PKEY_PARAM_RSA_N, rsa.modulus);
  params.Integer(OSSL_PKEY_PARAM_RSA_E, rsa.exponent);
  if (!rsa.pss) return;
  *salt_length = rsa.pss->min_salt_length;
  params.Text(OSSL_PKEY_PARAM_RSA_DIGEST, RowOf(rsa.pss->digest).name);
  params.Text(OSSL_PKEY_PARAM_RSA_MASKGENFUNC, "mgf1");
  params.Text(OSSL_PKEY_PARAM_RSA_MGF1_DIGEST, RowOf(rsa.pss->mgf_digest).name);
  params.Number(OSSL_PKEY_PARAM_RSA_PSS_SALTLEN, salt_length);
}

void AddPublic(KeyParams& params, const EcPublic& ec, int*) {
  params.Text(OSSL_PKEY_PARAM_GROUP_NAME, RowOf(ec.curve).name);
  params.Octets(OSSL_PKEY_PARAM_PUB_KEY, ec.point);
}

void AddPublic(KeyParams& params, const RawPublic& raw, int*) {
  params.Octets(OSSL_PKEY_PARAM_PUB_KEY, raw.key);
}

// CheckPublic refuses these before.
void AddPublic(KeyParams&, const SecretFacts&, int*) {}
void AddPrivate(KeyParams&, const SecretValue&) {}

void AddPrivate(KeyParams& params, const RsaPrivate& rsa) {
  params.Integer(OSSL_PKEY_PARAM_RSA_D, rsa.d.Read(kForOpenssl));
  params.Integer(OSSL_PKEY_PARAM_RSA_FACTOR1, rsa.p.Read(kForOpenssl));
  params.Integer(OSSL_PKEY_PARAM_RSA_FACTOR2, rsa.q.Read(kForOpenssl));
  params.Integer(OSSL_PKEY_PARAM_RSA_EXPONENT1, rsa.dp.Read(kForOpenssl));
  params.Integer(OSSL_PKEY_PARAM_RSA_EXPONENT2, rsa.dq.Read(kForOpenssl));
  params.Integer(OSSL_PKEY_PARAM_RSA_COEFFICIENT1, rsa.qinv.Read(kForOpenssl));
}

void AddPrivate(KeyParams& params, const EcPrivate& ec) {
  params.Integer(OSSL_PKEY_PARAM_PRIV_KEY, ec.scalar.Read(kForOpenssl));
}

void AddPrivate(KeyParams& params, const RawPrivate& raw) {
  if (!raw.seed.empty()) params.Octets(kSeedParam, raw.seed.Read(kForOpenssl));
  if (!raw.key.empty()) params.Octets(OSSL_PKEY_PARAM_PRIV_KEY, raw.key.Read(kForOpenssl));
}

bool IsOdd(ByteView integer) { return !integer.empty() && (integer.back() & 1) != 0; }
bool IsMinimal(ByteView integer) { return !integer.empty() && integer.front() != 0; }

Status CheckRestrictions(const PssRestrictions& pss) {
  if (!IsPssRestrictionDigest(pss.digest) || !IsPssRestrictionDigest(pss.mgf_digest)) {
    return Fail(ErrorCode::kKeyImport, "RSA-PSS keys are restricted to SHA-1 or SHA-2 digests");
  }
  if (pss.min_salt_length < 0 || pss.min_salt_length > 0x7fff) {
    return Fail(ErrorCode::kKeyImport, "RSA-PSS salt length out of range");
  }
  return {};
}

Status CheckPublic(const RsaPublic& rsa) {
  const unsigned bits = BitsOf(rsa);
  if (bits < kMinPublicRsaBits || bits > kMaxPublicRsaBits) {
    return Fail(ErrorCode::kKeyImport, Cat("RSA modulus of ", bits, " bits; supported are ",
                                           kMinPublicRsaBits, " to ", kMaxPublicRsaBits));
  }
  if (!IsMinimal(rsa.modulus) || !IsOdd(rsa.modulus)) {
    return Fail(ErrorCode::kKeyImport, "the RSA modulus is even or has leading zeros");
  }
  // OpenSSL refuses to work with longer exponents.
  if (!IsMinimal(rsa.exponent) || !IsOdd(rsa.exponent) || rsa.exponent.size() > 8 ||
      (rsa.exponent.size() == 1 && rsa.exponent.front() < 3)) {
    return Fail(ErrorCode::kKeyImport, "the RSA public exponent is not odd, >= 3 and <= 64 bits");
  }
  if (rsa.pss && !rsa.pss_only) {
    return Fail(ErrorCode::kKeyImport, "PSS restrictions belong to keys of type rsa-pss");
  }
  return rsa.pss ? CheckRestrictions(*rsa.pss) : Status{};
}

Status CheckPublic(const EcPublic& ec) {
  constexpr std::uint8_t kUncompressed = 4;
  const CurveRow& row = RowOf(ec.curve);
  if (ec.point.size() != 1 + (2 * row.field_bytes) || ec.point.front() != kUncompressed) {
    return Fail(ErrorCode::kKeyImport, Cat("not an uncompressed point of ", row.name));
  }
  return {};
}

Status CheckPublic(const RawPublic& raw) {
  const KeyTypeRow& row = RowOf(raw.type);
  if (row.form == KeyForm::kRaw && raw.key.size() == row.public_bytes) return {};
  return Fail(ErrorCode::kKeyImport, Cat("the public key of type ", row.name, " has ",
                                         row.public_bytes, " bytes, not ", raw.key.size()));
}

Status CheckPublic(const SecretFacts&) {
  return Fail(ErrorCode::kKeyTypeMismatch, "a secret key has no public half");
}

// The integer `name` of `key` in big-endian order, as wide as `width`.
Result<SecretBytes> ReadInteger(const Library& library, const EVP_PKEY* key, const char* name,
                                std::size_t width) {
  const LibraryScope scope(library);
  SecretBytes value(width);
  const auto bytes = value.Write(kForOpenssl);
  std::array params = {OSSL_PARAM_construct_BN(name, bytes.data(), bytes.size()),
                       OSSL_PARAM_construct_end()};
  if (EVP_PKEY_get_params(key, params.data()) != 1) {
    return scope.Fail(ErrorCode::kCryptoFailure, Cat("reading the new key's ", name));
  }
  std::ranges::reverse(bytes.first(std::min(params[0].return_size, width)));
  return value;
}

ByteView WithoutLeadingZeros(ByteView integer) {
  const auto first = std::ranges::find_if(integer, [](std::uint8_t byte) { return byte != 0; });
  return integer.subspan(static_cast<std::size_t>(first - integer.begin()));
}

Result<KeyPairMaterial> ReadRsaPair(const Library& library, const EVP_PKEY* key,
                                    const KeySpec& spec) {
  static constexpr std::array<const char*, 8> kNames = {
      OSSL_PKEY_PARAM_RSA_N,         OSSL_PKEY_PARAM_RSA_E,           OSSL_PKEY_PARAM_RSA_D,
      OSSL_PKEY_PARAM_RSA_FACTOR1,   OSSL_PKEY_PARAM_RSA_FACTOR2,     OSSL_PKEY_PARAM_RSA_EXPONENT1,
      OSSL_PKEY_PARAM_RSA_EXPONENT2, OSSL_PKEY_PARAM_RSA_COEFFICIENT1};
  std::array<SecretBytes, kNames.size()> values;
  for (std::size_t i = 0; i < kNames.size(); ++i) {
    HSMCORE_TRY(const SecretBytes wide,
                ReadInteger(library, key, kNames[i], spec.modulus_bits / 8));
    values[i] = SecretBytes::CopyOf(WithoutLeadingZeros(wide.Read(kForOpenssl)));
  }
  auto& [n, e, d, p, q, dp, dq, qinv] = values;
  const auto bytes_of = [](const SecretBytes& value) {
    const ByteView view = value.Read(SecretAccess{"the public half"});
    return Bytes(view.begin(), view.end());
  };
  return KeyPairMaterial{
      RsaPublic{bytes_of(n), bytes_of(e), spec.type == KeyType::kRsaPss, spec.pss},
      RsaPrivate{std::move(d), std::move(p), std::move(q), std::move(dp), std::move(dq),
                 std::move(qinv)}};
}

// The octet string `name` of `key`, which has as many bytes as `out`.
bool ReadOctets(const EVP_PKEY* key, const char* name, std::span<std::uint8_t> out) {
  std::size_t size = 0;
  return EVP_PKEY_get_octet_string_param(key, name, out.data(), out.size(), &size) == 1 &&
         size == out.size();
}

Result<KeyPairMaterial> ReadRawPair(const Library& library, const EVP_PKEY* key, KeyType type) {
  const LibraryScope scope(library);
  const KeyTypeRow& row = RowOf(type);
  RawPublic pub{type, Bytes(row.public_bytes)};
  RawPrivate priv{SecretBytes(row.private_bytes), SecretBytes(row.seed_bytes)};
  if (!ReadOctets(key, OSSL_PKEY_PARAM_PUB_KEY, pub.key) ||
      !ReadOctets(key, OSSL_PKEY_PARAM_PRIV_KEY, priv.key.Write(kForOpenssl)) ||
      (row.seed_bytes != 0 && !ReadOctets(key, kSeedParam, priv.seed.Write(kForOpenssl)))) {
    return scope.Fail(ErrorCode::kCryptoFailure, Cat("reading the new ", row.name, " key"));
  }
  return KeyPairMaterial{std::move(pub), std::move(priv)};
}

Result<KeyPairMaterial> ReadEcPair(const Library& library, const EVP_PKEY* key, Curve curve) {
  HSMCORE_TRY(SecretBytes scalar,
              ReadInteger(library, key, OSSL_PKEY_PARAM_PRIV_KEY, RowOf(curve).field_bytes));
  const LibraryScope scope(library);
  Bytes point(1 + (2 * std::size_t{RowOf(curve).field_bytes}));
  std::size_t size = 0;
  if (EVP_PKEY_get_octet_string_param(key, OSSL_PKEY_PARAM_PUB_KEY, point.data(), point.size(),
                                      &size) != 1 ||
      size != point.size()) {
    return scope.Fail(ErrorCode::kCryptoFailure, "reading the new key's public point");
  }
  return KeyPairMaterial{EcPublic{curve, std::move(point)}, EcPrivate{std::move(scalar)}};
}

EcGroupPtr GroupOf(const Library& library, Curve curve) {
  return EcGroupPtr(
      EC_GROUP_new_by_curve_name_ex(library.context(), nullptr, OBJ_sn2nid(RowOf(curve).name)));
}

Result<Bytes> PointBytes(const ErrorMark& errors, const EC_GROUP* group, const EC_POINT* point,
                         const CurveRow& row) {
  Bytes bytes(1 + (2 * std::size_t{row.field_bytes}));
  if (EC_POINT_point2oct(group, point, POINT_CONVERSION_UNCOMPRESSED, bytes.data(), bytes.size(),
                         nullptr) != bytes.size()) {
    return errors.Fail(ErrorCode::kKeyImport, Cat("not a point of ", row.name));
  }
  return bytes;
}

// Sets the point in a copy of the curve's parameters: every TLS peer's key comes this way, and to
// build the group anew would take several times as long. OpenSSL checks that the point is on the
// curve.
Result<PkeyPtr> MakeEcPublicKey(const Library& library, const EcPublic& ec) {
  HSMCORE_TRY(const EVP_PKEY* parameters, library.Parameters(ec.curve));
  const LibraryScope scope(library);
  PkeyPtr key(EVP_PKEY_dup(const_cast<EVP_PKEY*>(parameters)));
  if (key != nullptr &&
      EVP_PKEY_set1_encoded_public_key(key.get(), ec.point.data(), ec.point.size()) == 1) {
    return key;
  }
  return scope.Fail(ErrorCode::kKeyImport, Cat("not a point of ", RowOf(ec.curve).name));
}

}  // namespace

Error NoAlgorithm(const Library& library, KeyType type) {
  if (library.kind() == LibraryKind::kFips) {
    return {ErrorCode::kNotSupported,
            Cat(RowOf(type).openssl, " is not in OpenSSL's FIPS module (", library.ProviderName(),
                "), which a cluster in FIPS mode works with")};
  }
  return {ErrorCode::kNotSupported, Cat(RowOf(type).openssl, " is not in this OpenSSL (",
                                        OpenSSL_version(OPENSSL_VERSION), ")")};
}

bool IsPssRestrictionDigest(Digest digest) {
  static constexpr std::array kDigests = {Digest::kSha1,      Digest::kSha224, Digest::kSha256,
                                          Digest::kSha384,    Digest::kSha512, Digest::kSha512_224,
                                          Digest::kSha512_256};
  return std::ranges::find(kDigests, digest) != kDigests.end();
}

Status CheckPublic(const PublicMaterial& material) {
  return std::visit([](const auto& pub) { return CheckPublic(pub); }, material);
}

Status CheckRsaPairSize(unsigned modulus_bits) {
  if (modulus_bits >= 2048 && modulus_bits <= 4096 && modulus_bits % 256 == 0) return {};
  return Fail(ErrorCode::kKeySize,
              Cat("RSA with ", modulus_bits, " bits; supported are 2048 to 4096 in steps of 256"));
}

Result<PkeyPtr> MakePublicKey(const Library& library, const PublicMaterial& material) {
  HSMCORE_CHECK(CheckPublic(material));
  if (const auto* ec = std::get_if<EcPublic>(&material)) return MakeEcPublicKey(library, *ec);
  KeyParams params;
  int salt_length = 0;
  std::visit([&](const auto& pub) { AddPublic(params, pub, &salt_length); }, material);
  return FromParams(library, TypeOf(material), EVP_PKEY_PUBLIC_KEY, params);
}

Result<PkeyPtr> MakePrivateKey(const Library& library, const KeyPairMaterial& material) {
  HSMCORE_CHECK(CheckPublic(material.public_part));
  if (material.public_part.index() != material.private_part.index()) {
    return Fail(ErrorCode::kKeyImport, "the two halves are of different key types");
  }
  KeyParams params;
  int salt_length = 0;
  std::visit([&](const auto& pub) { AddPublic(params, pub, &salt_length); }, material.public_part);
  std::visit([&](const auto& priv) { AddPrivate(params, priv); }, material.private_part);
  return FromParams(library, TypeOf(material.public_part), EVP_PKEY_KEYPAIR, params);
}

Result<KeyPairMaterial> ReadPair(const Library& library, EVP_PKEY* key, const KeySpec& spec) {
  switch (RowOf(spec.type).form) {
    case KeyForm::kRsa:
      return ReadRsaPair(library, key, spec);
    case KeyForm::kEc:
      return ReadEcPair(library, key, spec.curve);
    case KeyForm::kRaw:
      return ReadRawPair(library, key, spec.type);
    case KeyForm::kSecret:
      break;
  }
  return Fail(ErrorCode::kInternal, "key type");
}

Result<EcPublic> EcPublicOf(const Library& library, Curve curve, const SecretBytes& scalar) {
  const LibraryScope scope(library);
  const CurveRow& row = RowOf(curve);
  const EcGroupPtr group = GroupOf(library, curve);
  const EcPointPtr point(group == nullptr ? nullptr : EC_POINT_new(group.get()));
  const ByteView bytes = scalar.Read(kForOpenssl);
  const BignumPtr number(BN_secure_new());
  if (point == nullptr || number == nullptr ||
      BN_bin2bn(bytes.data(), static_cast<int>(bytes.size()), number.get()) == nullptr) {
    return scope.Fail(ErrorCode::kCryptoFailure, row.name);
  }
  BN_set_flags(number.get(), BN_FLG_CONSTTIME);
  if (BN_is_zero(number.get()) || BN_cmp(number.get(), EC_GROUP_get0_order(group.get())) >= 0 ||
      EC_POINT_mul(group.get(), point.get(), number.get(), nullptr, nullptr, nullptr) != 1) {
    return scope.Fail(ErrorCode::kKeyImport, Cat("the private key is out of range for ", row.name));
  }
  HSMCORE_TRY(Bytes encoded, PointBytes(scope, group.get(), point.get(), row));
  return EcPublic{curve, std::move(encoded)};
}

Result<RawPublic> RawPublicOf(const Library& library, KeyType type, const RawPrivate& material) {
  KeyParams params;
  AddPrivate(params, material);
  HSMCORE_TRY(const PkeyPtr key, FromParams(library, type, EVP_PKEY_KEYPAIR, params));
  const LibraryScope scope(library);
  RawPublic pub{type, Bytes(RowOf(type).public_bytes)};
  if (ReadOctets(key.get(), OSSL_PKEY_PARAM_PUB_KEY, pub.key)) return pub;
  return scope.Fail(ErrorCode::kKeyImport, Cat("not a valid ", NameOf(type), " key"));
}

Result<Bytes> UncompressedPoint(const Library& library, Curve curve, ByteView encoded) {
  const LibraryScope scope(library);
  const CurveRow& row = RowOf(curve);
  const EcGroupPtr group = GroupOf(library, curve);
  const EcPointPtr point(group == nullptr ? nullptr : EC_POINT_new(group.get()));
  if (point == nullptr ||
      EC_POINT_oct2point(group.get(), point.get(), encoded.data(), encoded.size(), nullptr) != 1) {
    return scope.Fail(ErrorCode::kKeyImport, Cat("not a point of ", row.name));
  }
  return PointBytes(scope, group.get(), point.get(), row);
}

}  // namespace hsmcore::crypto
