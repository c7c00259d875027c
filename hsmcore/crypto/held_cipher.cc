// SPDX-License-Identifier: Apache-2.0
#include <openssl/core_names.h>
#include <openssl/params.h>

#include <algorithm>
#include <array>
#include <optional>

#include "base/text.h"
#include "crypto/held_algorithm.h"
#include "crypto/nonce_memory.h"

namespace hsmcore::crypto {
namespace {

using Kind = SymmetricMechanism::Kind;

constexpr auto kKeyLengths = std::to_array<std::size_t>({16, 24, 32, 64});

struct Match {
  const CipherRow* row;
  std::size_t key_bytes;
};

// By the name that the algorithm is known by first.
std::optional<Match> Find(std::string_view name) {
  for (const CipherRow& row : AllCiphers()) {
    for (const std::size_t bytes : kKeyLengths) {
      if (row.NameFor(bytes) != name) continue;
      // A name without a length in it stands for the only length that the type has.
      return Match{&row, std::string_view(row.name).contains('*') ? bytes : 0};
    }
  }
  return std::nullopt;
}

class Cipher final : public HeldCipher {
 public:
  Cipher(GatedKey key, OriginalAlgorithm original, const CipherRow& row, GcmNonces nonces)
      : key_(std::move(key)),
        original_(original),
        encrypt_init_(
            original.Function<OSSL_FUNC_cipher_encrypt_init_fn>(OSSL_FUNC_CIPHER_ENCRYPT_INIT)),
        decrypt_init_(
            original.Function<OSSL_FUNC_cipher_decrypt_init_fn>(OSSL_FUNC_CIPHER_DECRYPT_INIT)),
        row_(&row),
        nonces_(nonces) {}

  Status Init(void* context, Direction direction, const std::uint8_t* nonce,
              std::size_t nonce_bytes, const OSSL_PARAM* params) override;
  const Key& key() const override { return *key_.gate; }
  void End() override;
  Status ProvideNonce(void* context) override;
  Status NoteParams(const OSSL_PARAM* params) override;
  std::unique_ptr<HeldCipher> Clone() const override { return std::make_unique<Cipher>(*this); }

 private:
  // GCM, encrypting: none is there, one waits for the message, the message is under way or over.
  enum class Nonce : std::uint8_t { kNone, kWaiting, kUsed, kOver };

  Status PrepareNow(void* context) override;
  void Turn(Direction direction);
  void Note(Nonce state) {
    nonce_state_ = state;
    lacks_nonce_ = watches_nonces_ && state == Nonce::kNone;
  }
  Status AcceptNonce(ByteView nonce);
  Status MakeNonce(void* context);
  Status Call(void* context, bool with_key, ByteView nonce, const OSSL_PARAM* params);

  GatedKey key_;
  OriginalAlgorithm original_;
  OSSL_FUNC_cipher_encrypt_init_fn* encrypt_init_;
  OSSL_FUNC_cipher_decrypt_init_fn* decrypt_init_;
  const CipherRow* row_;
  GcmNonces nonces_;
  std::optional<Direction> direction_;  // nothing: no message was begun
  bool keyed_ = false;                  // the context has the key, for direction_
  bool watches_nonces_ = false;         // GCM, encrypting
  Nonce nonce_state_ = Nonce::kNone;
  NonceMemory::Mark waiting_{{}};
  NonceMemory memory_;
};

Status Cipher::AcceptNonce(ByteView nonce) {
  if (nonces_ == GcmNonces::kHsmOnly) {
    return Fail(ErrorCode::kMechanism,
                "the HSM makes the nonces of GCM here (hsm-gcm-nonce = hsm): give none, and read "
                "the one that was made from the context");
  }
  const NonceMemory::Mark mark(nonce);
  if (memory_.Contains(mark)) {
    return Fail(ErrorCode::kMechanism,
                "this context has encrypted with this GCM nonce before; twice with the same one "
                "would give the messages and the authentication key away");
  }
  waiting_ = mark;
  Note(Nonce::kWaiting);
  return {};
}

Status Cipher::Call(void* context, bool with_key, ByteView nonce, const OSSL_PARAM* params) {
  auto* const init = direction_ == Direction::kEncrypt ? encrypt_init_ : decrypt_init_;
  const ByteView key = with_key ? key_.Bytes() : ByteView();
  // What OpenSSL raises stays in the queue, as with any forwarded function: this is the way of
  // every message, and to clear the queue would cost a tenth of it.
  if (init(context, key.data(), key.size(), nonce.data(), nonce.size(), params) != 1) {
    return Fail(ErrorCode::kMechanism, Cat(original_.name(), " with the held key"));
  }
  if (with_key) keyed_ = true;
  return {};
}

void Cipher::Turn(Direction direction) {
  direction_ = direction;
  keyed_ = false;
  watches_nonces_ = row_->kind == Kind::kGcm && direction == Direction::kEncrypt;
  Note(Nonce::kNone);
}

Status Cipher::Init(void* context, Direction direction, const std::uint8_t* nonce,
                    std::size_t nonce_bytes, const OSSL_PARAM* params) {
  HSMCORE_CHECK(key_.gate->CheckUse(direction == Direction::kEncrypt ? Key::Use::kEncrypt
                                                                     : Key::Use::kDecrypt));
  prepared_ = false;
  if (params != nullptr || row_->kind == Kind::kCcm) HSMCORE_CHECK(NoteParams(params));
  if (direction_ != direction) Turn(direction);
  const ByteView given = nonce == nullptr ? ByteView() : ByteView(nonce, nonce_bytes);
  if (watches_nonces_) {
    if (!given.empty()) {
      HSMCORE_CHECK(AcceptNonce(given));
    } else if (nonce_state_ == Nonce::kOver) {
      Note(Nonce::kNone);
    }
  }
  return Call(context, !keyed_, given, params);
}

Status Cipher::MakeNonce(void* context) {
  std::size_t wanted = 0;
  std::array params = {OSSL_PARAM_construct_size_t(OSSL_CIPHER_PARAM_IVLEN, &wanted),
                       OSSL_PARAM_construct_end()};
  auto* const get =
      original_.Function<OSSL_FUNC_cipher_get_ctx_params_fn>(OSSL_FUNC_CIPHER_GET_CTX_PARAMS);
  if (get(context, params.data()) != 1 || wanted != kHsmNonceBytes) {
    return Fail(ErrorCode::kDataLength, Cat("the HSM makes nonces of ", kHsmNonceBytes,
                                            " bytes; the context wants ", wanted));
  }
  HSMCORE_TRY(const Bytes nonce, RandomNonce(key_.secret->library()));
  waiting_ = NonceMemory::Mark(nonce);
  Note(Nonce::kWaiting);
  return Call(context, false, nonce, nullptr);
}

Status Cipher::ProvideNonce(void* context) {
  if (!lacks_nonce_) return {};
  if (!keyed_) HSMCORE_CHECK(Call(context, true, {}, nullptr));
  return MakeNonce(context);
}

Status Cipher::PrepareNow(void* context) {
  if (!direction_) {
    return Fail(ErrorCode::kOperationState,
                "begin with EVP_EncryptInit_ex2 or EVP_DecryptInit_ex2 after hsm-key was set");
  }
  if (!keyed_) HSMCORE_CHECK(Call(context, true, {}, nullptr));
  if (watches_nonces_) {
    if (nonce_state_ == Nonce::kNone) HSMCORE_CHECK(MakeNonce(context));
    if (nonce_state_ == Nonce::kOver) {
      return Fail(ErrorCode::kOperationState,
                  "the message has ended; begin the next one with EVP_EncryptInit_ex2");
    }
    if (nonce_state_ == Nonce::kWaiting) memory_.Add(waiting_);
    Note(Nonce::kUsed);
  }
  prepared_ = true;
  return {};
}

void Cipher::End() {
  if (!watches_nonces_) return;
  Note(Nonce::kOver);
  prepared_ = false;
}

Status Cipher::NoteParams(const OSSL_PARAM* params) {
  // CCM makes the key ready for the lengths of tag and nonce: anew, when these may change.
  if (row_->kind == Kind::kCcm && !prepared_) keyed_ = false;
  if (row_->kind != Kind::kGcm || params == nullptr) return {};
  for (const char* name : {OSSL_CIPHER_PARAM_AEAD_TLS1_AAD, OSSL_CIPHER_PARAM_AEAD_TLS1_IV_FIXED,
                           OSSL_CIPHER_PARAM_AEAD_TLS1_SET_IV_INV}) {
    if (OSSL_PARAM_locate_const(params, name) != nullptr) {
      return Fail(ErrorCode::kNotSupported, Cat("'", name, "' with a held key"));
    }
  }
  return {};
}

}  // namespace

Result<std::unique_ptr<HeldCipher>> NewHeldCipher(GatedKey key, const OSSL_ALGORITHM& algorithm,
                                                  GcmNonces nonces) {
  HSMCORE_TRY(const auto original,
              OriginalAlgorithm::Find(key.secret->library(), OSSL_OP_CIPHER, algorithm));
  const auto match = Find(original.name());
  if (!match) {
    return Fail(ErrorCode::kKeyTypeMismatch, Cat(original.name(), " takes no held keys"));
  }
  const std::size_t bytes = key.secret->value().size();
  if (key.secret->type() != match->row->type ||
      (match->key_bytes != 0 && match->key_bytes != bytes)) {
    return Fail(ErrorCode::kKeyTypeMismatch,
                Cat(original.name(), " needs a key of type ", NameOf(match->row->type),
                    match->key_bytes == 0 ? "" : Cat(" with ", match->key_bytes, " bytes"),
                    ", not ", NameOf(key.secret->type()), " with ", bytes, " bytes"));
  }
  return std::make_unique<Cipher>(std::move(key), original, *match->row, nonces);
}

}  // namespace hsmcore::crypto

namespace hsmcore {

bool HeldCipher::Exists(std::string_view names) {
  return crypto::Find(crypto::FirstName(names)).has_value();
}

}  // namespace hsmcore
