// SPDX-License-Identifier: Apache-2.0
#ifndef HSMCORE_CRYPTO_OPENSSL_INFO_H_
#define HSMCORE_CRYPTO_OPENSSL_INFO_H_

#include <filesystem>
#include <string>

namespace hsmcore::crypto {

struct OpensslVersion {
  std::string text;
  std::string needed;
  bool good = false;  // the one that runs is no older than the one that this was built with
};
OpensslVersion RunningOpenssl();

// As OpenSSL was built, whatever the environment says.
std::filesystem::path BuiltInModules();
std::filesystem::path BuiltInConfiguration();

}  // namespace hsmcore::crypto

#endif  // HSMCORE_CRYPTO_OPENSSL_INFO_H_
