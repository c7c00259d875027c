// SPDX-License-Identifier: Apache-2.0
// A member whose file system has stopped answering.
#include <algorithm>
#include <chrono>
#include <csignal>
#include <future>
#include <memory>
#include <thread>

#include "fault_vfs.h"
#include "storage/watchdog.h"
#include "storage_support.h"

namespace hsmcore::storage::test {
namespace {

using std::chrono::milliseconds;

TEST(WatchdogTest, RunsJobsOneAfterTheOther) {
  Watchdog watchdog;
  int sum = 0;
  for (int i = 1; i <= 100; ++i) {
    ASSERT_TRUE(watchdog.Run([&sum, i] { sum += i; }, std::chrono::minutes(1)));
  }
  EXPECT_EQ(sum, 5050);
  EXPECT_FALSE(watchdog.hangs());
}

TEST(WatchdogTest, LeavesAJobBehindThatDoesNotComeBack) {
  const auto release = std::make_shared<std::promise<void>>();
  const auto ended = std::make_shared<std::promise<void>>();
  {
    Watchdog watchdog;
    const auto hang = [gate = std::make_shared<std::future<void>>(release->get_future()), ended] {
      gate->wait();
      ended->set_value();
    };
    EXPECT_FALSE(watchdog.Run(hang, milliseconds(50)));
    EXPECT_TRUE(watchdog.hangs());
    bool ran = false;
    EXPECT_FALSE(watchdog.Run([&ran] { ran = true; }, std::chrono::hours(1))) << "at once";
    EXPECT_FALSE(ran);
  }  // the end does not wait either
  release->set_value();
  ended->get_future().wait();
}

TEST(WatchdogTest, GoesOnWhenTheJobHasComeBack) {
  std::promise<void> release;
  Watchdog watchdog;
  const std::shared_future<void> gate = release.get_future().share();
  EXPECT_FALSE(watchdog.Run([gate] { gate.wait(); }, milliseconds(50)));
  release.set_value();
  while (watchdog.hangs()) std::this_thread::yield();
  EXPECT_TRUE(watchdog.Run([] {}, std::chrono::minutes(1)));
}

TEST(WatchdogTest, SignsOfLifeAreEnough) {
  Watchdog watchdog;
  const auto slow = [] {
    for (int i = 0; i < 5; ++i) {
      std::this_thread::sleep_for(milliseconds(500));
      Watchdog::Beat();
    }
  };
  EXPECT_TRUE(watchdog.Run(slow, milliseconds(2000)));
  EXPECT_FALSE(Watchdog::Watched());
}

TEST(WatchdogTest, TakesNoSignalsOfTheHost) {
  Watchdog watchdog;
  sigset_t there;
  ASSERT_TRUE(watchdog.Run([&there] { pthread_sigmask(SIG_SETMASK, nullptr, &there); },
                           std::chrono::minutes(1)));
  for (const int number : {SIGTERM, SIGCHLD, SIGALRM, SIGHUP, SIGUSR1}) {
    EXPECT_EQ(sigismember(&there, number), 1);
  }
  sigset_t here;
  pthread_sigmask(SIG_SETMASK, nullptr, &here);
  EXPECT_EQ(sigismember(&here, SIGTERM), 0);
}

TEST(WatchdogTest, LocalDirectoriesNeedNone) {
  const TempDirectory directory;
  const Mounts mounts;
  EXPECT_FALSE(mounts.MayHang(directory.path()));
  EXPECT_FALSE(mounts.MayHang("/proc"));
  EXPECT_FALSE(mounts.MayHang("/there/is/no/such/place"));
}

class MirrorHangTest : public ::testing::Test {
 protected:
  MirrorHangTest() {
    home_.options().watch_all = true;
    home_.options().silence_patience = milliseconds(300);
  }
  ~MirrorHangTest() override { ComeBack(); }

  void HangMember(unsigned member) {
    vfs_.Arm(Fault::kHang, 1, home_.directory(member).native() + "/");
  }
  // And whatever hung has ended.
  void ComeBack() {
    vfs_.Disarm();
    while (FaultVfs::Hanging() != 0) std::this_thread::yield();
  }
  // And the engine has heard of it: the rest of the call that hung may take its time.
  void ComeBackTo(Engine& engine) {
    ComeBack();
    const auto silent = [](const Member& member) {
      return member.problem.contains("does not answer");
    };
    while (std::ranges::any_of(engine.Members(false).value(), silent)) std::this_thread::yield();
  }
  // As if the last look at silent members was long ago.
  void LetTimePass() {
    for (const MemberOptions& member : home_.options().members) {
      const auto place = home_.generations().LoadPlace(member.id);
      if (home_.generations().SilentSince(*place) > 31) home_.generations().NoteSilence(*place, 1);
    }
  }

  FaultVfs vfs_;
  MirrorHome home_{3};
};

TEST_F(MirrorHangTest, IsOutOfServiceAndTheOthersGoOn) {
  const auto engine = home_.Open();
  ASSERT_TRUE(Succeeded(engine->Commit(Put("a", "1"))));
  HangMember(2);
  Batch batch = Put("a", "2");
  batch.min_copies = 2;
  ASSERT_TRUE(Succeeded(engine->Commit(batch)));
  EXPECT_EQ(TextOfKey(*engine, "a"), "2");
  ASSERT_TRUE(Succeeded(engine->Commit(Put("b", "1"))));
  const auto members = engine->Members(false);
  ASSERT_TRUE(Succeeded(members));
  EXPECT_FALSE(members->at(1).in_service);
  EXPECT_TRUE(members->at(1).problem.contains("does not answer")) << members->at(1).problem;
  EXPECT_GE(members->at(1).errors, 1U);
  EXPECT_TRUE(members->at(0).in_service && members->at(2).in_service);
  ComeBack();
}

TEST_F(MirrorHangTest, OtherProcessesDoNotWaitForItToo) {
  const auto engine = home_.Open();
  ASSERT_TRUE(Succeeded(engine->Commit(Put("a", "1"))));
  HangMember(1);
  ASSERT_TRUE(Succeeded(engine->Commit(Put("a", "2"))));
  const int opened = FaultVfs::Opened(home_.directory(1).native());
  for (int process = 0; process < 5; ++process) {
    const auto other = home_.Open();
    EXPECT_EQ(TextOfKey(*other, "a"), "2");
    EXPECT_TRUE(Succeeded(other->Commit(Put("b", std::to_string(process)))));
  }
  EXPECT_EQ(FaultVfs::Opened(home_.directory(1).native()), opened);
  ComeBack();
}

TEST_F(MirrorHangTest, ReturnsByItself) {
  const auto engine = home_.Open();
  ASSERT_TRUE(Succeeded(engine->Commit(Put("a", "1"))));
  HangMember(3);
  ASSERT_TRUE(Succeeded(engine->Commit(Put("a", "2"))));
  ComeBack();
  LetTimePass();
  ASSERT_TRUE(Succeeded(home_.Open()->Commit(Put("c", "1"))));
  EXPECT_EQ(TextOfKey(*home_.OpenMember(3), "a"), "2");
  ExpectAllAlike(*engine);
  // It is read again, too.
  const std::uint64_t before = engine->Members(false)->at(2).operations;
  for (int i = 0; i < 1000; ++i) EXPECT_EQ(TextOfKey(*engine, "c"), "1");
  EXPECT_GT(engine->Members(false)->at(2).operations, before);
}

TEST_F(MirrorHangTest, RepairAsksItAtOnce) {
  const auto engine = home_.Open();
  ASSERT_TRUE(Succeeded(engine->Commit(Put("a", "1"))));
  HangMember(2);
  ASSERT_TRUE(Succeeded(engine->Commit(Put("a", "2"))));
  ComeBackTo(*engine);
  const auto repaired = engine->Repair(nullptr);
  ASSERT_TRUE(Succeeded(repaired));
  EXPECT_EQ(*repaired, std::vector<std::string>{"hsm-2"});
  ExpectAllAlike(*engine);
}

TEST_F(MirrorHangTest, InTheMiddleOfACommit) {
  for (int operation = 1; operation <= 8; ++operation) {
    SCOPED_TRACE(operation);
    const auto engine = home_.Open();
    vfs_.Arm(Fault::kHang, operation, home_.directory(1).native() + "/");
    const std::string value = std::to_string(operation);
    ASSERT_TRUE(Succeeded(engine->Commit(Put("a", value))));
    EXPECT_EQ(TextOfKey(*engine, "a"), value);
    ComeBackTo(*engine);
    ASSERT_TRUE(Succeeded(engine->Repair(nullptr)));
    ExpectAllAlike(*engine);
  }
}

TEST_F(MirrorHangTest, AllOfThemIsAnError) {
  const auto engine = home_.Open();
  ASSERT_TRUE(Succeeded(engine->Commit(Put("a", "1"))));
  vfs_.Arm(Fault::kHang, 1, home_.path().native());
  EXPECT_TRUE(FailedWith(ErrorCode::kStorageIo, engine->Commit(Put("a", "2"))));
  ComeBackTo(*engine);
  ASSERT_TRUE(Succeeded(engine->Repair(nullptr)));
  ExpectAllAlike(*engine);
}

TEST_F(MirrorHangTest, AChildGoesOnWithTheOthers) {
#ifdef __SANITIZE_THREAD__
  GTEST_SKIP() << "ThreadSanitizer ends a child that starts a thread";
#endif
  const auto engine = home_.Open();
  ASSERT_TRUE(Succeeded(engine->Commit(Put("a", "1"))));
  const auto work = [&] {
    const bool read = TextOfKey(*engine, "a") == "1";
    return read && engine->Commit(Put("a", "child")).has_value() ? 0 : 1;
  };
  EXPECT_TRUE(ExitedWell(WaitFor(StartChild(work))));
  EXPECT_EQ(TextOfKey(*engine, "a"), "child");
  ASSERT_TRUE(Succeeded(engine->Commit(Put("a", "2"))));
  EXPECT_EQ(TextOfKey(*engine, "a"), "2");
}

}  // namespace
}  // namespace hsmcore::storage::test
