// SPDX-License-Identifier: Apache-2.0
#include "session/counted_streams.h"

#include <utility>

namespace hsmcore::session {
namespace {

using KeyInUse = std::shared_ptr<const HeldKey>;

class SignatureCounter final : public SignatureStream {
 public:
  SignatureCounter(KeyInUse key, std::unique_ptr<SignatureStream> stream)
      : key_(std::move(key)), stream_(std::move(stream)) {}

  Status Update(ByteView data) override { return stream_->Update(data); }
  Result<std::size_t> Sign(std::span<std::uint8_t> out) override {
    HSMCORE_CHECK(key_->CountSigning());
    return stream_->Sign(out);
  }
  Result<bool> Verify(ByteView signature) override {
    HSMCORE_CHECK(key_->CountUse());
    return stream_->Verify(signature);
  }
  Result<std::unique_ptr<SignatureStream>> Clone() const override {
    HSMCORE_TRY(auto copy, stream_->Clone());
    return std::make_unique<SignatureCounter>(key_, std::move(copy));
  }

 private:
  KeyInUse key_;
  std::unique_ptr<SignatureStream> stream_;
};

class CipherCounter final : public CipherStream {
 public:
  CipherCounter(KeyInUse key, std::unique_ptr<CipherStream> stream)
      : key_(std::move(key)), stream_(std::move(stream)) {}

  Status AddAssociated(ByteView data) override { return stream_->AddAssociated(data); }
  Result<std::size_t> Update(ByteView data, std::span<std::uint8_t> out) override {
    return stream_->Update(data, out);
  }
  Result<std::size_t> Finish(std::span<std::uint8_t> out) override { return stream_->Finish(out); }
  std::size_t MaxUpdate(std::size_t bytes) const override { return stream_->MaxUpdate(bytes); }
  std::size_t MaxFinish() const override { return stream_->MaxFinish(); }
  const Bytes& nonce() const override { return stream_->nonce(); }
  Result<Bytes> Tag() const override { return stream_->Tag(); }
  Result<std::unique_ptr<CipherStream>> Clone() const override {
    HSMCORE_TRY(auto copy, stream_->Clone());
    HSMCORE_CHECK(key_->CountUse());
    return std::make_unique<CipherCounter>(key_, std::move(copy));
  }

 private:
  KeyInUse key_;
  std::unique_ptr<CipherStream> stream_;
};

}  // namespace

std::unique_ptr<SignatureStream> CountedSignature(KeyInUse key,
                                                  std::unique_ptr<SignatureStream> stream) {
  return std::make_unique<SignatureCounter>(std::move(key), std::move(stream));
}

std::unique_ptr<CipherStream> CountedCipher(KeyInUse key, std::unique_ptr<CipherStream> stream) {
  return std::make_unique<CipherCounter>(std::move(key), std::move(stream));
}

}  // namespace hsmcore::session
