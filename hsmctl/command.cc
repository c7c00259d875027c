// SPDX-License-Identifier: Apache-2.0
#include "command.h"

namespace hsmctl {

CLI::App* AddGroup(CLI::App& parent, const CommandText& text) {
  CLI::App* app = parent.add_subcommand(text.name, text.description);
  app->require_subcommand(1);
  app->fallthrough();  // --home and the like may stand anywhere
  app->footer(std::string("Example:\n  ") + text.example +
              "\n\nOptions for every command: hsmctl --help");
  return app;
}

void AddPlainCommand(CLI::App& parent, SelectedCommand& selected, const CommandText& text,
                     hsmcore::Result<Report> (*run)(const Context&)) {
  CLI::App* app = AddGroup(parent, text);
  app->require_subcommand(0);
  app->callback([&selected, run] { selected = run; });
}

}  // namespace hsmctl
