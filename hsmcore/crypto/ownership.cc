// SPDX-License-Identifier: Apache-2.0
#include "crypto/ownership.h"

#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "base/text.h"
#include "crypto/library.h"
#include "crypto/openssl_ptr.h"

namespace hsmcore::crypto {
namespace {

using CertificatePtr = OpensslPtr<X509, X509_free>;
using RequestPtr = OpensslPtr<X509_REQ, X509_REQ_free>;

constexpr const char* kCurve = "P-256";
constexpr const char* kDigest = "SHA256";
constexpr std::size_t kMaxSignature = 128;

std::unexpected<Error> Refused(std::string_view what, std::string_view why) {
  return Fail(ErrorCode::kInvalidArgument, Cat(what, " ", why));
}

// No password is asked for: a file that has one is no answer here.
int NoPassword(char* /*buffer*/, int /*size*/, int /*writing*/, void* /*data*/) { return -1; }

BioPtr ReadingBio(std::string_view text) {
  return BioPtr(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

std::string TextIn(BIO* bio) {
  char* data = nullptr;
  const auto size = BIO_get_mem_data(bio, &data);
  return size <= 0 ? std::string() : std::string(data, static_cast<std::size_t>(size));
}

CertificatePtr Parse(const Library& library, const std::string& pem) {
  X509* certificate = X509_new_ex(library.context(), nullptr);
  if (certificate == nullptr) return nullptr;
  const BioPtr bio = ReadingBio(pem);
  if (bio && PEM_read_bio_X509(bio.get(), &certificate, NoPassword, nullptr) != nullptr) {
    return CertificatePtr(certificate);
  }
  X509_free(certificate);
  return nullptr;
}

Result<CertificatePtr> ParseOrSay(const Library& library, std::string_view what,
                                  const std::string& pem) {
  if (pem.size() > kMaxCertificateText) {
    return Refused(what, Cat("has more than ", kMaxCertificateText,
                             " characters; give one certificate in PEM, without a chain or text"));
  }
  CertificatePtr certificate = Parse(library, pem);
  if (!certificate) return Refused(what, "is no certificate in PEM");
  return certificate;
}

RequestPtr ParseRequest(const Library& library, const std::string& pem) {
  X509_REQ* request = X509_REQ_new_ex(library.context(), nullptr);
  if (request == nullptr) return nullptr;
  const BioPtr bio = ReadingBio(pem);
  if (bio && PEM_read_bio_X509_REQ(bio.get(), &request, NoPassword, nullptr) != nullptr) {
    return RequestPtr(request);
  }
  X509_REQ_free(request);
  return nullptr;
}

Status CheckDates(std::string_view what, const X509* certificate) {
  if (X509_cmp_current_time(X509_get0_notBefore(certificate)) > 0) {
    return Refused(what, "is not valid yet");
  }
  if (X509_cmp_current_time(X509_get0_notAfter(certificate)) < 0) {
    return Refused(what, "is not valid any more");
  }
  return {};
}

Status CheckAnchor(X509* anchor) {
  constexpr std::string_view kWhat = "the trust anchor";
  EVP_PKEY* const key = X509_get0_pubkey(anchor);
  if (key == nullptr || EVP_PKEY_get_base_id(key) != EVP_PKEY_RSA ||
      (EVP_PKEY_get_bits(key) != 2048 && EVP_PKEY_get_bits(key) != 4096)) {
    return Refused(kWhat, "has no RSA key of 2048 or 4096 bits");
  }
  if (X509_self_signed(anchor, 1) != 1) return Refused(kWhat, "is not signed by itself");
  // 1: a CA by its basic constraints; 3: a certificate without extensions, which has none.
  const int authority = X509_check_ca(anchor);
  if (authority != 1 && authority != 3) {
    return Refused(kWhat, "is no CA: its basic constraints lack CA:TRUE");
  }
  return CheckDates(kWhat, anchor);
}

// Whether the anchor gave out the certificate.
bool IssuedBy(X509* certificate, X509* anchor) {
  return X509_NAME_cmp(X509_get_issuer_name(certificate), X509_get_subject_name(anchor)) == 0 &&
         X509_verify(certificate, X509_get0_pubkey(anchor)) == 1;
}

bool Named(X509_REQ* request, std::string_view cluster_id) {
  X509_NAME* const name = X509_REQ_get_subject_name(request);
  const auto add = [&](const char* field, std::string_view value) {
    return X509_NAME_add_entry_by_txt(name, field, MBSTRING_UTF8,
                                      // NOLINTNEXTLINE(*-reinterpret-cast): OpenSSL's bytes
                                      reinterpret_cast<const unsigned char*>(value.data()),
                                      static_cast<int>(value.size()), -1, 0) == 1;
  };
  return add("O", "hsm-provider") && add("OU", "HSM cluster") && add("CN", cluster_id);
}

Result<SecretBytes> PrivateText(EVP_PKEY* key) {
  const BioPtr bio(BIO_new(BIO_s_secmem()));
  if (!bio ||
      PEM_write_bio_PKCS8PrivateKey(bio.get(), key, nullptr, nullptr, 0, nullptr, nullptr) != 1) {
    return Fail(ErrorCode::kCryptoFailure, "the cluster's own key cannot be written");
  }
  char* data = nullptr;
  const auto size = BIO_get_mem_data(bio.get(), &data);
  return SecretBytes::CopyOf(std::string_view(data, static_cast<std::size_t>(size)));
}

}  // namespace

Result<ClusterRequest> NewClusterRequest(std::string_view cluster_id) {
  HSMCORE_TRY(const LibraryPtr library, Library::Acquire());
  library->NoteThread();
  const ErrorMark mark;
  const PkeyPtr key(EVP_PKEY_Q_keygen(library->context(), nullptr, "EC", kCurve));
  const RequestPtr request(X509_REQ_new_ex(library->context(), nullptr));
  const BioPtr out(BIO_new(BIO_s_mem()));
  const MdCtxPtr signing(EVP_MD_CTX_new());
  const bool made = key && request && out && signing && Named(request.get(), cluster_id) &&
                    X509_REQ_set_pubkey(request.get(), key.get()) == 1 &&
                    EVP_DigestSignInit_ex(signing.get(), nullptr, kDigest, library->context(),
                                          nullptr, key.get(), nullptr) == 1 &&
                    X509_REQ_sign_ctx(request.get(), signing.get()) > 0 &&
                    PEM_write_bio_X509_REQ(out.get(), request.get()) == 1;
  if (!made) return mark.Fail(ErrorCode::kCryptoFailure, "the cluster's request");
  HSMCORE_TRY(SecretBytes secret, PrivateText(key.get()));
  return ClusterRequest{TextIn(out.get()), std::move(secret)};
}

Status CheckOwner(const std::string& csr, const OwnerCertificates& owner) {
  constexpr std::string_view kWhat = "the cluster's certificate";
  HSMCORE_TRY(const LibraryPtr library, Library::Acquire());
  library->NoteThread();
  const ErrorMark mark;
  HSMCORE_TRY(const CertificatePtr anchor,
              ParseOrSay(*library, "the trust anchor", owner.trust_anchor));
  HSMCORE_CHECK(CheckAnchor(anchor.get()));
  HSMCORE_TRY(const CertificatePtr certificate, ParseOrSay(*library, kWhat, owner.certificate));
  const RequestPtr request = ParseRequest(*library, csr);
  if (!request) return Fail(ErrorCode::kHomeDamaged, "the cluster's request cannot be read");
  if (X509_REQ_check_private_key(request.get(), X509_get0_pubkey(certificate.get())) != 1) {
    return Refused(kWhat,
                   "is for another key than its CSR's; sign what 'hsmctl cluster csr' shows");
  }
  if (X509_NAME_cmp(X509_get_subject_name(certificate.get()),
                    X509_REQ_get_subject_name(request.get())) != 0) {
    return Refused(kWhat, "has another subject than its CSR; sign the CSR as it is");
  }
  if (!IssuedBy(certificate.get(), anchor.get())) {
    return Refused(kWhat, "is not signed by the trust anchor");
  }
  return CheckDates(kWhat, certificate.get());
}

Result<Bytes> SignAsCluster(const SecretBytes& key, ByteView message) {
  HSMCORE_TRY(const LibraryPtr library, Library::Acquire());
  library->NoteThread();
  const ErrorMark mark;
  const BioPtr bio = ReadingBio(key.ReadText(SecretAccess{"sign as the cluster"}));
  const PkeyPtr signer(bio ? PEM_read_bio_PrivateKey_ex(bio.get(), nullptr, NoPassword, nullptr,
                                                        library->context(), nullptr)
                           : nullptr);
  const MdCtxPtr signing(EVP_MD_CTX_new());
  Bytes signature(kMaxSignature);
  std::size_t size = signature.size();
  const bool made =
      signer && signing &&
      EVP_DigestSignInit_ex(signing.get(), nullptr, kDigest, library->context(), nullptr,
                            signer.get(), nullptr) == 1 &&
      EVP_DigestSign(signing.get(), signature.data(), &size, message.data(), message.size()) == 1;
  if (!made) return mark.Fail(ErrorCode::kHomeDamaged, "the cluster's own key cannot be used");
  signature.resize(size);
  return signature;
}

bool SignedByCluster(const OwnerCertificates& owner, ByteView message, ByteView signature) {
  const auto library = Library::Acquire();
  if (!library) return false;
  (*library)->NoteThread();
  const ErrorMark mark;
  const CertificatePtr anchor = Parse(**library, owner.trust_anchor);
  const CertificatePtr certificate = Parse(**library, owner.certificate);
  if (!anchor || !certificate || !IssuedBy(certificate.get(), anchor.get())) return false;
  const MdCtxPtr checking(EVP_MD_CTX_new());
  return checking &&
         EVP_DigestVerifyInit_ex(checking.get(), nullptr, kDigest, (*library)->context(), nullptr,
                                 X509_get0_pubkey(certificate.get()), nullptr) == 1 &&
         EVP_DigestVerify(checking.get(), signature.data(), signature.size(), message.data(),
                          message.size()) == 1;
}

std::string SubjectOf(const std::string& certificate) {
  const auto library = Library::Acquire();
  if (!library) return {};
  (*library)->NoteThread();
  const ErrorMark mark;
  const CertificatePtr parsed = Parse(**library, certificate);
  const BioPtr out(BIO_new(BIO_s_mem()));
  if (!parsed || !out) return {};
  X509_NAME_print_ex(out.get(), X509_get_subject_name(parsed.get()), 0, XN_FLAG_RFC2253);
  return TextIn(out.get());
}

}  // namespace hsmcore::crypto
