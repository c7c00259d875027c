// SPDX-License-Identifier: Apache-2.0
#include "kem.h"

#include <openssl/core_names.h>

#include <algorithm>
#include <array>
#include <memory>
#include <optional>
#include <span>

#include "dispatch.h"
#include "guard.h"
#include "key_object.h"
#include "params.h"

namespace provider {
namespace {

using hsmcore::KemMechanism;
using Use = hsmcore::Key::Use;

constexpr hsmcore::SecretAccess kHandOut{"hand out an encapsulated secret"};

// Where libcrypto wants an output: its room goes in, its length comes out. Without data it is a
// question for the length; both may be missing.
struct Output {
  unsigned char* data;
  std::size_t* size;

  Status Answer(std::size_t length) const {
    if (size != nullptr) *size = length;
    return {};
  }
  Status CheckRoom(std::size_t length) const {
    if (data != nullptr && size != nullptr && *size >= length) return {};
    return Fail(ErrorCode::kBufferTooSmall, "the buffer is shorter than the output");
  }
  Status Write(ByteView bytes) const {
    HSMCORE_CHECK(CheckRoom(bytes.size()));
    std::ranges::copy(bytes, data);
    return Answer(bytes.size());
  }
};

// RSASVE and ML-KEM with a held key; the key's type says which.
class Kem {
 public:
  explicit Kem(const ProviderContext& provider) : provider_(provider) {}

  const Core& core() const { return provider_.core; }

  Status Init(Use use, const KeyObject* object, const OSSL_PARAM* params);
  Status Encapsulate(const Output& ciphertext, const Output& secret) const;
  Status Decapsulate(const Output& secret, ByteView ciphertext) const;
  Status Set(const OSSL_PARAM* params);

 private:
  Status ExpectUse(Use use) const;
  std::size_t SecretSize() const {
    return mechanism_.kind == KemMechanism::Kind::kMlKem ? hsmcore::kMlKemSecretBytes
                                                         : key_->max_signature_size();
  }

  const ProviderContext& provider_;
  hsmcore::KeyPtr key_;
  std::optional<Use> use_;
  KemMechanism mechanism_;
};

constexpr auto kRows = std::to_array<ParamRow<Kem>>({
    {OSSL_KEM_PARAM_OPERATION, OSSL_PARAM_UTF8_STRING,
     [](Kem&, const OSSL_PARAM& param) { return CheckOnlyValue(param, "RSASVE"); }, nullptr},
});
constexpr auto kSettable = Settable(kRows);

Status Kem::Init(Use use, const KeyObject* object, const OSSL_PARAM* params) {
  if (object != nullptr) {
    HSMCORE_TRY(key_, object->Use());
  } else if (key_ == nullptr) {
    return Fail(ErrorCode::kOperationState, "no key was given");
  }
  if (key_->type() == hsmcore::KeyType::kRsaPss) {
    return Fail(ErrorCode::kKeyTypeMismatch, "an RSA-PSS key is for signatures only");
  }
  use_ = use;
  mechanism_.kind = key_->type() == hsmcore::KeyType::kRsa ? KemMechanism::Kind::kRsasve
                                                           : KemMechanism::Kind::kMlKem;
  HSMCORE_CHECK(key_->CheckUse(use));
  return Set(params);
}

Status Kem::Set(const OSSL_PARAM* params) { return SetAll<Kem>(*this, kRows, params); }

Status Kem::ExpectUse(Use use) const {
  if (use_ == use) return {};
  return Fail(ErrorCode::kOperationState, "the context was not initialised for this operation");
}

Status Kem::Encapsulate(const Output& ciphertext, const Output& secret) const {
  HSMCORE_CHECK(ExpectUse(Use::kEncapsulate));
  if (ciphertext.data == nullptr) {
    HSMCORE_CHECK(ciphertext.Answer(key_->max_signature_size()));
    return secret.Answer(SecretSize());
  }
  HSMCORE_CHECK(ciphertext.CheckRoom(key_->max_signature_size()));
  HSMCORE_CHECK(secret.CheckRoom(SecretSize()));
  HSMCORE_TRY(const hsmcore::Encapsulated made, key_->Encapsulate(mechanism_));
  HSMCORE_CHECK(ciphertext.Write(made.ciphertext));
  return secret.Write(made.secret.Read(kHandOut));
}

Status Kem::Decapsulate(const Output& secret, ByteView ciphertext) const {
  HSMCORE_CHECK(ExpectUse(Use::kDecapsulate));
  if (secret.data == nullptr) return secret.Answer(SecretSize());
  HSMCORE_CHECK(secret.CheckRoom(SecretSize()));
  HSMCORE_TRY(const hsmcore::SecretBytes bytes, key_->Decapsulate(mechanism_, ciphertext));
  return secret.Write(bytes.Read(kHandOut));
}

// ---- C callbacks ----

Kem& Of(void* ctx) { return *static_cast<Kem*>(ctx); }

void* New(void* provctx) {
  const auto& provider = ProviderContext::From(provctx);
  return Guard(provider.core,
               [&]() -> Result<std::unique_ptr<Kem>> { return std::make_unique<Kem>(provider); });
}

void Free(void* ctx) { delete static_cast<Kem*>(ctx); }

void* Dup(void* ctx) {
  return Guard(Of(ctx).core(),
               [&]() -> Result<std::unique_ptr<Kem>> { return std::make_unique<Kem>(Of(ctx)); });
}

template <Use kUse>
int Init(void* ctx, void* key, const OSSL_PARAM* params) {
  return Guard(Of(ctx).core(),
               [&] { return Of(ctx).Init(kUse, static_cast<const KeyObject*>(key), params); });
}

int Encapsulate(void* ctx, unsigned char* out, std::size_t* outlen, unsigned char* secret,
                std::size_t* secretlen) {
  return Guard(Of(ctx).core(),
               [&] { return Of(ctx).Encapsulate({out, outlen}, {secret, secretlen}); });
}

int Decapsulate(void* ctx, unsigned char* out, std::size_t* outlen, const unsigned char* in,
                std::size_t inlen) {
  return Guard(Of(ctx).core(),
               [&] { return Of(ctx).Decapsulate({out, outlen}, ByteView(in, inlen)); });
}

int SetParams(void* ctx, const OSSL_PARAM* params) {
  return Guard(Of(ctx).core(), [&] { return Of(ctx).Set(params); });
}
const OSSL_PARAM* SettableParams(void*, void*) { return kSettable.data(); }

#define HSM_KEM_ROWS                                                                  \
  HSM_ENTRY(KEM_NEWCTX, kem_newctx, New), HSM_ENTRY(KEM_FREECTX, kem_freectx, Free),  \
      HSM_ENTRY(KEM_DUPCTX, kem_dupctx, Dup),                                         \
      HSM_ENTRY(KEM_ENCAPSULATE_INIT, kem_encapsulate_init, Init<Use::kEncapsulate>), \
      HSM_ENTRY(KEM_ENCAPSULATE, kem_encapsulate, Encapsulate),                       \
      HSM_ENTRY(KEM_DECAPSULATE_INIT, kem_decapsulate_init, Init<Use::kDecapsulate>), \
      HSM_ENTRY(KEM_DECAPSULATE, kem_decapsulate, Decapsulate)

}  // namespace

const OSSL_DISPATCH kRsaKem[] = {
    HSM_KEM_ROWS,
    HSM_ENTRY(KEM_SET_CTX_PARAMS, kem_set_ctx_params, SetParams),
    HSM_ENTRY(KEM_SETTABLE_CTX_PARAMS, kem_settable_ctx_params, SettableParams),
    HSM_ENTRY_END,
};
const OSSL_DISPATCH kMlKem[] = {
    HSM_KEM_ROWS,
    HSM_ENTRY_END,
};

}  // namespace provider
