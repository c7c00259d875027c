// SPDX-License-Identifier: Apache-2.0
#ifndef TESTS_HSMCORE_CRYPTO_DEFAULT_PROVIDER_H_
#define TESTS_HSMCORE_CRYPTO_DEFAULT_PROVIDER_H_

#include <openssl/evp.h>

#include <memory>
#include <optional>
#include <random>
#include <string>

#include "crypto/asymmetric_key.h"
#include "hsmcore/mechanism.h"
#include "hsmcore/types.h"

// The other side of every comparison: OpenSSL's default provider in the default library context,
// as an application uses it.
namespace hsmcore::crypto {

using KeyRef = std::shared_ptr<const AsymmetricKey>;

struct PkeyDelete {
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
};
using DefaultPkey = std::unique_ptr<EVP_PKEY, PkeyDelete>;

// One key on both sides.
struct TwinKey {
  DefaultPkey theirs;
  KeyRef ours;
  KeyRef ours_public;
  KeyPairMaterial material;
};

DefaultPkey GenerateDefault(const std::string& type, const std::string& group_or_bits = "");
TwinKey Twin(DefaultPkey key);

// Made once per process.
const TwinKey& RsaTwin();
const TwinKey& Rsa2304Twin();
const TwinKey& RsaPssTwin();
const TwinKey& EcTwin(Curve curve);
const TwinKey& Ed25519Twin();

Bytes Pkcs8(EVP_PKEY* key);
Bytes Spki(EVP_PKEY* key);
PublicMaterial DecodeSpkiOf(EVP_PKEY* key);

// Nothing: OpenSSL refuses.
std::optional<Bytes> DefaultSign(EVP_PKEY* key, const SignMechanism& mechanism, ByteView tbs);
bool DefaultVerify(EVP_PKEY* key, const SignMechanism& mechanism, ByteView tbs, ByteView signature);
std::optional<Bytes> DefaultEncrypt(EVP_PKEY* key, const CipherMechanism& mechanism, ByteView data);
std::optional<Bytes> DefaultDecrypt(EVP_PKEY* key, const CipherMechanism& mechanism, ByteView data);

Bytes DefaultHash(Digest digest, ByteView data);

// Ours, in vectors of the right size.
Result<Bytes> Sign(const KeyRef& key, const SignMechanism& mechanism, ByteView tbs);
Result<Bytes> Encrypt(const KeyRef& key, const CipherMechanism& mechanism, ByteView plain);
Result<Bytes> Decrypt(const KeyRef& key, const CipherMechanism& mechanism, ByteView cipher);

// Random bytes from a seed that a failing test prints.
class RandomBytes {
 public:
  RandomBytes() : seed_(std::random_device{}()), engine_(seed_) {}
  Bytes operator()(std::size_t size);
  std::size_t Below(std::size_t limit) { return engine_() % limit; }
  std::string Trace() const { return "seed " + std::to_string(seed_); }

 private:
  std::random_device::result_type seed_;
  std::mt19937 engine_;
};

// The code of a failed result; nothing when it succeeded.
template <class T>
std::optional<ErrorCode> CodeOf(const Result<T>& result) {
  return result ? std::nullopt : std::optional(result.error().code());
}

}  // namespace hsmcore::crypto

#endif  // TESTS_HSMCORE_CRYPTO_DEFAULT_PROVIDER_H_
