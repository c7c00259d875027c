// SPDX-License-Identifier: Apache-2.0
// docs/cluster.md has the diagram and the tables that the code makes. HSM_WRITE_DOCUMENTS=1 writes
// them.
#include <gtest/gtest.h>

#include <set>
#include <string>

#include "base/text.h"
#include "hsmcore/cluster_state.h"
#include "support/document.h"

namespace hsmcore {
namespace {

constexpr const char* kBegin = "<!-- made from hsmcore/cluster/states.cc -->\n";

std::string From(const ClusterMoveRow& move) { return move.from ? NameOf(*move.from) : "[*]"; }

std::string Label(ClusterAction action) {
  const std::string command = CommandOf(action);
  return command.empty() ? NameOf(action) : command;
}

// Each arrow once; what leaves the state as it is is in the table only.
std::string Diagram() {
  std::string text = "```mermaid\nstateDiagram-v2\n";
  std::set<std::string> seen;
  const auto arrow = [&](const std::string& from, const std::string& to, const std::string& label) {
    const std::string line =
        Cat("    ", from, " --> ", to, label.empty() ? "" : " : ", label, "\n");
    if (from != to && seen.insert(line).second) text += line;
  };
  for (const ClusterMoveRow& move : AllClusterMoves()) {
    const std::string to = NameOf(move.to);
    if (!move.during) {
      arrow(From(move), to, Label(move.action));
    } else {
      arrow(From(move), NameOf(*move.during), Label(move.action));
      arrow(NameOf(*move.during), to, "");
    }
    if (move.to == ClusterState::kDeleted) arrow(to, "[*]", "");
  }
  return text + "```\n";
}

std::string Tables() {
  std::string text = "\n| State | What it means |\n|---|---|\n";
  for (const ClusterStateRow& row : AllClusterStates()) {
    text += Cat("| ", row.name, " | ", row.meaning, " |\n");
  }
  text +=
      "\n| From | What is done | By | Meanwhile | To | Condition |\n|---|---|---|---|---|---|\n";
  for (const ClusterMoveRow& move : AllClusterMoves()) {
    const std::string command = CommandOf(move.action);
    text += Cat("| ", move.from ? NameOf(*move.from) : "", " | ", NameOf(move.action), " | ",
                command.empty() ? "" : Cat("`", command, "`"), " | ",
                move.during ? NameOf(*move.during) : "", " | ", NameOf(move.to), " | ",
                move.condition, " |\n");
  }
  return text;
}

TEST(ClusterDocumentTest, HasTheTableOfTheCode) {
  test::ExpectMade(HSM_CLUSTER_DOCUMENT, kBegin, Diagram() + Tables());
}

}  // namespace
}  // namespace hsmcore
