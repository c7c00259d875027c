// SPDX-License-Identifier: Apache-2.0
#include "hsmcore/backup.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <future>
#include <iterator>
#include <string>
#include <thread>

#include "cluster/backup_catalog.h"
#include "cluster/core.h"
#include "cluster/home.h"
#include "hsmcore/key_uri.h"
#include "hsmcore/session/wrap_support.h"
#include "session/cluster_backup.h"
#include "support/sqlite_editor.h"
#include "support/test_cluster.h"

namespace hsmcore {
namespace {

namespace fs = std::filesystem;
using test::CodeOf;
using test::CredentialOf;
using test::TestCluster;
using test::Text;

using cluster::kDay;

std::string Content(const fs::path& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}
void Overwrite(const fs::path& file, const std::string& content) {
  std::ofstream(file, std::ios::binary | std::ios::trunc) << content;
}

KeyHandle HandleOf(const KeyPtr& key) { return key->private_info()->handle; }

SignMechanism EcdsaSha256() {
  SignMechanism mechanism;
  mechanism.kind = SignMechanism::Kind::kEcdsa;
  mechanism.digest = Digest::kSha256;
  return mechanism;
}

ClusterOptions Elsewhere(const fs::path& home, unsigned hsms = 2) {
  ClusterOptions options;
  options.home = home;
  options.hsms = hsms;
  return options;
}

// A cluster with a pair and a secret key, and a backup of it.
class BackupTest : public ::testing::Test {
 protected:
  BackupTest() {
    pair_ = HandleOf(test::Make(*cluster_.User(), KeyType::kEc, "tls", {Attribute::kSign}));
    secret_ = HandleOf(test::Make(*cluster_.User(), KeyType::kAes, "data", {Attribute::kEncrypt}));
    backup_ = cluster_->CreateBackup({}).value();
  }

  fs::path Other(const char* name) const { return directory_.path() / name; }
  Result<ClusterPtr> Restore(const fs::path& file, const char* name = "clone") {
    return test::CloneFrom(file, Other(name));
  }

  test::TemporaryDirectory directory_;
  TestCluster cluster_;
  KeyHandle pair_;
  KeyHandle secret_;
  BackupInfo backup_;
};

TEST_F(BackupTest, SaysWhatItIsAndWhatIsInside) {
  EXPECT_TRUE(backup_.id.starts_with("backup-"));
  EXPECT_EQ(backup_.state, "READY");
  EXPECT_EQ(backup_.cluster_id, cluster_->id());
  EXPECT_EQ(backup_.hsm_type, "hsm2m.medium");
  EXPECT_EQ(backup_.revision, cluster_->Describe(false)->revision);
  struct stat info{};
  ASSERT_EQ(stat(backup_.file.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600U);

  const auto content = cluster_.Admin()->ReadBackup(backup_.file, {});
  ASSERT_TRUE(content.has_value()) << content.error().Message();
  ASSERT_EQ(content->keys.size(), 3U);
  EXPECT_EQ(content->keys[0].handle, pair_);
  EXPECT_EQ(content->keys[0].attributes.label, "tls");
  EXPECT_EQ(content->keys[1].klass, KeyClass::kPublicKey);
  EXPECT_EQ(content->keys[2].handle, secret_);
  EXPECT_EQ(content->users.size(), 2U);
}

TEST_F(BackupTest, HoldsNoNamesInTheClear) {
  const std::string bytes = Content(backup_.file);
  EXPECT_FALSE(bytes.contains("tls"));
  EXPECT_FALSE(bytes.contains("crypto-user"));
}

TEST_F(BackupTest, MakesAClone) {
  auto clone = Restore(backup_.file);
  ASSERT_TRUE(clone.has_value()) << clone.error().Message();
  EXPECT_NE((*clone)->id(), cluster_->id());
  const auto described = (*clone)->Describe(true).value();
  EXPECT_EQ(described.source_backup, backup_.id);
  EXPECT_EQ(described.state, "ACTIVE");
  EXPECT_EQ(described.hsms.size(), 2U);

  // The same user with the same password has the same key under the same handle.
  const auto session =
      (*clone)->Login(CredentialOf("app", test::kUserPassword), Role::kCryptoUser).value();
  const KeyPtr copy = session->Load(KeyQuery::ByHandle(pair_), true).value();
  const KeyPtr original = cluster_.User()->Load(KeyQuery::ByHandle(pair_), true).value();
  EXPECT_EQ(copy->public_part(), original->public_part());
  const SignMechanism ecdsa = EcdsaSha256();
  const Bytes digest(32, 7);
  Bytes signature(copy->max_signature_size());
  signature.resize(copy->Sign(ecdsa, digest, signature).value());
  const auto outside = Key::FromPublic(original->public_part()).value();
  EXPECT_TRUE(outside->Verify(ecdsa, digest, signature).value());

  // From then on it has a life of its own, and its own backups make clones too.
  EXPECT_NE(HandleOf(test::Make(*session, KeyType::kEc, "new")), pair_);
  const BackupInfo second = (*clone)->CreateBackup({}).value();
  EXPECT_EQ(second.cluster_id, (*clone)->id());
  EXPECT_EQ(CodeOf(Restore(second.file, "second")), "ok");
  // They may read each other's.
  EXPECT_EQ(CodeOf(cluster_.Admin()->ReadBackup(second.file, {})), "ok");
}

TEST_F(BackupTest, OpensForItsAdminsOnly) {
  EXPECT_EQ(CodeOf(cluster_.User()->ReadBackup(backup_.file, {})), Text(ErrorCode::kRoleForbids));
  EXPECT_EQ(CodeOf(cluster_->Anonymous()->ReadBackup(backup_.file, {})),
            Text(ErrorCode::kLoginRequired));
  cluster_.AddUser("late", test::kAdminPassword, Role::kAdmin);
  const auto late =
      cluster_->Login(CredentialOf("late", test::kAdminPassword), Role::kAdmin).value();
  const auto refused = late->ReadBackup(backup_.file, {});
  ASSERT_EQ(CodeOf(refused), Text(ErrorCode::kBackupState));
  EXPECT_TRUE(refused.error().detail().contains("admin"));
  EXPECT_EQ(CodeOf(late->ReadBackup(cluster_->CreateBackup({})->file, {})), "ok");

  const auto restore = [&](const char* user, const char* password) {
    return CodeOf(Cluster::CreateFromBackup(Elsewhere(Other("no")), backup_.file,
                                            CredentialOf(user, password), {}));
  };
  EXPECT_EQ(restore("admin", "wrongpassword"), Text(ErrorCode::kPasswordWrong));
  EXPECT_EQ(restore("app", test::kUserPassword), Text(ErrorCode::kBackupState));
  EXPECT_EQ(restore("", test::kAdminPassword), Text(ErrorCode::kLoginRequired));
  EXPECT_FALSE(fs::exists(Other("no") / "cluster.json"));
}

TEST_F(BackupTest, AStrangersIsRefused) {
  TestCluster stranger;
  const auto refused = stranger.Admin()->ReadBackup(backup_.file, {});
  EXPECT_EQ(CodeOf(refused), Text(ErrorCode::kBackupState));
  EXPECT_EQ(CodeOf(stranger.Admin()->RestoreKey(backup_.file, pair_, {})),
            Text(ErrorCode::kBackupState));
}

TEST_F(BackupTest, EveryCutIsFound) {
  const std::string whole = Content(backup_.file);
  const auto admin = cluster_.Admin();
  const fs::path file = Other("cut.hsmbackup");
  for (std::size_t size = 0; size < whole.size(); size += size < 64 ? 1 : 97) {
    Overwrite(file, whole.substr(0, size));
    ASSERT_EQ(CodeOf(admin->ReadBackup(file, {})), Text(ErrorCode::kBackupDamaged)) << size;
  }
  Overwrite(file, whole + "x");
  EXPECT_EQ(CodeOf(admin->ReadBackup(file, {})), Text(ErrorCode::kBackupDamaged));
}

TEST_F(BackupTest, EveryChangedByteIsFound) {
  const std::string whole = Content(backup_.file);
  const auto admin = cluster_.Admin();
  const fs::path file = Other("changed.hsmbackup");
  for (std::size_t i = 0; i < whole.size(); i += 11) {
    std::string changed = whole;
    changed[i] = static_cast<char>(changed[i] ^ 0x20);
    Overwrite(file, changed);
    const auto read = admin->ReadBackup(file, {});
    ASSERT_FALSE(read.has_value()) << i;
    // In the clear part it may look like a newer version, or like another admin's.
    const ErrorCode code = read.error().code();
    ASSERT_TRUE(code == ErrorCode::kBackupDamaged || code == ErrorCode::kBackupState ||
                code == ErrorCode::kHomeNewer)
        << i << " " << read.error().Message();
  }
}

TEST_F(BackupTest, ADamagedOneChangesNothing) {
  std::string changed = Content(backup_.file);
  changed[changed.size() - 40] ^= 1;
  Overwrite(backup_.file, changed);
  EXPECT_EQ(CodeOf(Restore(backup_.file)), Text(ErrorCode::kBackupDamaged));
  EXPECT_FALSE(fs::exists(Other("clone") / "cluster.json"));
  EXPECT_FALSE(fs::exists(Other("clone") / "hsms"));
  ASSERT_EQ(CodeOf(cluster_.User()->Delete(secret_, true)), "ok");
  const auto before = cluster_->Describe(false);
  EXPECT_EQ(CodeOf(cluster_.Admin()->RestoreKey(backup_.file, secret_, {})),
            Text(ErrorCode::kBackupDamaged));
  // The attempt is in the audit log, and that is all.
  EXPECT_EQ(cluster_->Describe(false)->revision, before->revision + 1);
  EXPECT_EQ(cluster_->Describe(false)->keys, before->keys);
}

TEST_F(BackupTest, HostileFilesAreNoBackups) {
  const auto admin = cluster_.Admin();
  const fs::path file = Other("hostile.hsmbackup");
  EXPECT_EQ(CodeOf(admin->ReadBackup(file, {})), Text(ErrorCode::kBackupNotFound));
  for (const std::string& content :
       {std::string(), std::string("hsm backup\n"), std::string("hsm backup\n\xff\xff\xff\xff"),
        std::string(100'000, '\0'), std::string("hsm backup\n\x05\x00\x00\x00hello", 20)}) {
    Overwrite(file, content);
    EXPECT_EQ(CodeOf(admin->ReadBackup(file, {})), Text(ErrorCode::kBackupDamaged));
  }
  EXPECT_EQ(CodeOf(admin->ReadBackup(directory_.path(), {})), Text(ErrorCode::kBackupDamaged));
  EXPECT_EQ(mkfifo(Other("pipe").c_str(), 0600), 0);
  EXPECT_EQ(CodeOf(admin->ReadBackup(Other("pipe"), {})), Text(ErrorCode::kBackupDamaged));
  for (const char* id :
       {"", "backup-", "../../etc/passwd", "backup-../../../x", "hsm-aaaaaaaaaaa"}) {
    EXPECT_EQ(CodeOf(cluster_->DescribeBackup(id)), Text(ErrorCode::kInvalidArgument)) << id;
  }
}

TEST_F(BackupTest, BringsOneKeyBack) {
  const auto user = cluster_.User();
  const PublicMaterial before = user->Load(KeyQuery::ByHandle(pair_), true).value()->public_part();
  ASSERT_EQ(CodeOf(user->Delete(pair_, true)), "ok");
  const auto restored = cluster_.Admin()->RestoreKey(backup_.file, pair_, {});
  ASSERT_TRUE(restored.has_value()) << restored.error().Message();
  EXPECT_EQ(restored->handle, pair_);
  const auto key = user->Load(KeyQuery::FromUri(KeyUri::Parse("hsm:tls").value()), true);
  ASSERT_TRUE(key.has_value()) << key.error().Message();
  EXPECT_EQ((*key)->public_part(), before);
  Bytes signature((*key)->max_signature_size());
  EXPECT_EQ(CodeOf((*key)->Sign(EcdsaSha256(), Bytes(32), signature)), "ok");

  EXPECT_EQ(CodeOf(cluster_.Admin()->RestoreKey(backup_.file, pair_, {})),
            Text(ErrorCode::kClusterState));
  EXPECT_EQ(CodeOf(cluster_.Admin()->RestoreKey(backup_.file, {0x7ffffffe}, {})),
            Text(ErrorCode::kKeyNotFound));
  EXPECT_EQ(CodeOf(user->RestoreKey(backup_.file, pair_, {})), Text(ErrorCode::kRoleForbids));
}

TEST_F(BackupTest, AMarkOfTrustComesBackWithItsKey) {
  const auto kek = HandleOf(test::MakeWrapper(*cluster_.User(), KeyType::kAes));
  ASSERT_EQ(CodeOf(cluster_.Admin()->SetAttribute(kek, "trusted", "true")), "ok");
  const BackupInfo backup = cluster_->CreateBackup({}).value();
  ASSERT_EQ(CodeOf(cluster_.User()->Delete(kek, true)), "ok");
  ASSERT_EQ(CodeOf(cluster_.Admin()->RestoreKey(backup.file, kek, {})), "ok");
  const auto found = cluster_.User()->Find(KeyQuery::ByHandle(kek)).value();
  ASSERT_EQ(found.size(), 1U);
  EXPECT_TRUE(found[0].attributes.flags.Has(Attribute::kTrusted));
}

TEST_F(BackupTest, TheNewestStaysAndADeletionCanBeUndone) {
  const auto admin = cluster_.Admin();
  EXPECT_EQ(CodeOf(admin->DeleteBackup(backup_.id)), Text(ErrorCode::kBackupState));
  test::Make(*cluster_.User(), KeyType::kAes, "more");
  const BackupInfo newer = cluster_->CreateBackup({}).value();
  const auto deleted = admin->DeleteBackup(backup_.id);
  ASSERT_TRUE(deleted.has_value()) << deleted.error().Message();
  EXPECT_EQ(deleted->state, "PENDING_DELETION");
  EXPECT_EQ(CodeOf(admin->DeleteBackup(backup_.id)), Text(ErrorCode::kBackupState));
  EXPECT_EQ(CodeOf(admin->CopyBackup(backup_.id, directory_.path())),
            Text(ErrorCode::kBackupState));
  EXPECT_EQ(CodeOf(admin->DeleteBackup(newer.id)), Text(ErrorCode::kBackupState));
  const auto undone = admin->RestoreDeletedBackup(backup_.id);
  ASSERT_TRUE(undone.has_value());
  EXPECT_EQ(undone->state, "READY");
  EXPECT_EQ(CodeOf(admin->RestoreDeletedBackup(backup_.id)), Text(ErrorCode::kBackupState));
  EXPECT_EQ(CodeOf(cluster_.User()->DeleteBackup(backup_.id)), Text(ErrorCode::kRoleForbids));
  EXPECT_EQ(CodeOf(admin->DeleteBackup("backup-22222222222")), Text(ErrorCode::kBackupNotFound));
}

TEST_F(BackupTest, CopiesAreWholeAndNeverReplaceAnything) {
  const auto admin = cluster_.Admin();
  const auto copy = admin->CopyBackup(backup_.id, directory_.path());
  ASSERT_TRUE(copy.has_value()) << copy.error().Message();
  EXPECT_TRUE(copy->copied.has_value());
  EXPECT_EQ(Content(copy->file), Content(backup_.file));
  EXPECT_EQ(CodeOf(admin->ReadBackup(copy->file, {})), "ok");
  EXPECT_EQ(CodeOf(admin->CopyBackup(backup_.id, directory_.path())),
            Text(ErrorCode::kBackupState));
  EXPECT_EQ(CodeOf(admin->CopyBackup(backup_.id, Other("missing"))),
            Text(ErrorCode::kHomeNotFound));
  fs::remove_all(cluster_.home());
  EXPECT_EQ(CodeOf(Restore(copy->file)), "ok");  // all that is left is enough
}

TEST_F(BackupTest, OldOnesGoAndTheNewestDoesNot) {
  const fs::path backups = cluster::BackupDirectory(cluster_.home());
  test::Make(*cluster_.User(), KeyType::kAes, "more");
  const BackupInfo newest = cluster_->CreateBackup({}).value();
  // The newest may be a second younger.
  const std::int64_t made = backup_.created;
  std::ofstream(backups / "backup-22222222222.hsmbackup.unfinished") << "cut short";
  std::ofstream(backups / "notes.txt") << "not ours";

  ASSERT_TRUE(cluster::RemoveOldBackups(backups, 7, made + (7 * kDay) - 1));
  EXPECT_EQ(cluster_->ListBackups()->size(), 2U);
  EXPECT_FALSE(fs::exists(backups / "backup-22222222222.hsmbackup.unfinished"));
  EXPECT_TRUE(fs::exists(backups / "notes.txt"));
  ASSERT_TRUE(cluster::RemoveOldBackups(backups, 7, made + (1000 * kDay)));
  const auto left = cluster_->ListBackups().value();
  ASSERT_EQ(left.size(), 1U);
  EXPECT_EQ(left[0].id, newest.id);
}

TEST_F(BackupTest, ADeletedOneIsGoneAfterSevenDays) {
  const fs::path backups = cluster::BackupDirectory(cluster_.home());
  test::Make(*cluster_.User(), KeyType::kAes, "more");
  ASSERT_TRUE(cluster_->CreateBackup({}).has_value());
  const auto gone_after = cluster_.Admin()->DeleteBackup(backup_.id)->gone_after.value();
  EXPECT_EQ(cluster::ListBackups(backups, gone_after - 1)->size(), 2U);
  EXPECT_EQ(cluster::ListBackups(backups, gone_after)->size(), 1U);
  EXPECT_EQ(CodeOf(cluster::FindBackup(backups, backup_.id, gone_after)),
            Text(ErrorCode::kBackupNotFound));
  ASSERT_TRUE(cluster::RemoveOldBackups(backups, 90, gone_after));
  EXPECT_FALSE(fs::exists(backup_.file));
}

TEST_F(BackupTest, RetentionIsASignedWord) {
  EXPECT_EQ(cluster_->BackupRetention().value(), kDefaultRetentionDays);
  for (const unsigned days : {0U, 6U, 380U, 4'000'000'000U}) {
    EXPECT_EQ(CodeOf(cluster_.Admin()->SetBackupRetention(days)),
              Text(ErrorCode::kInvalidArgument));
  }
  EXPECT_EQ(CodeOf(cluster_.User()->SetBackupRetention(7)), Text(ErrorCode::kRoleForbids));
  ASSERT_EQ(CodeOf(cluster_.Admin()->SetBackupRetention(7)), "ok");
  EXPECT_EQ(cluster_->BackupRetention().value(), 7U);
}

TEST_F(BackupTest, IsDueOnceADay) {
  EXPECT_FALSE(cluster_->CreateBackupIfDue().value().has_value());
  fs::remove_all(cluster::BackupDirectory(cluster_.home()));
  EXPECT_TRUE(cluster_->ListBackups()->empty());
  EXPECT_TRUE(cluster_->CreateBackupIfDue().value().has_value());
  EXPECT_FALSE(cluster_->CreateBackupIfDue().value().has_value());
}

// ---- The daily one ------------------------------------------------------------------------------

class DailyBackupTest : public BackupTest {
 protected:
  DailyBackupTest() {
    core_ = cluster::OpenCore(cluster_.home(), cluster::ReadClusterFile(cluster_.home()).value())
                .value();
    core_->config = cluster::ReadConfig(*core_).value();
    test::Make(*cluster_.User(), KeyType::kAes, "since then");
  }

  // What a process does that comes so many days after the backup.
  std::string After(std::int64_t seconds, std::uint64_t most_keys = 0) {
    core_->next_daily_look = 0;
    const auto made = session::CreateDailyBackup(*core_, most_keys, backup_.created + seconds);
    if (!made) return CodeOf(made);
    return *made ? "made" : "nothing";
  }

  std::shared_ptr<cluster::Core> core_;
};

TEST_F(DailyBackupTest, IsMadeADayAfterTheNewest) {
  EXPECT_EQ(After(0), "nothing");
  EXPECT_EQ(After(kDay - 1), "nothing");
  EXPECT_EQ(After(kDay), "made");
  EXPECT_EQ(cluster_->ListBackups()->size(), 2U);
  // From a future that the clock has come back from.
  EXPECT_EQ(After(-2 * kDay), "nothing") << "nothing has changed";
  test::Make(*cluster_.User(), KeyType::kAes, "and since");
  EXPECT_EQ(After(-2 * kDay), "made");
}

TEST_F(DailyBackupTest, IsNotMadeWhenNothingHasChanged) {
  ASSERT_TRUE(cluster_->CreateBackup({}).has_value());
  EXPECT_EQ(After(30 * kDay), "nothing");
  test::Make(*cluster_.User(), KeyType::kAes, "something");
  EXPECT_EQ(After(30 * kDay), "made");
}

TEST_F(DailyBackupTest, IsLookedAfterOnceAnHour) {
  const auto after = [&](std::int64_t seconds) {
    return session::CreateDailyBackup(*core_, 0, backup_.created + seconds)->has_value();
  };
  EXPECT_FALSE(after(kDay - 10));
  EXPECT_FALSE(after(kDay + 10));
  EXPECT_TRUE(after(kDay - 10 + 3600));
}

TEST_F(DailyBackupTest, IsLeftToOthersWhenItTakesLong) {
  EXPECT_EQ(After(kDay, 2), "nothing");
  EXPECT_EQ(After(kDay, 3), "made");
}

// Two admins, each with the cluster open for himself.
TEST_F(DailyBackupTest, OneSettingDoesNotTakeTheOtherBack) {
  const auto beside = Cluster::Open(cluster_.home()).value();
  const auto other =
      beside->Login(CredentialOf("admin", test::kAdminPassword), Role::kAdmin).value();
  const auto admin = cluster_.Admin();
  for (unsigned round = 0; round < 20; ++round) {
    const bool automatic = round % 2 != 0;
    auto set =
        std::async(std::launch::async, [&] { return other->SetAutomaticBackups(automatic); });
    EXPECT_EQ(CodeOf(admin->SetBackupRetention(30 + round)), "ok");
    EXPECT_EQ(CodeOf(set.get()), "ok");
    EXPECT_EQ(cluster_->BackupRetention().value(), 30 + round);
    EXPECT_EQ(cluster_->AutomaticBackups().value(), automatic) << round;
  }
}

TEST_F(DailyBackupTest, CanBeSwitchedOff) {
  EXPECT_EQ(CodeOf(cluster_.User()->SetAutomaticBackups(false)), Text(ErrorCode::kRoleForbids));
  ASSERT_EQ(CodeOf(cluster_.Admin()->SetBackupRetention(30)), "ok");
  ASSERT_EQ(CodeOf(cluster_.Admin()->SetAutomaticBackups(false)), "ok");
  EXPECT_FALSE(cluster_->AutomaticBackups().value());
  EXPECT_EQ(cluster_->BackupRetention().value(), 30U);
  EXPECT_EQ(After(kDay), "nothing");
  ASSERT_EQ(CodeOf(cluster_.Admin()->SetBackupRetention(31)), "ok");
  EXPECT_FALSE(cluster_->AutomaticBackups().value());
  ASSERT_EQ(CodeOf(cluster_.Admin()->SetAutomaticBackups(true)), "ok");
  EXPECT_EQ(cluster_->BackupRetention().value(), 31U);
  EXPECT_EQ(After(kDay), "made");
}

TEST_F(DailyBackupTest, DoesNotWaitForAWriter) {
  std::promise<void> held;
  std::promise<void> done;
  std::thread writer([&] {
    const auto other =
        cluster::OpenCore(cluster_.home(), cluster::ReadClusterFile(cluster_.home()).value())
            .value();
    const auto lock = other->engine->LockForUpdate();
    held.set_value();
    done.get_future().wait();
  });
  held.get_future().wait();
  EXPECT_EQ(After(kDay), "nothing");
  done.set_value();
  writer.join();
  EXPECT_EQ(After(kDay), "made");
}

TEST_F(DailyBackupTest, AnErrorIsOneAndNothingIsLeft) {
  const fs::path directory = cluster::BackupDirectory(cluster_.home());
  fs::remove_all(directory);
  std::ofstream(directory) << "a file where the directory was";
  EXPECT_NE(After(kDay), "made");
  EXPECT_NE(After(kDay), "nothing");
  fs::remove(directory);
  EXPECT_EQ(After(kDay), "made");
}

TEST_F(BackupTest, AnEditedEntryIsTakenFromAnotherHsm) {
  const auto hsms = cluster_->Describe(false)->hsms;
  test::SqliteEditor(hsms[0].path / "store.db").Put("key/" + pair_.ToString().substr(2), Bytes(40));
  cluster_.Reopen();
  const auto backup = cluster_->CreateBackup({});
  ASSERT_TRUE(backup.has_value()) << backup.error().Message();
  const auto content = cluster_.Admin()->ReadBackup(backup->file, {});
  ASSERT_TRUE(content.has_value()) << content.error().Message();
  EXPECT_EQ(content->keys.size(), 3U);
}

TEST_F(BackupTest, ProgressReachesTheEnd) {
  std::uint64_t last = 0;
  std::uint64_t all = 0;
  const Progress progress = [&](std::uint64_t done, std::uint64_t of) {
    EXPECT_GE(done, last);
    last = done;
    all = of;
  };
  ASSERT_TRUE(cluster_->CreateBackup(progress).has_value());
  EXPECT_GT(all, 0U);
  EXPECT_EQ(last, all);
}

}  // namespace
}  // namespace hsmcore
