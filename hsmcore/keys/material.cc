// SPDX-License-Identifier: Apache-2.0
#include "keys/material.h"

#include <algorithm>
#include <array>
#include <initializer_list>

namespace hsmcore::keys {
namespace {

// First byte of an encoded private part.
enum class Tag : std::uint8_t { kRsa = 1, kEc = 2, kRaw = 3, kSeeded = 4, kSecret = 5 };
constexpr std::size_t kLengthBytes = 4;

SecretBytes Join(Tag tag, std::initializer_list<const SecretBytes*> fields) {
  std::size_t size = 1;
  for (const SecretBytes* field : fields) size += kLengthBytes + field->size();
  SecretBytes joined(size);
  auto out = joined.Write(SecretAccess{"encode a private key for sealing"});
  out[0] = static_cast<std::uint8_t>(tag);
  out = out.subspan(1);
  for (const SecretBytes* field : fields) {
    for (std::size_t i = 0; i < kLengthBytes; ++i) {
      out[i] = static_cast<std::uint8_t>(field->size() >> (8 * i));
    }
    std::ranges::copy(field->Read(SecretAccess{"encode a private key for sealing"}),
                      out.subspan(kLengthBytes).begin());
    out = out.subspan(kLengthBytes + field->size());
  }
  return joined;
}

template <std::size_t N>
std::optional<std::array<SecretBytes, N>> Split(ByteView bytes) {
  std::array<SecretBytes, N> fields;
  for (SecretBytes& field : fields) {
    if (bytes.size() < kLengthBytes) return std::nullopt;
    std::size_t size = 0;
    for (std::size_t i = 0; i < kLengthBytes; ++i) size |= std::size_t{bytes[i]} << (8 * i);
    bytes = bytes.subspan(kLengthBytes);
    if (bytes.size() < size) return std::nullopt;
    field = SecretBytes::CopyOf(bytes.first(size));
    bytes = bytes.subspan(size);
  }
  if (!bytes.empty()) return std::nullopt;
  return fields;
}

cbor::Value EncodePss(const PssRestrictions& pss) {
  return {{"digest", RowOf(pss.digest).name},
          {"mgf", RowOf(pss.mgf_digest).name},
          {"salt", pss.min_salt_length}};
}

Result<PssRestrictions> DecodePss(const cbor::Value& value, std::string_view what) {
  cbor::Reader in(value, what);
  const auto digest = DigestByName(in.Text("digest"));
  const auto mgf = DigestByName(in.Text("mgf"));
  const std::int64_t salt = in.Signed("salt");
  if (!digest || !mgf || salt < 0 || salt > 2048) in.Refuse("pss");
  HSMCORE_CHECK(in.Finish());
  return PssRestrictions{*digest, *mgf, static_cast<int>(salt)};
}

Result<PublicMaterial> DecodeRsa(cbor::Reader& in, bool pss_only, std::string_view what) {
  RsaPublic rsa{in.Blob("n"), in.Blob("e"), pss_only, {}};
  if (rsa.modulus.empty() || rsa.exponent.empty()) in.Refuse("n");
  if (in.Has("pss")) {
    HSMCORE_TRY(rsa.pss, DecodePss(in.Map("pss"), what));
  }
  HSMCORE_CHECK(in.Finish());
  return rsa;
}

Result<PublicMaterial> DecodeEc(cbor::Reader& in) {
  const auto curve = CurveByName(in.Text("curve"));
  EcPublic ec{curve.value_or(Curve::kP256), in.Blob("point")};
  if (!curve) in.Refuse("curve");
  HSMCORE_CHECK(in.Finish());
  return ec;
}

Result<PublicMaterial> DecodeRaw(cbor::Reader& in, KeyType type) {
  RawPublic raw{type, in.Blob("key")};
  if (raw.key.size() != RowOf(type).public_bytes) in.Refuse("key");
  HSMCORE_CHECK(in.Finish());
  return raw;
}

}  // namespace

cbor::Value EncodePublic(const PublicMaterial& material) {
  cbor::Value value = {{"type", NameOf(TypeOf(material))}};
  if (const auto* rsa = std::get_if<RsaPublic>(&material)) {
    value["n"] = cbor::Blob(rsa->modulus);
    value["e"] = cbor::Blob(rsa->exponent);
    if (rsa->pss) value["pss"] = EncodePss(*rsa->pss);
  } else if (const auto* ec = std::get_if<EcPublic>(&material)) {
    value["curve"] = RowOf(ec->curve).name;
    value["point"] = cbor::Blob(ec->point);
  } else if (const auto* raw = std::get_if<RawPublic>(&material)) {
    value["key"] = cbor::Blob(raw->key);
  } else {
    const auto& facts = std::get<SecretFacts>(material);
    value["length"] = facts.length;
    value["kcv"] = cbor::Blob(facts.check_value);
    if (!facts.commitment.empty()) value["commit"] = cbor::Blob(facts.commitment);
  }
  return value;
}

Result<PublicMaterial> DecodePublic(const cbor::Value& value, std::string_view what) {
  cbor::Reader in(value, what);
  const auto type = KeyTypeByName(in.Text("type"));
  if (!type) in.Refuse("type");
  HSMCORE_CHECK(in.Finish());
  switch (RowOf(*type).form) {
    case KeyForm::kRsa:
      return DecodeRsa(in, *type == KeyType::kRsaPss, what);
    case KeyForm::kEc:
      return DecodeEc(in);
    case KeyForm::kRaw:
      return DecodeRaw(in, *type);
    case KeyForm::kSecret:
      break;
  }
  SecretFacts facts{*type, in.Number("length"), in.Blob("kcv"), {}};
  if (in.Has("commit")) facts.commitment = in.Blob("commit");
  HSMCORE_CHECK(in.Finish());
  return facts;
}

SecretBytes EncodePrivate(const PrivateMaterial& material) {
  if (const auto* rsa = std::get_if<RsaPrivate>(&material)) {
    return Join(Tag::kRsa, {&rsa->d, &rsa->p, &rsa->q, &rsa->dp, &rsa->dq, &rsa->qinv});
  }
  if (const auto* ec = std::get_if<EcPrivate>(&material)) return Join(Tag::kEc, {&ec->scalar});
  if (const auto* raw = std::get_if<RawPrivate>(&material)) {
    if (raw->seed.empty()) return Join(Tag::kRaw, {&raw->key});
    return Join(Tag::kSeeded, {&raw->key, &raw->seed});
  }
  return Join(Tag::kSecret, {&std::get<SecretValue>(material).value});
}

Result<PrivateMaterial> DecodePrivate(const SecretBytes& encoded) {
  const ByteView bytes = encoded.Read(SecretAccess{"decode an opened private key"});
  const auto tag = bytes.empty() ? Tag{} : static_cast<Tag>(bytes.front());
  const ByteView fields = bytes.subspan(bytes.empty() ? 0 : 1);
  if (tag == Tag::kRsa) {
    if (auto rsa = Split<6>(fields)) {
      auto& [d, p, q, dp, dq, qinv] = *rsa;
      return RsaPrivate{std::move(d),  std::move(p),  std::move(q),
                        std::move(dp), std::move(dq), std::move(qinv)};
    }
  } else if (tag == Tag::kEc) {
    if (auto ec = Split<1>(fields)) return EcPrivate{std::move(ec->front())};
  } else if (tag == Tag::kRaw) {
    if (auto raw = Split<1>(fields)) return RawPrivate{std::move(raw->front()), {}};
  } else if (tag == Tag::kSeeded) {
    if (auto raw = Split<2>(fields)) return RawPrivate{std::move((*raw)[0]), std::move((*raw)[1])};
  } else if (tag == Tag::kSecret) {
    if (auto secret = Split<1>(fields)) return SecretValue{std::move(secret->front())};
  }
  return Fail(ErrorCode::kRecordDamaged, "a private key cannot be decoded");
}

PrivateMaterial CloneOf(const PrivateMaterial& material) {
  if (const auto* rsa = std::get_if<RsaPrivate>(&material)) {
    return RsaPrivate{rsa->d.Clone(),  rsa->p.Clone(),  rsa->q.Clone(),
                      rsa->dp.Clone(), rsa->dq.Clone(), rsa->qinv.Clone()};
  }
  if (const auto* ec = std::get_if<EcPrivate>(&material)) return EcPrivate{ec->scalar.Clone()};
  if (const auto* raw = std::get_if<RawPrivate>(&material)) {
    return RawPrivate{raw->key.Clone(), raw->seed.Clone()};
  }
  return SecretValue{std::get<SecretValue>(material).value.Clone()};
}

}  // namespace hsmcore::keys
