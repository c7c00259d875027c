// SPDX-License-Identifier: Apache-2.0
#include "storage/generation_map.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <array>
#include <atomic>
#include <csignal>
#include <fstream>
#include <numeric>
#include <thread>
#include <tuple>

#include "storage_support.h"

namespace hsmcore::storage::test {
namespace {

constexpr const char* kCluster = "cluster-abcdefghijk";
using Head = GenerationMap::Head;

class GenerationMapTest : public ::testing::Test {
 protected:
  void SetUp() override { ASSERT_TRUE(Succeeded(GenerationMap::Create(file_, kCluster))); }

  std::unique_ptr<GenerationMap> MustOpen() {
    auto map = GenerationMap::Open(file_, kCluster);
    EXPECT_TRUE(Succeeded(map));
    return *std::move(map);
  }

  void Overwrite(std::streamoff offset, std::string_view bytes) {
    std::fstream stream(file_, std::ios::in | std::ios::out | std::ios::binary);
    stream.seekp(offset);
    stream << bytes;
  }

  TempDirectory directory_;
  std::filesystem::path file_ = directory_.path() / "generation";
};

TEST_F(GenerationMapTest, ANewMapIsBusyUntilAHeadIsPublished) {
  const auto map = MustOpen();
  EXPECT_TRUE(map->ReadHead().busy);
  EXPECT_EQ(map->Epoch(17), 0U);
  ASSERT_TRUE(Succeeded(map->Begin({})));
  ASSERT_TRUE(Succeeded(map->End({}, {1, 2, 3, false})));
  EXPECT_EQ(map->ReadHead(), (Head{1, 2, 3, false}));
}

TEST_F(GenerationMapTest, IsClosedForGoodAndForAll) {
  const auto map = MustOpen();
  const auto other = MustOpen();  // another process
  ASSERT_TRUE(Succeeded(map->Begin({})));
  ASSERT_TRUE(Succeeded(map->End({}, {1, 2, 3, false})));
  EXPECT_FALSE(other->closed());
  ASSERT_TRUE(Succeeded(map->Close()));
  EXPECT_TRUE(other->closed());
  EXPECT_TRUE(other->ReadHead().busy);
  EXPECT_TRUE(MustOpen()->closed());
}

TEST_F(GenerationMapTest, CountsWhatMembersAreAskedFor) {
  const auto map = MustOpen();
  const auto first = map->LoadPlace("hsm-1");
  const auto second = map->LoadPlace("hsm-2");
  ASSERT_TRUE(first && second);
  EXPECT_NE(*first, *second);
  map->NoteOperation(*first, false);
  map->NoteOperation(*first, true);
  const auto other = MustOpen();  // another process
  EXPECT_EQ(other->LoadPlace("hsm-1"), first);
  EXPECT_EQ(other->ReadLoad(*first).operations, 2U);
  EXPECT_EQ(other->ReadLoad(*first).errors, 1U);
  EXPECT_EQ(other->ReadLoad(*second).operations, 0U);
  // More members than can have come and gone.
  std::size_t more = 0;
  while (more < 1000 && map->LoadPlace("more-" + std::to_string(more))) ++more;
  EXPECT_EQ(more, 254U);
  EXPECT_EQ(map->LoadPlace("hsm-2"), second);
}

TEST_F(GenerationMapTest, ThreadsAndProcessesTakeOnePlaceForAMember) {
  std::array<std::unique_ptr<GenerationMap>, 8> maps;
  for (auto& map : maps) map = MustOpen();
  std::atomic<bool> go = false;
  std::vector<std::thread> threads;
  threads.reserve(maps.size());
  for (auto& map : maps) {
    threads.emplace_back([&go, &map] {
      while (!go) std::this_thread::yield();
      for (int member = 0; member < 28; ++member) {
        const auto place = map->LoadPlace("hsm-" + std::to_string(member));
        ASSERT_TRUE(place.has_value());
        for (int i = 0; i < 100; ++i) map->NoteOperation(*place, false);
      }
    });
  }
  go = true;
  for (std::thread& thread : threads) thread.join();
  for (int member = 0; member < 28; ++member) {
    const auto place = maps[0]->LoadPlace("hsm-" + std::to_string(member));
    ASSERT_TRUE(place.has_value());
    EXPECT_EQ(maps[0]->ReadLoad(*place).operations, 800U);
  }
}

TEST_F(GenerationMapTest, TheFileIsPrivateAndSparse) {
  struct stat status{};
  ASSERT_EQ(stat(file_.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777, 0600U);
  EXPECT_LT(status.st_blocks * 512, 1 << 20);
  EXPECT_TRUE(FailedWith(ErrorCode::kHomeExists, GenerationMap::Create(file_, kCluster)));
  EXPECT_FALSE(std::filesystem::exists(file_.native() + ".new"));
}

TEST_F(GenerationMapTest, ACommitIsSeenThroughEveryMapping) {
  const auto writer = MustOpen();
  const auto reader = MustOpen();
  const std::array<std::uint64_t, 3> slots = {5, 5 + GenerationMap::kSlots, 77};
  ASSERT_TRUE(Succeeded(writer->Begin(slots)));
  EXPECT_TRUE(reader->ReadHead().busy);
  EXPECT_EQ(reader->Epoch(5) % 2, 1U);
  EXPECT_EQ(reader->Epoch(77) % 2, 1U);
  ASSERT_TRUE(Succeeded(writer->End(slots, {1, 9, 2, false})));
  EXPECT_EQ(reader->ReadHead(), (Head{1, 9, 2, false}));
  EXPECT_EQ(reader->Epoch(5), 2U);
  EXPECT_EQ(reader->Epoch(5 + GenerationMap::kSlots), 2U);
  EXPECT_EQ(reader->Epoch(77), 2U);
  EXPECT_EQ(reader->Epoch(78), 0U);
}

TEST_F(GenerationMapTest, AbandonKeepsTheHeadAndMovesTheEpochs) {
  const auto map = MustOpen();
  ASSERT_TRUE(Succeeded(map->Begin({})));
  ASSERT_TRUE(Succeeded(map->End({}, {1, 2, 3, false})));
  const std::array<std::uint64_t, 1> slots = {5};
  ASSERT_TRUE(Succeeded(map->Begin(slots)));
  ASSERT_TRUE(Succeeded(map->Abandon(slots)));
  EXPECT_EQ(map->ReadHead(), (Head{1, 2, 3, false}));
  EXPECT_EQ(map->Epoch(5), 2U);
}

TEST_F(GenerationMapTest, WhatADeadWriterLeftIsSettledByTheNext) {
  const auto map = MustOpen();
  const std::array<std::uint64_t, 2> theirs = {5, 6};
  const pid_t child = StartChild([&] {
    std::ignore = map->Begin(theirs);
    std::ignore = raise(SIGKILL);
    return 1;
  });
  EXPECT_TRUE(WIFSIGNALED(WaitFor(child)));
  EXPECT_TRUE(map->ReadHead().busy);
  EXPECT_EQ(map->Epoch(5) % 2, 1U);
  const std::array<std::uint64_t, 2> ours = {6, 7};
  ASSERT_TRUE(Succeeded(map->Begin(ours)));
  EXPECT_EQ(map->Epoch(5) % 2, 0U);
  EXPECT_EQ(map->Epoch(6) % 2, 1U);
  // A commit that came to nothing must not hide that the dead one may have come to something.
  ASSERT_TRUE(Succeeded(map->Abandon(ours)));
  EXPECT_TRUE(map->ReadHead().busy);
  ASSERT_TRUE(Succeeded(map->Begin(ours)));
  ASSERT_TRUE(Succeeded(map->End(ours, {1, 2, 3, false})));
  EXPECT_FALSE(map->ReadHead().busy);
  EXPECT_EQ(map->Epoch(5), 2U);
  EXPECT_GE(map->Epoch(6), 4U);
  EXPECT_EQ(map->Epoch(6) % 2, 0U);
}

TEST_F(GenerationMapTest, AHeadCutOffInTheMiddleReadsAsBusy) {
  {
    const auto map = MustOpen();
    ASSERT_TRUE(Succeeded(map->Begin({})));
    ASSERT_TRUE(Succeeded(map->End({}, {1, 2, 3, false})));
  }
  Overwrite(80, std::string_view("\x07\0\0\0\0\0\0\0", 8));  // the sequence number, made odd
  const auto map = MustOpen();
  EXPECT_TRUE(map->ReadHead().busy);
  ASSERT_TRUE(Succeeded(map->Begin({})));
  ASSERT_TRUE(Succeeded(map->End({}, {4, 5, 6, false})));
  EXPECT_EQ(map->ReadHead(), (Head{4, 5, 6, false}));
}

TEST_F(GenerationMapTest, TheMappingOutlivesTheFileAndCrossesFork) {
  const auto map = MustOpen();
  std::filesystem::remove(file_);
  const std::array<std::uint64_t, 1> slots = {1};
  ASSERT_TRUE(Succeeded(map->Begin(slots)));
  const pid_t child = StartChild([&] { return map->End(slots, {7, 8, 9, false}) ? 0 : 1; });
  EXPECT_TRUE(ExitedWell(WaitFor(child)));
  EXPECT_EQ(map->ReadHead(), (Head{7, 8, 9, false}));
  EXPECT_EQ(map->Epoch(1), 2U);
}

TEST_F(GenerationMapTest, ReadersNeverSeeHalfAHead) {
  const auto writer = MustOpen();
  std::atomic<bool> done = false;
  std::vector<std::thread> readers;
  readers.reserve(4);
  for (int i = 0; i < 4; ++i) {
    readers.emplace_back([&] {
      const auto map = MustOpen();
      while (!done) {
        const Head head = map->ReadHead();
        if (head.busy) continue;
        EXPECT_EQ(head.term, head.revision);
        EXPECT_EQ(head.copies, head.revision);
      }
    });
  }
  const std::array<std::uint64_t, 1> slots = {3};
  for (std::uint32_t i = 1; i <= 5000; ++i) {
    ASSERT_TRUE(Succeeded(writer->Begin(slots)));
    ASSERT_TRUE(Succeeded(writer->End(slots, {i, i, i, false})));
  }
  done = true;
  for (std::thread& reader : readers) reader.join();
  EXPECT_EQ(writer->Epoch(3), 10000U);
}

TEST_F(GenerationMapTest, MoreSlotsThanTheJournalHoldsAreRefused) {
  const auto map = MustOpen();
  std::vector<std::uint64_t> slots(GenerationMap::kMaxMoved + 1);
  std::iota(slots.begin(), slots.end(), 0);
  EXPECT_TRUE(FailedWith(ErrorCode::kInvalidArgument, map->Begin(slots)));
  EXPECT_EQ(map->Epoch(1), 0U);
  slots.pop_back();
  EXPECT_TRUE(Succeeded(map->Begin(slots)));
  EXPECT_TRUE(Succeeded(map->End(slots, {})));
  EXPECT_EQ(map->Epoch(999), 2U);
}

TEST_F(GenerationMapTest, AFileThatCannotBeWrittenIsMappedForReading) {
  {
    const auto map = MustOpen();
    ASSERT_TRUE(Succeeded(map->Begin({})));
    ASSERT_TRUE(Succeeded(map->End({}, {1, 2, 3, false})));
  }
  ASSERT_EQ(chmod(file_.c_str(), 0444), 0);
  ASSERT_EQ(chmod(directory_.path().c_str(), 0755), 0);
  const pid_t child = StartChild([&] {
    if (geteuid() == 0 && setresuid(65534, 65534, 65534) != 0) return 1;
    const auto map = GenerationMap::Open(file_, kCluster);
    if (!map) return 2;
    if ((*map)->ReadHead() != Head{1, 2, 3, false}) return 3;
    return FailedWith(ErrorCode::kStorageReadOnly, (*map)->Begin({})) ? 0 : 4;
  });
  EXPECT_EQ(WaitFor(child), 0);
}

TEST_F(GenerationMapTest, FilesThatAreNoneOfOursAreRefused) {
  EXPECT_TRUE(FailedWith(ErrorCode::kHomeDamaged, GenerationMap::Open(file_, "cluster-b")));
  EXPECT_TRUE(
      FailedWith(ErrorCode::kHomeDamaged, GenerationMap::Open(directory_.path() / "no", kCluster)));
  const auto link = directory_.path() / "link";
  std::filesystem::create_symlink(file_, link);
  EXPECT_TRUE(FailedWith(ErrorCode::kHomeDamaged, GenerationMap::Open(link, kCluster)));
  Overwrite(8, std::string_view("\x02\0\0\0", 4));
  EXPECT_TRUE(FailedWith(ErrorCode::kHomeNewer, GenerationMap::Open(file_, kCluster)));
  Overwrite(0, "x");
  EXPECT_TRUE(FailedWith(ErrorCode::kHomeDamaged, GenerationMap::Open(file_, kCluster)));
  std::filesystem::resize_file(file_, 20000);
  EXPECT_TRUE(FailedWith(ErrorCode::kHomeDamaged, GenerationMap::Open(file_, kCluster)));
  std::filesystem::resize_file(file_, 10);
  EXPECT_TRUE(FailedWith(ErrorCode::kHomeDamaged, GenerationMap::Open(file_, kCluster)));
}

TEST(AnonymousGenerationMapTest, WorksLikeAFile) {
  const auto map = GenerationMap::Anonymous();
  ASSERT_TRUE(Succeeded(map));
  EXPECT_EQ((*map)->ReadHead(), Head{});
  const std::array<std::uint64_t, 1> slots = {12345};
  ASSERT_TRUE(Succeeded((*map)->Begin(slots)));
  ASSERT_TRUE(Succeeded((*map)->End(slots, {1, 2, 3, false})));
  EXPECT_EQ((*map)->ReadHead(), (Head{1, 2, 3, false}));
  EXPECT_EQ((*map)->Epoch(12345), 2U);
}

}  // namespace
}  // namespace hsmcore::storage::test
