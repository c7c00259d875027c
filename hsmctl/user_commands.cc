// SPDX-License-Identifier: Apache-2.0
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "command.h"
#include "files.h"
#include "hsmcore/cluster.h"
#include "hsmcore/cluster_setup.h"
#include "hsmcore/cluster_state.h"
#include "password.h"
#include "token_file.h"

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
  std::vector<std::string> approval;
};

struct UnlockOptions {
  std::string username;
  std::string role;
};

struct DeleteOptions {
  std::string username;
  std::string role;
  std::string transfer_keys_to;
  std::optional<std::string> owner_pin_source;
  std::vector<std::string> approval;
};

struct ChangePasswordOptions {
  std::optional<std::string> username;
  std::optional<std::string> role;
  std::optional<std::string> password_source;
  std::vector<std::string> approval;
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
  HSMCORE_TRY(const Approval approval, Approval::Read(given.approval));
  HSMCORE_CHECK(session->CreateUser(given.username, *hsmcore::RoleByName(given.role), password,
                                    approval.token()));
  return MessageReport("Created user " + given.username + " (" + given.role + ")",
                       {{"username", given.username}, {"role", given.role}});
}

// How a user signs, in CloudHSM's words.
Json TokenSign() { return {{"strategy", "token-sign"}, {"status", "enabled"}}; }

Json UserJson(const UserInfo& user) {
  return {{"username", user.name},
          {"role", NameOf(user.role)},
          {"locked", user.locked ? "true" : "false"},
          {"mfa", user.mfa ? Json::array({TokenSign()}) : Json::array()},
          {"quorum", user.signs_tokens ? Json::array({TokenSign()}) : Json::array()},
          {"cluster-coverage", "full"},
          {"failed-logins", user.failed_logins},
          {"machine-credentials", user.machine_credentials},
          {"create-timestamp", user.created}};
}

// Before its activation a cluster has one user, who can do that alone.
Report UnactivatedAdmin() {
  const char* const role = "unactivated-admin";
  Table table({"USER", "ROLE"});
  table.AddRow({"admin", role});
  return {.data = {{"users", Json::array({{{"username", "admin"}, {"role", role}}})}},
          .text = table.ToString(),
          .note = {}};
}

Result<bool> IsUnactivated(const Context& context) {
  HSMCORE_TRY(const std::filesystem::path home, context.Home());
  HSMCORE_TRY(const hsmcore::ClusterDescription described, hsmcore::DescribeCluster(home, false));
  const auto state = hsmcore::ClusterStateByName(described.state);
  return state && hsmcore::IsBeforeActivation(*state);
}

Result<Report> List(const Context& context) {
  const Result<ClusterPtr> opened = context.OpenCluster();
  if (!opened && IsUnactivated(context).value_or(false)) return UnactivatedAdmin();
  HSMCORE_TRY(const ClusterPtr cluster, opened);
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

Result<Report> Delete(const Context& context, const DeleteOptions& given) {
  HSMCORE_TRY(const ClusterPtr cluster, context.OpenCluster());
  HSMCORE_TRY(const SessionPtr session, context.Login(*cluster, context.login(), Role::kAdmin));
  hsmcore::DeleteUserOptions wanted{.transfer_keys_to = given.transfer_keys_to, .owner = {}};
  HSMCORE_TRY(const Approval approval, Approval::Read(given.approval));
  wanted.approval = approval.token();
  if (given.owner_pin_source) {
    HSMCORE_TRY(wanted.owner, context.FindCredential({given.username, given.owner_pin_source, {}}));
  }
  HSMCORE_CHECK(session->DeleteUser(given.username, *hsmcore::RoleByName(given.role), wanted));
  return MessageReport("Deleted user " + given.username + " (" + given.role + ")",
                       {{"username", given.username}, {"role", given.role}});
}

// Another user's, by an admin.
Result<Report> ResetPassword(const Context& context, const ChangePasswordOptions& given) {
  if (!given.role) {
    return hsmcore::Fail(hsmcore::ErrorCode::kInvalidArgument,
                         "--username names somebody else, and needs his --role");
  }
  HSMCORE_TRY(const ClusterPtr cluster, context.OpenCluster());
  HSMCORE_TRY(const SessionPtr session, context.Login(*cluster, context.login(), Role::kAdmin));
  HSMCORE_TRY(const SecretBytes password, NewPassword(given.password_source, *given.username));
  HSMCORE_TRY(const Approval approval, Approval::Read(given.approval));
  HSMCORE_CHECK(session->ResetPassword(*given.username, *hsmcore::RoleByName(*given.role), password,
                                       approval.token()));
  return MessageReport("Changed the password of " + *given.username + " (" + *given.role + ")",
                       {{"username", *given.username}, {"role", *given.role}});
}

Result<Report> ChangePassword(const Context& context, const ChangePasswordOptions& given) {
  if (given.username) return ResetPassword(context, given);
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

std::vector<std::string> RoleNames() {
  std::vector<std::string> names;
  for (const Role role : hsmcore::AllRoles()) names.emplace_back(NameOf(role));
  return names;
}

// Beside the user whom a command is about.
void AddRole(CLI::App& app, std::string& role, const std::string& description) {
  app.add_option("--role", role, description)
      ->required()
      ->check(CLI::IsMember(RoleNames()))
      ->type_name("ROLE");
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
  AddRole(*app, options->role, "What the user is for: users, keys, or the audit log");
  app->add_option("--password-source", options->password_source, "The new user's password")
      ->type_name("file:PATH");
  AddApprovalOption(*app, options->approval);
}

void AddDelete(CLI::App& group, SelectedCommand& selected) {
  const auto [app, options] = AddCommand<DeleteOptions>(
      group, selected,
      {.name = "delete",
       .description =
           "Deletes a user who owns no keys, or whose keys go to another; takes an admin",
       .example = "hsmctl --user admin user delete --username app --role crypto-user"},
      Delete);
  app->add_option("--username", options->username, "Who is deleted")->required()->type_name("NAME");
  AddRole(*app, options->role, "In which role");
  CLI::Option* const to =
      app->add_option("--transfer-keys-to", options->transfer_keys_to,
                      "The crypto user who gets his keys, under the same references")
          ->type_name("NAME");
  app->add_option("--owner-pin-source", options->owner_pin_source,
                  "The consent of the user who is deleted: his password or machine credential; a "
                  "quorum for users can stand for it")
      ->needs(to)
      ->type_name("file:PATH");
  AddApprovalOption(*app, options->approval);
}

void AddChangePassword(CLI::App& group, SelectedCommand& selected) {
  const auto [app, options] = AddCommand<ChangePasswordOptions>(
      group, selected,
      {.name = "change-password",
       .description = "Changes the password of the user who logs in, or, as an admin, of another",
       .example = "hsmctl --user app user change-password"},
      ChangePassword);
  CLI::Option* const username = app->add_option("--username", options->username,
                                                "Somebody else, who keeps his keys; takes an admin")
                                    ->type_name("NAME");
  app->add_option("--role", options->role, "His role")
      ->needs(username)
      ->check(CLI::IsMember(RoleNames()))
      ->type_name("ROLE");
  app->add_option("--password-source", options->password_source, "The new password")
      ->type_name("file:PATH");
  AddApprovalOption(*app, options->approval);
}

void AddUnlock(CLI::App& group, SelectedCommand& selected) {
  const auto [app, options] = AddCommand<UnlockOptions>(
      group, selected,
      {.name = "unlock",
       .description = "Frees a user whom wrong passwords have locked; takes an admin",
       .example = "hsmctl --user admin user unlock --username app --role crypto-user"},
      Unlock);
  app->add_option("--username", options->username, "Who is locked")->required()->type_name("NAME");
  AddRole(*app, options->role, "In which role");
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
  AddChangePassword(*group, selected);
  AddDelete(*group, selected);
  AddUnlock(*group, selected);
  AddMachineCommands(*group, selected);
  AddMfaCommands(*group, selected);
  AddChangeQuorumCommand(*group, selected);
  AddUserReplicateCommand(*group, selected);
}

}  // namespace hsmctl
