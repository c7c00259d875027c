// SPDX-License-Identifier: Apache-2.0
#include "cluster/shred.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <system_error>
#include <vector>

#include "base/files.h"
#include "base/text.h"
#include "storage/store.h"
#include "storage/watchdog.h"
#include "vault/sealing.h"

namespace hsmcore::cluster {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kChunk = std::uint64_t{64} << 10;
// SQLite's index of its log: made of numbers and checksums, and mapped by those who read the store.
constexpr std::string_view kLogIndex = "-shm";

Status Write(int fd, ByteView content, std::uint64_t offset, const fs::path& path) {
  while (!content.empty()) {
    const ssize_t written = pwrite(fd, content.data(), content.size(), static_cast<off_t>(offset));
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return std::unexpected(FileError(path, "overwrite", errno));
    content = content.subspan(static_cast<std::size_t>(written));
    offset += static_cast<std::uint64_t>(written);
  }
  return {};
}

Status RemoveFile(const fs::path& file) {
  if (unlink(file.c_str()) == 0 || errno == ENOENT) return {};
  return std::unexpected(FileError(file, "remove", errno));
}

Result<std::vector<fs::path>> FilesIn(const fs::path& directory) {
  std::vector<fs::path> files;
  std::error_code problem;
  for (fs::directory_iterator entry(directory, problem), end; !problem && entry != end;
       entry.increment(problem)) {
    files.push_back(entry->path());
  }
  if (problem) return std::unexpected(FileError(directory, "read", problem.value()));
  return files;
}

void Count(Shredded& all, const Shredded& more) {
  all.files += more.files;
  all.bytes += more.bytes;
}

Result<Shredded> OverwriteFilesOfStore(const fs::path& directory) {
  HSMCORE_TRY(std::vector<fs::path> files, FilesIn(directory));
  if (std::ranges::find(files, directory / storage::kStoreFile) == files.end()) {
    return Fail(ErrorCode::kHomeNotFound, Cat("there is no ", storage::kStoreFile, " in ",
                                              directory.native(), ": is its disk mounted?"));
  }
  // The store itself last: while it is there, a kill in between is seen.
  std::ranges::sort(files, std::ranges::greater());
  Shredded all;
  for (const fs::path& file : files) {
    const std::string name = file.filename().native();
    if (!name.starts_with(storage::kStoreFile) || name.ends_with(kLogIndex)) continue;
    HSMCORE_TRY(const Shredded one, Overwrite(file));
    Count(all, one);
  }
  return all;
}

}  // namespace

Result<Shredded> Overwrite(const fs::path& file) {
  const FileDescriptor opened(open(file.c_str(), O_WRONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  if (!opened.valid() && errno == ELOOP) return Shredded();
  if (!opened.valid()) return std::unexpected(FileError(file, "open", errno));
  struct stat info{};
  if (fstat(opened.get(), &info) != 0) return std::unexpected(FileError(file, "look at", errno));
  if (!S_ISREG(info.st_mode)) {
    return Fail(ErrorCode::kStorageIo, Cat(file.native(), " is no regular file; move it away"));
  }
  const auto size = static_cast<std::uint64_t>(info.st_size);
  for (std::uint64_t offset = 0; offset < size; offset += kChunk) {
    const Bytes noise = vault::RandomBytes(std::min(kChunk, size - offset));
    HSMCORE_CHECK(Write(opened.get(), noise, offset, file));
    storage::Watchdog::Beat();
  }
  if (fsync(opened.get()) != 0) return std::unexpected(FileError(file, "sync", errno));
  return Shredded{.files = 1, .bytes = size};
}

Result<Shredded> OverwriteStore(const fs::path& directory) {
  const auto done = std::make_shared<Shredded>();
  HSMCORE_CHECK(storage::RunWatched(directory, [directory, done]() -> Status {
    HSMCORE_TRY(*done, OverwriteFilesOfStore(directory));
    return {};
  }));
  return *done;
}

Result<Shredded> Shred(const fs::path& file) {
  struct stat info{};
  if (lstat(file.c_str(), &info) != 0 && errno == ENOENT) return Shredded();
  HSMCORE_TRY(const Shredded done, Overwrite(file));
  HSMCORE_CHECK(RemoveFile(file));
  HSMCORE_CHECK(SyncDirectory(file.parent_path()));
  return done;
}

Result<Shredded> ShredAll(const fs::path& directory, std::string_view ending) {
  const auto files = FilesIn(directory);
  if (!files) {
    if (files.error().code() == ErrorCode::kHomeNotFound) return Shredded();
    return std::unexpected(files.error());
  }
  Shredded all;
  for (const fs::path& file : *files) {
    if (!file.native().ends_with(ending)) continue;
    HSMCORE_TRY(const Shredded one, Shred(file));
    Count(all, one);
  }
  return all;
}

}  // namespace hsmcore::cluster
