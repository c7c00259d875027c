// SPDX-License-Identifier: Apache-2.0
#include "hsmcore/key_reference.h"

#include <gtest/gtest.h>
#include <openssl/err.h>
#include <openssl/pem.h>

#include "crypto/der.h"
#include "hsmcore/crypto/default_provider.h"

namespace hsmcore::crypto {
namespace {

KeyReference Example() {
  return {"hsm:object=tls-2026;type=private",
          EncodeSpki(Ed25519Twin().material.public_part).value()};
}

Bytes Der(unsigned version, ByteView uri, ByteView rest) {
  return der::Element(der::kSequence,
                      {der::SmallNumber(version), der::Element(der::kUtf8String, {uri}), rest});
}

TEST(KeyReferenceTest, ComesBackAsItWas) {
  for (const bool with_key : {true, false}) {
    KeyReference reference = Example();
    if (!with_key) reference.spki.clear();
    const auto back = KeyReference::FromDer(reference.ToDer().value());
    ASSERT_TRUE(back) << back.error().Message();
    EXPECT_EQ(back->uri, reference.uri);
    EXPECT_EQ(back->spki, reference.spki);
  }
}

TEST(KeyReferenceTest, TheDerIsTheDocumentedOne) {
  const Bytes der = KeyReference{"hsm:a", {}}.ToDer().value();
  EXPECT_EQ(der, (Bytes{0x30, 10, 2, 1, 1, 0x0c, 5, 'h', 's', 'm', ':', 'a'}));
}

TEST(KeyReferenceTest, ThePemIsReadByOpenssl) {
  const std::string pem = Example().ToPem().value();
  EXPECT_TRUE(pem.starts_with("-----BEGIN HSM KEY REFERENCE-----\n"));
  BIO* bio = BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size()));
  char* name = nullptr;
  char* header = nullptr;
  unsigned char* data = nullptr;
  long size = 0;
  ASSERT_EQ(PEM_read_bio(bio, &name, &header, &data, &size), 1);
  EXPECT_STREQ(name, KeyReference::kPemLabel);
  EXPECT_STREQ(header, "");
  EXPECT_EQ(Bytes(data, data + size), Example().ToDer().value());
  OPENSSL_free(name);
  OPENSSL_free(header);
  OPENSSL_free(data);
  BIO_free(bio);
}

TEST(KeyReferenceTest, UrisHaveALimit) {
  EXPECT_TRUE(KeyReference::FromDer(Der(1, Bytes(4096, 'a'), {})));
  EXPECT_EQ(CodeOf(KeyReference::FromDer(Der(1, Bytes(4097, 'a'), {}))), ErrorCode::kReference);
  EXPECT_EQ(CodeOf(KeyReference::FromDer(Der(1, {}, {}))), ErrorCode::kReference);
  EXPECT_EQ(CodeOf(KeyReference{std::string(4097, 'a'), {}}.ToDer()), ErrorCode::kReference);
  EXPECT_EQ(CodeOf(KeyReference{}.ToPem()), ErrorCode::kReference);
}

TEST(KeyReferenceTest, SaysWhenItIsNewer) {
  const auto newer = KeyReference::FromDer(Der(2, Bytes{'a'}, Bytes{5, 0}));
  ASSERT_EQ(CodeOf(newer), ErrorCode::kReference);
  EXPECT_NE(newer.error().detail().find("version 2"), std::string::npos);
}

TEST(KeyReferenceTest, RefusesEverythingElse) {
  const Bytes good = Example().ToDer().value();
  for (std::size_t size = 0; size < good.size(); ++size) {
    EXPECT_EQ(CodeOf(KeyReference::FromDer(ByteView(good).first(size))), ErrorCode::kReference);
  }
  Bytes longer = good;
  longer.push_back(0);
  EXPECT_EQ(CodeOf(KeyReference::FromDer(longer)), ErrorCode::kReference);
  const Bytes uri{'a'};
  EXPECT_EQ(CodeOf(KeyReference::FromDer(Der(0, uri, {}))), ErrorCode::kReference);
  EXPECT_EQ(CodeOf(KeyReference::FromDer(Der(1, uri, Bytes{5, 0}))), ErrorCode::kReference);
  EXPECT_EQ(CodeOf(KeyReference::FromDer(Der(1, uri, Bytes{0x30, 0, 0x30, 0}))),
            ErrorCode::kReference);
  EXPECT_EQ(ERR_peek_error(), 0UL);
}

TEST(KeyReferenceTest, PublicKeyFilesArePemOrDer) {
  const PublicMaterial& material = EcTwin(Curve::kP256).material.public_part;
  const Bytes spki = EncodeSpki(material).value();
  EXPECT_EQ(DecodePublicKeyFile(spki).value(), material);
  const std::string pem = EncodePublicKeyPem(spki).value();
  EXPECT_TRUE(pem.starts_with("-----BEGIN PUBLIC KEY-----\n"));
  const Bytes file(pem.begin(), pem.end());
  EXPECT_EQ(DecodePublicKeyFile(file).value(), material);
  EXPECT_EQ(CodeOf(DecodePublicKeyFile(ByteView(file).first(file.size() / 2))),
            ErrorCode::kKeyImport);
  EXPECT_EQ(CodeOf(DecodePublicKeyFile({})), ErrorCode::kKeyImport);
}

}  // namespace
}  // namespace hsmcore::crypto
