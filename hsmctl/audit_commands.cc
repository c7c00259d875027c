// SPDX-License-Identifier: Apache-2.0
#include <syslog.h>

#include <chrono>
#include <filesystem>
#include <optional>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

#include "audit_view.h"
#include "command.h"
#include "encoding.h"
#include "files.h"
#include "hsmcore/audit.h"
#include "hsmcore/cluster.h"
#include "token_file.h"

namespace hsmctl {
namespace {

using hsmcore::AuditCheckpoint;
using hsmcore::AuditQuery;
using hsmcore::AuditRecord;
using hsmcore::AuditReport;
using hsmcore::Bytes;
using hsmcore::ClusterPtr;
using hsmcore::ErrorCode;
using hsmcore::Fail;
using hsmcore::Result;
using hsmcore::Status;

using SessionPtr = std::shared_ptr<hsmcore::Session>;

struct QueryOptions {
  std::string since;
  std::optional<std::string> user;
  std::string key;
  std::uint64_t after = 0;
  bool follow = false;
};

struct ExportOptions {
  QueryOptions query;
  std::string path;
  bool to_syslog = false;
};

struct VerifyOptions {
  std::string path;
  std::string public_key;
  std::vector<std::string> checkpoints;
};

struct KeyUseOptions {
  std::string mode;
  std::vector<std::string> keys;
  std::vector<std::string> approval;
};

struct FileOptions {
  std::string path;
};

struct RotateOptions {
  std::string path;
  std::vector<std::string> approval;
};

// An admin or an auditor, as he is.
Result<SessionPtr> LoginAsReader(const Context& context) {
  HSMCORE_TRY(const ClusterPtr cluster, context.OpenCluster());
  return context.Login(*cluster, context.login(), std::nullopt);
}

Result<AuditQuery> QueryOf(const QueryOptions& given) {
  AuditQuery query;
  query.after = given.after;
  query.user = given.user;
  if (!given.since.empty()) {
    HSMCORE_TRY(query.since, ParseTime(given.since));
  }
  if (!given.key.empty()) {
    HSMCORE_TRY(query.key, hsmcore::KeyHandle::Parse(given.key));
  }
  return query;
}

// ---- show ---------------------------------------------------------------------------------------

// Line by line until it is interrupted.
Result<Report> Follow(hsmcore::Session& session, AuditQuery query) {
  constexpr std::chrono::milliseconds kPause{300};
  for (;;) {
    std::string lines;
    HSMCORE_CHECK(session.ReadAudit(query, [&](const AuditRecord& record) {
      query.after = record.sequence;
      lines += RecordLine(record, false);
    }));
    if (PrintText(lines) != kOk) return Fail(ErrorCode::kFileAccess, "nobody reads the output");
    std::this_thread::sleep_for(kPause);
  }
}

Result<Report> Show(const Context& context, const QueryOptions& given) {
  HSMCORE_TRY(const AuditQuery query, QueryOf(given));
  HSMCORE_TRY(const SessionPtr session, LoginAsReader(context));
  if (given.follow) return Follow(*session, query);
  Json records = Json::array();
  Table table = RecordTable();
  HSMCORE_CHECK(session->ReadAudit(query, [&](const AuditRecord& record) {
    records.push_back(RecordJson(record, false));
    AddRecord(table, record);
  }));
  return Report{.data = {{"records", std::move(records)}}, .text = table.ToString(), .note = {}};
}

// ---- export and rotate --------------------------------------------------------------------------

// How many records, and the last one.
struct Exported {
  std::uint64_t records = 0;
  std::uint64_t last = 0;
};

Result<Exported> ExportToFile(hsmcore::Session& session, const AuditQuery& query,
                              const std::string& path) {
  constexpr std::size_t kRoom = 4096;  // more is taken as it comes
  Exported exported;
  HSMCORE_TRY(NewFile file, NewFile::Create(path, NewFile::IfExists::kFail, kRoom));
  Status written;
  HSMCORE_CHECK(session.ReadAudit(query, [&](const AuditRecord& record) {
    if (written) written = file.Write(RecordLine(record, true));
    ++exported.records;
    exported.last = record.sequence;
  }));
  HSMCORE_CHECK(written);
  HSMCORE_CHECK(file.Finish());
  return exported;
}

Result<Exported> ExportToSyslog(hsmcore::Session& session, const AuditQuery& query) {
  Exported exported;
  openlog("hsmctl", LOG_PID, LOG_AUTHPRIV);
  HSMCORE_CHECK(session.ReadAudit(query, [&](const AuditRecord& record) {
    const int level = record.result == ErrorCode() ? LOG_INFO : LOG_WARNING;
    syslog(level, "%s", RecordJson(record, false).dump().c_str());
    ++exported.records;
    exported.last = record.sequence;
  }));
  closelog();
  return exported;
}

Json ExportedJson(const Exported& exported, const std::string& path) {
  return {{"records", exported.records}, {"last", exported.last}, {"path", path}};
}

Result<Report> Export(const Context& context, const ExportOptions& given) {
  HSMCORE_TRY(const AuditQuery query, QueryOf(given.query));
  HSMCORE_TRY(const SessionPtr session, LoginAsReader(context));
  Result<Exported> exported =
      given.to_syslog ? ExportToSyslog(*session, query) : ExportToFile(*session, query, given.path);
  if (!exported) return std::unexpected(std::move(exported).error());
  return MessageReport("Wrote " + std::to_string(exported->records) + " records to " +
                           (given.to_syslog ? "the system log" : given.path),
                       ExportedJson(*exported, given.path));
}

// The file is durable before anything leaves the store.
Result<Report> Rotate(const Context& context, const RotateOptions& given) {
  HSMCORE_TRY(const Approval approval, Approval::Read(given.approval));
  HSMCORE_TRY(const ClusterPtr cluster, context.OpenCluster());
  HSMCORE_TRY(const SessionPtr session,
              context.Login(*cluster, context.login(), hsmcore::Role::kAdmin));
  HSMCORE_TRY(const Exported exported, ExportToFile(*session, {}, given.path));
  const hsmcore::Status rotated = session->RotateAudit(exported.last, approval.token());
  if (!rotated) {
    const ErrorCode code = rotated.error().code();
    // Nothing has left the store, and the file would stand in the way of the next try.
    if (code == ErrorCode::kQuorumRequired || code == ErrorCode::kTokenRefused) {
      std::error_code ignored;
      std::filesystem::remove(given.path, ignored);
    }
    return std::unexpected(rotated.error());
  }
  return MessageReport(
      "Moved the records up to " + std::to_string(exported.last) + " to " + given.path,
      ExportedJson(exported, given.path));
}

// ---- verify -------------------------------------------------------------------------------------

Result<std::vector<std::string>> Lines(const std::string& path) {
  HSMCORE_TRY(const std::string text, ReadTextFile(path));
  std::vector<std::string> lines;
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = std::min(text.size(), text.find('\n', begin));
    lines.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return lines;
}

// The record in a line of an exported log, or in a checkpoint.
std::optional<Bytes> StoredIn(const std::string& line) {
  const Json json = Json::parse(line, nullptr, false);
  if (!json.is_object() || !json.contains("record") || !json["record"].is_string()) {
    return std::nullopt;
  }
  return FromBase64(json["record"].get<std::string>());
}

Result<std::vector<AuditCheckpoint>> ReadCheckpoints(const std::vector<std::string>& paths) {
  std::vector<AuditCheckpoint> checkpoints;
  for (const std::string& path : paths) {
    HSMCORE_TRY(const std::string text, ReadTextFile(path));
    const auto stored = StoredIn(text);
    const auto record = stored ? hsmcore::DecodeAuditRecord(*stored)
                               : Result<AuditRecord>(Fail(ErrorCode::kInvalidArgument, ""));
    if (!record) {
      return Fail(ErrorCode::kInvalidArgument,
                  path + " is no checkpoint, as 'hsmctl audit checkpoint' writes one");
    }
    checkpoints.push_back({record->sequence, record->hash});
  }
  return checkpoints;
}

// Elsewhere, with the file and the public key alone.
Result<AuditReport> VerifyFile(const VerifyOptions& given,
                               const std::vector<AuditCheckpoint>& checkpoints) {
  const auto root = FromHex(given.public_key);
  if (!root || root->size() != 32) {
    return Fail(ErrorCode::kInvalidArgument,
                "--public-key takes the 32 bytes that 'hsmctl cluster describe' shows, in hex");
  }
  HSMCORE_TRY(const std::vector<std::string> lines, Lines(given.path));
  hsmcore::AuditVerifier verifier(*root);
  for (const AuditCheckpoint& checkpoint : checkpoints) verifier.Expect(checkpoint);
  for (std::size_t i = 0; i < lines.size(); ++i) {
    const Bytes stored = StoredIn(lines[i]).value_or(Bytes());
    if (i == 0) verifier.BeginWith(stored);
    verifier.Add(stored);
  }
  return verifier.Finish();
}

Result<Report> ReportOf(const AuditReport& report) {
  if (!report.problems.empty()) {
    std::string all = "the audit log was tampered with or is damaged";
    for (const std::string& problem : report.problems) all += "\n" + problem;
    return Fail(ErrorCode::kHomeDamaged, all);
  }
  Report shown = MessageReport(report.last == 0
                                   ? "There are no records"
                                   : "The records " + std::to_string(report.first) + " to " +
                                         std::to_string(report.last) + " are whole, " +
                                         std::to_string(report.signed_records) + " of them signed",
                               {{"first", report.first},
                                {"last", report.last},
                                {"signed-records", report.signed_records},
                                {"hash", Hex(report.hash)},
                                {"unknown-signers", report.unknown_signers}});
  for (const std::string& signer : report.unknown_signers) {
    shown.note += (shown.note.empty() ? "" : "\n") + signer +
                  ": made before this log begins, so nobody vouches for his signatures";
  }
  return shown;
}

Result<Report> Verify(const Context& context, const VerifyOptions& given) {
  HSMCORE_TRY(const auto checkpoints, ReadCheckpoints(given.checkpoints));
  if (!given.path.empty()) {
    HSMCORE_TRY(const AuditReport report, VerifyFile(given, checkpoints));
    return ReportOf(report);
  }
  HSMCORE_TRY(const SessionPtr session, LoginAsReader(context));
  HSMCORE_TRY(const AuditReport report, session->VerifyAudit(checkpoints));
  return ReportOf(report);
}

Result<Report> Checkpoint(const Context& context, const FileOptions& given) {
  HSMCORE_TRY(const SessionPtr session, LoginAsReader(context));
  HSMCORE_TRY(const AuditRecord record, session->CreateAuditCheckpoint());
  const std::string line = RecordLine(record, true);
  if (given.path.empty()) return Report{.data = RecordJson(record, true), .text = line, .note = {}};
  HSMCORE_CHECK(WriteNewFile(given.path, NewFile::IfExists::kFail, line));
  return MessageReport(
      "Wrote a checkpoint, record " + std::to_string(record.sequence) + ", to " + given.path,
      RecordJson(record, true));
}

// ---- The use of keys ----------------------------------------------------------------------------

Result<Report> SetKeyUse(const Context& context, const KeyUseOptions& given) {
  std::vector<hsmcore::KeyHandle> keys;
  for (const std::string& reference : given.keys) {
    HSMCORE_TRY(const hsmcore::KeyHandle handle, hsmcore::KeyHandle::Parse(reference));
    keys.push_back(handle);
  }
  HSMCORE_TRY(const Approval approval, Approval::Read(given.approval));
  HSMCORE_TRY(const ClusterPtr cluster, context.OpenCluster());
  HSMCORE_TRY(const SessionPtr session,
              context.Login(*cluster, context.login(), hsmcore::Role::kAdmin));
  HSMCORE_CHECK(
      session->SetKeyUseAudit(*hsmcore::KeyUseAuditByName(given.mode), keys, approval.token()));
  return MessageReport("The use of " +
                           (keys.empty() ? "all keys" : std::to_string(keys.size()) + " keys") +
                           " is recorded: " + given.mode,
                       {{"mode", given.mode}, {"key-references", given.keys}});
}

// ---- The command line ---------------------------------------------------------------------------

void AddQuery(CLI::App& app, QueryOptions& options) {
  app.add_option("--since", options.since,
                 "From then on: 2026-11-29T23:59:59Z, 2026-11-29, or how long ago, 10m, 2h, 7d")
      ->type_name("TIME");
  app.add_option("--user", options.user, "What he did, and what was done to him")
      ->type_name("NAME");
  app.add_option("--key", options.key, "What was done with this key")->type_name("REFERENCE");
  app.add_option("--after", options.after, "Records with a greater sequence number")
      ->type_name("N");
}

void AddShow(CLI::App& group, SelectedCommand& selected) {
  const auto [app, options] = AddCommand<QueryOptions>(
      group, selected,
      {.name = "show",
       .description = "Shows the records that match; takes an admin or an auditor",
       .example = "hsmctl --pin-source file:/etc/hsm/auditor.pin audit show --since 1d"},
      Show);
  AddQuery(*app, *options);
  app->add_flag("--follow", options->follow, "Goes on with new records, as JSON lines, until ^C");
}

void AddExport(CLI::App& group, SelectedCommand& selected) {
  const auto [app, options] = AddCommand<ExportOptions>(
      group, selected,
      {.name = "export",
       .description = "Writes records as JSON lines to a new file, or to the system log",
       .example = "hsmctl --pin-source file:auditor.pin audit export --path audit.jsonl"},
      Export);
  AddQuery(*app, options->query);
  CLI::Option_group* const to = app->add_option_group("to");
  to->require_option(1);
  to->add_option("--path", options->path, "The file; it must not exist")->type_name("FILE");
  to->add_flag("--syslog", options->to_syslog, "syslog(3), which journald reads, too");
}

void AddVerify(CLI::App& group, SelectedCommand& selected) {
  const auto [app, options] = AddCommand<VerifyOptions>(
      group, selected,
      {.name = "verify",
       .description =
           "Checks that no record was removed, inserted, changed or moved; in the store, "
           "or without it in an exported file",
       .example =
           "hsmctl audit verify --path audit.jsonl --public-key 0x6f... --checkpoint may.json"},
      Verify);
  CLI::Option* const path =
      app->add_option("--path", options->path, "An exported log")->type_name("FILE");
  CLI::Option* const key =
      app->add_option("--public-key", options->public_key,
                      "Of the first admin, as 'hsmctl cluster describe' shows it")
          ->type_name("HEX");
  path->needs(key);
  key->needs(path);
  app->add_option("--checkpoint", options->checkpoints, "Must be in the log; may be repeated")
      ->type_name("FILE");
}

void AddSetKeyUse(CLI::App& group, SelectedCommand& selected) {
  const auto [app, options] = AddCommand<KeyUseOptions>(
      group, selected,
      {.name = "set-key-use",
       .description = "Whether signatures, decryptions and so on are in the log; takes an admin",
       .example = "hsmctl --user admin audit set-key-use --mode buffered"},
      SetKeyUse);
  app->add_option("--mode", options->mode,
                  "off; buffered: counted, written every 10,000 uses or minute; strict: each one, "
                  "before it happens")
      ->required()
      ->check(CLI::IsMember({"off", "buffered", "strict"}))
      ->type_name("MODE");
  app->add_option("--key", options->keys, "Only for these; else for all without one of their own")
      ->type_name("REFERENCE");
  AddApprovalOption(*app, options->approval);
}

}  // namespace

void AddAuditCommands(CLI::App& parent, SelectedCommand& selected) {
  CLI::App* group =
      AddGroup(parent, {.name = "audit",
                        .description = "Read and check the log of all changes and attempts",
                        .example = "hsmctl --pin-source file:auditor.pin audit verify"});
  AddShow(*group, selected);
  AddExport(*group, selected);
  AddVerify(*group, selected);
  AddSetKeyUse(*group, selected);
  const auto checkpoint = AddCommand<FileOptions>(
      *group, selected,
      {.name = "checkpoint",
       .description =
           "Adds a signed record to be kept elsewhere, which shows a log that is cut short",
       .example = "hsmctl --pin-source file:auditor.pin audit checkpoint --path may.json"},
      Checkpoint);
  checkpoint.app->add_option("--path", checkpoint.options->path, "The file; it must not exist")
      ->type_name("FILE");
  const auto rotate = AddCommand<RotateOptions>(
      *group, selected,
      {.name = "rotate",
       .description = "Moves the records to a file; the chain goes on. Takes an admin",
       .example = "hsmctl --user admin audit rotate --path audit-2026.jsonl"},
      Rotate);
  rotate.app->add_option("--path", rotate.options->path, "The file; it must not exist")
      ->required()
      ->type_name("FILE");
  AddApprovalOption(*rotate.app, rotate.options->approval);
}

}  // namespace hsmctl
