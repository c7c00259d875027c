// SPDX-License-Identifier: Apache-2.0
#include <openssl/core_names.h>
#include <openssl/evp.h>

#include <set>

#include "provider/forwarded_support.h"

namespace provider::test {
namespace {

struct CipherCtxFree {
  void operator()(EVP_CIPHER_CTX* context) const { EVP_CIPHER_CTX_free(context); }
};
using CipherCtx = std::unique_ptr<EVP_CIPHER_CTX, CipherCtxFree>;

// What goes into an operation; the tag goes in or comes out.
struct Input {
  Bytes key;
  Bytes iv;
  Bytes aad;
  Bytes data;
};

struct Output {
  Bytes data;
  Bytes tag;
  friend bool operator==(const Output&, const Output&) = default;
};

struct Kind {
  explicit Kind(const EVP_CIPHER* cipher)
      : mode(EVP_CIPHER_get_mode(cipher)),
        aead((EVP_CIPHER_get_flags(cipher) & EVP_CIPH_FLAG_AEAD_CIPHER) != 0),
        name(EVP_CIPHER_get0_name(cipher)) {}
  bool ccm() const { return mode == EVP_CIPH_CCM_MODE; }
  bool wrap() const { return mode == EVP_CIPH_WRAP_MODE; }
  // The whole message in one call.
  bool whole() const {
    return ccm() || wrap() || mode == EVP_CIPH_XTS_MODE || name.find("SIV") != std::string::npos ||
           name.find("CTS") != std::string::npos;
  }
  // TLS records only, in the layout of OpenSSL's own record layer.
  bool tls_record() const { return name.find("-HMAC-") != std::string::npos; }
  // Draws a fresh IV for every message.
  bool random() const { return name == "DES3-WRAP"; }

  int mode;
  bool aead;
  std::string name;
};

constexpr int kTagBytes = 16;

bool Begin(EVP_CIPHER_CTX* context, const EVP_CIPHER* cipher, const Kind& kind, const Input& input,
           const Output* from) {
  const int encrypt = from == nullptr ? 1 : 0;
  EVP_CIPHER_CTX_set_flags(context, EVP_CIPHER_CTX_FLAG_WRAP_ALLOW);
  if (EVP_CipherInit_ex2(context, cipher, nullptr, nullptr, encrypt, nullptr) != 1) return false;
  if (kind.aead && (from != nullptr || kind.ccm()) &&
      EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_TAG, kTagBytes,
                          from == nullptr ? nullptr : const_cast<uint8_t*>(from->tag.data())) !=
          1) {
    return false;
  }
  if (EVP_CipherInit_ex2(context, nullptr, input.key.data(),
                         input.iv.empty() ? nullptr : input.iv.data(), encrypt, nullptr) != 1) {
    return false;
  }
  int done = 0;
  const int size = static_cast<int>(from == nullptr ? input.data.size() : from->data.size());
  if (kind.ccm() && EVP_CipherUpdate(context, nullptr, &done, nullptr, size) != 1) return false;
  return !kind.aead || EVP_CipherUpdate(context, nullptr, &done, input.aad.data(),
                                        static_cast<int>(input.aad.size())) == 1;
}

// In pieces where the mode allows it, and there with a copy of the context from the middle on.
// Nothing: the cipher refuses. `from`: what is to be decrypted.
std::optional<Output> Transform(const EVP_CIPHER* cipher, const Input& input, const Output* from,
                                Random cuts) {
  const Kind kind(cipher);
  CipherCtx context(EVP_CIPHER_CTX_new());
  if (!Begin(context.get(), cipher, kind, input, from)) return std::nullopt;
  const Bytes& data = from == nullptr ? input.data : from->data;
  Output out{Bytes(data.size() + 64), Bytes(kTagBytes)};
  std::size_t total = 0;
  int size = 0;
  bool copied = kind.whole();
  for (std::size_t done = 0; done < data.size();) {
    const std::size_t piece =
        kind.whole() ? data.size() : std::min(data.size() - done, 1 + cuts.Below(100));
    if (EVP_CipherUpdate(context.get(), out.data.data() + total, &size, data.data() + done,
                         static_cast<int>(piece)) != 1) {
      return std::nullopt;
    }
    total += static_cast<std::size_t>(size);
    done += piece;
    if (copied || done < data.size() / 2) continue;
    CipherCtx copy(EVP_CIPHER_CTX_new());
    EXPECT_EQ(EVP_CIPHER_CTX_copy(copy.get(), context.get()), 1) << kind.name;
    context = std::move(copy);
    copied = true;
  }
  if (!(kind.ccm() && from != nullptr)) {
    if (EVP_CipherFinal_ex(context.get(), out.data.data() + total, &size) != 1) return std::nullopt;
    total += static_cast<std::size_t>(size);
  }
  out.data.resize(total);
  if (!kind.aead) {
    out.tag.clear();
  } else if (from != nullptr) {
    out.tag = from->tag;
  } else if (EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_AEAD_GET_TAG, kTagBytes, out.tag.data()) !=
             1) {
    return std::nullopt;
  }
  return out;
}

Input RandomInput(const EVP_CIPHER* cipher, Random& random) {
  const auto size = [](int bytes) { return static_cast<std::size_t>(std::max(bytes, 0)); };
  const Kind kind(cipher);
  Input input{random(size(EVP_CIPHER_get_key_length(cipher))),
              random(size(EVP_CIPHER_get_iv_length(cipher))), random(1 + random.Below(50)),
              random(48 + 8 * random.Below(40))};
  // Padded key wrapping aside, whole blocks of the smallest that there are.
  if (kind.whole() || EVP_CIPHER_get_block_size(cipher) > 1) input.data.resize(160);
  return input;
}

TEST(ForwardedCipher, AgreesWithDefault) {
  const Library library;
  Random random;
  SCOPED_TRACE(random.Trace());
  for (const std::string& name : OneNameOfEach<EVP_CIPHER>(library)) {
    SCOPED_TRACE(name);
    const auto ours = Fetch<EVP_CIPHER>(library, name, kHsm);
    const auto theirs = Fetch<EVP_CIPHER>(library, name, kDefault);
    const Kind kind(ours.get());
    if (kind.tls_record()) continue;  // RecordCiphersAgreeWithDefault
    for (int round = 0; round < 4; ++round) {
      const Input input = RandomInput(ours.get(), random);
      const auto sealed = Transform(ours.get(), input, nullptr, random);
      ASSERT_TRUE(sealed) << ErrorDetails();
      if (!kind.random()) {
        EXPECT_EQ(sealed, Transform(theirs.get(), input, nullptr, random));
      }
      for (const auto& cipher : {ours, theirs}) {
        const auto opened = Transform(cipher.get(), input, &*sealed, random);
        ASSERT_TRUE(opened) << ErrorDetails();
        EXPECT_EQ(opened->data, input.data);
      }
    }
  }
}

TEST(ForwardedCipher, RefusesAlteredMessages) {
  const Library library;
  Random random;
  SCOPED_TRACE(random.Trace());
  for (const std::string& name : OneNameOfEach<EVP_CIPHER>(library)) {
    SCOPED_TRACE(name);
    const auto ours = Fetch<EVP_CIPHER>(library, name, kHsm);
    const Kind kind(ours.get());
    if ((!kind.aead && !kind.wrap()) || kind.tls_record()) continue;
    const Input input = RandomInput(ours.get(), random);
    auto sealed = Transform(ours.get(), input, nullptr, random);
    ASSERT_TRUE(sealed) << ErrorDetails();
    sealed->data[random.Below(sealed->data.size())] ^= 1U;
    EXPECT_EQ(Transform(ours.get(), input, &*sealed, random), std::nullopt);
  }
}

// A TLS 1.2 record: the MAC key and the header are set, then the record is encrypted in place.
std::optional<Bytes> SealRecord(const EVP_CIPHER* cipher, const Input& input) {
  const CipherCtx context(EVP_CIPHER_CTX_new());
  constexpr std::size_t kPayload = 96;
  Bytes header = {0, 0, 0, 0, 0, 0, 0, 1, 23, 3, 3, 0, kPayload + 16};
  if (EVP_EncryptInit_ex2(context.get(), cipher, input.key.data(), input.iv.data(), nullptr) != 1 ||
      EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_AEAD_SET_MAC_KEY,
                          static_cast<int>(input.aad.size()),
                          const_cast<std::uint8_t*>(input.aad.data())) != 1) {
    return std::nullopt;
  }
  const int more = EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_AEAD_TLS1_AAD,
                                       static_cast<int>(header.size()), header.data());
  if (more <= 0) return std::nullopt;
  Bytes record(16 + kPayload + static_cast<std::size_t>(more));
  std::copy_n(input.data.begin(), 16 + kPayload, record.begin());
  if (EVP_Cipher(context.get(), record.data(), record.data(),
                 static_cast<unsigned>(record.size())) <= 0) {
    return std::nullopt;
  }
  return record;
}

TEST(ForwardedCipher, RecordCiphersAgreeWithDefault) {
  const Library library;
  Random random;
  SCOPED_TRACE(random.Trace());
  for (const std::string& name : OneNameOfEach<EVP_CIPHER>(library)) {
    SCOPED_TRACE(name);
    const auto ours = Fetch<EVP_CIPHER>(library, name, kHsm);
    if (!Kind(ours.get()).tls_record()) continue;
    const auto theirs = Fetch<EVP_CIPHER>(library, name, kDefault);
    Input input = RandomInput(ours.get(), random);
    input.aad.resize(20);
    const auto record = SealRecord(ours.get(), input);
    EXPECT_TRUE(record) << ErrorDetails();
    EXPECT_EQ(record, SealRecord(theirs.get(), input));
  }
}

}  // namespace
}  // namespace provider::test
