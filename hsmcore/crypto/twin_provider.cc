// SPDX-License-Identifier: Apache-2.0
#include "crypto/twin_provider.h"

#include <openssl/core_dispatch.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <new>
#include <string_view>
#include <vector>

#include "crypto/library.h"

namespace hsmcore::crypto {
namespace {

constexpr std::array kOperations = {OSSL_OP_DIGEST, OSSL_OP_CIPHER,  OSSL_OP_MAC,     OSSL_OP_KDF,
                                    OSSL_OP_RAND,   OSSL_OP_KEYMGMT, OSSL_OP_KEYEXCH, OSSL_OP_KEM};

// The key types that TLS's hybrid groups consist of, and what they exchange keys by. Everything
// else about keys is done by keys of the original.
constexpr std::array<std::string_view, 7> kHybridParts = {
    "EC", "ECDH", "X25519", "X448", "ML-KEM-512", "ML-KEM-768", "ML-KEM-1024"};

bool IsOffered(int operation, std::string_view names) {
  const bool about_keys =
      operation == OSSL_OP_KEYMGMT || operation == OSSL_OP_KEYEXCH || operation == OSSL_OP_KEM;
  return !about_keys ||
         std::ranges::find(kHybridParts, names.substr(0, names.find(':'))) != kHybridParts.end();
}

struct Twin {
  void* provider_context = nullptr;
  std::array<std::vector<OSSL_ALGORITHM>, kOperations.size()> tables;
};

// One for each original, found by its context: the functions of a provider are given nothing else.
using Twins = std::array<Twin, 2>;

// Never destroyed, as the contexts that they are loaded into.
Twins& TheTwins() {
  alignas(Twins) static std::array<std::byte, sizeof(Twins)> storage;
  static auto* const twins = new (storage.data()) Twins;
  return *twins;
}

// nullptr: there is none.
Twin* TwinOf(const void* provider_context) {
  auto* const twin = std::ranges::find(TheTwins(), provider_context, &Twin::provider_context);
  return twin == TheTwins().end() ? nullptr : twin;
}

// The one that is being loaded, for Init; one thread at a time loads.
constinit Twin* loading = nullptr;

std::vector<OSSL_ALGORITHM> Renamed(int operation, const OSSL_ALGORITHM* algorithms) {
  std::vector<OSSL_ALGORITHM> table;
  for (; algorithms != nullptr && algorithms->algorithm_names != nullptr; ++algorithms) {
    if (!IsOffered(operation, algorithms->algorithm_names)) continue;
    table.push_back(*algorithms);
    table.back().property_definition =
        IsApproved(*algorithms) ? "provider=hsm,fips=yes" : "provider=hsm";
  }
  table.push_back({nullptr, nullptr, nullptr, nullptr});
  return table;
}

const OSSL_ALGORITHM* Query(void* context, int operation, int* no_cache) {
  *no_cache = 0;
  const auto* const found = std::ranges::find(kOperations, operation);
  const Twin* const twin = TwinOf(context);
  if (found == kOperations.end() || twin == nullptr) return nullptr;
  return twin->tables[static_cast<std::size_t>(found - kOperations.begin())].data();
}

int Init(const OSSL_CORE_HANDLE*, const OSSL_DISPATCH*, const OSSL_DISPATCH** out, void** provctx) {
  static const OSSL_DISPATCH kDispatch[] = {
      {OSSL_FUNC_PROVIDER_QUERY_OPERATION,
       reinterpret_cast<void (*)()>(static_cast<OSSL_FUNC_provider_query_operation_fn*>(Query))},
      {0, nullptr}};
  *provctx = loading->provider_context;
  *out = kDispatch;
  return 1;
}

}  // namespace

bool IsApproved(const OSSL_ALGORITHM& algorithm) {
  const std::string_view properties = algorithm.property_definition;
  return properties.find("fips=yes") != std::string_view::npos;
}

Status LoadTwin(OSSL_LIB_CTX* context, OSSL_PROVIDER* original) {
  const ErrorMark errors;
  Twin* const free_place = TwinOf(nullptr);
  if (free_place == nullptr) return Fail(ErrorCode::kInternal, "a third private provider");
  Twin& twin = *free_place;
  twin.provider_context = OSSL_PROVIDER_get0_provider_ctx(original);
  for (std::size_t i = 0; i < kOperations.size(); ++i) {
    int no_cache = 0;
    twin.tables[i] =
        Renamed(kOperations[i], OSSL_PROVIDER_query_operation(original, kOperations[i], &no_cache));
  }
  loading = &twin;
  const bool loaded = OSSL_PROVIDER_add_builtin(context, "hsm", Init) == 1 &&
                      OSSL_PROVIDER_load(context, "hsm") != nullptr;
  loading = nullptr;
  if (loaded) return {};
  return errors.Fail(ErrorCode::kCryptoFailure, "naming the private provider's algorithms");
}

}  // namespace hsmcore::crypto
