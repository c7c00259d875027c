// SPDX-License-Identifier: Apache-2.0
#include "crypto/pkcs8_encoder.h"

#include <algorithm>
#include <array>

#include "base/text.h"
#include "crypto/der.h"
#include "crypto/spki.h"

namespace hsmcore::crypto {
namespace {

constexpr SecretAccess kForPkcs8{"encoding a private key as PKCS#8"};
// What the headers, versions and algorithms of one key need at most.
constexpr std::size_t kOverhead = 512;

// DER that is written from its end to its beginning, so that each length is known when its header
// is due and nothing is moved: into one buffer that is wiped.
class BackwardWriter {
 public:
  explicit BackwardWriter(std::size_t room) : buffer_(room), begin_(room) {}

  std::size_t begin() const { return begin_; }
  void Put(ByteView bytes) {
    begin_ -= bytes.size();
    std::ranges::copy(bytes, buffer_.Write(kForPkcs8).subspan(begin_).begin());
  }
  // The header for all that was written since `end` was begin().
  void Close(std::uint8_t identifier, std::size_t end) {
    const std::size_t length = end - begin_;
    // X.690 8.1.3: one byte, or the number of bytes and the bytes.
    if (length < 0x80) {
      Put(std::array{identifier, static_cast<std::uint8_t>(length)});
      return;
    }
    std::uint8_t count = 0;
    for (std::size_t rest = length; rest != 0; rest >>= 8, ++count) {
      Put(std::array{static_cast<std::uint8_t>(rest)});
    }
    Put(std::array{identifier, static_cast<std::uint8_t>(0x80 | count)});
  }
  void PutElement(std::uint8_t identifier, ByteView contents) {
    const std::size_t end = begin_;
    Put(contents);
    Close(identifier, end);
  }
  void PutUnsigned(ByteView big_endian) {
    const std::size_t end = begin_;
    Put(big_endian);
    if (big_endian.empty() || (big_endian.front() & 0x80) != 0) Put(std::array<std::uint8_t, 1>{});
    Close(der::kInteger, end);
  }

  SecretBytes Take() { return SecretBytes::CopyOf(buffer_.Read(kForPkcs8).subspan(begin_)); }

 private:
  SecretBytes buffer_;
  std::size_t begin_;
};

std::size_t SecretSize(const PrivateMaterial& material) {
  if (const auto* rsa = std::get_if<RsaPrivate>(&material)) {
    return rsa->d.size() + rsa->p.size() + rsa->q.size() + rsa->dp.size() + rsa->dq.size() +
           rsa->qinv.size();
  }
  if (const auto* ec = std::get_if<EcPrivate>(&material)) return ec->scalar.size();
  const auto& raw = std::get<RawPrivate>(material);
  return raw.key.size() + raw.seed.size();
}

// RFC 8017 appendix A.1.2.
void PutRsa(BackwardWriter& out, const RsaPublic& pub, const RsaPrivate& priv) {
  const std::size_t end = out.begin();
  for (const SecretBytes* part : {&priv.qinv, &priv.dq, &priv.dp, &priv.q, &priv.p, &priv.d}) {
    out.PutUnsigned(part->Read(kForPkcs8));
  }
  out.PutUnsigned(pub.exponent);
  out.PutUnsigned(pub.modulus);
  out.PutUnsigned({});  // version: two primes
  out.Close(der::kSequence, end);
}

// RFC 5915, without the parameters, which the algorithm has.
void PutEc(BackwardWriter& out, const EcPublic& pub, const EcPrivate& priv) {
  const std::size_t end = out.begin();
  out.PutElement(der::kContext + 1, der::BitString(pub.point));
  out.PutElement(der::kOctetString, priv.scalar.Read(kForPkcs8));
  out.PutUnsigned(std::array<std::uint8_t, 1>{1});
  out.Close(der::kSequence, end);
}

// The counterpart of ReadRawFields in pkcs8.cc, with the same RFCs.
void PutRaw(BackwardWriter& out, KeyType type, const RawPrivate& priv) {
  const ByteView key = priv.key.Read(kForPkcs8);
  const ByteView seed = priv.seed.Read(kForPkcs8);
  if (type >= KeyType::kSlhDsaSha2_128s) {
    out.Put(key);
  } else if (seed.empty()) {
    out.PutElement(der::kOctetString, key);
  } else if (key.empty()) {
    out.PutElement(der::kContextPrimitive, seed);
  } else {
    const std::size_t end = out.begin();
    out.PutElement(der::kOctetString, key);
    out.PutElement(der::kOctetString, seed);
    out.Close(der::kSequence, end);
  }
}

}  // namespace

Result<SecretBytes> EncodePkcs8(const PublicMaterial& public_part,
                                const PrivateMaterial& private_part) {
  if (std::holds_alternative<SecretFacts>(public_part)) {
    return Fail(ErrorCode::kKeyTypeMismatch, "PKCS#8 is for private keys, not for secret keys");
  }
  const Bytes algorithm = EncodeKeyAlgorithm(public_part);
  const std::size_t room =
      SecretSize(private_part) + PublicKeyBits(public_part).size() + algorithm.size() + kOverhead;
  BackwardWriter out(room);
  if (const auto* rsa = std::get_if<RsaPublic>(&public_part)) {
    PutRsa(out, *rsa, std::get<RsaPrivate>(private_part));
  } else if (const auto* ec = std::get_if<EcPublic>(&public_part)) {
    PutEc(out, *ec, std::get<EcPrivate>(private_part));
  } else {
    PutRaw(out, TypeOf(public_part), std::get<RawPrivate>(private_part));
  }
  out.Close(der::kOctetString, room);
  out.Put(algorithm);
  out.PutUnsigned({});  // version
  out.Close(der::kSequence, room);
  return out.Take();
}

}  // namespace hsmcore::crypto
