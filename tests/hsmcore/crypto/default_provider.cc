// SPDX-License-Identifier: Apache-2.0
#include "hsmcore/crypto/default_provider.h"

#include <gtest/gtest.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/params.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include <array>

#include "hsmcore/key_reference.h"

namespace hsmcore::crypto {
namespace {

struct ContextDelete {
  void operator()(EVP_PKEY_CTX* context) const { EVP_PKEY_CTX_free(context); }
  void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
};
using Context = std::unique_ptr<EVP_PKEY_CTX, ContextDelete>;
using MessageContext = std::unique_ptr<EVP_MD_CTX, ContextDelete>;

Context NewContext(EVP_PKEY* key) {
  return Context(EVP_PKEY_CTX_new_from_pkey(nullptr, key, nullptr));
}

struct MdDelete {
  void operator()(EVP_MD* md) const { EVP_MD_free(md); }
};
std::unique_ptr<EVP_MD, MdDelete> Fetch(Digest digest) {
  return std::unique_ptr<EVP_MD, MdDelete>(EVP_MD_fetch(nullptr, RowOf(digest).name, nullptr));
}

int PaddingOf(SignMechanism::Kind kind) {
  switch (kind) {
    case SignMechanism::Kind::kRsaPkcs1:
      return RSA_PKCS1_PADDING;
    case SignMechanism::Kind::kRsaPss:
      return RSA_PKCS1_PSS_PADDING;
    case SignMechanism::Kind::kRsaX931:
      return RSA_X931_PADDING;
    case SignMechanism::Kind::kRsaRaw:
      return RSA_NO_PADDING;
    default:
      return 0;
  }
}

bool SetUp(EVP_PKEY_CTX* context, const SignMechanism& mechanism) {
  const auto md = Fetch(mechanism.digest);
  if (mechanism.digest != Digest::kNone && mechanism.kind != SignMechanism::Kind::kRsaRaw &&
      EVP_PKEY_CTX_set_signature_md(context, md.get()) != 1) {
    return false;
  }
  // X9.31 is taken only once there is a digest.
  const int padding = PaddingOf(mechanism.kind);
  if (padding != 0 && EVP_PKEY_CTX_set_rsa_padding(context, padding) != 1) return false;
  if (mechanism.kind != SignMechanism::Kind::kRsaPss) return true;
  const auto mgf = Fetch(mechanism.mgf_digest);
  return EVP_PKEY_CTX_set_rsa_mgf1_md(context, mgf.get()) == 1 &&
         EVP_PKEY_CTX_set_rsa_pss_saltlen(context, mechanism.salt_length) == 1;
}

bool SetUp(EVP_PKEY_CTX* context, const CipherMechanism& mechanism) {
  static constexpr std::array kPaddings = {RSA_PKCS1_OAEP_PADDING, RSA_PKCS1_PADDING,
                                           RSA_NO_PADDING, RSA_PKCS1_WITH_TLS_PADDING};
  const int padding = kPaddings[static_cast<std::size_t>(mechanism.kind)];
  if (EVP_PKEY_CTX_set_rsa_padding(context, padding) != 1) return false;
  if (mechanism.kind != CipherMechanism::Kind::kRsaOaep) return true;
  const auto md = Fetch(mechanism.digest);
  const auto mgf = Fetch(mechanism.mgf_digest);
  void* label = OPENSSL_memdup(mechanism.label.data(), mechanism.label.size());
  return EVP_PKEY_CTX_set_rsa_oaep_md(context, md.get()) == 1 &&
         EVP_PKEY_CTX_set_rsa_mgf1_md(context, mgf.get()) == 1 &&
         EVP_PKEY_CTX_set0_rsa_oaep_label(context, label,
                                          static_cast<int>(mechanism.label.size())) == 1;
}

std::optional<Bytes> Resized(Bytes bytes, std::size_t size, bool good) {
  ERR_clear_error();
  if (!good) return std::nullopt;
  bytes.resize(size);
  return bytes;
}

Bytes Encoded(EVP_PKEY* key, int (*encode)(const EVP_PKEY*, unsigned char**)) {
  unsigned char* der = nullptr;
  const int length = encode(key, &der);
  EXPECT_GT(length, 0);
  Bytes bytes(der, der + length);
  OPENSSL_free(der);
  return bytes;
}

}  // namespace

DefaultPkey GenerateDefault(const std::string& type, const std::string& group_or_bits) {
  const Context context(EVP_PKEY_CTX_new_from_name(nullptr, type.c_str(), nullptr));
  EVP_PKEY* key = nullptr;
  EXPECT_EQ(EVP_PKEY_keygen_init(context.get()), 1);
  if (type.starts_with("RSA")) {
    EXPECT_EQ(EVP_PKEY_CTX_set_rsa_keygen_bits(context.get(), std::stoi(group_or_bits)), 1);
  } else if (!group_or_bits.empty()) {
    EXPECT_EQ(EVP_PKEY_CTX_set_group_name(context.get(), group_or_bits.c_str()), 1);
  }
  EXPECT_EQ(EVP_PKEY_generate(context.get(), &key), 1);
  return DefaultPkey(key);
}

Bytes Spki(EVP_PKEY* key) { return Encoded(key, i2d_PUBKEY); }

PublicMaterial DecodeSpkiOf(EVP_PKEY* key) { return DecodeSpki(Spki(key)).value(); }

Bytes Pkcs8(EVP_PKEY* key) {
  PKCS8_PRIV_KEY_INFO* info = EVP_PKEY2PKCS8(key);
  unsigned char* der = nullptr;
  const int length = i2d_PKCS8_PRIV_KEY_INFO(info, &der);
  EXPECT_GT(length, 0);
  Bytes bytes(der, der + length);
  OPENSSL_free(der);
  PKCS8_PRIV_KEY_INFO_free(info);
  return bytes;
}

TwinKey Twin(DefaultPkey key) {
  auto material = DecodePkcs8(SecretBytes::CopyOf(Pkcs8(key.get())));
  EXPECT_TRUE(material) << material.error().Message();
  auto ours = AsymmetricKey::FromPair(*material, true);
  EXPECT_TRUE(ours) << ours.error().Message();
  auto ours_public = AsymmetricKey::FromPublic(*DecodeSpki(Spki(key.get())));
  EXPECT_TRUE(ours_public) << ours_public.error().Message();
  return {std::move(key), *ours, *ours_public, *std::move(material)};
}

const TwinKey& RsaTwin() {
  static const auto* twin = new TwinKey(Twin(GenerateDefault("RSA", "2048")));
  return *twin;
}
const TwinKey& Rsa2304Twin() {
  static const auto* twin = new TwinKey(Twin(GenerateDefault("RSA", "2304")));
  return *twin;
}
const TwinKey& RsaPssTwin() {
  static const auto* twin = new TwinKey(Twin(GenerateDefault("RSA-PSS", "2048")));
  return *twin;
}
const TwinKey& EcTwin(Curve curve) {
  static const auto* twins = [] {
    auto* made = new std::vector<TwinKey>;
    for (const CurveRow& row : AllCurves()) made->push_back(Twin(GenerateDefault("EC", row.name)));
    return made;
  }();
  return (*twins)[static_cast<std::size_t>(curve)];
}
const TwinKey& Ed25519Twin() {
  static const auto* twin = new TwinKey(Twin(GenerateDefault("ED25519")));
  return *twin;
}

std::optional<Bytes> DefaultSign(EVP_PKEY* key, const SignMechanism& mechanism, ByteView tbs) {
  Bytes signature(4096);
  std::size_t size = signature.size();
  if (mechanism.kind == SignMechanism::Kind::kEddsa) {
    const MessageContext context(EVP_MD_CTX_new());
    const bool good =
        EVP_DigestSignInit_ex(context.get(), nullptr, nullptr, nullptr, nullptr, key, nullptr) ==
            1 &&
        EVP_DigestSign(context.get(), signature.data(), &size, tbs.data(), tbs.size()) == 1;
    return Resized(std::move(signature), size, good);
  }
  const Context context = NewContext(key);
  const bool good =
      EVP_PKEY_sign_init(context.get()) == 1 && SetUp(context.get(), mechanism) &&
      EVP_PKEY_sign(context.get(), signature.data(), &size, tbs.data(), tbs.size()) == 1;
  return Resized(std::move(signature), size, good);
}

bool DefaultVerify(EVP_PKEY* key, const SignMechanism& mechanism, ByteView tbs,
                   ByteView signature) {
  int verdict = 0;
  if (mechanism.kind == SignMechanism::Kind::kEddsa) {
    const MessageContext context(EVP_MD_CTX_new());
    EVP_DigestVerifyInit_ex(context.get(), nullptr, nullptr, nullptr, nullptr, key, nullptr);
    verdict =
        EVP_DigestVerify(context.get(), signature.data(), signature.size(), tbs.data(), tbs.size());
  } else {
    const Context context = NewContext(key);
    if (EVP_PKEY_verify_init(context.get()) == 1 && SetUp(context.get(), mechanism)) {
      verdict = EVP_PKEY_verify(context.get(), signature.data(), signature.size(), tbs.data(),
                                tbs.size());
    }
  }
  ERR_clear_error();
  return verdict == 1;
}

std::optional<Bytes> DefaultEncrypt(EVP_PKEY* key, const CipherMechanism& mechanism,
                                    ByteView data) {
  Bytes out(4096);
  std::size_t size = out.size();
  const Context context = NewContext(key);
  const bool good =
      EVP_PKEY_encrypt_init(context.get()) == 1 && SetUp(context.get(), mechanism) &&
      EVP_PKEY_encrypt(context.get(), out.data(), &size, data.data(), data.size()) == 1;
  return Resized(std::move(out), size, good);
}

std::optional<Bytes> DefaultDecrypt(EVP_PKEY* key, const CipherMechanism& mechanism,
                                    ByteView data) {
  Bytes out(4096);
  std::size_t size = out.size();
  const Context context = NewContext(key);
  const bool good =
      EVP_PKEY_decrypt_init(context.get()) == 1 && SetUp(context.get(), mechanism) &&
      EVP_PKEY_decrypt(context.get(), out.data(), &size, data.data(), data.size()) == 1;
  return Resized(std::move(out), size, good);
}

Bytes DefaultHash(Digest digest, ByteView data) {
  Bytes hash(RowOf(digest).size);
  const auto md = Fetch(digest);
  EXPECT_EQ(EVP_Digest(data.data(), data.size(), hash.data(), nullptr, md.get(), nullptr), 1);
  return hash;
}

Result<Bytes> Sign(const KeyRef& key, const SignMechanism& mechanism, ByteView tbs) {
  Bytes signature(key->max_signature_size());
  HSMCORE_TRY(const std::size_t size, key->Sign(mechanism, tbs, signature));
  signature.resize(size);
  return signature;
}

Result<Bytes> Encrypt(const KeyRef& key, const CipherMechanism& mechanism, ByteView plain) {
  Bytes cipher(key->max_signature_size());
  HSMCORE_TRY(const std::size_t size, key->Encrypt(mechanism, plain, cipher));
  cipher.resize(size);
  return cipher;
}

Result<Bytes> Decrypt(const KeyRef& key, const CipherMechanism& mechanism, ByteView cipher) {
  Bytes plain(key->max_signature_size());
  HSMCORE_TRY(const std::size_t size, key->Decrypt(mechanism, cipher, plain));
  plain.resize(size);
  return plain;
}

Bytes RandomBytes::operator()(std::size_t size) {
  Bytes bytes(size);
  for (std::uint8_t& byte : bytes) byte = static_cast<std::uint8_t>(engine_());
  return bytes;
}

}  // namespace hsmcore::crypto
