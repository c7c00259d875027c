// SPDX-License-Identifier: Apache-2.0
#include <openssl/core_names.h>
#include <openssl/params.h>

#include <array>

#include "hsmcore/key_reference.h"
#include "provider/wycheproof_families.h"

namespace provider::test::wycheproof {
namespace {

struct Type {
  hsmcore::KeyType type;
  const char* name;
};

// The files' two names of each curve.
Type TypeOfCurve(const std::string& curve) {
  if (curve == "curve448" || curve == "X448") return {hsmcore::KeyType::kX448, "X448"};
  EXPECT_TRUE(curve == "curve25519" || curve == "X25519") << curve;
  return {hsmcore::KeyType::kX25519, "X25519"};
}

Needed<EVP_PKEY*> FromParts(Bench& bench, const char* type, const char* half, Bytes bytes) {
  std::array<OSSL_PARAM, 2> params = {
      OSSL_PARAM_construct_octet_string(half, bytes.data(), bytes.size()),
      OSSL_PARAM_construct_end()};
  const bool pair = std::string_view(half) == OSSL_PKEY_PARAM_PRIV_KEY;
  return bench.GivenParams(type, pair ? EVP_PKEY_KEYPAIR : EVP_PKEY_PUBLIC_KEY, params.data());
}

Needed<EVP_PKEY*> HeldRaw(Bench& bench, hsmcore::KeyType type, ByteView scalar) {
  const auto material =
      hsmcore::CompleteRawPair(type, {hsmcore::SecretBytes::CopyOf(scalar), {}}, {});
  if (!material) return std::unexpected(Rejected());
  return bench.HeldPrivate(*material);
}

using MakeKey = std::function<Needed<EVP_PKEY*>()>;

void DeriveBothWays(Bench& bench, const Vector& vector, const MakeKey& held, const MakeKey& given,
                    const MakeKey& peer) {
  const Bytes shared = vector.test.Hex("shared");
  const auto derive = [&](EVP_PKEY* own) {
    const auto other = peer();
    return other ? Derive(bench, own, *other, shared) : Rejected();
  };
  const auto type = bench.KeyType(TypeOfCurve(vector.group.Text("curve")).name);
  if (!type) return bench.Judge(vector, kHeld, type.error());
  bench.Judge(vector, kHeld, With(held(), derive));
  bench.Judge(vector, kGiven, With(given(), derive));
}

void RunRaw(Bench& bench, const Vector& vector, const Bytes& own, const Bytes& other) {
  const Type type = TypeOfCurve(vector.group.Text("curve"));
  DeriveBothWays(
      bench, vector, [&] { return HeldRaw(bench, type.type, own); },
      [&] { return FromParts(bench, type.name, OSSL_PKEY_PARAM_PRIV_KEY, own); },
      [&] { return FromParts(bench, type.name, OSSL_PKEY_PARAM_PUB_KEY, other); });
}

void RunDer(Bench& bench, const Vector& vector, const Bytes& own, const Bytes& other) {
  DeriveBothWays(
      bench, vector, [&] { return bench.HeldPkcs8(own); }, [&] { return bench.GivenPkcs8(own); },
      [&] { return bench.GivenPublic(other); });
}

}  // namespace

void RunXdh(Bench& bench, const Vector& vector) {
  RunRaw(bench, vector, vector.test.Hex("private"), vector.test.Hex("public"));
}

void RunXdhDer(Bench& bench, const Vector& vector) {
  RunDer(bench, vector, vector.test.Hex("private"), vector.test.Hex("public"));
}

void RunXdhPem(Bench& bench, const Vector& vector) {
  RunDer(bench, vector, FromPem(vector.test.Text("private")), FromPem(vector.test.Text("public")));
}

void RunXdhJwk(Bench& bench, const Vector& vector) {
  const Fields& own = vector.test.Object("private");
  const Fields& other = vector.test.Object("public");
  own.Skip({"x", "kid"});  // worked out from d
  other.Skip({"kid"});
  // A JWK of another type is refused by whoever reads JWK, before there is a key.
  const auto crv = vector.group.Text("curve") == "curve448" ? "X448" : "X25519";
  const bool fits = other.Text("kty") == "OKP" && other.Text("crv") == crv &&
                    own.Text("kty") == "OKP" && own.Text("crv") == crv;
  const Bytes scalar = own.Base64Url("d");
  const Bytes point = fits ? other.Base64Url("x") : Bytes();
  if (!fits) other.Skip({"x", "y"});
  RunRaw(bench, vector, scalar, point);
}

}  // namespace provider::test::wycheproof
