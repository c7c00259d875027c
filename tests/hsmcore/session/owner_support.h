// SPDX-License-Identifier: Apache-2.0
#ifndef TESTS_HSMCORE_SESSION_OWNER_SUPPORT_H_
#define TESTS_HSMCORE_SESSION_OWNER_SUPPORT_H_

#include <openssl/evp.h>

#include <memory>
#include <string>

namespace hsmcore::test {

// The CA of a cluster's owner, with OpenSSL's default provider: RSA 2048, CN=Owner CA.
class OwnerCa {
 public:
  enum class Kind : unsigned char { kGood, kRsa3072, kNoCa };
  explicit OwnerCa(Kind kind = Kind::kGood);

  const std::string& certificate() const { return certificate_; }
  // A certificate for a CSR, PEM; `subject` (one field, as CN=x) instead of the CSR's where given;
  // ends after so many days from now.
  std::string Sign(const std::string& csr, const std::string& subject = {}, int days = 30) const;

 private:
  std::shared_ptr<EVP_PKEY> key_;
  std::string certificate_;
};

}  // namespace hsmcore::test

#endif  // TESTS_HSMCORE_SESSION_OWNER_SUPPORT_H_
