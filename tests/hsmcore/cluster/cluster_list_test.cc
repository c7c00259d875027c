// SPDX-License-Identifier: Apache-2.0
#include "hsmcore/cluster_list.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstdlib>
#include <fstream>
#include <string>

#include "support/temporary_directory.h"

namespace hsmcore {
namespace {

// The list of this process, until the end of the test.
class ClusterListTest : public testing::Test {
 protected:
  ClusterListTest() {
    setenv("HSM_CONFIG", File().c_str(), 1);
    unsetenv("HSM_HOME");
  }
  ~ClusterListTest() override {
    unsetenv("HSM_CONFIG");
    unsetenv("HSM_HOME");
  }

  std::string File() const { return (directory_.path() / "hsm.cnf").native(); }
  void Write(const std::string& text) const { std::ofstream(File()) << text; }
  // The detail of the error that reading the list gives.
  static std::string Problem() {
    const auto list = ClusterList::Read();
    if (list) return "no error";
    EXPECT_EQ(list.error().code(), ErrorCode::kSetting);
    return list.error().detail();
  }

  test::TemporaryDirectory directory_;
};

constexpr const char* kTwo =
    "clusters = blue, green\n"
    "[green]\nhome = /srv/green\n"
    "[blue]\nhome = /srv/blue\nuser = app\npin-source = file:/etc/hsm/blue.pin\n"
    "disable-key-availability-check = yes\n";

TEST_F(ClusterListTest, HasWhatTheFileSaysInItsOrder) {
  Write(kTwo);
  const auto list = ClusterList::Read();
  ASSERT_TRUE(list.has_value());
  EXPECT_EQ(list->file(), File());
  ASSERT_EQ(list->clusters().size(), 2U);
  const ListedCluster& blue = list->clusters()[0];
  EXPECT_EQ(blue.name, "blue");
  EXPECT_EQ(blue.home, "/srv/blue");
  EXPECT_EQ(blue.user, "app");
  EXPECT_EQ(blue.pin_source, "file:/etc/hsm/blue.pin");
  EXPECT_TRUE(blue.no_availability_check);
  const ListedCluster& green = list->clusters()[1];
  EXPECT_EQ(green.name, "green");
  EXPECT_EQ(green.user, "");
  EXPECT_FALSE(green.no_availability_check);
  ASSERT_TRUE(list->Find("green").has_value());
  EXPECT_EQ(list->Find("green")->home, "/srv/green");
  EXPECT_FALSE(list->Find("GREEN").has_value());
  EXPECT_FALSE(list->Find("cluster-aaaaaaaaaaa").has_value());
}

TEST_F(ClusterListTest, TheFirstIsTheDefaultUnlessTheEnvironmentNamesAHome) {
  Write(kTwo);
  EXPECT_EQ(DefaultCluster()->home, "/srv/blue");
  EXPECT_EQ(DefaultCluster()->name, "blue");
  setenv("HSM_HOME", "/srv/mine", 1);
  EXPECT_EQ(DefaultCluster()->home, "/srv/mine");
  EXPECT_EQ(DefaultCluster()->name, "");
  // And then a broken list disturbs nobody.
  Write("broken");
  EXPECT_TRUE(DefaultCluster().has_value());
}

TEST_F(ClusterListTest, AFileThatIsNamedHasToBeThere) {
  EXPECT_NE(Problem().find("HSM_CONFIG"), std::string::npos) << Problem();
  EXPECT_NE(Problem().find(File()), std::string::npos) << Problem();
  setenv("HSM_CONFIG", "hsm.cnf", 1);
  EXPECT_NE(Problem().find("absolute"), std::string::npos) << Problem();
}

TEST_F(ClusterListTest, AFileThatEverybodyCanWriteIsRefused) {
  Write(kTwo);
  ASSERT_EQ(chmod(File().c_str(), 0666), 0);
  EXPECT_NE(Problem().find("chmod o-w"), std::string::npos) << Problem();
}

struct Mistake {
  const char* text;
  const char* named;  // stands in the error
};

TEST_F(ClusterListTest, EveryMistakeIsNamed) {
  for (const Mistake& mistake : {
           Mistake{"", "clusters = NAME"},
           Mistake{"[blue]\nhome = /srv/blue\n", "clusters = NAME"},
           Mistake{"clusters = blue\n", "[blue]"},
           Mistake{"clusters = blue\n[blue]\nuser = app\n", "home is ''"},
           Mistake{"clusters = blue\n[blue]\nhome = srv\n", "home is 'srv'"},
           Mistake{"clusters = blue, blue\n[blue]\nhome = /srv\n", "blue twice"},
           Mistake{"clusters = a/b\n[a/b]\nhome = /srv\n", "'a/b' is no name"},
           Mistake{"clusters = blue\n[blue]\nhome = /srv\nhomes = /srv\n", "'homes' is no setting"},
           Mistake{"clusters = blue\n[blue]\nhome = /srv\npin = app:secret12\n", "'pin' is no"},
           Mistake{"clusters = blue\n[blue]\nhome = /srv\ndisable-key-availability-check = on\n",
                   "takes yes or no"},
           Mistake{"clusters = blue\n[blue\nhome = /srv\n", "line 2"},
       }) {
    Write(mistake.text);
    EXPECT_NE(Problem().find(mistake.named), std::string::npos) << mistake.text << Problem();
    EXPECT_NE(Problem().find(File()), std::string::npos) << Problem();
  }
}

TEST_F(ClusterListTest, AnEmptyListIsAList) {
  Write("clusters =\n");
  const auto list = ClusterList::Read();
  ASSERT_TRUE(list.has_value()) << list.error().detail();
  EXPECT_TRUE(list->clusters().empty());
}

}  // namespace
}  // namespace hsmcore
