// SPDX-License-Identifier: Apache-2.0
#include "hsmcore/session/owner_support.h"

#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

namespace hsmcore::test {
namespace {

constexpr long kDay = 24 * 60 * 60;

std::shared_ptr<X509> NewCertificate(int days) {
  std::shared_ptr<X509> certificate(X509_new(), X509_free);
  X509_set_version(certificate.get(), X509_VERSION_3);
  ASN1_INTEGER_set(X509_get_serialNumber(certificate.get()), 1);
  X509_gmtime_adj(X509_getm_notBefore(certificate.get()), -100 * kDay);
  X509_gmtime_adj(X509_getm_notAfter(certificate.get()), days * kDay);
  return certificate;
}

void SetName(X509_NAME* name, const std::string& text) {
  const std::size_t equals = text.find('=');
  const std::string value = text.substr(equals + 1);
  X509_NAME_add_entry_by_txt(name, text.substr(0, equals).c_str(), MBSTRING_UTF8,
                             reinterpret_cast<const unsigned char*>(value.data()),
                             static_cast<int>(value.size()), -1, 0);
}

std::string SignedText(X509* certificate, EVP_PKEY* key) {
  X509_sign(certificate, key, EVP_sha256());
  BIO* out = BIO_new(BIO_s_mem());
  PEM_write_bio_X509(out, certificate);
  char* data = nullptr;
  const long size = BIO_get_mem_data(out, &data);
  std::string text(data, static_cast<std::size_t>(size));
  BIO_free(out);
  return text;
}

}  // namespace

OwnerCa::OwnerCa(Kind kind)
    : key_(EVP_RSA_gen(kind == Kind::kRsa3072 ? 3072U : 2048U), EVP_PKEY_free) {
  const auto certificate = NewCertificate(365);
  SetName(X509_get_subject_name(certificate.get()), "CN=Owner CA");
  X509_set_issuer_name(certificate.get(), X509_get_subject_name(certificate.get()));
  X509_set_pubkey(certificate.get(), key_.get());
  X509_EXTENSION* extension =
      X509V3_EXT_conf_nid(nullptr, nullptr, NID_basic_constraints,
                          kind == Kind::kNoCa ? "critical,CA:FALSE" : "critical,CA:TRUE");
  X509_add_ext(certificate.get(), extension, -1);
  X509_EXTENSION_free(extension);
  certificate_ = SignedText(certificate.get(), key_.get());
}

std::string OwnerCa::Sign(const std::string& csr, const std::string& subject, int days) const {
  BIO* in = BIO_new_mem_buf(csr.data(), static_cast<int>(csr.size()));
  const std::shared_ptr<X509_REQ> request(PEM_read_bio_X509_REQ(in, nullptr, nullptr, nullptr),
                                          X509_REQ_free);
  BIO_free(in);
  if (!request) return {};
  const auto certificate = NewCertificate(days);
  SetName(X509_get_issuer_name(certificate.get()), "CN=Owner CA");
  if (subject.empty()) {
    X509_set_subject_name(certificate.get(), X509_REQ_get_subject_name(request.get()));
  } else {
    SetName(X509_get_subject_name(certificate.get()), subject);
  }
  X509_set_pubkey(certificate.get(), X509_REQ_get0_pubkey(request.get()));
  return SignedText(certificate.get(), key_.get());
}

}  // namespace hsmcore::test
