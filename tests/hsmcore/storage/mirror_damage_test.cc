// SPDX-License-Identifier: Apache-2.0
// A mirror of three, one or all of whose files somebody has tampered with.
#include <sqlite3.h>
#include <sys/stat.h>

#include <fstream>
#include <random>

#include "storage_support.h"

namespace hsmcore::storage::test {
namespace {

constexpr int kEntries = 200;

std::string KeyOf(int i) { return "key/" + std::to_string(1000 + i); }
std::string ValueOf(int i) { return "genuine " + std::to_string(i) + std::string(300, '.'); }

const Verifier kGenuine = [](const Entry& entry) {
  return ToText(entry.value).starts_with("genuine");
};

void RunSql(const std::filesystem::path& file, const std::string& sql) {
  sqlite3* connection = nullptr;
  ASSERT_EQ(sqlite3_open(file.c_str(), &connection), SQLITE_OK);
  char* problem = nullptr;
  EXPECT_EQ(sqlite3_exec(connection, sql.c_str(), nullptr, nullptr, &problem), SQLITE_OK)
      << problem;
  sqlite3_close(connection);
}

// Overwrites everything from `offset` on.
void FillWithGarbage(const std::filesystem::path& file, std::uintmax_t offset) {
  std::minstd_rand random(42);
  std::fstream stream(file, std::ios::in | std::ios::out | std::ios::binary);
  stream.seekp(static_cast<std::streamoff>(offset));
  for (std::uintmax_t i = offset; i < std::filesystem::file_size(file); ++i) {
    stream.put(static_cast<char>(random()));
  }
}

class MirrorDamageTest : public ::testing::Test {
 protected:
  void SetUp() override {
    const auto engine = home_.Open();
    for (int i = 0; i < kEntries; i += 10) {
      Batch batch;
      for (int j = i; j < i + 10; ++j) batch.mutations.push_back({KeyOf(j), ToBytes(ValueOf(j))});
      ASSERT_TRUE(Succeeded(engine->Commit(batch)));
    }
  }

  void ExpectAllReadable(Engine& engine) {
    for (int i = 0; i < kEntries; ++i) {
      ASSERT_EQ(TextOfKey(engine, KeyOf(i), &kGenuine), ValueOf(i));
    }
  }

  // The others serve on, the damage shows, and a repair heals it.
  void ExpectSurvives(unsigned damaged) {
    {
      SCOPED_TRACE("reading");
      const auto engine = home_.Open();
      ExpectAllReadable(*engine);
      EXPECT_EQ(engine->List("key/", {}).value().size(), std::size_t{kEntries});
      const auto members = engine->Members(true);
      ASSERT_TRUE(Succeeded(members));
      for (unsigned i = 1; i <= 3; ++i) {
        EXPECT_EQ(members->at(i - 1).in_service, i != damaged) << members->at(i - 1).problem;
      }
      EXPECT_NE(members->at(damaged - 1).problem.find("hsmctl cluster sync"), std::string::npos)
          << members->at(damaged - 1).problem;
    }
    SCOPED_TRACE("repairing");
    const auto engine = home_.Open();
    const auto repaired = engine->Repair(&kGenuine);
    ASSERT_TRUE(Succeeded(repaired));
    EXPECT_EQ(*repaired, std::vector{"hsm-" + std::to_string(damaged)});
    ExpectAllAlike(*engine);
    ExpectAllReadable(*home_.OpenMember(damaged));
  }

  // A commit goes on without a repair being asked for.
  void ExpectCommits() {
    const auto engine = home_.Open();
    Batch batch = Put("new", "genuine new");
    batch.min_copies = 2;
    ASSERT_TRUE(Succeeded(engine->Commit(batch)));
    EXPECT_EQ(TextOfKey(*engine, "new"), "genuine new");
  }

  MirrorHome home_{3};
};

struct Damage {
  const char* name;
  std::function<void(const std::filesystem::path& store)> inflict;
};

class MirrorDamagedFileTest : public MirrorDamageTest,
                              public ::testing::WithParamInterface<Damage> {};

TEST_P(MirrorDamagedFileTest, TheOthersServeOn) {
  for (unsigned member = 1; member <= 3; ++member) {
    SCOPED_TRACE(member);
    GetParam().inflict(home_.store(member));
    ExpectSurvives(member);
    ASSERT_FALSE(HasFailure());
  }
}

TEST_P(MirrorDamagedFileTest, CommitsGoOn) {
  GetParam().inflict(home_.store(1));
  ExpectCommits();
  const auto engine = home_.Open();
  ASSERT_TRUE(Succeeded(engine->Repair(&kGenuine)));
  ExpectAllAlike(*engine);
  ExpectAllReadable(*engine);
}

TEST_P(MirrorDamagedFileTest, AnOpenEngineServesOn) {
  const auto engine = home_.Open();
  ExpectAllReadable(*engine);
  GetParam().inflict(home_.store(1));
  ExpectAllReadable(*engine);
  ASSERT_TRUE(Succeeded(engine->Commit(Put("new", "genuine new"))));
  ExpectAllReadable(*engine);
  ASSERT_TRUE(Succeeded(engine->Repair(&kGenuine)));
  ExpectAllAlike(*engine);
  ExpectAllReadable(*home_.Open());
  ExpectAllReadable(*home_.OpenMember(1));
}

INSTANTIATE_TEST_SUITE_P(
    Damages, MirrorDamagedFileTest,
    ::testing::Values(
        Damage{"CutInHalf",
               [](const auto& store) {
                 std::filesystem::resize_file(store, std::filesystem::file_size(store) / 2);
               }},
        Damage{"Emptied", [](const auto& store) { std::filesystem::resize_file(store, 0); }},
        Damage{"Garbage", [](const auto& store) { FillWithGarbage(store, 0); }},
        Damage{"GarbageAfterTheFirstPages",
               [](const auto& store) { FillWithGarbage(store, 8 * 4096); }},
        Damage{"Removed", [](const auto& store) { std::filesystem::remove(store); }},
        Damage{"DirectoryRemoved",
               [](const auto& store) { std::filesystem::remove_all(store.parent_path()); }},
        Damage{"TableDropped", [](const auto& store) { RunSql(store, "DROP TABLE kv"); }},
        Damage{"EntryEdited",
               [](const auto& store) {
                 RunSql(store, "UPDATE kv SET value=x'00' WHERE key=CAST('key/1003' AS BLOB)");
               }},
        Damage{"EntryRetyped",
               [](const auto& store) {
                 RunSql(store,
                        "PRAGMA writable_schema=ON;"
                        "UPDATE sqlite_schema SET sql=replace(sql,'STRICT','');"
                        "PRAGMA writable_schema=RESET;"
                        "UPDATE kv SET revision='x' WHERE key=CAST('key/1003' AS BLOB)");
               }}),
    [](const auto& each) { return each.param.name; });

TEST_F(MirrorDamageTest, RemovedAndAddedEntriesAreOutvoted) {
  RunSql(home_.store(2),
         "DELETE FROM kv WHERE key=CAST('key/1005' AS BLOB);"
         "INSERT INTO kv VALUES(CAST('key/9999' AS BLOB), CAST('genuine?' AS BLOB), 3)");
  const auto engine = home_.Open();
  const auto members = engine->Members(true);
  ASSERT_TRUE(Succeeded(members));
  EXPECT_EQ(members->at(1).different, 2U);
  EXPECT_EQ(members->at(1).entries, std::uint64_t{kEntries});
  EXPECT_FALSE(members->at(1).in_service);
  EXPECT_EQ(engine->Repair(nullptr).value(), std::vector<std::string>{"hsm-2"});
  ExpectAllAlike(*engine);
  ExpectAllReadable(*home_.OpenMember(2));
  EXPECT_EQ(TextOfKey(*home_.OpenMember(2), "key/9999"), "(none)");
}

TEST_F(MirrorDamageTest, TheGenuineEntryWinsAgainstTheMajority) {
  for (const unsigned member : {1U, 3U}) {
    RunSql(home_.store(member),
           "UPDATE kv SET value=CAST('forged' AS BLOB) WHERE key=CAST('key/1007' AS BLOB)");
  }
  const auto engine = home_.Open();
  EXPECT_EQ(TextOfKey(*engine, KeyOf(7), &kGenuine), ValueOf(7));
  EXPECT_FALSE(engine->Members(false).value().at(0).in_service);  // the read found it out
  EXPECT_EQ(engine->Repair(&kGenuine).value(), (std::vector<std::string>{"hsm-1", "hsm-3"}));
  ExpectAllAlike(*engine);
  EXPECT_EQ(TextOfKey(*home_.OpenMember(1), KeyOf(7)), ValueOf(7));
}

TEST_F(MirrorDamageTest, AnEntryThatIsNowhereGenuineIsAnError) {
  for (unsigned member = 1; member <= 3; ++member) {
    RunSql(home_.store(member),
           "UPDATE kv SET value=CAST('forged' AS BLOB) WHERE key=CAST('key/1007' AS BLOB)");
  }
  const auto engine = home_.Open();
  EXPECT_TRUE(FailedWith(ErrorCode::kHomeDamaged, engine->Get(KeyOf(7), &kGenuine)));
  EXPECT_EQ(TextOfKey(*engine, KeyOf(8), &kGenuine), ValueOf(8));
}

TEST_F(MirrorDamageTest, AllFilesCutShortIsAClearError) {
  for (unsigned member = 1; member <= 3; ++member) {
    std::filesystem::resize_file(home_.store(member), 100);
  }
  const auto engine = home_.Open();
  const auto entry = engine->Get(KeyOf(1));
  EXPECT_TRUE(FailedWith(ErrorCode::kHomeDamaged, entry));
  EXPECT_NE(entry.error().detail().find(home_.store(3).native()), std::string::npos);
  EXPECT_TRUE(FailedWith(ErrorCode::kHomeDamaged, engine->Commit(Put("a", "b"))));
  EXPECT_TRUE(FailedWith(ErrorCode::kHomeDamaged, engine->Repair(nullptr)));
  for (unsigned member = 1; member <= 3; ++member) {
    EXPECT_EQ(std::filesystem::file_size(home_.store(member)), 100U);  // nothing was made anew
  }
}

TEST_F(MirrorDamageTest, DifferentTroublesMakeNoHsmInService) {
  std::filesystem::remove(home_.store(1));
  RunSql(home_.store(2), "PRAGMA user_version=2");
  std::filesystem::remove(home_.store(3));
  EXPECT_TRUE(FailedWith(ErrorCode::kNoHsmInService, home_.Open()->Revision()));
}

TEST_F(MirrorDamageTest, ANewerSchemaIsLeftAlone) {
  RunSql(home_.store(2), "PRAGMA user_version=2; DROP TABLE meta");
  ExpectCommits();
  const auto engine = home_.Open();
  const auto members = engine->Members(false);
  ASSERT_TRUE(Succeeded(members));
  EXPECT_FALSE(members->at(1).in_service);
  EXPECT_NE(members->at(1).problem.find("schema 2"), std::string::npos);
  EXPECT_TRUE(engine->Repair(nullptr).value().empty());
  RunSql(home_.store(2), "SELECT * FROM kv");  // untouched
  for (const unsigned member : {1U, 3U}) RunSql(home_.store(member), "PRAGMA user_version=2");
  EXPECT_TRUE(FailedWith(ErrorCode::kHomeNewer, home_.Open()->Revision()));
}

TEST_F(MirrorDamageTest, AnotherClustersFileIsLeftAlone) {
  std::filesystem::remove_all(home_.directory(2));
  SqliteOptions foreign{"cluster-foreign", {"hsm-2", "", home_.directory(2)}};
  ASSERT_TRUE(Succeeded(CreateSqliteStore(foreign)));
  ASSERT_TRUE(Succeeded(NewSqliteEngine(foreign)->Commit(Put("a", "theirs"))));
  ExpectCommits();
  const auto engine = home_.Open();
  EXPECT_TRUE(engine->Repair(nullptr).value().empty());
  const auto members = engine->Members(false);
  ASSERT_TRUE(Succeeded(members));
  EXPECT_FALSE(members->at(1).in_service);
  EXPECT_NE(members->at(1).problem.find("cluster-foreign"), std::string::npos);
  EXPECT_EQ(TextOfKey(*NewSqliteEngine(foreign), "a"), "theirs");
}

TEST_F(MirrorDamageTest, WhatIsNoFileIsLeftAloneUntilItIsMovedAway) {
  const auto other = home_.path() / "other";
  std::filesystem::rename(home_.store(2), other);
  for (const bool link : {false, true}) {
    SCOPED_TRACE(link);
    if (link) {
      std::filesystem::create_symlink(other, home_.store(2));
    } else {
      std::filesystem::create_directory(home_.store(2));
    }
    ExpectCommits();
    const auto engine = home_.Open();
    EXPECT_TRUE(engine->Repair(nullptr).value().empty());
    EXPECT_FALSE(engine->Members(false).value().at(1).in_service);
    std::filesystem::remove(home_.store(2));
    EXPECT_EQ(engine->Repair(nullptr).value(), std::vector<std::string>{"hsm-2"});
    ExpectAllAlike(*engine);
    std::filesystem::remove(home_.store(2));
  }
}

TEST_F(MirrorDamageTest, ADamagedFileIsKeptAside) {
  std::filesystem::resize_file(home_.store(2), 5000);
  ASSERT_TRUE(Succeeded(home_.Open()->Repair(nullptr)));
  EXPECT_EQ(std::filesystem::file_size(home_.directory(2) / "store.db.damaged"), 5000U);
  struct stat status{};
  ASSERT_EQ(stat(home_.store(2).c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777, 0600U);
}

}  // namespace
}  // namespace hsmcore::storage::test
