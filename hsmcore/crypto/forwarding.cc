// SPDX-License-Identifier: Apache-2.0
#include "hsmcore/forwarding.h"

#include <openssl/core_dispatch.h>

#include <algorithm>
#include <array>
#include <utility>

#include "crypto/library.h"

namespace hsmcore {
namespace {

using crypto::Library;
using crypto::LibraryPtr;

// Key types whose keys are the application's, in its own memory. Every other key type is held, or
// not offered.
constexpr std::array<std::string_view, 13> kKeyTypes = {
    // EVP_PKEY's view of MACs and KDFs, which libssl uses for HMAC.
    "HMAC", "CMAC", "SIPHASH", "POLY1305", "TLS1-PRF", "HKDF", "SCRYPT",
    // Finite-field Diffie-Hellman and TLS's hybrids of ML-KEM and an elliptic curve. The HSM has no
    // such keys to hold; TLS makes them for one handshake each.
    "DH", "DHX", "X25519MLKEM768", "X448MLKEM1024", "SecP256r1MLKEM768", "SecP384r1MLKEM1024"};

class ForwardingImpl final : public Forwarding {
 public:
  explicit ForwardingImpl(LibraryPtr library) : library_(std::move(library)) {}

  void* context() const override { return OSSL_PROVIDER_get0_provider_ctx(library_->provider()); }

  const ossl_algorithm_st* Algorithms(int operation) const override {
    int no_cache = 0;
    return OSSL_PROVIDER_query_operation(library_->provider(), operation, &no_cache);
  }

  bool Offers(int operation, std::string_view names) const override {
    switch (operation) {
      case OSSL_OP_DIGEST:
      case OSSL_OP_CIPHER:
      case OSSL_OP_MAC:
      case OSSL_OP_KDF:
      case OSSL_OP_RAND:
        return true;
      default:
        return std::ranges::find(kKeyTypes, names.substr(0, names.find(':'))) != kKeyTypes.end();
    }
  }

  bool Capabilities(const char* name, Callback* callback, void* argument) const override {
    return OSSL_PROVIDER_get_capabilities(library_->provider(), name, callback, argument) == 1;
  }

 private:
  const LibraryPtr library_;
};

}  // namespace

Result<ForwardingPtr> Forwarding::Open() {
  HSMCORE_TRY(LibraryPtr library, Library::Acquire());
  HSMCORE_CHECK(library->KeepForForwarding());
  return std::make_shared<ForwardingImpl>(std::move(library));
}

}  // namespace hsmcore
