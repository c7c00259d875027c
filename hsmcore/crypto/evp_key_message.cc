// SPDX-License-Identifier: Apache-2.0
// The part of EvpKey that signs and verifies whole messages: EdDSA, ML-DSA, SLH-DSA.
#include <openssl/crypto.h>
#include <openssl/params.h>

#include <array>
#include <utility>

#include "base/text.h"
#include "crypto/evp_key.h"

namespace hsmcore::crypto {
namespace {

using Kind = SignMechanism::Kind;

// OSSL_SIGNATURE_PARAM_... of OpenSSL 3.5; of EdDSA, 3.2.
constexpr const char* kInstance = "instance";
constexpr const char* kContextString = "context-string";
constexpr const char* kDeterministic = "deterministic";
constexpr const char* kMessageEncoding = "message-encoding";
constexpr const char* kMu = "mu";

constexpr unsigned kDeterministicBit = 1;
constexpr unsigned kEncodedBit = 2;
constexpr unsigned kMuBit = 4;
constexpr unsigned kInstanceShift = 3;

unsigned FlagsOf(const SignMechanism& mechanism) {
  return (mechanism.deterministic ? kDeterministicBit : 0) | (mechanism.encoded ? kEncodedBit : 0) |
         (mechanism.external_mu ? kMuBit : 0) |
         (static_cast<unsigned>(mechanism.instance) << kInstanceShift);
}

const char* NameOfPrehash(KeyType type) { return FindEddsa(type, EddsaInstance::kPrehash)->name; }

bool SetInstance(EVP_PKEY_CTX* context, KeyType type, EddsaInstance instance) {
  // PureEdDSA is what OpenSSL does anyway, and all that 3.0 does.
  if (instance == EddsaInstance::kPure) return true;
  const EddsaRow* row = FindEddsa(type, instance);
  if (row == nullptr) return false;
  const std::array params = {
      OSSL_PARAM_construct_utf8_string(kInstance, const_cast<char*>(row->name), 0),
      OSSL_PARAM_construct_end()};
  return EVP_PKEY_CTX_set_params(context, params.data()) == 1;
}

// What a pattern depends on.
bool SetFlags(EVP_PKEY_CTX* context, KeyType type, const SignMechanism& mechanism) {
  if (mechanism.kind == Kind::kEddsa) return SetInstance(context, type, mechanism.instance);
  const unsigned flags = FlagsOf(mechanism);
  if (flags == 0) return true;
  int deterministic = (flags & kDeterministicBit) != 0 ? 1 : 0;
  int encoding = (flags & kEncodedBit) != 0 ? 0 : 1;
  int mu = 1;
  // SLH-DSA does not know the last one, which CheckSignMechanism sees to.
  const std::array params = {
      OSSL_PARAM_construct_int(kDeterministic, &deterministic),
      OSSL_PARAM_construct_int(kMessageEncoding, &encoding),
      (flags & kMuBit) != 0 ? OSSL_PARAM_construct_int(kMu, &mu) : OSSL_PARAM_construct_end(),
      OSSL_PARAM_construct_end()};
  return EVP_PKEY_CTX_set_params(context, params.data()) == 1;
}

// What changes from call to call.
bool SetContextString(EVP_PKEY_CTX* context, const SignMechanism& mechanism) {
  if (mechanism.context.empty()) return true;
  const std::array params = {
      OSSL_PARAM_construct_octet_string(kContextString,
                                        const_cast<std::uint8_t*>(mechanism.context.data()),
                                        mechanism.context.size()),
      OSSL_PARAM_construct_end()};
  return EVP_PKEY_CTX_set_params(context, params.data()) == 1;
}

}  // namespace

Status EvpKey::CheckEddsa(const SignMechanism& mechanism) const {
  const EddsaRow* row = FindEddsa(type_, mechanism.instance);
  if (row == nullptr) {
    return Fail(ErrorCode::kMechanism,
                "Ed448 has no instance with a context alone: it always takes a context string");
  }
  if (mechanism.prehashed && mechanism.instance != EddsaInstance::kPrehash) {
    return Fail(ErrorCode::kMechanism, Cat(row->name,
                                           " signs the message and no digest of it; for a digest "
                                           "set the parameter 'instance' to ",
                                           NameOfPrehash(type_)));
  }
  if (!row->takes_context && !mechanism.context.empty()) {
    return Fail(ErrorCode::kMechanism,
                Cat(row->name, " takes no context string; Ed25519ctx and Ed25519ph do"));
  }
  if (row->needs_context && mechanism.context.empty()) {
    return Fail(ErrorCode::kMechanism, Cat(row->name, " needs a context string"));
  }
  const bool plain = mechanism.instance == EddsaInstance::kPure && mechanism.context.empty();
  if (plain || library_->HasEddsaInstances()) return {};
  return Fail(ErrorCode::kNotSupported,
              Cat(row->name, mechanism.instance == EddsaInstance::kPure ? " with a context" : "",
                  " needs OpenSSL 3.2 or newer; this is ", OpenSSL_version(OPENSSL_VERSION)));
}

Result<MdCtxPtr> EvpKey::NewMessageContext(Operation operation,
                                           const SignMechanism& mechanism) const {
  const LibraryScope scope(*library_);
  const auto initialise =
      operation == Operation::kSign ? EVP_DigestSignInit_ex : EVP_DigestVerifyInit_ex;
  MdCtxPtr context(EVP_MD_CTX_new());
  EVP_PKEY_CTX* parameters = nullptr;
  if (context == nullptr ||
      initialise(context.get(), &parameters, nullptr, library_->context(), nullptr, pkey_.get(),
                 nullptr) != 1 ||
      !SetFlags(parameters, type_, mechanism)) {
    return scope.Fail(ErrorCode::kMechanism, "the signature of a whole message");
  }
  return context;
}

Result<MdCtxPtr> EvpKey::MessageContext(Operation operation, const SignMechanism& mechanism) const {
  const LibraryScope scope(*library_);
  const PatternKey key{.operation = operation,
                       .kind = static_cast<std::uint8_t>(mechanism.kind),
                       .extra = static_cast<int>(FlagsOf(mechanism))};
  // A key has sixteen such patterns at most, which all fit.
  const Pattern* pattern = patterns_.Find(key);
  if (pattern == nullptr) {
    HSMCORE_TRY(MdCtxPtr fresh, NewMessageContext(operation, mechanism));
    patterns_.Add(std::make_unique<const Pattern>(key, nullptr, std::move(fresh)));
    pattern = patterns_.Find(key);
  }
  if (pattern == nullptr) return scope.Fail(ErrorCode::kCryptoFailure, "keeping a context");
  MdCtxPtr context(EVP_MD_CTX_new());
  if (context == nullptr || EVP_MD_CTX_copy_ex(context.get(), pattern->message.get()) != 1) {
    return scope.Fail(ErrorCode::kCryptoFailure, "copying a context");
  }
  if (SetContextString(EVP_MD_CTX_get_pkey_ctx(context.get()), mechanism)) return context;
  return scope.Fail(ErrorCode::kMechanism, "the context string");
}

// Without a pattern: few programs hash by themselves.
Result<PkeyCtxPtr> EvpKey::PrehashContext(Operation operation,
                                          const SignMechanism& mechanism) const {
  const LibraryScope scope(*library_);
  PkeyCtxPtr context = NewContext();
  const auto initialise = operation == Operation::kSign ? EVP_PKEY_sign_init : EVP_PKEY_verify_init;
  if (context != nullptr && initialise(context.get()) == 1 &&
      SetInstance(context.get(), type_, mechanism.instance) &&
      SetContextString(context.get(), mechanism)) {
    return context;
  }
  return scope.Fail(ErrorCode::kNotSupported,
                    "EdDSA over a digest, which needs OpenSSL 3.4; give the message");
}

Result<std::size_t> EvpKey::SignMessage(const SignMechanism& mechanism, ByteView message,
                                        std::span<std::uint8_t> out) const {
  if (mechanism.prehashed) {
    HSMCORE_TRY(const PkeyCtxPtr context, PrehashContext(Operation::kSign, mechanism));
    return SignWith(context.get(), message, out);
  }
  HSMCORE_TRY(const MdCtxPtr context, MessageContext(Operation::kSign, mechanism));
  const LibraryScope scope(*library_);
  std::size_t size = out.size();
  if (EVP_DigestSign(context.get(), out.data(), &size, message.data(), message.size()) == 1) {
    return size;
  }
  return scope.Fail(ErrorCode::kCryptoFailure, "signing");
}

Result<bool> EvpKey::VerifyMessage(const SignMechanism& mechanism, ByteView message,
                                   ByteView signature) const {
  if (mechanism.prehashed) {
    HSMCORE_TRY(const PkeyCtxPtr context, PrehashContext(Operation::kVerify, mechanism));
    return VerifyWith(context.get(), message, signature);
  }
  HSMCORE_TRY(const MdCtxPtr context, MessageContext(Operation::kVerify, mechanism));
  const LibraryScope scope(*library_);
  return EVP_DigestVerify(context.get(), signature.data(), signature.size(), message.data(),
                          message.size()) == 1;
}

}  // namespace hsmcore::crypto
