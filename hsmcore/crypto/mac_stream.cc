// SPDX-License-Identifier: Apache-2.0
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "base/text.h"
#include "crypto/symmetric.h"

namespace hsmcore::crypto {
namespace {

using Kind = MacMechanism::Kind;
using MacPtr = OpensslPtr<EVP_MAC, EVP_MAC_free>;
using MacCtxPtr = OpensslPtr<EVP_MAC_CTX, EVP_MAC_CTX_free>;

constexpr SecretAccess kForMac{"a MAC with a held key"};

struct MacRow {
  Kind kind;
  KeyType type;
  const char* name;
  const char* cipher;  // nullptr: none
};
constexpr auto kMacs = std::to_array<MacRow>({
    {Kind::kHmac, KeyType::kGenericSecret, "HMAC", nullptr},
    {Kind::kCmac, KeyType::kAes, "CMAC", "AES-*-CBC"},
    {Kind::kCmac, KeyType::kDes3, "CMAC", "DES-EDE3-CBC"},
    {Kind::kGmac, KeyType::kAes, "GMAC", "AES-*-GCM"},
    {Kind::kKmac128, KeyType::kGenericSecret, "KMAC-128", nullptr},
    {Kind::kKmac256, KeyType::kGenericSecret, "KMAC-256", nullptr},
});

Result<const MacRow*> RowFor(Kind kind, KeyType type) {
  std::string wanted;
  for (const MacRow& row : kMacs) {
    if (row.kind != kind) continue;
    if (row.type == type) return &row;
    wanted += Cat(wanted.empty() ? "" : " or ", NameOf(row.type));
  }
  return Fail(ErrorCode::kKeyTypeMismatch,
              Cat("this MAC needs a key of type ", wanted, ", not ", NameOf(type)));
}

class Stream final : public SignatureStream {
 public:
  Stream(SecretKeyPtr key, Operation operation, MacCtxPtr context)
      : key_(std::move(key)), operation_(operation), context_(std::move(context)) {}

  Status Update(ByteView data) override {
    HSMCORE_CHECK(CheckOpen(operation_));
    const LibraryScope scope(key_->library());
    if (EVP_MAC_update(context_.get(), data.data(), data.size()) == 1) return {};
    return scope.Fail(ErrorCode::kCryptoFailure, "the MAC");
  }

  Result<std::size_t> Sign(std::span<std::uint8_t> out) override {
    HSMCORE_CHECK(CheckOpen(Operation::kSign));
    if (out.size() < EVP_MAC_CTX_get_mac_size(context_.get())) {
      return Fail(ErrorCode::kBufferTooSmall,
                  Cat("the MAC needs ", EVP_MAC_CTX_get_mac_size(context_.get()), " bytes"));
    }
    return Finish(out);
  }

  Result<bool> Verify(ByteView signature) override {
    HSMCORE_CHECK(CheckOpen(Operation::kVerify));
    SecretBytes mac(EVP_MAC_CTX_get_mac_size(context_.get()));
    HSMCORE_CHECK(Finish(mac.Write(kForMac)));
    return mac.Equals(signature);
  }

  Result<std::unique_ptr<SignatureStream>> Clone() const override {
    HSMCORE_CHECK(CheckOpen(operation_));
    const LibraryScope scope(key_->library());
    MacCtxPtr context(EVP_MAC_CTX_dup(context_.get()));
    if (context == nullptr) return scope.Fail(ErrorCode::kCryptoFailure, "copying a MAC");
    return std::make_unique<Stream>(key_, operation_, std::move(context));
  }

 private:
  Status CheckOpen(Operation operation) const {
    if (operation != operation_) {
      return Fail(ErrorCode::kOperationState, "the stream was begun for the other operation");
    }
    if (context_ == nullptr) return Fail(ErrorCode::kOperationState, "the stream has ended");
    return {};
  }

  Result<std::size_t> Finish(std::span<std::uint8_t> out) {
    const MacCtxPtr context = std::move(context_);
    const LibraryScope scope(key_->library());
    std::size_t size = 0;
    if (EVP_MAC_final(context.get(), out.data(), &size, out.size()) == 1) return size;
    return scope.Fail(ErrorCode::kCryptoFailure, "the MAC");
  }

  const SecretKeyPtr key_;
  const Operation operation_;
  MacCtxPtr context_;
};

// What a mechanism is to OpenSSL. Keeps what the parameters point to.
class MacParams {
 public:
  MacParams(const MacRow& row, const MacMechanism& mechanism, std::size_t key_bytes)
      : nonce_(mechanism.nonce), customization_(mechanism.customization), bytes_(mechanism.bytes) {
    auto* next = params_.begin();
    const auto text = [&next](const char* name, const char* value) {
      *next++ = OSSL_PARAM_construct_utf8_string(name, const_cast<char*>(value), 0);
    };
    if (row.kind == Kind::kHmac) {
      text(OSSL_MAC_PARAM_DIGEST, hsmcore::RowOf(mechanism.digest).name);
    }
    if (row.cipher != nullptr) {
      cipher_ = row.cipher;
      const std::size_t star = cipher_.find('*');
      if (star != std::string::npos) cipher_.replace(star, 1, Cat(8 * key_bytes));
      text(OSSL_MAC_PARAM_CIPHER, cipher_.c_str());
    }
    if (row.kind == Kind::kGmac) {
      *next++ = OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_IV, nonce_.data(), nonce_.size());
    }
    if (row.kind == Kind::kKmac128 || row.kind == Kind::kKmac256) {
      if (bytes_ != 0) *next++ = OSSL_PARAM_construct_size_t(OSSL_MAC_PARAM_SIZE, &bytes_);
      *next++ = OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_CUSTOM, customization_.data(),
                                                  customization_.size());
    }
    *next = OSSL_PARAM_construct_end();
  }
  MacParams(const MacParams&) = delete;
  MacParams& operator=(const MacParams&) = delete;

  const OSSL_PARAM* data() const { return params_.data(); }

 private:
  Bytes nonce_;
  Bytes customization_;
  std::size_t bytes_;
  std::string cipher_;
  std::array<OSSL_PARAM, 4> params_{};
};

}  // namespace

Result<std::unique_ptr<SignatureStream>> NewMacStream(SecretKeyPtr key,
                                                      const MacMechanism& mechanism,
                                                      Operation operation) {
  HSMCORE_TRY(const MacRow* row, RowFor(mechanism.kind, key->type()));
  if (row->kind == Kind::kHmac) HSMCORE_CHECK(key->library().Fetch(mechanism.digest));
  if (row->kind == Kind::kGmac && mechanism.nonce.empty()) {
    return Fail(ErrorCode::kDataLength, "GMAC needs a nonce that was not used before");
  }
  const LibraryScope scope(key->library());
  const ByteView value = key->value().Read(kForMac);
  const MacPtr mac(EVP_MAC_fetch(key->library().context(), row->name, nullptr));
  if (mac == nullptr) return scope.Fail(ErrorCode::kNotSupported, Cat("the MAC ", row->name));
  MacCtxPtr context(EVP_MAC_CTX_new(mac.get()));
  const MacParams params(*row, mechanism, value.size());
  if (context == nullptr ||
      EVP_MAC_init(context.get(), value.data(), value.size(), params.data()) != 1) {
    return scope.Fail(ErrorCode::kMechanism, row->name);
  }
  return std::make_unique<Stream>(std::move(key), operation, std::move(context));
}

}  // namespace hsmcore::crypto
