// SPDX-License-Identifier: Apache-2.0
#include "storage/posix.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>
#include <thread>

#include "base/text.h"

namespace hsmcore::storage {
namespace {

struct ErrnoRow {
  int number;
  ErrorCode code;
  const char* advice;
};
constexpr ErrnoRow kErrnoRows[] = {
    {EACCES, ErrorCode::kHomeAccess, "; check its owner and mode"},
    {EPERM, ErrorCode::kHomeAccess, "; check its owner and mode"},
    {ENOSPC, ErrorCode::kStorageFull, "; free some space there"},
    {EDQUOT, ErrorCode::kStorageFull, "; free some space there"},
    {EROFS, ErrorCode::kStorageReadOnly, "; mount it writable to make changes"},
    {EEXIST, ErrorCode::kHomeExists, ""},
    {ENOENT, ErrorCode::kHomeDamaged, "; run: hsmctl cluster sync"},
    {ENOTDIR, ErrorCode::kHomeDamaged, "; a file is in the place of a directory"},
    {ELOOP, ErrorCode::kHomeDamaged, "; symbolic links are not followed"},
};

}  // namespace

std::unexpected<Error> FailErrno(std::string_view tried, const std::filesystem::path& path,
                                 int error_number, std::source_location where) {
  const auto* row = std::ranges::find(kErrnoRows, error_number, &ErrnoRow::number);
  const bool known = row != std::end(kErrnoRows);
  return Fail(known ? row->code : ErrorCode::kStorageIo,
              Cat(tried, " '", path.native(), "': ", std::generic_category().message(error_number),
                  known ? row->advice : ""),
              where);
}

Status MakeDirectory(const std::filesystem::path& directory) {
  if (mkdir(directory.c_str(), 0700) == 0) {
    return SyncDirectory(directory.parent_path());
  }
  if (errno == EEXIST) return {};
  return FailErrno("cannot make", directory, errno);
}

Result<FileLock> FileLock::Acquire(const std::filesystem::path& file,
                                   std::chrono::milliseconds patience) {
  FileDescriptor opened(open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!opened.valid()) return FailErrno("cannot open the writer lock", file, errno);
  return Wait(std::move(opened), file, patience,
              Cat("another process has held the writer lock '", file.native(), "' for ",
                  patience.count(), " ms; try again when it is done"));
}

Result<FileLock> FileLock::AcquireReading(const std::filesystem::path& file,
                                          std::chrono::milliseconds patience,
                                          std::string_view busy) {
  FileDescriptor opened(open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  if (!opened.valid()) return FailErrno("cannot open", file, errno);
  return Wait(std::move(opened), file, patience, busy);
}

Result<FileLock> FileLock::Wait(FileDescriptor file, const std::filesystem::path& path,
                                std::chrono::milliseconds patience, std::string_view busy) {
  const auto deadline = std::chrono::steady_clock::now() + patience;
  // flock() cannot wait for a limited time without signals or a thread, so this polls.
  for (auto pause = std::chrono::microseconds(200); flock(file.get(), LOCK_EX | LOCK_NB) != 0;
       pause = std::min(2 * pause, std::chrono::microseconds(5000))) {
    if (errno != EWOULDBLOCK && errno != EINTR) return FailErrno("cannot lock", path, errno);
    if (std::chrono::steady_clock::now() >= deadline) {
      return Fail(ErrorCode::kStorageBusy, std::string(busy));
    }
    std::this_thread::sleep_for(pause);
  }
  return FileLock(std::move(file));
}

}  // namespace hsmcore::storage
