// SPDX-License-Identifier: Apache-2.0
#ifndef HSMCORE_CRYPTO_LIBRARY_H_
#define HSMCORE_CRYPTO_LIBRARY_H_

#include <openssl/evp.h>
#include <openssl/provider.h>
#include <pthread.h>

#include <array>
#include <atomic>
#include <memory>
#include <source_location>
#include <string>
#include <string_view>

#include "crypto/openssl_ptr.h"
#include "hsmcore/mode.h"
#include "hsmcore/types.h"

namespace hsmcore::crypto {

class Library;
using LibraryPtr = std::shared_ptr<const Library>;

// Whose code a private library context has: OpenSSL's default provider, or its FIPS module.
enum class LibraryKind : std::uint8_t { kDefault, kFips };

// What the keys of a cluster in this mode work with. In FIPS mode it is the FIPS module where one
// is installed, and OpenSSL's default provider otherwise ("policy only"); that is settled at first
// use, for the life of the process: a server that has given up its view of the file system does not
// change over. kFipsModule, kSetting: a module is there and cannot be used.
Result<LibraryKind> KindFor(ClusterMode mode);

// A private OpenSSL library context: one provider and nothing else (but its twin, once its
// functions are handed on), no configuration of the application, no tie to its contexts. So an
// inner call can never come back to a provider that is built on us.
//
// One of each kind per process while anybody holds it; that of the FIPS module stays for good. Safe
// for any number of threads, and across fork().
class Library {
 public:
  // kCryptoFailure: OpenSSL's default provider does not load. kFipsModule, kSetting.
  static Result<LibraryPtr> Acquire(LibraryKind kind = LibraryKind::kDefault);

  Library(const Library&) = delete;
  Library& operator=(const Library&) = delete;

  OSSL_LIB_CTX* context() const { return context_; }
  OSSL_PROVIDER* provider() const { return provider_; }
  LibraryKind kind() const { return kind_; }

  // "OpenSSL FIPS Provider 3.5.4": what the provider calls itself, and its version.
  std::string ProviderName() const;

  // Valid as long as this object. kDigest: this OpenSSL does not have it.
  Result<const EVP_MD*> Fetch(Digest digest) const;

  // A key that has the curve's parameters and nothing else, valid as long as this object. A key
  // made from it takes a copy of the group, which costs far less than building one. kKeySize: this
  // OpenSSL does not have the curve.
  Result<EVP_PKEY*> Parameters(Curve curve) const;

  // Whether OpenSSL has an algorithm of this name for an operation (OSSL_OP_...).
  bool Offers(int operation, std::string_view name) const;

  // Whether EdDSA has its parameter "instance".
  bool HasEddsaInstances() const;

  // Called by every thread before it uses the context: OpenSSL hangs random generators on each
  // such thread and looks for them in the context when the thread ends.
  void NoteThread() const;

  // Called before functions of the provider are handed on. Threads that nobody notes then call
  // them, and some of them draw random numbers in the context, so from here on it is kept for the
  // life of the process. Also loads the twin (twin_provider.h). kCryptoFailure.
  Status KeepForForwarding() const;

 private:
  Library(LibraryKind kind, OSSL_LIB_CTX* context, OSSL_PROVIDER* provider)
      : kind_(kind), context_(context), provider_(provider) {}
  ~Library();

  static Result<Library*> Create(LibraryKind kind);
  static void Release(const Library* library);
  bool OnlyThisThreadUsedIt() const;

  const LibraryKind kind_;
  OSSL_LIB_CTX* context_;
  OSSL_PROVIDER* provider_;
  mutable std::array<std::atomic<EVP_MD*>, static_cast<std::size_t>(Digest::kSha3_512) + 1>
      digests_{};
  mutable std::array<std::atomic<EVP_PKEY*>, static_cast<std::size_t>(Curve::kSecp256k1) + 1>
      parameters_{};
  enum class Answer : std::uint8_t { kUnknown, kNo, kYes };
  mutable std::atomic<Answer> eddsa_instances_{Answer::kUnknown};
  mutable std::atomic<pthread_t> first_thread_;
  mutable std::atomic<bool> several_threads_{false};
  mutable bool has_twin_ = false;  // guarded by the registry
};

// Keeps what OpenSSL raises inside out of the application's error queue.
class ErrorMark {
 public:
  ErrorMark();
  ~ErrorMark();
  ErrorMark(const ErrorMark&) = delete;
  ErrorMark& operator=(const ErrorMark&) = delete;

  // OpenSSL's reason for the newest error that was raised in this scope; "" without one.
  std::string_view Reason() const;

  // An error whose detail is `what` and OpenSSL's reason.
  std::unexpected<Error> Fail(ErrorCode code, std::string_view what,
                              std::source_location where = std::source_location::current()) const;

 private:
  OpensslError before_;
};

// Brackets every use of the private context.
class LibraryScope : public ErrorMark {
 public:
  explicit LibraryScope(const Library& library) : kind_(library.kind()) { library.NoteThread(); }

  // As ErrorMark's. What the FIPS module refuses says that it was the module.
  std::unexpected<Error> Fail(ErrorCode code, std::string_view what,
                              std::source_location where = std::source_location::current()) const;

 private:
  const LibraryKind kind_;
};

}  // namespace hsmcore::crypto

#endif  // HSMCORE_CRYPTO_LIBRARY_H_
