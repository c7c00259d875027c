// SPDX-License-Identifier: Apache-2.0
#ifndef HSMCTL_AUDIT_VIEW_H_
#define HSMCTL_AUDIT_VIEW_H_

#include <cstdint>
#include <string>

#include "hsmcore/audit.h"
#include "output.h"

// How a record of the audit log looks.
namespace hsmctl {

// `with_stored`: as a line of an exported log, which can be verified.
Json RecordJson(const hsmcore::AuditRecord& record, bool with_stored);
// One JSON object and a line feed (JSON Lines).
std::string RecordLine(const hsmcore::AuditRecord& record, bool with_stored);

Table RecordTable();
void AddRecord(Table& table, const hsmcore::AuditRecord& record);

// "2026-11-29T23:59:59Z", "2026-11-29" (midnight), or how long ago: "90s", "10m", "2h", "7d"; in
// microseconds since 1970. kInvalidArgument.
hsmcore::Result<std::int64_t> ParseTime(const std::string& text);

}  // namespace hsmctl

#endif  // HSMCTL_AUDIT_VIEW_H_
