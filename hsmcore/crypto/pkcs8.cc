// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>
#include <string>
#include <string_view>

#include "base/text.h"
#include "crypto/der.h"
#include "crypto/key_material.h"
#include "crypto/library.h"
#include "crypto/pem.h"
#include "crypto/spki.h"
#include "hsmcore/key_reference.h"

namespace hsmcore {
namespace crypto {
namespace {

constexpr SecretAccess kForImport{"importing a private key"};
std::unexpected<Error> Damaged(const char* what) {
  return Fail(ErrorCode::kKeyImport, Cat("the ", what, " is damaged"));
}

// RFC 8017 appendix A.1.2.
Result<KeyPairMaterial> ReadRsaPrivate(const KeyAlgorithm& algorithm, ByteView der) {
  der::Reader reader(der);
  auto fields = reader.Enter(der::kSequence);
  const auto version = fields ? fields->SmallNumber() : std::nullopt;
  if (version == 1U) {
    return Fail(ErrorCode::kKeyImport, "RSA keys with more than two primes are not supported");
  }
  std::array<ByteView, 8> values;
  bool whole = version == 0U;
  for (ByteView& value : values) {
    const auto integer = whole ? fields->Unsigned() : std::nullopt;
    whole = integer.has_value();
    if (whole) value = *integer;
  }
  if (!whole || !fields->empty() || !reader.empty()) return Damaged("RSA private key");
  const auto& [n, e, d, p, q, dp, dq, qinv] = values;
  const auto secret = [](ByteView view) { return SecretBytes::CopyOf(view); };
  return KeyPairMaterial{
      RsaPublic{Bytes(n.begin(), n.end()), Bytes(e.begin(), e.end()),
                algorithm.type == KeyType::kRsaPss, algorithm.pss},
      RsaPrivate{secret(d), secret(p), secret(q), secret(dp), secret(dq), secret(qinv)}};
}

Result<KeyPairMaterial> EcPair(Curve curve, ByteView scalar, std::optional<ByteView> claimed) {
  const std::size_t width = RowOf(curve).field_bytes;
  while (scalar.size() > width && scalar.front() == 0) scalar = scalar.subspan(1);
  if (scalar.size() > width) return Damaged("EC private key");
  SecretBytes padded(width);
  std::ranges::copy(scalar, padded.Write(kForImport).last(scalar.size()).begin());
  HSMCORE_TRY(const LibraryPtr library, Library::Acquire());
  HSMCORE_TRY(EcPublic pub, EcPublicOf(*library, curve, padded));
  if (claimed) {
    HSMCORE_TRY(const Bytes point, UncompressedPoint(*library, curve, *claimed));
    if (point != pub.point) {
      return Fail(ErrorCode::kKeyImport, "the file's public key belongs to another private key");
    }
  }
  return KeyPairMaterial{std::move(pub), EcPrivate{std::move(padded)}};
}

// RFC 5915. `named` is the curve of the algorithm around it.
Result<KeyPairMaterial> ReadEcPrivate(std::optional<Curve> named, ByteView der) {
  der::Reader reader(der);
  auto fields = reader.Enter(der::kSequence);
  const auto version = fields ? fields->SmallNumber() : std::nullopt;
  const auto scalar = version == 1U ? fields->Next(der::kOctetString) : std::nullopt;
  if (!scalar || !reader.empty()) return Damaged("EC private key");
  if (auto parameters = fields->Enter(der::kContext)) {
    HSMCORE_TRY(const Curve curve, ReadCurve(*parameters));
    if (named.value_or(curve) != curve) return Damaged("EC private key");
    named = curve;
  }
  std::optional<ByteView> point;
  if (auto wrapped = fields->Enter(der::kContext + 1)) {
    point = wrapped->BitString();
    if (!point) return Damaged("EC private key");
  }
  if (!fields->empty()) return Damaged("EC private key");
  if (!named) return Fail(ErrorCode::kKeyImport, "the EC key names no curve");
  return EcPair(*named, *scalar, point);
}

// What privateKey holds: an octet string (RFC 8410 section 7); where there is a seed, that as
// [0], the key as an octet string, or both in a sequence (RFC 9881 section 6, RFC 9935 section 6);
// for SLH-DSA the bare key (RFC 9909 section 6).
std::optional<RawPrivate> ReadRawFields(const KeyTypeRow& row, ByteView der) {
  if (row.type >= KeyType::kSlhDsaSha2_128s) return RawPrivate{SecretBytes::CopyOf(der), {}};
  der::Reader reader(der);
  std::optional<ByteView> key;
  std::optional<ByteView> seed;
  if (row.seed_bytes != 0 && reader.NextIs(der::kSequence)) {
    auto both = reader.Enter(der::kSequence);
    seed = both ? both->Next(der::kOctetString) : std::nullopt;
    key = seed ? both->Next(der::kOctetString) : std::nullopt;
    if (!key || !both->empty()) return std::nullopt;
  } else if (row.seed_bytes != 0 && reader.NextIs(der::kContextPrimitive)) {
    seed = reader.Next(der::kContextPrimitive);
  } else {
    key = reader.Next(der::kOctetString);
  }
  if (!reader.empty() || (!key && !seed)) return std::nullopt;
  RawPrivate raw;
  if (key) raw.key = SecretBytes::CopyOf(*key);
  if (seed) raw.seed = SecretBytes::CopyOf(*seed);
  return raw;
}

Result<KeyPairMaterial> ReadRawPrivate(KeyType type, ByteView der,
                                       std::optional<ByteView> claimed) {
  const KeyTypeRow& row = RowOf(type);
  auto raw = ReadRawFields(row, der);
  if (raw) return CompleteRawPair(type, *std::move(raw), claimed.value_or(ByteView()));
  return Fail(ErrorCode::kKeyImport, Cat("the ", row.name, " private key is damaged"));
}

// [1] publicKey of RFC 5958: IMPLICIT BIT STRING.
std::optional<ByteView> ReadClaimedPublic(der::Reader& fields) {
  const auto bits = fields.Next(der::kContextPrimitive + 1);
  if (!bits || bits->empty()) return std::nullopt;
  return bits->subspan(1);
}

Result<KeyPairMaterial> ReadPrivateKeyInfo(ByteView der) {
  der::Reader reader(der);
  auto fields = reader.Enter(der::kSequence);
  // EncryptedPrivateKeyInfo begins with an AlgorithmIdentifier, PrivateKeyInfo with a version.
  if (fields && fields->NextIs(der::kSequence)) return Fail(ErrorCode::kKeyImport, kHowToDecrypt);
  const auto version = fields ? fields->SmallNumber() : std::nullopt;
  if (!version || *version > 1 || !reader.empty()) {
    return Fail(ErrorCode::kKeyImport, "not a PKCS#8 private key, as DER or PEM");
  }
  HSMCORE_TRY(const KeyAlgorithm algorithm, ReadKeyAlgorithm(*fields));
  const auto key = fields->Next(der::kOctetString);
  if (!key) return Damaged("PKCS#8 private key");
  fields->Next(der::kContext);  // attributes: not about the key itself
  const auto claimed = ReadClaimedPublic(*fields);
  if (!fields->empty()) return Damaged("PKCS#8 private key");
  if (algorithm.type == KeyType::kEc) return ReadEcPrivate(algorithm.curve, *key);
  if (RowOf(algorithm.type).form == KeyForm::kRaw) {
    return ReadRawPrivate(algorithm.type, *key, claimed);
  }
  return ReadRsaPrivate(algorithm, *key);
}

Result<KeyPairMaterial> ReadPrivatePem(ByteView text) {
  HSMCORE_TRY(const PemBlock block,
              ReadPem(text, [](std::string_view label) { return label.ends_with("PRIVATE KEY"); }));
  const ByteView der = block.der.Read(kForImport);
  if (block.label == "PRIVATE KEY") return ReadPrivateKeyInfo(der);
  if (block.label == "RSA PRIVATE KEY") return ReadRsaPrivate({}, der);
  if (block.label == "EC PRIVATE KEY") return ReadEcPrivate(std::nullopt, der);
  if (block.label == "ENCRYPTED PRIVATE KEY") return Fail(ErrorCode::kKeyImport, kHowToDecrypt);
  return Fail(ErrorCode::kKeyImport, Cat("PEM of '", block.label.substr(0, 40),
                                         "' is not supported; convert it with openssl pkey"));
}

}  // namespace
}  // namespace crypto

Result<KeyPairMaterial> CompleteRawPair(KeyType type, RawPrivate material, ByteView claimed) {
  const KeyTypeRow& row = RowOf(type);
  const bool no_key = material.key.empty() && material.seed.empty();
  if (no_key || (!material.key.empty() && material.key.size() != row.private_bytes) ||
      (!material.seed.empty() && material.seed.size() != row.seed_bytes)) {
    return Fail(ErrorCode::kKeyImport,
                Cat("a private key of type ", row.name, " has ", row.private_bytes, " bytes"));
  }
  HSMCORE_TRY(const crypto::LibraryPtr library, crypto::Library::Acquire());
  HSMCORE_TRY(RawPublic pub, crypto::RawPublicOf(*library, type, material));
  if (!claimed.empty() && !std::ranges::equal(claimed, pub.key)) {
    return Fail(ErrorCode::kKeyImport, "the public key belongs to another private key");
  }
  return KeyPairMaterial{std::move(pub), std::move(material)};
}

Result<KeyPairMaterial> DecodePkcs8(const SecretBytes& der_or_pem) {
  const ByteView data = der_or_pem.Read(crypto::kForImport);
  HSMCORE_TRY(KeyPairMaterial pair, crypto::IsPem(data) ? crypto::ReadPrivatePem(data)
                                                        : crypto::ReadPrivateKeyInfo(data));
  HSMCORE_CHECK(crypto::CheckPublic(pair.public_part));
  return pair;
}

}  // namespace hsmcore
