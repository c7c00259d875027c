// SPDX-License-Identifier: Apache-2.0
#ifndef HSMCORE_STORAGE_POSIX_H_
#define HSMCORE_STORAGE_POSIX_H_

#include <chrono>
#include <filesystem>
#include <source_location>
#include <string_view>
#include <utility>

#include "base/files.h"
#include "hsmcore/error.h"

namespace hsmcore::storage {

// The error for a failed system call on `path`: what was tried ("open", ...), errno's text, and
// what to do about it.
std::unexpected<Error> FailErrno(std::string_view tried, const std::filesystem::path& path,
                                 int error_number,
                                 std::source_location where = std::source_location::current());

// Makes a directory of mode 0700, durable; its parent must be there. One that exists is left alone.
Status MakeDirectory(const std::filesystem::path& directory);

// An exclusive lock between processes and, as each lock opens the file anew, between threads.
class FileLock {
 public:
  // Makes the file when it is missing. kStorageBusy: not free within `patience`.
  static Result<FileLock> Acquire(const std::filesystem::path& file,
                                  std::chrono::milliseconds patience);
  // The same on a file that is there and is only read: for those who may not write. `busy` is the
  // text of kStorageBusy.
  static Result<FileLock> AcquireReading(const std::filesystem::path& file,
                                         std::chrono::milliseconds patience, std::string_view busy);

 private:
  static Result<FileLock> Wait(FileDescriptor file, const std::filesystem::path& path,
                               std::chrono::milliseconds patience, std::string_view busy);
  explicit FileLock(FileDescriptor file) : file_(std::move(file)) {}
  FileDescriptor file_;  // closing it unlocks
};

}  // namespace hsmcore::storage

#endif  // HSMCORE_STORAGE_POSIX_H_
