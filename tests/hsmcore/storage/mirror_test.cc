// SPDX-License-Identifier: Apache-2.0
// The mirror protocol: who is read, who is brought up to date, which history wins.
#include <sqlite3.h>
#include <sys/stat.h>

#include <algorithm>
#include <chrono>
#include <fstream>
#include <thread>

#include "fault_vfs.h"
#include "storage_support.h"

namespace hsmcore::storage::test {
namespace {

namespace fs = std::filesystem;

class MirrorTest : public ::testing::Test {
 protected:
  // Takes members out of reach, as a disk that is not mounted.
  void TakeAway(std::initializer_list<unsigned> members) {
    for (const unsigned member : members) {
      fs::rename(home_.directory(member), Away(member));
      std::ofstream(home_.directory(member)) << "not mounted";
    }
  }
  void BringBack(std::initializer_list<unsigned> members) {
    for (const unsigned member : members) {
      fs::remove(home_.directory(member));
      fs::rename(Away(member), home_.directory(member));
    }
  }
  fs::path Away(unsigned member) const { return home_.path() / ("away-" + std::to_string(member)); }

  void MustCommit(std::string key, std::string_view value) {
    EXPECT_TRUE(Succeeded(home_.Open()->Commit(Put(std::move(key), value))));
  }

  MirrorHome home_{3};
};

TEST_F(MirrorTest, ALaggingMemberIsNotReadAndCatchesUpAtTheNextCommit) {
  MustCommit("a", "old");
  TakeAway({1});
  MustCommit("a", "new");
  BringBack({1});
  const auto engine = home_.Open();
  EXPECT_EQ(TextOfKey(*engine, "a"), "new");
  EXPECT_EQ(TextOfKey(*home_.OpenMember(1), "a"), "old");
  const auto members = engine->Members(true);
  ASSERT_TRUE(Succeeded(members));
  EXPECT_FALSE(members->at(0).in_service);
  EXPECT_EQ(members->at(0).revision, 1U);
  EXPECT_EQ(members->at(0).different, 1U);
  EXPECT_NE(members->at(0).problem.find("out of sync"), std::string::npos);
  MustCommit("b", "1");
  EXPECT_EQ(TextOfKey(*home_.OpenMember(1), "a"), "new");
  ExpectAllAlike(*home_.Open());
}

// With no published head to go by, all members are looked at.
TEST_F(MirrorTest, ALaggingMemberIsNotReadAfterTheMachineStartedAnew) {
  MustCommit("a", "old");
  fs::copy(home_.generation_file(), home_.path() / "old-generation");
  TakeAway({1});
  MustCommit("a", "new");
  BringBack({1});
  // What a crash of the machine leaves: an old state of the file, written during another run of it.
  fs::rename(home_.path() / "old-generation", home_.generation_file());
  std::fstream file(home_.generation_file(), std::ios::in | std::ios::out | std::ios::binary);
  file.seekp(112);  // the mark of the run
  file << "another run of the machine"[0];
  file.close();
  home_.OpenGenerations();
  EXPECT_TRUE(home_.generations().ReadHead().busy);
  EXPECT_EQ(TextOfKey(*home_.Open(), "a"), "new");
}

TEST_F(MirrorTest, AHistoryThatWasLeftBehindLoses) {
  MustCommit("a", "common");
  TakeAway({2, 3});
  for (int i = 0; i < 5; ++i) MustCommit("a", "of member 1 alone");
  MustCommit("lost", "1");
  BringBack({2, 3});
  TakeAway({1});
  MustCommit("a", "of members 2 and 3");
  BringBack({1});
  EXPECT_EQ(TextOfKey(*home_.Open(), "a"), "of members 2 and 3");
  const auto engine = home_.Open();
  EXPECT_EQ(engine->Repair(nullptr).value(), std::vector<std::string>{"hsm-1"});
  ExpectAllAlike(*engine);
  EXPECT_EQ(TextOfKey(*home_.OpenMember(1), "a"), "of members 2 and 3");
  EXPECT_EQ(TextOfKey(*home_.OpenMember(1), "lost"), "(none)");
}

TEST_F(MirrorTest, AMemberThatMissedMoreThanIsKeptTakesOverEverything) {
  MustCommit("early", "1");
  MustCommit("deleted", "1");
  TakeAway({3});
  const auto engine = home_.Open();
  ASSERT_TRUE(Succeeded(engine->Commit(Delete("deleted"))));
  ASSERT_TRUE(Succeeded(engine->Commit(Put("late", "1"))));
  sqlite3* connection = nullptr;  // as pruned after thousands of commits
  for (const unsigned member : {1U, 2U}) {
    ASSERT_EQ(sqlite3_open(home_.store(member).c_str(), &connection), SQLITE_OK);
    EXPECT_EQ(
        sqlite3_exec(connection, "DELETE FROM commits WHERE revision<4", nullptr, nullptr, nullptr),
        SQLITE_OK);
    sqlite3_close(connection);
  }
  BringBack({3});
  ASSERT_TRUE(Succeeded(engine->Commit(Put("last", "1"))));
  ExpectAllAlike(*engine);
  EXPECT_EQ(TextOfKey(*home_.OpenMember(3), "deleted"), "(none)");
  EXPECT_EQ(TextOfKey(*home_.OpenMember(3), "early"), "1");
}

TEST_F(MirrorTest, CommitMarksArePrunedAndNothingElseIs) {
  const auto engine = home_.OpenMember(1);
  constexpr int kCommits = 5200;
  MustCommit("first", "1");
  sqlite3* connection = nullptr;
  ASSERT_EQ(sqlite3_open(home_.store(1).c_str(), &connection), SQLITE_OK);
  // Marks as of thousands of commits, without their time.
  ASSERT_EQ(sqlite3_exec(connection,
                         "WITH RECURSIVE n(i) AS (SELECT 2 UNION ALL SELECT i+1 FROM n WHERE"
                         " i<5119) INSERT INTO commits SELECT i, (SELECT term FROM commits"
                         " WHERE revision=1), randomblob(16) FROM n",
                         nullptr, nullptr, nullptr),
            SQLITE_OK);
  for (int i = 5120; i <= kCommits; ++i) {
    ASSERT_TRUE(Succeeded(engine->Commit(Put("k", std::to_string(i)))));
  }
  sqlite3_stmt* count = nullptr;
  ASSERT_EQ(sqlite3_prepare_v2(connection, "SELECT count(*), min(revision) FROM commits", -1,
                               &count, nullptr),
            SQLITE_OK);
  ASSERT_EQ(sqlite3_step(count), SQLITE_ROW);
  EXPECT_EQ(sqlite3_column_int(count, 1), 5120 - 4096);
  EXPECT_EQ(sqlite3_column_int(count, 0), kCommits - (5120 - 4096) + 1);
  sqlite3_finalize(count);
  sqlite3_close(connection);
  EXPECT_EQ(TextOfKey(*engine, "first"), "1");
}

TEST_F(MirrorTest, TooFewMembersChangeNothing) {
  MustCommit("a", "1");
  TakeAway({1, 2});
  const auto engine = home_.Open();
  Batch batch = Put("a", "2");
  batch.min_copies = 2;
  batch.epochs = {9};
  EXPECT_TRUE(FailedWith(ErrorCode::kKeyAvailability, engine->Commit(batch)));
  EXPECT_EQ(TextOfKey(*engine, "a"), "1");
  EXPECT_EQ(home_.generations().Epoch(9), 0U);
  batch.min_copies = 1;
  EXPECT_TRUE(Succeeded(engine->Commit(batch)));
  EXPECT_EQ(home_.generations().Epoch(9), 2U);
}

TEST_F(MirrorTest, AConflictMovesNoEpoch) {
  MustCommit("a", "1");
  Batch batch = Put("a", "2");
  batch.preconditions = {{"a", 7}};
  batch.epochs = {9};
  EXPECT_TRUE(FailedWith(ErrorCode::kStorageConflict, home_.Open()->Commit(batch)));
  EXPECT_EQ(home_.generations().Epoch(9), 0U);
  EXPECT_FALSE(home_.generations().ReadHead().busy);
}

TEST_F(MirrorTest, AReaderOpensOneMemberOnly) {
  MustCommit("a", "1");
  const FaultVfs counting;
  const int before = FaultVfs::Opened(home_.path().native());
  const auto engine = home_.Open();
  for (int i = 0; i < 10; ++i) EXPECT_EQ(TextOfKey(*engine, "a"), "1");
  EXPECT_EQ(FaultVfs::Opened(home_.path().native()) - before, 1);
}

// What each member was asked for by all processes, and could not do.
std::vector<GenerationMap::Load> LoadsOf(Engine& engine) {
  std::vector<GenerationMap::Load> loads;
  const auto members = engine.Members(false).value();
  for (const Member& member : members) loads.push_back({member.operations, member.errors});
  return loads;
}

TEST_F(MirrorTest, ReadsAreSpreadOverTheMembers) {
  MustCommit("a", "1");
  // Short programs, one after the other.
  for (int program = 0; program < 30; ++program) {
    const auto engine = home_.Open();
    for (int i = 0; i < 10; ++i) EXPECT_EQ(TextOfKey(*engine, "a"), "1");
  }
  const auto engine = home_.Open();
  for (const auto& load : LoadsOf(*engine)) {
    EXPECT_NEAR(static_cast<double>(load.operations), 101, 11);
    EXPECT_EQ(load.errors, 0U);
  }
  // One that reads all the time.
  for (int i = 0; i < 3000; ++i) EXPECT_EQ(TextOfKey(*engine, "a"), "1");
  for (const auto& load : LoadsOf(*engine)) {
    EXPECT_NEAR(static_cast<double>(load.operations), 1101, 100);
  }
}

TEST_F(MirrorTest, AMemberThatIsGoneGetsNoReadsAndItsErrorsAreCounted) {
  MustCommit("a", "1");
  TakeAway({2});
  const auto engine = home_.Open();
  for (int i = 0; i < 1000; ++i) EXPECT_EQ(TextOfKey(*engine, "a"), "1");
  MustCommit("a", "2");
  const auto gone = LoadsOf(*engine);
  EXPECT_GE(gone[1].errors, 2U);
  EXPECT_LE(gone[1].operations, gone[1].errors + 1);  // the commit that it was there for
  EXPECT_EQ(gone[0].errors + gone[2].errors, 0U);
  BringBack({2});
  EXPECT_TRUE(Succeeded(engine->Repair(nullptr)));
  for (int i = 0; i < 1000; ++i) EXPECT_EQ(TextOfKey(*engine, "a"), "2");
  const auto back = LoadsOf(*engine);
  EXPECT_EQ(back[1].errors, gone[1].errors);
  EXPECT_GT(back[1].operations, gone[1].operations + 500);  // it catches up with the others
}

TEST_F(MirrorTest, ReadingWritesNothing) {
  MustCommit("a", "1");
  const auto snapshot = [&] {
    std::vector<std::string> files;
    for (const auto& entry : fs::recursive_directory_iterator(home_.path())) {
      if (!entry.is_regular_file() || entry.path().native().ends_with("-shm")) continue;
      std::ifstream stream(entry.path(), std::ios::binary);
      files.push_back(entry.path().native() + '=' +
                      std::string(std::istreambuf_iterator<char>(stream), {}));
    }
    std::ranges::sort(files);
    return files;
  };
  // The generation file is 64 MiB of nothing.
  home_.options().generations = nullptr;
  fs::remove(home_.generation_file());
  const auto before = snapshot();
  {
    const auto engine = home_.Open();
    EXPECT_EQ(TextOfKey(*engine, "a"), "1");
    EXPECT_TRUE(Succeeded(engine->List("", {})));
    EXPECT_TRUE(Succeeded(engine->Revision()));
    EXPECT_TRUE(Succeeded(engine->Members(true)));
  }
  EXPECT_TRUE(snapshot() == before);
}

TEST_F(MirrorTest, ABusyWriterLockIsAnErrorInTheEnd) {
  home_.options().busy_timeout = std::chrono::milliseconds(30);
  const auto holder = home_.Open();
  const auto lock = holder->LockForUpdate();
  ASSERT_TRUE(Succeeded(lock));
  const auto other = home_.Open();
  EXPECT_TRUE(FailedWith(ErrorCode::kStorageBusy, other->Commit(Put("a", "1"))));
  EXPECT_TRUE(Succeeded(other->Revision()));
}

TEST_F(MirrorTest, AProgramWithoutTheLockCannotMakeMembersDiverge) {
  home_.options().busy_timeout = std::chrono::milliseconds(30);
  MustCommit("a", "1");
  sqlite3* shell = nullptr;
  ASSERT_EQ(sqlite3_open(home_.store(2).c_str(), &shell), SQLITE_OK);
  ASSERT_EQ(sqlite3_exec(shell, "BEGIN IMMEDIATE", nullptr, nullptr, nullptr), SQLITE_OK);
  const auto engine = home_.Open();
  EXPECT_TRUE(Succeeded(engine->Commit(Put("a", "2"))));
  EXPECT_EQ(home_.generations().ReadHead().copies, 2U);
  sqlite3_close(shell);
  EXPECT_TRUE(Succeeded(engine->Commit(Put("a", "3"))));
  EXPECT_EQ(home_.generations().ReadHead().copies, 3U);
  ExpectAllAlike(*engine);
}

// Runs `body` as somebody who may read the members' directories and no more. -1: it could not.
int AsReader(const MirrorHome& home, const std::function<int()>& body) {
  for (const auto& entry : fs::recursive_directory_iterator(home.path())) {
    chmod(entry.path().c_str(), entry.is_directory() ? 0555 : 0444);
  }
  chmod(home.path().c_str(), 0555);
  const int status = WaitFor(StartChild([&] {
    if (geteuid() == 0 && setresuid(65534, 65534, 65534) != 0) return 100;
    return body();
  }));
  for (const auto& entry : fs::recursive_directory_iterator(home.path())) {
    chmod(entry.path().c_str(), entry.is_directory() ? 0700 : 0600);
  }
  chmod(home.path().c_str(), 0700);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

TEST_F(MirrorTest, AReadOnlyHomeCanBeRead) {
  MustCommit("a", "1");
  for (const bool with_log_files : {true, false}) {
    SCOPED_TRACE(with_log_files);
    if (!with_log_files) {
      for (unsigned member = 1; member <= 3; ++member) {
        fs::remove(home_.store(member).native() + "-wal");
        fs::remove(home_.store(member).native() + "-shm");
      }
    }
    EXPECT_EQ(AsReader(home_,
                       [&] {
                         const auto engine = home_.Open();
                         if (TextOfKey(*engine, "a") != "1") return 1;
                         if (engine->Count("").value_or(0) != 1) return 2;
                         if (!engine->Members(true).value().at(2).in_service) return 3;
                         const auto committed = engine->Commit(Put("a", "2"));
                         return FailedWith(ErrorCode::kHomeAccess, committed) ? 0 : 4;
                       }),
              0);
  }
}

TEST_F(MirrorTest, ALogThatCannotBeReadInAReadOnlyHomeIsAnError) {
  const auto open = home_.Open();  // keeps the change in the log
  ASSERT_TRUE(Succeeded(open->Commit(Put("a", "1"))));
  fs::copy(home_.directory(1), home_.path() / "copy");
  fs::remove(home_.path() / "copy" / "store.db-shm");
  ASSERT_GT(fs::file_size(home_.path() / "copy" / "store.db-wal"), 0U);
  const SqliteOptions copy{MirrorHome::kCluster, {"hsm-1", "", home_.path() / "copy"}};
  EXPECT_EQ(
      AsReader(home_,
               [&] {
                 const auto entry = NewSqliteEngine(copy)->Get("a");
                 if (!FailedWith(ErrorCode::kStorageReadOnly, entry)) return 1;
                 return entry.error().detail().find("hsmctl cluster sync") == std::string::npos ? 2
                                                                                                : 0;
               }),
      0);
}

TEST_F(MirrorTest, AHomeThatMayNotBeEnteredIsAnAccessError) {
  MustCommit("a", "1");
  chmod(home_.path().c_str(), 0);
  const int status = WaitFor(StartChild([&] {
    if (geteuid() == 0 && setresuid(65534, 65534, 65534) != 0) return 100;
    const auto engine = home_.Open();
    if (!FailedWith(ErrorCode::kHomeAccess, engine->Get("a"))) return 1;
    return FailedWith(ErrorCode::kHomeAccess, engine->Commit(Put("a", "2"))) ? 0 : 2;
  }));
  chmod(home_.path().c_str(), 0700);
  EXPECT_TRUE(ExitedWell(status));
}

TEST_F(MirrorTest, AHomeBelowALinkedDirectoryWorks) {
  MustCommit("a", "1");
  const TempDirectory elsewhere;
  fs::create_directory_symlink(home_.path(), elsewhere.path() / "link");
  MirrorOptions options = home_.options();
  for (MemberOptions& member : options.members) {
    member.directory = elsewhere.path() / "link" / member.id;
  }
  EXPECT_EQ(TextOfKey(*NewMirrorEngine(options), "a"), "1");
}

TEST_F(MirrorTest, AStoreIsMadeOnce) {
  EXPECT_TRUE(FailedWith(ErrorCode::kHomeExists,
                         CreateSqliteStore({MirrorHome::kCluster, home_.options().members[0]})));
  struct stat status{};
  for (const char* suffix : {"", "-wal", "-shm"}) {
    ASSERT_EQ(stat((home_.store(1).native() + suffix).c_str(), &status), 0) << suffix;
    EXPECT_EQ(status.st_mode & 07777, 0600U) << suffix;
  }
  ASSERT_EQ(stat(home_.directory(1).c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777, 0700U);
}

}  // namespace
}  // namespace hsmcore::storage::test
