// SPDX-License-Identifier: Apache-2.0
#include <optional>
#include <string>
#include <vector>

#include "command.h"
#include "files.h"
#include "hsmcore/cluster.h"
#include "password.h"

namespace hsmctl {
namespace {

using hsmcore::ClusterPtr;
using hsmcore::Result;
using hsmcore::Role;
using hsmcore::SecretAccess;
using hsmcore::SecretBytes;
using hsmcore::Session;
using hsmcore::UserInfo;

using SessionPtr = std::shared_ptr<Session>;

struct CreateOptions {
  std::string username;
  std::string role;
  std::optional<std::string> password_source;
};

struct UnlockOptions {
  std::string username;
  std::string role;
};

struct ChangePasswordOptions {
  std::optional<std::string> password_source;
};

struct MachineOptions {
  std::string path;
};

// A login as whatever the user is: for what all users may do for themselves.
Result<SessionPtr> LoginAsSelf(const Context& context) {
  HSMCORE_TRY(const ClusterPtr cluster, context.OpenCluster());
  return context.Login(*cluster, context.login(), std::nullopt);
}

Json SessionJson(const Session& session) {
  return {{"username", session.user()}, {"role", NameOf(session.role())}};
}

Result<Report> Create(const Context& context, const CreateOptions& given) {
  HSMCORE_TRY(const ClusterPtr cluster, context.OpenCluster());
  HSMCORE_TRY(const SessionPtr session, context.Login(*cluster, context.login(), Role::kAdmin));
  HSMCORE_TRY(const SecretBytes password, NewPassword(given.password_source, given.username));
  HSMCORE_CHECK(session->CreateUser(given.username, *hsmcore::RoleByName(given.role), password));
  return MessageReport("Created user " + given.username + " (" + given.role + ")",
                       {{"username", given.username}, {"role", given.role}});
}

Json UserJson(const UserInfo& user) {
  return {{"username", user.name},
          {"role", NameOf(user.role)},
          {"locked", user.locked ? "true" : "false"},
          {"mfa", Json::array()},
          {"quorum", Json::array()},
          {"cluster-coverage", "full"},
          {"failed-logins", user.failed_logins},
          {"machine-credentials", user.machine_credentials},
          {"create-timestamp", user.created}};
}

Result<Report> List(const Context& context) {
  HSMCORE_TRY(const ClusterPtr cluster, context.OpenCluster());
  HSMCORE_TRY(const std::vector<UserInfo> users, cluster->Anonymous()->ListUsers());
  Json list = Json::array();
  Table table({"USER", "ROLE", "LOCKED", "FAILED LOGINS", "MACHINE CREDENTIALS", "CREATED"});
  for (const UserInfo& user : users) {
    list.push_back(UserJson(user));
    table.AddRow({user.name, NameOf(user.role), user.locked ? "yes" : "no",
                  std::to_string(user.failed_logins), std::to_string(user.machine_credentials),
                  TimeText(user.created)});
  }
  return Report{.data = {{"users", std::move(list)}}, .text = table.ToString(), .note = {}};
}

Result<Report> Unlock(const Context& context, const UnlockOptions& given) {
  HSMCORE_TRY(const ClusterPtr cluster, context.OpenCluster());
  HSMCORE_TRY(const SessionPtr session, context.Login(*cluster, context.login(), Role::kAdmin));
  HSMCORE_CHECK(session->UnlockUser(given.username, *hsmcore::RoleByName(given.role)));
  return MessageReport("Unlocked user " + given.username + " (" + given.role + ")",
                       {{"username", given.username}, {"role", given.role}});
}

Result<Report> ChangePassword(const Context& context, const ChangePasswordOptions& given) {
  HSMCORE_TRY(const SessionPtr session, LoginAsSelf(context));
  HSMCORE_TRY(const SecretBytes password, NewPassword(given.password_source, session->user()));
  HSMCORE_CHECK(session->ChangePassword(password));
  return MessageReport("Changed the password of " + session->user(), SessionJson(*session));
}

Result<Report> CreateMachineCredential(const Context& context, const MachineOptions& given) {
  constexpr std::size_t kRoom = 512;  // more than any credential takes
  HSMCORE_TRY(const SessionPtr session, LoginAsSelf(context));
  // The file first: a credential that finds no place to be kept would stay behind, unusable.
  HSMCORE_TRY(NewFile file, NewFile::Create(given.path, NewFile::IfExists::kFail, kRoom));
  HSMCORE_TRY(const SecretBytes credential, session->CreateMachineCredential());
  HSMCORE_CHECK(file.Write(credential.ReadText(SecretAccess("writing a machine credential"))));
  HSMCORE_CHECK(file.Write("\n"));
  HSMCORE_CHECK(file.Finish());
  Json data = SessionJson(*session);
  data["path"] = given.path;
  return MessageReport("Wrote a machine credential of " + session->user() + " to " + given.path,
                       std::move(data));
}

Result<Report> DeleteMachineCredentials(const Context& context) {
  HSMCORE_TRY(const SessionPtr session, LoginAsSelf(context));
  HSMCORE_CHECK(session->DeleteMachineCredentials());
  return MessageReport("Deleted the machine credentials of " + session->user(),
                       SessionJson(*session));
}

void AddCreate(CLI::App& group, SelectedCommand& selected) {
  const auto [app, options] = AddCommand<CreateOptions>(
      group, selected,
      {.name = "create",
       .description = "Makes a user; takes an admin",
       .example = "hsmctl --user admin user create --username app --role crypto-user"},
      Create);
  app->add_option("--username", options->username, "Name of the new user")
      ->required()
      ->type_name("NAME");
  app->add_option("--role", options->role, "What the user is for: users, or keys")
      ->required()
      ->check(CLI::IsMember({"admin", "crypto-user"}))
      ->type_name("ROLE");
  app->add_option("--password-source", options->password_source, "The new user's password")
      ->type_name("file:PATH");
}

void AddUnlock(CLI::App& group, SelectedCommand& selected) {
  const auto [app, options] = AddCommand<UnlockOptions>(
      group, selected,
      {.name = "unlock",
       .description = "Frees a user whom wrong passwords have locked; takes an admin",
       .example = "hsmctl --user admin user unlock --username app --role crypto-user"},
      Unlock);
  app->add_option("--username", options->username, "Who is locked")->required()->type_name("NAME");
  app->add_option("--role", options->role, "In which role")
      ->required()
      ->check(CLI::IsMember({"admin", "crypto-user"}))
      ->type_name("ROLE");
}

void AddMachineCommands(CLI::App& group, SelectedCommand& selected) {
  const auto [app, options] = AddCommand<MachineOptions>(
      group, selected,
      {.name = "create-machine-credential",
       .description = "Makes a credential for a service and keeps it in a new file of mode 0600",
       .example = "hsmctl --user app user create-machine-credential --path /etc/hsm/app.pin"},
      CreateMachineCredential);
  app->add_option("--path", options->path, "The file; it must not exist")
      ->required()
      ->type_name("FILE");
  AddPlainCommand(group, selected,
                  {.name = "delete-machine-credentials",
                   .description = "Takes back all machine credentials of the user who logs in",
                   .example = "hsmctl --user app user delete-machine-credentials"},
                  DeleteMachineCredentials);
}

}  // namespace

void AddUserCommands(CLI::App& parent, SelectedCommand& selected) {
  CLI::App* group = AddGroup(parent, {.name = "user",
                                      .description = "Make users, list them, change passwords",
                                      .example = "hsmctl user list"});
  AddCreate(*group, selected);
  AddPlainCommand(*group, selected,
                  {.name = "list",
                   .description = "Lists the users; needs no login",
                   .example = "hsmctl user list --output json"},
                  List);
  const auto [app, options] = AddCommand<ChangePasswordOptions>(
      *group, selected,
      {.name = "change-password",
       .description = "Changes the password of the user who logs in",
       .example = "hsmctl --user app user change-password"},
      ChangePassword);
  app->add_option("--password-source", options->password_source, "The new password")
      ->type_name("file:PATH");
  AddUnlock(*group, selected);
  AddMachineCommands(*group, selected);
  AddUserReplicateCommand(*group, selected);
}

}  // namespace hsmctl
