// SPDX-License-Identifier: Apache-2.0
#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>

#include <optional>

#include "provider/wycheproof_families.h"

namespace provider::test::wycheproof {
namespace {

struct Case {
  Bytes spki;
  Bytes message;
  Bytes signature;
};

// publicKey, publicKeyDer, publicKeyPem and, in some files, publicKeyJwk are one key.
Bytes EcKeyOf(const Fields& group) {
  Bytes der = group.Hex("publicKeyDer");
  ExpectPem(group, "publicKeyPem", der);
  const Fields& key = group.Object("publicKey");
  EXPECT_EQ(key.Text("type"), "EcPublicKey");
  key.Skip({"keySize"});  // the curve says it
  ExpectEnd("publicKey.uncompressed", der, key.Hex("uncompressed"));
  const Bytes y = WithoutLeadingZeros(key.Hex("wy"));
  ExpectEnd("publicKey.wy", der, y);
  const Bytes point = key.Hex("uncompressed");
  const ByteView x(ByteView(point).subspan(1, point.size() / 2));
  ExpectEnd("publicKey.wx", x, WithoutLeadingZeros(key.Hex("wx")));
  if (group.Has("publicKeyJwk")) {
    const Fields& jwk = group.Object("publicKeyJwk");
    jwk.Skip({"kty", "crv", "kid"});
    ExpectEnd("publicKeyJwk.x", x, jwk.Base64Url("x"));
    ExpectEnd("publicKeyJwk.y", der, jwk.Base64Url("y"));
  }
  return der;
}

// The wrapper of P1363's two numbers in DER; none when they are not of the curve's length.
std::optional<Bytes> DerOf(ByteView signature, std::size_t field_bytes) {
  if (signature.size() != 2 * field_bytes) return std::nullopt;
  const auto size = static_cast<int>(field_bytes);
  ECDSA_SIG* pair = ECDSA_SIG_new();
  ECDSA_SIG_set0(pair, BN_bin2bn(signature.data(), size, nullptr),
                 BN_bin2bn(signature.data() + size, size, nullptr));
  unsigned char* der = nullptr;
  const int length = i2d_ECDSA_SIG(pair, &der);
  Bytes out(der, der + length);
  OPENSSL_free(der);
  ECDSA_SIG_free(pair);
  return out;
}

void RunBothWays(Bench& bench, const Vector& vector, const Case& c, const char* digest) {
  const auto verify = [&](EVP_PKEY* key) {
    return Verify(bench, key, digest, {}, c.message, c.signature);
  };
  bench.Judge(vector, kHeld, With(bench.HeldPublic(c.spki), verify));
  bench.Judge(vector, kGiven, With(bench.GivenPublic(c.spki), verify));
}

void Run(Bench& bench, const Vector& vector, bool p1363) {
  Case c{EcKeyOf(vector.group), vector.test.Hex("msg"), vector.test.Hex("sig")};
  const std::string digest = DigestName(vector.group.Text("sha"));
  const std::string curve_name = vector.group.Object("publicKey").Text("curve");
  const auto curve = hsmcore::CurveByName(curve_name);
  if (!curve) return bench.Judge(vector, kHeld, NotRun("not offered: curve " + curve_name));
  if (!hsmcore::DigestByName(digest)) {
    return bench.Judge(vector, kHeld, NotRun("not offered: signatures with " + digest));
  }
  if (p1363) {
    const auto der = DerOf(c.signature, (RowOf(*curve).bits + 7) / 8);
    if (!der) return bench.Judge(vector, kHeld, Rejected());
    c.signature = *der;
  }
  RunBothWays(bench, vector, c, digest.c_str());
}

}  // namespace

void RunEcdsa(Bench& bench, const Vector& vector) { Run(bench, vector, false); }
void RunEcdsaP1363(Bench& bench, const Vector& vector) { Run(bench, vector, true); }

void RunEddsa(Bench& bench, const Vector& vector) {
  const Fields& key = vector.group.Object("publicKey");
  EXPECT_EQ(key.Text("type"), "EDDSAPublicKey");
  key.Skip({"keySize"});  // the curve says it
  const Case c{vector.group.Hex("publicKeyDer"), vector.test.Hex("msg"), vector.test.Hex("sig")};
  ExpectPem(vector.group, "publicKeyPem", c.spki);
  ExpectEnd("publicKey.pk", c.spki, key.Hex("pk"));
  const Fields& jwk = vector.group.Object("publicKeyJwk");
  jwk.Skip({"kty", "crv", "kid"});
  ExpectEnd("publicKeyJwk.x", c.spki, jwk.Base64Url("x"));
  const auto type = bench.KeyType(key.Text("curve") == "edwards448" ? "ED448" : "ED25519");
  if (!type) return bench.Judge(vector, kHeld, type.error());
  RunBothWays(bench, vector, c, nullptr);
}

}  // namespace provider::test::wycheproof
