// SPDX-License-Identifier: Apache-2.0
#include "audit_view.h"

#include <array>
#include <charconv>
#include <ctime>
#include <string_view>
#include <tuple>

#include "encoding.h"

namespace hsmctl {
namespace {

using hsmcore::AuditRecord;
using hsmcore::ErrorCode;

constexpr std::int64_t kMicro = 1'000'000;

// RFC 3339, with microseconds.
std::string TimeOf(std::int64_t microseconds) {
  const std::time_t seconds = microseconds / kMicro;
  std::tm utc{};
  std::ignore = gmtime_r(&seconds, &utc);
  std::array<char, 32> text{};
  const std::size_t size = std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%S", &utc);
  std::string fraction = std::to_string(microseconds % kMicro);
  fraction.insert(0, 6 - std::min<std::size_t>(fraction.size(), 6), '0');
  return std::string(text.data(), size) + "." + fraction + "Z";
}

// "user/crypto-user/app" as CloudHSM's tools name a user.
Json UserJson(std::string_view path) {
  const std::size_t name = path.rfind('/');
  const std::size_t role = path.find('/');
  if (name == std::string_view::npos || role == name) return nullptr;
  return {{"username", path.substr(name + 1)}, {"role", path.substr(role + 1, name - role - 1)}};
}

std::string UserText(std::string_view path) {
  return std::string(path.substr(std::min(path.size(), path.find('/') + 1)));
}

std::string AboutText(const AuditRecord& record) {
  std::string text = UserText(record.user);
  const auto add = [&](const std::string& more) { text += (text.empty() ? "" : " ") + more; };
  if (!record.keys.empty()) add(record.keys.front().ToString());
  if (record.keys.size() > 1) add("and " + std::to_string(record.keys.size() - 1) + " more");
  if (!record.detail.empty()) add(record.detail);
  return text;
}

std::string ResultText(ErrorCode code) {
  return code == ErrorCode() ? "done" : hsmcore::TextOf(code);
}

}  // namespace

Json RecordJson(const AuditRecord& record, bool with_stored) {
  Json keys = Json::array();
  for (const hsmcore::KeyHandle handle : record.keys) keys.push_back(handle.ToString());
  const auto& row = hsmcore::AllAuditEvents()[static_cast<std::size_t>(record.event)];
  Json json = {
      {"sequence", record.sequence},
      {"time", TimeOf(record.time)},
      {"reboot-counter", record.reboots},
      {"event", row.name},
      {"opcode", row.opcode},
      {"actor", UserJson(record.actor)},
      {"user", UserJson(record.user)},
      {"key-references", std::move(keys)},
      {"detail", record.detail},
      {"response", static_cast<unsigned>(record.result)},
      {"response-text", ResultText(record.result)},
      {"process", {{"pid", record.process}, {"uid", record.uid}, {"program", record.program}}},
      {"signed", record.signed_by_actor},
      {"hash", Hex(record.hash)}};
  if (with_stored) json["record"] = Base64(record.stored);
  return json;
}

std::string RecordLine(const AuditRecord& record, bool with_stored) {
  // A name of a program may be any bytes.
  return RecordJson(record, with_stored).dump(-1, ' ', true, Json::error_handler_t::replace) + "\n";
}

Table RecordTable() {
  return Table({"SEQUENCE", "TIME", "EVENT", "ACTOR", "ABOUT", "RESULT", "PROCESS"});
}

void AddRecord(Table& table, const AuditRecord& record) {
  table.AddRow({std::to_string(record.sequence), TimeOf(record.time), NameOf(record.event),
                record.actor.empty() ? "-" : UserText(record.actor), AboutText(record),
                ResultText(record.result), record.program + " " + std::to_string(record.process)});
}

hsmcore::Result<std::int64_t> ParseTime(const std::string& text) {
  std::tm utc{};
  for (const char* format : {"%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%d"}) {
    utc = {};
    const char* end = strptime(text.c_str(), format, &utc);
    if (end != nullptr && *end == '\0') return timegm(&utc) * kMicro;
  }
  constexpr std::string_view kUnits = "smhd";
  constexpr std::array<std::int64_t, 4> kSeconds = {1, 60, 3600, 86400};
  std::int64_t number = 0;
  const auto [rest, problem] = std::from_chars(text.data(), text.data() + text.size(), number);
  const std::size_t unit = problem == std::errc() && rest + 1 == text.data() + text.size()
                               ? kUnits.find(*rest)
                               : std::string_view::npos;
  constexpr std::int64_t kMost = 1'000'000;
  if (unit == std::string_view::npos || number < 0 || number > kMost) {
    return hsmcore::Fail(ErrorCode::kInvalidArgument,
                         "'" + text.substr(0, 40) +
                             "' is no time: 2026-11-29T23:59:59Z, 2026-11-29, "
                             "or how long ago, 90s, 10m, 2h, 7d");
  }
  return (std::time(nullptr) - number * kSeconds[unit]) * kMicro;
}

}  // namespace hsmctl
