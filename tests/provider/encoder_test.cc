// SPDX-License-Identifier: Apache-2.0
#include <openssl/core_names.h>

#include "hsmcore/key_reference.h"
#include "provider/provider_fixture.h"

namespace provider::test {
namespace {

using hsmcore::ErrorCode;
using hsmcore::KeyReference;

TEST_F(ProviderTest, EncoderWritesAReferenceInEveryPrivateStructure) {
  const Library library;
  const Pkey key = Held(library, "rsa");
  for (const char* structure :
       {"PrivateKeyInfo", "EncryptedPrivateKeyInfo", "type-specific", "pkcs1"}) {
    const std::string pem = library.WritePem(key.get(), EVP_PKEY_KEYPAIR, structure);
    EXPECT_TRUE(pem.starts_with("-----BEGIN HSM KEY REFERENCE-----\n")) << structure << pem;
    const std::string der = library.WritePem(key.get(), EVP_PKEY_KEYPAIR, structure, "DER");
    const auto reference = KeyReference::FromDer(BytesOf(der));
    ASSERT_TRUE(reference) << structure;
    EXPECT_FALSE(reference->spki.empty());
    EXPECT_TRUE(reference->uri.starts_with("hsm:"));
    EXPECT_EQ(reference->uri.find("apppass"), std::string::npos);
  }
}

// Programs that always encrypt private keys (req -newkey) work; there is nothing to encrypt.
TEST_F(ProviderTest, EncoderNeedsNoPassphrase) {
  const Library library;
  const Pkey key = Held(library, "p256");
  const Ptr<BIO> out(BIO_new(BIO_s_mem()));
  EXPECT_EQ(PEM_write_bio_PrivateKey(out.get(), key.get(), EVP_aes_256_cbc(), nullptr, 0, nullptr,
                                     nullptr),
            1)
      << ErrorDetails();
}

TEST_F(ProviderTest, EncoderRefusesASessionKey) {
  const Library library;
  const Pkey key = library.Generate("EC", {"group=P-256"});
  EXPECT_TRUE(library.WritePem(key.get(), EVP_PKEY_KEYPAIR, "PrivateKeyInfo").empty());
  const std::string details = ErrorDetails();
  EXPECT_NE(details.find("hsm-label"), std::string::npos) << details;
}

TEST_F(ProviderTest, EncoderRefusesToWriteAPublicHalfAsPrivate) {
  Key("p256");
  const Library library;
  const Pkey half = library.Load("hsm:object=p256;type=public");
  EXPECT_TRUE(library.WritePem(half.get(), EVP_PKEY_KEYPAIR, "PrivateKeyInfo").empty());
  EXPECT_EQ(HsmReasons(), std::vector{Reason(ErrorCode::kPublicKeyOnly)});
}

TEST_F(ProviderTest, EncoderReportsAFullDisk) {
  const Library library;
  const Pkey key = Held(library, "p256");
  const Ptr<BIO> full(BIO_new_file("/dev/full", "w"));
  ASSERT_NE(full, nullptr);
  EXPECT_EQ(PEM_write_bio_PrivateKey(full.get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr),
            0);
  EXPECT_EQ(HsmReasons(), std::vector{Reason(ErrorCode::kStorageIo)});
}

TEST_F(ProviderTest, EncoderPrintsWhatTheHsmKnows) {
  const Library library;
  for (const char* label : {"rsa", "p256", "ed25519"}) {
    const Pkey key = Held(library, label);
    const std::string text = library.WritePem(key.get(), EVP_PKEY_KEYPAIR, nullptr, "TEXT");
    for (const std::string& expected :
         {std::string("held in the HSM"), std::string("label: ") + label,
          "handle: " + Info(label).handle.ToString(), std::string("owner: app"),
          std::string("private part: held in the HSM"), std::string(" sign")}) {
      EXPECT_NE(text.find(expected), std::string::npos) << expected << "\n" << text;
    }
  }
}

// The public part is printed exactly as OpenSSL prints it.
TEST_F(ProviderTest, EncoderPrintsThePublicPartAsOpenssl) {
  const Library library;
  for (const char* label : {"rsa", "pss", "pss-free", "p224", "p521", "secp256k1", "ed25519"}) {
    Key(label);
    const Pkey half = library.Load(std::string("hsm:object=") + label + ";type=public");
    ASSERT_NE(half, nullptr) << ErrorDetails();
    const Pkey other = library.InDefault(half.get());
    const std::string ours = library.WritePem(half.get(), EVP_PKEY_PUBLIC_KEY, nullptr, "TEXT");
    const std::string theirs = library.WritePem(other.get(), EVP_PKEY_PUBLIC_KEY, nullptr, "TEXT");
    EXPECT_FALSE(theirs.empty());
    EXPECT_TRUE(ours.starts_with(theirs)) << ours << theirs;
  }
}

}  // namespace
}  // namespace provider::test
