// SPDX-License-Identifier: Apache-2.0
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <algorithm>
#include <fstream>

#include "hsmcore/key_reference.h"
#include "provider/provider_fixture.h"

namespace provider::test {
namespace {

using hsmcore::ErrorCode;
using hsmcore::KeyReference;

std::string PemOf(std::string_view label, ByteView der) {
  const Ptr<BIO> bio(BIO_new(BIO_s_mem()));
  PEM_write_bio(bio.get(), std::string(label).c_str(), "", der.data(),
                static_cast<long>(der.size()));
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &data);
  return {data, static_cast<std::size_t>(size)};
}

class DecoderTest : public ProviderTest {
 protected:
  std::string Reference(const std::string& label) {
    const Pkey key = Held(library_, label);
    return library_.WritePem(key.get(), EVP_PKEY_KEYPAIR, "PrivateKeyInfo");
  }
  std::string WithUri(const std::string& uri, Bytes spki = {}) {
    return *KeyReference{uri, std::move(spki)}.ToPem();
  }
  std::string File(std::string_view content) {
    const auto path = directory_.path() / "key.pem";
    std::ofstream(path) << content;
    return path;
  }

  const Library library_;
  hsmcore::test::TemporaryDirectory directory_;
};

TEST_F(DecoderTest, ReadsAReferenceOfEveryType) {
  for (const char* label : {"rsa", "pss", "p256", "ed25519"}) {
    const std::string pem = Reference(label);
    const Pkey key = library_.ReadPem(pem);
    ASSERT_NE(key, nullptr) << label << ErrorDetails();
    EXPECT_EQ(ProviderOf(key.get()), "hsm");
    EXPECT_EQ(EVP_PKEY_eq(key.get(), library_.Load(std::string("hsm:") + label).get()), 1);
    EXPECT_NE(library_.Load("file:" + File(pem)), nullptr) << label << ErrorDetails();
  }
}

TEST_F(DecoderTest, ReadsDer) {
  const Pkey key = Held(library_, "p256");
  const std::string der = library_.WritePem(key.get(), EVP_PKEY_KEYPAIR, "PrivateKeyInfo", "DER");
  EXPECT_NE(library_.Load("file:" + File(der)), nullptr) << ErrorDetails();
}

TEST_F(DecoderTest, ReadsAReferenceWithoutPublicKey) {
  for (const char* label : {"rsa", "ed25519"}) {
    EXPECT_NE(library_.ReadPem(WithUri(Key(label))), nullptr) << label << ErrorDetails();
  }
}

// As HAProxy's files: certificates and parameters before and after the key.
TEST_F(DecoderTest, ReadsAReferenceInsideABundle) {
  const std::string reference = Reference("p256");
  const std::string block = PemOf("DH PARAMETERS", Bytes{0x30, 0x00});
  const Pkey key = library_.Load("hsm:p256");
  X509* x509 = X509_new_ex(library_.get(), nullptr);
  X509_set_pubkey(x509, key.get());
  ASN1_INTEGER_set(X509_get_serialNumber(x509), 1);
  X509_gmtime_adj(X509_getm_notBefore(x509), 0);
  X509_gmtime_adj(X509_getm_notAfter(x509), 3600);
  ASSERT_GT(X509_sign(x509, key.get(), EVP_sha256()), 0);
  const Ptr<BIO> bio(BIO_new(BIO_s_mem()));
  PEM_write_bio_X509(bio.get(), x509);
  X509_free(x509);
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &data);
  const std::string certificate(data, static_cast<std::size_t>(size));
  for (const std::string& bundle :
       {certificate + reference, reference + certificate, "some words\n" + certificate + reference,
        certificate + block + reference + certificate}) {
    EXPECT_NE(library_.ReadPem(bundle), nullptr) << bundle << ErrorDetails();
    ERR_clear_error();
    const auto types = library_.List("file:" + File(bundle));
    EXPECT_NE(std::ranges::find(types, OSSL_STORE_INFO_PKEY), types.end());
    EXPECT_NE(std::ranges::find(types, OSSL_STORE_INFO_CERT), types.end());
  }
}

TEST_F(DecoderTest, LeavesOtherKeysToOthers) {
  const Pkey other(EVP_PKEY_Q_keygen(library_.get(), "provider=default", "EC", "P-256"));
  const std::string pem = library_.WritePem(other.get(), EVP_PKEY_KEYPAIR, "PrivateKeyInfo");
  const Pkey read = library_.ReadPem(pem);
  ASSERT_NE(read, nullptr);
  EXPECT_EQ(ProviderOf(read.get()), "default");
  EXPECT_TRUE(HsmReasons().empty());
}

TEST_F(DecoderTest, EveryCauseHasItsOwnReason) {
  Key("p256");
  Key("ed25519");
  const auto spki = library_.WritePem(library_.Load("hsm:ed25519").get(), EVP_PKEY_PUBLIC_KEY,
                                      "SubjectPublicKeyInfo", "DER");
  const ByteView other = BytesOf(spki);
  const std::vector<std::pair<std::string, ErrorCode>> cases = {
      {WithUri("hsm:nokey"), ErrorCode::kKeyNotFound},
      {WithUri("hsm:p256?pin-value=wrong-password"), ErrorCode::kReference},
      {WithUri("hsm:p256?pin-source=file:/etc/hostname"), ErrorCode::kReference},
      {WithUri("hsm:object=p256;cluster=another"), ErrorCode::kHomeNotFound},
      {WithUri("hsm:"), ErrorCode::kReference},
      {WithUri("not a uri"), ErrorCode::kUri},
      {WithUri("hsm:p256", Bytes(other.begin(), other.end())), ErrorCode::kReference},
      {PemOf(KeyReference::kPemLabel, Bytes{1, 2, 3}), ErrorCode::kReference},
      {PemOf(KeyReference::kPemLabel, Bytes(40000, 0x30)), ErrorCode::kReference},
      {"-----BEGIN HSM KEY REFERENCE-----\nAAAA\n", ErrorCode::kReference},
  };
  for (const auto& [pem, code] : cases) {
    EXPECT_EQ(library_.ReadPem(pem), nullptr) << pem;
    EXPECT_EQ(HsmReasons(), std::vector{Reason(code)}) << pem;
    EXPECT_EQ(library_.Load("file:" + File(pem)), nullptr) << pem;
    EXPECT_EQ(HsmReasons(), std::vector{Reason(code)}) << pem;
  }
}

// A file from somebody else must not lock a user out.
TEST_F(DecoderTest, APasswordInAReferenceIsNotTried) {
  Key("p256");
  for (const char* pin : {"pin-value=wrong-password", "pin-source=file:/etc/hostname"}) {
    EXPECT_EQ(library_.ReadPem(WithUri(std::string("hsm:p256?") + pin)), nullptr);
    EXPECT_NE(ErrorDetails().find("password along"), std::string::npos);
  }
  EXPECT_EQ(cluster_.Admin()->ListUsers()->at(1).failed_logins, 0U);
}

TEST_F(DecoderTest, AsksAndTriesOnce) {
  const std::string reference = Reference("p256");
  unsetenv("HSM_PIN");
  const Library fresh;
  Passphrase right{hsmcore::test::kUserPassword};
  EXPECT_NE(fresh.ReadPem(reference, &right), nullptr) << ErrorDetails();
  EXPECT_EQ(right.asked, 1);
  Passphrase wrong{"wrong-password"};
  EXPECT_EQ(fresh.ReadPem(reference, &wrong), nullptr);
  EXPECT_EQ(HsmReasons(), std::vector{Reason(ErrorCode::kPasswordWrong)});
  EXPECT_EQ(wrong.asked, 1);
  EXPECT_EQ(fresh.Load("file:" + File(reference), 0, &wrong), nullptr);
  EXPECT_EQ(wrong.asked, 2);
  EXPECT_EQ(cluster_.Admin()->ListUsers()->at(1).failed_logins, 2U);
}

// Reading the certificate of a bundle needs no key, and so no password.
TEST_F(DecoderTest, CertificatesNeedNoLogin) {
  const std::string reference = Reference("p256");
  unsetenv("HSM_PIN");
  const Library fresh;
  EXPECT_EQ(fresh.List("file:" + File(reference), OSSL_STORE_INFO_CERT), std::vector<int>{});
  EXPECT_TRUE(HsmReasons().empty());
}

TEST_F(DecoderTest, HostileInputIsRefused) {
  const std::string reference = Reference("p256");
  std::vector<std::string> inputs = {
      "-----BEGIN HSM KEY REFERENCE-----",
      "-----BEGIN HSM KEY REFERENCE-----\n",
      "-----BEGIN HSM KEY REFERENCE-----\n-----END HSM KEY REFERENCE-----\n",
      "-----BEGIN HSM KEY REFERENCE-----\n!!!!\n-----END HSM KEY REFERENCE-----\n",
      "-----BEGIN HSM KEY REFERENCE-----\nAAAA\n-----END CERTIFICATE-----\n",
      "-----BEGIN HSM KEY REFERENCE-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: "
      "AES-256-CBC,00\n\nAAAA\n"
      "-----END HSM KEY REFERENCE-----\n",
      std::string(100000, 'x'),
      std::string(3000, 'x') + "-----BEGIN HSM KEY REFERENCE-----\n",
      std::string("-----BEGIN \0 HSM", 16),
  };
  for (std::size_t cut = 0; cut < reference.size(); cut += 7) {
    inputs.push_back(reference.substr(0, cut));
    std::string flipped = reference;
    flipped[cut] = static_cast<char>(flipped[cut] ^ 1);
    inputs.push_back(flipped);
  }
  for (const std::string& input : inputs) {
    const Pkey key = library_.ReadPem(input);
    // A flipped bit in a place that does not matter may still name the key.
    if (key != nullptr) {
      EXPECT_EQ(ProviderOf(key.get()), "hsm");
    }
    ERR_clear_error();
  }
}

}  // namespace
}  // namespace provider::test
