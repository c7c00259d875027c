// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "provider/provider_fixture.h"

namespace provider::test {
namespace {

using hsmcore::ErrorCode;

TEST_F(ProviderTest, StoreGivesThePrivateHalfOfEveryType) {
  const Library library;
  for (const char* label : {"rsa", "pss", "p256", "ed25519"}) {
    const Pkey key = Held(library, label);
    ASSERT_NE(key, nullptr) << label << ErrorDetails();
    EXPECT_EQ(ProviderOf(key.get()), "hsm");
  }
}

TEST_F(ProviderTest, StoreListsEachPairOnceAsAPrivateKey) {
  Key("p256");
  Key("ed25519");
  const Library library;
  EXPECT_EQ(library.List("hsm:"), (std::vector{OSSL_STORE_INFO_PKEY, OSSL_STORE_INFO_PKEY}));
  EXPECT_EQ(library.List("hsm:type=public"),
            (std::vector{OSSL_STORE_INFO_PUBKEY, OSSL_STORE_INFO_PUBKEY}));
  EXPECT_EQ(library.List("hsm:", OSSL_STORE_INFO_CERT), std::vector<int>{});
}

TEST_F(ProviderTest, StoreListsPublicKeysWithoutAPassword) {
  Key("p256");
  unsetenv("HSM_PIN");
  const Library library;
  EXPECT_EQ(library.List("hsm:"), std::vector{OSSL_STORE_INFO_PUBKEY});
}

TEST_F(ProviderTest, StoreListsAnImportedPublicKey) {
  Key("p256");
  auto user = cluster_.User();
  auto form = hsmcore::DefaultAttributes(hsmcore::KeyClass::kPublicKey);
  form.label = "alone";
  const auto info = Info("p256");
  ASSERT_TRUE(user->ImportPublic(info.public_part, form));
  const Library library;
  auto types = library.List("hsm:");
  std::ranges::sort(types);
  EXPECT_EQ(types, (std::vector{OSSL_STORE_INFO_PUBKEY, OSSL_STORE_INFO_PKEY}));
  EXPECT_NE(library.Load("hsm:alone"), nullptr) << ErrorDetails();
}

TEST_F(ProviderTest, StoreRefusesToChooseBetweenTwoKeys) {
  Key("p256");
  Key("p256");
  const Library library;
  EXPECT_EQ(library.Load("hsm:p256"), nullptr);
  EXPECT_EQ(HsmReasons(), std::vector{Reason(ErrorCode::kKeyAmbiguous)});
}

// A program that expects a key takes the first that it gets, so a listing must not give it one.
TEST_F(ProviderTest, StorePicksNoKeyForAUriThatNamesNone) {
  Key("p256");
  Key("ed25519");
  const Library library;
  for (const int expect : {OSSL_STORE_INFO_PKEY, OSSL_STORE_INFO_PUBKEY}) {
    for (const char* uri : {"hsm:", "hsm:user=app"}) {
      EXPECT_EQ(library.Load(uri, expect), nullptr) << uri;
      EXPECT_EQ(HsmReasons(), std::vector{Reason(ErrorCode::kKeyAmbiguous)}) << uri;
    }
  }
  EXPECT_EQ(library.Load("hsm:type=private", OSSL_STORE_INFO_PKEY), nullptr);
  const std::string details = ErrorDetails();
  for (const char* label : {"p256", "ed25519"}) {
    EXPECT_NE(details.find(Info(label).handle.ToString()), std::string::npos) << details;
  }
}

TEST_F(ProviderTest, StoreGivesTheOnlyKeyOrSaysThatThereIsNone) {
  const Library library;
  EXPECT_EQ(library.Load("hsm:", OSSL_STORE_INFO_PKEY), nullptr);
  EXPECT_EQ(HsmReasons(), std::vector{Reason(ErrorCode::kKeyNotFound)});
  Key("p256");
  const Pkey key = library.Load("hsm:", OSSL_STORE_INFO_PKEY);
  ASSERT_NE(key, nullptr) << ErrorDetails();
  EXPECT_EQ(EVP_PKEY_eq(key.get(), library.Load("hsm:p256").get()), 1);
  EXPECT_NE(library.Load("hsm:", OSSL_STORE_INFO_PUBKEY), nullptr) << ErrorDetails();
}

TEST_F(ProviderTest, StoreSaysThatAPublicKeyIsNoPrivateOne) {
  Key("p256");
  const Library library;
  for (const char* uri : {"hsm:p256;type=public", "hsm:type=public"}) {
    EXPECT_EQ(library.Load(uri, OSSL_STORE_INFO_PKEY), nullptr);
    EXPECT_EQ(HsmReasons(), std::vector{Reason(ErrorCode::kPublicKeyOnly)}) << uri;
  }
  EXPECT_NE(library.Load("hsm:p256;type=public", OSSL_STORE_INFO_PUBKEY), nullptr)
      << ErrorDetails();
}

TEST_F(ProviderTest, StoreFindsByHandleAndId) {
  Key("p256");
  const Library library;
  const std::string handle = Info("p256").handle.ToString();
  EXPECT_NE(library.Load("hsm:handle=" + handle), nullptr) << ErrorDetails();
  const Pkey named = library.Generate("EC", {"group=P-256", "hsm-label=two", "hsm-id=0a0b"});
  ASSERT_NE(named, nullptr) << ErrorDetails();
  EXPECT_NE(library.Load("hsm:id=%0a%0b"), nullptr) << ErrorDetails();
}

// Programs call load until eof says so: a failure must be seen as an error, and must end.
TEST_F(ProviderTest, StoreReportsAFailureOnceAndThenEnds) {
  const Library library;
  const Ptr<OSSL_STORE_CTX> store(OSSL_STORE_open_ex("hsm:nokey", library.get(), nullptr, nullptr,
                                                     nullptr, nullptr, nullptr, nullptr));
  ASSERT_NE(store, nullptr);
  EXPECT_EQ(OSSL_STORE_load(store.get()), nullptr);
  EXPECT_EQ(OSSL_STORE_error(store.get()), 1);
  EXPECT_EQ(OSSL_STORE_eof(store.get()), 0);
  EXPECT_EQ(HsmReasons().size(), 1U);
  EXPECT_EQ(OSSL_STORE_load(store.get()), nullptr);
  EXPECT_EQ(OSSL_STORE_eof(store.get()), 1);
  EXPECT_EQ(HsmReasons().size(), 0U);
}

TEST_F(ProviderTest, StoreRefusesASearchBySubject) {
  const Library library;
  const Ptr<OSSL_STORE_CTX> store(OSSL_STORE_open_ex("hsm:", library.get(), nullptr, nullptr,
                                                     nullptr, nullptr, nullptr, nullptr));
  ASSERT_NE(store, nullptr);
  X509_NAME* name = X509_NAME_new();
  OSSL_STORE_SEARCH* search = OSSL_STORE_SEARCH_by_name(name);
  EXPECT_EQ(OSSL_STORE_find(store.get(), search), 0);
  EXPECT_EQ(HsmReasons(), std::vector{Reason(ErrorCode::kNotSupported)});
  OSSL_STORE_SEARCH_free(search);
  X509_NAME_free(name);
}

}  // namespace
}  // namespace provider::test
