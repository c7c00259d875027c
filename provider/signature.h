// SPDX-License-Identifier: Apache-2.0
#ifndef PROVIDER_SIGNATURE_H_
#define PROVIDER_SIGNATURE_H_

#include <openssl/core.h>

#include <memory>
#include <span>

#include "dispatch.h"
#include "guard.h"
#include "hsmcore/key.h"
#include "key_object.h"
#include "provider_context.h"

namespace provider {

enum class SignatureUse : std::uint8_t {
  kNone,
  kSign,
  kVerify,
  kVerifyRecover,
  kDigestSign,
  kDigestVerify,
};

// What the signature contexts of all algorithms have: a key, a mechanism, and between init and
// final a stream. Calls in the wrong order are kOperationState. Not for two threads at once, as
// everywhere in EVP.
class SignatureContext {
 public:
  explicit SignatureContext(const ProviderContext& provider) : provider_(provider) {}
  SignatureContext& operator=(const SignatureContext&) = delete;

  const Core& core() const { return provider_.core; }

  // The size to offer for a signature; costs nothing and uses nothing up.
  Result<std::size_t> MaxSize() const;

  Result<std::size_t> Sign(ByteView digest, std::span<std::uint8_t> out);
  Result<bool> Verify(ByteView digest, ByteView signature);
  Result<std::size_t> Recover(ByteView signature, std::span<std::uint8_t> out);

  Status Update(ByteView data);
  Result<std::size_t> FinishSign(std::span<std::uint8_t> out);
  Result<bool> FinishVerify(ByteView signature);

  // A whole message at once; may be repeated.
  Result<std::size_t> SignMessage(ByteView message, std::span<std::uint8_t> out);
  Result<bool> VerifyMessage(ByteView message, ByteView signature);

  // For dupctx: what the copy constructor cannot do, because it can fail.
  Status CloneStreamFrom(const SignatureContext& other);

 protected:
  SignatureContext(const SignatureContext& other);
  ~SignatureContext() = default;

  // Takes the key (nullptr: the one from before stays) and asks the gate whether it may be used so.
  Status Begin(SignatureUse use, const KeyObject* object);
  Status ExpectUse(SignatureUse use) const;
  // For key types that hash in their own way.
  static Status ExpectNoDigest(const char* digest);
  Status SetContextString(const OSSL_PARAM& param);
  // Parameters cannot change once a part of the message has gone in.
  Status ExpectNoData() const;

  bool digests() const {
    return use_ == SignatureUse::kDigestSign || use_ == SignatureUse::kDigestVerify;
  }
  bool verifies() const {
    return use_ == SignatureUse::kVerify || use_ == SignatureUse::kDigestVerify;
  }

  hsmcore::KeyPtr key_;
  hsmcore::SignMechanism mechanism_;
  SignatureUse use_ = SignatureUse::kNone;

 private:
  Status OpenStream();

  const ProviderContext& provider_;
  std::unique_ptr<hsmcore::SignatureStream> stream_;
  bool finished_ = false;
};

// The C callbacks over one algorithm's context class, which derives from SignatureContext and has
//   Status Init(SignatureUse, const KeyObject*, const OSSL_PARAM*)
//   Status InitDigest(SignatureUse, const char* digest, const KeyObject*, const OSSL_PARAM*)
//   Status Set(const OSSL_PARAM*), Status Get(OSSL_PARAM*) const,
//   static const OSSL_PARAM* Settable(), Gettable()
template <class Context>
struct SignatureAdapter {
  static Context& Of(void* ctx) { return *static_cast<Context*>(ctx); }

  static void* New(void* provctx, const char*) {
    const auto& provider = ProviderContext::From(provctx);
    return Guard(provider.core, [&]() -> Result<std::unique_ptr<Context>> {
      return std::make_unique<Context>(provider);
    });
  }
  static void Free(void* ctx) { delete static_cast<Context*>(ctx); }
  static void* Dup(void* ctx) {
    return Guard(Of(ctx).core(), [&]() -> Result<std::unique_ptr<Context>> {
      auto copy = std::make_unique<Context>(Of(ctx));
      HSMCORE_CHECK(copy->CloneStreamFrom(Of(ctx)));
      return copy;
    });
  }

  template <SignatureUse kUse>
  static int Init(void* ctx, void* key, const OSSL_PARAM* params) {
    return Guard(Of(ctx).core(),
                 [&] { return Of(ctx).Init(kUse, static_cast<const KeyObject*>(key), params); });
  }
  template <SignatureUse kUse>
  static int InitDigest(void* ctx, const char* digest, void* key, const OSSL_PARAM* params) {
    return Guard(Of(ctx).core(), [&] {
      return Of(ctx).InitDigest(kUse, digest, static_cast<const KeyObject*>(key), params);
    });
  }

  // The two-call protocol: without a buffer only the size is told.
  template <class Produce>
  static int Write(void* ctx, unsigned char* out, std::size_t* size, std::size_t space,
                   Produce produce) {
    return Guard(Of(ctx).core(), [&]() -> Status {
      HSMCORE_TRY(*size, out == nullptr ? Of(ctx).MaxSize() : produce(std::span(out, space)));
      return {};
    });
  }

  static int Sign(void* ctx, unsigned char* sig, std::size_t* siglen, std::size_t space,
                  const unsigned char* tbs, std::size_t tbslen) {
    return Write(ctx, sig, siglen, space, [&](std::span<std::uint8_t> out) {
      return Of(ctx).Sign(ByteView(tbs, tbslen), out);
    });
  }
  static int Verify(void* ctx, const unsigned char* sig, std::size_t siglen,
                    const unsigned char* tbs, std::size_t tbslen) {
    return Guard(Of(ctx).core(),
                 [&] { return Of(ctx).Verify(ByteView(tbs, tbslen), ByteView(sig, siglen)); });
  }
  static int Recover(void* ctx, unsigned char* rout, std::size_t* routlen, std::size_t space,
                     const unsigned char* sig, std::size_t siglen) {
    return Write(ctx, rout, routlen, space, [&](std::span<std::uint8_t> out) {
      return Of(ctx).Recover(ByteView(sig, siglen), out);
    });
  }

  static int Update(void* ctx, const unsigned char* data, std::size_t size) {
    return Guard(Of(ctx).core(), [&] { return Of(ctx).Update(ByteView(data, size)); });
  }
  static int FinishSign(void* ctx, unsigned char* sig, std::size_t* siglen, std::size_t space) {
    return Write(ctx, sig, siglen, space,
                 [&](std::span<std::uint8_t> out) { return Of(ctx).FinishSign(out); });
  }
  static int FinishVerify(void* ctx, const unsigned char* sig, std::size_t siglen) {
    return Guard(Of(ctx).core(), [&] { return Of(ctx).FinishVerify(ByteView(sig, siglen)); });
  }
  static int SignMessage(void* ctx, unsigned char* sig, std::size_t* siglen, std::size_t space,
                         const unsigned char* message, std::size_t size) {
    return Write(ctx, sig, siglen, space, [&](std::span<std::uint8_t> out) {
      return Of(ctx).SignMessage(ByteView(message, size), out);
    });
  }
  static int VerifyMessage(void* ctx, const unsigned char* sig, std::size_t siglen,
                           const unsigned char* message, std::size_t size) {
    return Guard(Of(ctx).core(), [&] {
      return Of(ctx).VerifyMessage(ByteView(message, size), ByteView(sig, siglen));
    });
  }

  static int Set(void* ctx, const OSSL_PARAM* params) {
    return Guard(Of(ctx).core(), [&] { return Of(ctx).Set(params); });
  }
  static int Get(void* ctx, OSSL_PARAM* params) {
    return Guard(Of(ctx).core(), [&] { return Of(ctx).Get(params); });
  }
  static const OSSL_PARAM* Settable(void*, void*) { return Context::Settable(); }
  static const OSSL_PARAM* Gettable(void*, void*) { return Context::Gettable(); }
};

// OSSL_FUNC_SIGNATURE_SIGN_MESSAGE_INIT and OSSL_FUNC_SIGNATURE_VERIFY_MESSAGE_INIT of OpenSSL 3.4,
// called as SIGN_INIT and VERIFY_INIT are.
inline constexpr int kSignMessageInit = 27;
inline constexpr int kVerifyMessageInit = 30;

// The rows of a dispatch table that every algorithm has (contexts, whole messages), and those of
// the algorithms that sign digests and messages in pieces.
#define HSM_SIGNATURE_ROWS(Adapter)                                                        \
  HSM_ENTRY(SIGNATURE_NEWCTX, signature_newctx, Adapter::New),                             \
      HSM_ENTRY(SIGNATURE_FREECTX, signature_freectx, Adapter::Free),                      \
      HSM_ENTRY(SIGNATURE_DUPCTX, signature_dupctx, Adapter::Dup),                         \
      HSM_ENTRY(SIGNATURE_DIGEST_SIGN_INIT, signature_digest_sign_init,                    \
                Adapter::InitDigest<SignatureUse::kDigestSign>),                           \
      HSM_ENTRY(SIGNATURE_DIGEST_SIGN, signature_digest_sign, Adapter::SignMessage),       \
      HSM_ENTRY(SIGNATURE_DIGEST_VERIFY_INIT, signature_digest_verify_init,                \
                Adapter::InitDigest<SignatureUse::kDigestVerify>),                         \
      HSM_ENTRY(SIGNATURE_DIGEST_VERIFY, signature_digest_verify, Adapter::VerifyMessage), \
      HSM_ENTRY(SIGNATURE_GET_CTX_PARAMS, signature_get_ctx_params, Adapter::Get),         \
      HSM_ENTRY(SIGNATURE_GETTABLE_CTX_PARAMS, signature_gettable_ctx_params, Adapter::Gettable)
#define HSM_SIGNATURE_DIGEST_ROWS(Adapter)                                                        \
  HSM_ENTRY(SIGNATURE_SIGN_INIT, signature_sign_init, Adapter::Init<SignatureUse::kSign>),        \
      HSM_ENTRY(SIGNATURE_SIGN, signature_sign, Adapter::Sign),                                   \
      HSM_ENTRY(SIGNATURE_VERIFY_INIT, signature_verify_init,                                     \
                Adapter::Init<SignatureUse::kVerify>),                                            \
      HSM_ENTRY(SIGNATURE_VERIFY, signature_verify, Adapter::Verify),                             \
      HSM_ENTRY(SIGNATURE_DIGEST_SIGN_UPDATE, signature_digest_sign_update, Adapter::Update),     \
      HSM_ENTRY(SIGNATURE_DIGEST_SIGN_FINAL, signature_digest_sign_final, Adapter::FinishSign),   \
      HSM_ENTRY(SIGNATURE_DIGEST_VERIFY_UPDATE, signature_digest_verify_update, Adapter::Update), \
      HSM_ENTRY(SIGNATURE_DIGEST_VERIFY_FINAL, signature_digest_verify_final,                     \
                Adapter::FinishVerify),                                                           \
      HSM_ENTRY(SIGNATURE_SET_CTX_PARAMS, signature_set_ctx_params, Adapter::Set),                \
      HSM_ENTRY(SIGNATURE_SETTABLE_CTX_PARAMS, signature_settable_ctx_params, Adapter::Settable)

extern const OSSL_DISPATCH kRsaSignature[];
extern const OSSL_DISPATCH kEcdsaSignature[];
extern const OSSL_DISPATCH kEddsaSignature[];          // before OpenSSL 3.2: PureEdDSA
extern const OSSL_DISPATCH kEddsaInstanceSignature[];  // every instance
extern const OSSL_DISPATCH kEd25519CtxSignature[];     // one instance each, by name
extern const OSSL_DISPATCH kEd25519PhSignature[];
extern const OSSL_DISPATCH kEd448PhSignature[];
extern const OSSL_DISPATCH kMessageSignature[];  // ML-DSA, SLH-DSA

}  // namespace provider

#endif  // PROVIDER_SIGNATURE_H_
