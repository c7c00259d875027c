// SPDX-License-Identifier: Apache-2.0
#include <string>
#include <utility>
#include <vector>

#include "command.h"
#include "hsmcore/cluster.h"
#include "hsmcore/session.h"

namespace hsmctl {
namespace {

using hsmcore::ClusterPtr;
using hsmcore::GroupInfo;
using hsmcore::Result;
using hsmcore::Role;
using hsmcore::Session;

using SessionPtr = std::shared_ptr<Session>;

struct GroupOptions {
  std::string group;
};

struct MemberOptions {
  std::string group;
  std::string username;
};

Result<SessionPtr> LoginAsAdmin(const Context& context) {
  HSMCORE_TRY(const ClusterPtr cluster, context.OpenCluster());
  return context.Login(*cluster, context.login(), Role::kAdmin);
}

Result<Report> Create(const Context& context, const GroupOptions& given) {
  HSMCORE_TRY(const SessionPtr session, LoginAsAdmin(context));
  HSMCORE_CHECK(session->CreateGroup(given.group));
  return MessageReport("Created group " + given.group, {{"group", given.group}});
}

Result<Report> Delete(const Context& context, const GroupOptions& given) {
  HSMCORE_TRY(const SessionPtr session, LoginAsAdmin(context));
  HSMCORE_CHECK(session->DeleteGroup(given.group));
  return MessageReport("Deleted group " + given.group, {{"group", given.group}});
}

Report MemberReport(std::string message, const MemberOptions& given, const char* note) {
  Report report = MessageReport(message, {{"group", given.group}, {"username", given.username}});
  report.note = note;
  return report;
}

Result<Report> AddMember(const Context& context, const MemberOptions& given) {
  HSMCORE_TRY(const SessionPtr session, LoginAsAdmin(context));
  HSMCORE_CHECK(session->AddToGroup(given.group, given.username));
  return MemberReport("Added " + given.username + " to group " + given.group, given,
                      "note: keys that are shared with the group are his once their owners run "
                      "'hsmctl key share --group' again");
}

Result<Report> RemoveMember(const Context& context, const MemberOptions& given) {
  HSMCORE_TRY(const SessionPtr session, LoginAsAdmin(context));
  HSMCORE_CHECK(session->RemoveFromGroup(given.group, given.username));
  return MemberReport("Removed " + given.username + " from group " + given.group, given,
                      "note: his use of the group's keys is refused from now on; their owners seal "
                      "them anew with 'hsmctl key share --group'");
}

Result<Report> List(const Context& context) {
  HSMCORE_TRY(const ClusterPtr cluster, context.OpenCluster());
  HSMCORE_TRY(const std::vector<GroupInfo> groups, cluster->Anonymous()->ListGroups());
  Json list = Json::array();
  Table table({"GROUP", "MEMBERS", "CREATED"});
  for (const GroupInfo& group : groups) {
    std::string names;
    for (const std::string& name : group.members) names += (names.empty() ? "" : " ") + name;
    list.push_back(
        {{"group", group.name}, {"members", group.members}, {"create-timestamp", group.created}});
    table.AddRow({group.name, names, TimeText(group.created)});
  }
  return Report{.data = {{"groups", std::move(list)}}, .text = table.ToString(), .note = {}};
}

void AddName(CLI::App& app, std::string& group) {
  app.add_option("--group", group, "Name of the group")->required()->type_name("NAME");
}

using RunGroup = Result<Report> (*)(const Context&, const GroupOptions&);
void AddOfGroup(CLI::App& parent, SelectedCommand& selected, const CommandText& text,
                RunGroup run) {
  const auto [app, options] = AddCommand<GroupOptions>(parent, selected, text, run);
  AddName(*app, options->group);
}

using RunMember = Result<Report> (*)(const Context&, const MemberOptions&);
void AddOfMember(CLI::App& parent, SelectedCommand& selected, const CommandText& text,
                 RunMember run) {
  const auto [app, options] = AddCommand<MemberOptions>(parent, selected, text, run);
  AddName(*app, options->group);
  app->add_option("--username", options->username, "A crypto user")->required()->type_name("NAME");
}

}  // namespace

void AddGroupCommands(CLI::App& parent, SelectedCommand& selected) {
  CLI::App* group = AddGroup(parent, {.name = "group",
                                      .description = "Groups of crypto users that keys are shared "
                                                     "with",
                                      .example = "hsmctl group list"});
  AddOfGroup(*group, selected,
             {.name = "create",
              .description = "Makes a group without members; takes an admin",
              .example = "hsmctl --user admin group create --group web"},
             Create);
  AddOfGroup(
      *group, selected,
      {.name = "delete",
       .description = "Deletes a group, and ends what its members could do through it; takes "
                      "an admin",
       .example = "hsmctl --user admin group delete --group web"},
      Delete);
  AddPlainCommand(*group, selected,
                  {.name = "list",
                   .description = "Lists the groups and their members; needs no login",
                   .example = "hsmctl group list --output json"},
                  List);
  AddOfMember(*group, selected,
              {.name = "add-member",
               .description = "Puts a crypto user into a group; takes an admin",
               .example = "hsmctl --user admin group add-member --group web --username web1"},
              AddMember);
  AddOfMember(*group, selected,
              {.name = "remove-member",
               .description = "Takes a user out of a group; takes an admin",
               .example = "hsmctl --user admin group remove-member --group web --username web1"},
              RemoveMember);
}

}  // namespace hsmctl
