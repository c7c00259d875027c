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
#include "hsmcore/types.h"

namespace hsmcore::crypto {

class Library;
using LibraryPtr = std::shared_ptr<const Library>;

// The private OpenSSL library context: OpenSSL's default provider and nothing else (but its twin,
// once its functions are handed on), no configuration file, no tie to the application's contexts.
// So an inner call can never come back to a provider that is built on us.
//
// One per process while anybody holds it. Safe for any number of threads, and across fork().
class Library {
 public:
  // kCryptoFailure: OpenSSL's default provider does not load.
  static Result<LibraryPtr> Acquire();

  Library(const Library&) = delete;
  Library& operator=(const Library&) = delete;

  OSSL_LIB_CTX* context() const { return context_; }
  OSSL_PROVIDER* provider() const { return provider_; }

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
  Library(OSSL_LIB_CTX* context, OSSL_PROVIDER* provider)
      : context_(context), provider_(provider) {}
  ~Library();

  static Result<Library*> Create();
  static void Release(const Library* library);
  bool OnlyThisThreadUsedIt() const;

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
  explicit LibraryScope(const Library& library) { library.NoteThread(); }
};

}  // namespace hsmcore::crypto

#endif  // HSMCORE_CRYPTO_LIBRARY_H_
