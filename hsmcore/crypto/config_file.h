// SPDX-License-Identifier: Apache-2.0
#ifndef HSMCORE_CRYPTO_CONFIG_FILE_H_
#define HSMCORE_CRYPTO_CONFIG_FILE_H_

#include <map>
#include <string>
#include <vector>

#include "hsmcore/types.h"

namespace hsmcore::crypto {

struct ConfigRow {
  std::string name;
  std::string value;
};

// The sections of a configuration by their names; what stands before the first is "default".
using ConfigSections = std::map<std::string, std::vector<ConfigRow>>;

// Reads text in the format of openssl.cnf (config(5)). Nothing of it is applied to the process.
// kSetting: the detail begins with `path` and has the line.
Result<ConfigSections> ParseConfig(ByteView text, const std::string& path);

}  // namespace hsmcore::crypto

#endif  // HSMCORE_CRYPTO_CONFIG_FILE_H_
