// SPDX-License-Identifier: Apache-2.0
#ifndef HSMCORE_HELD_ALGORITHM_H_
#define HSMCORE_HELD_ALGORITHM_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>

#include "hsmcore/key.h"
#include "hsmcore/symmetric.h"

struct ossl_algorithm_st;  // NOLINT(readability-identifier-naming): OpenSSL's name
struct ossl_param_st;      // NOLINT(readability-identifier-naming): OpenSSL's name

// Held secret keys in the contexts of forwarded algorithms (forwarding.h): these put the key into a
// context, and afterwards data goes straight into OpenSSL's code. The front end sees no key bytes.
//
// One object belongs to one context and is passed it with every call. Not for two threads at once.
// The gate is asked by every call that begins something, with the errors of Key, and kMechanism
// when OpenSSL refuses the key or the parameters.
namespace hsmcore {

class HeldCipher {
 public:
  // Whether the cipher with these names (with ':' between them) takes held keys.
  static bool Exists(std::string_view names);
  // `algorithm` is a row of Forwarding::Algorithms. kKeyTypeMismatch: the key is not for it.
  static Result<std::unique_ptr<HeldCipher>> New(KeyPtr key, const ossl_algorithm_st& algorithm,
                                                 GcmNonces nonces);
  virtual ~HeldCipher() = default;

  // Begins a message; `nonce` nullptr: the one that was given last and not used yet, and for GCM
  // one that the HSM makes where there is none. GCM, encrypting: kMechanism for a nonce that this
  // context has used (the last 1024 are remembered), or for any where the HSM has to make it.
  virtual Status Init(void* context, Direction direction, const std::uint8_t* nonce,
                      std::size_t nonce_bytes, const ossl_param_st* params) = 0;
  // Comes before data goes into the context. kOperationState: no message was begun.
  Status Prepare(void* context) { return prepared_ ? Status() : PrepareNow(context); }
  bool prepared() const { return prepared_; }
  // Comes before the nonce is read from the context: the HSM makes one where Prepare would.
  virtual Status ProvideNonce(void* context) = 0;
  bool lacks_nonce() const { return lacks_nonce_; }
  virtual const Key& key() const = 0;
  // The message has ended.
  virtual void End() = 0;
  // Comes before parameters are set. kNotSupported: they would go round Init's rules.
  virtual Status NoteParams(const ossl_param_st* params) = 0;
  // For the copy of the context.
  virtual std::unique_ptr<HeldCipher> Clone() const = 0;

 protected:
  bool prepared_ = false;
  bool lacks_nonce_ = false;

 private:
  virtual Status PrepareNow(void* context) = 0;
};

class HeldMac {
 public:
  static bool Exists(std::string_view names);
  static Result<std::unique_ptr<HeldMac>> New(KeyPtr key, const ossl_algorithm_st& algorithm);
  virtual ~HeldMac() = default;

  // Begins a MAC.
  virtual Status Init(void* context, const ossl_param_st* params) = 0;
  // CMAC and GMAC: comes before other parameters are set. `asked` is the block cipher that the
  // caller has named; empty: the context gets the key's own. kKeyTypeMismatch: the key is for
  // another one.
  virtual Status ChooseBlockCipher(void* context, std::string_view asked) = 0;
  // Comes before parameters are set, those of Init among them. GMAC: kMechanism for a nonce that
  // this context has made a MAC with (the last 1024 are remembered).
  virtual Status NoteParams(const ossl_param_st* params) = 0;
  bool begun() const { return begun_; }
  bool watches_nonces() const { return watches_nonces_; }
  virtual const Key& key() const = 0;
  // Comes before the MAC is read, where nonces are watched.
  virtual void End() = 0;
  virtual std::unique_ptr<HeldMac> Clone() const = 0;

 protected:
  bool begun_ = false;
  bool watches_nonces_ = false;
};

class HeldKdf {
 public:
  static bool Exists(std::string_view names);
  static Result<std::unique_ptr<HeldKdf>> New(KeyPtr key, const ossl_algorithm_st& algorithm);
  virtual ~HeldKdf() = default;

  virtual const Key& key() const = 0;
  virtual const char* param() const = 0;  // what the algorithm calls its key
  // Comes before every derivation.
  virtual Status Prepare(void* context) = 0;
  virtual std::unique_ptr<HeldKdf> Clone() const = 0;
};

}  // namespace hsmcore

#endif  // HSMCORE_HELD_ALGORITHM_H_
