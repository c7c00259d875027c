// SPDX-License-Identifier: Apache-2.0
#ifndef TESTS_SUPPORT_FIPS_MODULE_H_
#define TESTS_SUPPORT_FIPS_MODULE_H_

#include <gtest/gtest.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>

#include "support/temporary_directory.h"

namespace hsmcore::test {

// What an administrator does once (`openssl fipsinstall`), for this process and its children. Where
// this system has no FIPS module there is nothing to do; a cluster in FIPS mode works with or
// without.
inline void InstallFipsModule() {
  if (getenv("HSM_FIPS_CONFIG") != nullptr) return;
  const std::unique_ptr<FILE, int (*)(FILE*)> said(popen("openssl version -m", "re"), pclose);
  std::array<char, 4096> line{};
  if (said == nullptr || fgets(line.data(), line.size(), said.get()) == nullptr) return;
  const std::string text = line.data();  // MODULESDIR: "/usr/lib/…/ossl-modules"
  const auto begin = text.find('"') + 1;
  const std::string module = text.substr(begin, text.rfind('"') - begin) + "/fips.so";
  if (!std::filesystem::exists(module)) return;
  static const TemporaryDirectory directory;
  const std::string file = directory.path() / "fipsmodule.cnf";
  const std::string command = "openssl fipsinstall -quiet -module " + module + " -out " + file;
  ASSERT_EQ(std::system(command.c_str()), 0) << command;
  setenv("HSM_FIPS_CONFIG", file.c_str(), 1);
}

}  // namespace hsmcore::test

#endif  // TESTS_SUPPORT_FIPS_MODULE_H_
