// SPDX-License-Identifier: Apache-2.0
#ifndef HSMCORE_INSPECTION_H_
#define HSMCORE_INSPECTION_H_

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "hsmcore/types.h"

// What an inspection of a machine and a home looks at (hsmctl doctor). Reads only, takes no login,
// and works without a cluster and on a damaged one.
namespace hsmcore {

enum class HomeFileKind : std::uint8_t {
  kHome,
  kClusterFile,  // cluster.json
  kGeneration,
  kLock,
  kIdentityKey,
  kBackups,  // the directory
  kBackup,
  kHsm,  // a directory
  kStore,
};

struct HomeFile {
  std::filesystem::path path;
  HomeFileKind kind = HomeFileKind::kHome;
  unsigned permissions = 0;   // the nine bits and the three above them
  unsigned owner = 0;         // user id
  std::int64_t modified = 0;  // seconds since 1970
  std::string problem;        // why it cannot be looked at; the fields above are empty then
};

// The home and all that belongs to its cluster, each store with its logs. Of an HSM whose directory
// is not there or does not answer there is a row with a problem. Where cluster.json cannot be read,
// the HSMs below the home. Empty: there is no such directory.
std::vector<HomeFile> FilesOfHome(const std::filesystem::path& home);

struct LinkedLibrary {
  const char* name;
  std::string version;  // of the one that runs
  std::string needed;   // the oldest that will do
  bool good = false;    // it is no older than that
};
// SQLite, libsodium, OpenSSL.
std::vector<LinkedLibrary> LinkedLibraries();

// Where OpenSSL looks for providers: OPENSSL_MODULES, else what it was built with.
std::filesystem::path OpensslModules();
// The configuration that OpenSSL reads by itself: OPENSSL_CONF, else what it was built with.
std::filesystem::path OpensslConfiguration();

// The values of the setting `name` in all sections of a file in the format of openssl.cnf. Without
// the file none. kSetting, and the errors of FileError.
Result<std::vector<std::string>> SettingsNamed(const std::filesystem::path& file,
                                               std::string_view name);

}  // namespace hsmcore

#endif  // HSMCORE_INSPECTION_H_
