// SPDX-License-Identifier: Apache-2.0
#ifndef HSMCORE_CLUSTER_BACKUP_FILE_H_
#define HSMCORE_CLUSTER_BACKUP_FILE_H_

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/files.h"
#include "hsmcore/cluster.h"
#include "hsmcore/types.h"
#include "vault/stream.h"

// The file that a backup is: a header that anybody may read, and the store's entries in one sealed
// stream that the header is bound to. Format: docs/backups.md. Both sides need memory for one part
// of the stream, a little more than an entry.
//
// Errors: kBackupDamaged for anything that is not a whole and unchanged backup; those of FileError.
namespace hsmcore::cluster {

// An admin who can open the backup.
struct BackupRecipient {
  std::string path;  // user/admin/NAME
  Bytes record;      // his record, so that the backup opens where no cluster is left
  Bytes sealed;      // the key of the stream, sealed to him
};

struct BackupHeader {
  std::string id;       // backup-…
  std::string cluster;  // cluster-…, whose backup it is
  std::string origin;   // the cluster that the configuration record names
  Bytes root;           // Ed25519 key of the first admin
  std::string hsm_type;
  ClusterMode mode = ClusterMode::kNonFips;
  std::int64_t created = 0;
  std::uint64_t revision = 0;  // of the store whose state the backup has
  std::vector<BackupRecipient> recipients;
};

struct BackupEntry {
  std::string key;
  Bytes value;
};

// Writes under another name until it is whole and durable; gone without Finish().
class BackupWriter {
 public:
  // `key` has vault::kSealKeyBytes bytes, of this backup alone.
  static Result<BackupWriter> Create(const std::filesystem::path& path, const BackupHeader& header,
                                     const SecretBytes& key);
  BackupWriter(BackupWriter&&) noexcept = default;
  BackupWriter& operator=(BackupWriter&&) = delete;
  ~BackupWriter();

  Status Add(std::string_view key, ByteView value);
  Status Finish();

 private:
  BackupWriter(std::filesystem::path path, const SecretBytes& key);
  Status Flush(bool last);
  Status Write(ByteView bytes);

  std::filesystem::path path_;
  std::filesystem::path unfinished_;  // empty: nothing to remove
  FileDescriptor file_;
  vault::StreamSealer sealer_;
  Bytes associated_;  // the header, with the first part
  Bytes part_;
  std::uint64_t entries_ = 0;
};

class BackupReader {
 public:
  static Result<BackupReader> Open(const std::filesystem::path& path);

  const BackupHeader& header() const { return header_; }
  std::uint64_t size() const { return size_; }  // of the file, in bytes
  std::uint64_t position() const { return position_; }

  // kBackupDamaged: the key of another backup.
  Status Unlock(const SecretBytes& key);
  // The next entry, in the order in which they were added; nothing at the end. Each is genuine, but
  // that none is missing is only known at the end: who changes something reads to there first.
  Result<std::optional<BackupEntry>> Next();
  std::uint64_t entries() const { return entries_; }  // read so far
  // Begins again, with the same key.
  Status Rewind();

 private:
  explicit BackupReader(std::filesystem::path path) : path_(std::move(path)) {}
  Status ReadHeader();
  Result<Bytes> Read(std::size_t size);
  Result<std::uint32_t> ReadLength(std::size_t limit);
  Status NextPart();
  std::optional<ByteView> Field();
  Status CheckEnd(ByteView trailer);
  std::unexpected<Error> Damaged(std::string_view how) const;

  std::filesystem::path path_;
  FileDescriptor file_;
  std::uint64_t size_ = 0;
  std::uint64_t position_ = 0;
  BackupHeader header_;
  Bytes header_bytes_;
  std::uint64_t stream_begins_ = 0;
  SecretBytes key_;
  std::optional<vault::StreamOpener> opener_;
  Bytes associated_;
  Bytes part_;
  std::size_t used_ = 0;  // of part_
  bool last_part_ = false;
  bool ended_ = false;
  std::uint64_t entries_ = 0;
};

}  // namespace hsmcore::cluster

#endif  // HSMCORE_CLUSTER_BACKUP_FILE_H_
