// SPDX-License-Identifier: Apache-2.0
// Ends a program before one of its changes to files, as a kill or the loss of power does:
//
//   LD_PRELOAD=power_loss.so HSM_POWER_LOSS="STEP MODE DIRECTORY" program...
//
// A step is a call that changes something in DIRECTORY or syncs it: write, ftruncate, fsync, link,
// rename, unlink, mkdir, rmdir, and open where it makes a file. The program dies by SIGKILL at step
// STEP (1 is the first); with fewer steps it runs to its end. MODE says what is found afterwards:
//
//   kept  a kill: everything that was done, and the half of what was being written
//   lost  power: nothing that was not synced. Files have the size of their last fsync, and what was
//         made, renamed or removed in a directory since that one's last fsync is undone
//
// Both are what POSIX allows. Changes to the databases of the HSMs (store.db and what SQLite puts
// beside it) are no steps: tests/hsmcore/storage/fault_vfs.h is for these. What is replaced or
// removed is kept by a link in DIRECTORY.saved until the end.
#include <dlfcn.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <csignal>
#include <cstdarg>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <map>
#include <mutex>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

namespace {

template <typename Function>
Function* Original(const char* name) {
  return reinterpret_cast<Function*>(dlsym(RTLD_NEXT, name));
}

// A change to a directory that its next fsync makes last.
struct Entry {
  enum class Kind { kMade, kMadeDirectory, kRemoved, kRemovedDirectory, kRenamed };
  Kind kind;
  std::string path;
  std::string from = {};   // kRenamed: the name before
  std::string saved = {};  // what was at `path` before: a link to it; empty where there was nothing
};

// A file with writes since its last fsync.
struct Unsynced {
  int fd;
  off_t size;
};

class Plug {
 public:
  static Plug& Instance() {
    static Plug* const plug = new Plug;  // outlives every destructor that writes
    return *plug;
  }

  bool Watches(const std::string& path) const {
    return !pulled_ && !directory_.empty() && path.starts_with(directory_) &&
           (path.size() == directory_.size() || path[directory_.size()] == '/') &&
           !std::filesystem::path(path).filename().string().starts_with("store.db");
  }

  // Before each step. True: this is the one.
  bool IsTheStep() { return ++done_ == step_; }

  [[noreturn]] void Pull() {
    pulled_ = true;
    if (lost_) Lose();
    kill(getpid(), SIGKILL);
    for (;;) pause();
  }

  bool loses() const { return lost_; }

  void Changed(Entry entry) { entries_.push_back(std::move(entry)); }

  // A link to what is at `path`; empty where nothing is.
  std::string Save(const std::string& path) {
    struct stat info{};
    if (!lost_ || lstat(path.c_str(), &info) != 0 || S_ISDIR(info.st_mode)) return {};
    const std::string directory = directory_ + ".saved";
    Original<int(const char*, mode_t)>("mkdir")(directory.c_str(), 0700);
    const std::string saved =
        directory + "/" + std::to_string(getpid()) + "-" + std::to_string(++links_);
    return Original<int(const char*, const char*)>("link")(path.c_str(), saved.c_str()) == 0
               ? saved
               : std::string();
  }

  void Wrote(int fd) {
    struct stat info{};
    if (fstat(fd, &info) != 0) return;
    // The duplicate is never closed: that would drop the process's locks on the file.
    if (!unsynced_.contains(info.st_ino)) unsynced_[info.st_ino] = {dup(fd), info.st_size};
  }

  void Synced(int fd, const std::string& path) {
    struct stat info{};
    if (fstat(fd, &info) != 0) return;
    if (!S_ISDIR(info.st_mode)) {
      unsynced_.erase(info.st_ino);
      return;
    }
    std::erase_if(entries_, [&](const Entry& entry) {
      return std::filesystem::path(entry.path).parent_path() == path;
    });
  }

  std::recursive_mutex mutex;

 private:
  Plug() {
    const char* const text = getenv("HSM_POWER_LOSS");
    if (text == nullptr) return;
    std::istringstream words(text);
    std::string mode;
    words >> step_ >> mode >> directory_;
    lost_ = mode == "lost";
  }

  void Lose() {
    for (const auto& [inode, file] : unsynced_) {
      (void)inode;
      (void)Original<int(int, off_t)>("ftruncate")(file.fd, file.size);
    }
    const auto rename = Original<int(const char*, const char*)>("rename");
    const auto unlink = Original<int(const char*)>("unlink");
    for (auto entry = entries_.rbegin(); entry != entries_.rend(); ++entry) {
      switch (entry->kind) {
        case Entry::Kind::kMade:
          unlink(entry->path.c_str());
          break;
        case Entry::Kind::kMadeDirectory: {
          std::error_code ignored;
          std::filesystem::remove_all(entry->path, ignored);
          break;
        }
        case Entry::Kind::kRemovedDirectory:
          Original<int(const char*, mode_t)>("mkdir")(entry->path.c_str(), 0700);
          break;
        case Entry::Kind::kRenamed:
          rename(entry->path.c_str(), entry->from.c_str());
          [[fallthrough]];
        case Entry::Kind::kRemoved:
          if (!entry->saved.empty()) rename(entry->saved.c_str(), entry->path.c_str());
          break;
      }
    }
  }

  long step_ = 0;
  long done_ = 0;
  long links_ = 0;
  bool lost_ = false;
  bool pulled_ = false;  // what comes now is the loss itself
  std::string directory_;
  std::map<ino_t, Unsynced> unsynced_;
  std::vector<Entry> entries_;
};

std::string Absolute(const char* path) {
  return std::filesystem::absolute(path).lexically_normal().string();
}

std::string PathOf(int fd) {
  std::string path(PATH_MAX, '\0');
  const ssize_t length =
      readlink(("/proc/self/fd/" + std::to_string(fd)).c_str(), path.data(), path.size());
  path.resize(length < 0 ? 0 : static_cast<std::size_t>(length));
  return path;
}

// A step on a path: `change` does it, `record` notes what a loss undoes.
template <typename Change, typename Record>
int OnPath(const std::string& path, Change change, Record record) {
  Plug& plug = Plug::Instance();
  const int before = errno;
  if (!plug.Watches(path)) {
    errno = before;
    return change();
  }
  const std::lock_guard lock(plug.mutex);
  if (plug.IsTheStep()) plug.Pull();
  Entry entry = record();
  errno = before;
  const int result = change();
  const int after = errno;
  if (result >= 0) plug.Changed(std::move(entry));
  errno = after;
  return result;
}

// A step on an open file.
template <typename Change, typename Torn>
auto OnFile(int fd, bool writes, Change change, Torn torn) {
  Plug& plug = Plug::Instance();
  const int before = errno;
  const std::string path = PathOf(fd);
  errno = before;
  if (!plug.Watches(path)) return change();
  const std::lock_guard lock(plug.mutex);
  if (plug.IsTheStep()) {
    if (!plug.loses()) torn();
    plug.Pull();
  }
  if (writes) plug.Wrote(fd);
  errno = before;
  const auto result = change();
  const int after = errno;
  if (!writes && result == 0) plug.Synced(fd, path);
  errno = after;
  return result;
}

void Nothing() {}

int Open(const char* name, const char* path, int flags, mode_t mode) {
  const auto original = Original<int(const char*, int, ...)>(name);
  if ((flags & O_CREAT) == 0 || access(path, F_OK) == 0) return original(path, flags, mode);
  const std::string file = Absolute(path);
  return OnPath(
      file, [&] { return original(path, flags, mode); },
      [&] { return Entry{Entry::Kind::kMade, file}; });
}

int Sync(const char* name, int fd) {
  return OnFile(fd, false, [&] { return Original<int(int)>(name)(fd); }, Nothing);
}

ssize_t WriteAt(const char* name, int fd, const void* data, size_t size, off_t offset) {
  const auto original = Original<ssize_t(int, const void*, size_t, off_t)>(name);
  return OnFile(
      fd, true, [&] { return original(fd, data, size, offset); },
      [&] { (void)original(fd, data, size / 2, offset); });
}

int Truncate(const char* name, int fd, off_t size) {
  return OnFile(fd, true, [&] { return Original<int(int, off_t)>(name)(fd, size); }, Nothing);
}

int Remove(const char* name, int directory, const char* path, int flags) {
  const std::string base = directory == AT_FDCWD || *path == '/' ? "" : PathOf(directory) + "/";
  const std::string file = Absolute((base + path).c_str());
  const bool is_directory = (flags & AT_REMOVEDIR) != 0;
  return OnPath(
      file,
      [&] {
        if (std::string_view(name) == "unlinkat") {
          return Original<int(int, const char*, int)>(name)(directory, path, flags);
        }
        return Original<int(const char*)>(name)(path);
      },
      [&] {
        return is_directory ? Entry{Entry::Kind::kRemovedDirectory, file}
                            : Entry{Entry::Kind::kRemoved, file, {}, Plug::Instance().Save(file)};
      });
}

}  // namespace

// The names and signatures are libc's.
extern "C" {

#define EXPORTED __attribute__((visibility("default")))

EXPORTED int open(const char* path, int flags, ...) {
  va_list rest;
  va_start(rest, flags);
  const mode_t mode = (flags & (O_CREAT | O_TMPFILE)) != 0 ? va_arg(rest, mode_t) : 0;
  va_end(rest);
  return Open("open", path, flags, mode);
}
EXPORTED int open64(const char* path, int flags, ...) {
  va_list rest;
  va_start(rest, flags);
  const mode_t mode = (flags & (O_CREAT | O_TMPFILE)) != 0 ? va_arg(rest, mode_t) : 0;
  va_end(rest);
  return Open("open64", path, flags, mode);
}

EXPORTED ssize_t write(int fd, const void* data, size_t size) {
  const auto original = Original<ssize_t(int, const void*, size_t)>("write");
  return OnFile(
      fd, true, [&] { return original(fd, data, size); },
      [&] { (void)original(fd, data, size / 2); });
}
EXPORTED ssize_t pwrite(int fd, const void* data, size_t size, off_t offset) {
  return WriteAt("pwrite", fd, data, size, offset);
}
EXPORTED ssize_t pwrite64(int fd, const void* data, size_t size, off_t offset) {
  return WriteAt("pwrite64", fd, data, size, offset);
}
EXPORTED int ftruncate(int fd, off_t size) noexcept { return Truncate("ftruncate", fd, size); }
EXPORTED int ftruncate64(int fd, off_t size) noexcept { return Truncate("ftruncate64", fd, size); }

EXPORTED int fsync(int fd) { return Sync("fsync", fd); }
EXPORTED int fdatasync(int fd) { return Sync("fdatasync", fd); }

EXPORTED int mkdir(const char* path, mode_t mode) noexcept {
  const std::string directory = Absolute(path);
  return OnPath(
      directory, [&] { return Original<int(const char*, mode_t)>("mkdir")(path, mode); },
      [&] { return Entry{Entry::Kind::kMadeDirectory, directory}; });
}
EXPORTED int rmdir(const char* path) noexcept {
  return Remove("rmdir", AT_FDCWD, path, AT_REMOVEDIR);
}
EXPORTED int unlink(const char* path) noexcept { return Remove("unlink", AT_FDCWD, path, 0); }
EXPORTED int unlinkat(int directory, const char* path, int flags) noexcept {
  return Remove("unlinkat", directory, path, flags);
}
EXPORTED int link(const char* from, const char* to) noexcept {
  const std::string file = Absolute(to);
  return OnPath(
      file, [&] { return Original<int(const char*, const char*)>("link")(from, to); },
      [&] { return Entry{Entry::Kind::kMade, file}; });
}
EXPORTED int rename(const char* from, const char* to) noexcept {
  const std::string file = Absolute(to);
  return OnPath(
      file, [&] { return Original<int(const char*, const char*)>("rename")(from, to); },
      [&] {
        return Entry{Entry::Kind::kRenamed, file, Absolute(from), Plug::Instance().Save(file)};
      });
}

}  // extern "C"
