// SPDX-License-Identifier: Apache-2.0
#include "base/files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "base/text.h"

namespace hsmcore {
namespace {

ErrorCode CodeFor(int error) {
  switch (error) {
    case ENOENT:
    case ENOTDIR:
      return ErrorCode::kHomeNotFound;
    case EACCES:
    case EPERM:
    case ELOOP:
      return ErrorCode::kHomeAccess;
    case ENOSPC:
    case EDQUOT:
      return ErrorCode::kStorageFull;
    case EROFS:
      return ErrorCode::kStorageReadOnly;
    default:
      return ErrorCode::kStorageIo;
  }
}

Status WriteAll(int fd, ByteView content, const std::filesystem::path& path) {
  while (!content.empty()) {
    const ssize_t written = write(fd, content.data(), content.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return std::unexpected(FileError(path, "write", errno));
    content = content.subspan(static_cast<std::size_t>(written));
  }
  return {};
}

Status WriteAndSync(const std::filesystem::path& path, ByteView content, mode_t mode) {
  const FileDescriptor file(
      open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode));
  if (!file.valid()) return std::unexpected(FileError(path, "create", errno));
  HSMCORE_CHECK(WriteAll(file.get(), content, path));
  if (fsync(file.get()) != 0) return std::unexpected(FileError(path, "sync", errno));
  return {};
}

}  // namespace

std::string ErrnoText(int error) {
  std::array<char, 128> buffer{};
  return strerror_r(error, buffer.data(), buffer.size());
}

Error FileError(const std::filesystem::path& path, std::string_view doing, int error) {
  return {CodeFor(error), Cat("cannot ", doing, " ", path.native(), ": ", ErrnoText(error))};
}

FileDescriptor::FileDescriptor(FileDescriptor&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)) {}
FileDescriptor& FileDescriptor::operator=(FileDescriptor&& other) noexcept {
  std::swap(fd_, other.fd_);
  return *this;
}
FileDescriptor::~FileDescriptor() {
  if (fd_ >= 0) close(fd_);
}

Result<SecretBytes> ReadSecretFile(const std::filesystem::path& path, std::size_t limit) {
  // O_NONBLOCK: opening a FIFO must not hang; the check for a regular file comes after it.
  const FileDescriptor file(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!file.valid()) return std::unexpected(FileError(path, "open", errno));
  struct stat info{};
  if (fstat(file.get(), &info) != 0) return std::unexpected(FileError(path, "read", errno));
  if (!S_ISREG(info.st_mode)) {
    return Fail(ErrorCode::kStorageIo, Cat(path.native(), " is not a regular file"));
  }
  // One byte more than there should be, to notice a file that grows; not `limit` bytes, which take
  // longer to clear than most files take to read.
  const auto size = static_cast<std::size_t>(info.st_size);
  if (size > limit) {
    return Fail(ErrorCode::kStorageIo, Cat(path.native(), " is larger than ", limit, " bytes"));
  }
  SecretBytes content(size + 1);
  const auto buffer = content.Write(SecretAccess{"read a file"});
  std::size_t length = 0;
  while (length < buffer.size()) {
    const ssize_t got = read(file.get(), buffer.data() + length, buffer.size() - length);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return std::unexpected(FileError(path, "read", errno));
    if (got == 0) break;
    length += static_cast<std::size_t>(got);
  }
  if (length > size) {
    return Fail(ErrorCode::kStorageIo, Cat(path.native(), " grows while it is read; try again"));
  }
  content.Truncate(length);
  return content;
}

Result<Bytes> ReadFile(const std::filesystem::path& path, std::size_t limit) {
  HSMCORE_TRY(const SecretBytes content, ReadSecretFile(path, limit));
  const ByteView bytes = content.Read(SecretAccess{"a file without secrets"});
  return Bytes(bytes.begin(), bytes.end());
}

Status WriteFileAtomically(const std::filesystem::path& path, ByteView content, mode_t mode) {
  const std::filesystem::path fresh = Cat(path.native(), ".new.", getpid());
  unlink(fresh.c_str());
  Status status = WriteAndSync(fresh, content, mode);
  if (status && rename(fresh.c_str(), path.c_str()) != 0) {
    status = std::unexpected(FileError(path, "replace", errno));
  }
  if (!status) {
    unlink(fresh.c_str());
    return status;
  }
  return SyncDirectory(path.parent_path());
}

Status SyncDirectory(const std::filesystem::path& directory) {
  const std::filesystem::path target = directory.empty() ? "." : directory;
  const FileDescriptor file(open(target.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!file.valid()) return std::unexpected(FileError(target, "open", errno));
  if (fsync(file.get()) != 0) return std::unexpected(FileError(target, "sync", errno));
  return {};
}

Status MakeDirectory(const std::filesystem::path& directory, mode_t mode) {
  if (mkdir(directory.c_str(), mode) == 0) return {};
  const int error = errno;
  if (error == EEXIST && std::filesystem::is_directory(directory)) return {};
  return std::unexpected(FileError(directory, "make the directory", error));
}

}  // namespace hsmcore
