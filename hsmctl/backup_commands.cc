// SPDX-License-Identifier: Apache-2.0
#include <optional>
#include <string>
#include <vector>

#include "command.h"
#include "files.h"
#include "hsmcore/backup.h"
#include "hsmcore/cluster.h"
#include "key_view.h"
#include "progress.h"

namespace hsmctl {
namespace {

using hsmcore::BackupContent;
using hsmcore::BackupInfo;
using hsmcore::ClusterPtr;
using hsmcore::KeyHandle;
using hsmcore::KeyInfo;
using hsmcore::Result;
using hsmcore::Role;

using SessionPtr = std::shared_ptr<hsmcore::Session>;

struct CreateOptions {
  bool if_due = false;
};

// Which backup: one of this home by its id, or any by its file.
struct BackupOptions {
  std::string id;
  std::string file;
};

struct CopyOptions {
  std::string id;
  std::string to;
};

struct RestoreKeyOptions {
  BackupOptions backup;
  std::string key_reference;
};

Json InfoJson(const BackupInfo& backup) {
  Json json = {{"backup-id", backup.id},
               {"backup-state", backup.state},
               {"cluster-id", backup.cluster_id},
               {"hsm-type", backup.hsm_type},
               {"mode", NameOf(backup.mode)},
               {"revision", backup.revision},
               {"create-timestamp", backup.created},
               {"bytes", backup.bytes},
               {"file", backup.file.string()}};
  if (backup.copied) json["copy-timestamp"] = *backup.copied;
  if (backup.gone_after) json["delete-timestamp"] = *backup.gone_after;
  return json;
}

std::string StateText(const BackupInfo& backup) {
  if (!backup.gone_after) return backup.state;
  return backup.state + " until " + TimeText(*backup.gone_after);
}

Table InfoTable(const BackupInfo& backup) {
  Table table({"Backup", backup.id});
  table.AddRow({"State", StateText(backup)});
  table.AddRow({"Cluster", backup.cluster_id});
  table.AddRow({"Type", backup.hsm_type});
  table.AddRow({"Mode", NameOf(backup.mode)});
  table.AddRow({"Created", TimeText(backup.created)});
  if (backup.copied) table.AddRow({"Copied", TimeText(*backup.copied)});
  table.AddRow({"Revision", std::to_string(backup.revision)});
  table.AddRow({"Bytes", std::to_string(backup.bytes)});
  table.AddRow({"File", backup.file.string()});
  return table;
}

Report InfoReport(const BackupInfo& backup) {
  return {.data = {{"backup", InfoJson(backup)}}, .text = InfoTable(backup).ToString(), .note = {}};
}

Result<std::filesystem::path> FileOf(const Context& context, const BackupOptions& given) {
  if (!given.file.empty()) return AbsolutePath(given.file);
  HSMCORE_TRY(const ClusterPtr cluster, context.OpenCluster());
  HSMCORE_TRY(const BackupInfo backup, cluster->DescribeBackup(given.id));
  return backup.file;
}

Result<SessionPtr> LoginAsAdmin(const Context& context) {
  HSMCORE_TRY(const ClusterPtr cluster, context.OpenCluster());
  return context.Login(*cluster, context.login(), Role::kAdmin);
}

Result<Report> Create(const Context& context, const CreateOptions& given) {
  HSMCORE_TRY(const ClusterPtr cluster, context.OpenCluster());
  if (!given.if_due) {
    HSMCORE_TRY(const BackupInfo backup, cluster->CreateBackup(ProgressBar("Backing up")));
    return InfoReport(backup);
  }
  HSMCORE_TRY(const std::optional<BackupInfo> backup, cluster->CreateBackupIfDue());
  if (backup) return InfoReport(*backup);
  return MessageReport("The newest backup is less than a day old, or holds all there is",
                       {{"backup", nullptr}});
}

Result<Report> List(const Context& context) {
  HSMCORE_TRY(const ClusterPtr cluster, context.OpenCluster());
  HSMCORE_TRY(const std::vector<BackupInfo> backups, cluster->ListBackups());
  HSMCORE_TRY(const unsigned retention, cluster->BackupRetention());
  HSMCORE_TRY(const bool automatic, cluster->AutomaticBackups());
  Json list = Json::array();
  Table table({"BACKUP", "CREATED", "STATE", "CLUSTER", "MODE", "BYTES"});
  for (const BackupInfo& backup : backups) {
    list.push_back(InfoJson(backup));
    table.AddRow({backup.id, TimeText(backup.created), StateText(backup), backup.cluster_id,
                  NameOf(backup.mode), std::to_string(backup.bytes)});
  }
  return Report{.data = {{"backups", std::move(list)},
                         {"backup-retention-days", retention},
                         {"automatic-backups", automatic}},
                .text = table.ToString() + "Kept for " + std::to_string(retention) + " days; " +
                        (automatic ? "one is made every day that something changes\n"
                                   : "the daily one is switched off\n"),
                .note = {}};
}

Result<Report> Describe(const Context& context, const BackupOptions& given) {
  HSMCORE_TRY(const std::filesystem::path file, FileOf(context, given));
  HSMCORE_TRY(const BackupInfo backup, hsmcore::DescribeBackupFile(file));
  return InfoReport(backup);
}

Result<BackupContent> Read(const Context& context, const BackupOptions& given) {
  HSMCORE_TRY(const std::filesystem::path file, FileOf(context, given));
  HSMCORE_TRY(const SessionPtr session, LoginAsAdmin(context));
  return session->ReadBackup(file, ProgressBar("Reading"));
}

Result<Report> Verify(const Context& context, const BackupOptions& given) {
  HSMCORE_TRY(const BackupContent content, Read(context, given));
  Json data = InfoJson(content.info);
  data["entries"] = content.entries;
  data["keys"] = content.keys.size();
  data["users"] = content.users.size();
  Table table = InfoTable(content.info);
  table.AddRow({"Keys", std::to_string(content.keys.size())});
  table.AddRow({"Users", std::to_string(content.users.size())});
  return Report{.data = {{"backup", std::move(data)}},
                .text = table.ToString() + "The backup is whole, and every entry is genuine\n",
                .note = {}};
}

Result<Report> Keys(const Context& context, const BackupOptions& given) {
  HSMCORE_TRY(const BackupContent content, Read(context, given));
  Json keys = Json::array();
  Table table({"KEY", "CLASS", "TYPE", "LABEL", "OWNER"});
  for (const KeyInfo& info : content.keys) {
    keys.push_back(KeyJson(info));
    table.AddRow({info.handle.ToString(), NameOf(info.klass), NameOf(info.type()),
                  info.attributes.label, info.owner});
  }
  Json users = Json::array();
  for (const hsmcore::UserInfo& user : content.users) {
    users.push_back({{"username", user.name}, {"role", NameOf(user.role)}});
  }
  return Report{.data = {{"backup-id", content.info.id},
                         {"matched_keys", std::move(keys)},
                         {"total_key_count", content.keys.size()},
                         {"users", std::move(users)}},
                .text = table.ToString(),
                .note = {}};
}

Result<Report> RestoreKey(const Context& context, const RestoreKeyOptions& given) {
  HSMCORE_TRY(const KeyHandle handle, KeyHandle::Parse(given.key_reference));
  HSMCORE_TRY(const std::filesystem::path file, FileOf(context, given.backup));
  HSMCORE_TRY(const SessionPtr session, LoginAsAdmin(context));
  HSMCORE_TRY(const KeyInfo info, session->RestoreKey(file, handle, ProgressBar("Reading")));
  return MessageReport("Restored key " + info.handle.ToString() + " '" + info.attributes.label +
                           "' of " + info.owner,
                       {{"key", KeyJson(info)}});
}

Result<Report> Copy(const Context& context, const CopyOptions& given) {
  HSMCORE_TRY(const SessionPtr session, LoginAsAdmin(context));
  HSMCORE_TRY(const BackupInfo copy, session->CopyBackup(given.id, AbsolutePath(given.to)));
  return InfoReport(copy);
}

Result<Report> Delete(const Context& context, const BackupOptions& given) {
  HSMCORE_TRY(const SessionPtr session, LoginAsAdmin(context));
  HSMCORE_TRY(const BackupInfo backup, session->DeleteBackup(given.id));
  Report report = InfoReport(backup);
  report.note = "until then 'hsmctl backup restore-deleted' brings it back";
  return report;
}

Result<Report> RestoreDeleted(const Context& context, const BackupOptions& given) {
  HSMCORE_TRY(const SessionPtr session, LoginAsAdmin(context));
  HSMCORE_TRY(const BackupInfo backup, session->RestoreDeletedBackup(given.id));
  return InfoReport(backup);
}

CLI::Option* AddId(CLI::App& app, std::string& id) {
  return app.add_option("--backup-id", id, "A backup of this home")->type_name("ID");
}

void AddSelection(CLI::App& app, BackupOptions& options) {
  CLI::Option_group* which = app.add_option_group("which backup");
  AddId(*which, options.id);
  which->add_option("--file", options.file, "The file of a backup, wherever it is")
      ->type_name("FILE");
  which->require_option(1);
}

void AddReading(CLI::App& group, SelectedCommand& selected) {
  AddPlainCommand(group, selected,
                  {.name = "list",
                   .description = "Lists the backups of this home; needs no login",
                   .example = "hsmctl backup list --output json"},
                  List);
  const auto describe =
      AddCommand<BackupOptions>(group, selected,
                                {.name = "describe",
                                 .description = "Shows what a backup says about itself",
                                 .example = "hsmctl backup describe --backup-id backup-..."},
                                Describe);
  AddSelection(*describe.app, *describe.options);
  const auto verify = AddCommand<BackupOptions>(
      group, selected,
      {.name = "verify",
       .description = "Opens a backup, reads it to the end and checks every entry",
       .example = "hsmctl --user admin backup verify --file /mnt/backup-....hsmbackup"},
      Verify);
  AddSelection(*verify.app, *verify.options);
  const auto keys = AddCommand<BackupOptions>(
      group, selected,
      {.name = "keys",
       .description = "Lists the keys that a backup holds",
       .example = "hsmctl --user admin backup keys --backup-id backup-..."},
      Keys);
  AddSelection(*keys.app, *keys.options);
}

void AddChanging(CLI::App& group, SelectedCommand& selected) {
  const auto copy = AddCommand<CopyOptions>(
      group, selected,
      {.name = "copy",
       .description = "Copies a backup to another directory, best on another machine's disk",
       .example = "hsmctl --user admin backup copy --backup-id backup-... --to /mnt/elsewhere"},
      Copy);
  AddId(*copy.app, copy.options->id)->required();
  copy.app->add_option("--to", copy.options->to, "The directory")->required()->type_name("DIR");
  const auto remove = AddCommand<BackupOptions>(
      group, selected,
      {.name = "delete",
       .description = "Deletes a backup after 7 days; never the newest one",
       .example = "hsmctl --user admin backup delete --backup-id backup-..."},
      Delete);
  AddId(*remove.app, remove.options->id)->required();
  const auto undo = AddCommand<BackupOptions>(
      group, selected,
      {.name = "restore-deleted",
       .description = "Keeps a backup that was deleted less than 7 days ago",
       .example = "hsmctl --user admin backup restore-deleted --backup-id backup-..."},
      RestoreDeleted);
  AddId(*undo.app, undo.options->id)->required();
  const auto restore = AddCommand<RestoreKeyOptions>(
      group, selected,
      {.name = "restore-key",
       .description = "Brings one key back from a backup, under the same key reference",
       .example = "hsmctl --user admin backup restore-key --backup-id backup-... "
                  "--key-reference 0x0000000000040000"},
      RestoreKey);
  AddSelection(*restore.app, restore.options->backup);
  restore.app->add_option("--key-reference", restore.options->key_reference, "Which key")
      ->required()
      ->type_name("0x...");
}

}  // namespace

void AddBackupCommands(CLI::App& parent, SelectedCommand& selected) {
  CLI::App* group = AddGroup(parent, {.name = "backup",
                                      .description = "Back the cluster up, look into backups",
                                      .example = "hsmctl backup create"});
  const auto [app, options] = AddCommand<CreateOptions>(
      *group, selected,
      {.name = "create",
       .description = "Makes a backup of the cluster that its admins can open; needs no login",
       .example = "hsmctl backup create --if-due"},
      Create);
  app->add_flag("--if-due", options->if_due,
                "Only when the newest one is a day old, and something has changed");
  AddReading(*group, selected);
  AddChanging(*group, selected);
}

}  // namespace hsmctl
