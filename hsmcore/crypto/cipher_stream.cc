// SPDX-License-Identifier: Apache-2.0
#include <openssl/core_names.h>
#include <openssl/params.h>
#include <openssl/rand.h>

#include <algorithm>
#include <array>
#include <utility>

#include "base/text.h"
#include "crypto/symmetric.h"

namespace hsmcore::crypto {
namespace {

using Kind = SymmetricMechanism::Kind;

constexpr SecretAccess kForCipher{"a cipher with a held key"};
constexpr SecretAccess kForMessage{"the message of a cipher"};
constexpr std::size_t kMaxWhole = std::size_t{1} << 30;
constexpr std::size_t kMaxPiece = std::size_t{1} << 30;  // OpenSSL counts in int
constexpr std::size_t kLongestNonce = 64;                // of GCM; OpenSSL's own limit is higher

constexpr auto kCiphers = std::to_array<CipherRow>({
    {Kind::kEcb, KeyType::kAes, "AES-*-ECB", 0, 0, false, false},
    {Kind::kEcb, KeyType::kDes3, "DES-EDE3-ECB", 0, 0, false, false},
    {Kind::kCbc, KeyType::kAes, "AES-*-CBC", 16, 16, false, false},
    {Kind::kCbc, KeyType::kDes3, "DES-EDE3-CBC", 8, 8, false, false},
    {Kind::kCtr, KeyType::kAes, "AES-*-CTR", 16, 16, false, false},
    {Kind::kGcm, KeyType::kAes, "AES-*-GCM", 1, kLongestNonce, true, false},
    {Kind::kCcm, KeyType::kAes, "AES-*-CCM", 7, 13, true, true},
    {Kind::kXts, KeyType::kAesXts, "AES-*-XTS", 16, 16, false, true},
    {Kind::kKw, KeyType::kAes, "AES-*-WRAP", 8, 8, false, true},
    {Kind::kKwp, KeyType::kAes, "AES-*-WRAP-PAD", 4, 4, false, true},
    {Kind::kChaCha20Poly1305, KeyType::kChaCha20, "ChaCha20-Poly1305", 12, 12, true, false},
});

bool IsWrap(Kind kind) { return kind == Kind::kKw || kind == Kind::kKwp; }
bool IsPadded(Kind kind) { return kind == Kind::kEcb || kind == Kind::kCbc; }

Result<const CipherRow*> RowFor(Kind kind, KeyType type) {
  std::string wanted;
  for (const CipherRow& row : kCiphers) {
    if (row.kind != kind) continue;
    if (row.type == type) return &row;
    wanted += Cat(wanted.empty() ? "" : " or ", NameOf(row.type));
  }
  return Fail(ErrorCode::kKeyTypeMismatch,
              Cat("this cipher needs a key of type ", wanted, ", not ", NameOf(type)));
}

Status CheckNonce(const CipherRow& row, std::size_t bytes) {
  if (bytes >= row.shortest_nonce && bytes <= row.longest_nonce) return {};
  const std::string range = row.shortest_nonce == row.longest_nonce
                                ? Cat(row.shortest_nonce)
                                : Cat(row.shortest_nonce, " to ", row.longest_nonce);
  return Fail(ErrorCode::kDataLength,
              Cat("the IV or nonce of ", row.name, " has ", range, " bytes, not ", bytes));
}

// SP 800-38D 5.2.1.2, SP 800-38C 5.4, RFC 8439 2.8.
Status CheckTag(const CipherRow& row, std::size_t bytes) {
  bool fits = false;
  switch (row.kind) {
    case Kind::kGcm:
      fits = bytes == 4 || bytes == 8 || (bytes >= 12 && bytes <= 16);
      break;
    case Kind::kCcm:
      fits = bytes >= 4 && bytes <= 16 && bytes % 2 == 0;
      break;
    default:
      fits = bytes == 16;
  }
  if (fits) return {};
  return Fail(ErrorCode::kDataLength, Cat("a tag of ", row.name, " cannot have ", bytes, " bytes"));
}

// Bytes that arrive in pieces, wiped wherever they were.
class Collected {
 public:
  Status Append(ByteView data) {
    if (data.size() > kMaxWhole - used_) {
      return Fail(ErrorCode::kDataLength,
                  "this cipher needs the whole message at once and takes at most 1 GiB");
    }
    if (used_ + data.size() > bytes_.size()) {
      SecretBytes larger(std::max(2 * bytes_.size(), used_ + data.size()));
      std::ranges::copy(view(), larger.Write(kForMessage).begin());
      bytes_ = std::move(larger);
    }
    std::ranges::copy(data, bytes_.Write(kForMessage).subspan(used_).begin());
    used_ += data.size();
    return {};
  }
  ByteView view() const { return bytes_.Read(kForMessage).first(used_); }
  std::size_t size() const { return used_; }
  Collected Clone() const {
    Collected copy;
    copy.bytes_ = bytes_.Clone();
    copy.used_ = used_;
    return copy;
  }

 private:
  SecretBytes bytes_;
  std::size_t used_ = 0;
};

class Stream final : public CipherStream {
 public:
  Stream(SecretKeyPtr key, const CipherRow& row, Direction direction, SymmetricMechanism mechanism)
      : key_(std::move(key)),
        row_(row),
        encrypt_(direction == Direction::kEncrypt),
        whole_(row.whole || (row.has_tag && !encrypt_)),
        mechanism_(std::move(mechanism)) {}

  Status Begin();

  Status AddAssociated(ByteView data) override;
  Result<std::size_t> Update(ByteView data, std::span<std::uint8_t> out) override;
  Result<std::size_t> Finish(std::span<std::uint8_t> out) override;
  std::size_t MaxUpdate(std::size_t bytes) const override {
    return whole_ ? 0 : bytes + EVP_MAX_BLOCK_LENGTH;
  }
  // KW and KWP add their check value and padding.
  std::size_t MaxFinish() const override {
    return (whole_ ? message_.size() : 0) + EVP_MAX_BLOCK_LENGTH;
  }
  const Bytes& nonce() const override { return mechanism_.nonce; }
  Result<Bytes> Tag() const override;
  Result<std::unique_ptr<CipherStream>> Clone() const override;

 private:
  enum class Stage : std::uint8_t { kOpen, kMessage, kEnded };

  Status SetTagLength(EVP_CIPHER_CTX* context) const;
  Status Open(Stage latest) const;
  // One call for each of OpenSSL's pieces. `out` nullptr: associated data.
  Result<std::size_t> Feed(ByteView data, std::uint8_t* out);
  Result<std::size_t> FinishWhole(std::span<std::uint8_t> out);
  Result<std::size_t> Last(std::span<std::uint8_t> out);
  Status TakeTag();
  // Whatever depends on the secret is one error.
  std::unexpected<Error> Failure(const ErrorMark& errors) const;

  const SecretKeyPtr key_;
  const CipherRow& row_;
  const bool encrypt_;
  const bool whole_;
  SymmetricMechanism mechanism_;
  CipherCtxPtr context_;
  Stage stage_ = Stage::kOpen;
  Collected associated_;
  Collected message_;
  Bytes tag_;
};

Status Stream::SetTagLength(EVP_CIPHER_CTX* context) const {
  Bytes tag = mechanism_.tag;
  std::size_t nonce_bytes = mechanism_.nonce.size();
  const std::size_t tag_bytes = encrypt_ ? mechanism_.tag_bytes : tag.size();
  HSMCORE_CHECK(CheckTag(row_, tag_bytes));
  // Encrypting, only CCM has to know the length beforehand.
  const bool tells_tag = !encrypt_ || row_.kind == Kind::kCcm;
  const std::array params = {
      OSSL_PARAM_construct_size_t(OSSL_CIPHER_PARAM_AEAD_IVLEN, &nonce_bytes),
      tells_tag ? OSSL_PARAM_construct_octet_string(OSSL_CIPHER_PARAM_AEAD_TAG,
                                                    encrypt_ ? nullptr : tag.data(), tag_bytes)
                : OSSL_PARAM_construct_end(),
      OSSL_PARAM_construct_end()};
  const LibraryScope scope(key_->library());
  if (EVP_CIPHER_CTX_set_params(context, params.data()) == 1) return {};
  return scope.Fail(ErrorCode::kDataLength, "the length of the nonce or tag");
}

Status Stream::Begin() {
  const LibraryScope scope(key_->library());
  const std::string name = row_.NameFor(key_->value().size());
  const CipherPtr cipher(EVP_CIPHER_fetch(key_->library().context(), name.c_str(), nullptr));
  if (cipher == nullptr) return scope.Fail(ErrorCode::kNotSupported, Cat("the cipher ", name));
  context_.reset(EVP_CIPHER_CTX_new());
  if (context_ == nullptr) return scope.Fail(ErrorCode::kCryptoFailure, name);
  EVP_CIPHER_CTX_set_flags(context_.get(), EVP_CIPHER_CTX_FLAG_WRAP_ALLOW);
  const int encrypt = encrypt_ ? 1 : 0;
  if (EVP_CipherInit_ex2(context_.get(), cipher.get(), nullptr, nullptr, encrypt, nullptr) != 1) {
    return scope.Fail(ErrorCode::kCryptoFailure, name);
  }
  if (row_.has_tag) HSMCORE_CHECK(SetTagLength(context_.get()));
  const std::uint8_t* nonce = mechanism_.nonce.empty() ? nullptr : mechanism_.nonce.data();
  if (EVP_CipherInit_ex2(context_.get(), nullptr, key_->value().Read(kForCipher).data(), nonce,
                         encrypt, nullptr) != 1 ||
      (IsPadded(row_.kind) &&
       EVP_CIPHER_CTX_set_padding(context_.get(), mechanism_.padding ? 1 : 0) != 1)) {
    return scope.Fail(ErrorCode::kMechanism, name);
  }
  return {};
}

Status Stream::Open(Stage latest) const {
  if (stage_ <= latest) return {};
  return Fail(ErrorCode::kOperationState, stage_ == Stage::kEnded
                                              ? "the stream has ended"
                                              : "associated data comes before the message");
}

std::unexpected<Error> Stream::Failure(const ErrorMark& errors) const {
  if (!encrypt_)
    return Fail(ErrorCode::kDecryption, "the message, its tag or the key is not right");
  return errors.Fail(ErrorCode::kDataLength, row_.name);
}

Result<std::size_t> Stream::Feed(ByteView data, std::uint8_t* out) {
  const LibraryScope scope(key_->library());
  std::size_t written = 0;
  while (!data.empty()) {
    const ByteView piece = data.first(std::min(data.size(), kMaxPiece));
    data = data.subspan(piece.size());
    int size = 0;
    if (EVP_CipherUpdate(context_.get(), out == nullptr ? nullptr : out + written, &size,
                         piece.data(), static_cast<int>(piece.size())) != 1) {
      return Failure(scope);
    }
    if (out != nullptr) written += static_cast<std::size_t>(size);
  }
  return written;
}

Status Stream::AddAssociated(ByteView data) {
  HSMCORE_CHECK(Open(Stage::kOpen));
  if (!row_.has_tag) {
    return Fail(ErrorCode::kMechanism, Cat(row_.name, " takes no associated data"));
  }
  if (whole_) return associated_.Append(data);
  HSMCORE_CHECK(Feed(data, nullptr));
  return {};
}

Result<std::size_t> Stream::Update(ByteView data, std::span<std::uint8_t> out) {
  HSMCORE_CHECK(Open(Stage::kMessage));
  stage_ = Stage::kMessage;
  if (whole_) {
    HSMCORE_CHECK(message_.Append(data));
    return 0;
  }
  if (out.size() < MaxUpdate(data.size())) {
    return Fail(ErrorCode::kBufferTooSmall, Cat("room for ", MaxUpdate(data.size()), " bytes"));
  }
  return Feed(data, out.data());
}

Result<std::size_t> Stream::Last(std::span<std::uint8_t> out) {
  const LibraryScope scope(key_->library());
  int size = 0;
  if (EVP_CipherFinal_ex(context_.get(), out.data(), &size) != 1) return Failure(scope);
  return static_cast<std::size_t>(size);
}

Result<std::size_t> Stream::FinishWhole(std::span<std::uint8_t> out) {
  if (row_.kind == Kind::kCcm) {
    const LibraryScope scope(key_->library());
    int size = 0;
    if (EVP_CipherUpdate(context_.get(), nullptr, &size, nullptr,
                         static_cast<int>(message_.size())) != 1) {
      return scope.Fail(ErrorCode::kDataLength, "a message too long for the length of its nonce");
    }
  }
  HSMCORE_CHECK(Feed(associated_.view(), nullptr));
  if (row_.kind == Kind::kCcm && message_.size() == 0) {
    // OpenSSL makes and checks CCM's tag when it sees the message, be it empty.
    const LibraryScope scope(key_->library());
    int size = 0;
    const std::uint8_t none = 0;
    if (EVP_CipherUpdate(context_.get(), out.data(), &size, &none, 0) != 1) return Failure(scope);
  } else if (IsWrap(row_.kind) && message_.size() == 0) {
    return Fail(encrypt_ ? ErrorCode::kDataLength : ErrorCode::kDecryption,
                "there is nothing to wrap or unwrap");
  }
  HSMCORE_TRY(const std::size_t size, Feed(message_.view(), out.data()));
  if (row_.kind == Kind::kCcm || IsWrap(row_.kind)) return size;
  HSMCORE_TRY(const std::size_t more, Last(out.subspan(size)));
  return size + more;
}

Result<std::size_t> Stream::Finish(std::span<std::uint8_t> out) {
  HSMCORE_CHECK(Open(Stage::kMessage));
  if (out.size() < MaxFinish()) {
    return Fail(ErrorCode::kBufferTooSmall, Cat("room for ", MaxFinish(), " bytes"));
  }
  stage_ = Stage::kEnded;
  Result<std::size_t> size = whole_ ? FinishWhole(out) : Last(out);
  if (size && row_.has_tag && encrypt_) HSMCORE_CHECK(TakeTag());
  if (!size) WipeMemory(out.data(), MaxFinish());
  context_.reset();
  message_ = {};
  return size;
}

Status Stream::TakeTag() {
  tag_.resize(mechanism_.tag_bytes);
  const std::array params = {
      OSSL_PARAM_construct_octet_string(OSSL_CIPHER_PARAM_AEAD_TAG, tag_.data(), tag_.size()),
      OSSL_PARAM_construct_end()};
  const LibraryScope scope(key_->library());
  if (EVP_CIPHER_CTX_get_params(context_.get(), const_cast<OSSL_PARAM*>(params.data())) == 1) {
    return {};
  }
  return scope.Fail(ErrorCode::kCryptoFailure, "the tag");
}

Result<Bytes> Stream::Tag() const {
  if (!row_.has_tag || !encrypt_) {
    return Fail(ErrorCode::kMechanism, Cat(row_.name, " gives no tag here"));
  }
  if (tag_.empty()) return Fail(ErrorCode::kOperationState, "the tag comes after Finish");
  return tag_;
}

Result<std::unique_ptr<CipherStream>> Stream::Clone() const {
  auto copy = std::make_unique<Stream>(
      key_, row_, encrypt_ ? Direction::kEncrypt : Direction::kDecrypt, mechanism_);
  if (context_ != nullptr) {
    const LibraryScope scope(key_->library());
    copy->context_.reset(EVP_CIPHER_CTX_new());
    if (copy->context_ == nullptr ||
        EVP_CIPHER_CTX_copy(copy->context_.get(), context_.get()) != 1) {
      return scope.Fail(ErrorCode::kNotSupported, Cat("copying ", row_.name, " under way"));
    }
  }
  copy->stage_ = stage_;
  copy->associated_ = associated_.Clone();
  copy->message_ = message_.Clone();
  copy->tag_ = tag_;
  return copy;
}

}  // namespace

std::string CipherRow::NameFor(std::size_t key_bytes) const {
  std::string full = name;
  if (const std::size_t star = full.find('*'); star != std::string::npos) {
    full.replace(star, 1, Cat(type == KeyType::kAesXts ? 4 * key_bytes : 8 * key_bytes));
  }
  return full;
}

std::span<const CipherRow> AllCiphers() { return kCiphers; }

Result<Bytes> RandomNonce(const Library& library) {
  const LibraryScope scope(library);
  Bytes nonce(kHsmNonceBytes);
  constexpr unsigned kAnyStrength = 0;
  if (RAND_bytes_ex(library.context(), nonce.data(), nonce.size(), kAnyStrength) == 1) return nonce;
  return scope.Fail(ErrorCode::kCryptoFailure, "making a nonce");
}

Result<std::unique_ptr<CipherStream>> NewCipherStream(SecretKeyPtr key,
                                                      const SymmetricMechanism& mechanism,
                                                      Direction direction) {
  HSMCORE_TRY(const CipherRow* row, RowFor(mechanism.kind, key->type()));
  SymmetricMechanism settled = mechanism;
  if (row->kind == Kind::kGcm && direction == Direction::kEncrypt) {
    if (settled.nonce.empty()) {
      HSMCORE_TRY(settled.nonce, RandomNonce(key->library()));
    } else if (settled.gcm_nonces == GcmNonces::kHsmOnly) {
      return Fail(ErrorCode::kMechanism,
                  "the HSM makes the nonces of GCM here; give none and read the one that was made");
    }
  }
  if (!(IsWrap(row->kind) && settled.nonce.empty())) {
    HSMCORE_CHECK(CheckNonce(*row, settled.nonce.size()));
  }
  auto stream = std::make_unique<Stream>(std::move(key), *row, direction, std::move(settled));
  HSMCORE_CHECK(stream->Begin());
  return stream;
}

}  // namespace hsmcore::crypto
