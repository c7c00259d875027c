// SPDX-License-Identifier: Apache-2.0
#include "algorithm_id.h"

#include <openssl/asn1.h>
#include <openssl/objects.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include <algorithm>
#include <array>
#include <memory>
#include <string>
#include <utility>

namespace provider {
namespace {

using hsmcore::Digest;
using Kind = hsmcore::SignMechanism::Kind;

constexpr int kDefaultSaltBytes = 20;  // RFC 8017 A.2.3

struct Free {
  void operator()(X509_ALGOR* algorithm) const { X509_ALGOR_free(algorithm); }
  void operator()(RSA_PSS_PARAMS* params) const { RSA_PSS_PARAMS_free(params); }
  void operator()(ASN1_STRING* text) const { ASN1_STRING_free(text); }
};
template <class T>
using Ptr = std::unique_ptr<T, Free>;

// A digest's own identifier, and those of RSA PKCS#1 v1.5 and ECDSA with it; NID_undef where nobody
// has given one.
struct DigestNids {
  Digest digest;
  int own;
  int rsa;
  int ecdsa;
};
constexpr auto kDigestNids = std::to_array<DigestNids>({
    {Digest::kMd5, NID_md5, NID_md5WithRSAEncryption, NID_undef},
    {Digest::kRipemd160, NID_ripemd160, NID_ripemd160WithRSA, NID_undef},
    {Digest::kSha1, NID_sha1, NID_sha1WithRSAEncryption, NID_ecdsa_with_SHA1},
    {Digest::kSha224, NID_sha224, NID_sha224WithRSAEncryption, NID_ecdsa_with_SHA224},
    {Digest::kSha256, NID_sha256, NID_sha256WithRSAEncryption, NID_ecdsa_with_SHA256},
    {Digest::kSha384, NID_sha384, NID_sha384WithRSAEncryption, NID_ecdsa_with_SHA384},
    {Digest::kSha512, NID_sha512, NID_sha512WithRSAEncryption, NID_ecdsa_with_SHA512},
    {Digest::kSha512_224, NID_sha512_224, NID_sha512_224WithRSAEncryption, NID_undef},
    {Digest::kSha512_256, NID_sha512_256, NID_sha512_256WithRSAEncryption, NID_undef},
    {Digest::kSha3_224, NID_sha3_224, NID_RSA_SHA3_224, NID_ecdsa_with_SHA3_224},
    {Digest::kSha3_256, NID_sha3_256, NID_RSA_SHA3_256, NID_ecdsa_with_SHA3_256},
    {Digest::kSha3_384, NID_sha3_384, NID_RSA_SHA3_384, NID_ecdsa_with_SHA3_384},
    {Digest::kSha3_512, NID_sha3_512, NID_RSA_SHA3_512, NID_ecdsa_with_SHA3_512},
});

std::unexpected<Error> NoIdentifier(Digest digest) {
  return Fail(ErrorCode::kNotSupported,
              "there is no algorithm identifier for this signature with "
              "digest '" +
                  std::string(RowOf(digest).name) + "'");
}

template <int DigestNids::* kColumn>
Result<int> NidOf(Digest digest) {
  const auto* row = std::ranges::find(kDigestNids, digest, &DigestNids::digest);
  if (row == kDigestNids.end() || row->*kColumn == NID_undef) return NoIdentifier(digest);
  return row->*kColumn;
}

// Without a parameter, the type says whether there is a NULL or nothing.
Result<Ptr<X509_ALGOR>> Algorithm(int nid, int parameter_type, Ptr<ASN1_STRING> parameter = {}) {
  Ptr<X509_ALGOR> algorithm(X509_ALGOR_new());
  if (algorithm == nullptr ||
      X509_ALGOR_set0(algorithm.get(), OBJ_nid2obj(nid), parameter_type, parameter.get()) != 1) {
    return Fail(ErrorCode::kOutOfMemory, {});
  }
  [[maybe_unused]] const auto* owned_now = parameter.release();
  return algorithm;
}

Result<Bytes> Encode(const X509_ALGOR* algorithm) {
  Bytes der(static_cast<std::size_t>(std::max(i2d_X509_ALGOR(algorithm, nullptr), 0)));
  unsigned char* out = der.data();
  if (der.empty() || i2d_X509_ALGOR(algorithm, &out) < 0) return Fail(ErrorCode::kOutOfMemory, {});
  return der;
}

// The parameter of an algorithm: DER in an ASN.1 SEQUENCE string. `Item` is what i2d writes.
template <class Item>
Result<Ptr<ASN1_STRING>> Pack(const Item* item, const ASN1_ITEM* type) {
  Ptr<ASN1_STRING> packed(ASN1_item_pack(const_cast<Item*>(item), type, nullptr));
  if (packed == nullptr) return Fail(ErrorCode::kOutOfMemory, {});
  return packed;
}

// RFC 4055 section 3.1; what has its default value is left out.
Result<Ptr<RSA_PSS_PARAMS>> PssParams(const hsmcore::SignMechanism& mechanism,
                                      const hsmcore::Key& key) {
  Ptr<RSA_PSS_PARAMS> params(RSA_PSS_PARAMS_new());
  if (params == nullptr) return Fail(ErrorCode::kOutOfMemory, {});
  if (mechanism.digest != Digest::kSha1) {
    HSMCORE_TRY(const int nid, NidOf<&DigestNids::own>(mechanism.digest));
    HSMCORE_TRY(Ptr<X509_ALGOR> hash, Algorithm(nid, V_ASN1_NULL));
    params->hashAlgorithm = hash.release();
  }
  if (mechanism.mgf_digest != Digest::kSha1) {
    HSMCORE_TRY(const int nid, NidOf<&DigestNids::own>(mechanism.mgf_digest));
    HSMCORE_TRY(const Ptr<X509_ALGOR> hash, Algorithm(nid, V_ASN1_NULL));
    HSMCORE_TRY(Ptr<ASN1_STRING> packed, Pack(hash.get(), ASN1_ITEM_rptr(X509_ALGOR)));
    HSMCORE_TRY(Ptr<X509_ALGOR> mask, Algorithm(NID_mgf1, V_ASN1_SEQUENCE, std::move(packed)));
    params->maskGenAlgorithm = mask.release();
  }
  const int salt = SaltBytes(mechanism, key);
  if (salt != kDefaultSaltBytes) {
    params->saltLength = ASN1_INTEGER_new();
    if (params->saltLength == nullptr || ASN1_INTEGER_set(params->saltLength, salt) != 1) {
      return Fail(ErrorCode::kOutOfMemory, {});
    }
  }
  return params;
}

Result<Bytes> PssAlgorithmId(const hsmcore::SignMechanism& mechanism, const hsmcore::Key& key) {
  HSMCORE_TRY(const Ptr<RSA_PSS_PARAMS> params, PssParams(mechanism, key));
  HSMCORE_TRY(Ptr<ASN1_STRING> packed, Pack(params.get(), ASN1_ITEM_rptr(RSA_PSS_PARAMS)));
  HSMCORE_TRY(const Ptr<X509_ALGOR> algorithm,
              Algorithm(NID_rsassaPss, V_ASN1_SEQUENCE, std::move(packed)));
  return Encode(algorithm.get());
}

// RFC 8410, RFC 9881, RFC 9909: the key's own identifier, without parameters.
Result<Bytes> KeyAlgorithmId(const hsmcore::Key& key) {
  const Ptr<X509_ALGOR> algorithm(X509_ALGOR_new());
  ASN1_OBJECT* oid = OBJ_txt2obj(RowOf(key.type()).oid, 1);
  if (algorithm == nullptr || oid == nullptr ||
      X509_ALGOR_set0(algorithm.get(), oid, V_ASN1_UNDEF, nullptr) != 1) {
    ASN1_OBJECT_free(oid);
    return Fail(ErrorCode::kOutOfMemory, {});
  }
  return Encode(algorithm.get());
}

}  // namespace

int SaltBytes(const hsmcore::SignMechanism& mechanism, const hsmcore::Key& key) {
  if (mechanism.salt_length >= 0) return mechanism.salt_length;
  const int digest = static_cast<int>(RowOf(mechanism.digest).size);
  if (mechanism.salt_length == hsmcore::kSaltLengthDigest) return digest;
  // RFC 8017 9.1.1: the encoded message has one bit less than the modulus.
  const int longest = (static_cast<int>(BitsOf(key.public_part())) - 1 + 7) / 8 - digest - 2;
  return mechanism.salt_length == hsmcore::kSaltLengthAutoDigestMax ? std::min(longest, digest)
                                                                    : longest;
}

Result<Bytes> AlgorithmId(const hsmcore::SignMechanism& mechanism, const hsmcore::Key& key) {
  if (mechanism.kind == Kind::kRsaPss) return PssAlgorithmId(mechanism, key);
  const bool pure_eddsa = mechanism.instance == hsmcore::EddsaInstance::kPure;
  if (!pure_eddsa || (mechanism.kind == Kind::kEddsa && !mechanism.context.empty())) {
    return Fail(ErrorCode::kNotSupported,
                "RFC 8410 has identifiers for Ed25519 and Ed448 without a context string only");
  }
  if (mechanism.whole_message()) return KeyAlgorithmId(key);
  Result<int> nid = NoIdentifier(mechanism.digest);
  if (mechanism.kind == Kind::kRsaPkcs1) nid = NidOf<&DigestNids::rsa>(mechanism.digest);
  if (mechanism.kind == Kind::kEcdsa) nid = NidOf<&DigestNids::ecdsa>(mechanism.digest);
  if (!nid) return std::unexpected(std::move(nid).error());
  // RFC 4055 section 5 wants a NULL here, RFC 5758 wants nothing.
  const int parameter = mechanism.kind == Kind::kRsaPkcs1 ? V_ASN1_NULL : V_ASN1_UNDEF;
  HSMCORE_TRY(const Ptr<X509_ALGOR> algorithm, Algorithm(*nid, parameter));
  return Encode(algorithm.get());
}

}  // namespace provider
