// SPDX-License-Identifier: Apache-2.0
#include "crypto/forwarding.h"

#include <openssl/core_dispatch.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <utility>

#include "base/text.h"
#include "crypto/twin_provider.h"

namespace hsmcore::crypto {
namespace {

// Key types whose keys are the application's, in its own memory. Every other key type is held, or
// not offered.
constexpr std::array<std::string_view, 13> kKeyTypes = {
    // EVP_PKEY's view of MACs and KDFs, which libssl uses for HMAC.
    "HMAC", "CMAC", "SIPHASH", "POLY1305", "TLS1-PRF", "HKDF", "SCRYPT",
    // Finite-field Diffie-Hellman and TLS's hybrids of ML-KEM and an elliptic curve. The HSM has no
    // such keys to hold; TLS makes them for one handshake each.
    "DH", "DHX", "X25519MLKEM768", "X448MLKEM1024", "SecP256r1MLKEM768", "SecP384r1MLKEM1024"};

ForwardedKind KindOf(int operation) {
  switch (operation) {
    case OSSL_OP_DIGEST:
      return ForwardedKind::kDigest;
    case OSSL_OP_CIPHER:
      return ForwardedKind::kCipher;
    case OSSL_OP_MAC:
      return ForwardedKind::kMac;
    case OSSL_OP_KDF:
      return ForwardedKind::kKdf;
    case OSSL_OP_RAND:
      return ForwardedKind::kRandom;
    default:
      return ForwardedKind::kKeyType;
  }
}

bool SameName(std::string_view a, std::string_view b) {
  return std::ranges::equal(
      a, b, [](unsigned char x, unsigned char y) { return std::toupper(x) == std::toupper(y); });
}

// Whether `name` is one of `names`, which have ':' between them.
bool HasName(std::string_view names, std::string_view name) {
  for (;;) {
    const std::size_t colon = names.find(':');
    if (SameName(names.substr(0, colon), name)) return true;
    if (colon == std::string_view::npos) return false;
    names.remove_prefix(colon + 1);
  }
}

class ForwardingImpl final : public Forwarding {
 public:
  ForwardingImpl(LibraryPtr library, std::unique_ptr<const ForwardingPolicy> policy)
      : library_(std::move(library)), policy_(std::move(policy)) {}

  void* context() const override { return OSSL_PROVIDER_get0_provider_ctx(library_->provider()); }

  const ossl_algorithm_st* Algorithms(int operation) const override {
    int no_cache = 0;
    return OSSL_PROVIDER_query_operation(library_->provider(), operation, &no_cache);
  }

  bool Offers(int operation, const ossl_algorithm_st& algorithm) const override {
    const ForwardedKind kind = KindOf(operation);
    const std::string_view names = algorithm.algorithm_names;
    if (kind == ForwardedKind::kKeyType &&
        std::ranges::find(kKeyTypes, names.substr(0, names.find(':'))) == kKeyTypes.end()) {
      return false;
    }
    return claims_fips() ? IsApproved(algorithm) : policy_->Approves(kind, names);
  }

  Status AllowEncryption(std::string_view algorithm) const override {
    return policy_->AllowEncryption(algorithm);
  }

  Status AllowInside(int operation, std::string_view name) const override {
    if (claims_fips() || !policy_->Restricts()) return {};
    for (const OSSL_ALGORITHM* row = Algorithms(operation); row->algorithm_names != nullptr;
         ++row) {
      if (!HasName(row->algorithm_names, name)) continue;
      if (Offers(operation, *row)) return {};
      return Fail(ErrorCode::kModeForbids,
                  Cat(name, " is not approved, and may not be used inside another algorithm in a ",
                      "cluster in FIPS mode; use SHA-2 or AES"));
    }
    return {};
  }

  bool claims_fips() const override { return library_->kind() == LibraryKind::kFips; }

  bool Approves(KeyType type) const override {
    return policy_->Approves(type) && (!claims_fips() || IsSecret(type) ||
                                       library_->Offers(OSSL_OP_KEYMGMT, RowOf(type).openssl));
  }
  bool Approves(Curve curve) const override {
    return policy_->Approves(curve) && (!claims_fips() || library_->Parameters(curve));
  }

  bool Capabilities(const char* name, Callback* callback, void* argument) const override {
    return OSSL_PROVIDER_get_capabilities(library_->provider(), name, callback, argument) == 1;
  }

 private:
  const LibraryPtr library_;
  const std::unique_ptr<const ForwardingPolicy> policy_;
};

}  // namespace

Result<ForwardingPtr> OpenForwarding(LibraryKind kind,
                                     std::unique_ptr<const ForwardingPolicy> policy) {
  HSMCORE_TRY(LibraryPtr library, Library::Acquire(kind));
  HSMCORE_CHECK(library->KeepForForwarding());
  return std::make_shared<ForwardingImpl>(std::move(library), std::move(policy));
}

}  // namespace hsmcore::crypto
