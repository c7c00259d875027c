// SPDX-License-Identifier: Apache-2.0
#ifndef HSMCORE_BASE_FILES_H_
#define HSMCORE_BASE_FILES_H_

#include <sys/types.h>

#include <filesystem>
#include <string>
#include <string_view>

#include "hsmcore/types.h"

namespace hsmcore {

// The text of an errno value, thread-safe.
std::string ErrnoText(int error);

// An error for a failed file operation: kHomeAccess, kHomeNotFound, kStorageFull, kStorageReadOnly
// or kStorageIo, by errno; the detail has path and cause.
Error FileError(const std::filesystem::path& path, std::string_view doing, int error);

// An owned file descriptor.
class FileDescriptor {
 public:
  FileDescriptor() = default;
  explicit FileDescriptor(int fd) : fd_(fd) {}
  FileDescriptor(FileDescriptor&& other) noexcept;
  FileDescriptor& operator=(FileDescriptor&& other) noexcept;
  FileDescriptor(const FileDescriptor&) = delete;
  FileDescriptor& operator=(const FileDescriptor&) = delete;
  ~FileDescriptor();
  int get() const { return fd_; }
  bool valid() const { return fd_ >= 0; }

 private:
  int fd_ = -1;
};

// Reads a regular file of at most `limit` bytes; the errors of FileError.
Result<SecretBytes> ReadSecretFile(const std::filesystem::path& path, std::size_t limit);
Result<Bytes> ReadFile(const std::filesystem::path& path, std::size_t limit);

// Replaces or makes a file so that after a crash the old or the new content is there: new file,
// sync, rename, sync of the directory.
Status WriteFileAtomically(const std::filesystem::path& path, ByteView content, mode_t mode);

Status SyncDirectory(const std::filesystem::path& directory);

// mkdir with this mode, or nothing when it is there.
Status MakeDirectory(const std::filesystem::path& directory, mode_t mode);

}  // namespace hsmcore

#endif  // HSMCORE_BASE_FILES_H_
