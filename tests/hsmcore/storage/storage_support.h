// SPDX-License-Identifier: Apache-2.0
#ifndef TESTS_HSMCORE_STORAGE_STORAGE_SUPPORT_H_
#define TESTS_HSMCORE_STORAGE_STORAGE_SUPPORT_H_

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "storage/engines.h"

namespace hsmcore::storage::test {

// A directory that goes away with the object.
class TempDirectory {
 public:
  TempDirectory() {
    std::string name = (std::filesystem::temp_directory_path() / "hsm-storage-XXXXXX").native();
    if (mkdtemp(name.data()) == nullptr) abort();
    path_ = std::filesystem::canonical(name);
  }
  ~TempDirectory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TempDirectory(const TempDirectory&) = delete;
  TempDirectory& operator=(const TempDirectory&) = delete;

  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

inline Bytes ToBytes(std::string_view text) { return {text.begin(), text.end()}; }
inline std::string ToText(const Bytes& bytes) { return {bytes.begin(), bytes.end()}; }

inline Batch Put(std::string key, std::string_view value) {
  Batch batch;
  batch.mutations.push_back({std::move(key), ToBytes(value)});
  return batch;
}

inline Batch Delete(std::string key) {
  Batch batch;
  batch.mutations.push_back({std::move(key), std::nullopt});
  return batch;
}

// The value of `key` as text; "(none)" when there is none, the message of an error.
inline std::string TextOfKey(Engine& engine, std::string_view key,
                             const Verifier* verifier = nullptr) {
  const auto entry = engine.Get(key, verifier);
  if (!entry) return entry.error().Message();
  return *entry ? ToText((*entry)->value) : "(none)";
}

template <class T>
::testing::AssertionResult Succeeded(const Result<T>& result) {
  if (result) return ::testing::AssertionSuccess();
  return ::testing::AssertionFailure() << result.error().Message();
}

template <class T>
::testing::AssertionResult FailedWith(ErrorCode code, const Result<T>& result) {
  if (result) return ::testing::AssertionFailure() << "it succeeded";
  if (result.error().code() == code) return ::testing::AssertionSuccess();
  return ::testing::AssertionFailure() << result.error().Message();
}

// Runs `body` in a child process; its result is the exit status. The child runs no destructors of
// the parent's objects.
inline pid_t StartChild(const std::function<int()>& body) {
  const pid_t child = fork();
  if (child == 0) _exit(body());
  return child;
}

inline int WaitFor(pid_t child) {
  int status = -1;
  if (waitpid(child, &status, 0) != child) return -1;
  return status;
}

inline bool ExitedWell(int status) { return WIFEXITED(status) && WEXITSTATUS(status) == 0; }

// Adds one to the number that is kept as text under `key`.
inline Result<std::uint64_t> Increment(Engine& engine, const std::string& key) {
  return Update(engine, [&](Transaction& transaction) -> Status {
    HSMCORE_TRY(const std::optional<Bytes> value, transaction.Get(key));
    const std::uint64_t number = value ? std::stoull(ToText(*value)) : 0;
    transaction.Put(key, ToBytes(std::to_string(number + 1)));
    return {};
  });
}

// The files of a mirror cluster below a directory.
class MirrorHome {
 public:
  static constexpr const char* kCluster = "cluster-abcdefghijk";

  explicit MirrorHome(unsigned members) {
    options_.cluster_id = kCluster;
    options_.lock_file = directory_.path() / "lock";
    for (unsigned i = 1; i <= members; ++i) {
      const std::string id = "hsm-" + std::to_string(i);
      options_.members.push_back({id, "zone-" + std::to_string(i), directory_.path() / id});
      EXPECT_TRUE(Succeeded(CreateSqliteStore({kCluster, options_.members.back()})));
    }
    EXPECT_TRUE(Succeeded(GenerationMap::Create(generation_file(), kCluster)));
    OpenGenerations();
  }

  // As after a new start of the process.
  void OpenGenerations() {
    auto map = GenerationMap::Open(generation_file(), kCluster);
    ASSERT_TRUE(Succeeded(map));
    generations_ = *std::move(map);
    options_.generations = generations_.get();
  }

  std::unique_ptr<Engine> Open() const { return NewMirrorEngine(options_); }
  MirrorOptions& options() { return options_; }
  GenerationMap& generations() { return *generations_; }
  const std::filesystem::path& path() const { return directory_.path(); }
  std::filesystem::path generation_file() const { return directory_.path() / "generation"; }
  std::filesystem::path directory(unsigned member) const {
    return options_.members.at(member - 1).directory;
  }
  std::filesystem::path store(unsigned member) const { return directory(member) / "store.db"; }

  // One member alone, past the mirror.
  std::unique_ptr<Engine> OpenMember(unsigned member) const {
    return NewSqliteEngine({kCluster, options_.members.at(member - 1)});
  }

 private:
  TempDirectory directory_;
  MirrorOptions options_;
  std::unique_ptr<GenerationMap> generations_;
};

// Every member is in service, sound, and has the same contents.
inline void ExpectAllAlike(Engine& engine) {
  const auto members = engine.Members(true);
  ASSERT_TRUE(Succeeded(members));
  for (const Member& member : *members) {
    EXPECT_TRUE(member.in_service) << member.id << ": " << member.problem;
    EXPECT_EQ(member.different, 0U) << member.id;
    EXPECT_EQ(member.revision, members->front().revision) << member.id;
    EXPECT_EQ(member.entries, members->front().entries) << member.id;
  }
}

}  // namespace hsmcore::storage::test

#endif  // TESTS_HSMCORE_STORAGE_STORAGE_SUPPORT_H_
