// SPDX-License-Identifier: Apache-2.0
#include "crypto/library.h"

#include <gtest/gtest.h>
#include <openssl/conf.h>
#include <openssl/core_dispatch.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/rand.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <semaphore>
#include <string_view>
#include <thread>
#include <vector>

#include "hsmcore/crypto/default_provider.h"

namespace hsmcore::crypto {
namespace {

bool Draw(const Library& library) {
  const LibraryScope scope(library);
  std::array<unsigned char, 16> bytes{};
  return RAND_priv_bytes_ex(library.context(), bytes.data(), bytes.size(), 0) == 1;
}

TEST(LibraryTest, EverybodySharesOne) {
  const LibraryPtr first = Library::Acquire().value();
  const LibraryPtr second = Library::Acquire().value();
  EXPECT_EQ(first.get(), second.get());
  std::array<const Library*, 8> seen{};
  {
    std::vector<std::jthread> threads;
    for (auto& mine : seen) {
      threads.emplace_back([&mine] { mine = Library::Acquire().value().get(); });
    }
  }
  for (const Library* mine : seen) EXPECT_EQ(mine, first.get());
}

TEST(LibraryTest, HasTheDefaultProviderAndNothingElse) {
  const LibraryPtr library = Library::Acquire().value();
  EXPECT_EQ(OSSL_PROVIDER_available(library->context(), "default"), 1);
  std::vector<std::string> names;
  OSSL_PROVIDER_do_all(
      library->context(),
      [](OSSL_PROVIDER* provider, void* list) {
        static_cast<std::vector<std::string>*>(list)->emplace_back(
            OSSL_PROVIDER_get0_name(provider));
        return 1;
      },
      &names);
  EXPECT_EQ(names, std::vector<std::string>{"default"});
}

TEST(LibraryTest, FetchesEveryDigestOnce) {
  const LibraryPtr library = Library::Acquire().value();
  for (const DigestRow& row : AllDigests()) {
    if (row.digest == Digest::kNone) continue;
    const EVP_MD* md = library->Fetch(row.digest).value();
    EXPECT_EQ(static_cast<std::size_t>(EVP_MD_get_size(md)), row.size) << row.name;
    EXPECT_EQ(library->Fetch(row.digest).value(), md);
  }
  EXPECT_EQ(CodeOf(library->Fetch(Digest::kNone)), ErrorCode::kDigest);
}

// OpenSSL looks into the context when a thread ends that drew random numbers in it.
TEST(LibraryTest, AThreadMayOutliveTheLastUser) {
  std::binary_semaphore drawn(0);
  std::binary_semaphore released(0);
  LibraryPtr library = Library::Acquire().value();
  std::thread thread([&, raw = library.get()] {
    EXPECT_TRUE(Draw(*raw));
    drawn.release();
    released.acquire();
  });
  drawn.acquire();
  library.reset();
  released.release();
  thread.join();
  EXPECT_TRUE(Draw(*Library::Acquire().value()));
}

TEST(LibraryTest, ErrorMarkRestoresTheQueue) {
  ERR_clear_error();
  {
    const ErrorMark outer;
    ERR_raise(ERR_LIB_USER, 5);
    const ErrorMark inner;
    EXPECT_EQ(inner.Reason(), "");
    ERR_raise(ERR_LIB_EVP, ERR_R_MALLOC_FAILURE);
    EXPECT_EQ(inner.Reason(), "malloc failure");
    EXPECT_EQ(inner.Fail(ErrorCode::kCryptoFailure, "here").error().detail(),
              "here: malloc failure");
  }
  EXPECT_EQ(ERR_peek_error(), 0UL);
}

// A provider of the application's context that holds the last reference, as hsm.so does.
void Teardown(void* context) {
  delete static_cast<KeyRef*>(context);
  std::fputs("torn down", stderr);
}

const std::array kDispatch = {
    OSSL_DISPATCH{OSSL_FUNC_PROVIDER_TEARDOWN, reinterpret_cast<void (*)()>(Teardown)},
    OSSL_DISPATCH{0, nullptr}};

int InitProvider(const OSSL_CORE_HANDLE*, const OSSL_DISPATCH*, const OSSL_DISPATCH** out,
                 void** context) {
  KeySpec spec;
  spec.type = KeyType::kEc;
  auto key = AsymmetricKey::FromPair(GeneratePair(spec).value(), true).value();
  if (!Sign(key, {.kind = SignMechanism::Kind::kEcdsa}, Bytes(32))) return 0;
  *context = new KeyRef(std::move(key));
  *out = kDispatch.data();
  return 1;
}

// Only what a configuration loads is torn down by OPENSSL_cleanup().
bool LoadByConfiguration() {
  constexpr std::string_view kText =
      "openssl_conf = init\n[init]\nproviders = list\n[list]\nholder = holder\n"
      "[holder]\nactivate = 1\n";
  BIO* text = BIO_new_mem_buf(kText.data(), static_cast<int>(kText.size()));
  CONF* configuration = NCONF_new(nullptr);
  const bool good = OSSL_PROVIDER_add_builtin(nullptr, "holder", InitProvider) == 1 &&
                    NCONF_load_bio(configuration, text, nullptr) == 1 &&
                    CONF_modules_load(configuration, nullptr, 0) == 1;
  NCONF_free(configuration);
  BIO_free(text);
  return good;
}

[[noreturn]] void ExitWithLoadedProvider(bool used_by_a_thread) {
  if (!LoadByConfiguration()) _exit(1);
  if (used_by_a_thread) std::thread([] { Draw(*Library::Acquire().value()); }).join();
  std::exit(0);
}

TEST(LibraryDeathTest, TheLastReferenceMayGoInOpensslCleanup) {
  EXPECT_EXIT(ExitWithLoadedProvider(false), ::testing::ExitedWithCode(0), "torn down");
  EXPECT_EXIT(ExitWithLoadedProvider(true), ::testing::ExitedWithCode(0), "torn down");
}

}  // namespace
}  // namespace hsmcore::crypto
