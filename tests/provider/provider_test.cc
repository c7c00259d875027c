// SPDX-License-Identifier: Apache-2.0
#include <dlfcn.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/params.h>

#include <array>
#include <barrier>
#include <set>
#include <thread>

#include "provider/provider_fixture.h"

namespace provider::test {
namespace {

OSSL_PROVIDER* LoadHsm(OSSL_LIB_CTX* context) {
  OSSL_PROVIDER_set_default_search_path(context, HSM_MODULE_DIR);
  return OSSL_PROVIDER_load(context, "hsm");
}

TEST(ProviderWithoutHome, TellsItsNameVersionAndStatus) {
  setenv("HSM_HOME", "/nonexistent/hsm", 1);
  const Ptr<OSSL_LIB_CTX> context(OSSL_LIB_CTX_new());
  const Ptr<OSSL_PROVIDER> hsm(LoadHsm(context.get()));
  ASSERT_NE(hsm, nullptr);
  const char* name = nullptr;
  const char* version = nullptr;
  const char* build = nullptr;
  int status = 0;
  std::array<OSSL_PARAM, 5> params = {
      OSSL_PARAM_construct_utf8_ptr(OSSL_PROV_PARAM_NAME, const_cast<char**>(&name), 0),
      OSSL_PARAM_construct_utf8_ptr(OSSL_PROV_PARAM_VERSION, const_cast<char**>(&version), 0),
      OSSL_PARAM_construct_utf8_ptr(OSSL_PROV_PARAM_BUILDINFO, const_cast<char**>(&build), 0),
      OSSL_PARAM_construct_int(OSSL_PROV_PARAM_STATUS, &status), OSSL_PARAM_construct_end()};
  ASSERT_EQ(OSSL_PROVIDER_get_params(hsm.get(), params.data()), 1);
  EXPECT_STREQ(name, "HSM provider");
  EXPECT_NE(version, nullptr);
  EXPECT_NE(build, nullptr);
  EXPECT_EQ(status, 1);
  unsetenv("HSM_HOME");
}

TEST(ProviderWithoutHome, SaysWhichHomeIsMissing) {
  setenv("HSM_HOME", "/nonexistent/hsm", 1);
  const Library library;
  EXPECT_EQ(library.Load("hsm:any"), nullptr);
  const std::string details = ErrorDetails();
  EXPECT_NE(details.find("/nonexistent/hsm"), std::string::npos) << details;
  EXPECT_NE(details.find("cluster create"), std::string::npos) << details;
  unsetenv("HSM_HOME");
}

TEST(ProviderModule, ExportsOneSymbol) {
  void* module = dlopen(HSM_MODULE_DIR "/hsm.so", RTLD_NOW | RTLD_LOCAL);
  ASSERT_NE(module, nullptr) << dlerror();
  EXPECT_NE(dlsym(module, "OSSL_provider_init"), nullptr);
  EXPECT_EQ(dlsym(module, "_ZN7hsmcore13AllAttributesEv"), nullptr);
  dlclose(module);
}

TEST(ProviderModule, HasATextForEveryErrorCode) {
  const Library library;
  EXPECT_EQ(library.Load("hsm:a;a"), nullptr);  // puts the provider's library number into the queue
  const int number = ERR_GET_LIB(ERR_peek_last_error());
  ERR_clear_error();
  for (const auto& row : hsmcore::AllErrors()) {
    const char* text = ERR_reason_error_string(ERR_PACK(number, 0, static_cast<int>(row.code)));
    ASSERT_NE(text, nullptr) << row.text;
    EXPECT_STREQ(text, row.text);
  }
}

// What the algorithm tables promise can be fetched.
TEST(ProviderModule, OffersEveryRowByName) {
  const Library library;
  for (const char* name : {"RSA", "rsaEncryption", "1.2.840.113549.1.1.1", "RSA-PSS", "EC",
                           "id-ecPublicKey", "ED25519", "1.3.101.112"}) {
    EVP_KEYMGMT* keymgmt = EVP_KEYMGMT_fetch(library.get(), name, "provider=hsm");
    EXPECT_NE(keymgmt, nullptr) << name;
    EVP_KEYMGMT_free(keymgmt);
  }
  for (const char* name : {"RSA", "ECDSA", "ED25519"}) {
    EVP_SIGNATURE* signature = EVP_SIGNATURE_fetch(library.get(), name, "provider=hsm");
    EXPECT_NE(signature, nullptr) << name;
    EVP_SIGNATURE_free(signature);
  }
  EXPECT_EQ(EVP_KEYMGMT_fetch(library.get(), "RSA", "provider=hsm,fips=yes"), nullptr);
}

class ProviderOrder : public ProviderTest,
                      public testing::WithParamInterface<std::tuple<Library::Order, const char*>> {
};

TEST_P(ProviderOrder, KeysWorkWhereTheyLive) {
  Key("p256");
  Library library(std::get<0>(GetParam()));
  library.SetDefaultProperties(std::get<1>(GetParam()));
  const Pkey key = library.Load("hsm:p256");
  ASSERT_NE(key, nullptr) << ErrorDetails();
  EXPECT_EQ(ProviderOf(key.get()), "hsm");
  EXPECT_TRUE(Signs(library, key.get())) << ErrorDetails();
}

INSTANTIATE_TEST_SUITE_P(
    OrdersAndQueries, ProviderOrder,
    testing::Combine(testing::Values(Library::Order::kDefaultFirst, Library::Order::kHsmFirst),
                     testing::Values("", "?provider=hsm", "?provider=default", "provider=hsm")));

TEST_F(ProviderTest, SurvivesUnloadAndReload) {
  Key("p256");
  Library library;
  for (int round = 0; round < 3; ++round) {
    EXPECT_NE(library.Load("hsm:p256"), nullptr) << ErrorDetails();
    library.Reload();
  }
}

TEST_F(ProviderTest, SignsAfterUnloadAndReloadWithKeysOldAndNew) {
  Library library;
  const Pkey held = Held(library, "p256");
  ASSERT_TRUE(Signs(library, held.get())) << ErrorDetails();
  library.Reload();
  const Pkey fresh = library.Load("hsm:p256");
  ASSERT_NE(fresh, nullptr) << ErrorDetails();
  EXPECT_TRUE(Signs(library, fresh.get())) << ErrorDetails();
  EXPECT_TRUE(Signs(library, held.get())) << ErrorDetails();
}

// A host may close the module while threads that used it are still to end.
TEST_F(ProviderTest, SurvivesDlcloseAfterUse) {
  Key("p256");
  void* module = dlopen(HSM_MODULE_DIR "/hsm.so", RTLD_NOW | RTLD_LOCAL);
  ASSERT_NE(module, nullptr) << dlerror();
  std::barrier used(2);
  std::barrier closed(2);
  bool signs = false;
  std::jthread thread([&] {
    {
      const Library library;
      const Pkey key = library.Load("hsm:p256");
      signs = key != nullptr && Signs(library, key.get());
    }
    used.arrive_and_wait();
    closed.arrive_and_wait();
  });
  used.arrive_and_wait();
  EXPECT_TRUE(signs);
  EXPECT_EQ(dlclose(module), 0);
  closed.arrive_and_wait();
  thread.join();
  const Library again;
  const Pkey key = again.Load("hsm:p256");
  ASSERT_NE(key, nullptr) << ErrorDetails();
  EXPECT_TRUE(Signs(again, key.get())) << ErrorDetails();
}

TEST_F(ProviderTest, ServesTwoLibraryContexts) {
  Key("p256");
  const Library one;
  const Library two(Library::Order::kHsmFirst);
  const Pkey a = one.Load("hsm:p256");
  const Pkey b = two.Load("hsm:p256");
  ASSERT_NE(a, nullptr);
  ASSERT_NE(b, nullptr);
  EXPECT_EQ(EVP_PKEY_eq(a.get(), b.get()), 1);
}

}  // namespace
}  // namespace provider::test
