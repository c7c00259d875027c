// SPDX-License-Identifier: Apache-2.0
// Random generators: forwarded ones, and a library context that draws from nothing else.
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <sys/wait.h>
#include <unistd.h>

#include <barrier>
#include <semaphore>
#include <set>
#include <thread>

#include "provider/forwarded_support.h"

namespace provider::test {
namespace {

struct RandCtxFree {
  void operator()(EVP_RAND_CTX* context) const { EVP_RAND_CTX_free(context); }
};
using RandCtx = std::unique_ptr<EVP_RAND_CTX, RandCtxFree>;

constexpr unsigned kStrength = 256;

RandCtx NewContext(const Library& library, const char* name, const char* query,
                   EVP_RAND_CTX* parent) {
  return RandCtx(EVP_RAND_CTX_new(Fetch<EVP_RAND>(library, name, query).get(), parent));
}

// A generator that is seeded with what the test says, and its output.
std::optional<Bytes> Draw(const Library& library, const char* name, const char* query,
                          const Bytes& entropy, const Bytes& nonce, Params settings) {
  const RandCtx seed = NewContext(library, "TEST-RAND", query, nullptr);
  Params source;
  source.Octets(OSSL_RAND_PARAM_TEST_ENTROPY, entropy)
      .Octets(OSSL_RAND_PARAM_TEST_NONCE, nonce)
      .Number(OSSL_RAND_PARAM_STRENGTH, kStrength);
  if (EVP_RAND_instantiate(seed.get(), kStrength, 0, nullptr, 0, source.get()) != 1) {
    return std::nullopt;
  }
  const RandCtx drbg = NewContext(library, name, query, seed.get());
  Bytes out(300);
  if (EVP_RAND_instantiate(drbg.get(), kStrength, 0, entropy.data(), 7, settings.get()) != 1 ||
      EVP_RAND_generate(drbg.get(), out.data(), out.size(), kStrength, 0, nonce.data(), 5) != 1) {
    return std::nullopt;
  }
  return out;
}

TEST(ForwardedRand, GeneratorsAgreeWithDefault) {
  const Library library;
  Random random;
  SCOPED_TRACE(random.Trace());
  const Bytes entropy = random(200);
  const Bytes nonce = random(32);
  const auto expect_same = [&](const char* name, const Params& settings) {
    const auto drawn = Draw(library, name, kHsm, entropy, nonce, settings);
    EXPECT_TRUE(drawn) << name << ErrorDetails();
    EXPECT_EQ(drawn, Draw(library, name, kDefault, entropy, nonce, settings)) << name;
  };
  expect_same("CTR-DRBG", Params().Text(OSSL_DRBG_PARAM_CIPHER, "AES-256-CTR"));
  expect_same("HASH-DRBG", Params().Text(OSSL_DRBG_PARAM_DIGEST, "SHA2-512"));
  expect_same("HMAC-DRBG",
              Params().Text(OSSL_DRBG_PARAM_DIGEST, "SHA2-512").Text(OSSL_DRBG_PARAM_MAC, "HMAC"));
}

TEST(ForwardedRand, TheSeedSourceGivesFreshSeed) {
  const Library library;
  const RandCtx source = NewContext(library, "SEED-SRC", kHsm, nullptr);
  ASSERT_EQ(EVP_RAND_instantiate(source.get(), kStrength, 0, nullptr, 0, nullptr), 1);
  std::set<Bytes> seeds;
  for (int i = 0; i < 10; ++i) {
    Bytes seed(48);
    ASSERT_EQ(EVP_RAND_generate(source.get(), seed.data(), seed.size(), kStrength, 0, nullptr, 0),
              1)
        << ErrorDetails();
    seeds.insert(seed);
  }
  EXPECT_EQ(seeds.size(), 10U);
}

// ---- The generators of a library context, as applications draw ----

std::unique_ptr<Library> DrawingFromHsm(const char* query) {
  auto library = std::make_unique<Library>();
  EXPECT_EQ(RAND_set_DRBG_type(library->get(), "CTR-DRBG", query, "AES-256-CTR", nullptr), 1);
  EXPECT_EQ(RAND_set_seed_source_type(library->get(), "SEED-SRC", query), 1);
  return library;
}

Bytes DrawPublic(const Library& library) {
  Bytes bytes(32);
  EXPECT_EQ(RAND_bytes_ex(library.get(), bytes.data(), bytes.size(), kStrength), 1)
      << ErrorDetails();
  return bytes;
}
Bytes DrawPrivate(const Library& library) {
  Bytes bytes(32);
  EXPECT_EQ(RAND_priv_bytes_ex(library.get(), bytes.data(), bytes.size(), kStrength), 1);
  return bytes;
}

std::string ProviderOf(EVP_RAND_CTX* context) {
  return OSSL_PROVIDER_get0_name(EVP_RAND_get0_provider(EVP_RAND_CTX_get0_rand(context)));
}

class RandQuery : public testing::TestWithParam<const char*> {};

TEST_P(RandQuery, ServesALibraryContext) {
  const auto library = DrawingFromHsm(GetParam());
  EXPECT_EQ(ProviderOf(RAND_get0_primary(library->get())), "hsm");
  EXPECT_EQ(ProviderOf(RAND_get0_public(library->get())), "hsm");
  EXPECT_EQ(ProviderOf(RAND_get0_private(library->get())), "hsm");
  std::set<Bytes> drawn;
  for (int i = 0; i < 100; ++i) {
    drawn.insert(DrawPublic(*library));
    drawn.insert(DrawPrivate(*library));
  }
  EXPECT_EQ(drawn.size(), 200U);
}

INSTANTIATE_TEST_SUITE_P(Queries, RandQuery, testing::Values("provider=hsm", "?provider=hsm"));

Bytes FromChild(const Library& library) {
  std::array<int, 2> pipe{};
  EXPECT_EQ(::pipe(pipe.data()), 0);
  const pid_t child = fork();
  if (child == 0) {
    const Bytes bytes = DrawPublic(library);
    _exit(write(pipe[1], bytes.data(), bytes.size()) == 32 ? 0 : 1);
  }
  close(pipe[1]);
  Bytes bytes(32);
  EXPECT_EQ(read(pipe[0], bytes.data(), bytes.size()), 32);
  close(pipe[0]);
  int status = 1;
  waitpid(child, &status, 0);
  EXPECT_EQ(status, 0);
  return bytes;
}

TEST(ForwardedRand, ForksDrawApart) {
  const auto library = DrawingFromHsm(kHsm);
  std::set<Bytes> drawn = {DrawPublic(*library)};
  for (int i = 0; i < 5; ++i) {
    drawn.insert(FromChild(*library));
    drawn.insert(DrawPublic(*library));
  }
  EXPECT_EQ(drawn.size(), 11U);
}

TEST(ForwardedRand, ThreadsDrawApart) {
  const auto library = DrawingFromHsm(kHsm);
  std::array<std::vector<Bytes>, 8> drawn;
  {
    std::barrier start(8);
    std::vector<std::jthread> threads;
    for (auto& mine : drawn) {
      threads.emplace_back([&] {
        start.arrive_and_wait();
        for (int i = 0; i < 100; ++i) mine.push_back(DrawPublic(*library));
        mine.push_back(DrawPrivate(*library));
      });
    }
  }
  std::set<Bytes> all;
  for (const auto& mine : drawn) all.insert(mine.begin(), mine.end());
  EXPECT_EQ(all.size(), 8U * 101);
}

TEST(ForwardedRand, GoesOnAfterTheProviderWasReloaded) {
  const auto library = DrawingFromHsm(kHsm);
  std::set<Bytes> drawn;
  for (int i = 0; i < 3; ++i) {
    drawn.insert(DrawPublic(*library));
    library->Reload();
    drawn.insert(DrawPublic(*library));
  }
  EXPECT_EQ(drawn.size(), 6U);
}

// Triple-DES key wrapping draws its IV in the core's private context, by whatever thread.
TEST(ForwardedRand, AThreadThatDrewInsideMayOutliveTheProvider) {
  std::binary_semaphore drawn(0);
  std::binary_semaphore gone(0);
  auto library = std::make_unique<Library>();
  const Bytes key = Random()(24);
  std::jthread thread([&] {
    EVP_CIPHER_CTX* context = EVP_CIPHER_CTX_new();
    EVP_CIPHER_CTX_set_flags(context, EVP_CIPHER_CTX_FLAG_WRAP_ALLOW);
    const auto cipher = Fetch<EVP_CIPHER>(*library, "DES3-WRAP", kHsm);
    Bytes out(64);
    int size = 0;
    EXPECT_EQ(EVP_EncryptInit_ex2(context, cipher.get(), key.data(), nullptr, nullptr), 1);
    EXPECT_EQ(EVP_EncryptUpdate(context, out.data(), &size, key.data(), 24), 1);
    EVP_CIPHER_CTX_free(context);
    drawn.release();
    gone.acquire();
  });
  drawn.acquire();
  library.reset();
  gone.release();
  thread.join();
  EXPECT_EQ(DrawPublic(*DrawingFromHsm(kHsm)).size(), 32U);
}

}  // namespace
}  // namespace provider::test
