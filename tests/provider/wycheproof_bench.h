// SPDX-License-Identifier: Apache-2.0
#ifndef TESTS_PROVIDER_WYCHEPROOF_BENCH_H_
#define TESTS_PROVIDER_WYCHEPROOF_BENCH_H_

#include <expected>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "provider/provider_fixture.h"
#include "provider/wycheproof_report.h"
#include "provider/wycheproof_vector.h"

namespace provider::test::wycheproof {

// The provider's own parameter: the URI of a held secret key.
inline constexpr const char* kHeldKeyParam = "hsm-key";

// What a vector needs, or why it is not there.
template <class T>
using Needed = std::expected<T, Outcome>;

// Keys and algorithms for the vectors of one file, on a cluster of their own.
class Bench {
 public:
  Bench(hsmcore::test::TestCluster& cluster, Report& report)
      : session_(cluster.User()), report_(report) {}

  OSSL_LIB_CTX* context() const { return library_.get(); }
  void Judge(const Vector& vector, const std::string& way, const Outcome& outcome) {
    report_.Judge(vector, way, outcome);
  }

  // Algorithms of the provider; the outcome says that it has none of this name.
  Needed<EVP_CIPHER*> Cipher(const std::string& name);
  Needed<EVP_MAC*> Mac(const std::string& name);
  Needed<EVP_KDF*> Kdf(const std::string& name);
  Needed<EVP_MD*> Digest(const std::string& name);
  // Is there a key type of this name?
  Needed<EVP_KEYMGMT*> KeyType(const std::string& name);

  // Keys; those of the same bytes are one. A persistent key, loaded by its URI:
  Needed<EVP_PKEY*> HeldPrivate(const hsmcore::KeyPairMaterial& material);
  Needed<EVP_PKEY*> HeldPkcs8(ByteView der);
  Needed<EVP_PKEY*> HeldPublic(ByteView spki);
  // A key that a program read from a file, as a session key (its private half) of the provider:
  Needed<EVP_PKEY*> GivenPkcs8(ByteView der);
  Needed<EVP_PKEY*> GivenPublic(ByteView spki);
  Needed<EVP_PKEY*> GivenParams(const char* type, int selection, OSSL_PARAM* params);
  // The URI of a persistent secret key.
  Needed<std::string> HeldSecret(hsmcore::KeyType type, ByteView value);

 private:
  Needed<EVP_PKEY*> Once(const std::string& what, ByteView der,
                         const std::function<Needed<Pkey>()>& make);
  Needed<Pkey> Load(const std::string& uri) const;
  std::string NextLabel() { return "key" + std::to_string(next_label_++); }

  const Library library_;
  std::shared_ptr<hsmcore::Session> session_;
  Report& report_;
  int next_label_ = 1;
  std::map<std::string, Needed<Pkey>> keys_;
  std::map<std::string, Needed<std::string>> secrets_;
  std::map<std::string, std::shared_ptr<void>> algorithms_;
};

// Runs `use` with the key, or hands on why there is none.
template <class T, class Use>
Outcome With(const Needed<T>& needed, Use use) {
  return needed ? use(*needed) : needed.error();
}

// Parameters as `openssl -pkeyopt` takes them.
using Options = std::vector<std::pair<std::string, std::string>>;
bool SetOptions(EVP_PKEY_CTX* context, const Options& options);

// Is `signature` one of the message? A digest of nullptr: the algorithm has its own.
Outcome Verify(const Bench& bench, EVP_PKEY* key, const char* digest, const Options& options,
               ByteView message, ByteView signature);
Outcome Derive(const Bench& bench, EVP_PKEY* own, EVP_PKEY* peer, ByteView expected);
// As OpenSSL writes the digest's name: "SHA-512/256" is "SHA2-512/256", "SHA-1" is "SHA1".
std::string DigestName(const std::string& name);

}  // namespace provider::test::wycheproof

#endif  // TESTS_PROVIDER_WYCHEPROOF_BENCH_H_
