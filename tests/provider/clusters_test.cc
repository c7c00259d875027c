// SPDX-License-Identifier: Apache-2.0
// Several clusters in one process: threads, forked workers, and one of them in trouble.
#include <openssl/err.h>
#include <unistd.h>

#include <atomic>
#include <barrier>
#include <filesystem>
#include <fstream>
#include <thread>

#include "provider/provider_fixture.h"

namespace provider::test {
namespace {

using hsmcore::ErrorCode;

constexpr const char* kDefaultKey = "hsm:p256";
constexpr const char* kOtherKey = "hsm:p256;cluster=other";

// A second cluster, "other" in the list, with a key of the same label as one in the first.
class ClustersTest : public ProviderTest {
 protected:
  ClustersTest() {
    Key("p256");
    hsmcore::KeyTemplate form;
    for (auto* half : {&form.private_half, &form.public_half}) half->label = "p256";
    form.private_half.flags.Set(hsmcore::Attribute::kSign, true);
    form.public_half.flags.Set(hsmcore::Attribute::kVerify, true);
    const auto made = other_.User()->Generate(hsmcore::test::SpecOf(hsmcore::KeyType::kEc), form);
    if (!made) ADD_FAILURE() << made.error().Message();
    const auto list = directory_.path() / "hsm.cnf";
    std::ofstream(list) << "clusters = other\n[other]\nhome = " << other_.home().native() << "\n";
    setenv("HSM_CONFIG", list.c_str(), 1);
  }
  ~ClustersTest() override { unsetenv("HSM_CONFIG"); }

  hsmcore::test::TestCluster other_{1};
  hsmcore::test::TemporaryDirectory directory_;
};

TEST_F(ClustersTest, OneLabelIsAKeyInEach) {
  const Library library;
  const Pkey first = library.Load(kDefaultKey);
  const Pkey second = library.Load(kOtherKey);
  ASSERT_NE(first, nullptr) << ErrorDetails();
  ASSERT_NE(second, nullptr) << ErrorDetails();
  EXPECT_NE(EVP_PKEY_eq(first.get(), second.get()), 1);
  EXPECT_TRUE(Signs(library, first.get()));
  EXPECT_TRUE(Signs(library, second.get()));
}

TEST_F(ClustersTest, EightThreadsOpenBothAtOnce) {
  const Library library;
  std::atomic<int> signatures = 0;
  std::barrier start(8);
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 8; ++i) {
      threads.emplace_back([&, i] {
        start.arrive_and_wait();
        for (int k = 0; k < 10; ++k) {
          const Pkey key = library.Load((i + k) % 2 == 0 ? kDefaultKey : kOtherKey);
          if (key != nullptr && Signs(library, key.get())) ++signatures;
        }
      });
    }
  }
  EXPECT_EQ(signatures, 80);
}

// Without environment, and without any right to either home.
TEST_F(ClustersTest, AForkedWorkerUsesLoadedKeysOfBoth) {
  const Library library;
  const Pkey first = library.Load(kDefaultKey);
  const Pkey second = library.Load(kOtherKey);
  ASSERT_TRUE(first != nullptr && second != nullptr) << ErrorDetails();
  EXPECT_TRUE(InChild([&] {
    clearenv();
    if (geteuid() == 0 && (setgid(65534) != 0 || setuid(65534) != 0)) return false;
    return Signs(library, first.get()) && Signs(library, second.get());
  }));
  EXPECT_TRUE(Signs(library, first.get()) && Signs(library, second.get()));
}

TEST_F(ClustersTest, AForkedWorkerOpensOneThatItsParentDidNot) {
  const Library library;
  const Pkey first = library.Load(kDefaultKey);
  ASSERT_NE(first, nullptr) << ErrorDetails();
  EXPECT_TRUE(InChild([&] {
    const Pkey second = library.Load(kOtherKey);
    return second != nullptr && Signs(library, second.get()) && Signs(library, first.get());
  }));
  const Pkey second = library.Load(kOtherKey);
  EXPECT_TRUE(second != nullptr && Signs(library, second.get())) << ErrorDetails();
}

TEST_F(ClustersTest, AWrongPasswordForOneIsNoTryAtTheOther) {
  const Library library;
  EXPECT_EQ(library.Load(std::string(kOtherKey) + "?pin-value=wrong-password"), nullptr);
  EXPECT_EQ(HsmReasons(), std::vector{Reason(ErrorCode::kPasswordWrong)});
  EXPECT_NE(library.Load(kDefaultKey), nullptr) << ErrorDetails();
  EXPECT_NE(library.Load(kOtherKey), nullptr) << ErrorDetails();
  EXPECT_EQ(cluster_.Admin()->ListUsers()->at(1).failed_logins, 0U);
}

TEST_F(ClustersTest, OneWhoseHomeIsGoneLeavesTheOtherAlone) {
  const Library library;
  std::filesystem::rename(other_.home(), directory_.path() / "elsewhere");
  EXPECT_EQ(library.Load(kOtherKey), nullptr);
  EXPECT_EQ(HsmReasons(), std::vector{Reason(ErrorCode::kHomeNotFound)});
  const Pkey first = library.Load(kDefaultKey);
  EXPECT_TRUE(first != nullptr && Signs(library, first.get())) << ErrorDetails();
  std::filesystem::rename(directory_.path() / "elsewhere", other_.home());
  EXPECT_NE(library.Load(kOtherKey), nullptr) << ErrorDetails();
}

TEST_F(ClustersTest, AKeyThatIsDeletedInOneIsThereInTheOther) {
  const Library library;
  const Pkey first = library.Load(kDefaultKey);
  const Pkey second = library.Load(kOtherKey);
  ASSERT_TRUE(first != nullptr && second != nullptr) << ErrorDetails();
  hsmcore::KeyQuery query;
  query.label = "p256";
  query.klass = hsmcore::KeyClass::kPrivateKey;
  const auto session = other_.User();
  ASSERT_TRUE(session->Delete(session->Find(query)->front().handle, true).has_value());
  EXPECT_FALSE(Signs(library, second.get()));
  ERR_clear_error();
  EXPECT_TRUE(Signs(library, first.get())) << ErrorDetails();
}

}  // namespace
}  // namespace provider::test
