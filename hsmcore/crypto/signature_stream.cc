// SPDX-License-Identifier: Apache-2.0
#include "crypto/signature_stream.h"

#include <openssl/evp.h>

#include <array>
#include <utility>

#include "base/text.h"

namespace hsmcore::crypto {
namespace {

constexpr std::size_t kMaxMessage = std::size_t{1} << 30;

// What both kinds share: a stream is for one operation and ends with it.
class Stream : public SignatureStream {
 public:
  Result<std::size_t> Sign(std::span<std::uint8_t> out) final {
    HSMCORE_CHECK(CheckOpen(Operation::kSign));
    if (out.size() < key_.key->max_signature_size()) {
      return Fail(ErrorCode::kBufferTooSmall,
                  Cat("the signature needs ", key_.key->max_signature_size(), " bytes"));
    }
    ended_ = true;
    return FinishSign(out);
  }

  Result<bool> Verify(ByteView signature) final {
    HSMCORE_CHECK(CheckOpen(Operation::kVerify));
    ended_ = true;
    return FinishVerify(signature);
  }

 protected:
  explicit Stream(StreamKey key) : key_(std::move(key)) {}
  Stream(const Stream&) = default;

  Status CheckOpen(Operation operation) const {
    if (operation != key_.operation) {
      return Fail(ErrorCode::kOperationState, "the stream was begun for the other operation");
    }
    if (ended_) return Fail(ErrorCode::kOperationState, "the stream has ended");
    return {};
  }
  const StreamKey& key() const { return key_; }

 private:
  virtual Result<std::size_t> FinishSign(std::span<std::uint8_t> out) = 0;
  virtual Result<bool> FinishVerify(ByteView signature) = 0;

  StreamKey key_;
  bool ended_ = false;
};

class DigestStream final : public Stream {
 public:
  DigestStream(StreamKey key, MdCtxPtr hash, PkeyCtxPtr context)
      : Stream(std::move(key)), hash_(std::move(hash)), context_(std::move(context)) {}

  Status Update(ByteView data) override {
    HSMCORE_CHECK(CheckOpen(key().operation));
    const LibraryScope scope(key().key->library());
    if (EVP_DigestUpdate(hash_.get(), data.data(), data.size()) == 1) return {};
    return scope.Fail(ErrorCode::kCryptoFailure, "hashing");
  }

  Result<std::unique_ptr<SignatureStream>> Clone() const override {
    const LibraryScope scope(key().key->library());
    MdCtxPtr hash(EVP_MD_CTX_new());
    PkeyCtxPtr context(EVP_PKEY_CTX_dup(context_.get()));
    if (hash == nullptr || context == nullptr || EVP_MD_CTX_copy_ex(hash.get(), hash_.get()) != 1) {
      return scope.Fail(ErrorCode::kCryptoFailure, "copying a signature operation");
    }
    std::unique_ptr<DigestStream> clone(new DigestStream(*this));
    clone->hash_ = std::move(hash);
    clone->context_ = std::move(context);
    return clone;
  }

 private:
  struct Hash {
    std::array<std::uint8_t, EVP_MAX_MD_SIZE> bytes{};
    unsigned size = 0;
    ByteView view() const { return ByteView(bytes).first(size); }
  };

  DigestStream(const DigestStream& other) : Stream(other) {}

  Result<Hash> Finish() {
    const LibraryScope scope(key().key->library());
    Hash hash;
    if (EVP_DigestFinal_ex(hash_.get(), hash.bytes.data(), &hash.size) == 1) return hash;
    return scope.Fail(ErrorCode::kCryptoFailure, "hashing");
  }

  Result<std::size_t> FinishSign(std::span<std::uint8_t> out) override {
    HSMCORE_TRY(const Hash hash, Finish());
    return key().key->SignWith(context_.get(), hash.view(), out);
  }

  Result<bool> FinishVerify(ByteView signature) override {
    HSMCORE_TRY(const Hash hash, Finish());
    return key().key->VerifyWith(context_.get(), hash.view(), signature);
  }

  MdCtxPtr hash_;
  PkeyCtxPtr context_;
};

class MessageStream final : public Stream {
 public:
  explicit MessageStream(StreamKey key) : Stream(std::move(key)) {}

  Status Update(ByteView data) override {
    HSMCORE_CHECK(CheckOpen(key().operation));
    if (data.size() > kMaxMessage - message_.size()) {
      return Fail(ErrorCode::kDataLength, "a message that is signed as a whole has at most 1 GiB");
    }
    message_.insert(message_.end(), data.begin(), data.end());
    return {};
  }

  Result<std::unique_ptr<SignatureStream>> Clone() const override {
    return std::make_unique<MessageStream>(*this);
  }

 private:
  Result<std::size_t> FinishSign(std::span<std::uint8_t> out) override {
    return key().key->Sign(key().mechanism, message_, out);
  }

  Result<bool> FinishVerify(ByteView signature) override {
    return key().key->Verify(key().mechanism, message_, signature);
  }

  Bytes message_;
};

}  // namespace

Result<std::unique_ptr<SignatureStream>> NewDigestStream(StreamKey key) {
  HSMCORE_TRY(PkeyCtxPtr context, key.key->SignatureContext(key.operation, key.mechanism));
  HSMCORE_TRY(const EVP_MD* digest, key.key->library().Fetch(key.mechanism.digest));
  const LibraryScope scope(key.key->library());
  MdCtxPtr hash(EVP_MD_CTX_new());
  if (hash == nullptr || EVP_DigestInit_ex2(hash.get(), digest, nullptr) != 1) {
    return scope.Fail(ErrorCode::kCryptoFailure, "starting a digest");
  }
  return std::make_unique<DigestStream>(std::move(key), std::move(hash), std::move(context));
}

std::unique_ptr<SignatureStream> NewMessageStream(StreamKey key) {
  return std::make_unique<MessageStream>(std::move(key));
}

}  // namespace hsmcore::crypto
