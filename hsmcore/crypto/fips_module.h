// SPDX-License-Identifier: Apache-2.0
#ifndef HSMCORE_CRYPTO_FIPS_MODULE_H_
#define HSMCORE_CRYPTO_FIPS_MODULE_H_

#include <openssl/provider.h>

#include <filesystem>
#include <optional>

#include "hsmcore/error.h"

namespace hsmcore::crypto {

// Where OpenSSL's FIPS module is on this machine.
struct FipsFiles {
  std::filesystem::path module;         // fips.so
  std::filesystem::path configuration;  // as `openssl fipsinstall` writes it; may not be there
};

// Nothing: there is no module. kSetting: HSM_FIPS_MODULE or HSM_FIPS_CONFIG names no file.
Result<std::optional<FipsFiles>> LocateFipsModule();

// Loads the module into `context`, with the settings of its own configuration and with no other.
// It checks its integrity and runs its self-tests. kFipsModule: the detail says what to do.
Result<OSSL_PROVIDER*> LoadFipsModule(OSSL_LIB_CTX* context, const FipsFiles& files);

}  // namespace hsmcore::crypto

#endif  // HSMCORE_CRYPTO_FIPS_MODULE_H_
