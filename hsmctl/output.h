// SPDX-License-Identifier: Apache-2.0
#ifndef HSMCTL_OUTPUT_H_
#define HSMCTL_OUTPUT_H_

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "exit_code.h"
#include "hsmcore/error.h"

namespace hsmctl {

using Json = nlohmann::ordered_json;  // keeps the order in which CloudHSM's tool prints

enum class OutputFormat : std::uint8_t { kTable, kJson };

// What a command has to say.
struct Report {
  Json data;            // --output json
  std::string text;     // --output table; ends with a newline
  std::string note;     // stderr in both formats: a hint that is no part of the answer
  ExitCode code = kOk;  // other than kOk where the answer itself is that something is wrong
};

// A report that is one sentence.
Report MessageReport(const std::string& message, Json data = Json::object());

// Columns as wide as their widest cell. A row may have fewer cells than there are headers.
class Table {
 public:
  explicit Table(std::vector<std::string> headers) { rows_.push_back(std::move(headers)); }
  void AddRow(std::vector<std::string> cells) { rows_.push_back(std::move(cells)); }
  std::string ToString() const;

 private:
  std::vector<std::vector<std::string>> rows_;  // the first one holds the headers
};

// "2026-01-31 12:00:00 UTC"
std::string TimeText(std::int64_t seconds_since_epoch);

// Print the outcome and return the exit code. Output that cannot be written is a failure too.
ExitCode PrintReport(const Report& report, OutputFormat format);
ExitCode PrintFailure(ExitCode code, const std::string& message, OutputFormat format);
void WriteNote(const std::string& note);  // to standard error
ExitCode PrintText(std::string_view text);

}  // namespace hsmctl

#endif  // HSMCTL_OUTPUT_H_
