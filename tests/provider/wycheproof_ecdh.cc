// SPDX-License-Identifier: Apache-2.0
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/objects.h>
#include <openssl/params.h>

#include <algorithm>
#include <array>
#include <optional>

#include "hsmcore/key_reference.h"
#include "provider/wycheproof_families.h"

namespace provider::test::wycheproof {
namespace {

struct FreeEc {
  void operator()(EC_GROUP* group) const { EC_GROUP_free(group); }
  void operator()(EC_POINT* point) const { EC_POINT_free(point); }
  void operator()(BIGNUM* number) const { BN_free(number); }
};
template <class T>
using EcPtr = std::unique_ptr<T, FreeEc>;

using MakePeer = std::function<Needed<EVP_PKEY*>()>;

hsmcore::KeyPairMaterial PairOf(hsmcore::Curve curve, Bytes scalar) {
  const std::size_t width = RowOf(curve).field_bytes;
  scalar = WithoutLeadingZeros(std::move(scalar));
  scalar.insert(scalar.begin(), width - std::min(width, scalar.size()), 0);
  const EcPtr<EC_GROUP> group(EC_GROUP_new_by_curve_name(OBJ_txt2nid(RowOf(curve).oid)));
  const EcPtr<EC_POINT> point(EC_POINT_new(group.get()));
  const EcPtr<BIGNUM> number(BN_bin2bn(scalar.data(), static_cast<int>(scalar.size()), nullptr));
  EXPECT_EQ(EC_POINT_mul(group.get(), point.get(), number.get(), nullptr, nullptr, nullptr), 1);
  hsmcore::EcPublic half{curve, Bytes(1 + 2 * width)};
  EC_POINT_point2oct(group.get(), point.get(), POINT_CONVERSION_UNCOMPRESSED, half.point.data(),
                     half.point.size(), nullptr);
  return {std::move(half), hsmcore::EcPrivate{hsmcore::SecretBytes::CopyOf(scalar)}};
}

// EVP_PKEY_fromdata; without a private half, a peer.
Needed<EVP_PKEY*> FromParts(Bench& bench, hsmcore::Curve curve, Bytes point, Bytes scalar) {
  std::string name = RowOf(curve).name;
  std::ranges::reverse(scalar);  // OSSL_PARAM's integers are in the machine's order
  std::array<OSSL_PARAM, 4> params = {
      OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, name.data(), name.size()),
      OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, point.data(), point.size()),
      scalar.empty()
          ? OSSL_PARAM_construct_end()
          : OSSL_PARAM_construct_BN(OSSL_PKEY_PARAM_PRIV_KEY, scalar.data(), scalar.size()),
      OSSL_PARAM_construct_end()};
  return bench.GivenParams("EC", scalar.empty() ? EVP_PKEY_PUBLIC_KEY : EVP_PKEY_KEYPAIR,
                           params.data());
}

// A peer as the HSM reads it, and as OpenSSL does.
struct Peer {
  MakePeer held;
  MakePeer given;
};

Peer PeerOfSpki(Bench& bench, const Bytes& spki) {
  return {[&bench, spki]() -> Needed<EVP_PKEY*> {
            const auto half = hsmcore::DecodeSpki(spki);
            const auto* point = half ? std::get_if<hsmcore::EcPublic>(&*half) : nullptr;
            if (point == nullptr) return std::unexpected(Rejected());
            return FromParts(bench, point->curve, point->point, {});
          },
          [&bench, spki] { return bench.GivenPublic(spki); }};
}

Outcome DeriveWith(const Bench& bench, const Needed<EVP_PKEY*>& own, const MakePeer& make_peer,
                   const Bytes& shared) {
  return With(own, [&](EVP_PKEY* key) {
    const auto peer = make_peer();
    return peer ? Derive(bench, key, *peer, shared) : Rejected();
  });
}

void DeriveBothWays(Bench& bench, const Vector& vector, hsmcore::Curve curve, const Bytes& scalar,
                    const Peer& peer) {
  const Bytes shared = vector.test.Hex("shared");
  const auto material = PairOf(curve, scalar);
  const Bytes& point = std::get<hsmcore::EcPublic>(material.public_part).point;
  bench.Judge(vector, kHeld, DeriveWith(bench, bench.HeldPrivate(material), peer.held, shared));
  bench.Judge(vector, kGiven,
              DeriveWith(bench, FromParts(bench, curve, point, scalar), peer.given, shared));
}

// The group's curve; judges the vector as not run where there is none.
std::optional<hsmcore::Curve> CurveOf(Bench& bench, const Vector& vector, const char* encoding) {
  EXPECT_EQ(vector.group.Text("encoding"), encoding);
  const std::string name = vector.group.Text("curve");
  const auto curve = hsmcore::CurveByName(name);
  if (!curve) {
    vector.test.Skip({"public", "private", "shared"});
    bench.Judge(vector, kHeld, NotRun("not offered: curve " + name));
  }
  return curve;
}

// JOSE's name of a curve is NIST's, but for one.
std::optional<hsmcore::Curve> CurveOfJwk(const Fields& jwk) {
  EXPECT_EQ(jwk.Text("kty"), "EC");
  const std::string name = jwk.Text("crv");
  return hsmcore::CurveByName(name == "P-256K" ? "secp256k1" : name);
}

Needed<EVP_PKEY*> PeerOfJwk(Bench& bench, const Fields& jwk) {
  const auto curve = CurveOfJwk(jwk);
  const Bytes x = jwk.Base64Url("x");
  const Bytes y = jwk.Base64Url("y");
  if (!curve) return std::unexpected(Rejected());
  Bytes point = {4};
  point.insert(point.end(), x.begin(), x.end());
  point.insert(point.end(), y.begin(), y.end());
  return FromParts(bench, *curve, point, {});
}

}  // namespace

void RunEcdh(Bench& bench, const Vector& vector) {
  const auto curve = CurveOf(bench, vector, "asn");
  if (!curve) return;
  DeriveBothWays(bench, vector, *curve, vector.test.Hex("private"),
                 PeerOfSpki(bench, vector.test.Hex("public")));
}

void RunEcdhPoint(Bench& bench, const Vector& vector) {
  const auto curve = CurveOf(bench, vector, "ecpoint");
  if (!curve) return;
  const Bytes point = vector.test.Hex("public");
  const auto peer = [&] { return FromParts(bench, *curve, point, {}); };
  DeriveBothWays(bench, vector, *curve, vector.test.Hex("private"), {peer, peer});
}

void RunEcdhPem(Bench& bench, const Vector& vector) {
  const auto curve = CurveOf(bench, vector, "pem");
  if (!curve) return;
  const Peer peer = PeerOfSpki(bench, FromPem(vector.test.Text("public")));
  const Bytes own = FromPem(vector.test.Text("private"));
  const Bytes shared = vector.test.Hex("shared");
  bench.Judge(vector, kHeld, DeriveWith(bench, bench.HeldPkcs8(own), peer.held, shared));
  bench.Judge(vector, kGiven, DeriveWith(bench, bench.GivenPkcs8(own), peer.given, shared));
}

void RunEcdhJwk(Bench& bench, const Vector& vector) {
  const auto curve = CurveOf(bench, vector, "webcrypto");
  if (!curve) return;
  const Fields& own = vector.test.Object("private");
  own.Skip({"x", "y"});  // worked out from d
  EXPECT_EQ(CurveOfJwk(own), curve);
  const auto peer = [&] { return PeerOfJwk(bench, vector.test.Object("public")); };
  DeriveBothWays(bench, vector, *curve, own.Base64Url("d"), {peer, peer});
}

}  // namespace provider::test::wycheproof
