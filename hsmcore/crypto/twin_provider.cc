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

// Never destroyed, as the context that it is loaded into. The functions of a provider are given
// its context only, which here is the original's.
Twin& TheTwin() {
  alignas(Twin) static std::array<std::byte, sizeof(Twin)> storage;
  static auto* const twin = new (storage.data()) Twin;
  return *twin;
}

std::vector<OSSL_ALGORITHM> Renamed(int operation, const OSSL_ALGORITHM* algorithms) {
  std::vector<OSSL_ALGORITHM> table;
  for (; algorithms != nullptr && algorithms->algorithm_names != nullptr; ++algorithms) {
    if (!IsOffered(operation, algorithms->algorithm_names)) continue;
    table.push_back(*algorithms);
    table.back().property_definition = "provider=hsm";
  }
  table.push_back({nullptr, nullptr, nullptr, nullptr});
  return table;
}

const OSSL_ALGORITHM* Query(void*, int operation, int* no_cache) {
  *no_cache = 0;
  const auto* const found = std::ranges::find(kOperations, operation);
  if (found == kOperations.end()) return nullptr;
  return TheTwin().tables[static_cast<std::size_t>(found - kOperations.begin())].data();
}

int Init(const OSSL_CORE_HANDLE*, const OSSL_DISPATCH*, const OSSL_DISPATCH** out, void** provctx) {
  static const OSSL_DISPATCH kDispatch[] = {
      {OSSL_FUNC_PROVIDER_QUERY_OPERATION,
       reinterpret_cast<void (*)()>(static_cast<OSSL_FUNC_provider_query_operation_fn*>(Query))},
      {0, nullptr}};
  *provctx = TheTwin().provider_context;
  *out = kDispatch;
  return 1;
}

}  // namespace

Status LoadTwin(OSSL_LIB_CTX* context, OSSL_PROVIDER* original) {
  const ErrorMark errors;
  Twin& twin = TheTwin();
  twin.provider_context = OSSL_PROVIDER_get0_provider_ctx(original);
  for (std::size_t i = 0; i < kOperations.size(); ++i) {
    int no_cache = 0;
    twin.tables[i] =
        Renamed(kOperations[i], OSSL_PROVIDER_query_operation(original, kOperations[i], &no_cache));
  }
  if (OSSL_PROVIDER_add_builtin(context, "hsm", Init) == 1 &&
      OSSL_PROVIDER_load(context, "hsm") != nullptr) {
    return {};
  }
  return errors.Fail(ErrorCode::kCryptoFailure, "naming the private provider's algorithms");
}

}  // namespace hsmcore::crypto
