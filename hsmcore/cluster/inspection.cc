// SPDX-License-Identifier: Apache-2.0
#include "hsmcore/inspection.h"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <system_error>
#include <utility>

#include "base/files.h"
#include "base/text.h"
#include "cluster/home.h"
#include "crypto/config_file.h"
#include "crypto/openssl_info.h"
#include "hsmcore/settings.h"
#include "storage/sqlite.h"
#include "storage/store.h"
#include "storage/watchdog.h"
#include "vault/sealing.h"

namespace hsmcore {
namespace {

namespace fs = std::filesystem;

constexpr unsigned kPermissionBits = 07777;
constexpr std::size_t kMaxConfiguration = std::size_t{1} << 20;
constexpr std::size_t kMostBackups = 10'000;

HomeFile Look(const fs::path& path, HomeFileKind kind) {
  HomeFile file{.path = path, .kind = kind, .problem = {}};
  struct stat info{};
  if (stat(path.c_str(), &info) != 0) {
    file.problem = FileError(path, "look at", errno).detail();
    return file;
  }
  file.permissions = info.st_mode & kPermissionBits;
  file.owner = info.st_uid;
  file.modified = info.st_mtim.tv_sec;
  return file;
}

// What is not there has no row.
void AddIfThere(std::vector<HomeFile>& files, const fs::path& path, HomeFileKind kind) {
  struct stat info{};
  if (lstat(path.c_str(), &info) == 0) files.push_back(Look(path, kind));
}

void AddBelow(std::vector<HomeFile>& files, const fs::path& directory, HomeFileKind kind,
              std::string_view prefix) {
  std::error_code problem;
  for (fs::directory_iterator entry(directory, problem), end;
       !problem && entry != end && files.size() < kMostBackups; entry.increment(problem)) {
    if (entry->path().filename().native().starts_with(prefix)) {
      files.push_back(Look(entry->path(), kind));
    }
  }
}

// On a file system that hangs, the directory alone, with what is wrong.
void AddHsm(std::vector<HomeFile>& files, const fs::path& directory) {
  const auto found = std::make_shared<std::vector<HomeFile>>();
  const Status answered = storage::RunWatched(directory, [directory, found]() -> Status {
    found->push_back(Look(directory, HomeFileKind::kHsm));
    AddBelow(*found, directory, HomeFileKind::kStore, storage::kStoreFile);
    return {};
  });
  if (answered) {
    std::ranges::move(*found, std::back_inserter(files));
  } else {
    files.push_back(
        {.path = directory, .kind = HomeFileKind::kHsm, .problem = answered.error().detail()});
  }
}

std::vector<fs::path> HsmDirectories(const fs::path& home) {
  std::vector<fs::path> directories;
  if (const auto file = cluster::ReadClusterFile(home)) {
    for (const cluster::HsmPlace& place : file->hsms) {
      directories.push_back(cluster::HsmDirectory(home, place));
    }
    return directories;
  }
  std::error_code problem;
  for (fs::directory_iterator entry(home / "hsms", problem), end; !problem && entry != end;
       entry.increment(problem)) {
    if (entry->is_directory(problem)) directories.push_back(entry->path());
  }
  return directories;
}

}  // namespace

std::vector<HomeFile> FilesOfHome(const fs::path& home) {
  std::vector<HomeFile> files;
  AddIfThere(files, home, HomeFileKind::kHome);
  if (files.empty()) return files;
  AddIfThere(files, cluster::ClusterJson(home), HomeFileKind::kClusterFile);
  AddIfThere(files, cluster::GenerationFile(home), HomeFileKind::kGeneration);
  AddIfThere(files, cluster::LockFile(home), HomeFileKind::kLock);
  AddIfThere(files, cluster::IdentityKeyFile(home), HomeFileKind::kIdentityKey);
  AddIfThere(files, cluster::BackupDirectory(home), HomeFileKind::kBackups);
  AddBelow(files, cluster::BackupDirectory(home), HomeFileKind::kBackup, "");
  for (const fs::path& directory : HsmDirectories(home)) AddHsm(files, directory);
  return files;
}

std::vector<LinkedLibrary> LinkedLibraries() {
  const storage::SqliteVersion sqlite = storage::RunningSqlite();
  const vault::SodiumVersion sodium = vault::RunningSodium();
  const crypto::OpensslVersion openssl = crypto::RunningOpenssl();
  return {{"SQLite", sqlite.text, sqlite.needed, sqlite.good},
          {"libsodium", sodium.text, sodium.needed, sodium.good},
          {"OpenSSL", openssl.text, openssl.needed, openssl.good}};
}

fs::path OpensslModules() {
  const auto named = Environment("OPENSSL_MODULES");
  return named ? fs::path(*named) : crypto::BuiltInModules();
}

fs::path OpensslConfiguration() {
  const auto named = Environment("OPENSSL_CONF");
  return named ? fs::path(*named) : crypto::BuiltInConfiguration();
}

Result<std::vector<std::string>> SettingsNamed(const fs::path& file, std::string_view name) {
  const auto text = ReadFile(file, kMaxConfiguration);
  if (!text) {
    if (text.error().code() == ErrorCode::kHomeNotFound) return std::vector<std::string>();
    return std::unexpected(text.error());
  }
  HSMCORE_TRY(const auto sections, crypto::ParseConfig(*text, file.native()));
  std::vector<std::string> values;
  for (const auto& [section, rows] : sections) {
    for (const crypto::ConfigRow& row : rows) {
      if (row.name == name) values.push_back(row.value);
    }
  }
  return values;
}

}  // namespace hsmcore
