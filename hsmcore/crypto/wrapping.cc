// SPDX-License-Identifier: Apache-2.0
#include "crypto/wrapping.h"

#include <openssl/rand.h>

#include <algorithm>
#include <array>

#include "base/text.h"
#include "crypto/aes_wrapping.h"

namespace hsmcore {
namespace {

using Kind = WrapMechanism::Kind;

// kind, name, wrapping key, gcm, oaep, secrets only
constexpr auto kMethods = std::to_array<WrapMethodRow>({
    {Kind::kAesGcm, "aes-gcm", KeyType::kAes, true, false, false},
    {Kind::kCloudhsmAesGcm, "cloudhsm-aes-gcm", KeyType::kAes, true, false, false},
    {Kind::kAesNoPad, "aes-no-pad", KeyType::kAes, false, false, false},
    {Kind::kAesZeroPad, "aes-zero-pad", KeyType::kAes, false, false, false},
    {Kind::kAesPkcs5Pad, "aes-pkcs5-pad", KeyType::kAes, false, false, false},
    {Kind::kRsaAes, "rsa-aes", KeyType::kRsa, false, true, false},
    {Kind::kRsaOaep, "rsa-oaep", KeyType::kRsa, false, true, true},
    {Kind::kRsaPkcs, "rsa-pkcs", KeyType::kRsa, false, false, true},
});

constexpr bool InEnumOrder() {
  for (std::size_t i = 0; i < kMethods.size(); ++i) {
    if (static_cast<std::size_t>(kMethods[i].kind) != i) return false;
  }
  return true;
}
static_assert(InEnumOrder(), "RowOf indexes the table by the enum");

}  // namespace

std::span<const WrapMethodRow> AllWrapMethods() { return kMethods; }
const WrapMethodRow& RowOf(WrapMechanism::Kind kind) {
  return kMethods[static_cast<std::size_t>(kind)];
}
std::optional<WrapMechanism::Kind> WrapMethodByName(std::string_view name) {
  for (const WrapMethodRow& row : kMethods) {
    if (name == row.name) return row.kind;
  }
  return std::nullopt;
}

namespace crypto {
namespace {

constexpr SecretAccess kForWrapping{"wrapping a key"};
constexpr SecretAccess kForUnwrapping{"unwrapping a key"};

constexpr std::size_t kBlock = 8;  // of RFC 3394, and of PKCS#5
constexpr std::size_t kTransportKeyBytes = 32;

// SP 800-38D 5.2.1.2, without 32 bits: too little for a key. CloudHSM's documents use 64.
bool IsTagLength(unsigned bytes) { return bytes == 8 || (bytes >= 12 && bytes <= 16); }

Status CheckMechanism(const WrappingKey& key, const WrapMechanism& mechanism) {
  const WrapMethodRow& row = RowOf(mechanism.kind);
  if (key.type != row.key_type) {
    return Fail(ErrorCode::kKeyTypeMismatch, Cat(row.name, " needs a key of type ",
                                                 NameOf(row.key_type), ", not ", NameOf(key.type)));
  }
  if (row.gcm && !IsTagLength(mechanism.tag_length)) {
    return Fail(ErrorCode::kMechanism, "a GCM tag has 64, 96, 104, 112, 120 or 128 bits");
  }
  if (!row.oaep) return {};
  HSMCORE_CHECK(key.pair->library().Fetch(mechanism.digest));
  HSMCORE_CHECK(key.pair->library().Fetch(mechanism.mgf_digest));
  return {};
}

// Pads with n bytes of the value n, 1 to 8 of them (RFC 8018 6.1.1).
SecretBytes Padded(ByteView payload) {
  const std::size_t padding = kBlock - (payload.size() % kBlock);
  SecretBytes padded(payload.size() + padding);
  const auto out = padded.Write(kForWrapping);
  std::ranges::copy(payload, out.begin());
  std::ranges::fill(out.subspan(payload.size()), static_cast<std::uint8_t>(padding));
  return padded;
}

// RFC 3394 has shown that the padding is what its maker wrote: there is no oracle to close here.
bool RemovePadding(SecretBytes& padded) {
  const ByteView bytes = padded.Read(kForUnwrapping);
  const std::size_t padding = bytes.back();
  if (padding == 0 || padding > kBlock || padding >= bytes.size()) return false;
  const auto is_padding = [padding](std::uint8_t byte) { return byte == padding; };
  if (!std::ranges::all_of(bytes.last(padding), is_padding)) return false;
  padded.Truncate(bytes.size() - padding);
  return true;
}

Status CheckPayload(const WrapMechanism& mechanism, std::size_t size) {
  const bool exact = mechanism.kind == Kind::kAesNoPad;
  if (exact && (size % kBlock != 0 || size < 2 * kBlock)) {
    return Fail(ErrorCode::kDataLength, Cat("aes-no-pad takes a multiple of 8 bytes, 16 or more, "
                                            "not ",
                                            size, "; aes-zero-pad takes any key"));
  }
  if (mechanism.kind == Kind::kAesPkcs5Pad && size < kBlock) {
    return Fail(ErrorCode::kDataLength, Cat("aes-pkcs5-pad takes 8 bytes or more, not ", size,
                                            "; aes-zero-pad takes any key"));
  }
  return {};
}

Result<Bytes> RandomIv(const Library& library) {
  const LibraryScope scope(library);
  Bytes iv(kGcmIvBytes);
  constexpr unsigned kStrength = 256;
  if (RAND_bytes_ex(library.context(), iv.data(), iv.size(), kStrength) == 1) return iv;
  return scope.Fail(ErrorCode::kCryptoFailure, "making an IV");
}

Result<WrappedKey> AesWrap(const SecretKey& key, const WrapMechanism& mechanism,
                           const SecretBytes& payload) {
  HSMCORE_CHECK(CheckPayload(mechanism, payload.size()));
  const Library& library = key.library();
  const ByteView value = key.value().Read(kForWrapping);
  const ByteView plain = payload.Read(kForWrapping);
  WrappedKey wrapped;
  if (!RowOf(mechanism.kind).gcm) {
    const SecretBytes padded = mechanism.kind == Kind::kAesPkcs5Pad ? Padded(plain) : SecretBytes();
    HSMCORE_TRY(wrapped.data, AesKeyWrap(library, value, mechanism.kind == Kind::kAesZeroPad,
                                         padded.empty() ? plain : padded.Read(kForWrapping)));
    return wrapped;
  }
  HSMCORE_TRY(wrapped.iv, RandomIv(library));
  HSMCORE_TRY(wrapped.data, GcmWrap(library, value, mechanism, wrapped.iv, plain));
  if (mechanism.kind == Kind::kCloudhsmAesGcm) {
    wrapped.data.insert(wrapped.data.begin(), wrapped.iv.begin(), wrapped.iv.end());
    wrapped.iv.clear();
  }
  return wrapped;
}

std::optional<SecretBytes> AesUnwrap(const SecretKey& key, const WrapMechanism& mechanism,
                                     ByteView wrapped) {
  const Library& library = key.library();
  const ByteView value = key.value().Read(kForUnwrapping);
  if (mechanism.kind == Kind::kAesGcm) {
    return GcmUnwrap(library, value, mechanism, mechanism.iv, wrapped);
  }
  if (mechanism.kind == Kind::kCloudhsmAesGcm) {
    if (wrapped.size() < kGcmIvBytes) return std::nullopt;
    return GcmUnwrap(library, value, mechanism, wrapped.first(kGcmIvBytes),
                     wrapped.subspan(kGcmIvBytes));
  }
  auto payload = AesKeyUnwrap(library, value, mechanism.kind == Kind::kAesZeroPad, wrapped);
  if (payload && mechanism.kind == Kind::kAesPkcs5Pad && !RemovePadding(*payload)) {
    return std::nullopt;
  }
  return payload;
}

CipherMechanism RsaMechanism(const WrapMechanism& mechanism) {
  CipherMechanism cipher;
  if (mechanism.kind == Kind::kRsaPkcs) {
    cipher.kind = CipherMechanism::Kind::kRsaPkcs1;
  } else {
    cipher.digest = mechanism.digest;
    cipher.mgf_digest = mechanism.mgf_digest;
  }
  return cipher;
}

Result<Bytes> RsaWrap(const AsymmetricKey& key, const WrapMechanism& mechanism, ByteView payload) {
  Bytes wrapped(key.max_signature_size());
  HSMCORE_TRY(const std::size_t size, key.Encrypt(RsaMechanism(mechanism), payload, wrapped));
  wrapped.resize(size);
  return wrapped;
}

// PKCS#1 v1.5: with OpenSSL's implicit rejection (3.2, and where distributions carried it back) bad
// padding gives other bytes and no failure; without it, the failure looks like every other one.
std::optional<SecretBytes> RsaUnwrap(const AsymmetricKey& key, const WrapMechanism& mechanism,
                                     ByteView wrapped) {
  SecretBytes payload(key.max_signature_size());
  const auto size = key.Decrypt(RsaMechanism(mechanism), wrapped, payload.Write(kForUnwrapping));
  if (!size || *size == 0) return std::nullopt;
  payload.Truncate(*size);
  return payload;
}

// PKCS#11 v3.1 section 6.1.22: the encrypted AES key, then the wrapped payload.
Result<Bytes> RsaAesWrap(const AsymmetricKey& key, const WrapMechanism& mechanism,
                         const SecretBytes& payload) {
  const Library& library = key.library();
  HSMCORE_TRY(const SecretBytes transport,
              GenerateSecret(KeyType::kAes, kTransportKeyBytes, library.kind()));
  const ByteView value = transport.Read(kForWrapping);
  HSMCORE_TRY(Bytes wrapped, RsaWrap(key, mechanism, value));
  HSMCORE_TRY(const Bytes rest, AesKeyWrap(library, value, true, payload.Read(kForWrapping)));
  wrapped.insert(wrapped.end(), rest.begin(), rest.end());
  return wrapped;
}

std::optional<SecretBytes> RsaAesUnwrap(const AsymmetricKey& key, const WrapMechanism& mechanism,
                                        ByteView wrapped) {
  const std::size_t modulus = key.max_signature_size();
  if (wrapped.size() <= modulus) return std::nullopt;
  const auto transport = RsaUnwrap(key, mechanism, wrapped.first(modulus));
  constexpr std::array<std::size_t, 3> kAesKeyBytes = {16, 24, 32};
  if (!transport || std::ranges::find(kAesKeyBytes, transport->size()) == kAesKeyBytes.end()) {
    return std::nullopt;
  }
  return AesKeyUnwrap(key.library(), transport->Read(kForUnwrapping), true,
                      wrapped.subspan(modulus));
}

}  // namespace

Error NotUnwrapped() {
  return {ErrorCode::kDecryption,
          "the wrapped key does not open: it is damaged, or was wrapped by another key, method or "
          "parameters"};
}

Result<WrappedKey> Wrap(const WrappingKey& key, const WrapMechanism& mechanism,
                        const SecretBytes& payload) {
  HSMCORE_CHECK(CheckMechanism(key, mechanism));
  if (key.secret != nullptr) return AesWrap(*key.secret, mechanism, payload);
  WrappedKey wrapped;
  if (mechanism.kind == Kind::kRsaAes) {
    HSMCORE_TRY(wrapped.data, RsaAesWrap(*key.pair, mechanism, payload));
  } else {
    HSMCORE_TRY(wrapped.data, RsaWrap(*key.pair, mechanism, payload.Read(kForWrapping)));
  }
  return wrapped;
}

Result<SecretBytes> Unwrap(const WrappingKey& key, const WrapMechanism& mechanism,
                           ByteView wrapped) {
  HSMCORE_CHECK(CheckMechanism(key, mechanism));
  constexpr std::size_t kMaxIv = 128;  // OpenSSL's
  if (mechanism.kind == Kind::kAesGcm && (mechanism.iv.empty() || mechanism.iv.size() > kMaxIv)) {
    return Fail(ErrorCode::kDataLength, "aes-gcm needs the IV that wrapping returned");
  }
  std::optional<SecretBytes> payload;
  if (key.secret != nullptr) {
    payload = AesUnwrap(*key.secret, mechanism, wrapped);
  } else if (mechanism.kind == Kind::kRsaAes) {
    payload = RsaAesUnwrap(*key.pair, mechanism, wrapped);
  } else {
    payload = RsaUnwrap(*key.pair, mechanism, wrapped);
  }
  if (!payload) return std::unexpected(NotUnwrapped());
  return *std::move(payload);
}

}  // namespace crypto
}  // namespace hsmcore
