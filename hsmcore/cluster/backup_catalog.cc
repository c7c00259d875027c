// SPDX-License-Identifier: Apache-2.0
#include "cluster/backup_catalog.h"

#include <fcntl.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <nlohmann/json.hpp>
#include <tuple>

#include "base/files.h"
#include "base/text.h"
#include "vault/sealing.h"

namespace hsmcore::cluster {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr std::string_view kPrefix = "backup-";
constexpr std::string_view kSuffix = ".hsmbackup";
constexpr std::size_t kMaxNotes = 4096;

fs::path NotesOf(const fs::path& file) { return fs::path(file).replace_extension(".json"); }

// What happened to a backup since it was made.
struct Notes {
  std::optional<std::int64_t> copied;
  std::optional<std::int64_t> gone_after;
};

std::optional<std::int64_t> TimeIn(const json& object, const char* name) {
  const auto field = object.find(name);
  if (field == object.end() || !field->is_number_integer()) return std::nullopt;
  return field->get<std::int64_t>();
}

// Notes that cannot be read are none: a backup is not lost with them.
Notes ReadNotes(const fs::path& file) {
  const auto content = ReadFile(NotesOf(file), kMaxNotes);
  if (!content) return {};
  const json object = json::parse(content->begin(), content->end(), nullptr, false);
  if (!object.is_object()) return {};
  return {TimeIn(object, "copy-timestamp"), TimeIn(object, "gone-after-timestamp")};
}

Status WriteNotes(const fs::path& file, const Notes& notes) {
  json object = {{"version", 1}};
  if (notes.copied) object["copy-timestamp"] = *notes.copied;
  if (notes.gone_after) object["gone-after-timestamp"] = *notes.gone_after;
  const std::string text = object.dump(2) + "\n";
  return WriteFileAtomically(NotesOf(file), vault::ViewOf(text), 0600);
}

bool IsBackupId(std::string_view id) {
  if (!id.starts_with(kPrefix)) return false;
  id.remove_prefix(kPrefix.size());
  return id.size() >= 11 && id.size() <= 16 && std::ranges::all_of(id, [](char c) {
           return (c >= '2' && c <= '7') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
         });
}

bool IsGone(const BackupInfo& backup, std::int64_t now) {
  return backup.gone_after && *backup.gone_after <= now;
}

Status RemoveFile(const fs::path& path) {
  if (unlink(path.c_str()) == 0 || errno == ENOENT) return {};
  return std::unexpected(FileError(path, "remove", errno));
}

Status RemoveBackup(const BackupInfo& backup) {
  HSMCORE_CHECK(RemoveFile(backup.file));
  return RemoveFile(NotesOf(backup.file));
}

bool IsOwn(const BackupInfo& backup) { return !backup.gone_after && !backup.copied; }

// Those of a directory that end so; none where there is no directory.
Result<std::vector<fs::path>> FilesIn(const fs::path& directory, std::string_view extension) {
  std::vector<fs::path> files;
  std::error_code problem;
  for (fs::directory_iterator entry(directory, problem), end; !problem && entry != end;
       entry.increment(problem)) {
    if (entry->path().extension() == extension) files.push_back(entry->path());
  }
  if (problem && problem != std::errc::no_such_file_or_directory) {
    return std::unexpected(FileError(directory, "read", problem.value()));
  }
  return files;
}

// Under another name until it is whole.
Status CopyFile(const fs::path& from, const fs::path& to) {
  const FileDescriptor source(open(from.c_str(), O_RDONLY | O_CLOEXEC));
  struct stat info{};
  if (!source.valid() || fstat(source.get(), &info) != 0) {
    return std::unexpected(FileError(from, "read", errno));
  }
  const fs::path unfinished = Cat(to.native(), ".unfinished");
  unlink(unfinished.c_str());
  const FileDescriptor target(
      open(unfinished.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!target.valid()) return std::unexpected(FileError(unfinished, "make", errno));
  Status status;
  for (off_t done = 0; status && done < info.st_size;) {
    const ssize_t copied =
        sendfile(target.get(), source.get(), &done, static_cast<std::size_t>(info.st_size - done));
    if (copied < 0 && errno == EINTR) continue;
    if (copied < 0) status = std::unexpected(FileError(unfinished, "write", errno));
    if (copied == 0) status = Fail(ErrorCode::kBackupDamaged, Cat(from.native(), " got shorter"));
  }
  if (status && fsync(target.get()) != 0) {
    status = std::unexpected(FileError(unfinished, "sync", errno));
  }
  // link() and not rename(): it never replaces a file that came in between.
  if (status && link(unfinished.c_str(), to.c_str()) != 0) {
    status = std::unexpected(FileError(to, "make", errno));
  }
  unlink(unfinished.c_str());
  return status ? SyncDirectory(to.parent_path()) : status;
}

}  // namespace

fs::path BackupFile(const fs::path& directory, std::string_view id) {
  return directory / Cat(id, kSuffix);
}

Result<BackupInfo> ReadBackupInfo(const fs::path& file) {
  HSMCORE_TRY(const BackupReader reader, BackupReader::Open(file));
  const BackupHeader& header = reader.header();
  const Notes notes = ReadNotes(file);
  return BackupInfo{.id = header.id,
                    .state = notes.gone_after ? "PENDING_DELETION" : "READY",
                    .cluster_id = header.cluster,
                    .hsm_type = header.hsm_type,
                    .mode = header.mode,
                    .revision = header.revision,
                    .created = header.created,
                    .copied = notes.copied,
                    .gone_after = notes.gone_after,
                    .bytes = reader.size(),
                    .file = file};
}

Result<std::vector<BackupInfo>> ListBackups(const fs::path& directory, std::int64_t now) {
  HSMCORE_TRY(const std::vector<fs::path> files, FilesIn(directory, kSuffix));
  std::vector<BackupInfo> backups;
  for (const fs::path& file : files) {
    auto backup = ReadBackupInfo(file);
    if (backup && !IsGone(*backup, now)) backups.push_back(*std::move(backup));
  }
  std::ranges::sort(backups, {}, [](const BackupInfo& backup) {
    return std::tuple(backup.created, backup.revision, backup.id);
  });
  return backups;
}

Result<BackupInfo> FindBackup(const fs::path& directory, std::string_view id, std::int64_t now) {
  if (!IsBackupId(id)) {
    return Fail(ErrorCode::kInvalidArgument,
                Cat("'", id.substr(0, 40), "' is no id of a backup; see 'hsmctl backup list'"));
  }
  auto found = ReadBackupInfo(BackupFile(directory, id));
  const bool gone =
      found ? IsGone(*found, now) : found.error().code() == ErrorCode::kBackupNotFound;
  if (!gone) return found;
  return Fail(ErrorCode::kBackupNotFound, Cat("there is no backup ", id, " in ", directory.native(),
                                              "; see 'hsmctl backup list'"));
}

Status SetGoneAfter(const BackupInfo& backup, std::optional<std::int64_t> gone_after) {
  return WriteNotes(backup.file, {backup.copied, gone_after});
}

Result<BackupInfo> CopyBackup(const BackupInfo& backup, const fs::path& directory,
                              std::int64_t now) {
  const fs::path target = BackupFile(directory, backup.id);
  std::error_code ignored;
  if (fs::exists(target, ignored)) {
    return Fail(ErrorCode::kBackupState, Cat(target.native(), " is there already"));
  }
  HSMCORE_CHECK(CopyFile(backup.file, target));
  HSMCORE_CHECK(WriteNotes(target, {now, std::nullopt}));
  return ReadBackupInfo(target);
}

Result<std::optional<BackupInfo>> FindNewestOwn(const fs::path& directory) {
  HSMCORE_TRY(const std::vector<fs::path> found, FilesIn(directory, kSuffix));
  std::vector<std::pair<fs::file_time_type, fs::path>> files;
  for (const fs::path& file : found) {
    std::error_code ignored;
    files.emplace_back(fs::last_write_time(file, ignored), file);
  }
  std::ranges::sort(files, std::greater());
  for (const auto& [time, file] : files) {
    auto backup = ReadBackupInfo(file);
    if (backup && IsOwn(*backup)) return *std::move(backup);
  }
  return std::nullopt;
}

const BackupInfo* NewestOwn(const std::vector<BackupInfo>& backups) {
  const auto newest = std::ranges::find_if(backups.rbegin(), backups.rend(), IsOwn);
  return newest == backups.rend() ? nullptr : &*newest;
}

Status RemoveOldBackups(const fs::path& directory, unsigned retention_days, std::int64_t now) {
  HSMCORE_TRY(const std::vector<fs::path> leftovers, FilesIn(directory, ".unfinished"));
  for (const fs::path& leftover : leftovers) HSMCORE_CHECK(RemoveFile(leftover));
  // From the beginning of time, so that the gone ones are among them.
  HSMCORE_TRY(const auto backups, ListBackups(directory, INT64_MIN));
  const BackupInfo* newest = NewestOwn(backups);
  for (const BackupInfo& backup : backups) {
    const bool is_newest = newest != nullptr && backup.id == newest->id;
    const bool too_old = backup.created + (kDay * retention_days) <= now;
    if (IsGone(backup, now) || (too_old && !is_newest)) HSMCORE_CHECK(RemoveBackup(backup));
  }
  return {};
}

}  // namespace hsmcore::cluster
