// SPDX-License-Identifier: Apache-2.0
// A mirror of three whose writer is killed, or whose disks fail, at every single operation.
#include <sys/mman.h>

#include <array>
#include <atomic>
#include <csignal>
#include <mutex>
#include <tuple>

#include "fault_vfs.h"
#include "storage_support.h"

namespace hsmcore::storage::test {
namespace {

constexpr int kNeverSoMany = 2000;  // operations that one action takes; a guard for the loops

// Written together by each commit, so that half a commit shows.
Batch Pair(int number) {
  Batch batch;
  const Bytes value = ToBytes(std::to_string(number));
  batch.mutations = {{"pair/a", value}, {"pair/b", value}};
  if (number % 2 == 0) {
    batch.mutations.push_back({"even", value});
  } else {
    batch.mutations.push_back({"even", std::nullopt});
  }
  batch.epochs = {7};
  batch.min_copies = 2;
  return batch;
}

class MirrorCrashTest : public ::testing::Test {
 protected:
  // Runs `act` in a child that dies at its n-th operation. Returns whether it came to its end.
  template <class Act>
  bool DiesAt(int n, const Act& act) {
    const pid_t child = StartChild([&] {
      FaultVfs faults;
      faults.Arm(Fault::kKill, n);
      return act();
    });
    const int status = WaitFor(child);
    if (WIFSIGNALED(status)) {
      EXPECT_EQ(WTERMSIG(status), SIGKILL);
      return false;
    }
    EXPECT_TRUE(ExitedWell(status));
    return true;
  }

  // The number that the last commit wrote, after checking that it is there whole.
  int WholePair(Engine& engine) {
    const std::string number = TextOfKey(engine, "pair/a");
    EXPECT_EQ(TextOfKey(engine, "pair/b"), number);
    const int value = std::stoi(number);
    EXPECT_EQ(TextOfKey(engine, "even"), value % 2 == 0 ? number : "(none)");
    return value;
  }

  void ExpectSettled(Engine& engine) {
    ExpectAllAlike(engine);
    EXPECT_FALSE(home_.generations().ReadHead().busy);
    EXPECT_EQ(home_.generations().ReadHead().revision, engine.Revision().value());
    EXPECT_EQ(home_.generations().Epoch(7) % 2, 0U);
    for (unsigned member = 1; member <= 3; ++member) {
      const auto alone = home_.OpenMember(member);
      EXPECT_EQ(WholePair(*alone), WholePair(engine));
    }
  }

  MirrorHome home_{3};
};

// Shared with the child that is going to be killed.
class Flag {
 public:
  Flag()
      : value_(static_cast<std::atomic<int>*>(mmap(nullptr, sizeof(std::atomic<int>),
                                                   PROT_READ | PROT_WRITE,
                                                   MAP_SHARED | MAP_ANONYMOUS, -1, 0))) {}
  ~Flag() { munmap(value_, sizeof *value_); }
  Flag(const Flag&) = delete;
  Flag& operator=(const Flag&) = delete;
  std::atomic<int>& operator*() { return *value_; }

 private:
  std::atomic<int>* value_;
};

TEST_F(MirrorCrashTest, ACommitKilledAnywhereIsWholeOrAbsent) {
  ASSERT_TRUE(Succeeded(home_.Open()->Commit(Pair(0))));
  Flag acknowledged;
  bool complete = false;
  int before = 0;
  for (int n = 1; !complete && n < kNeverSoMany; ++n) {
    *acknowledged = 0;
    const std::uint32_t epoch = home_.generations().Epoch(7);
    complete = DiesAt(n, [&] {
      const auto engine = home_.Open();
      const bool done = engine->Commit(Pair(before + 1)).has_value();
      if (done) *acknowledged = 1;
      return done ? 0 : 1;
    });
    const auto engine = home_.Open();
    const int after = WholePair(*engine);
    EXPECT_TRUE(after == before || after == before + 1) << "operation " << n;
    if (*acknowledged != 0) {
      EXPECT_EQ(after, before + 1) << "operation " << n;
    }
    if (after != before) {
      EXPECT_NE(home_.generations().Epoch(7), epoch) << "operation " << n;
    }
    ASSERT_TRUE(Succeeded(engine->Repair(nullptr)));
    EXPECT_EQ(WholePair(*engine), after) << "operation " << n;
    ExpectSettled(*engine);
    ASSERT_FALSE(HasFailure()) << "operation " << n;
    before = after;
  }
  EXPECT_TRUE(complete);
}

TEST_F(MirrorCrashTest, TheNextCommitFinishesOneThatWasKilled) {
  ASSERT_TRUE(Succeeded(home_.Open()->Commit(Pair(0))));
  bool complete = false;
  int number = 0;
  for (int n = 1; !complete && n < kNeverSoMany; ++n) {
    complete = DiesAt(n, [&] { return home_.Open()->Commit(Pair(number + 1)) ? 0 : 1; });
    const auto engine = home_.Open();
    number = WholePair(*engine) + 1;
    ASSERT_TRUE(Succeeded(engine->Commit(Pair(number))));
    ExpectSettled(*engine);
    ASSERT_FALSE(HasFailure()) << "operation " << n;
  }
  EXPECT_TRUE(complete);
}

TEST_F(MirrorCrashTest, ARepairKilledAnywhereCanBeDoneAgain) {
  ASSERT_TRUE(Succeeded(home_.Open()->Commit(Pair(0))));
  bool complete = false;
  for (int n = 1; !complete && n < kNeverSoMany; ++n) {
    // One member is gone, one is damaged.
    std::filesystem::remove_all(home_.directory(1));
    std::filesystem::resize_file(home_.store(2), 5000);
    complete = DiesAt(n, [&] { return home_.Open()->Repair(nullptr) ? 0 : 1; });
    const auto engine = home_.Open();
    EXPECT_EQ(WholePair(*engine), 0) << "operation " << n;
    ASSERT_TRUE(Succeeded(engine->Repair(nullptr))) << "operation " << n;
    ExpectSettled(*engine);
    ASSERT_FALSE(HasFailure()) << "operation " << n;
  }
  EXPECT_TRUE(complete);
}

TEST_F(MirrorCrashTest, TheWriterLockDiesWithItsHolder) {
  const pid_t child = StartChild([&] {
    const auto engine = home_.Open();
    const auto lock = engine->LockForUpdate();
    std::ignore = raise(SIGKILL);
    return 1;
  });
  EXPECT_TRUE(WIFSIGNALED(WaitFor(child)));
  EXPECT_TRUE(Succeeded(home_.Open()->LockForUpdate()));
}

class MirrorFaultTest : public MirrorCrashTest,
                        public ::testing::WithParamInterface<std::pair<Fault, ErrorCode>> {};

// All disks fail from the n-th operation on.
TEST_P(MirrorFaultTest, ACommitThatFailsAnywhereIsWholeOrAbsent) {
  ASSERT_TRUE(Succeeded(home_.Open()->Commit(Pair(0))));
  bool complete = false;
  int before = 0;
  for (int n = 1; !complete && n < kNeverSoMany; ++n) {
    FaultVfs faults;
    {
      const auto engine = home_.Open();
      faults.Arm(GetParam().first, n);
      const auto committed = engine->Commit(Pair(before + 1));
      complete = committed.has_value();
      if (!complete) {
        EXPECT_TRUE(FailedWith(GetParam().second, committed));
      }
      // Readers are served all the while.
      const int seen = WholePair(*engine);
      EXPECT_TRUE(seen == before + 1 || (!complete && seen == before)) << "operation " << n;
      faults.Disarm();
    }
    const auto engine = home_.Open();
    const int after = WholePair(*engine);
    EXPECT_TRUE(after == before + 1 || (!complete && after == before)) << "operation " << n;
    ASSERT_TRUE(Succeeded(engine->Commit(Pair(after + 1))));
    before = WholePair(*engine);
    EXPECT_EQ(before, after + 1);
    ExpectSettled(*engine);
    ASSERT_FALSE(HasFailure()) << "operation " << n;
  }
  EXPECT_TRUE(complete);
}

TEST_P(MirrorFaultTest, OneFailingDiskDoesNotStopTheOthers) {
  FaultVfs faults;
  const auto engine = home_.Open();
  ASSERT_TRUE(Succeeded(engine->Commit(Pair(0))));
  faults.Arm(GetParam().first, 1, "hsm-2/");
  ASSERT_TRUE(Succeeded(engine->Commit(Pair(1))));
  EXPECT_EQ(WholePair(*engine), 1);
  EXPECT_EQ(home_.generations().ReadHead().copies, 2U);
  const auto members = engine->Members(false);
  ASSERT_TRUE(Succeeded(members));
  EXPECT_TRUE(members->at(0).in_service);
  EXPECT_FALSE(members->at(1).in_service);
  EXPECT_NE(members->at(1).problem.find("hsmctl cluster sync"), std::string::npos);
  EXPECT_TRUE(members->at(2).in_service);
  Batch all = Pair(2);
  all.min_copies = 3;
  EXPECT_TRUE(FailedWith(ErrorCode::kKeyAvailability, engine->Commit(all)));
  EXPECT_EQ(WholePair(*engine), 1);
  faults.Disarm();
  ASSERT_TRUE(Succeeded(engine->Commit(all)));
  ExpectSettled(*engine);
}

TEST_P(MirrorFaultTest, ACommitOnTooFewDisksIsNotAcknowledged) {
  FaultVfs faults;
  const auto engine = home_.Open();
  ASSERT_TRUE(Succeeded(engine->Commit(Pair(0))));
  Batch all = Pair(1);
  all.min_copies = 3;
  faults.Arm(GetParam().first, 1, "hsm-2/");
  const auto refused = engine->Commit(all);
  EXPECT_TRUE(FailedWith(GetParam().second, refused));
  EXPECT_NE(refused.error().detail().find("on 2 of the 3 HSMs"), std::string::npos);
  faults.Disarm();
  ASSERT_TRUE(Succeeded(engine->Repair(nullptr)));
  EXPECT_EQ(WholePair(*engine), 1);  // it came into force
  ExpectSettled(*engine);
}

TEST_P(MirrorFaultTest, AStoreThatCannotBeMadeLeavesNothing) {
  const TempDirectory directory;
  const SqliteOptions options{"cluster-a", {"hsm-1", "", directory.path() / "hsm-1"}};
  bool complete = false;
  for (int n = 1; !complete && n < kNeverSoMany; ++n) {
    FaultVfs faults;
    faults.Arm(GetParam().first, n);
    complete = CreateSqliteStore(options).has_value();
    EXPECT_EQ(std::filesystem::exists(options.member.directory / "store.db"), complete) << n;
  }
  EXPECT_TRUE(complete);
  EXPECT_EQ(NewSqliteEngine(options)->Revision().value(), 0U);
}

INSTANTIATE_TEST_SUITE_P(Faults, MirrorFaultTest,
                         ::testing::Values(std::pair(Fault::kFull, ErrorCode::kStorageFull),
                                           std::pair(Fault::kIoError, ErrorCode::kStorageIo)),
                         [](const auto& each) {
                           return each.param.first == Fault::kFull ? "Full" : "IoError";
                         });

}  // namespace
}  // namespace hsmcore::storage::test
