// SPDX-License-Identifier: Apache-2.0
#include "crypto/fips_module.h"

#include <gtest/gtest.h>
#include <openssl/crypto.h>
#include <stdlib.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "crypto/asymmetric_key.h"
#include "crypto/secret_key.h"
#include "crypto/self_test.h"
#include "crypto/symmetric.h"
#include "hsmcore/crypto/default_provider.h"

namespace hsmcore::crypto {
namespace {

namespace fs = std::filesystem;

// The module of this machine, installed for the test into files of its own.
class FipsModuleTest : public testing::Test {
 protected:
  FipsModuleTest() {
    std::string pattern = (fs::temp_directory_path() / "fips-XXXXXX").string();
    directory_ = mkdtemp(pattern.data());
  }
  ~FipsModuleTest() override {
    unsetenv("HSM_FIPS_MODULE");
    unsetenv("HSM_FIPS_CONFIG");
    fs::remove_all(directory_);
  }
  FipsModuleTest(const FipsModuleTest&) = delete;
  FipsModuleTest& operator=(const FipsModuleTest&) = delete;

  fs::path module() const { return directory_ / "fips.so"; }
  fs::path configuration() const { return directory_ / "fipsmodule.cnf"; }

  static fs::path Installed() {
    return fs::path(OPENSSL_info(OPENSSL_INFO_MODULES_DIR)) / "fips.so";
  }

  // False: this OpenSSL has no module.
  bool Install() const {
    if (!fs::exists(Installed())) return false;
    fs::copy_file(Installed(), module());
    const std::string command = "openssl fipsinstall -quiet -module " + module().string() +
                                " -out " + configuration().string() + " >/dev/null 2>&1";
    EXPECT_EQ(std::system(command.c_str()), 0);
    Name();
    return true;
  }
  void Name() const {
    setenv("HSM_FIPS_MODULE", module().c_str(), 1);
    setenv("HSM_FIPS_CONFIG", configuration().c_str(), 1);
  }
  static void Write(const fs::path& path, const std::string& text) { std::ofstream(path) << text; }

  // What loading it into a context of its own says; empty: it loads.
  static std::string Loading() {
    const auto files = LocateFipsModule();
    if (!files) return files.error().Message();
    EXPECT_TRUE(files->has_value());
    OSSL_LIB_CTX* context = OSSL_LIB_CTX_new();
    const auto provider = LoadFipsModule(context, **files);
    if (provider) OSSL_PROVIDER_unload(*provider);
    OSSL_LIB_CTX_free(context);
    if (provider) return {};
    EXPECT_EQ(provider.error().code(), ErrorCode::kFipsModule);
    return provider.error().detail();
  }

 private:
  fs::path directory_;
};

void ExpectHas(const std::string& text, std::initializer_list<std::string_view> parts) {
  for (const std::string_view part : parts) {
    EXPECT_NE(text.find(part), std::string::npos) << part << " is not in: " << text;
  }
}

TEST_F(FipsModuleTest, SettingsHaveToNameFiles) {
  for (const char* variable : {"HSM_FIPS_MODULE", "HSM_FIPS_CONFIG"}) {
    for (const char* value : {"/nonexistent/fips.so", "fips.so"}) {
      setenv(variable, value, 1);
      const auto found = LocateFipsModule();
      ASSERT_FALSE(found) << value;
      EXPECT_EQ(found.error().code(), ErrorCode::kSetting);
      ExpectHas(found.error().detail(), {variable, value, "absolute"});
    }
    unsetenv(variable);
  }
}

TEST_F(FipsModuleTest, WithoutConfigurationTheErrorSaysHowToMakeIt) {
  Write(module(), "no module");
  setenv("HSM_FIPS_MODULE", module().c_str(), 1);
  const auto files = LocateFipsModule();
  ASSERT_TRUE(files && *files);
  if (fs::exists((*files)->configuration)) GTEST_SKIP() << "this machine has its own";
  ExpectHas(Loading(), {"not installed", "openssl fipsinstall -module " + module().string()});
}

TEST_F(FipsModuleTest, NoModuleAtAll) {
  Write(module(), "no module");
  Write(configuration(), "[fips_sect]\nmodule-mac = 00:11\n");
  Name();
  ExpectHas(Loading(), {module().string(), "no whole shared library", "again"});
}

TEST_F(FipsModuleTest, ConfigurationsThatAreNone) {
  Write(module(), "no module");
  Name();
  for (const char* text : {"", "[fips_sect]\nactivate = 1\n", "[", "[a]\nmodule-mac = \"x;y\"\n"}) {
    Write(configuration(), text);
    ExpectHas(Loading(), {configuration().string(), "fipsinstall"});
  }
}

TEST_F(FipsModuleTest, Loads) {
  if (!Install()) GTEST_SKIP() << "no FIPS module in this OpenSSL";
  EXPECT_EQ(Loading(), "");
}

TEST_F(FipsModuleTest, IsRefusedWithAnotherMac) {
  if (!Install()) GTEST_SKIP() << "no FIPS module in this OpenSSL";
  Write(configuration(), "[any_name]\nmodule-mac = 00:11:22\n");
  ExpectHas(Loading(), {"does not pass its self-test", "fipsinstall"});
}

TEST_F(FipsModuleTest, IsRefusedWhenItWasChanged) {
  if (!Install()) GTEST_SKIP() << "no FIPS module in this OpenSSL";
  std::ofstream(module(), std::ios::app) << 'x';
  ExpectHas(Loading(), {"does not pass its self-test", "fipsinstall"});
}

TEST_F(FipsModuleTest, IsRefusedWhenItWasCutShort) {
  if (!Install()) GTEST_SKIP() << "no FIPS module in this OpenSSL";
  fs::resize_file(module(), fs::file_size(module()) / 2);
  ExpectHas(Loading(), {"no whole shared library", "install the module again"});
}

// The rest works with the module, which stays in the process.
TEST_F(FipsModuleTest, TheLibraryHasItAndNothingElse) {
  if (!Install()) GTEST_SKIP() << "no FIPS module in this OpenSSL";
  const LibraryPtr library = Library::Acquire(LibraryKind::kFips).value();
  EXPECT_EQ(library->kind(), LibraryKind::kFips);
  EXPECT_EQ(OSSL_PROVIDER_available(library->context(), "fips"), 1);
  EXPECT_EQ(OSSL_PROVIDER_available(library->context(), "default"), 0);
  EXPECT_EQ(library->ProviderName().rfind("OpenSSL FIPS Provider ", 0), 0U);
  EXPECT_NE(library, Library::Acquire().value());
  EXPECT_EQ(OSSL_PROVIDER_available(nullptr, "fips"), 0);  // the application's context
  EXPECT_EQ(KindFor(ClusterMode::kFips).value(), LibraryKind::kFips);
  EXPECT_EQ(KindFor(ClusterMode::kNonFips).value(), LibraryKind::kDefault);
  EXPECT_EQ(FindFipsModule().Summary(), library->ProviderName());
  const Status passed = RunSelfTests(LibraryKind::kFips);
  EXPECT_TRUE(passed) << passed.error().Message();
}

TEST_F(FipsModuleTest, KeysWorkInIt) {
  if (!Install()) GTEST_SKIP() << "no FIPS module in this OpenSSL";
  for (const KeyType type : {KeyType::kRsa, KeyType::kRsaPss, KeyType::kEc}) {
    KeySpec spec;
    spec.type = type;
    const auto pair = GeneratePair(spec, LibraryKind::kFips);
    ASSERT_TRUE(pair) << pair.error().Message();
    const auto key = AsymmetricKey::FromPair(*pair, true, LibraryKind::kFips);
    ASSERT_TRUE(key) << key.error().Message();
    EXPECT_EQ((*key)->library().kind(), LibraryKind::kFips);
  }
  const auto value = GenerateSecret(KeyType::kAes, 32, LibraryKind::kFips);
  ASSERT_TRUE(value) << value.error().Message();
  EXPECT_EQ(*FactsOf(KeyType::kAes, *value, LibraryKind::kFips), *FactsOf(KeyType::kAes, *value));
  const SecretBytes des3 = GenerateSecret(KeyType::kDes3, 24).value();
  EXPECT_EQ(*FactsOf(KeyType::kDes3, des3, LibraryKind::kFips), *FactsOf(KeyType::kDes3, des3));
  SymmetricMechanism cbc;
  cbc.kind = SymmetricMechanism::Kind::kCbc;
  cbc.nonce = Bytes(8);
  const auto decrypt = NewCipherStream(
      SecretKey::From(KeyType::kDes3, des3, LibraryKind::kFips).value(), cbc, Direction::kDecrypt);
  EXPECT_TRUE(decrypt) << decrypt.error().Message();
}

TEST_F(FipsModuleTest, WhatItLacksHasAClearError) {
  if (!Install()) GTEST_SKIP() << "no FIPS module in this OpenSSL";
  KeySpec spec;
  spec.type = KeyType::kEc;
  spec.curve = Curve::kSecp256k1;
  const auto pair = GeneratePair(spec, LibraryKind::kFips);
  ASSERT_FALSE(pair);
  ExpectHas(pair.error().detail(), {"secp256k1", "FIPS module"});
  const auto chacha = SecretKey::From(KeyType::kChaCha20, SecretBytes(32), LibraryKind::kFips);
  ASSERT_TRUE(chacha);
  SymmetricMechanism mechanism;
  mechanism.kind = SymmetricMechanism::Kind::kChaCha20Poly1305;
  mechanism.nonce = Bytes(12);
  const auto stream = NewCipherStream(*chacha, mechanism, Direction::kEncrypt);
  ASSERT_FALSE(stream);
  ExpectHas(stream.error().detail(), {"FIPS module"});
}

}  // namespace
}  // namespace hsmcore::crypto
