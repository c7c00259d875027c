// SPDX-License-Identifier: Apache-2.0
#include "crypto/fips_module.h"

#include <elf.h>
#include <link.h>
#include <openssl/bio.h>
#include <openssl/conf.h>
#include <openssl/crypto.h>
#include <openssl/safestack.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cstdint>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>
#include <vector>

#include "base/text.h"
#include "crypto/library.h"
#include "crypto/openssl_ptr.h"
#include "hsmcore/settings.h"

namespace hsmcore::crypto {
namespace {

namespace fs = std::filesystem;

using ConfPtr = OpensslPtr<CONF, NCONF_free>;

constexpr const char* kModuleSetting = "HSM_FIPS_MODULE";
constexpr const char* kConfigSetting = "HSM_FIPS_CONFIG";
constexpr const char* kModuleFile = "fips.so";
constexpr const char* kConfigFile = "fipsmodule.cnf";
constexpr const char* kMac = "module-mac";

bool Exists(const fs::path& path) {
  std::error_code ignored;
  return fs::exists(path, ignored);
}

// A file that a variable names; nothing: it is not set. kSetting.
Result<std::optional<fs::path>> Named(const char* variable) {
  const auto text = Environment(variable);
  if (!text || text->empty()) return std::nullopt;
  fs::path path = *text;
  if (path.is_absolute() && Exists(path)) return path;
  return Fail(ErrorCode::kSetting,
              Cat(variable, " is '", *text, "'; it has to be the absolute path of a file"));
}

fs::path Directory(int kind) {
  const char* name = OPENSSL_info(kind);
  return name == nullptr ? fs::path() : fs::path(name);
}

// Beside openssl.cnf. Debian's directory has a link to that, and what is linked lies elsewhere.
std::vector<fs::path> ConfigurationPlaces() {
  const fs::path directory = Directory(OPENSSL_INFO_CONFIG_DIR);
  std::vector<fs::path> places = {directory / kConfigFile};
  std::error_code problem;
  const fs::path own = fs::canonical(directory / "openssl.cnf", problem);
  if (!problem && own.parent_path() != directory) {
    places.insert(places.begin(), own.parent_path() / kConfigFile);
  }
  return places;
}

// The loader maps a file that was cut short without a look at its length, and the process dies of
// it.
bool IsWholeLibrary(const fs::path& path) {
  std::error_code problem;
  const std::uintmax_t size = fs::file_size(path, problem);
  std::ifstream file(path, std::ios::binary);
  ElfW(Ehdr) header{};
  if (problem || !file.read(reinterpret_cast<char*>(&header), sizeof(header)) ||
      !std::equal(std::begin(header.e_ident), std::begin(header.e_ident) + SELFMAG, ELFMAG) ||
      header.e_phentsize != sizeof(ElfW(Phdr))) {
    return false;
  }
  file.seekg(static_cast<std::streamoff>(header.e_phoff));
  for (unsigned i = 0; i < header.e_phnum; ++i) {
    ElfW(Phdr) segment{};
    if (!file.read(reinterpret_cast<char*>(&segment), sizeof(segment))) return false;
    if (segment.p_offset > size || segment.p_filesz > size - segment.p_offset) return false;
  }
  return true;
}

std::string HowToInstall(const FipsFiles& files) {
  return Cat("run 'openssl fipsinstall -module ", files.module.native(), " -out ",
             files.configuration.native(), "'");
}

struct Entry {
  std::string name;
  std::string value;
};

// What goes into a configuration as text has to mean the same there.
bool IsPlain(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](unsigned char c) {
    return std::isalnum(c) != 0 ||
           std::string_view(":._-/, ").find(static_cast<char>(c)) != std::string_view::npos;
  });
}

// The section with the module's MAC, whatever its name: that can be chosen at the installation.
Result<std::vector<Entry>> ReadSettings(OSSL_LIB_CTX* context, const FipsFiles& files) {
  const ErrorMark errors;
  const ConfPtr conf(NCONF_new_ex(context, nullptr));
  OpensslLong line = 0;
  if (conf == nullptr || NCONF_load(conf.get(), files.configuration.c_str(), &line) != 1) {
    return errors.Fail(ErrorCode::kFipsModule,
                       Cat(files.configuration.native(), " cannot be read; ", HowToInstall(files)));
  }
  STACK_OF(OPENSSL_CSTRING)* const sections = NCONF_get_section_names(conf.get());
  std::vector<Entry> entries;
  for (int i = 0; i < sk_OPENSSL_CSTRING_num(sections) && entries.empty(); ++i) {
    const char* section = sk_OPENSSL_CSTRING_value(sections, i);
    if (NCONF_get_string(conf.get(), section, kMac) == nullptr) continue;
    const STACK_OF(CONF_VALUE)* const rows = NCONF_get_section(conf.get(), section);
    for (int j = 0; j < sk_CONF_VALUE_num(rows); ++j) {
      const CONF_VALUE* row = sk_CONF_VALUE_value(rows, j);
      entries.push_back({row->name, row->value});
    }
  }
  sk_OPENSSL_CSTRING_free(sections);
  const bool plain = std::ranges::all_of(
      entries, [](const Entry& entry) { return IsPlain(entry.name) && IsPlain(entry.value); });
  if (!entries.empty() && plain) return entries;
  return Fail(ErrorCode::kFipsModule,
              Cat(files.configuration.native(), entries.empty() ? " has no " : " is damaged: no ",
                  "section with a ", kMac, "; ", HowToInstall(files)));
}

// A configuration that names the module and its settings. Only so can they be handed over on
// OpenSSL 3.0; later versions have functions for it. The application's openssl.cnf has no part in
// it, and the module is not activated by it, so that its errors can be seen.
std::string ConfigurationFor(const FipsFiles& files, const std::vector<Entry>& settings) {
  constexpr auto kNotHandedOn = std::to_array<std::string_view>({"activate", "module", "identity"});
  std::string text =
      Cat("openssl_conf = init\n[init]\nproviders = list\n[list]\nfips = fips_sect\n[fips_sect]\n"
          "module = ",
          files.module.native(), "\n");
  for (const Entry& entry : settings) {
    if (std::ranges::find(kNotHandedOn, entry.name) != kNotHandedOn.end()) continue;
    text += Cat(entry.name, " = ", entry.value, "\n");
  }
  return text;
}

bool Configure(OSSL_LIB_CTX* context, const std::string& text) {
  const BioPtr in(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
  const ConfPtr conf(NCONF_new_ex(context, nullptr));
  return in != nullptr && conf != nullptr && NCONF_load_bio(conf.get(), in.get(), nullptr) == 1 &&
         CONF_modules_load(conf.get(), nullptr, 0) == 1;
}

}  // namespace

Result<std::optional<FipsFiles>> LocateFipsModule() {
  HSMCORE_TRY(const auto named_module, Named(kModuleSetting));
  HSMCORE_TRY(const auto named_config, Named(kConfigSetting));
  FipsFiles files;
  if (named_module) {
    files.module = *named_module;
  } else {
    // An application's OPENSSL_MODULES names its own directory: a module that is installed counts
    // beside it, so that no variable switches it off.
    const auto other = Environment("OPENSSL_MODULES");
    if (other) files.module = fs::path(*other) / kModuleFile;
    if (!other || !files.module.is_absolute() || !Exists(files.module)) {
      files.module = Directory(OPENSSL_INFO_MODULES_DIR) / kModuleFile;
    }
  }
  if (!Exists(files.module)) return std::nullopt;
  if (named_config) {
    files.configuration = *named_config;
  } else {
    const std::vector<fs::path> places = ConfigurationPlaces();
    const auto found = std::ranges::find_if(places, Exists);
    files.configuration = found == places.end() ? places.front() : *found;
  }
  return files;
}

Result<OSSL_PROVIDER*> LoadFipsModule(OSSL_LIB_CTX* context, const FipsFiles& files) {
  if (!Exists(files.configuration)) {
    return Fail(ErrorCode::kFipsModule,
                Cat(files.module.native(), " is there and not installed: there is no ",
                    files.configuration.native(), "; as root, ", HowToInstall(files)));
  }
  if (!IsPlain(files.module.native())) {
    return Fail(ErrorCode::kFipsModule, Cat("the path ", files.module.native(),
                                            " has characters that a configuration cannot take"));
  }
  HSMCORE_TRY(const std::vector<Entry> settings, ReadSettings(context, files));
  if (!IsWholeLibrary(files.module)) {
    return Fail(
        ErrorCode::kFipsModule,
        Cat(files.module.native(), " is no whole shared library; install the module again"));
  }
  const ErrorMark errors;
  OSSL_PROVIDER* provider = nullptr;
  if (Configure(context, ConfigurationFor(files, settings))) {
    provider = OSSL_PROVIDER_load(context, "fips");
  }
  if (provider != nullptr) return provider;
  const std::string_view reason = errors.Reason();
  return Fail(ErrorCode::kFipsModule,
              Cat(files.module.native(), " does not load or does not pass its self-test",
                  reason.empty() ? "" : " (", reason, reason.empty() ? "" : ")",
                  ": it is damaged, or another one than ", files.configuration.native(),
                  " was written for; after an update of OpenSSL, ", HowToInstall(files),
                  ", otherwise install the module again"));
}

}  // namespace hsmcore::crypto
