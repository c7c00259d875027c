// SPDX-License-Identifier: Apache-2.0
#include "crypto/secret_key.h"

#include <openssl/evp.h>
#include <openssl/rand.h>

#include <algorithm>
#include <array>
#include <bit>

#include "base/text.h"

namespace hsmcore::crypto {
namespace {

constexpr SecretAccess kForFacts{"checking a secret key"};

struct SecretTypeRow {
  KeyType type;
  std::size_t shortest;  // bytes
  std::size_t longest;
  std::size_t step;
  std::size_t usual;         // when no length is asked for
  const char* block_cipher;  // for the check value, by key length where there are several
};
constexpr auto kSecretTypes = std::to_array<SecretTypeRow>({
    {KeyType::kAes, 16, 32, 8, 32, "AES-*-ECB"},
    {KeyType::kAesXts, 32, 64, 32, 64, nullptr},
    {KeyType::kGenericSecret, 1, 16384, 1, 32, nullptr},
    {KeyType::kDes3, 24, 24, 1, 24, "DES-EDE3-ECB"},
    {KeyType::kChaCha20, 32, 32, 1, 32, nullptr},
});

Result<const SecretTypeRow*> RowFor(KeyType type, std::size_t bytes) {
  const auto* row = std::ranges::find(kSecretTypes, type, &SecretTypeRow::type);
  if (row == kSecretTypes.end()) {
    return Fail(ErrorCode::kKeyTypeMismatch, Cat(NameOf(type), " keys are no secret keys"));
  }
  if (bytes >= row->shortest && bytes <= row->longest && (bytes - row->shortest) % row->step == 0) {
    return row;
  }
  const std::string range =
      row->shortest == row->longest ? Cat(row->shortest) : Cat(row->shortest, " to ", row->longest);
  return Fail(ErrorCode::kKeySize,
              Cat(NameOf(type), " keys have ", range, " bytes",
                  row->step > 1 ? Cat(" in steps of ", row->step) : "", ", not ", bytes));
}

// FIPS 46-3: the lowest bit of each byte makes the number of ones odd.
void SetOddParity(std::span<std::uint8_t> key) {
  for (std::uint8_t& byte : key) {
    const bool even = std::popcount(static_cast<unsigned>(byte >> 1)) % 2 == 0;
    byte = static_cast<std::uint8_t>((byte & 0xfe) | (even ? 1 : 0));
  }
}

Status CheckDes3(ByteView key) {
  constexpr std::size_t kPart = 8;
  // The parity bits are of no weight.
  const auto same = [](ByteView a, ByteView b) {
    unsigned difference = 0;
    for (std::size_t i = 0; i < kPart; ++i) difference |= (a[i] ^ b[i]) & 0xfeU;
    return difference == 0;
  };
  const ByteView first = key.first(kPart);
  const ByteView second = key.subspan(kPart, kPart);
  if (!same(first, second) && !same(second, key.last(kPart))) return {};
  return Fail(ErrorCode::kKeyImport, "parts of the 3DES key are equal: it is a single DES key");
}

Result<Bytes> BlockOfZeros(const Library& library, std::string cipher_name, ByteView key) {
  constexpr std::size_t kCheckValueBytes = 3;
  if (const std::size_t star = cipher_name.find('*'); star != std::string::npos) {
    cipher_name.replace(star, 1, Cat(8 * key.size()));
  }
  const LibraryScope scope(library);
  const CipherPtr cipher(EVP_CIPHER_fetch(library.context(), cipher_name.c_str(), nullptr));
  const CipherCtxPtr context(EVP_CIPHER_CTX_new());
  constexpr std::array<std::uint8_t, EVP_MAX_BLOCK_LENGTH> kZeros{};
  Bytes block(2 * kZeros.size());
  int size = 0;
  if (cipher == nullptr || context == nullptr ||
      EVP_EncryptInit_ex2(context.get(), cipher.get(), key.data(), nullptr, nullptr) != 1 ||
      EVP_EncryptUpdate(context.get(), block.data(), &size, kZeros.data(),
                        EVP_CIPHER_get_block_size(cipher.get())) != 1) {
    return scope.Fail(ErrorCode::kCryptoFailure, "the check value");
  }
  block.resize(kCheckValueBytes);
  return block;
}

// HMAC-SHA-256 under the key. The length is in the message, because HMAC takes a key and the same
// key with zeros behind for one.
Result<Bytes> CommitmentTo(const Library& library, ByteView key) {
  constexpr std::size_t kCommitmentBytes = 32;
  const std::string message = Cat("hsm key commitment v1 ", key.size());
  Bytes commitment(kCommitmentBytes);
  std::size_t size = 0;
  const LibraryScope scope(library);
  if (EVP_Q_mac(library.context(), "HMAC", nullptr, "SHA2-256", nullptr, key.data(), key.size(),
                reinterpret_cast<const unsigned char*>(message.data()), message.size(),
                commitment.data(), commitment.size(), &size) == nullptr ||
      size != commitment.size()) {
    return scope.Fail(ErrorCode::kCryptoFailure, "the commitment to a key");
  }
  return commitment;
}

}  // namespace

Result<std::shared_ptr<const SecretKey>> SecretKey::From(KeyType type, const SecretBytes& value,
                                                         LibraryKind kind) {
  HSMCORE_CHECK(RowFor(type, value.size()));
  HSMCORE_TRY(LibraryPtr library, Library::Acquire(kind));
  return std::make_shared<const SecretKey>(std::move(library), type, value.Clone());
}

Result<std::size_t> SecretLength(KeyType type, std::size_t bytes) {
  if (bytes == 0) {
    const auto* row = std::ranges::find(kSecretTypes, type, &SecretTypeRow::type);
    if (row != kSecretTypes.end()) bytes = row->usual;
  }
  HSMCORE_CHECK(RowFor(type, bytes));
  return bytes;
}

Result<SecretBytes> GenerateSecret(KeyType type, std::size_t wanted, LibraryKind kind) {
  HSMCORE_TRY(const std::size_t bytes, SecretLength(type, wanted));
  HSMCORE_TRY(const LibraryPtr library, Library::Acquire(kind));
  const LibraryScope scope(*library);
  SecretBytes value(bytes);
  const auto out = value.Write(SecretAccess{"generating a secret key"});
  constexpr unsigned kStrength = 256;
  do {
    if (RAND_priv_bytes_ex(library->context(), out.data(), out.size(), kStrength) != 1) {
      return scope.Fail(ErrorCode::kCryptoFailure, "generating a secret key");
    }
    if (type == KeyType::kDes3) SetOddParity(out);
  } while (type == KeyType::kDes3 && !CheckDes3(out));
  return value;
}

Result<SecretFacts> FactsOf(KeyType type, const SecretBytes& value, LibraryKind kind) {
  HSMCORE_TRY(const SecretTypeRow* row, RowFor(type, value.size()));
  const ByteView key = value.Read(kForFacts);
  if (type == KeyType::kDes3) HSMCORE_CHECK(CheckDes3(key));
  SecretFacts facts{type, value.size(), {}, {}};
  if (row->block_cipher != nullptr) {
    HSMCORE_TRY(const LibraryPtr library,
                Library::Acquire(type == KeyType::kDes3 ? LibraryKind::kDefault : kind));
    HSMCORE_TRY(facts.check_value, BlockOfZeros(*library, row->block_cipher, key));
    if (type != KeyType::kAes) return facts;
    HSMCORE_TRY(facts.commitment, CommitmentTo(*library, key));
  }
  return facts;
}

}  // namespace hsmcore::crypto
