// SPDX-License-Identifier: Apache-2.0
#include <memory>
#include <string>
#include <vector>

#include "command.h"
#include "hsmcore/zeroize.h"

namespace hsmctl {
namespace {

using hsmcore::Result;
using hsmcore::ZeroizeOptions;
using hsmcore::ZeroizeReport;

struct Options {
  ZeroizeOptions zeroize;
  bool emergency = false;
};

using SessionPtr = std::shared_ptr<hsmcore::Session>;

Result<SessionPtr> LoginAsAdmin(const Context& context) {
  const auto login = [&]() -> Result<SessionPtr> {
    HSMCORE_TRY(const hsmcore::ClusterPtr cluster, context.OpenCluster());
    return context.Login(*cluster, context.login(), hsmcore::Role::kAdmin);
  };
  Result<SessionPtr> session = login();
  if (session || ExitCodeOf(session.error().code()) != kStorage) return session;
  return hsmcore::Fail(session.error().code(),
                       session.error().detail() + "; where nobody can log in: --emergency");
}

std::string Joined(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : ", ") + word;
  return text;
}

Report ToReport(const ZeroizeReport& done, const std::string& id) {
  Json hsms = Json::array();
  Table table({"HSM", "FILES", "BYTES", "PATH"});
  for (const hsmcore::ZeroizedHsm& hsm : done.hsms) {
    hsms.push_back({{"hsm-id", hsm.id},
                    {"path", hsm.path.string()},
                    {"files", hsm.files},
                    {"bytes", hsm.bytes}});
    table.AddRow({hsm.id, std::to_string(hsm.files), std::to_string(hsm.bytes), hsm.path.string()});
  }
  std::string text = id + " is ZEROIZED: overwritten and removed\n" + table.ToString();
  if (!done.lost_hsms.empty()) text += "Not overwritten: " + Joined(done.lost_hsms) + "\n";
  if (done.backups != 0) text += "Backups destroyed: " + std::to_string(done.backups) + "\n";
  std::string note;
  if (!done.backups_left.empty()) {
    note = "who was an admin then can open these backups, and with them the keys: " +
           Joined(done.backups_left);
  }
  if (done.programs_unaware) {
    note += std::string(note.empty() ? "" : "\n") +
            "the generation file was missing or damaged: end every program that has keys loaded";
  }
  return {.data = {{"cluster-id", id},
                   {"state", "ZEROIZED"},
                   {"hsms", std::move(hsms)},
                   {"lost-hsms", done.lost_hsms},
                   {"backups-destroyed", done.backups},
                   {"backups-left", done.backups_left},
                   {"programs-unaware", done.programs_unaware}},
          .text = std::move(text),
          .note = std::move(note)};
}

Result<Report> Zeroize(const Context& context, const Options& given) {
  HSMCORE_TRY(const auto home, context.Home());
  HSMCORE_TRY(const bool takes_login, hsmcore::ZeroizationTakesLogin(home, given.zeroize));
  SessionPtr admin;
  if (takes_login && !given.emergency) {
    HSMCORE_TRY(admin, LoginAsAdmin(context));
  }
  HSMCORE_TRY(const ZeroizeReport done, hsmcore::ZeroizeCluster(home, given.zeroize, admin.get()));
  return ToReport(done, given.zeroize.cluster_id);
}

}  // namespace

void AddZeroizeCommand(CLI::App& group, SelectedCommand& selected) {
  const auto [app, options] = AddCommand<Options>(
      group, selected,
      {.name = "zeroize",
       .description = "Destroys all key material of the cluster, for good; takes an admin",
       .example = "hsmctl --user admin cluster zeroize --confirm cluster-ab2cd3ef4gh"},
      Zeroize);
  app->add_option("--confirm", options->zeroize.cluster_id, "The id of the cluster that is meant")
      ->required()
      ->type_name("CLUSTER-ID");
  app->add_flag("--backups", options->zeroize.backups,
                "Also all that is in the home's directory of backups");
  app->add_option("--without-hsm", options->zeroize.lost_hsms,
                  "An HSM whose disk is gone for good; it counts as destroyed")
      ->type_name("HSM-ID");
  app->add_flag("--emergency", options->emergency, "Without a login");
}

}  // namespace hsmctl
