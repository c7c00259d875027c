// SPDX-License-Identifier: Apache-2.0
#include "crypto/spki.h"

#include <algorithm>
#include <array>
#include <string>

#include "base/text.h"
#include "crypto/key_material.h"
#include "hsmcore/key_reference.h"

namespace hsmcore {
namespace crypto {
namespace {

constexpr const char* kMgf1Oid = "1.2.840.113549.1.1.8";
constexpr unsigned kDefaultSaltLength = 20;

std::unexpected<Error> NotRestrictions() {
  return Fail(ErrorCode::kKeyImport,
              "the RSA-PSS parameters are malformed, or not MGF1 with SHA-1 or SHA-2 digests");
}

// The table of digests has the OID as the last alias.
std::string_view OidOf(Digest digest) {
  const std::string_view aliases = RowOf(digest).aliases;
  return aliases.substr(aliases.rfind(':') + 1);
}

bool Matches(ByteView oid, std::string_view dotted) {
  return std::ranges::equal(oid, der::OidContents(dotted));
}

Bytes DigestAlgorithm(Digest digest) {
  return der::AlgorithmIdentifier(OidOf(digest), der::Element(der::kNull, {}));
}

std::optional<Digest> ReadDigestAlgorithm(der::Reader& reader) {
  auto fields = reader.Enter(der::kSequence);
  const auto oid = fields ? fields->Next(der::kOid) : std::nullopt;
  if (!oid) return std::nullopt;
  if (const auto null = fields->Next(der::kNull); null && !null->empty()) return std::nullopt;
  if (!fields->empty()) return std::nullopt;
  for (const DigestRow& row : AllDigests()) {
    if (IsPssRestrictionDigest(row.digest) && Matches(*oid, OidOf(row.digest))) return row.digest;
  }
  return std::nullopt;
}

std::optional<Digest> ReadMgf(der::Reader& reader) {
  auto fields = reader.Enter(der::kSequence);
  const auto oid = fields ? fields->Next(der::kOid) : std::nullopt;
  if (!oid || !Matches(*oid, kMgf1Oid)) return std::nullopt;
  const auto digest = ReadDigestAlgorithm(*fields);
  return fields->empty() ? digest : std::nullopt;
}

// The field [number] of RSASSA-PSS-params by `read`, or `otherwise` when it is left out.
template <class T, class Read>
std::optional<T> PssField(der::Reader& reader, std::uint8_t number, T otherwise, Read read) {
  const auto identifier = static_cast<std::uint8_t>(der::kContext + number);
  if (!reader.NextIs(identifier)) return otherwise;
  auto field = reader.Enter(identifier);
  if (!field) return std::nullopt;
  const std::optional<T> value = read(*field);
  return field->empty() ? value : std::nullopt;
}

// RFC 4055 section 3.1.
Result<PssRestrictions> ReadRestrictions(der::Reader& reader) {
  const auto number = [](der::Reader& field) { return field.SmallNumber(); };
  auto fields = reader.Enter(der::kSequence);
  if (!fields) return NotRestrictions();
  const auto digest = PssField(*fields, 0, Digest::kSha1, ReadDigestAlgorithm);
  const auto mgf_digest = PssField(*fields, 1, Digest::kSha1, ReadMgf);
  const auto salt_length = PssField(*fields, 2, kDefaultSaltLength, number);
  const auto trailer = PssField(*fields, 3, 1U, number);
  if (!digest || !mgf_digest || !salt_length || trailer != 1U || !fields->empty()) {
    return NotRestrictions();
  }
  return PssRestrictions{*digest, *mgf_digest, static_cast<int>(*salt_length)};
}

Bytes Restrictions(const PssRestrictions& pss) {
  Bytes fields;
  const auto add = [&fields](std::uint8_t number, const Bytes& value) {
    const Bytes field = der::Element(static_cast<std::uint8_t>(der::kContext + number), {value});
    fields.insert(fields.end(), field.begin(), field.end());
  };
  if (pss.digest != Digest::kSha1) add(0, DigestAlgorithm(pss.digest));
  if (pss.mgf_digest != Digest::kSha1) {
    add(1, der::AlgorithmIdentifier(kMgf1Oid, DigestAlgorithm(pss.mgf_digest)));
  }
  const auto salt_length = static_cast<unsigned>(pss.min_salt_length);
  if (salt_length != kDefaultSaltLength) add(2, der::SmallNumber(salt_length));
  return der::Element(der::kSequence, {fields});
}

Bytes AlgorithmParameters(const PublicMaterial& material) {
  if (const auto* rsa = std::get_if<RsaPublic>(&material)) {
    if (!rsa->pss_only) return der::Element(der::kNull, {});
    return rsa->pss ? Restrictions(*rsa->pss) : Bytes{};
  }
  if (const auto* ec = std::get_if<EcPublic>(&material)) {
    return der::Element(der::kOid, {der::OidContents(RowOf(ec->curve).oid)});
  }
  return {};
}

Status ReadParameters(der::Reader& fields, KeyAlgorithm& algorithm) {
  if (algorithm.type == KeyType::kRsa) {
    fields.Next(der::kNull);
  } else if (algorithm.type == KeyType::kRsaPss && !fields.empty()) {
    HSMCORE_TRY(algorithm.pss, ReadRestrictions(fields));
  } else if (algorithm.type == KeyType::kEc) {
    HSMCORE_TRY(algorithm.curve, ReadCurve(fields));
  }
  if (fields.empty()) return {};
  return Fail(ErrorCode::kKeyImport, "the algorithm's parameters do not fit the key type");
}

Result<PublicMaterial> ReadRsaPublic(const KeyAlgorithm& algorithm, ByteView bits) {
  der::Reader reader(bits);
  auto fields = reader.Enter(der::kSequence);
  const auto modulus = fields ? fields->Unsigned() : std::nullopt;
  const auto exponent = modulus ? fields->Unsigned() : std::nullopt;
  if (!exponent || !fields->empty() || !reader.empty()) {
    return Fail(ErrorCode::kKeyImport, "not an RSA public key (RFC 8017 appendix A.1.1)");
  }
  return RsaPublic{Bytes(modulus->begin(), modulus->end()),
                   Bytes(exponent->begin(), exponent->end()), algorithm.type == KeyType::kRsaPss,
                   algorithm.pss};
}

Result<PublicMaterial> ReadPublicBits(const KeyAlgorithm& algorithm, ByteView bits) {
  const KeyForm form = RowOf(algorithm.type).form;
  if (form == KeyForm::kRsa) return ReadRsaPublic(algorithm, bits);
  if (form == KeyForm::kRaw) return RawPublic{algorithm.type, Bytes(bits.begin(), bits.end())};
  HSMCORE_TRY(const LibraryPtr library, Library::Acquire());
  HSMCORE_TRY(Bytes point, UncompressedPoint(*library, algorithm.curve, bits));
  return EcPublic{algorithm.curve, std::move(point)};
}

}  // namespace

Result<Curve> ReadCurve(der::Reader& reader) {
  if (reader.NextIs(der::kSequence)) {
    return Fail(ErrorCode::kKeyImport,
                "EC keys with explicit parameters are not supported; convert it to a named curve "
                "(openssl pkey -ec_param_enc named_curve)");
  }
  const auto oid = reader.Next(der::kOid);
  if (!oid) return Fail(ErrorCode::kKeyImport, "the EC key names no curve");
  for (const CurveRow& row : AllCurves()) {
    if (Matches(*oid, row.oid)) return row.curve;
  }
  return Fail(ErrorCode::kKeyImport,
              "curve not supported; supported are P-224, P-256, P-384, P-521 and secp256k1");
}

Result<KeyAlgorithm> ReadKeyAlgorithm(der::Reader& reader) {
  auto fields = reader.Enter(der::kSequence);
  const auto oid = fields ? fields->Next(der::kOid) : std::nullopt;
  if (!oid) return Fail(ErrorCode::kKeyImport, "no key algorithm found");
  for (const KeyTypeRow& row : AllKeyTypes()) {
    if (row.form == KeyForm::kSecret || !Matches(*oid, row.oid)) continue;
    KeyAlgorithm algorithm;
    algorithm.type = row.type;
    HSMCORE_CHECK(ReadParameters(*fields, algorithm));
    return algorithm;
  }
  return Fail(ErrorCode::kKeyImport,
              "key type not supported; supported are RSA, RSA-PSS, EC, Ed25519, Ed448, X25519, "
              "X448, ML-DSA, ML-KEM and SLH-DSA");
}

Bytes EncodeKeyAlgorithm(const PublicMaterial& material) {
  return der::AlgorithmIdentifier(RowOf(TypeOf(material)).oid, AlgorithmParameters(material));
}

Bytes PublicKeyBits(const PublicMaterial& material) {
  if (const auto* rsa = std::get_if<RsaPublic>(&material)) {
    return der::Element(der::kSequence,
                        {der::Unsigned(rsa->modulus), der::Unsigned(rsa->exponent)});
  }
  if (const auto* ec = std::get_if<EcPublic>(&material)) return ec->point;
  return std::get<RawPublic>(material).key;
}

}  // namespace crypto

Result<Bytes> EncodeSpki(const PublicMaterial& material) {
  namespace der = crypto::der;
  HSMCORE_CHECK(crypto::CheckPublic(material));
  return der::Element(der::kSequence, {crypto::EncodeKeyAlgorithm(material),
                                       der::BitString(crypto::PublicKeyBits(material))});
}

Result<PublicMaterial> DecodeSpki(ByteView der) {
  crypto::der::Reader reader(der);
  auto fields = reader.Enter(crypto::der::kSequence);
  if (!fields || !reader.empty()) {
    return Fail(ErrorCode::kKeyImport, "not a SubjectPublicKeyInfo (RFC 5280 4.1.2.7)");
  }
  HSMCORE_TRY(const crypto::KeyAlgorithm algorithm, crypto::ReadKeyAlgorithm(*fields));
  const auto bits = fields->BitString();
  if (!bits || !fields->empty()) {
    return Fail(ErrorCode::kKeyImport, "the SubjectPublicKeyInfo is damaged");
  }
  HSMCORE_TRY(PublicMaterial material, crypto::ReadPublicBits(algorithm, *bits));
  HSMCORE_CHECK(crypto::CheckPublic(material));
  return material;
}

}  // namespace hsmcore
