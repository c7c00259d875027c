// SPDX-License-Identifier: Apache-2.0
#include "signature.h"

#include <string>
#include <utility>

#include "params.h"

namespace provider {
namespace {

using Use = hsmcore::Key::Use;

Use GateUse(SignatureUse use) {
  return use == SignatureUse::kSign || use == SignatureUse::kDigestSign ? Use::kSign : Use::kVerify;
}

}  // namespace

SignatureContext::SignatureContext(const SignatureContext& other)
    : key_(other.key_),
      mechanism_(other.mechanism_),
      use_(other.use_),
      provider_(other.provider_),
      finished_(other.finished_) {}

Status SignatureContext::CloneStreamFrom(const SignatureContext& other) {
  if (other.stream_ == nullptr) return {};
  HSMCORE_TRY(stream_, other.stream_->Clone());
  return {};
}

Status SignatureContext::Begin(SignatureUse use, const KeyObject* object) {
  if (object != nullptr) {
    HSMCORE_TRY(key_, object->Use());
  } else if (key_ == nullptr) {
    return Fail(ErrorCode::kOperationState, "no key was given");
  }
  use_ = use;
  stream_.reset();
  finished_ = false;
  return key_->CheckUse(GateUse(use));
}

Status SignatureContext::ExpectUse(SignatureUse use) const {
  if (use_ == use) return {};
  return Fail(ErrorCode::kOperationState, "the context was not initialised for this operation");
}

Status SignatureContext::ExpectNoDigest(const char* digest) {
  if (digest == nullptr || *digest == '\0') return {};
  return Fail(ErrorCode::kDigest, "keys of this type have a digest of their own: give none, not '" +
                                      std::string(digest) + "'");
}

Status SignatureContext::SetContextString(const OSSL_PARAM& param) {
  HSMCORE_TRY(const ByteView octets, GetOctets(param));
  if (octets.size() > hsmcore::kMaxContextBytes) {
    return Fail(ErrorCode::kMechanism, "the context string has at most 255 bytes");
  }
  mechanism_.context.assign(octets.begin(), octets.end());
  return {};
}

Status SignatureContext::ExpectNoData() const {
  if (stream_ == nullptr) return {};
  return Fail(ErrorCode::kOperationState, "parameters cannot change after data has gone in");
}

Result<std::size_t> SignatureContext::MaxSize() const {
  if (key_ == nullptr) return Fail(ErrorCode::kOperationState, "no key was given");
  return key_->max_signature_size();
}

Result<std::size_t> SignatureContext::Sign(ByteView digest, std::span<std::uint8_t> out) {
  HSMCORE_CHECK(ExpectUse(SignatureUse::kSign));
  return key_->Sign(mechanism_, digest, out);
}

Result<bool> SignatureContext::Verify(ByteView digest, ByteView signature) {
  HSMCORE_CHECK(ExpectUse(SignatureUse::kVerify));
  return key_->Verify(mechanism_, digest, signature);
}

Result<std::size_t> SignatureContext::Recover(ByteView signature, std::span<std::uint8_t> out) {
  HSMCORE_CHECK(ExpectUse(SignatureUse::kVerifyRecover));
  return key_->VerifyRecover(mechanism_, signature, out);
}

// The stream is made with the first data and not with init: applications set the padding between.
Status SignatureContext::OpenStream() {
  if (finished_) return Fail(ErrorCode::kOperationState, "the operation has ended");
  if (stream_ != nullptr) return {};
  HSMCORE_TRY(stream_, use_ == SignatureUse::kDigestSign ? key_->NewSigner(mechanism_)
                                                         : key_->NewVerifier(mechanism_));
  return {};
}

Status SignatureContext::Update(ByteView data) {
  if (!digests()) {
    return Fail(ErrorCode::kOperationState, "the context was not initialised for a message");
  }
  HSMCORE_CHECK(OpenStream());
  return stream_->Update(data);
}

Result<std::size_t> SignatureContext::FinishSign(std::span<std::uint8_t> out) {
  HSMCORE_CHECK(ExpectUse(SignatureUse::kDigestSign));
  HSMCORE_CHECK(OpenStream());
  HSMCORE_TRY(const std::size_t size, stream_->Sign(out));
  finished_ = true;
  return size;
}

Result<bool> SignatureContext::FinishVerify(ByteView signature) {
  HSMCORE_CHECK(ExpectUse(SignatureUse::kDigestVerify));
  HSMCORE_CHECK(OpenStream());
  HSMCORE_TRY(const bool valid, stream_->Verify(signature));
  finished_ = true;
  return valid;
}

Result<std::size_t> SignatureContext::SignMessage(ByteView message, std::span<std::uint8_t> out) {
  HSMCORE_CHECK(ExpectUse(SignatureUse::kDigestSign));
  if (mechanism_.whole_message()) {
    return key_->Sign(mechanism_, message, out);
  }
  // Too small a buffer must not end a stream that has data of earlier updates.
  if (out.size() < key_->max_signature_size()) {
    return Fail(ErrorCode::kBufferTooSmall, "the buffer is shorter than a signature can be");
  }
  HSMCORE_CHECK(OpenStream());
  HSMCORE_CHECK(stream_->Update(message));
  const auto stream = std::exchange(stream_, nullptr);
  return stream->Sign(out);
}

Result<bool> SignatureContext::VerifyMessage(ByteView message, ByteView signature) {
  HSMCORE_CHECK(ExpectUse(SignatureUse::kDigestVerify));
  if (mechanism_.whole_message()) {
    return key_->Verify(mechanism_, message, signature);
  }
  HSMCORE_CHECK(OpenStream());
  HSMCORE_CHECK(stream_->Update(message));
  const auto stream = std::exchange(stream_, nullptr);
  return stream->Verify(signature);
}

}  // namespace provider
