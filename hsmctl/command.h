// SPDX-License-Identifier: Apache-2.0
#ifndef HSMCTL_COMMAND_H_
#define HSMCTL_COMMAND_H_

#include <CLI/CLI.hpp>
#include <functional>
#include <memory>
#include <string>

#include "context.h"
#include "hsmcore/error.h"
#include "output.h"

namespace hsmctl {

struct CommandText {
  const char* name;
  const char* description;
  const char* example;
};

// The command that the line asks for; run after the whole line was found good.
using SelectedCommand = std::function<hsmcore::Result<Report>(const Context&)>;

// A level that only holds other commands.
CLI::App* AddGroup(CLI::App& parent, const CommandText& text);

// What `run` is, and the record that the command line fills for it.
template <class Options>
struct Command {
  CLI::App* app;
  Options* options;  // lives as long as `app`
};

template <class Options>
Command<Options> AddCommand(CLI::App& parent, SelectedCommand& selected, const CommandText& text,
                            hsmcore::Result<Report> (*run)(const Context&, const Options&)) {
  CLI::App* app = AddGroup(parent, text);
  app->require_subcommand(0);
  auto options = std::make_shared<Options>();
  app->callback([&selected, options, run] {
    selected = [options, run](const Context& context) { return run(context, *options); };
  });
  return {.app = app, .options = options.get()};
}

// For commands without options of their own.
void AddPlainCommand(CLI::App& parent, SelectedCommand& selected, const CommandText& text,
                     hsmcore::Result<Report> (*run)(const Context&));

// One per family. `selected` outlives the parsing of the line.
void AddClusterCommands(CLI::App& parent, SelectedCommand& selected);
void AddClusterSetupCommands(CLI::App& cluster_group, SelectedCommand& selected);
void AddZeroizeCommand(CLI::App& cluster_group, SelectedCommand& selected);
void AddClusterListCommand(CLI::App& cluster_group, SelectedCommand& selected);
void AddDoctorCommand(CLI::App& parent, SelectedCommand& selected);
void AddHsmCommands(CLI::App& parent, SelectedCommand& selected);
void AddBackupCommands(CLI::App& parent, SelectedCommand& selected);
void AddAuditCommands(CLI::App& parent, SelectedCommand& selected);
void AddGroupCommands(CLI::App& parent, SelectedCommand& selected);
void AddUserCommands(CLI::App& parent, SelectedCommand& selected);
void AddKeyCommands(CLI::App& parent, SelectedCommand& selected);
void AddKeyReplicateCommand(CLI::App& key_group, SelectedCommand& selected);
void AddQuorumCommands(CLI::App& parent, SelectedCommand& selected);
void AddMfaCommands(CLI::App& user_group, SelectedCommand& selected);
void AddChangeQuorumCommand(CLI::App& user_group, SelectedCommand& selected);
void AddUserReplicateCommand(CLI::App& user_group, SelectedCommand& selected);
void AddKeyCreateCommands(CLI::App& key_group, SelectedCommand& selected);
void AddKeyWrapCommands(CLI::App& key_group, SelectedCommand& selected);
void AddKeyDeriveCommands(CLI::App& key_group, SelectedCommand& selected);
void AddKeyLifeCommands(CLI::App& key_group, SelectedCommand& selected);
void AddKeyShareCommands(CLI::App& key_group, SelectedCommand& selected);
void AddKeySecretCommands(CLI::App& key_group, CLI::App& import_group, SelectedCommand& selected);

}  // namespace hsmctl

#endif  // HSMCTL_COMMAND_H_
