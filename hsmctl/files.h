// SPDX-License-Identifier: Apache-2.0
#ifndef HSMCTL_FILES_H_
#define HSMCTL_FILES_H_

#include <filesystem>
#include <string_view>

#include "hsmcore/error.h"
#include "hsmcore/secret_bytes.h"

namespace hsmctl {

// The path from the root; as it is when that cannot be told (no path, no working directory).
std::filesystem::path AbsolutePath(const std::filesystem::path& path);

// A file that appears under its name whole and on disk, or not at all. Mode 0600. Errors:
// kFileAccess.
class NewFile {
 public:
  enum class IfExists : bool { kFail, kReplace };

  // Takes the room for `size` bytes, so that a full or read-only disk is seen before the content
  // is made.
  static hsmcore::Result<NewFile> Create(const std::filesystem::path& path, IfExists if_exists,
                                         std::size_t size);

  NewFile(NewFile&& other) noexcept;
  NewFile& operator=(NewFile&&) = delete;
  ~NewFile();

  hsmcore::Status Write(std::string_view content);
  // Syncs, and gives the file its name.
  hsmcore::Status Finish();

 private:
  NewFile(std::filesystem::path path, std::string temporary, int fd, IfExists if_exists);
  hsmcore::Status Publish();

  std::filesystem::path path_;
  std::string temporary_;  // empty once there is nothing to sweep away
  int fd_;
  std::size_t size_ = 0;  // written so far
  IfExists if_exists_;
};

// All of it in one.
hsmcore::Status WriteNewFile(const std::filesystem::path& path, NewFile::IfExists if_exists,
                             std::string_view content);

// Reads a file or a pipe that may hold a private key. kFileAccess.
hsmcore::Result<hsmcore::SecretBytes> ReadKeyFile(const std::filesystem::path& path);

// The same of what is no secret.
hsmcore::Result<std::string> ReadTextFile(const std::filesystem::path& path);

}  // namespace hsmctl

#endif  // HSMCTL_FILES_H_
