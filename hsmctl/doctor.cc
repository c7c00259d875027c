// SPDX-License-Identifier: Apache-2.0
#include "doctor.h"

#include <algorithm>
#include <array>
#include <sstream>
#include <string>
#include <utility>

#include "command.h"
#include "files.h"
#include "hsmcore/cluster_setup.h"

namespace hsmctl {
namespace {

using hsmcore::Result;

struct DoctorOptions {
  std::string root = "/";
};

constexpr std::array kHealthNames = {"ok", "warning", "problem"};

std::vector<std::string> Lines(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

// What was found beside the check's name, what mends it below.
void AddRows(Table& table, const char* check, const char* state, const Finding& finding) {
  std::string name = check;
  std::string word = state;
  for (const std::string& line : Lines(finding.found)) {
    table.AddRow({std::exchange(name, ""), std::exchange(word, ""), line});
  }
  for (const std::string& line : Lines(finding.mend)) table.AddRow({"", "", "to mend it: " + line});
}

const char* NameOf(Health health) { return kHealthNames.at(static_cast<std::size_t>(health)); }

Patient Examine(const Context& context, const DoctorOptions& given) {
  Patient patient{.root = AbsolutePath(given.root),
                  .home = {},
                  .home_problem = {},
                  .files = {},
                  .cluster = hsmcore::Fail(hsmcore::ErrorCode::kHomeNotFound, "no home"),
                  .pin_source = context.login().pin_source};
  Result<std::filesystem::path> home = context.Home();
  if (!home) {
    patient.home_problem = home.error().Message();
    return patient;
  }
  patient.home = *std::move(home);
  patient.files = hsmcore::FilesOfHome(patient.home);
  patient.cluster = hsmcore::DescribeCluster(patient.home, false);
  return patient;
}

Result<Report> Doctor(const Context& context, const DoctorOptions& given) {
  const Patient patient = Examine(context, given);
  Table table({"CHECK", "STATE", "FOUND"});
  Json rows = Json::array();
  std::array<unsigned, kHealthNames.size()> counts{};
  for (const std::span<const Check> checks : {FileChecks(), MachineChecks()}) {
    for (const Check& check : checks) {
      const Finding finding = check.look(patient);
      ++counts.at(static_cast<std::size_t>(finding.health));
      const char* state = NameOf(finding.health);
      AddRows(table, check.name, state, finding);
      rows.push_back({{"check", check.name},
                      {"state", state},
                      {"found", Lines(finding.found)},
                      {"mend", Lines(finding.mend)}});
    }
  }
  const unsigned problems = counts.at(static_cast<std::size_t>(Health::kProblem));
  const unsigned warnings = counts.at(static_cast<std::size_t>(Health::kWarning));
  return Report{
      .data = {{"problems", problems}, {"warnings", warnings}, {"checks", std::move(rows)}},
      .text = table.ToString() + std::to_string(problems) + " problems, " +
              std::to_string(warnings) + " warnings\n",
      .note = {},
      .code = problems == 0 ? kOk : kUnhealthy};
}

}  // namespace

void Add(Finding& finding, Finding more) {
  finding.health = std::max(finding.health, more.health);
  for (const auto& [to, from] :
       {std::pair(&finding.found, &more.found), std::pair(&finding.mend, &more.mend)}) {
    if (!to->empty() && !from->empty()) *to += "\n";
    *to += *from;
  }
}

void AddDoctorCommand(CLI::App& parent, SelectedCommand& selected) {
  const auto [app, options] = AddCommand<DoctorOptions>(
      parent, selected,
      {.name = "doctor",
       .description = "Checks the home, its rights, and this machine, and says how to mend each",
       .example = "hsmctl doctor"},
      Doctor);
  // Hidden: the kernel's files of another machine, or of a test.
  app->add_option("--root", options->root, "Where /proc and /sys are")->group("");
}

}  // namespace hsmctl
