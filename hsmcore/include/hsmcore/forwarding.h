// SPDX-License-Identifier: Apache-2.0
#ifndef HSMCORE_FORWARDING_H_
#define HSMCORE_FORWARDING_H_

#include <memory>
#include <string_view>

#include "hsmcore/error.h"
#include "hsmcore/mode.h"
#include "hsmcore/types.h"

// OSSL_ALGORITHM and OSSL_PARAM, which only go through here.
struct ossl_algorithm_st;  // NOLINT(readability-identifier-naming): OpenSSL's name
struct ossl_param_st;      // NOLINT(readability-identifier-naming): OpenSSL's name

namespace hsmcore {

// OpenSSL's own implementations of what involves no held key: digests, ciphers and MACs with the
// application's key bytes, KDFs, random generators. They come from the core's private OpenSSL
// provider, and a front end that speaks OpenSSL hands their functions on as they are.
//
// In FIPS mode only approved algorithms are handed on: where OpenSSL's FIPS module is installed,
// what it has with the property fips=yes; otherwise what a table of ours says (policy only).
//
// Immutable; safe for any number of threads, and across fork(). Whoever makes a context with these
// functions holds this object for as long as the context lives.
class Forwarding {
 public:
  // kCryptoFailure: the private provider does not load. kFipsModule, kSetting: OpenSSL's FIPS
  // module is installed and cannot be used.
  static Result<std::shared_ptr<const Forwarding>> Open(const ModeRules& rules);

  virtual ~Forwarding() = default;

  // What these functions take as their provider context.
  virtual void* context() const = 0;

  // The private provider's algorithms for an operation (OSSL_OP_...), up to the row without names;
  // nullptr: it has none. Constant, and valid as long as this object.
  virtual const ossl_algorithm_st* Algorithms(int operation) const = 0;

  // Whether this row of Algorithms is to be handed on. The one place where a policy can take
  // algorithms away.
  virtual bool Offers(int operation, const ossl_algorithm_st& algorithm) const = 0;

  // kModeForbids: the algorithm is handed on for decryption only (3DES in FIPS mode).
  virtual Status AllowEncryption(std::string_view algorithm) const = 0;

  // kModeForbids: a digest or cipher (OSSL_OP_...) that is named inside another algorithm, such as
  // HMAC's digest, by any of its names, and is not handed on. A FIPS module sees to that itself.
  virtual Status AllowInside(int operation, std::string_view name) const = 0;

  // Whether the property fips=yes is true of what is handed on: a FIPS module does it.
  virtual bool claims_fips() const = 0;

  // Whether keys of this type, or on this curve, may work at all in this mode. With a FIPS module:
  // and it has them.
  virtual bool Approves(KeyType type) const = 0;
  virtual bool Approves(Curve curve) const = 0;

  // Calls `callback` for every entry of a capability ("TLS-GROUP"); false: one of the calls said
  // so.
  using Callback = int(const ossl_param_st* params, void* argument);
  virtual bool Capabilities(const char* name, Callback* callback, void* argument) const = 0;
};

using ForwardingPtr = std::shared_ptr<const Forwarding>;

// Known answers of what is handed on (digest, cipher, MAC, random generator), and a signature made
// and verified with a fresh key of every type; the tests of OpenSSL's FIPS module, where that is
// what the mode works with. kSelfTest: the detail names what failed. kFipsModule, kSetting.
Status SelfTest(ClusterMode mode);

}  // namespace hsmcore

#endif  // HSMCORE_FORWARDING_H_
