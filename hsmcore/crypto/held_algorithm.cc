// SPDX-License-Identifier: Apache-2.0
#include "crypto/held_algorithm.h"

#include <openssl/core_names.h>
#include <openssl/params.h>

#include <algorithm>
#include <array>
#include <vector>

#include "base/text.h"
#include "crypto/nonce_memory.h"

namespace hsmcore::crypto {
namespace {

struct HeldMacRow {
  const char* name;
  KeyType type;
  const char* block_cipher;  // nullptr: none
  bool nonces;               // takes one, which must not come again
};
constexpr auto kMacs = std::to_array<HeldMacRow>({
    {"HMAC", KeyType::kGenericSecret, nullptr, false},
    {"KMAC-128", KeyType::kGenericSecret, nullptr, false},
    {"KMAC-256", KeyType::kGenericSecret, nullptr, false},
    {"CMAC", KeyType::kAes, "AES-*-CBC", false},
    {"CMAC", KeyType::kDes3, "DES-EDE3-CBC", false},
    {"GMAC", KeyType::kAes, "AES-*-GCM", true},
});

struct HeldKdfRow {
  const char* name;
  KeyType type;
  const char* param;  // what the key is called
};
constexpr auto kKdfs = std::to_array<HeldKdfRow>({
    {"HKDF", KeyType::kGenericSecret, OSSL_KDF_PARAM_KEY},
    {"KBKDF", KeyType::kGenericSecret, OSSL_KDF_PARAM_KEY},
    {"KBKDF", KeyType::kAes, OSSL_KDF_PARAM_KEY},
    {"X963KDF", KeyType::kGenericSecret, OSSL_KDF_PARAM_KEY},
    {"TLS1-PRF", KeyType::kGenericSecret, OSSL_KDF_PARAM_SECRET},
    {"TLS13-KDF", KeyType::kGenericSecret, OSSL_KDF_PARAM_KEY},
});

// The row for a key type. kKeyTypeMismatch: the detail names the types that there are.
template <class Rows>
Result<const typename Rows::value_type*> RowFor(const Rows& rows, std::string_view name,
                                                KeyType type) {
  std::string wanted;
  for (const auto& row : rows) {
    if (row.name != name) continue;
    if (row.type == type) return &row;
    wanted += Cat(wanted.empty() ? "" : " or ", NameOf(row.type));
  }
  return Fail(ErrorCode::kKeyTypeMismatch,
              Cat(name, " needs a key of type ", wanted, ", not ", NameOf(type)));
}

class Mac final : public HeldMac {
 public:
  Mac(GatedKey key, OriginalAlgorithm original, const HeldMacRow& row)
      : key_(std::move(key)),
        original_(original),
        init_(original.Function<OSSL_FUNC_mac_init_fn>(OSSL_FUNC_MAC_INIT)),
        row_(&row) {
    watches_nonces_ = row.nonces;
  }

  Status Init(void* context, const OSSL_PARAM* params) override;
  Status ChooseBlockCipher(void* context, std::string_view asked) override;
  Status NoteParams(const OSSL_PARAM* params) override;
  void End() override;
  const Key& key() const override { return *key_.gate; }
  std::unique_ptr<HeldMac> Clone() const override { return std::make_unique<Mac>(*this); }

 private:
  std::string BlockCipher() const;
  Status SetKey(void* context, const OSSL_PARAM* params) const;

  GatedKey key_;
  OriginalAlgorithm original_;
  OSSL_FUNC_mac_init_fn* init_;
  const HeldMacRow* row_;
  bool has_block_cipher_ = false;
  hsmcore::Bytes nonce_;  // of the MAC that is being made
  NonceMemory memory_;
};

std::string Mac::BlockCipher() const {
  std::string name = row_->block_cipher;
  if (const std::size_t star = name.find('*'); star != std::string::npos) {
    name.replace(star, 1, Cat(8 * key_.secret->value().size()));
  }
  return name;
}

Status Mac::ChooseBlockCipher(void* context, std::string_view asked) {
  if (row_->block_cipher == nullptr || (asked.empty() && has_block_cipher_)) return {};
  std::string own = BlockCipher();
  const LibraryScope scope(key_.secret->library());
  if (asked.empty()) {
    const std::array params = {
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_CIPHER, own.data(), 0),
        OSSL_PARAM_construct_end()};
    if (original_.Function<OSSL_FUNC_mac_set_ctx_params_fn>(OSSL_FUNC_MAC_SET_CTX_PARAMS)(
            context, params.data()) != 1) {
      return scope.Fail(ErrorCode::kNotSupported, own);
    }
  } else {
    const CipherPtr cipher(
        EVP_CIPHER_fetch(key_.secret->library().context(), std::string(asked).c_str(), nullptr));
    if (cipher == nullptr || EVP_CIPHER_is_a(cipher.get(), own.c_str()) != 1) {
      return Fail(ErrorCode::kKeyTypeMismatch,
                  Cat("the held key is for ", own, ", not for ", asked));
    }
  }
  has_block_cipher_ = true;
  return {};
}

// The tag is all that a nonce gives away, so it is used up when a MAC is made and not before.
Status Mac::NoteParams(const OSSL_PARAM* params) {
  if (!watches_nonces_ || params == nullptr) return {};
  const OSSL_PARAM* given = OSSL_PARAM_locate_const(params, OSSL_MAC_PARAM_IV);
  if (given == nullptr || given->data_type != OSSL_PARAM_OCTET_STRING) return {};
  const ByteView nonce(static_cast<const std::uint8_t*>(given->data), given->data_size);
  if (memory_.Contains(nonce)) {
    return Fail(ErrorCode::kMechanism,
                "this context has made a MAC with this GMAC nonce before; two with the same one "
                "would give the authentication key away");
  }
  nonce_.assign(nonce.begin(), nonce.end());
  return {};
}

void Mac::End() {
  if (!nonce_.empty()) memory_.Add(nonce_);
  nonce_.clear();
}

Status Mac::SetKey(void* context, const OSSL_PARAM* params) const {
  const ErrorMark errors;
  if (init_(context, key_.Bytes().data(), key_.Bytes().size(), params) == 1) return {};
  return errors.Fail(ErrorCode::kMechanism, Cat(original_.name(), " with the held key"));
}

Status Mac::Init(void* context, const OSSL_PARAM* params) {
  HSMCORE_CHECK(key_.gate->CheckUse(Key::Use::kSign));
  // With parameters there may be another digest, for which the key is prepared anew. GMAC needs a
  // new nonce each time, which is one.
  if (!begun_ || (params != nullptr && params->key != nullptr)) {
    begun_ = false;
    HSMCORE_CHECK(SetKey(context, params));
    begun_ = true;
    return {};
  }
  // Without a mark in the error queue: this is the way of every message.
  if (init_(context, nullptr, 0, params) == 1) return {};
  return Fail(ErrorCode::kMechanism, std::string(original_.name()));
}

class Kdf final : public HeldKdf {
 public:
  Kdf(GatedKey key, OriginalAlgorithm original, const HeldKdfRow& row)
      : key_(std::move(key)), original_(original), row_(&row) {}

  const Key& key() const override { return *key_.gate; }
  const char* param() const override { return row_->param; }
  Status Prepare(void* context) override {
    HSMCORE_CHECK(key_.gate->CheckUse(Key::Use::kDerive));
    const ErrorMark errors;
    const ByteView key = key_.Bytes();
    const std::array params = {OSSL_PARAM_construct_octet_string(
                                   row_->param, const_cast<std::uint8_t*>(key.data()), key.size()),
                               OSSL_PARAM_construct_end()};
    if (original_.Function<OSSL_FUNC_kdf_set_ctx_params_fn>(OSSL_FUNC_KDF_SET_CTX_PARAMS)(
            context, params.data()) == 1) {
      return {};
    }
    return errors.Fail(ErrorCode::kMechanism, Cat(original_.name(), " with the held key"));
  }
  std::unique_ptr<HeldKdf> Clone() const override { return std::make_unique<Kdf>(*this); }

 private:
  GatedKey key_;
  OriginalAlgorithm original_;
  const HeldKdfRow* row_;
};

bool HasName(const auto& rows, std::string_view names) {
  return std::ranges::any_of(rows, [&](const auto& row) { return row.name == FirstName(names); });
}

}  // namespace

ByteView GatedKey::Bytes() const {
  return secret->value().Read(SecretAccess{"a held key in a forwarded algorithm"});
}

std::string_view FirstName(std::string_view names) { return names.substr(0, names.find(':')); }

Result<OriginalAlgorithm> OriginalAlgorithm::Find(const Library& library, int operation,
                                                  const OSSL_ALGORITHM& algorithm) {
  int no_cache = 0;
  const OSSL_ALGORITHM* row =
      OSSL_PROVIDER_query_operation(library.provider(), operation, &no_cache);
  for (; row != nullptr && row->algorithm_names != nullptr; ++row) {
    if (row == &algorithm) return OriginalAlgorithm(algorithm);
  }
  return Fail(ErrorCode::kInvalidArgument, "this is no algorithm of the private provider");
}

std::string_view OriginalAlgorithm::name() const { return FirstName(algorithm_->algorithm_names); }

OriginalAlgorithm::Any OriginalAlgorithm::Look(int id) const {
  const OSSL_DISPATCH* row = algorithm_->implementation;
  while (row->function_id != 0 && row->function_id != id) ++row;
  return row->function;
}

Result<std::unique_ptr<HeldMac>> NewHeldMac(GatedKey key, const OSSL_ALGORITHM& algorithm) {
  HSMCORE_TRY(const auto original,
              OriginalAlgorithm::Find(key.secret->library(), OSSL_OP_MAC, algorithm));
  HSMCORE_TRY(const HeldMacRow* row, RowFor(kMacs, original.name(), key.secret->type()));
  return std::make_unique<Mac>(std::move(key), original, *row);
}

Result<std::unique_ptr<HeldKdf>> NewHeldKdf(GatedKey key, const OSSL_ALGORITHM& algorithm) {
  HSMCORE_TRY(const auto original,
              OriginalAlgorithm::Find(key.secret->library(), OSSL_OP_KDF, algorithm));
  HSMCORE_TRY(const HeldKdfRow* row, RowFor(kKdfs, original.name(), key.secret->type()));
  return std::make_unique<Kdf>(std::move(key), original, *row);
}

}  // namespace hsmcore::crypto

namespace hsmcore {

bool HeldMac::Exists(std::string_view names) { return crypto::HasName(crypto::kMacs, names); }
bool HeldKdf::Exists(std::string_view names) { return crypto::HasName(crypto::kKdfs, names); }

}  // namespace hsmcore
