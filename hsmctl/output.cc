// SPDX-License-Identifier: Apache-2.0
#include "output.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <ctime>

namespace hsmctl {
namespace {

// In characters, not bytes: labels are UTF-8.
std::size_t WidthOf(std::string_view text) {
  return static_cast<std::size_t>(
      std::ranges::count_if(text, [](char c) { return (c & '\xC0') != '\x80'; }));
}

bool WriteAll(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = write(fd, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return false;
    text.remove_prefix(static_cast<std::size_t>(written));
  }
  return true;
}

std::string JsonText(ExitCode code, const Json& data) {
  const Json answer = {{"error_code", static_cast<int>(code)}, {"data", data}};
  // A path may hold bytes that are no UTF-8; they must not make the answer fail.
  return answer.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace

void WriteNote(const std::string& note) {
  // There is nobody left to tell when stderr is gone.
  static_cast<void>(WriteAll(STDERR_FILENO, note + "\n"));
}

Report MessageReport(const std::string& message, Json data) {
  data["message"] = message;
  return {.data = std::move(data), .text = message + "\n", .note = {}};
}

std::string Table::ToString() const {
  std::vector<std::size_t> widths(rows_.front().size());
  for (const auto& row : rows_) {
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], WidthOf(row[i]));
  }
  std::string text;
  for (const auto& row : rows_) {
    std::string line;
    for (std::size_t i = 0; i < row.size(); ++i) {
      line += row[i];
      line.append(widths[i] - WidthOf(row[i]) + 2, ' ');
    }
    line.erase(line.find_last_not_of(' ') + 1);
    text += line + "\n";
  }
  return text;
}

std::string TimeText(std::int64_t seconds_since_epoch) {
  const std::time_t time = seconds_since_epoch;
  std::tm parts{};
  std::array<char, 32> text{};
  if (gmtime_r(&time, &parts) == nullptr) return "-";
  return {text.data(), std::strftime(text.data(), text.size(), "%F %T UTC", &parts)};
}

ExitCode PrintText(std::string_view text) {
  if (WriteAll(STDOUT_FILENO, text)) return kOk;
  WriteNote(std::string("hsmctl: cannot write to standard output: ") + std::strerror(errno));
  return kFailure;
}

ExitCode PrintReport(const Report& report, OutputFormat format) {
  const ExitCode printed =
      PrintText(format == OutputFormat::kJson ? JsonText(report.code, report.data) : report.text);
  if (printed != kOk) {
    WriteNote("hsmctl: what was asked for has been done all the same");
    return printed;
  }
  if (!report.note.empty()) WriteNote(report.note);
  return report.code;
}

ExitCode PrintFailure(ExitCode code, const std::string& message, OutputFormat format) {
  if (format == OutputFormat::kTable) {
    WriteNote("hsmctl: " + message);
    return code;
  }
  const ExitCode printed = PrintText(JsonText(code, message));
  return printed == kOk ? code : printed;
}

}  // namespace hsmctl
