// SPDX-License-Identifier: Apache-2.0
// The end of a cluster's key material. What the files held is looked for afterwards through hard
// links to them, as who has the disk finds it.
#include "hsmcore/zeroize.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <fstream>
#include <functional>
#include <string>
#include <vector>

#include "base/files.h"
#include "cluster/home.h"
#include "cluster/places.h"
#include "cluster/shred.h"
#include "hsmcore/backup.h"
#include "hsmcore/cluster_setup.h"
#include "hsmcore/session/wrap_support.h"
#include "storage/engines.h"
#include "storage/generation_map.h"
#include "storage/sqlite_store.h"
#include "support/sqlite_editor.h"
#include "support/test_cluster.h"

namespace hsmcore {
namespace {

namespace fs = std::filesystem;
using test::CodeOf;
using test::TestCluster;
using test::Text;

constexpr auto kStateError = ErrorCode::kClusterState;
constexpr SignMechanism kEddsa{.kind = SignMechanism::Kind::kEddsa, .digest = Digest::kNone};

Status Sign(const Key& key) {
  Bytes signature(64);
  HSMCORE_TRY([[maybe_unused]] const auto size, key.Sign(kEddsa, Bytes{1}, signature));
  return {};
}

class ZeroizeTest : public ::testing::Test {
 protected:
  ZeroizeTest() : directories_(Directories()) {
    key_ = test::Make(*cluster_.User(), KeyType::kEd25519, "tls", {Attribute::kSign});
    options_.cluster_id = cluster_->id();
  }

  fs::path home() const { return cluster_.home(); }
  fs::path aside() const { return aside_.path(); }
  std::string State() { return DescribeCluster(home(), false)->state; }
  Result<ZeroizeReport> Zeroize() { return ZeroizeCluster(home(), options_, nullptr); }

  std::vector<fs::path> Directories() {
    std::vector<fs::path> found;
    const auto description = cluster_->Describe(false);
    for (const HsmDescription& hsm : description->hsms) found.push_back(hsm.path);
    return found;
  }

  // What the records of the user and of his key have in the middle, which is sealed.
  std::vector<std::string> Needles() {
    std::vector<std::string> needles;
    const std::vector<std::string> paths = {
        "key/" + key_->private_info()->handle.ToString().substr(2), "user/crypto-user/app"};
    for (const std::string& path : paths) {
      const Bytes value = test::SqliteEditor(directories_.front() / "store.db").Get(path);
      const auto middle = value.begin() + static_cast<std::ptrdiff_t>(value.size() / 2);
      needles.emplace_back(middle, middle + 32);
    }
    return needles;
  }

  // Links to all files of the HSMs under other names.
  void LinkAside() {
    for (const fs::path& directory : directories_) {
      const fs::path to = aside() / directory.filename();
      fs::create_directory(to);
      for (const auto& entry : fs::directory_iterator(directory)) {
        fs::create_hard_link(entry.path(), to / entry.path().filename());
      }
    }
  }

  // Without the generation file, which is large; it is made anew.
  void CopyHome(const fs::path& to) {
    fs::create_directories(to);
    for (const auto& entry : fs::directory_iterator(home())) {
      if (entry.path() == cluster::GenerationFile(home())) continue;
      fs::copy(entry.path(), to / entry.path().filename(), fs::copy_options::recursive);
    }
  }

  static bool Holds(const fs::path& tree, const std::string& needle) {
    for (const auto& entry : fs::recursive_directory_iterator(tree)) {
      if (entry.path().filename() == "generation") continue;  // large, and numbers only
      if (entry.is_regular_file() && test::FileContains(entry.path(), needle)) return true;
    }
    return false;
  }

  test::TemporaryDirectory aside_;
  TestCluster cluster_;
  std::vector<fs::path> directories_;
  KeyPtr key_;
  ZeroizeOptions options_;
};

TEST_F(ZeroizeTest, WhatTheStoresHeldIsInNoFileAnyMore) {
  const std::vector<std::string> needles = Needles();
  // As a repair leaves a store that it has replaced.
  fs::copy_file(directories_[0] / "store.db", directories_[0] / "store.db.damaged");
  LinkAside();
  for (const std::string& needle : needles) ASSERT_TRUE(Holds(aside(), needle));
  const auto report = Zeroize();
  ASSERT_TRUE(report.has_value()) << report.error().Message();
  EXPECT_EQ(State(), "ZEROIZED");
  ASSERT_EQ(report->hsms.size(), 3);
  EXPECT_EQ(report->hsms[0].files, 3);  // with the log and the damaged one
  EXPECT_GE(report->hsms[0].bytes,
            2 * fs::file_size(aside() / directories_[0].filename() / "store.db"));
  EXPECT_FALSE(report->programs_unaware);
  for (const std::string& needle : needles) {
    EXPECT_FALSE(Holds(aside(), needle));
    EXPECT_FALSE(Holds(home(), needle));
  }
  for (const fs::path& directory : directories_) EXPECT_FALSE(fs::exists(directory));
}

// Not even by who has the password of a user and what is left of the store.
TEST_F(ZeroizeTest, WhatIsLeftIsNoStore) {
  LinkAside();
  const storage::SqliteOptions options{
      .cluster_id = cluster_->id(),
      .member = {.id = directories_[0].filename(),
                 .zone = "zone-1",
                 .directory = aside() / directories_[0].filename()},
      .busy_timeout = std::chrono::seconds(1)};
  ASSERT_EQ(CodeOf(storage::SqliteStore(options).ReadHead()), "ok");
  ASSERT_EQ(CodeOf(Zeroize()), "ok");
  fs::remove(options.member.directory / "store.db-wal");
  fs::remove(options.member.directory / "store.db-shm");
  EXPECT_EQ(CodeOf(storage::SqliteStore(options).ReadHead()), Text(ErrorCode::kHomeDamaged));
}

TEST_F(ZeroizeTest, NothingOpensAndOpenClustersSayWhy) {
  const auto session = cluster_.User();
  ASSERT_EQ(CodeOf(session->Load(test::ByLabel("tls"), true)), "ok");
  ASSERT_EQ(CodeOf(Zeroize()), "ok");
  EXPECT_EQ(CodeOf(Cluster::Open(home())), Text(kStateError));
  EXPECT_EQ(
      CodeOf(cluster_->Login(test::CredentialOf("app", test::kUserPassword), Role::kCryptoUser)),
      Text(kStateError));
  EXPECT_EQ(CodeOf(session->Load(test::ByLabel("tls"), true)), Text(kStateError));
  EXPECT_EQ(CodeOf(session->Generate(test::Ed25519Spec(), {})), Text(kStateError));
  EXPECT_EQ(CodeOf(cluster_->Describe(false)), Text(kStateError));
  EXPECT_EQ(CodeOf(cluster_->Sync()), Text(kStateError));
  EXPECT_EQ(CodeOf(cluster_->CreateBackup({})), Text(kStateError));
  EXPECT_EQ(CodeOf(cluster_->CreateHsm({})), Text(kStateError));
  EXPECT_EQ(CodeOf(RemoveHsm(home(), "hsm-a", true)), Text(kStateError));
}

TEST_F(ZeroizeTest, LoadedKeysFailAtTheirNextUse) {
  const auto session_key = test::Make(*cluster_.User(), KeyType::kEd25519, "here only",
                                      {Attribute::kSign}, /*token=*/false);
  const auto secret = test::Make(*cluster_.User(), KeyType::kAes, "data", {Attribute::kEncrypt});
  ASSERT_EQ(CodeOf(Sign(*key_)), "ok");
  ASSERT_EQ(CodeOf(Sign(*session_key)), "ok");
  ASSERT_EQ(CodeOf(secret->CheckUse(Key::Use::kEncrypt)), "ok");
  ASSERT_EQ(CodeOf(Zeroize()), "ok");
  const Status gone = Sign(*key_);
  EXPECT_EQ(CodeOf(gone), Text(ErrorCode::kKeyGone));
  EXPECT_NE(gone.error().detail().find("zeroized"), std::string::npos);
  EXPECT_EQ(CodeOf(Sign(*session_key)), Text(ErrorCode::kKeyGone));
  EXPECT_EQ(CodeOf(secret->CheckUse(Key::Use::kEncrypt)), Text(ErrorCode::kKeyGone));
}

// A server's worker, with no right to the home and nothing left to read there.
TEST_F(ZeroizeTest, AWorkerWithoutRightsLearnsOfIt) {
  std::array<int, 2> zeroized{};
  std::array<int, 2> ready{};
  ASSERT_EQ(pipe(zeroized.data()), 0);
  ASSERT_EQ(pipe(ready.data()), 0);
  const pid_t worker = fork();
  if (worker == 0) {
    if (geteuid() == 0 && setresuid(65534, 65534, 65534) != 0) _exit(2);
    if (!Sign(*key_)) _exit(3);
    char byte = 'r';
    if (write(ready[1], &byte, 1) != 1 || read(zeroized[0], &byte, 1) != 1) _exit(4);
    _exit(Sign(*key_) ? 1 : 0);
  }
  char byte = 0;
  ASSERT_EQ(read(ready[0], &byte, 1), 1);
  EXPECT_EQ(CodeOf(Zeroize()), "ok");
  ASSERT_EQ(write(zeroized[1], &byte, 1), 1);
  int status = 0;
  waitpid(worker, &status, 0);
  EXPECT_EQ(WIFEXITED(status) ? WEXITSTATUS(status) : -1, 0);
  for (const int end : {zeroized[0], zeroized[1], ready[0], ready[1]}) close(end);
}

TEST_F(ZeroizeTest, AnAdminOfThisClusterOrNobody) {
  TestCluster other(1);
  const auto expect_refused = [&](const Session* who, ErrorCode code) {
    EXPECT_EQ(CodeOf(ZeroizeCluster(home(), options_, who)), Text(code));
    EXPECT_EQ(State(), "ACTIVE");
    EXPECT_EQ(CodeOf(Sign(*key_)), "ok");
  };
  expect_refused(cluster_.User().get(), ErrorCode::kRoleForbids);
  std::vector<ErrorCode> noted;
  ASSERT_EQ(CodeOf(cluster_.Admin()->ReadAudit({},
                                               [&](const AuditRecord& record) {
                                                 if (record.event == AuditEvent::kClusterZeroize)
                                                   noted.push_back(record.result);
                                               })),
            "ok");
  EXPECT_EQ(noted, std::vector{ErrorCode::kRoleForbids});
  expect_refused(cluster_->Anonymous().get(), ErrorCode::kLoginRequired);
  expect_refused(other.Admin().get(), ErrorCode::kRoleForbids);
  options_.lost_hsms = {"hsm-none"};
  expect_refused(cluster_.Admin().get(), ErrorCode::kInvalidArgument);
  options_.lost_hsms.clear();
  options_.cluster_id = other->id();
  expect_refused(cluster_.Admin().get(), ErrorCode::kInvalidArgument);
  options_.cluster_id = cluster_->id();
  EXPECT_TRUE(*ZeroizationTakesLogin(home(), options_));
  ASSERT_EQ(CodeOf(ZeroizeCluster(home(), options_, cluster_.Admin().get())), "ok");
  EXPECT_EQ(DescribeCluster(home(), false)->zeroization->by, "admin admin");
  EXPECT_FALSE(*ZeroizationTakesLogin(home(), options_));
}

// What a kill leaves after each step, and that the same call goes on from there.
TEST_F(ZeroizeTest, OneThatDiedGoesOn) {
  const std::vector<std::string> needles = Needles();
  cluster_.Close();
  key_.reset();
  auto file = cluster::ReadClusterFile(home());
  ASSERT_TRUE(file.has_value());
  const auto write = [&] { ASSERT_TRUE(cluster::Rewrite(home(), *file).has_value()); };
  const std::vector<std::function<void()>> steps = {
      [&] {
        file->state = ClusterState::kZeroizeInProgress;
        file->zeroization = {.started = 1, .finished = 0, .by = "one that died"};
        write();
      },
      // In the middle of a store, and behind it.
      [&] { fs::resize_file(directories_[0] / "store.db", 4096); },
      [&] { ASSERT_EQ(CodeOf(cluster::OverwriteStore(directories_[0])), "ok"); },
      [&] {
        file->hsms[0].zeroized = true;
        write();
      },
      [&] { ASSERT_EQ(CodeOf(cluster::RemoveStore(directories_[0])), "ok"); },
      [&] {
        file->hsms.erase(file->hsms.begin());
        write();
      },
  };
  const fs::path copies = aside() / "copies";
  for (std::size_t step = 0; step < steps.size(); ++step) {
    steps[step]();
    const fs::path copy = copies / std::to_string(step);
    CopyHome(copy);
    EXPECT_EQ(CodeOf(Cluster::Open(copy)), Text(kStateError)) << step;
    EXPECT_EQ(CodeOf(AddHsm(copy, {}, {}, {})), Text(kStateError)) << step;
    ASSERT_FALSE(*ZeroizationTakesLogin(copy, options_)) << step;
    const auto report = ZeroizeCluster(copy, options_, nullptr);
    ASSERT_TRUE(report.has_value()) << step << report.error().Message();
    const auto done = DescribeCluster(copy, false);
    EXPECT_EQ(done->state, "ZEROIZED") << step;
    EXPECT_TRUE(done->hsms.empty()) << step;
    EXPECT_EQ(done->zeroization->by, "one that died");
    EXPECT_TRUE(fs::is_empty(copy / "hsms")) << step;
    for (const std::string& needle : needles) EXPECT_FALSE(Holds(copy, needle)) << step;
  }
}

TEST_F(ZeroizeTest, AnHsmThatIsAwayIsNotForgotten) {
  const fs::path elsewhere = aside() / "elsewhere";
  fs::rename(directories_[1], elsewhere);
  const std::vector<std::string> needles = Needles();
  for (const bool empty_mount_point : {false, true}) {
    if (empty_mount_point) fs::create_directory(directories_[1]);
    const auto report = Zeroize();
    ASSERT_FALSE(report.has_value());
    EXPECT_NE(report.error().detail().find(directories_[1].filename()), std::string::npos);
    EXPECT_EQ(State(), "ZEROIZE_IN_PROGRESS");
    EXPECT_EQ(DescribeCluster(home(), false)->hsms.size(), 1);
    EXPECT_EQ(CodeOf(Sign(*key_)), Text(ErrorCode::kKeyGone));
    EXPECT_EQ(CodeOf(DeleteCluster(home())), Text(kStateError));
    for (const std::string& needle : needles) EXPECT_FALSE(Holds(home(), needle));
  }
  EXPECT_TRUE(Holds(elsewhere, needles[0]));
  fs::remove(directories_[1]);
  fs::rename(elsewhere, directories_[1]);
  ASSERT_EQ(CodeOf(Zeroize()), "ok");
  EXPECT_EQ(State(), "ZEROIZED");
  EXPECT_FALSE(fs::exists(directories_[1]));
}

TEST_F(ZeroizeTest, ADiskThatIsGoneForGoodIsGivenUp) {
  fs::remove_all(directories_[2]);
  options_.lost_hsms = {directories_[2].filename()};
  const auto report = Zeroize();
  ASSERT_TRUE(report.has_value()) << report.error().Message();
  EXPECT_EQ(report->lost_hsms, options_.lost_hsms);
  EXPECT_EQ(report->hsms.size(), 2);
  EXPECT_EQ(State(), "ZEROIZED");
  EXPECT_EQ(CodeOf(Zeroize()), "ok");  // a repetition of the same words
}

TEST_F(ZeroizeTest, StoppedHsmsAreDestroyedToo) {
  const std::string needle = Needles().front();
  ASSERT_EQ(CodeOf(cluster_->StopHsm(directories_[2].filename().native())), "ok");
  LinkAside();
  ASSERT_EQ(CodeOf(Zeroize()), "ok");
  EXPECT_FALSE(Holds(aside(), needle));
}

TEST_F(ZeroizeTest, BackupsStayUnlessTheyAreMeantToo) {
  const auto backup = cluster_->CreateBackup({});
  ASSERT_TRUE(backup.has_value());
  const fs::path copy = aside() / backup->file.filename();
  fs::copy_file(backup->file, copy);
  fs::create_hard_link(backup->file, aside() / "linked");
  auto report = Zeroize();
  ASSERT_TRUE(report.has_value());
  EXPECT_EQ(report->backups, 0);
  EXPECT_EQ(report->backups_left.back(), backup->id);
  ASSERT_EQ(CodeOf(test::CloneFrom(backup->file, aside() / "clone")), "ok");
  options_.backups = true;
  report = Zeroize();  // again, for them
  ASSERT_TRUE(report.has_value());
  EXPECT_EQ(report->backups, 1);
  EXPECT_TRUE(report->backups_left.empty());
  EXPECT_TRUE(fs::is_empty(cluster::BackupDirectory(home())));
  EXPECT_EQ(CodeOf(test::CloneFrom(aside() / "linked", aside() / "none")),
            Text(ErrorCode::kBackupDamaged));
  EXPECT_EQ(CodeOf(DeleteCluster(home())), "ok");
  EXPECT_FALSE(fs::exists(cluster::ClusterJson(home())));
}

// Nobody chooses what is overwritten by a link.
TEST_F(ZeroizeTest, WhatALinkLeadsToIsLeftAlone) {
  const fs::path foreign = aside() / "foreign";
  std::ofstream(foreign) << "somebody else's";
  fs::create_symlink(foreign, directories_[0] / "store.db.damaged");
  ASSERT_EQ(CodeOf(Zeroize()), "ok");
  EXPECT_TRUE(test::FileContains(foreign, "somebody else's"));
  EXPECT_FALSE(fs::exists(directories_[0]));
}

TEST_F(ZeroizeTest, WithoutTheGenerationFileProgramsAreNotToldAndThatIsSaid) {
  cluster_.Close();
  fs::remove(cluster::GenerationFile(home()));
  const auto report = Zeroize();
  ASSERT_TRUE(report.has_value()) << report.error().Message();
  EXPECT_TRUE(report->programs_unaware);
  EXPECT_EQ(State(), "ZEROIZED");
}

TEST(ZeroizeSetupTest, TheKeyOfTheCsrGoesBeforeActivation) {
  test::TemporaryDirectory directory;
  ClusterOptions options;
  options.home = directory.path() / "home";
  const auto made = CreateUninitialized(options);
  ASSERT_TRUE(made.has_value());
  ASSERT_EQ(CodeOf(AddHsm(options.home, {}, {}, {})), "ok");
  const fs::path key = cluster::IdentityKeyFile(options.home);
  fs::create_hard_link(key, directory.path() / "linked");
  ASSERT_TRUE(test::FileContains(directory.path() / "linked", "PRIVATE KEY"));
  const ZeroizeOptions zeroize{.cluster_id = made->id, .lost_hsms = {}};
  EXPECT_FALSE(*ZeroizationTakesLogin(options.home, zeroize));
  ASSERT_EQ(CodeOf(ZeroizeCluster(options.home, zeroize, nullptr)), "ok");
  EXPECT_FALSE(fs::exists(key));
  EXPECT_FALSE(test::FileContains(directory.path() / "linked", "PRIVATE KEY"));
  EXPECT_EQ(DescribeCluster(options.home, false)->state, "ZEROIZED");
  EXPECT_EQ(CodeOf(DeleteCluster(options.home)), "ok");
}

TEST(ZeroizeSetupTest, HsmsOnOtherDisksAreDestroyed) {
  test::TemporaryDirectory disks;
  ClusterOptions options;
  options.hsm_paths = {disks.path() / "one", disks.path() / "two"};
  TestCluster cluster(2, std::move(options));
  const ZeroizeOptions zeroize{.cluster_id = cluster->id(), .lost_hsms = {}};
  cluster.Close();  // which copies the logs into the stores
  fs::create_hard_link(disks.path() / "one/store.db", disks.path() / "linked");
  ASSERT_TRUE(test::FileContains(disks.path() / "linked", "user/crypto-user/app"));
  ASSERT_EQ(CodeOf(ZeroizeCluster(cluster.home(), zeroize, nullptr)), "ok");
  EXPECT_FALSE(test::FileContains(disks.path() / "linked", "user/crypto-user/app"));
  EXPECT_FALSE(fs::exists(disks.path() / "one") || fs::exists(disks.path() / "two"));
}

}  // namespace
}  // namespace hsmcore
