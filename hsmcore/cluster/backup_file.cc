// SPDX-License-Identifier: Apache-2.0
#include "cluster/backup_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

#include "base/cbor.h"
#include "base/text.h"
#include "storage/engine.h"
#include "vault/sealing.h"

namespace hsmcore::cluster {
namespace {

constexpr std::string_view kMagic = "hsm backup\n";
constexpr unsigned kVersion = 1;
constexpr std::size_t kMaxHeader = std::size_t{16} << 20;
constexpr std::size_t kPartBytes = std::size_t{64} << 10;
constexpr std::size_t kLengthBytes = 4;
constexpr std::size_t kItemOverhead = 1 + (2 * kLengthBytes);
constexpr std::size_t kMaxPart =
    kPartBytes + kItemOverhead + storage::kMaxKeyBytes + storage::kMaxValueBytes;

enum class Kind : std::uint8_t { kEntry = 1, kEnd = 2 };

void AppendLength(Bytes& out, std::size_t length) {
  for (unsigned shift = 0; shift < 8 * kLengthBytes; shift += 8) {
    out.push_back(static_cast<std::uint8_t>(length >> shift));
  }
}

std::uint32_t LengthAt(ByteView bytes) {
  std::uint32_t length = 0;
  for (std::size_t i = kLengthBytes; i-- > 0;) length = (length << 8) | bytes[i];
  return length;
}

void AppendBytes(Bytes& out, ByteView bytes) {
  AppendLength(out, bytes.size());
  out.insert(out.end(), bytes.begin(), bytes.end());
}

Bytes EncodeHeader(const BackupHeader& header) {
  cbor::Value recipients = cbor::Value::array();
  for (const BackupRecipient& recipient : header.recipients) {
    recipients.push_back({{"path", recipient.path},
                          {"record", cbor::Blob(recipient.record)},
                          {"sealed", cbor::Blob(recipient.sealed)}});
  }
  return cbor::Encode({{"v", kVersion},
                       {"id", header.id},
                       {"cluster", header.cluster},
                       {"origin", header.origin},
                       {"root", cbor::Blob(header.root)},
                       {"type", header.hsm_type},
                       {"mode", NameOf(header.mode)},
                       {"created", header.created},
                       {"revision", header.revision},
                       {"recipients", recipients}});
}

Result<BackupHeader> DecodeHeader(ByteView bytes, std::string_view what) {
  HSMCORE_TRY(const cbor::Value value, cbor::Decode(bytes, what));
  cbor::Reader in(value, what);
  HSMCORE_CHECK(in.CheckVersion(kVersion));
  BackupHeader header;
  header.id = in.Text("id");
  header.cluster = in.Text("cluster");
  header.origin = in.Text("origin");
  header.root = in.Blob("root");
  header.hsm_type = in.Text("type");
  const std::string mode = in.Text("mode");
  header.mode = mode == NameOf(ClusterMode::kFips) ? ClusterMode::kFips : ClusterMode::kNonFips;
  if (mode != NameOf(header.mode)) in.Refuse("mode");
  header.created = in.Signed("created");
  header.revision = in.Number("revision");
  for (const cbor::Value& item : in.List("recipients")) {
    cbor::Reader recipient(item, what);
    header.recipients.push_back(
        {recipient.Text("path"), recipient.Blob("record"), recipient.Blob("sealed")});
    HSMCORE_CHECK(recipient.Finish());
  }
  HSMCORE_CHECK(in.Finish());
  return header;
}

}  // namespace

// ---- Writing ------------------------------------------------------------------------------------

BackupWriter::BackupWriter(std::filesystem::path path, const SecretBytes& key)
    : path_(std::move(path)), sealer_(key) {}

BackupWriter::~BackupWriter() {
  if (!unfinished_.empty()) unlink(unfinished_.c_str());
}

Result<BackupWriter> BackupWriter::Create(const std::filesystem::path& path,
                                          const BackupHeader& header, const SecretBytes& key) {
  BackupWriter writer(path, key);
  const std::filesystem::path unfinished = Cat(path.native(), ".unfinished");
  unlink(unfinished.c_str());
  writer.file_ = FileDescriptor(
      open(unfinished.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!writer.file_.valid()) return std::unexpected(FileError(unfinished, "make", errno));
  writer.unfinished_ = unfinished;
  Bytes front(kMagic.begin(), kMagic.end());
  AppendBytes(front, EncodeHeader(header));
  HSMCORE_CHECK(writer.Write(front));
  HSMCORE_CHECK(writer.Write(writer.sealer_.header()));
  writer.associated_ = std::move(front);
  return writer;
}

Status BackupWriter::Write(ByteView bytes) {
  while (!bytes.empty()) {
    const ssize_t written = write(file_.get(), bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return std::unexpected(FileError(unfinished_, "write", errno));
    bytes = bytes.subspan(static_cast<std::size_t>(written));
  }
  return {};
}

Status BackupWriter::Flush(bool last) {
  const Bytes sealed = sealer_.Seal(part_, associated_, last);
  associated_.clear();
  part_.clear();
  Bytes length;
  AppendLength(length, sealed.size());
  HSMCORE_CHECK(Write(length));
  return Write(sealed);
}

Status BackupWriter::Add(std::string_view key, ByteView value) {
  part_.push_back(static_cast<std::uint8_t>(Kind::kEntry));
  AppendBytes(part_, vault::ViewOf(key));
  AppendBytes(part_, value);
  ++entries_;
  return part_.size() < kPartBytes ? Status() : Flush(false);
}

Status BackupWriter::Finish() {
  part_.push_back(static_cast<std::uint8_t>(Kind::kEnd));
  AppendBytes(part_, cbor::Encode({{"entries", entries_}}));
  HSMCORE_CHECK(Flush(true));
  if (fsync(file_.get()) != 0) return std::unexpected(FileError(unfinished_, "sync", errno));
  if (rename(unfinished_.c_str(), path_.c_str()) != 0) {
    return std::unexpected(FileError(path_, "make", errno));
  }
  unfinished_.clear();
  return SyncDirectory(path_.parent_path());
}

// ---- Reading ------------------------------------------------------------------------------------

std::unexpected<Error> BackupReader::Damaged(std::string_view how) const {
  return Fail(ErrorCode::kBackupDamaged,
              Cat(path_.native(), " ", how, "; take another backup, or another copy of this one"));
}

Result<BackupReader> BackupReader::Open(const std::filesystem::path& path) {
  BackupReader reader(path);
  reader.file_ = FileDescriptor(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!reader.file_.valid()) {
    if (errno == ENOENT) {
      return Fail(ErrorCode::kBackupNotFound, Cat("there is no backup ", path.native()));
    }
    return std::unexpected(FileError(path, "open", errno));
  }
  struct stat info{};
  if (fstat(reader.file_.get(), &info) != 0) {
    return std::unexpected(FileError(path, "read", errno));
  }
  if (!S_ISREG(info.st_mode)) return reader.Damaged("is not a regular file");
  reader.size_ = static_cast<std::uint64_t>(info.st_size);
  HSMCORE_CHECK(reader.ReadHeader());
  return reader;
}

Result<Bytes> BackupReader::Read(std::size_t size) {
  if (size > size_ - std::min(size_, position_)) return Damaged("is cut short");
  Bytes bytes(size);
  for (std::size_t done = 0; done < size;) {
    const ssize_t got =
        pread(file_.get(), bytes.data() + done, size - done, static_cast<off_t>(position_ + done));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return std::unexpected(FileError(path_, "read", errno));
    if (got == 0) return Damaged("is cut short");
    done += static_cast<std::size_t>(got);
  }
  position_ += size;
  return bytes;
}

Result<std::uint32_t> BackupReader::ReadLength(std::size_t limit) {
  HSMCORE_TRY(const Bytes bytes, Read(kLengthBytes));
  const std::uint32_t length = LengthAt(bytes);
  if (length > limit) return Damaged("is damaged: a part of it is too long");
  return length;
}

Status BackupReader::ReadHeader() {
  auto magic = Read(kMagic.size());
  if (!magic || !std::ranges::equal(*magic, kMagic)) return Damaged("is no backup");
  HSMCORE_TRY(const std::uint32_t length, ReadLength(kMaxHeader));
  HSMCORE_TRY(const Bytes encoded, Read(length));
  auto header = DecodeHeader(encoded, path_.native());
  if (!header) {
    if (header.error().code() == ErrorCode::kHomeNewer) return std::unexpected(header.error());
    return Damaged("is damaged: its header cannot be read");
  }
  header_ = *std::move(header);
  header_bytes_ = Bytes(kMagic.begin(), kMagic.end());
  AppendBytes(header_bytes_, encoded);
  stream_begins_ = position_;
  return {};
}

Status BackupReader::Unlock(const SecretBytes& key) {
  key_ = key.Clone();
  return Rewind();
}

Status BackupReader::Rewind() {
  position_ = stream_begins_;
  associated_ = header_bytes_;
  part_.clear();
  used_ = 0;
  entries_ = 0;
  last_part_ = false;
  ended_ = false;
  HSMCORE_TRY(const Bytes header, Read(vault::kStreamHeaderBytes));
  auto opener = vault::StreamOpener::New(key_, header);
  if (!opener) return Damaged("is damaged: its stream has no beginning");
  opener_.emplace(*std::move(opener));
  return {};
}

Status BackupReader::NextPart() {
  if (last_part_) return Damaged("is damaged: it has no proper end");
  HSMCORE_TRY(const std::uint32_t length, ReadLength(kMaxPart + vault::kStreamPartOverhead));
  HSMCORE_TRY(const Bytes sealed, Read(length));
  auto part = opener_->Open(sealed, associated_);
  if (!part) return Damaged("was changed, or is not what its name says: it does not open");
  associated_.clear();
  part_ = std::move(part->plain);
  last_part_ = part->last;
  used_ = 0;
  return {};
}

Status BackupReader::CheckEnd(ByteView trailer) {
  auto value = cbor::Decode(trailer, path_.native());
  if (!value) return Damaged("is damaged: its end cannot be read");
  cbor::Reader in(*value, path_.native());
  const std::uint64_t entries = in.Number("entries");
  if (!in.Finish() || entries != entries_ || !last_part_ || used_ != part_.size() ||
      position_ != size_) {
    return Damaged("is damaged: its end does not fit");
  }
  ended_ = true;
  return {};
}

// The next bytes with their length in front; nothing when the part has no such field.
std::optional<ByteView> BackupReader::Field() {
  const ByteView rest = ByteView(part_).subspan(used_);
  if (rest.size() < kLengthBytes || rest.size() - kLengthBytes < LengthAt(rest)) return {};
  used_ += kLengthBytes + LengthAt(rest);
  return rest.subspan(kLengthBytes, LengthAt(rest));
}

Result<std::optional<BackupEntry>> BackupReader::Next() {
  if (!opener_) return Fail(ErrorCode::kOperationState, "the backup was not unlocked");
  if (ended_) return std::nullopt;
  if (used_ == part_.size()) HSMCORE_CHECK(NextPart());
  if (part_.empty()) return Damaged("is damaged: a part of it is empty");
  const auto kind = static_cast<Kind>(part_[used_++]);
  const auto first = Field();
  if (!first) return Damaged("is damaged inside");
  if (kind == Kind::kEnd) {
    HSMCORE_CHECK(CheckEnd(*first));
    return std::nullopt;
  }
  const auto second = Field();
  if (kind != Kind::kEntry || !second || first->empty() || first->size() > storage::kMaxKeyBytes ||
      second->size() > storage::kMaxValueBytes) {
    return Damaged("is damaged inside");
  }
  ++entries_;
  return BackupEntry{{first->begin(), first->end()}, {second->begin(), second->end()}};
}

}  // namespace hsmcore::cluster
