// SPDX-License-Identifier: Apache-2.0
#include "crypto/openssl_info.h"

#include <openssl/crypto.h>
#include <openssl/opensslv.h>

#include "base/text.h"

namespace hsmcore::crypto {
namespace {

std::filesystem::path Directory(int kind) {
  const char* name = OPENSSL_info(kind);
  return name == nullptr ? std::filesystem::path() : std::filesystem::path(name);
}

}  // namespace

// Within 3.x the interface only grows: a later minor version does, an earlier one may lack what the
// headers promised.
OpensslVersion RunningOpenssl() {
  constexpr unsigned kBuiltWith = (OPENSSL_VERSION_MAJOR << 8U) | OPENSSL_VERSION_MINOR;
  const unsigned running = (OPENSSL_version_major() << 8U) | OPENSSL_version_minor();
  return {.text = OpenSSL_version(OPENSSL_VERSION_STRING),
          .needed = Cat(OPENSSL_VERSION_MAJOR, ".", OPENSSL_VERSION_MINOR),
          .good = running >= kBuiltWith};
}

std::filesystem::path BuiltInModules() { return Directory(OPENSSL_INFO_MODULES_DIR); }
std::filesystem::path BuiltInConfiguration() {
  return Directory(OPENSSL_INFO_CONFIG_DIR) / "openssl.cnf";
}

}  // namespace hsmcore::crypto
