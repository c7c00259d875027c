// SPDX-License-Identifier: Apache-2.0
#include "capabilities.h"

#include <openssl/core_dispatch.h>
#include <openssl/core_names.h>
#include <openssl/params.h>
#include <strings.h>

#include <array>
#include <string>
#include <string_view>

#include "params.h"
#include "preparation.h"
#include "tables.h"

namespace provider {
namespace {

// OpenSSL 3.2's names for signature schemes.
constexpr const char* kSchemeName = "tls-sigalg-name";
constexpr const char* kSchemeKeyType = "tls-sigalg-keytype";
constexpr const char* kSchemeSignature = "tls-sigalg-sig-name";

struct Walk;
struct Capability {
  const char* name;
  bool (*offered)(const Walk& walk, const OSSL_PARAM* entry);
};

// One walk over the entries.
struct Walk {
  const Capability& capability;
  const hsmcore::Forwarding& source;
  const OSSL_ALGORITHM* key_types;
  OSSL_CALLBACK* callback;
  void* argument;
};

// A text of an entry; "" when it is not there.
std::string_view TextOf(const OSSL_PARAM* params, const char* key) {
  const OSSL_PARAM* param = OSSL_PARAM_locate_const(params, key);
  if (param == nullptr) return {};
  return GetText(*param).value_or(std::string_view{});
}

bool SameName(std::string_view a, std::string_view b) {
  return a.size() == b.size() && strncasecmp(a.data(), b.data(), a.size()) == 0;
}

bool HasName(std::string_view names, std::string_view name) {
  for (;;) {
    const std::size_t colon = names.find(':');
    if (SameName(names.substr(0, colon), name)) return true;
    if (colon == std::string_view::npos) return false;
    names.remove_prefix(colon + 1);
  }
}

// Offered, and allowed in the mode.
bool OffersKeyType(const Walk& walk, std::string_view name) {
  const auto type = hsmcore::KeyTypeByName(name);
  if (type && !walk.source.Approves(*type)) return false;
  const OSSL_ALGORITHM* types = walk.key_types;
  for (; types->algorithm_names != nullptr; ++types) {
    if (HasName(types->algorithm_names, name)) return true;
  }
  return false;
}

bool OffersGroup(const Walk& walk, const OSSL_PARAM* entry) {
  const std::string_view type = TextOf(entry, OSSL_CAPABILITY_TLS_GROUP_ALG);
  if (!OffersKeyType(walk, type)) return false;
  if (type != "EC") return true;
  const auto curve = hsmcore::CurveByName(TextOf(entry, OSSL_CAPABILITY_TLS_GROUP_NAME_INTERNAL));
  return curve && walk.source.Approves(*curve);
}

// The key type is named where it is not called like the signature, and that where it is not called
// like the scheme.
bool OffersScheme(const Walk& walk, const OSSL_PARAM* entry) {
  for (const char* key : {kSchemeKeyType, kSchemeSignature, kSchemeName}) {
    const std::string_view name = TextOf(entry, key);
    if (!name.empty()) return OffersKeyType(walk, name);
  }
  return false;
}

constexpr std::array kCapabilities = {Capability{"TLS-GROUP", OffersGroup},
                                      Capability{"TLS-SIGALG", OffersScheme}};

int PassOn(const OSSL_PARAM* entry, void* argument) {
  const auto& walk = *static_cast<const Walk*>(argument);
  if (!walk.capability.offered(walk, entry)) return 1;
  return walk.callback(entry, walk.argument);
}

}  // namespace

Result<bool> GetCapabilities(const ProviderContext& provider, const char* capability,
                             OSSL_CALLBACK* callback, void* argument) {
  for (const Capability& known : kCapabilities) {
    if (!SameName(known.name, capability)) continue;
    PrepareForTls(provider);
    HSMCORE_TRY(const hsmcore::ForwardingPtr source, provider.forwarded.Source());
    HSMCORE_TRY(const OSSL_ALGORITHM* types, AlgorithmsOf(provider, OSSL_OP_KEYMGMT));
    Walk walk{known, *source, types, callback, argument};
    return source->Capabilities(known.name, PassOn, &walk);
  }
  return false;
}

}  // namespace provider
