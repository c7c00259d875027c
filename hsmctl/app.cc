// SPDX-License-Identifier: Apache-2.0
#include "app.h"

#include <CLI/CLI.hpp>
#include <span>
#include <string>
#include <string_view>

#include "command.h"
#include "context.h"
#include "output.h"

namespace hsmctl {
namespace {

constexpr const char* kFooter =
    R"(Who logs in, and with which password:
  --pin-source file:PATH   a file with user:password or a machine credential
  HSM_PIN=user:password    in the environment
  --user NAME              asks for the password on the terminal
  --mfa-token FILE         besides, for a user with MFA: the tokens that he has signed
  HSM_ROLE=admin|crypto-user overrides the role that the command asks for.
New passwords come from --password-source file:PATH, HSM_NEW_PASSWORD, or the terminal.

Exit codes: 0 done, 2 usage, 3 login, 4 no key or several, 5 forbidden by an attribute, role or
quota, 6 home or HSM trouble, 7 doctor found a problem, 1 anything else.

Example:
  hsmctl --home ./hsm cluster create
  hsmctl --home ./hsm --user admin user create --username app --role crypto-user)";

constexpr const char* kNoPasswords =
    "a password on the command line can be read by everybody on this machine; give it with "
    "--pin-source, --password-source, HSM_PIN or HSM_NEW_PASSWORD, or be asked for it";

constexpr const char* kMayBeSwapped =
    "hsmctl: a password or key may have been swapped out, the limit on locked memory is too low; "
    "see "
    "'hsmctl doctor'";

void AddGlobalOptions(CLI::App& app, GlobalOptions& options) {
  app.add_option("--home", options.home, "Directory of the cluster (else HSM_HOME, else default)")
      ->type_name("DIR");
  app.add_option("--cluster", options.cluster, "Name or id of a cluster of hsm.cnf (cluster list)")
      ->excludes("--home")
      ->type_name("NAME");
  app.add_option("--user", options.login.user, "Who logs in")->type_name("NAME");
  app.add_option("--pin-source", options.login.pin_source, "Where the password is")
      ->type_name("file:PATH");
  app.add_option("--mfa-token", options.login.mfa_token, "The signed tokens of a user with MFA")
      ->type_name("FILE");
  app.add_flag("--disable-key-availability-check", options.no_availability_check,
               "Make keys also where only one HSM is in service");
  // Only checked here: FormatOf reads it.
  app.add_option("--output", "For people or for programs (table)")
      ->check(CLI::IsMember({"table", "json"}))
      ->type_name("FORMAT");
  // Hidden: it is here to say no in words that help.
  app.add_option_function<std::string>(
         "--password,--pin",
         [](const std::string&) { throw CLI::ValidationError("--password", kNoPasswords); })
      ->expected(0, 1)
      ->group("");
}

// Not left to the parser, because a line that cannot be parsed is answered in JSON too.
OutputFormat FormatOf(std::span<char* const> arguments) {
  std::string_view before;
  for (const std::string_view argument : arguments) {
    const bool json = argument == "--output=json" || (before == "--output" && argument == "json");
    if (json) return OutputFormat::kJson;
    before = argument;
  }
  return OutputFormat::kTable;
}

// "hsmctl key list", as far as the line got.
std::string CommandName(const CLI::App& app) {
  std::string name = app.get_name();
  const CLI::App* level = &app;
  while (!level->get_subcommands().empty()) {
    level = level->get_subcommands().back();
    name += " " + level->get_name();
  }
  return name;
}

}  // namespace

ExitCode RunHsmctl(int argc, char** argv) {
  const OutputFormat format = FormatOf({argv, static_cast<std::size_t>(argc)});
  CLI::App app("Manages the clusters, users and keys of a software HSM.", "hsmctl");
  app.require_subcommand(1);
  app.set_version_flag("--version", "hsmctl " HSM_VERSION);
  app.footer(kFooter);
  GlobalOptions options;
  AddGlobalOptions(app, options);
  SelectedCommand selected;
  AddClusterCommands(app, selected);
  AddHsmCommands(app, selected);
  AddBackupCommands(app, selected);
  AddUserCommands(app, selected);
  AddQuorumCommands(app, selected);
  AddGroupCommands(app, selected);
  AddKeyCommands(app, selected);
  AddAuditCommands(app, selected);
  AddDoctorCommand(app, selected);
  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp&) {
    return PrintText(app.help());
  } catch (const CLI::CallForVersion& version) {
    return PrintText(std::string(version.what()) + "\n");
  } catch (const CLI::ParseError& error) {
    const std::string help = "; see " + CommandName(app) + " --help";
    return PrintFailure(kUsage, error.what() + help, format);
  }
  const Context context(options);
  hsmcore::Result<Report> report = selected(context);
  if (hsmcore::SecretsMayBeSwapped()) WriteNote(kMayBeSwapped);
  if (report) {
    for (const std::string& line : context.MakeDailyBackups()) {
      report->note += (report->note.empty() ? "" : "\n") + line;
    }
    return PrintReport(*report, format);
  }
  return PrintFailure(ExitCodeOf(report.error().code()), report.error().Message(), format);
}

}  // namespace hsmctl
