// SPDX-License-Identifier: Apache-2.0
#include <filesystem>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "command.h"
#include "files.h"
#include "hsmcore/cluster.h"
#include "hsmcore/settings.h"
#include "key_options.h"

namespace hsmctl {
namespace {

using hsmcore::Cluster;
using hsmcore::ClusterPtr;
using hsmcore::ErrorCode;
using hsmcore::Fail;
using hsmcore::KeyHandle;
using hsmcore::KeyInfo;
using hsmcore::Result;
using hsmcore::Role;

using SessionPtr = std::shared_ptr<hsmcore::Session>;

// The clone that things go to, and who logs in there.
struct Destination {
  std::string home;
  std::string cluster;  // one of the two
  std::optional<std::string> pin_source;
};

struct KeyOptions {
  std::vector<std::string> filter;
  Destination destination;
};

struct UserOptions {
  std::string username;
  Destination destination;
};

// A login here and there; without a word about there, the same as here.
struct BothSides {
  ClusterPtr from;
  SessionPtr login;
  ClusterPtr to;
  SessionPtr login_there;
};

Result<std::filesystem::path> HomeOf(const Destination& destination) {
  if (destination.cluster.empty()) return AbsolutePath(destination.home);
  HSMCORE_TRY(hsmcore::ListedCluster cluster, FindCluster(destination.cluster));
  return std::move(cluster.home);
}

Result<BothSides> Open(const Context& context, const Destination& destination,
                       std::optional<Role> role,
                       const std::optional<std::string>& named = std::nullopt) {
  BothSides both;
  HSMCORE_TRY(both.from, context.OpenCluster(named));
  HSMCORE_TRY(const std::filesystem::path home, HomeOf(destination));
  HSMCORE_TRY(both.to, Cluster::Open(home));
  HSMCORE_TRY(both.login, context.Login(*both.from, context.login(), role));
  LoginNames there = context.login();
  if (destination.pin_source)
    there = {.user = {}, .pin_source = destination.pin_source, .mfa_token = {}};
  HSMCORE_TRY(both.login_there, context.Login(*both.to, there, role));
  return both;
}

Result<std::set<KeyHandle>> Wanted(hsmcore::Session& session, const KeyFilter& filter) {
  HSMCORE_TRY(const std::vector<KeyInfo> found, session.Find(filter.query));
  std::set<KeyHandle> pairs;  // a key pair goes as a whole
  for (const KeyInfo& info : found) pairs.insert(info.handle.PrivateHalf());
  if (pairs.empty()) {
    return Fail(ErrorCode::kKeyNotFound, "Key selection criteria matched 0 keys");
  }
  return pairs;
}

// What was copied stays when a later one fails; the same command goes on from there.
Result<Report> ReplicateKeys(const Context& context, const KeyOptions& given) {
  HSMCORE_TRY(const KeyFilter filter, ParseFilter(given.filter));
  HSMCORE_TRY(const BothSides both, Open(context, given.destination, std::nullopt, filter.cluster));
  HSMCORE_TRY(const std::set<KeyHandle> wanted, Wanted(*both.login, filter));
  Json copied = Json::array();
  Json there = Json::array();
  for (const KeyHandle handle : wanted) {
    HSMCORE_TRY(const bool is_new,
                both.from->ReplicateKey(handle, *both.login, *both.to, *both.login_there));
    (is_new ? copied : there).push_back(handle.ToString());
  }
  const std::string text = "Copied " + std::to_string(copied.size()) + " keys to " + both.to->id() +
                           "; " + std::to_string(there.size()) + " were there already";
  return MessageReport(text, {{"destination-cluster-id", both.to->id()},
                              {"replicated", std::move(copied)},
                              {"present", std::move(there)}});
}

Result<Report> ReplicateUser(const Context& context, const UserOptions& given) {
  HSMCORE_TRY(const BothSides both, Open(context, given.destination, Role::kAdmin));
  HSMCORE_TRY(const bool is_new,
              both.from->ReplicateUser(given.username, *both.login, *both.to, *both.login_there));
  return MessageReport(is_new ? "Copied user " + given.username + " to " + both.to->id()
                              : "User " + given.username + " is in " + both.to->id() + " already",
                       {{"username", given.username},
                        {"destination-cluster-id", both.to->id()},
                        {"replicated", is_new}});
}

void AddDestination(CLI::App& app, Destination& destination) {
  CLI::Option_group* where = app.add_option_group("destination", "The clone, in one of two ways");
  where->require_option(1);
  where->add_option("--destination-cluster", destination.cluster, "Its name or id (cluster list)")
      ->type_name("NAME");
  where->add_option("--destination-home", destination.home, "Its home")->type_name("DIR");
  app.add_option("--destination-pin-source", destination.pin_source,
                 "Who logs in there, and his password (the same as here)")
      ->type_name("file:PATH");
}

}  // namespace

void AddKeyReplicateCommand(CLI::App& key_group, SelectedCommand& selected) {
  const auto [app, options] = AddCommand<KeyOptions>(
      key_group, selected,
      {.name = "replicate",
       .description = "Copies keys to a clone of the cluster, under the same references",
       .example = "hsmctl --user app key replicate --filter attr.label=tls-2026 "
                  "--destination-cluster green"},
      ReplicateKeys);
  app->add_option("--filter", options->filter,
                  "key-reference=0x..., attr.NAME=VALUE or a hsm: URI; all must match")
      ->required()
      ->type_name("FILTER");
  AddDestination(*app, options->destination);
}

void AddUserReplicateCommand(CLI::App& user_group, SelectedCommand& selected) {
  const auto [app, options] = AddCommand<UserOptions>(
      user_group, selected,
      {.name = "replicate",
       .description = "Copies a crypto user with his passwords to a clone; takes an admin",
       .example = "hsmctl --user admin user replicate --username app "
                  "--destination-cluster green"},
      ReplicateUser);
  app->add_option("--username", options->username, "Who")->required()->type_name("NAME");
  AddDestination(*app, options->destination);
}

}  // namespace hsmctl
