// SPDX-License-Identifier: Apache-2.0
#include <string>
#include <utility>
#include <vector>

#include "command.h"
#include "hsmcore/session.h"
#include "key_options.h"
#include "key_view.h"
#include "token_file.h"

namespace hsmctl {
namespace {

using hsmcore::KeyHandle;
using hsmcore::KeyInfo;
using hsmcore::Result;
using hsmcore::Session;

struct ShareOptions {
  std::vector<std::string> filter;
  std::string username;
  std::string role = "crypto-user";
  std::string group;
  std::vector<std::string> approval;
};

struct Found {
  std::shared_ptr<Session> session;
  KeyHandle handle;
};

Result<Found> LoginAndFind(const Context& context, const ShareOptions& given) {
  HSMCORE_TRY(const KeyFilter filter, ParseFilter(given.filter));
  HSMCORE_TRY(auto session, LoginForKeys(context, filter));
  HSMCORE_CHECK(PresentApproval(*session, given.approval));
  HSMCORE_TRY(const std::vector<KeyInfo> halves,
              FindOneKey(*session, filter.query, Versions::kEach));
  return Found{.session = std::move(session), .handle = halves.front().handle};
}

Report SharedReport(const std::string& message, const KeyInfo& info) {
  Json users = Json::array();
  for (const std::string& user : info.shared_users) users.push_back(user);
  Json data = {{"key-reference", info.handle.ToString()}, {"shared-users", std::move(users)}};
  if (!info.groups.empty()) data["shared-groups"] = SharedGroupsJson(info);
  return MessageReport(message, std::move(data));
}

Result<Report> Share(const Context& context, const ShareOptions& given) {
  HSMCORE_TRY(const Found found, LoginAndFind(context, given));
  HSMCORE_TRY(const KeyInfo info,
              given.group.empty() ? found.session->ShareKey(found.handle, given.username)
                                  : found.session->ShareKeyWithGroup(found.handle, given.group));
  return SharedReport("Key shared successfully", info);
}

Result<Report> Unshare(const Context& context, const ShareOptions& given) {
  HSMCORE_TRY(const Found found, LoginAndFind(context, given));
  HSMCORE_TRY(const KeyInfo info,
              given.group.empty() ? found.session->UnshareKey(found.handle, given.username)
                                  : found.session->UnshareKeyFromGroup(found.handle, given.group));
  return SharedReport("Key unshared successfully", info);
}

void AddOptions(CLI::App& app, ShareOptions& options) {
  AddKeyFilter(app, options.filter)->required();
  CLI::Option_group* whom = app.add_option_group("with whom");
  whom->add_option("--username", options.username, "The other user")->type_name("NAME");
  whom->add_option("--group", options.group, "A group of users: 'hsmctl group list'")
      ->type_name("NAME");
  whom->require_option(1);
  app.add_option("--role", options.role, "His role; keys are shared with crypto users")
      ->check(CLI::IsMember({"crypto-user"}))
      ->type_name("ROLE");
  AddApprovalOption(app, options.approval);
}

}  // namespace

void AddKeyShareCommands(CLI::App& key_group, SelectedCommand& selected) {
  const auto share = AddCommand<ShareOptions>(
      key_group, selected,
      {.name = "share",
       .description = "Lets another crypto user use a key of one's own",
       .example = "hsmctl --user app key share --filter attr.label=tls-2026 --username web "
                  "--role crypto-user"},
      Share);
  AddOptions(*share.app, *share.options);
  const auto unshare = AddCommand<ShareOptions>(
      key_group, selected,
      {.name = "unshare",
       .description = "Takes a shared key back from another user",
       .example = "hsmctl --user app key unshare --filter attr.label=tls-2026 --username web "
                  "--role crypto-user"},
      Unshare);
  AddOptions(*unshare.app, *unshare.options);
}

}  // namespace hsmctl
