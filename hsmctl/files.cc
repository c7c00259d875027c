// SPDX-License-Identifier: Apache-2.0
#include "files.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <system_error>
#include <utility>

namespace hsmctl {
namespace {

using hsmcore::ErrorCode;
using hsmcore::Fail;
using hsmcore::Result;
using hsmcore::SecretAccess;
using hsmcore::SecretBytes;
using hsmcore::Status;

constexpr std::size_t kMaxKeyFile = std::size_t{1} << 20;

std::unexpected<hsmcore::Error> FileFailure(const std::filesystem::path& path, int error) {
  return Fail(ErrorCode::kFileAccess, path.string() + ": " + std::strerror(error));
}

std::unexpected<hsmcore::Error> ExistsFailure(const std::filesystem::path& path,
                                              const char* advice) {
  return Fail(ErrorCode::kFileAccess, path.string() + " exists already; " + advice);
}

std::filesystem::path DirectoryOf(const std::filesystem::path& path) {
  return path.has_parent_path() ? path.parent_path() : std::filesystem::path(".");
}

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return fd_; }

 private:
  int fd_;
};

ssize_t ReadSome(int fd, std::span<std::uint8_t> out) {
  ssize_t got = 0;
  do {
    got = read(fd, out.data(), out.size());
  } while (got < 0 && errno == EINTR);
  return got;
}

}  // namespace

std::filesystem::path AbsolutePath(const std::filesystem::path& path) {
  std::error_code error;
  std::filesystem::path absolute = std::filesystem::absolute(path, error);
  if (error) absolute = path;
  return absolute;
}

Result<NewFile> NewFile::Create(const std::filesystem::path& path, IfExists if_exists,
                                std::size_t size) {
  if (if_exists == IfExists::kFail && access(path.c_str(), F_OK) == 0) {
    return ExistsFailure(path, "nothing was changed");
  }
  std::string temporary = (DirectoryOf(path) / ".hsmctl-XXXXXX").string();
  const int fd = mkostemp(temporary.data(), O_CLOEXEC);
  if (fd < 0) return FileFailure(path, errno);
  NewFile file(path, std::move(temporary), fd, if_exists);
  if (const int error = posix_fallocate(fd, 0, static_cast<off_t>(size)); error != 0) {
    return FileFailure(path, error);
  }
  return file;
}

NewFile::NewFile(std::filesystem::path path, std::string temporary, int fd, IfExists if_exists)
    : path_(std::move(path)), temporary_(std::move(temporary)), fd_(fd), if_exists_(if_exists) {}

NewFile::NewFile(NewFile&& other) noexcept
    : path_(std::move(other.path_)),
      temporary_(std::exchange(other.temporary_, {})),
      fd_(std::exchange(other.fd_, -1)),
      size_(other.size_),
      if_exists_(other.if_exists_) {}

NewFile::~NewFile() {
  if (fd_ >= 0) close(fd_);
  if (!temporary_.empty()) unlink(temporary_.c_str());
}

Status NewFile::Write(std::string_view content) {
  while (!content.empty()) {
    const ssize_t written = write(fd_, content.data(), content.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return FileFailure(path_, errno);
    size_ += static_cast<std::size_t>(written);
    content.remove_prefix(static_cast<std::size_t>(written));
  }
  return {};
}

Status NewFile::Finish() {
  if (ftruncate(fd_, static_cast<off_t>(size_)) != 0 || fsync(fd_) != 0) {
    return FileFailure(path_, errno);
  }
  return Publish();
}

Status NewFile::Publish() {
  if (if_exists_ == IfExists::kReplace) {
    if (rename(temporary_.c_str(), path_.c_str()) != 0) return FileFailure(path_, errno);
    temporary_.clear();
  } else if (link(temporary_.c_str(), path_.c_str()) != 0) {
    // link() and not rename(): it never replaces a file that came in between.
    if (errno == EEXIST) return ExistsFailure(path_, "it was left as it is");
    return FileFailure(path_, errno);
  }
  const Descriptor directory(open(DirectoryOf(path_).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (directory.get() < 0 || fsync(directory.get()) != 0) return FileFailure(path_, errno);
  return {};
}

Status WriteNewFile(const std::filesystem::path& path, NewFile::IfExists if_exists,
                    std::string_view content) {
  HSMCORE_TRY(NewFile file, NewFile::Create(path, if_exists, content.size()));
  HSMCORE_CHECK(file.Write(content));
  return file.Finish();
}

Result<SecretBytes> ReadKeyFile(const std::filesystem::path& path) {
  const Descriptor file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (file.get() < 0) return FileFailure(path, errno);
  SecretBytes content(kMaxKeyFile);
  const std::span<std::uint8_t> room = content.Write(SecretAccess("reading a key file"));
  std::size_t size = 0;
  while (size < room.size()) {
    const ssize_t got = ReadSome(file.get(), room.subspan(size));
    if (got < 0) return FileFailure(path, errno);
    if (got == 0) break;
    size += static_cast<std::size_t>(got);
  }
  if (size == room.size()) {
    return Fail(ErrorCode::kFileAccess, path.string() + " is too large for a key file");
  }
  content.Truncate(size);
  return content;
}

Result<std::string> ReadTextFile(const std::filesystem::path& path) {
  HSMCORE_TRY(const SecretBytes content, ReadKeyFile(path));
  return std::string(content.ReadText(SecretAccess("reading a public file")));
}

}  // namespace hsmctl
