// SPDX-License-Identifier: Apache-2.0
// What storage/engine.h promises, asked of every engine.
#include <atomic>
#include <future>
#include <thread>

#include "storage_support.h"

namespace hsmcore::storage::test {
namespace {

// An engine under test and the files behind it.
class Stand {
 public:
  virtual ~Stand() = default;
  virtual std::unique_ptr<Engine> Open() = 0;
  virtual std::size_t members() const = 0;
};

class MemoryStand final : public Stand {
 public:
  std::unique_ptr<Engine> Open() override { return NewMemoryEngine(); }
  std::size_t members() const override { return 1; }
};

class SqliteStand final : public Stand {
 public:
  SqliteStand() { EXPECT_TRUE(Succeeded(CreateSqliteStore(options_))); }
  std::unique_ptr<Engine> Open() override { return NewSqliteEngine(options_); }
  std::size_t members() const override { return 1; }

 private:
  TempDirectory directory_;
  SqliteOptions options_{"cluster-a", {"hsm-1", "zone-1", directory_.path() / "hsm-1"}};
};

class MirrorStand final : public Stand {
 public:
  MirrorStand(unsigned members, bool with_generations) : members_(members), home_(members) {
    if (!with_generations) home_.options().generations = nullptr;
  }
  std::unique_ptr<Engine> Open() override { return home_.Open(); }
  std::size_t members() const override { return members_; }

 private:
  unsigned members_;
  MirrorHome home_;
};

constexpr std::string_view kMemory = "Memory";

struct EngineCase {
  std::string_view name;
  std::function<std::unique_ptr<Stand>()> make;
};

std::vector<EngineCase> Engines() {
  const auto mirror = [](unsigned members, bool with_generations) {
    return [=] { return std::make_unique<MirrorStand>(members, with_generations); };
  };
  return {{kMemory, [] { return std::make_unique<MemoryStand>(); }},
          {"Sqlite", [] { return std::make_unique<SqliteStand>(); }},
          {"MirrorOf1", mirror(1, true)},
          {"MirrorOf3", mirror(3, true)},
          {"MirrorOf3WithoutGenerations", mirror(3, false)},
          {"MirrorOf28", mirror(28, true)}};
}

class ContractTest : public ::testing::TestWithParam<EngineCase> {
 protected:
  void SetUp() override {
    stand_ = GetParam().make();
    engine_ = stand_->Open();
  }

  std::uint64_t MustCommit(const Batch& batch) {
    const auto revision = engine_->Commit(batch);
    EXPECT_TRUE(Succeeded(revision));
    return revision.value_or(0);
  }

  std::vector<std::string> Keys(std::string_view prefix, const ListOptions& options = {}) {
    const auto entries = engine_->List(prefix, options);
    EXPECT_TRUE(Succeeded(entries));
    std::vector<std::string> keys;
    for (const Entry& entry : entries.value_or(std::vector<Entry>{})) keys.push_back(entry.key);
    return keys;
  }

  void PutAll(std::initializer_list<std::string> keys) {
    Batch batch;
    for (const std::string& key : keys) batch.mutations.push_back({key, ToBytes("of " + key)});
    MustCommit(batch);
  }

  std::unique_ptr<Stand> stand_;
  std::unique_ptr<Engine> engine_;
};

using Texts = std::vector<std::string>;

TEST_P(ContractTest, EmptyStoreIsAtRevisionZero) {
  EXPECT_EQ(engine_->Revision().value(), 0U);
  EXPECT_EQ(engine_->Count("").value(), 0U);
  EXPECT_TRUE(Keys("").empty());
  EXPECT_TRUE(engine_->ChangesSince(0).value().empty());
}

TEST_P(ContractTest, EachCommitMovesTheRevisionByOne) {
  EXPECT_EQ(MustCommit(Put("a", "1")), 1U);
  EXPECT_EQ(MustCommit(Put("b", "2")), 2U);
  EXPECT_EQ(MustCommit(Delete("a")), 3U);
  EXPECT_EQ(engine_->Revision().value(), 3U);
}

TEST_P(ContractTest, GetReturnsValueAndRevision) {
  MustCommit(Put("a", "old"));
  MustCommit(Put("b", "other"));
  MustCommit(Put("a", "new"));
  const auto entry = engine_->Get("a");
  ASSERT_TRUE(Succeeded(entry));
  ASSERT_TRUE(entry->has_value());
  EXPECT_EQ((*entry)->key, "a");
  EXPECT_EQ(ToText((*entry)->value), "new");
  EXPECT_EQ((*entry)->revision, 3U);
  EXPECT_EQ(engine_->Get("b").value()->revision, 2U);
  EXPECT_EQ(engine_->Get("c").value(), std::nullopt);
}

TEST_P(ContractTest, KeysAndValuesAreBytes) {
  const std::string key("\0k\xff\x80'\"%_", 8);
  const std::string value("\0v\xff", 3);
  MustCommit(Put(key, value));
  EXPECT_EQ(TextOfKey(*engine_, key), value);
  EXPECT_EQ(Keys(std::string_view("\0", 1)), Texts{key});
}

TEST_P(ContractTest, AnEmptyValueIsAValue) {
  MustCommit(Put("a", ""));
  EXPECT_EQ(TextOfKey(*engine_, "a"), "");
  EXPECT_EQ(engine_->Count("").value(), 1U);
}

TEST_P(ContractTest, KeysAndValuesHaveBounds) {
  const std::string longest(kMaxKeyBytes, '\xff');
  const std::string largest(kMaxValueBytes, 'v');
  MustCommit(Put(longest, largest));
  EXPECT_EQ(TextOfKey(*engine_, longest), largest);
  EXPECT_EQ(Keys("\xff"), Texts{longest});
  EXPECT_TRUE(FailedWith(ErrorCode::kInvalidArgument, engine_->Commit(Put("", "v"))));
  EXPECT_TRUE(FailedWith(ErrorCode::kInvalidArgument, engine_->Commit(Put(longest + "x", "v"))));
  EXPECT_TRUE(FailedWith(ErrorCode::kInvalidArgument, engine_->Commit(Put("a", largest + "x"))));
  EXPECT_EQ(engine_->Revision().value(), 1U);
}

TEST_P(ContractTest, ABatchMustWriteEachKeyOnce) {
  EXPECT_TRUE(FailedWith(ErrorCode::kInvalidArgument, engine_->Commit({})));
  Batch twice = Put("a", "1");
  twice.mutations.push_back({"a", std::nullopt});
  EXPECT_TRUE(FailedWith(ErrorCode::kInvalidArgument, engine_->Commit(twice)));
  EXPECT_EQ(engine_->Revision().value(), 0U);
}

TEST_P(ContractTest, PreconditionsDecideOverTheWholeBatch) {
  MustCommit(Put("a", "1"));
  Batch batch = Put("b", "2");
  batch.mutations.push_back({"a", ToBytes("changed")});
  batch.preconditions = {{"a", 1}, {"b", 7}};
  EXPECT_TRUE(FailedWith(ErrorCode::kStorageConflict, engine_->Commit(batch)));
  EXPECT_EQ(TextOfKey(*engine_, "a"), "1");
  EXPECT_EQ(TextOfKey(*engine_, "b"), "(none)");
  EXPECT_EQ(engine_->Revision().value(), 1U);
  batch.preconditions = {{"a", 1}, {"b", 0}};
  EXPECT_EQ(MustCommit(batch), 2U);
  EXPECT_TRUE(FailedWith(ErrorCode::kStorageConflict, engine_->Commit(batch)));
}

TEST_P(ContractTest, ADeletedKeyDoesNotExist) {
  MustCommit(Put("a", "1"));
  MustCommit(Delete("a"));
  EXPECT_EQ(TextOfKey(*engine_, "a"), "(none)");
  EXPECT_EQ(engine_->Count("").value(), 0U);
  EXPECT_TRUE(Keys("").empty());
  Batch again = Put("a", "2");
  again.preconditions = {{"a", 2}};
  EXPECT_TRUE(FailedWith(ErrorCode::kStorageConflict, engine_->Commit(again)));
  again.preconditions = {{"a", 0}};
  EXPECT_EQ(MustCommit(again), 3U);
  EXPECT_EQ(TextOfKey(*engine_, "a"), "2");
}

TEST_P(ContractTest, DeletingWhatIsNotThereIsNoError) {
  EXPECT_EQ(MustCommit(Delete("a")), 1U);
  EXPECT_TRUE(engine_->ChangesSince(0).value().empty());
}

TEST_P(ContractTest, ListIsOrderedByBytesAndBoundByThePrefix) {
  PutAll({"key/b", "key/a", "key/\xff", "key/", "key", "kez", "key0", "ke"});
  EXPECT_EQ(Keys("key/"), (Texts{"key/", "key/a", "key/b", "key/\xff"}));
  EXPECT_EQ(Keys("key/b"), Texts{"key/b"});
  EXPECT_EQ(Keys("key/c"), Texts{});
  EXPECT_EQ(Keys("").size(), 8U);
  EXPECT_EQ(Keys("").front(), "ke");
  EXPECT_EQ(engine_->Count("key").value(), 6U);
  EXPECT_EQ(engine_->Count("x").value(), 0U);
}

TEST_P(ContractTest, ListComesInPages) {
  PutAll({"k/1", "k/2", "k/3", "k/4", "l"});
  EXPECT_EQ(Keys("k/", {.after = "", .limit = 2}), (Texts{"k/1", "k/2"}));
  EXPECT_EQ(Keys("k/", {.after = "k/2", .limit = 2}), (Texts{"k/3", "k/4"}));
  EXPECT_EQ(Keys("k/", {.after = "k/4", .limit = 2}), Texts{});
  EXPECT_EQ(Keys("k/", {.after = "a", .limit = 1}), Texts{"k/1"});
  EXPECT_EQ(Keys("k/", {.after = "", .limit = 0}), Texts{});
}

TEST_P(ContractTest, ListGivesValuesUnlessOnlyKeysAreAsked) {
  PutAll({"a", "b"});
  MustCommit(Put("b", "new"));
  for (const bool keys_only : {false, true}) {
    const auto entries = engine_->List("", {.after = "", .keys_only = keys_only});
    ASSERT_TRUE(Succeeded(entries));
    ASSERT_EQ(entries->size(), 2U);
    EXPECT_EQ(ToText(entries->at(0).value), keys_only ? "" : "of a");
    EXPECT_EQ(ToText(entries->at(1).value), keys_only ? "" : "new");
    EXPECT_EQ(entries->at(0).revision, 1U);
    EXPECT_EQ(entries->at(1).revision, 2U);
  }
}

TEST_P(ContractTest, ChangesAreTheNewestOfEachKeyOldestFirst) {
  PutAll({"c", "b", "a"});
  MustCommit(Put("c", "new"));
  MustCommit(Delete("b"));
  const auto all = engine_->ChangesSince(0);
  ASSERT_TRUE(Succeeded(all));
  ASSERT_EQ(all->size(), 3U);
  EXPECT_EQ(all->at(0).key, "a");
  EXPECT_EQ(all->at(1).key, "c");
  EXPECT_EQ(all->at(1).revision, 2U);
  EXPECT_FALSE(all->at(1).deleted);
  EXPECT_EQ(all->at(2).key, "b");
  EXPECT_TRUE(all->at(2).deleted);
  EXPECT_EQ(engine_->ChangesSince(2).value().size(), 1U);
  EXPECT_TRUE(engine_->ChangesSince(3).value().empty());
}

TEST_P(ContractTest, AnEntryThatNoMemberHasGenuineIsDamaged) {
  MustCommit(Put("a", "1"));
  const Verifier accept = [](const Entry& entry) {
    return entry.key == "a" && ToText(entry.value) == "1" && entry.revision == 1;
  };
  const Verifier refuse = [](const Entry&) { return false; };
  EXPECT_EQ(TextOfKey(*engine_, "a", &accept), "1");
  EXPECT_TRUE(FailedWith(ErrorCode::kHomeDamaged, engine_->Get("a", &refuse)));
  EXPECT_EQ(TextOfKey(*engine_, "missing", &refuse), "(none)");
}

TEST_P(ContractTest, MoreCopiesThanMembersNeedsAllOfThem) {
  Batch batch = Put("a", "1");
  batch.min_copies = 100;
  EXPECT_EQ(MustCommit(batch), 1U);
}

TEST_P(ContractTest, MembersDescribeThemselves) {
  PutAll({"a", "b"});
  MustCommit(Delete("a"));
  const auto members = engine_->Members(true);
  ASSERT_TRUE(Succeeded(members));
  ASSERT_EQ(members->size(), stand_->members());
  for (const Member& member : *members) {
    EXPECT_FALSE(member.id.empty());
    EXPECT_FALSE(member.location.empty());
    EXPECT_TRUE(member.in_service) << member.problem;
    EXPECT_EQ(member.problem, "");
    EXPECT_EQ(member.revision, 2U);
    EXPECT_EQ(member.entries, 1U);
    EXPECT_EQ(member.different, 0U);
  }
  EXPECT_EQ(engine_->Members(false).value().size(), stand_->members());
}

TEST_P(ContractTest, RepairOfASoundStoreChangesNothing) {
  PutAll({"a", "b"});
  EXPECT_TRUE(engine_->Repair(nullptr).value().empty());
  EXPECT_EQ(engine_->Revision().value(), 1U);
}

TEST_P(ContractTest, TheWriterLockKeepsOtherWritersWaiting) {
  auto lock = engine_->LockForUpdate();
  ASSERT_TRUE(Succeeded(lock));
  std::atomic<bool> committed = false;
  std::promise<void> started;
  std::thread other([&] {
    started.set_value();
    EXPECT_TRUE(Succeeded(engine_->Commit(Put("a", "other"))));
    committed = true;
  });
  started.get_future().wait();
  EXPECT_EQ(MustCommit(Put("a", "holder")), 1U);  // the holder may write
  EXPECT_EQ(TextOfKey(*engine_, "a"), "holder");
  EXPECT_TRUE(Succeeded(engine_->LockForUpdate()));  // and lock again
  EXPECT_FALSE(committed);
  lock->reset();
  other.join();
  EXPECT_EQ(TextOfKey(*engine_, "a"), "other");
}

TEST_P(ContractTest, TheWriterLockCanBeTriedFor) {
  auto lock = engine_->TryLockForUpdate();
  ASSERT_TRUE(Succeeded(lock));
  EXPECT_TRUE(Succeeded(engine_->TryLockForUpdate()));  // the holder may again
  std::thread other([&] {
    const auto tried = engine_->TryLockForUpdate();
    ASSERT_FALSE(tried.has_value());
    EXPECT_EQ(tried.error().code(), ErrorCode::kStorageBusy);
  });
  other.join();
  lock->reset();
  std::thread later([&] { EXPECT_TRUE(Succeeded(engine_->TryLockForUpdate())); });
  later.join();
}

TEST_P(ContractTest, UpdateSeesItsOwnWrites) {
  MustCommit(Put("a", "1"));
  const auto revision = Update(*engine_, [](Transaction& transaction) -> Status {
    transaction.Put("a", ToBytes("2"));
    EXPECT_EQ(ToText(transaction.Get("a").value().value()), "2");
    transaction.Delete("a");
    EXPECT_EQ(transaction.Get("a").value(), std::nullopt);
    transaction.Put("b", ToBytes("3"));
    return {};
  });
  EXPECT_EQ(revision.value(), 2U);
  EXPECT_EQ(TextOfKey(*engine_, "a"), "(none)");
  EXPECT_EQ(TextOfKey(*engine_, "b"), "3");
}

TEST_P(ContractTest, UpdateThatWritesNothingCommitsNothing) {
  MustCommit(Put("a", "1"));
  const auto read_only = [](Transaction& transaction) -> Status {
    return transaction.Get("a") ? Status() : Fail(ErrorCode::kInternal, "not read");
  };
  EXPECT_EQ(Update(*engine_, read_only).value(), 1U);
}

TEST_P(ContractTest, UpdateThatFailsCommitsNothing) {
  const auto failing = [](Transaction& transaction) -> Status {
    transaction.Put("a", ToBytes("1"));
    return Fail(ErrorCode::kQuotaExceeded, "too many");
  };
  EXPECT_TRUE(FailedWith(ErrorCode::kQuotaExceeded, Update(*engine_, failing)));
  EXPECT_EQ(TextOfKey(*engine_, "a"), "(none)");
}

TEST_P(ContractTest, UpdateRunsAgainWhenAnotherChangeCameFirst) {
  MustCommit(Put("a", "1"));
  int runs = 0;
  const auto revision = Update(*engine_, [&](Transaction& transaction) -> Status {
    HSMCORE_TRY(const std::optional<Bytes> seen, transaction.Get("a"));
    if (++runs == 1) MustCommit(Put("a", "2"));
    transaction.Put("b", *seen);
    return {};
  });
  EXPECT_TRUE(Succeeded(revision));
  EXPECT_EQ(runs, 2);
  EXPECT_EQ(TextOfKey(*engine_, "b"), "2");
}

TEST_P(ContractTest, UpdateGivesUpWhenItConflictsForEver) {
  MustCommit(Put("a", "1"));
  const auto revision = Update(*engine_, [&](Transaction& transaction) -> Status {
    HSMCORE_TRY(const std::optional<Bytes> seen, transaction.Get("a"));
    MustCommit(Put("a", "other"));
    transaction.Put("a", *seen);
    return {};
  });
  EXPECT_TRUE(FailedWith(ErrorCode::kStorageConflict, revision));
}

TEST_P(ContractTest, EightThreadsCountExactly) {
  constexpr int kThreads = 8;
  constexpr int kRounds = 10;
  std::vector<std::thread> threads;
  threads.reserve(kThreads);
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([&] {
      for (int round = 0; round < kRounds; ++round) {
        EXPECT_TRUE(Succeeded(Increment(*engine_, "counter")));
        EXPECT_TRUE(Succeeded(engine_->Get("counter")));
        EXPECT_TRUE(Succeeded(engine_->Count("")));
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(TextOfKey(*engine_, "counter"), std::to_string(kThreads * kRounds));
  EXPECT_EQ(engine_->Revision().value(), std::uint64_t{kThreads * kRounds});
}

INSTANTIATE_TEST_SUITE_P(Engines, ContractTest, ::testing::ValuesIn(Engines()),
                         [](const auto& each) { return std::string(each.param.name); });

// The part of the contract that needs files behind the engine.
class PersistentContractTest : public ContractTest {};

TEST_P(PersistentContractTest, CommitsOutliveTheEngine) {
  MustCommit(Put("a", "1"));
  engine_.reset();
  engine_ = stand_->Open();
  EXPECT_EQ(TextOfKey(*engine_, "a"), "1");
  EXPECT_EQ(engine_->Revision().value(), 1U);
}

TEST_P(PersistentContractTest, EnginesSeeEachOthersCommits) {
  const std::unique_ptr<Engine> other = stand_->Open();
  for (int round = 0; round < 5; ++round) {
    const std::string value = std::to_string(round);
    MustCommit(Put("a", value));
    EXPECT_EQ(TextOfKey(*other, "a"), value);
    ASSERT_TRUE(Succeeded(other->Commit(Put("b", value))));
    EXPECT_EQ(TextOfKey(*engine_, "b"), value);
  }
}

TEST_P(PersistentContractTest, AChildUsesTheEngineThatItInherited) {
  MustCommit(Put("a", "parent"));
  for (int round = 0; round < 3; ++round) {
    const pid_t child = StartChild([&] {
      if (TextOfKey(*engine_, "a") != "parent") return 1;
      if (!Increment(*engine_, "children")) return 2;
      return engine_->Members(true).value().front().in_service ? 0 : 3;
    });
    EXPECT_TRUE(Succeeded(Increment(*engine_, "parents")));
    EXPECT_TRUE(ExitedWell(WaitFor(child)));
  }
  EXPECT_EQ(TextOfKey(*engine_, "children"), "3");
  EXPECT_EQ(TextOfKey(*engine_, "parents"), "3");
  ExpectAllAlike(*engine_);
}

TEST_P(PersistentContractTest, AChildOutlivesItsParentsEngine) {
  MustCommit(Put("a", "1"));
  int read_once[2];
  int gate[2];
  ASSERT_EQ(pipe(read_once), 0);
  ASSERT_EQ(pipe(gate), 0);
  const pid_t child = StartChild([&] {
    if (TextOfKey(*engine_, "a") != "1") return 1;
    char byte = 0;
    if (write(read_once[1], &byte, 1) != 1 || read(gate[0], &byte, 1) != 1) return 2;
    if (TextOfKey(*engine_, "a") != "2") return 3;
    return Increment(*engine_, "count") ? 0 : 4;
  });
  char byte = 0;
  EXPECT_EQ(read(read_once[0], &byte, 1), 1);
  engine_.reset();  // the last of the parent's connections, as far as the parent can tell
  EXPECT_TRUE(Succeeded(stand_->Open()->Commit(Put("a", "2"))));
  EXPECT_EQ(write(gate[1], &byte, 1), 1);
  EXPECT_EQ(WaitFor(child), 0);
  for (const int end : {read_once[0], read_once[1], gate[0], gate[1]}) close(end);
  engine_ = stand_->Open();
  EXPECT_EQ(TextOfKey(*engine_, "count"), "1");
  ExpectAllAlike(*engine_);
}

TEST_P(PersistentContractTest, EightProcessesCountExactly) {
  constexpr int kProcesses = 8;
  constexpr int kRounds = 5;
  std::vector<pid_t> children;
  children.reserve(kProcesses);
  for (int i = 0; i < kProcesses; ++i) {
    children.push_back(StartChild([&] {
      const std::unique_ptr<Engine> own = stand_->Open();
      for (int round = 0; round < kRounds; ++round) {
        if (!Increment(*own, "counter")) return 1;
      }
      return 0;
    }));
  }
  for (const pid_t child : children) EXPECT_TRUE(ExitedWell(WaitFor(child)));
  EXPECT_EQ(TextOfKey(*engine_, "counter"), std::to_string(kProcesses * kRounds));
  ExpectAllAlike(*engine_);
}

std::vector<EngineCase> PersistentEngines() {
  std::vector<EngineCase> engines = Engines();
  std::erase_if(engines, [](const EngineCase& each) { return each.name == kMemory; });
  return engines;
}

INSTANTIATE_TEST_SUITE_P(Engines, PersistentContractTest, ::testing::ValuesIn(PersistentEngines()),
                         [](const auto& each) { return std::string(each.param.name); });

}  // namespace
}  // namespace hsmcore::storage::test
