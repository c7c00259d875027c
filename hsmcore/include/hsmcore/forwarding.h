// SPDX-License-Identifier: Apache-2.0
#ifndef HSMCORE_FORWARDING_H_
#define HSMCORE_FORWARDING_H_

#include <memory>
#include <string_view>

#include "hsmcore/error.h"

// OSSL_ALGORITHM and OSSL_PARAM, which only go through here.
struct ossl_algorithm_st;  // NOLINT(readability-identifier-naming): OpenSSL's name
struct ossl_param_st;      // NOLINT(readability-identifier-naming): OpenSSL's name

namespace hsmcore {

// OpenSSL's own implementations of what involves no held key: digests, ciphers and MACs with the
// application's key bytes, KDFs, random generators. They come from the core's private OpenSSL
// provider, and a front end that speaks OpenSSL hands their functions on as they are.
//
// Immutable; safe for any number of threads, and across fork(). Whoever makes a context with these
// functions holds this object for as long as the context lives.
class Forwarding {
 public:
  // kCryptoFailure: the private provider does not load.
  static Result<std::shared_ptr<const Forwarding>> Open();

  virtual ~Forwarding() = default;

  // What these functions take as their provider context.
  virtual void* context() const = 0;

  // The private provider's algorithms for an operation (OSSL_OP_...), up to the row without names;
  // nullptr: it has none. Constant, and valid as long as this object.
  virtual const ossl_algorithm_st* Algorithms(int operation) const = 0;

  // Whether an algorithm with these names (with ':' between them) is to be handed on. The one
  // place where a policy can take algorithms away.
  virtual bool Offers(int operation, std::string_view names) const = 0;

  // Calls `callback` for every entry of a capability ("TLS-GROUP"); false: one of the calls said
  // so.
  using Callback = int(const ossl_param_st* params, void* argument);
  virtual bool Capabilities(const char* name, Callback* callback, void* argument) const = 0;
};

using ForwardingPtr = std::shared_ptr<const Forwarding>;

// Known answers of what is handed on (digest, cipher, MAC, random generator), and a signature made
// and verified with a fresh key of every type. kSelfTest: the detail names what failed.
Status SelfTest();

}  // namespace hsmcore

#endif  // HSMCORE_FORWARDING_H_
